/*
 * Copyright (C) the Warren authors
 *
 * Pays back a captured payment, or a part of it.  The row of the payment counts
 * what is on its way back, so that never more is promised than was taken.
 */

#include <inttypes.h>
#include <string.h>

#include "payments.h"
#include "payments_store.h"


struct refund {
    const char  *order_id;
    const char  *amount_cents;      /* NULL: all that is left */
};


static enum wr_outcome refuse(struct wr_request *req,
    const struct refund *refund);


enum wr_outcome
payments_refund_gather(struct wr_request *req)
{
    int64_t                 cents;
    const char             *id;
    struct refund          *refund;
    struct wr_json_errors  *errors;
    const struct wr_json   *body;

    if (wr_request_sub(req) == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, PAYMENTS_SCOPE_REFUND)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " PAYMENTS_SCOPE_REFUND " is required");
    }

    id = wr_request_arg(req, "id");

    if (id == NULL || !wr_id_is_uuid(id)) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    refund = wr_arena_alloc(wr_request_arena(req), sizeof(*refund));
    refund->order_id = id;

    /* what is no object has no members, and says so */

    if (errors->count == 0) {
        wr_json_object(body, NULL, errors);
    }

    if (wr_json_has(body, "amount_cents")) {
        cents = wr_json_int(body, "amount_cents", 1, PAYMENTS_CENTS_MAX,
                            errors);
        refund->amount_cents = wr_arena_printf(wr_request_arena(req),
                                               "%" PRId64, cents);
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, refund);

    return WR_DONE;
}


void
payments_refund_keys(struct wr_request *req)
{
    wr_key(req, payments_tables.payments, wr_request_arg(req, "id"));
}


/* It is promised; the provider is told by and by. */

enum wr_outcome
payments_refund(struct wr_request *req)
{
    char                          id[WR_UUID_SIZE];
    size_t                        len;
    const char                   *json;
    struct refund                *refund;
    struct wr_rows               *rows;
    struct wr_json_writer        *writer;
    const struct payments_state  *own;

    own = wr_request_state(req);
    refund = wr_request_get(req);
    wr_id_uuid7(id);
    rows = payments_store_refund(wr_request_tx(req), id, refund->order_id,
                                 refund->amount_cents, "requested",
                                 own->lease);

    if (wr_rows_count(rows) == 0) {
        return refuse(req, refund);
    }

    payments_task_send(req, PAYMENTS_REFUND, rows, 0);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", id);
    wr_json_put_text(writer, "order_id", refund->order_id);
    wr_json_put_int(writer, "amount_cents",
                    wr_rows_int(rows, 0, PAYMENTS_STORE_TASK_AMOUNT));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_TASK_CURRENCY));
    wr_json_put_text(writer, "state", "refunding");
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 202, json, len);

    return WR_DONE;
}


static enum wr_outcome
refuse(struct wr_request *req, const struct refund *refund)
{
    const char      *state;
    struct wr_rows  *rows;

    rows = payments_store_by_order(wr_request_tx(req), refund->order_id);
    state = wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_STATE);

    if (state == NULL) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if (strcmp(state, "captured") != 0) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT, "nothing was paid");
    }

    return wr_refuse(req, WIRE_ERROR_CONFLICT,
                     "that is more than what is left of the payment");
}


void
payments_refund_rest(struct wr_request *req, const char *order_id)
{
    char                          id[WR_UUID_SIZE];
    struct wr_rows               *rows;
    const struct payments_state  *own;

    own = wr_request_state(req);
    wr_id_uuid7(id);
    rows = payments_store_refund(wr_request_tx(req), id, order_id, NULL,
                                 "cancelled", own->lease);

    if (wr_rows_count(rows) != 0) {
        payments_task_send(req, PAYMENTS_REFUND, rows, 0);
    }
}
