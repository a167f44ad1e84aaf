/*
 * Copyright (C) the Warren authors
 *
 * All SQL of notifications.
 */

#include "notifications.h"
#include "notifications_group.h"
#include "notifications_recipient.h"
#include "notifications_store.h"
#include "notifications_template.h"


#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "

#define NOTIFICATION                                                          \
    "select id, kind, title, body, data, "                                    \
    TIME("created_at") ", "                                                   \
    TIME("read_at")                                                           \
    "from notifications "


enum find_column {
    FIND_EMAIL = 0,
    FIND_NAME,
    FIND_LANGUAGE,
    FIND_IS_VERIFIED,
    FIND_HAS_BOUNCED,
    FIND_UNWANTED,
    FIND_URL,
    FIND_SALT
};


static bool is_true(struct wr_rows *rows, int column);


void
notifications_store_insert(struct wr_tx *tx,
    const struct notification *notification)
{
    wr_tx_add(tx,
              "insert into notifications "
              "(id, user_id, event_id, kind, title, body, data, created_at) "
              "select * "
              "from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], "
              "    $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[]) "
              "on conflict on constraint "
              "    notifications_user_id_event_id_key do nothing",
              WR_PARAMS(notification->id, notification->user_id,
                        notification->event_id, notification->kind,
                        notification->title, notification->body,
                        notification->data, notification->created_at));
}


struct wr_rows *
notifications_store_page(struct wr_tx *tx, const char *user_id,
    const char *before, const char *count)
{
    return wr_tx_query(tx,
                       NOTIFICATION
                       "where user_id = $1 "
                       "    and id < $2 "
                       "order by id desc "
                       "limit $3::bigint",
                       WR_PARAMS(user_id, before, count));
}


struct wr_rows *
notifications_store_since(struct wr_tx *tx, const char *user_id,
    const char *after, const char *count)
{
    return wr_tx_query(tx,
                       NOTIFICATION
                       "where user_id = $1 "
                       "    and id > $2 "
                       "order by id "
                       "limit $3::bigint",
                       WR_PARAMS(user_id, after, count));
}


struct wr_rows *
notifications_store_read(struct wr_tx *tx, const char *user_id,
    const char *id)
{
    return wr_tx_query(tx,
                       "update notifications "
                       "set read_at = coalesce(read_at, now()) "
                       "where id = $2 "
                       "    and user_id = $1",
                       WR_PARAMS(user_id, id));
}


void
notifications_store_recipient(struct wr_tx *tx,
    const struct notifications_recipient *recipient, const char *version)
{
    wr_tx_exec(tx,
               "insert into recipients as r "
               "(user_id, email, name, language, is_verified, version) "
               "values ($1, $2, $3, $4, $5, $6) "
               "on conflict on constraint recipients_pkey do update "
               "set email = excluded.email, "
               "    name = excluded.name, "
               "    language = excluded.language, "
               "    is_verified = excluded.is_verified, "
               "    version = excluded.version "
               "where r.version < excluded.version",
               WR_PARAMS(recipient->user_id, recipient->email,
                         recipient->name, recipient->language,
                         recipient->is_verified ? "true" : "false",
                         version));
}


struct wr_rows *
notifications_store_find(struct wr_tx *tx, const char *user_id,
    const char *kind)
{
    return wr_tx_query(tx,
                       "select r.email, r.name, r.language, r.is_verified, "
                       "    b.email is not null, "
                       "    (select string_agg(m.channel, ' ') "
                       "    from mutes as m "
                       "    where m.user_id = u.user_id "
                       "        and m.kinds = $2), "
                       "    w.url, w.salt "
                       "from (select $1::uuid as user_id) as u "
                       "    left join recipients as r "
                       "        on r.user_id = u.user_id "
                       "    left join bounces as b "
                       "        on b.email = r.email "
                       "        and b.bounced_at > now() - "
                       "            interval '7 days' "
                       "    left join webhooks as w "
                       "        on w.user_id = u.user_id "
                       "        and w.disabled_at is null",
                       WR_PARAMS(user_id, notifications_group_of(kind)));
}


void
notifications_store_recipient_read(struct wr_rows *rows, const char *user_id,
    struct notifications_recipient *recipient_r)
{
    const char  *language;

    language = wr_rows_text(rows, 0, FIND_LANGUAGE);

    recipient_r->user_id = user_id;
    recipient_r->email = wr_rows_text(rows, 0, FIND_EMAIL);
    recipient_r->name = wr_rows_text(rows, 0, FIND_NAME);
    recipient_r->language = (language != NULL) ? language
                                               : NOTIFICATIONS_LANGUAGE;
    recipient_r->is_verified = is_true(rows, FIND_IS_VERIFIED);
    recipient_r->has_bounced = is_true(rows, FIND_HAS_BOUNCED);
    recipient_r->unwanted = wr_rows_text(rows, 0, FIND_UNWANTED);
    recipient_r->url = wr_rows_text(rows, 0, FIND_URL);
    recipient_r->salt = wr_rows_text(rows, 0, FIND_SALT);
}


static bool
is_true(struct wr_rows *rows, int column)
{
    const char  *text;

    text = wr_rows_text(rows, 0, column);

    return text != NULL && text[0] == 't';
}


void
notifications_store_bounce(struct wr_tx *tx, const char *email,
    const char *reason)
{
    wr_tx_exec(tx,
               "insert into bounces as b "
               "(email, reason, count, bounced_at) "
               "values ($1, $2, 1, now()) "
               "on conflict on constraint bounces_pkey do update "
               "set reason = excluded.reason, "
               "    count = b.count + 1, "
               "    bounced_at = excluded.bounced_at",
               WR_PARAMS(email, reason));
}


struct wr_rows *
notifications_store_mutes(struct wr_tx *tx, const char *user_id)
{
    return wr_tx_query(tx,
                       "select string_agg(kinds || '.' || channel, ' ') "
                       "from mutes "
                       "where user_id = $1",
                       WR_PARAMS(user_id));
}


void
notifications_store_unmute(struct wr_tx *tx, const char *user_id)
{
    wr_tx_exec(tx,
               "delete from mutes "
               "where user_id = $1",
               WR_PARAMS(user_id));
}


void
notifications_store_mute(struct wr_tx *tx, const char *user_id,
    const char *group, const char *channel)
{
    wr_tx_exec(tx,
               "insert into mutes (user_id, kinds, channel) "
               "values ($1, $2, $3) "
               "on conflict on constraint mutes_pkey do nothing",
               WR_PARAMS(user_id, group, channel));
}


struct wr_rows *
notifications_store_webhook(struct wr_tx *tx, const char *user_id)
{
    return wr_tx_query(tx,
                       "select url, "
                       TIME("created_at") ", "
                       TIME("failing_since") ", "
                       TIME("disabled_at")
                       "from webhooks "
                       "where user_id = $1",
                       WR_PARAMS(user_id));
}


void
notifications_store_webhook_put(struct wr_tx *tx, const char *user_id,
    const char *url, const char *salt, const char *created_at)
{
    wr_tx_exec(tx,
               "insert into webhooks (user_id, url, salt, created_at) "
               "values ($1, $2, $3, $4) "
               "on conflict on constraint webhooks_pkey do update "
               "set url = excluded.url, "
               "    salt = excluded.salt, "
               "    created_at = excluded.created_at, "
               "    failing_since = null, "
               "    disabled_at = null",
               WR_PARAMS(user_id, url, salt, created_at));
}


struct wr_rows *
notifications_store_webhook_delete(struct wr_tx *tx, const char *user_id)
{
    return wr_tx_query(tx,
                       "delete from webhooks "
                       "where user_id = $1",
                       WR_PARAMS(user_id));
}


struct wr_rows *
notifications_store_delivery(struct wr_tx *tx, const char *user_id,
    const char *salt, const char *disable_after)
{
    return wr_tx_query(tx,
                       "select failing_since is not null, "
                       "    coalesce(failing_since < now() - $3::interval, "
                       "        false) "
                       "from webhooks "
                       "where user_id = $1 "
                       "    and salt = $2 "
                       "    and disabled_at is null",
                       WR_PARAMS(user_id, salt, disable_after));
}


void
notifications_store_webhook_works(struct wr_tx *tx, const char *user_id,
    const char *salt)
{
    wr_tx_exec(tx,
               "update webhooks "
               "set failing_since = null "
               "where user_id = $1 "
               "    and salt = $2",
               WR_PARAMS(user_id, salt));
}


void
notifications_store_webhook_fails(struct wr_tx *tx, const char *user_id,
    const char *salt, const char *since)
{
    wr_tx_exec(tx,
               "update webhooks "
               "set failing_since = coalesce(failing_since, $3) "
               "where user_id = $1 "
               "    and salt = $2",
               WR_PARAMS(user_id, salt, since));
}


struct wr_rows *
notifications_store_webhook_disable(struct wr_tx *tx, const char *user_id,
    const char *salt)
{
    return wr_tx_query(tx,
                       "update webhooks "
                       "set disabled_at = now() "
                       "where user_id = $1 "
                       "    and salt = $2 "
                       "    and disabled_at is null",
                       WR_PARAMS(user_id, salt));
}
