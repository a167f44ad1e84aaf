/*
 * Copyright (C) the Warren authors
 *
 * What becomes of an order decides whether it is paid, in whichever order that
 * is told.
 */

#include <inttypes.h>
#include <string.h>

#include "payments.h"
#include "payments_card.h"
#include "payments_store.h"


static void read_method(struct wr_request *req,
    const struct wr_json *data, struct payments_order *order);
static bool is_currency(const char *text);


enum wr_outcome
payments_placed_gather(struct wr_request *req)
{
    int64_t                 cents;
    const struct wr_json   *data;
    struct wr_json_errors  *errors;
    struct payments_order  *order;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    order = wr_arena_alloc(wr_request_arena(req), sizeof(*order));
    order->id = wr_json_text(data, "id", 1, WR_UUID_SIZE, errors);
    order->user_id = wr_json_text(data, "user_id", 1, WR_UUID_SIZE, errors);
    cents = wr_json_int(data, "total_cents", 0, PAYMENTS_CENTS_MAX, errors);
    order->currency = wr_json_text(data, "currency", 3, 3, errors);
    read_method(req, data, order);

    if (errors->count == 0 && !wr_id_is_uuid(order->id)) {
        wr_json_error_add(errors, data, "id", "must be a UUID");
    }

    if (errors->count == 0 && !wr_id_is_uuid(order->user_id)) {
        wr_json_error_add(errors, data, "user_id", "must be a UUID");
    }

    if (errors->count == 0 && !is_currency(order->currency)) {
        wr_json_error_add(errors, data, "currency", "must be a currency");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    order->amount_cents = wr_arena_printf(wr_request_arena(req), "%" PRId64,
                                          cents);
    wr_request_set(req, order);

    return WR_DONE;
}


/* The number of a card is not used, and goes no further than here. */

static void
read_method(struct wr_request *req, const struct wr_json *data,
    struct payments_order *order)
{
    const char  *method;

    method = wr_json_text(data, "payment_method", 1, PAYMENTS_METHOD_MAX,
                          wr_request_errors(req));

    if (payments_card_is_in(method, strlen(method))) {
        order->reason = "invalid_method";
        wr_log_warn(wr_request_log(req), "the payment method looks like the "
                    "number of a card: it is declined and not kept");

    } else {
        order->method = method;
    }
}


static bool
is_currency(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}


void
payments_placed_keys(struct wr_request *req)
{
    struct payments_order  *order;

    order = wr_request_get(req);
    wr_key(req, payments_tables.payments, order->id);
}


enum wr_outcome
payments_on_order_placed(struct wr_request *req)
{
    char                          id[WR_UUID_SIZE];
    const char                   *is_cancelled, *state;
    struct wr_rows               *rows;
    struct payments_order        *order;
    const struct payments_state  *own;

    own = wr_request_state(req);
    order = wr_request_get(req);
    wr_id_uuid7(id);
    rows = payments_store_placed(wr_request_tx(req), id, order, own->lease);
    state = wr_rows_text(rows, 0, PAYMENTS_STORE_TASK_STATE);
    is_cancelled = wr_rows_text(rows, 0, PAYMENTS_STORE_TASK_IS_CANCELLED);

    /* known already, or its end is */

    if (state == NULL || is_cancelled == NULL || is_cancelled[0] == 't') {
        return WR_DONE;
    }

    if (strcmp(state, "capturing") == 0) {
        payments_task_send(req, PAYMENTS_CHARGE, rows, 0);

    } else if (strcmp(state, "declined") == 0) {
        rows = payments_store_by_order(wr_request_tx(req), order->id);
        payments_announce(req, "payment.declined", rows, NULL,
                          order->reason);
    }

    return WR_DONE;
}


/* The order's id is a member of what is said about its stock. */

enum wr_outcome
payments_order_gather(struct wr_request *req)
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
payments_order_keys(struct wr_request *req)
{
    wr_key(req, payments_tables.payments, wr_request_get(req));
}


enum wr_outcome
payments_on_stock_reserved(struct wr_request *req)
{
    char                          id[WR_UUID_SIZE];
    const char                   *state;
    struct wr_rows               *rows;
    const struct payments_state  *own;

    own = wr_request_state(req);
    wr_id_uuid7(id);
    rows = payments_store_reserved(wr_request_tx(req), id,
                                   wr_request_get(req), own->lease);
    state = wr_rows_text(rows, 0, PAYMENTS_STORE_TASK_STATE);

    if (state != NULL && strcmp(state, "capturing") == 0) {
        payments_task_send(req, PAYMENTS_CHARGE, rows, 0);
    }

    return WR_DONE;
}


/* What is being captured now is paid back when that is known. */

enum wr_outcome
payments_on_order_cancelled(struct wr_request *req)
{
    char             id[WR_UUID_SIZE];
    const char      *state;
    struct wr_rows  *rows;

    wr_id_uuid7(id);
    rows = payments_store_cancel(wr_request_tx(req), id, wr_request_get(req));
    state = wr_rows_text(rows, 0, PAYMENTS_STORE_TASK_STATE);

    if (state != NULL && strcmp(state, "captured") == 0) {
        payments_refund_rest(req, wr_request_get(req));
    }

    return WR_DONE;
}
