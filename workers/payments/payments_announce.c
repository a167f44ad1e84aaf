/*
 * Copyright (C) the Warren authors
 *
 * What payments announces: facts about a payment, whose subject is the order.
 */

#include "payments.h"
#include "payments_store.h"


void
payments_announce(struct wr_request *req, const char *type,
    struct wr_rows *rows, const char *refund_id, const char *reason)
{
    size_t                  len;
    const char             *json, *order_id;
    struct wr_json_writer  *writer;

    order_id = wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_ORDER_ID);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "payment_id",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_ID));
    wr_json_put_text(writer, "order_id", order_id);
    wr_json_put_text(writer, "user_id",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_USER_ID));
    wr_json_put_int(writer, "amount_cents",
                    wr_rows_int(rows, 0, PAYMENTS_STORE_FACT_AMOUNT));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_FACT_CURRENCY));

    if (refund_id != NULL) {
        wr_json_put_text(writer, "refund_id", refund_id);
    }

    if (reason != NULL) {
        wr_json_put_text(writer, "reason", reason);
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, type, order_id,
             wr_rows_int(rows, 0, PAYMENTS_STORE_FACT_VERSION), json, len);
}
