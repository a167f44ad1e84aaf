/*
 * Copyright (C) the Warren authors
 *
 * All SQL of users.
 */

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
