/*
 * Copyright (C) the Warren authors
 *
 * Finds what was held for too long, and lets go of it.
 */

#include "catalog.h"
#include "catalog_store.h"


/* Orders of one message, whose commands leave with it; the rest is another
   one's, at once. */
#define EXPIRE_MAX       200
#define EXPIRE_MAX_TEXT  "200"


enum wr_outcome
catalog_expire(struct wr_request *req)
{
    int              row, count;
    struct wr_rows  *rows;

    rows = catalog_store_expire(wr_request_tx(req), EXPIRE_MAX_TEXT);
    count = wr_rows_count(rows);

    for (row = 0; row < count; row++) {
        catalog_settle_send(req,
                            wr_rows_text(rows, row, CATALOG_STORE_EXPIRED_ID),
                            wr_rows_text(rows, row,
                                         CATALOG_STORE_EXPIRED_IDS));
    }

    if (count == EXPIRE_MAX) {
        wr_command(req, CATALOG_NAME, CATALOG_EXPIRE, "{}", 2);
    }

    if (count != 0) {
        wr_log_info(wr_request_log(req), "reservations have expired: %d",
                    count);
    }

    return WR_DONE;
}
