/*
 * Copyright (C) the Warren authors
 *
 * What an order costs: the catalog's word, never the client's.
 */

#include <string.h>

#include "orders.h"
#include "orders_price.h"


static enum wr_outcome look(struct wr_request *req, struct order *order);
static void take_line(struct wr_request *req, struct order *order, size_t i,
    const struct wr_json *json, struct wr_json_errors *broken);
static bool add_line(struct order *order, const struct order_line *line);


void
orders_price_ask(struct wr_request *req, struct order *order)
{
    size_t              i;
    struct order_line  *line;

    for (i = 0; i < order->count; i++) {
        line = &order->lines[i];
        line->ask = wr_ask_about(req, "catalog", "price_items",
                                 line->product_id);
    }
}


/* It may run again for the same message: all that it writes is written anew. */

enum wr_outcome
orders_price_take(struct wr_request *req, struct order *order)
{
    bool                    is_total;
    size_t                  i;
    enum wr_outcome         outcome;
    const struct wr_json   *body;
    struct wr_json_errors  *errors;

    outcome = look(req, order);

    if (outcome != WR_DONE) {
        return outcome;
    }

    body = wr_request_json(req);
    errors = wr_request_errors(req);

    if (errors->count == 0 && order->asked_currency != NULL
        && strcmp(order->asked_currency, order->currency) != 0)
    {
        wr_json_error_add(errors, body, "currency",
                          wr_arena_printf(wr_request_arena(req),
                                          "the products are sold in %s",
                                          order->currency));
    }

    order->total_cents = 0;
    is_total = true;

    for (i = 0; errors->count == 0 && is_total && i < order->count; i++) {
        is_total = add_line(order, &order->lines[i]);
    }

    if (!is_total) {
        wr_json_error_add(errors, body, "lines", "the total is too large");
    }

    return (errors->count != 0) ? wr_refuse_invalid(req) : WR_DONE;
}


/* Nothing was written here so far, and a look at catalog changes nothing: so
   whatever fails there, this may be tried again. */

static enum wr_outcome
look(struct wr_request *req, struct order *order)
{
    int                     status;
    size_t                  i;
    struct wr_json_errors  *broken;
    const struct wr_json   *lines, *line;

    lines = wr_json_array(wr_request_json(req), "lines", 1, ORDERS_LINES_MAX,
                          NULL);
    broken = wr_arena_alloc(wr_request_arena(req), sizeof(*broken));
    broken->arena = wr_request_arena(req);
    order->currency = NULL;

    for (i = 0; i < order->count; i++) {
        line = wr_json_item(lines, i);
        status = wr_ask_status(order->lines[i].ask);

        if (status == 404) {
            wr_json_error_add(wr_request_errors(req), line, "product_id",
                              "there is no such product");
            continue;
        }

        if (status != 200) {
            wr_log_warn(wr_request_log(req), "catalog did not answer: %d",
                        status);
            return WR_RETRY;
        }

        take_line(req, order, i, line, broken);
    }

    if (broken->count != 0) {
        wr_log_error(wr_request_log(req), "catalog's prices are none: %s %s",
                     broken->items[0].pointer, broken->items[0].detail);
        return WR_RETRY;
    }

    return WR_DONE;
}


static void
take_line(struct wr_request *req, struct order *order, size_t i,
    const struct wr_json *json, struct wr_json_errors *broken)
{
    const char            *currency;
    struct order_line     *line;
    const struct wr_json  *product;

    line = &order->lines[i];
    product = wr_ask_answer(line->ask);

    line->name = wr_json_text(product, "name", 0, ORDERS_NAME_MAX, broken);
    line->unit_price_cents = wr_json_int(product, "unit_price_cents", 0,
                                         ORDERS_CENTS_MAX, broken);
    currency = wr_json_text(product, "currency", 3, 3, broken);

    if (order->currency == NULL) {
        order->currency = currency;
        return;
    }

    if (strcmp(order->currency, currency) != 0) {
        wr_json_error_add(wr_request_errors(req), json, "product_id",
                          wr_arena_printf(wr_request_arena(req),
                                          "is sold in %s, what stands before "
                                          "it in %s", currency,
                                          order->currency));
    }
}


/* Whether the total is still one that can be told. */

static bool
add_line(struct order *order, const struct order_line *line)
{
    int64_t  cents;

    return !__builtin_mul_overflow(line->quantity, line->unit_price_cents,
                                   &cents)
           && !__builtin_add_overflow(order->total_cents, cents,
                                      &order->total_cents)
           && order->total_cents <= ORDERS_CENTS_MAX;
}
