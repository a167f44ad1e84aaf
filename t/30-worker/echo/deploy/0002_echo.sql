-- Deploy echo:0002_echo to pg
-- requires: 0001_runtime

begin;

create table echo (
    id text not null,
    text text not null,
    constraint echo_pkey
        primary key (id)
);

create table echo_seen (
    id text not null,
    times integer not null,
    constraint echo_seen_pkey
        primary key (id)
);

grant select, insert, update
    on echo, echo_seen
    to :"role";

commit;
