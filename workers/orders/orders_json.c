/*
 * Copyright (C) the Warren authors
 *
 * Orders as JSON: read from a request, written into replies and events.
 */

#include <string.h>

#include "orders.h"
#include "orders_json.h"


#define CAPITALS    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SMALL       "abcdefghijklmnopqrstuvwxyz"
#define DIGITS      "0123456789"
#define PRODUCT_ID  CAPITALS SMALL DIGITS "._-"

/* digits of a number that may be a card's */
#define CARD_DIGITS_MIN  12


static void read_payment_method(const struct wr_json *body,
    struct order *order, struct wr_json_errors *errors);
static bool is_like_a_card(const char *text);
static void read_line(const struct wr_json *json, struct order_line *line,
    struct wr_json_errors *errors);


void
orders_json_read(const struct wr_json *body, struct order *order,
    struct wr_json_errors *errors)
{
    size_t                 i;
    const struct wr_json  *lines;

    read_payment_method(body, order, errors);
    order->asked_currency = NULL;

    if (wr_json_has(body, "currency")) {
        order->asked_currency = wr_json_text(body, "currency", 3, 3, errors);

        if (order->asked_currency[strspn(order->asked_currency, CAPITALS)]
            != '\0')
        {
            wr_json_error_add(errors, body, "currency",
                              "must be three capital letters (ISO 4217)");
        }
    }

    lines = wr_json_array(body, "lines", 1, ORDERS_LINES_MAX, errors);
    order->count = wr_json_count(lines);

    /* was told by the accessor */
    if (order->count > ORDERS_LINES_MAX) {
        order->count = 0;
    }

    for (i = 0; i < order->count; i++) {
        read_line(wr_json_item(lines, i), &order->lines[i], errors);
    }
}


/* The text is never told, neither here nor in a log. */

static void
read_payment_method(const struct wr_json *body, struct order *order,
    struct wr_json_errors *errors)
{
    const char  *text, *p;

    text = wr_json_text(body, "payment_method", 1, ORDERS_PAYMENT_METHOD_MAX,
                        errors);

    for (p = text; *p > ' ' && *p <= '~'; p++) {
        /* void */
    }

    if (is_like_a_card(text)) {
        wr_json_error_add(errors, body, "payment_method",
                          "must be the token of a payment's provider, and "
                          "never the number of a card");

    } else if (*p != '\0') {
        wr_json_error_add(errors, body, "payment_method",
                          "must be of visible ASCII characters");
    }

    order->payment_method = text;
}


/* Whatever stands between the digits; a token has a letter. */

static bool
is_like_a_card(const char *text)
{
    size_t       digits;
    const char  *p;

    for (p = text, digits = 0; *p != '\0'; p++) {
        if (strchr(CAPITALS SMALL, *p) != NULL) {
            return false;
        }

        if (strchr(DIGITS, *p) != NULL) {
            digits++;
        }
    }

    return digits >= CARD_DIGITS_MIN;
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

    if (!is_event) {
        wr_json_put_text(writer, "status", ORDERS_PLACED);
    }

    wr_json_put_int(writer, "total_cents", order->total_cents);
    wr_json_put_text(writer, "currency", order->currency);

    /* for payments alone: it is shown to nobody */

    if (is_event) {
        wr_json_put_text(writer, "payment_method", order->payment_method);
    }

    wr_json_array_begin(writer, "lines");

    for (i = 0; i < order->count; i++) {
        line = &order->lines[i];

        wr_json_object_begin(writer, NULL);
        wr_json_put_text(writer, "product_id", line->product_id);
        wr_json_put_text(writer, "name", line->name);
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
