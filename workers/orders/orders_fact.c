/*
 * Copyright (C) the Warren authors
 *
 * What catalog and payments say about an order.
 */

#include <inttypes.h>
#include <string.h>

#include "orders.h"
#include "orders_saga.h"


#define UUID_LEN    (WR_UUID_SIZE - 1)

/* of texts that are only noted */
#define TEXT_MAX    200

/* of a line that is short, as catalog takes them from anybody */
#define PIECES_MAX  1000000000


static const struct {
    const char        *type;
    enum orders_step   step;
} types[] = {
    { "stock.reserved",   ORDERS_STEP_RESERVED },
    { "stock.rejected",   ORDERS_STEP_REJECTED },
    { "stock.released",   ORDERS_STEP_RELEASED },
    { "payment.captured", ORDERS_STEP_CAPTURED },
    { "payment.declined", ORDERS_STEP_DECLINED },
    { "payment.refunded", ORDERS_STEP_REFUNDED }
};


static void read_order(struct wr_request *req, struct orders_fact *fact);
static void read_stock(const struct wr_json *data, struct orders_fact *fact,
    struct wr_json_writer *writer, struct wr_json_errors *errors);
static void read_lines(const struct wr_json *data,
    struct wr_json_writer *writer, struct wr_json_errors *errors);
static void read_payment(const struct wr_json *data, struct orders_fact *fact,
    struct wr_json_writer *writer, struct wr_json_errors *errors);
static const char *copy_text(const struct wr_json *data, const char *member,
    struct wr_json_writer *writer, struct wr_json_errors *errors);


enum wr_outcome
orders_fact_gather(struct wr_request *req)
{
    const struct wr_json   *data;
    struct orders_fact     *fact;
    struct wr_json_errors  *errors;
    struct wr_json_writer  *writer;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    fact = wr_arena_alloc(wr_request_arena(req), sizeof(*fact));
    writer = wr_json_writer_new(wr_request_arena(req));

    read_order(req, fact);
    wr_json_object_begin(writer, NULL);

    if (strncmp(fact->what, "stock.", 6) == 0) {
        read_stock(data, fact, writer, errors);

    } else {
        read_payment(data, fact, writer, errors);
    }

    wr_json_object_end(writer);
    fact->detail = wr_json_writer_text(writer, NULL);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, fact);

    return WR_DONE;
}


void
orders_fact_keys(struct wr_request *req)
{
    struct orders_fact  *fact;

    fact = wr_request_get(req);
    wr_key(req, orders_table, fact->order_id);
}


/* An order is stored before anybody hears of it. */

enum wr_outcome
orders_fact(struct wr_request *req)
{
    struct orders_fact   *fact;
    struct orders_taken   taken;

    fact = wr_request_get(req);
    orders_saga_take(req, fact, &taken);

    if (!taken.is_known) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, "there is no such order");
    }

    /* then it must not be confirmed by this, and nothing of it stays */

    if (fact->step == ORDERS_STEP_CAPTURED
        && (fact->amount_cents != taken.total_cents
            || strcmp(fact->currency, taken.currency) != 0))
    {
        return wr_refuse(req, WIRE_ERROR_CONFLICT,
                         "the payment is not what the order costs");
    }

    return WR_DONE;
}


static void
read_order(struct wr_request *req, struct orders_fact *fact)
{
    size_t                  i;
    int64_t                 version;
    const struct wr_json   *data;
    struct wr_json_errors  *errors;

    data = wr_request_json(req);
    errors = wr_request_errors(req);
    fact->what = wr_request_type(req);

    for (i = 0; strcmp(types[i].type, fact->what) != 0; i++) {
        /* each handler's type is one of them */
    }

    fact->step = types[i].step;
    fact->order_id = wr_json_text(data, "order_id", UUID_LEN, UUID_LEN,
                                  errors);

    if (fact->order_id[0] != '\0' && !wr_id_is_uuid(fact->order_id)) {
        wr_json_error_add(errors, data, "order_id", "must be a UUID");
    }

    version = wr_request_version(req);

    if (version != 0) {
        fact->version = wr_arena_printf(wr_request_arena(req), "%" PRId64,
                                        version);
    }
}


static void
read_stock(const struct wr_json *data, struct orders_fact *fact,
    struct wr_json_writer *writer, struct wr_json_errors *errors)
{
    const char  *reason;

    switch (fact->step) {

    case ORDERS_STEP_REJECTED:
        read_lines(data, writer, errors);
        break;

    case ORDERS_STEP_RELEASED:
        reason = copy_text(data, "reason", writer, errors);

        if (strcmp(reason, "expired") == 0) {
            fact->step = ORDERS_STEP_EXPIRED;
        }

        break;

    default:
        if (wr_json_has(data, "expires_at")) {
            copy_text(data, "expires_at", writer, errors);
        }

        break;
    }
}


/* Those that are short, and of how many pieces there were: none, if there is no
   such product. */

static void
read_lines(const struct wr_json *data, struct wr_json_writer *writer,
    struct wr_json_errors *errors)
{
    size_t                 i, count;
    const struct wr_json  *lines, *line;

    lines = wr_json_array(data, "lines", 0, ORDERS_LINES_MAX, errors);
    count = (errors->count == 0) ? wr_json_count(lines) : 0;
    wr_json_array_begin(writer, "lines");

    for (i = 0; i < count; i++) {
        line = wr_json_item(lines, i);

        wr_json_object_begin(writer, NULL);
        copy_text(line, "product_id", writer, errors);
        wr_json_put_int(writer, "quantity",
                        wr_json_int(line, "quantity", 0, PIECES_MAX, errors));

        if (wr_json_has(line, "available")) {
            wr_json_put_int(writer, "available",
                            wr_json_int(line, "available", 0, PIECES_MAX,
                                        errors));

        } else {
            wr_json_put_null(writer, "available");
        }

        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);
}


static void
read_payment(const struct wr_json *data, struct orders_fact *fact,
    struct wr_json_writer *writer, struct wr_json_errors *errors)
{
    copy_text(data, "payment_id", writer, errors);

    if (wr_json_has(data, "refund_id")) {
        copy_text(data, "refund_id", writer, errors);
    }

    fact->amount_cents = wr_json_int(data, "amount_cents", 0,
                                     ORDERS_CENTS_MAX, errors);
    wr_json_put_int(writer, "amount_cents", fact->amount_cents);
    fact->currency = copy_text(data, "currency", writer, errors);

    if (wr_json_has(data, "reason")) {
        copy_text(data, "reason", writer, errors);
    }
}


static const char *
copy_text(const struct wr_json *data, const char *member,
    struct wr_json_writer *writer, struct wr_json_errors *errors)
{
    const char  *text;

    text = wr_json_text(data, member, 1, TEXT_MAX, errors);
    wr_json_put_text(writer, member, text);

    return text;
}
