-- Deploy notifications:0003_recipients to pg
-- requires: 0002_notifications

begin;

-- as users tells it
create table recipients (
    user_id uuid not null,
    email text not null,
    name text not null,
    language text not null,
    is_verified boolean not null,
    -- of the person, with each change
    version bigint not null,
    constraint recipients_pkey
        primary key (user_id)
);

grant select, insert, update
    on recipients
    to :"role";

grant update (read_at)
    on notifications
    to :"role";

commit;
