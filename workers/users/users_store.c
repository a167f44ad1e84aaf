/*
 * Copyright (C) the Warren authors
 *
 * All SQL of users.
 */

#include <string.h>

#include "arena.h"
#include "id.h"
#include "tx.h"
#include "users_store.h"


/* Rows of a table that one message deletes. */
#define TIDY_MAX  "5000"

#define ROLES                                                                 \
    "    (select coalesce(json_agg(ur.role order by ur.role), '[]') "         \
    "     from user_roles as ur "                                             \
    "     where ur.user_id = users.id) "

/* "limit" keeps the roles from being joined as a whole while they are few. */

#define SCOPES(user_id)                                                       \
    "    (select coalesce(string_agg(distinct scope collate \"C\", ' ' "      \
    "                                order by scope collate \"C\"), '') "     \
    "     from user_roles as ur "                                             \
    "         cross join lateral ("                                           \
    "             select rs.scope from role_scopes as rs "                    \
    "             where rs.role = ur.role "                                   \
    "             limit 1000) as allowed "                                    \
    "     where ur.user_id = " user_id ") "

#define COLUMNS                                                               \
    "id, email, name, language, email_verified, version, "                    \
    "to_char(created_at at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "                              \
    ROLES ", " SCOPES("users.id") ", password_hash "


/* Addresses are ASCII: no other letter passes for one of theirs. */

struct wr_rows *
users_store_by_email(struct wr_tx *tx, const char *email)
{
    return wr_tx_query(tx,
                       "select " COLUMNS
                       "from users "
                       "where lower(email) "
                       "    = lower($1::text collate \"C\") "
                       "        collate \"default\"",
                       WR_PARAMS(email));
}


struct wr_rows *
users_store_by_id(struct wr_tx *tx, const char *id)
{
    return wr_tx_query(tx,
                       "select " COLUMNS
                       "from users "
                       "where id = $1",
                       WR_PARAMS(id));
}


/* The same statement, whether the address is taken or not. */

struct wr_rows *
users_store_insert(struct wr_tx *tx, const struct users_store_account *account)
{
    return wr_tx_query(tx,
                       "with made as ("
                       "    insert into users "
                       "    (id, email, name, language, password_hash, "
                       "        created_at) "
                       "    values ($1, $2, $3, $4, $5, $6) "
                       "    on conflict do nothing "
                       "    returning id), "
                       "given as ("
                       "    insert into user_roles (user_id, role) "
                       "    select id, 'customer' "
                       "    from made) "
                       "select id from made",
                       WR_PARAMS(account->id, account->email, account->name,
                                 account->language, account->password_hash,
                                 account->created_at));
}


struct wr_rows *
users_store_update(struct wr_tx *tx, const char *id, const char *name,
    const char *language)
{
    return wr_tx_query(tx,
                       "update users "
                       "set name = coalesce($2, name), "
                       "    language = coalesce($3, language), "
                       "    version = version + 1 "
                       "where id = $1 "
                       "returning " COLUMNS,
                       WR_PARAMS(id, name, language));
}


struct wr_rows *
users_store_verify(struct wr_tx *tx, const char *id, const char *email)
{
    return wr_tx_query(tx,
                       "update users "
                       "set email = $2, "
                       "    email_verified = true, "
                       "    version = version + 1 "
                       "where id = $1 "
                       "    and not exists ("
                       "        select from users as other "
                       "        where lower(other.email) = lower($2) "
                       "            and other.id <> $1) "
                       "returning " COLUMNS,
                       WR_PARAMS(id, email));
}


struct wr_rows *
users_store_password(struct wr_tx *tx, const char *id, const char *hash,
    const char *old)
{
    return wr_tx_query(tx,
                       "update users "
                       "set password_hash = $2 "
                       "where id = $1 "
                       "    and ($3::text is null or password_hash = $3)",
                       WR_PARAMS(id, hash, old));
}


/* One that somebody else has is let be: who logs in holds other rows already,
   and must not wait for it. */

void
users_store_rehash(struct wr_tx *tx, const char *id, const char *hash,
    const char *old)
{
    wr_tx_exec(tx,
               "update users "
               "set password_hash = $2 "
               "where id = ("
               "        select free.id from users as free "
               "        where free.id = $1 "
               "        limit 1 "
               "        for no key update skip locked) "
               "    and password_hash = $3",
               WR_PARAMS(id, hash, old));
}


struct wr_rows *
users_store_wait(struct wr_tx *tx, const char *key)
{
    return wr_tx_query(tx,
                       "select ceil(extract(epoch from "
                       "    blocked_until - now()))::bigint "
                       "from login_failures "
                       "where key = $1 "
                       "    and blocked_until > now()",
                       WR_PARAMS(key));
}


/* One statement, so that of any number at once only as many pass as may. */

struct wr_rows *
users_store_attempt(struct wr_tx *tx, const char *key, const char *count,
    const char *delay, const char *delay_max)
{
    return wr_tx_query(tx,
                       "insert into login_failures as f "
                       "(key, failures, blocked_until, expires_at) "
                       "values ($1, 1, "
                       "    case when $2::integer > 1 then now() "
                       "        else now() + $3::interval end, "
                       "    now() + interval '1 hour' + $4::interval) "
                       "on conflict on constraint login_failures_pkey "
                       "do update "
                       "set failures = case when f.expires_at <= now() "
                       "        then 1 else f.failures + 1 end, "
                       "    blocked_until = case "
                       "        when f.expires_at <= now() "
                       "            or f.failures + 1 < $2::integer "
                       "        then now() "
                       "        else now() + least($4::interval, "
                       "            $3::interval * power(2, least(20, "
                       "                f.failures + 1 - $2::integer))) "
                       "        end, "
                       "    expires_at = now() + interval '1 hour' "
                       "        + $4::interval "
                       "where f.blocked_until <= now() "
                       "returning failures",
                       WR_PARAMS(key, count, delay, delay_max));
}


void
users_store_forgive(struct wr_tx *tx, const char *key)
{
    wr_tx_exec(tx, "delete from login_failures where key = $1",
               WR_PARAMS(key));
}


void
users_store_begin(struct wr_tx *tx, const char *session, const char *user,
    const char *hash, const char *lifetime, const char *idle)
{
    wr_tx_exec(tx,
               "with begun as ("
               "    insert into sessions (id, user_id, expires_at) "
               "    values ($1, $2, now() + $4::interval) "
               "    returning id, expires_at) "
               "insert into refresh_tokens (hash, session_id, expires_at) "
               "select $3::text, id, "
               "    least(expires_at, now() + $5::interval) "
               "from begun",
               WR_PARAMS(session, user, hash, lifetime, idle));
}


struct wr_rows *
users_store_token(struct wr_tx *tx, const char *hash)
{
    return wr_tx_query(tx,
                       "select s.id, s.user_id, "
                       "    s.ended_at is null and s.expires_at > now(), "
                       "    t.rotated_at is not null, "
                       "    t.expires_at > now(), "
                       SCOPES("s.user_id")
                       "from refresh_tokens as t "
                       "    cross join lateral ("
                       "        select * from sessions "
                       "        where sessions.id = t.session_id "
                       "        limit 1) as s "
                       "where t.hash = $1",
                       WR_PARAMS(hash));
}


struct wr_rows *
users_store_rotate(struct wr_tx *tx, const char *hash, const char *message)
{
    return wr_tx_query(tx,
                       "update refresh_tokens "
                       "set rotated_at = now(), "
                       "    rotated_by = $2 "
                       "where hash = $1 "
                       "    and rotated_at is null",
                       WR_PARAMS(hash, message));
}


struct wr_rows *
users_store_take_back(struct wr_tx *tx, const char *hash, const char *message,
    const char *grace)
{
    return wr_tx_query(tx,
                       "delete from refresh_tokens as next "
                       "using refresh_tokens as t "
                       "where t.hash = $1 "
                       "    and t.rotated_by = $2 "
                       "    and t.rotated_at >= now() - $3::interval "
                       "    and next.parent = t.hash "
                       "    and next.rotated_at is null",
                       WR_PARAMS(hash, message, grace));
}


void
users_store_succeed(struct wr_tx *tx, const char *session, const char *hash,
    const char *parent, const char *idle)
{
    wr_tx_exec(tx,
               "insert into refresh_tokens "
               "(hash, session_id, parent, expires_at) "
               "select $2::text, id, $3::text, "
               "    least(expires_at, now() + $4::interval) "
               "from sessions "
               "where id = $1",
               WR_PARAMS(session, hash, parent, idle));
}


/* What it was ended by first, it was ended by. */

#define END  "update sessions "                                               \
             "set ended_at = coalesce(ended_at, now()), "                     \
             "    end_reason = coalesce(end_reason, $2) "


void
users_store_end(struct wr_tx *tx, const char *session, const char *reason)
{
    wr_tx_exec(tx, END "where id = $1", WR_PARAMS(session, reason));
}


void
users_store_end_by_token(struct wr_tx *tx, const char *hash,
    const char *reason)
{
    wr_tx_exec(tx,
               END "where id = (select session_id from refresh_tokens "
                   "            where hash = $1)",
               WR_PARAMS(hash, reason));
}


void
users_store_end_all(struct wr_tx *tx, const char *user, const char *reason)
{
    wr_tx_exec(tx, END "where user_id = $1 and ended_at is null",
               WR_PARAMS(user, reason));
}


struct wr_rows *
users_store_mail(struct wr_tx *tx, const char *user, const char *template,
    const char *pause)
{
    return wr_tx_query(tx,
                       "insert into mails (user_id, template, sent_at) "
                       "values ($1, $2, now()) "
                       "on conflict on constraint mails_pkey do update "
                       "set sent_at = now() "
                       "where mails.sent_at <= now() - $3::interval "
                       "returning user_id",
                       WR_PARAMS(user, template, pause));
}


/* Who moves twice moves to the second address: the first may be a slip of the
   keyboard, and a stranger's. */

void
users_store_link(struct wr_tx *tx, const char *hash, const char *user,
    const char *purpose, const char *email, const char *lifetime)
{
    wr_tx_exec(tx,
               "delete from links as l "
               "using users as u "
               "where l.user_id = $1 "
               "    and l.purpose = 'verify' "
               "    and u.id = l.user_id "
               "    and $2::text = 'verify' "
               "    and lower(u.email) <> lower($3::text) "
               "    and lower(l.email) not in (lower(u.email), "
               "        lower($3::text))",
               WR_PARAMS(user, purpose, email));

    wr_tx_exec(tx,
               "insert into links (hash, user_id, purpose, email, expires_at) "
               "values ($1, $2, $3, $4, now() + $5::interval)",
               WR_PARAMS(hash, user, purpose, email, lifetime));
}


struct wr_rows *
users_store_find_link(struct wr_tx *tx, const char *hash, const char *purpose)
{
    return wr_tx_query(tx,
                       "select l.user_id, l.email "
                       "from (select * from links "
                       "      where hash = $1 limit 1) as l "
                       "    cross join lateral ("
                       "        select email from users "
                       "        where users.id = l.user_id "
                       "        limit 1) as u "
                       "where l.purpose = $2 "
                       "    and l.expires_at > now() "
                       "    and (l.purpose = 'verify' "
                       "        or lower(u.email) = lower(l.email))",
                       WR_PARAMS(hash, purpose));
}


struct wr_rows *
users_store_use_link(struct wr_tx *tx, const char *hash)
{
    return wr_tx_query(tx, "delete from links where hash = $1",
                       WR_PARAMS(hash));
}


void
users_store_drop_verify_links(struct wr_tx *tx, const char *user)
{
    wr_tx_exec(tx,
               "delete from links "
               "where user_id = $1 "
               "    and purpose = 'verify'",
               WR_PARAMS(user));
}


void
users_store_drop_links(struct wr_tx *tx, const char *user)
{
    wr_tx_exec(tx, "delete from links where user_id = $1", WR_PARAMS(user));
}


struct wr_rows *
users_store_roles(struct wr_tx *tx, const char *names)
{
    return wr_tx_query(tx,
                       "select name from roles "
                       "where name = any ($1::text[])",
                       WR_PARAMS(names));
}


void
users_store_set_roles(struct wr_tx *tx, const char *user, const char *names,
    const char *by)
{
    wr_tx_exec(tx,
               "insert into role_changes "
               "(user_id, changed_by, roles_before, roles_after) "
               "values ($1, $3, "
               "    array(select role from user_roles where user_id = $1 "
               "          order by role), "
               "    array(select unnest($2::text[]) order by 1))",
               WR_PARAMS(user, names, by));

    wr_tx_exec(tx,
               "delete from user_roles "
               "where user_id = $1 "
               "    and role <> all ($2::text[])",
               WR_PARAMS(user, names));

    wr_tx_exec(tx,
               "insert into user_roles (user_id, role) "
               "select $1::uuid, unnest($2::text[]) "
               "on conflict do nothing",
               WR_PARAMS(user, names));
}


struct wr_rows *
users_store_touch(struct wr_tx *tx, const char *id)
{
    return wr_tx_query(tx,
                       "update users "
                       "set version = version + 1 "
                       "where id = $1 "
                       "returning " COLUMNS,
                       WR_PARAMS(id));
}


#define TIDY(table, time, limit)                                              \
    "delete from " table " "                                                  \
    "where ctid = any (array("                                                \
    "    select ctid from " table " "                                         \
    "    where " time " <= " limit " "                                        \
    "    order by " time " "                                                  \
    "    limit " TIDY_MAX " "                                                 \
    "    for update skip locked))"


void
users_store_tidy(struct wr_tx *tx)
{
    wr_tx_exec(tx, TIDY("login_failures", "expires_at", "now()"),
               WR_NO_PARAMS);
    wr_tx_exec(tx, TIDY("links", "expires_at", "now()"), WR_NO_PARAMS);
    wr_tx_exec(tx, TIDY("mails", "sent_at", "now() - interval '1 day'"),
               WR_NO_PARAMS);

    /* an ended one is kept for a while, for those who look into it */
    wr_tx_exec(tx,
               TIDY("sessions", "least(expires_at, ended_at)",
                    "now() - interval '7 days'"),
               WR_NO_PARAMS);
}
