/*
 * Copyright (C) the Warren authors
 *
 * Shows people how an order of their own was paid.
 */

#include <string.h>

#include "payments.h"
#include "payments_store.h"


enum wr_outcome
payments_get_gather(struct wr_request *req)
{
    const char  *id, *sub;

    sub = wr_request_sub(req);
    id = wr_request_arg(req, "id");

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_id_is_uuid(sub) || id == NULL || !wr_id_is_uuid(id)) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return WR_DONE;
}


void
payments_get_load(struct wr_request *req)
{
    wr_request_set(req, payments_store_show(wr_request_tx(req),
                                            wr_request_arg(req, "id"),
                                            wr_request_sub(req)));
}


enum wr_outcome
payments_get(struct wr_request *req)
{
    size_t                  len;
    const char             *json, *refunds;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    refunds = wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_REFUNDS);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_ID));
    wr_json_put_text(writer, "order_id", wr_request_arg(req, "id"));
    wr_json_put_text(writer, "state",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_STATE));
    wr_json_put_text(writer, "reason",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_REASON));
    wr_json_put_int(writer, "amount_cents",
                    wr_rows_int(rows, 0, PAYMENTS_STORE_SHOW_AMOUNT));
    wr_json_put_int(writer, "refunded_cents",
                    wr_rows_int(rows, 0, PAYMENTS_STORE_SHOW_REFUNDED));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_CURRENCY));

    if (refunds != NULL) {
        wr_json_put_raw(writer, "refunds", refunds, strlen(refunds));
    }

    wr_json_put_text(writer, "created_at",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_CREATED_AT));
    wr_json_put_text(writer, "updated_at",
                     wr_rows_text(rows, 0, PAYMENTS_STORE_SHOW_UPDATED_AT));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
