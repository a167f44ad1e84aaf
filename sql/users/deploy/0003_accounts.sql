-- Deploy users:0003_accounts to pg
-- requires: 0002_users

begin;

alter table users
    add column language text not null default 'en',
    add column email_verified boolean not null default false,
    -- grows with each change that others are told of
    add column version bigint not null default 1,
    add constraint users_language_check
        check (language in ('en', 'de'));

-- what a role allows
create table roles (
    name text not null,
    constraint roles_pkey
        primary key (name),
    constraint roles_name_check
        check (name ~ '^[a-z][a-z_]{0,31}$')
);

create table role_scopes (
    role text not null,
    scope text not null,
    constraint role_scopes_pkey
        primary key (role, scope),
    constraint role_scopes_role_fkey
        foreign key (role)
        references roles (name)
        on delete cascade,
    constraint role_scopes_scope_check
        check (scope ~ '^[a-z_]+:[a-z_]+$')
);

create table user_roles (
    user_id uuid not null,
    role text not null,
    constraint user_roles_pkey
        primary key (user_id, role),
    constraint user_roles_user_id_fkey
        foreign key (user_id)
        references users (id)
        on delete cascade,
    constraint user_roles_role_fkey
        foreign key (role)
        references roles (name)
);

-- who gave whom which roles
create table role_changes (
    id bigint not null generated always as identity,
    user_id uuid not null,
    changed_by text not null,
    roles_before text[] not null,
    roles_after text[] not null,
    changed_at timestamptz not null default now(),
    constraint role_changes_pkey
        primary key (id)
);

create index role_changes_user_id_idx
    on role_changes (user_id, id);

insert into roles (name)
values ('customer'), ('admin');

insert into role_scopes (role, scope)
values
    ('customer', 'orders:read'),
    ('customer', 'orders:write'),
    ('customer', 'users:read'),
    ('customer', 'users:write'),
    ('customer', 'payments:read'),
    ('customer', 'notifications:read'),
    ('customer', 'notifications:write'),
    ('admin', 'catalog:write'),
    ('admin', 'users:admin'),
    ('admin', 'payments:refund');

insert into user_roles (user_id, role)
select id, 'customer'
from users;

-- a family of refresh tokens: from one login to its end
create table sessions (
    id uuid not null,
    user_id uuid not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz,
    end_reason text,
    constraint sessions_pkey
        primary key (id),
    constraint sessions_user_id_fkey
        foreign key (user_id)
        references users (id)
        on delete cascade,
    constraint sessions_end_reason_check
        check (end_reason in ('logout', 'reuse', 'password')),
    constraint sessions_ended_at_end_reason_check
        check ((ended_at is null) = (end_reason is null))
);

create index sessions_user_id_idx
    on sessions (user_id)
    where ended_at is null;

create index sessions_expires_at_idx
    on sessions (least(expires_at, ended_at));

-- only digests: who reads this table has no token
create table refresh_tokens (
    hash text not null,
    session_id uuid not null,
    -- the one it came in place of
    parent text,
    expires_at timestamptz not null,
    rotated_at timestamptz,
    -- the message that did
    rotated_by uuid,
    constraint refresh_tokens_pkey
        primary key (hash),
    constraint refresh_tokens_session_id_fkey
        foreign key (session_id)
        references sessions (id)
        on delete cascade,
    constraint refresh_tokens_hash_check
        check (length(hash) = 64),
    constraint refresh_tokens_rotated_at_rotated_by_check
        check ((rotated_at is null) = (rotated_by is null))
);

create index refresh_tokens_session_id_idx
    on refresh_tokens (session_id);

create index refresh_tokens_parent_idx
    on refresh_tokens (parent);

-- links that were sent to an address, as digests; each is good once
create table links (
    hash text not null,
    user_id uuid not null,
    purpose text not null,
    email text not null,
    expires_at timestamptz not null,
    constraint links_pkey
        primary key (hash),
    constraint links_user_id_fkey
        foreign key (user_id)
        references users (id)
        on delete cascade,
    constraint links_hash_check
        check (length(hash) = 64),
    constraint links_purpose_check
        check (purpose in ('verify', 'reset'))
);

create index links_user_id_idx
    on links (user_id);

create index links_expires_at_idx
    on links (expires_at);

-- when a person was sent what last, so that nobody's mailbox is flooded
create table mails (
    user_id uuid not null,
    template text not null,
    sent_at timestamptz not null,
    constraint mails_pkey
        primary key (user_id, template),
    constraint mails_user_id_fkey
        foreign key (user_id)
        references users (id)
        on delete cascade
);

create index mails_sent_at_idx
    on mails (sent_at);

-- wrong passwords, by a digest of account and client's address
create table login_failures (
    key text not null,
    failures integer not null,
    blocked_until timestamptz not null,
    expires_at timestamptz not null,
    constraint login_failures_pkey
        primary key (key),
    constraint login_failures_key_check
        check (length(key) = 64)
);

create index login_failures_expires_at_idx
    on login_failures (expires_at);

grant update
    on users
    to :"role";

grant select
    on roles, role_scopes
    to :"role";

grant select, insert, delete
    on user_roles
    to :"role";

grant select, insert
    on role_changes
    to :"role";

grant select, insert, update, delete
    on sessions, refresh_tokens, links, mails, login_failures
    to :"role";

commit;
