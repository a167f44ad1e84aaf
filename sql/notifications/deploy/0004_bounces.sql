-- Deploy notifications:0004_bounces to pg
-- requires: 0003_recipients

begin;

-- addresses that a server refused for good
create table bounces (
    email text not null,
    reason text not null,
    count integer not null,
    bounced_at timestamptz not null,
    constraint bounces_pkey
        primary key (email)
);

grant select, insert, update
    on bounces
    to :"role";

commit;
