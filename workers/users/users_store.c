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


#define COLUMNS                                                               \
    "id, email, name, "                                                       \
    "to_char(created_at at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), "                              \
    "password_hash "


struct wr_rows *
users_store_by_email(struct wr_tx *tx, const char *email)
{
    return wr_tx_query(tx,
                       "select " COLUMNS
                       "from users "
                       "where lower(email) = lower($1)",
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


struct wr_rows *
users_store_known(struct wr_tx *tx, struct wr_arena *arena,
    const char *const *ids)
{
    char    *text, *p;
    size_t   n;

    for (n = 0; ids[n] != NULL; n++) {
        /* void */
    }

    /* each id by itself: a plan made while there are few accounts must not read
       all of them.  A UUID needs no quotes in an array's text: {a,b} */

    p = text = wr_arena_alloc(arena, n * WR_UUID_SIZE + sizeof("{}"));

    for (n = 0; ids[n] != NULL; n++) {
        *p++ = (n == 0) ? '{' : ',';
        p = stpcpy(p, ids[n]);
    }

    *p = '}';

    return wr_tx_query(tx,
                       "select asked.id "
                       "from unnest($1::text[]) as asked (id) "
                       "cross join lateral ("
                       "    select from users "
                       "    where users.id = asked.id::uuid limit 1) as known",
                       WR_PARAMS(text));
}


struct wr_rows *
users_store_insert(struct wr_tx *tx, const char *id, const char *email,
    const char *name, const char *password_hash, const char *created_at)
{
    return wr_tx_query(tx,
                       "insert into users "
                       "(id, email, name, password_hash, created_at) "
                       "values ($1, $2, $3, $4, $5) "
                       "on conflict do nothing "
                       "returning id",
                       WR_PARAMS(id, email, name, password_hash,
                                 created_at));
}
