-- Deploy the runtime's tables; included by each service's 0001_runtime, inside
-- of its transaction.  :"role" is the login role of the service.

-- what has acted, and what it was answered: a message acts once
create table inbox (
    message_id uuid not null,
    taken_at timestamptz not null default now(),
    -- of arguments and body, where the id was made from a client's key
    fingerprint text,
    -- of a call; null: it was no call
    status smallint,
    content_type text,
    -- http headers of the reply, a JSON object
    headers text,
    -- null: too large to be kept
    body text,
    constraint inbox_pkey
        primary key (message_id)
);

create index inbox_taken_at_idx
    on inbox
    using brin (taken_at);

-- what is to be published: an event leaves if its transaction was committed
create table outbox (
    id uuid not null,
    exchange text not null,
    routing_key text not null,
    type text not null,
    content_type text not null,
    traceparent text,
    sub text,
    body text not null,
    -- of a dead letter that is sent again: [{name, text or number}]
    headers jsonb,
    created_at timestamptz not null default now(),
    -- whoever made the row publishes it; later it is anybody's
    due_at timestamptz not null default now() + interval '10 seconds',
    constraint outbox_pkey
        primary key (id)
) with (fillfactor = 70);

create index outbox_due_at_idx
    on outbox (due_at);

-- what will not be tried again by itself
create table dead_letter (
    id bigint generated always as identity,
    message_id text not null,
    home text not null,
    type text not null,
    content_type text not null,
    sender text not null,
    headers jsonb not null,
    body bytea not null,
    reason text not null,
    attempts integer not null,
    first_at timestamptz not null,
    last_at timestamptz not null default now(),
    constraint dead_letter_pkey
        primary key (id),
    constraint dead_letter_message_id_home_key
        unique (message_id, home),
    constraint dead_letter_attempts_check
        check (attempts >= 0)
);

create index dead_letter_last_at_idx
    on dead_letter (last_at);

-- messages that a lane was working on when it died
create table crash (
    message_id text not null,
    home text not null,
    -- of a lane with nothing but this message; 0: it was one of several
    crashes integer not null default 0,
    -- how the last one ended
    ended text,
    last_at timestamptz not null default now(),
    constraint crash_pkey
        primary key (message_id, home),
    constraint crash_crashes_check
        check (crashes >= 0)
);

grant select, insert, update, delete
    on inbox, outbox, dead_letter, crash
    to :"role";
