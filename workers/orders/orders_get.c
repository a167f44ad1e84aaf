/*
 * Copyright (C) the Warren authors
 *
 * Shows people an order of their own.
 */

#include <string.h>

#include "orders.h"
#include "orders_store.h"


enum wr_outcome
orders_get_gather(struct wr_request *req)
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
orders_get_load(struct wr_request *req)
{
    wr_request_set(req, orders_store_by_id(wr_request_tx(req),
                                           wr_request_arg(req, "id"),
                                           wr_request_sub(req)));
}


enum wr_outcome
orders_get(struct wr_request *req)
{
    size_t                  len;
    const char             *json, *lines;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    lines = wr_rows_text(rows, 0, ORDERS_STORE_LINES);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", wr_rows_text(rows, 0, ORDERS_STORE_ID));
    wr_json_put_text(writer, "user_id",
                     wr_rows_text(rows, 0, ORDERS_STORE_USER_ID));
    wr_json_put_text(writer, "status",
                     wr_rows_text(rows, 0, ORDERS_STORE_STATUS));
    wr_json_put_text(writer, "reason",
                     wr_rows_text(rows, 0, ORDERS_STORE_REASON));
    wr_json_put_int(writer, "total_cents",
                    wr_rows_int(rows, 0, ORDERS_STORE_TOTAL_CENTS));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, 0, ORDERS_STORE_CURRENCY));

    /* an order without a line cannot be placed */
    if (lines != NULL) {
        wr_json_put_raw(writer, "lines", lines, strlen(lines));
    }

    wr_json_put_text(writer, "created_at",
                     wr_rows_text(rows, 0, ORDERS_STORE_CREATED_AT));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
