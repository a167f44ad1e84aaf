/*
 * Copyright (C) the Warren authors
 *
 * All SQL of notifications.
 */

#include "notifications.h"
#include "notifications_store.h"


#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "


void
notifications_store_insert(struct wr_tx *tx,
    const struct notification *notification)
{
    wr_tx_exec(tx,
               "insert into notifications "
               "(id, user_id, event_id, kind, title, body, data, "
               "    created_at) "
               "values ($1, $2, $3, $4, $5, $6, $7, $8) "
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
                       "select id, kind, title, body, data, "
                       TIME("created_at") ", "
                       TIME("read_at")
                       "from notifications "
                       "where user_id = $1 "
                       "    and id < $2 "
                       "order by id desc "
                       "limit $3::bigint",
                       WR_PARAMS(user_id, before, count));
}
