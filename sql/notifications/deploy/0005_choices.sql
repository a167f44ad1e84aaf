-- Deploy notifications:0005_choices to pg
-- requires: 0004_bounces

begin;

-- what a person does not want: all else they do
create table mutes (
    user_id uuid not null,
    kinds text not null,
    channel text not null,
    constraint mutes_pkey
        primary key (user_id, kinds, channel)
);

-- the secret is made of the service's key and the salt
create table webhooks (
    user_id uuid not null,
    url text not null,
    salt text not null,
    created_at timestamptz not null,
    failing_since timestamptz,
    disabled_at timestamptz,
    constraint webhooks_pkey
        primary key (user_id)
);

grant select, insert, delete
    on mutes
    to :"role";

grant select, insert, update, delete
    on webhooks
    to :"role";

commit;
