/*
 * Copyright (C) the Warren authors
 *
 * Cancels an order whose person wants it no more.
 */

#include <string.h>

#include "orders.h"
#include "orders_saga.h"
#include "orders_store.h"


static enum wr_outcome refuse(struct wr_request *req, const char *status);
static void reply(struct wr_request *req, const struct orders_taken *taken);


enum wr_outcome
orders_cancel_gather(struct wr_request *req)
{
    const char  *id, *sub;

    sub = wr_request_sub(req);
    id = wr_request_arg(req, "id");

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, ORDERS_SCOPE_WRITE)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " ORDERS_SCOPE_WRITE " is required");
    }

    if (!wr_id_is_uuid(sub) || id == NULL || !wr_id_is_uuid(id)) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return WR_DONE;
}


void
orders_cancel_keys(struct wr_request *req)
{
    wr_key(req, orders_table, wr_request_arg(req, "id"));
}


void
orders_cancel_load(struct wr_request *req)
{
    wr_request_set(req, orders_store_status(wr_request_tx(req),
                                            wr_request_arg(req, "id"),
                                            wr_request_sub(req)));
}


enum wr_outcome
orders_cancel(struct wr_request *req)
{
    const char           *status;
    struct wr_rows       *rows;
    struct orders_taken   taken;

    rows = wr_request_get(req);
    status = wr_rows_text(rows, 0, 0);

    if (status == NULL) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if (strcmp(status, ORDERS_CONFIRMED) == 0
        || strcmp(status, ORDERS_CANCELLED) == 0)
    {
        return refuse(req, status);
    }

    orders_saga_take(req, &(struct orders_fact) {
        .step = ORDERS_STEP_REQUESTED, .order_id = wr_request_arg(req, "id")
    }, &taken);

    /* an event of the same batch was first */

    if (!taken.is_step) {
        return refuse(req, taken.status);
    }

    reply(req, &taken);

    return WR_DONE;
}


static enum wr_outcome
refuse(struct wr_request *req, const char *status)
{
    return wr_refuse(req, WIRE_ERROR_CONFLICT,
                     wr_arena_printf(wr_request_arena(req),
                                     "the order is %s", status));
}


static void
reply(struct wr_request *req, const struct orders_taken *taken)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", wr_request_arg(req, "id"));
    wr_json_put_text(writer, "user_id", taken->user_id);
    wr_json_put_text(writer, "status", taken->status);
    wr_json_put_text(writer, "reason", taken->reason);
    wr_json_put_int(writer, "total_cents", taken->total_cents);
    wr_json_put_text(writer, "currency", taken->currency);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);
}
