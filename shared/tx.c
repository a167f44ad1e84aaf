/*
 * Copyright (C) the Warren authors
 *
 * What handlers do to the database, told to the connection.
 */

#include "request_private.h"
#include "tx.h"


void
wr_tx_exec(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params)
{
    wr_db_exec(tx->db, tx->owner, sql, nparams, params);
}


struct wr_rows *
wr_tx_query(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params)
{
    return wr_db_query(tx->db, tx->owner, sql, nparams, params);
}
