/*
 * Copyright (C) the Warren authors
 *
 * Finds orders that wait for too long, and cancels them.
 */

#include "orders.h"
#include "orders_saga.h"
#include "orders_store.h"


/* Orders of one message, whose events leave with it; the rest is another one's,
   at once. */
#define EXPIRE_MAX       200
#define EXPIRE_MAX_TEXT  "200"

/* of the event of an order that was not confirmed before */
#define VERSION          2


enum wr_outcome
orders_expire(struct wr_request *req)
{
    int                   row, count;
    struct wr_rows       *rows;
    struct orders_taken   taken;

    rows = orders_store_expire(wr_request_tx(req), EXPIRE_MAX_TEXT);
    count = wr_rows_count(rows);

    for (row = 0; row < count; row++) {
        taken = (struct orders_taken) {
            .status = ORDERS_CANCELLED,
            .reason = wr_rows_text(rows, row, ORDERS_STORE_EXPIRED_REASON),
            .user_id = wr_rows_text(rows, row, ORDERS_STORE_EXPIRED_USER_ID),
            .total_cents = wr_rows_int(rows, row,
                                       ORDERS_STORE_EXPIRED_TOTAL_CENTS),
            .currency = wr_rows_text(rows, row, ORDERS_STORE_EXPIRED_CURRENCY)
        };

        orders_saga_announce(req,
                             wr_rows_text(rows, row, ORDERS_STORE_EXPIRED_ID),
                             &taken, VERSION);
    }

    if (count == EXPIRE_MAX) {
        wr_command(req, ORDERS_NAME, ORDERS_EXPIRE, "{}", 2);
    }

    if (count != 0) {
        wr_log_info(wr_request_log(req), "orders have waited too long: %d",
                    count);
    }

    return WR_DONE;
}
