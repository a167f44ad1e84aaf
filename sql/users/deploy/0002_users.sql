-- Deploy users:0002_users to pg
-- requires: 0001_runtime

begin;

create table users (
    id uuid not null,
    email text not null,
    name text not null,
    password_hash text not null,
    created_at timestamptz not null,
    constraint users_pkey
        primary key (id),
    constraint users_email_check
        check (octet_length(email) between 3 and 254),
    constraint users_name_check
        check (octet_length(name) between 1 and 200)
);

-- one account an address, however it is spelled
create unique index users_email_key
    on users (lower(email));

grant select, insert
    on users
    to :"role";

commit;
