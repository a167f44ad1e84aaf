-- Deploy notifications:0002_notifications to pg
-- requires: 0001_runtime

begin;

create table notifications (
    id uuid not null,
    user_id uuid not null,
    event_id uuid not null,
    kind text not null,
    title text not null,
    body text not null,
    data jsonb not null,
    created_at timestamptz not null,
    read_at timestamptz,
    constraint notifications_pkey
        primary key (id),
    constraint notifications_user_id_event_id_key
        unique (user_id, event_id)
);

-- ids are of version 7: their order is the order of time
create index notifications_user_id_id_idx
    on notifications (user_id, id);

grant select, insert
    on notifications
    to :"role";

commit;
