/*
 * Copyright (C) the Warren authors
 *
 * The saga of an order: which fact takes it from which status to which.
 *
 * A fact that finds another status than those of its row means nothing any
 * more, or not yet: it is noted.  No fact leads to a status that it begins with
 * itself, so what comes twice acts once.
 */

#include <string.h>

#include "orders.h"
#include "orders_saga.h"
#include "orders_store.h"


/* of an order's own events; order.placed is 1 */
#define VERSION_OVER         2
#define VERSION_COMPENSATED  3


/* Each as PostgreSQL reads an array: the n-th of one belongs to the n-th of the
   others. */

static const struct orders_steps  steps[] = {

    [ORDERS_STEP_RESERVED] = {
        .from = "{placed,paid}", .to = "{reserved,confirmed}",
        .reasons = "{null,null}"
    },

    [ORDERS_STEP_CAPTURED] = {
        .from = "{placed,reserved}", .to = "{paid,confirmed}",
        .reasons = "{null,null}"
    },

    /* a confirmed order that holds nothing is to be compensated: payments gives
       the money back when it is cancelled */

    [ORDERS_STEP_REJECTED] = {
        .from = "{placed,reserved,paid,confirmed}",
        .to = "{cancelled,cancelled,cancelled,cancelled}",
        .reasons = "{out_of_stock,out_of_stock,out_of_stock,out_of_stock}"
    },

    [ORDERS_STEP_EXPIRED] = {
        .from = "{placed,reserved,paid,confirmed}",
        .to = "{cancelled,cancelled,cancelled,cancelled}",
        .reasons = "{timeout,timeout,timeout,out_of_stock}"
    },

    /* what catalog was told it was told by the order's own end, or by a payment
       that was declined, which is told here, too */

    [ORDERS_STEP_RELEASED] = {
        .from = "{confirmed}", .to = "{cancelled}",
        .reasons = "{out_of_stock}"
    },

    [ORDERS_STEP_DECLINED] = {
        .from = "{placed,reserved}", .to = "{cancelled,cancelled}",
        .reasons = "{payment_declined,payment_declined}"
    },

    [ORDERS_STEP_REQUESTED] = {
        .from = "{placed,reserved,paid}",
        .to = "{cancelled,cancelled,cancelled}",
        .reasons = "{requested,requested,requested}"
    },

    [ORDERS_STEP_REFUNDED] = { .from = "{}", .to = "{}", .reasons = "{}" }
};


void
orders_saga_take(struct wr_request *req, const struct orders_fact *fact,
    struct orders_taken *taken_r)
{
    const char           *before, *after;
    struct wr_rows       *rows;
    struct orders_state  *state;

    state = wr_request_state(req);
    rows = orders_store_take(wr_request_tx(req), fact, &steps[fact->step],
                             state->payment_timeout);
    before = wr_rows_text(rows, 0, ORDERS_STORE_TAKEN_BEFORE);
    after = wr_rows_text(rows, 0, ORDERS_STORE_TAKEN_AFTER);

    memset(taken_r, 0, sizeof(*taken_r));
    taken_r->is_known = (before != NULL);
    taken_r->is_step = (after != NULL);
    taken_r->status = taken_r->is_step ? after : before;
    taken_r->reason = wr_rows_text(rows, 0, ORDERS_STORE_TAKEN_REASON);
    taken_r->user_id = wr_rows_text(rows, 0, ORDERS_STORE_TAKEN_USER_ID);
    taken_r->total_cents = wr_rows_int(rows, 0,
                                       ORDERS_STORE_TAKEN_TOTAL_CENTS);
    taken_r->currency = wr_rows_text(rows, 0, ORDERS_STORE_TAKEN_CURRENCY);

    if (!taken_r->is_step) {
        return;
    }

    wr_log_debug(wr_request_log(req), "the order: %s -> %s", before, after);

    if (strcmp(after, ORDERS_CONFIRMED) == 0
        || strcmp(after, ORDERS_CANCELLED) == 0)
    {
        orders_saga_announce(req, fact->order_id, taken_r,
                             strcmp(before, ORDERS_CONFIRMED) == 0
                             ? VERSION_COMPENSATED : VERSION_OVER);
    }
}


void
orders_saga_announce(struct wr_request *req, const char *order_id,
    const struct orders_taken *taken, int64_t version)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", order_id);
    wr_json_put_text(writer, "user_id", taken->user_id);
    wr_json_put_int(writer, "total_cents", taken->total_cents);
    wr_json_put_text(writer, "currency", taken->currency);

    if (taken->reason != NULL) {
        wr_json_put_text(writer, "reason", taken->reason);
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req,
             taken->reason != NULL ? "order.cancelled" : "order.confirmed",
             order_id, version, json, len);
}
