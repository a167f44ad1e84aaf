/*
 * Copyright (C) the Warren authors
 *
 * Orders as JSON: read from a request, written into replies and events.
 */

#include <string.h>

#include "orders.h"
#include "orders_json.h"


#define CAPITALS    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PRODUCT_ID  CAPITALS "abcdefghijklmnopqrstuvwxyz0123456789._-"


static void read_line(const struct wr_json *json, struct order_line *line,
    struct wr_json_errors *errors);
static bool add_line(struct order *order, const struct order_line *line);


void
orders_json_read(const struct wr_json *body, struct order *order,
    struct wr_json_errors *errors)
{
    bool                   is_total;
    size_t                 i;
    const struct wr_json  *lines;

    order->currency = wr_json_text(body, "currency", 3, 3, errors);

    if (order->currency[strspn(order->currency, CAPITALS)] != '\0') {
        wr_json_error_add(errors, body, "currency",
                          "must be three capital letters (ISO 4217)");
    }

    lines = wr_json_array(body, "lines", 1, ORDERS_LINES_MAX, errors);
    order->count = wr_json_count(lines);

    /* was told by the accessor */
    if (order->count > ORDERS_LINES_MAX) {
        order->count = 0;
    }

    order->total_cents = 0;
    is_total = true;

    for (i = 0; i < order->count; i++) {
        read_line(wr_json_item(lines, i), &order->lines[i], errors);
        is_total = is_total && add_line(order, &order->lines[i]);
    }

    if (!is_total) {
        wr_json_error_add(errors, body, "lines", "the total is too large");
    }
}


const char *
orders_json_write(struct wr_arena *arena, const struct order *order,
    bool is_event, size_t *len_r)
{
    size_t                    i;
    const struct order_line  *line;
    struct wr_json_writer    *writer;

    writer = wr_json_writer_new(arena);

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", order->id);
    wr_json_put_text(writer, "user_id", order->user_id);
    wr_json_put_int(writer, "total_cents", order->total_cents);
    wr_json_put_text(writer, "currency", order->currency);

    wr_json_array_begin(writer, "lines");

    for (i = 0; i < order->count; i++) {
        line = &order->lines[i];

        wr_json_object_begin(writer, NULL);
        wr_json_put_text(writer, "product_id", line->product_id);
        wr_json_put_int(writer, "quantity", line->quantity);
        wr_json_put_int(writer, "unit_price_cents", line->unit_price_cents);
        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);

    /* an event's envelope has its own time */

    if (!is_event) {
        wr_json_put_text(writer, "created_at", order->created_at);
    }

    wr_json_object_end(writer);

    return wr_json_writer_text(writer, len_r);
}


static void
read_line(const struct wr_json *json, struct order_line *line,
    struct wr_json_errors *errors)
{
    line->product_id = wr_json_text(json, "product_id", 1,
                                    ORDERS_PRODUCT_ID_MAX, errors);

    if (line->product_id[strspn(line->product_id, PRODUCT_ID)] != '\0') {
        wr_json_error_add(errors, json, "product_id",
                          "must be of letters, digits, \".\", \"_\", \"-\"");
    }

    line->quantity = wr_json_int(json, "quantity", 1, ORDERS_QUANTITY_MAX,
                                 errors);
    line->unit_price_cents = wr_json_int(json, "unit_price_cents", 0,
                                         ORDERS_CENTS_MAX, errors);
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
