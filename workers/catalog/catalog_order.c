/*
 * Copyright (C) the Warren authors
 *
 * What becomes of an order decides what becomes of what it holds.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_store.h"


static enum wr_outcome release(struct wr_request *req, const char *reason);
static enum wr_outcome confirmed_late(struct wr_request *req,
    const char *state, const char *reason);


/* The order's id is the subject of its own events, and of those of a payment a
   member. */

enum wr_outcome
catalog_order_gather(struct wr_request *req)
{
    const char             *id, *member;
    const struct wr_json   *data;
    struct wr_json_errors  *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    member = wr_json_has(data, "order_id") ? "order_id" : "id";
    id = wr_json_text(data, member, 1, WR_UUID_SIZE, errors);

    if (errors->count == 0 && !wr_id_is_uuid(id)) {
        wr_json_error_add(errors, data, member, "must be a UUID");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, (void *) id);

    return WR_DONE;
}


void
catalog_order_keys(struct wr_request *req)
{
    wr_key(req, catalog_tables.reservations, wr_request_get(req));
}


enum wr_outcome
catalog_on_order_cancelled(struct wr_request *req)
{
    return release(req, "cancelled");
}


enum wr_outcome
catalog_on_payment_declined(struct wr_request *req)
{
    return release(req, "declined");
}


static enum wr_outcome
release(struct wr_request *req, const char *reason)
{
    const char      *state, *order_id;
    struct wr_rows  *rows;

    order_id = wr_request_get(req);
    rows = catalog_store_release(wr_request_tx(req), order_id, reason);
    state = wr_rows_text(rows, 0, CATALOG_STORE_RELEASED_STATE);

    if (state != NULL && strcmp(state, "releasing") == 0) {
        catalog_settle_send(req, order_id,
                            wr_rows_text(rows, 0, CATALOG_STORE_RELEASED_IDS));
    }

    return WR_DONE;
}


enum wr_outcome
catalog_on_order_confirmed(struct wr_request *req)
{
    const char      *state, *order_id, *product_ids;
    struct wr_rows  *rows;

    order_id = wr_request_get(req);
    rows = catalog_store_sell(wr_request_tx(req), order_id);
    state = wr_rows_text(rows, 0, CATALOG_STORE_SOLD_STATE);
    product_ids = wr_rows_text(rows, 0, CATALOG_STORE_SOLD_IDS);

    /* order.placed is still on its way */

    if (state == NULL) {
        wr_log_info(wr_request_log(req), "the order is not known yet");
        return WR_RETRY;
    }

    if (product_ids != NULL) {
        catalog_settle_send(req, order_id, product_ids);
        return WR_DONE;
    }

    return confirmed_late(req, state,
                          wr_rows_text(rows, 0, CATALOG_STORE_SOLD_REASON));
}


/*
 * An order that was cancelled in the meantime holds nothing, and rightly so:
 * this event is the older one.  Of one that has expired stock.released was
 * told, upon which orders cancels what it has confirmed.  One that never held
 * anything cannot be confirmed: somebody must see to it, and it becomes a dead
 * letter.
 */

static enum wr_outcome
confirmed_late(struct wr_request *req, const char *state, const char *reason)
{
    if (strcmp(state, "held") == 0) {
        return WR_RETRY;
    }

    if (strcmp(state, "rejected") == 0) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT,
                         "the order was confirmed and holds nothing: there "
                         "was too little");
    }

    if (reason != NULL && strcmp(reason, "expired") == 0) {
        wr_log_warn(wr_request_log(req), "the order was confirmed after its "
                    "reservation had expired: orders compensates");
    }

    return WR_DONE;
}
