/*
 * Copyright (C) the Warren authors
 *
 * Goes on with what has waited long enough, and with what was begun by somebody
 * who did not end it.
 */

#include "payments.h"
#include "payments_store.h"


/* of each kind in one message; the rest is another one's, at once */
#define RESUME_MAX       200
#define RESUME_MAX_TEXT  "200"


static int resume(struct wr_request *req, enum payments_what what,
    struct wr_rows *rows);


enum wr_outcome
payments_resume(struct wr_request *req)
{
    int                           ncaptures, nrefunds;
    struct wr_tx                 *tx;
    struct wr_rows               *captures, *refunds;
    const struct payments_state  *own;

    own = wr_request_state(req);
    tx = wr_request_tx(req);
    captures = payments_store_due(tx, RESUME_MAX_TEXT, own->lease);
    refunds = payments_store_refunds_due(tx, RESUME_MAX_TEXT, own->lease);

    ncaptures = resume(req, PAYMENTS_CHARGE, captures);
    nrefunds = resume(req, PAYMENTS_REFUND, refunds);

    if (ncaptures == RESUME_MAX || nrefunds == RESUME_MAX) {
        wr_command(req, PAYMENTS_NAME, PAYMENTS_RESUME, "{}", 2);
    }

    return WR_DONE;
}


static int
resume(struct wr_request *req, enum payments_what what, struct wr_rows *rows)
{
    int  row, count;

    count = wr_rows_count(rows);

    for (row = 0; row < count; row++) {
        payments_task_send(req, what, rows, row);
    }

    return count;
}
