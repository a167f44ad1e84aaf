/*
 * Copyright (C) the Warren authors
 *
 * Shows people what happened to an order of theirs.
 */

#include <string.h>

#include "orders.h"
#include "orders_store.h"


void
orders_history_load(struct wr_request *req)
{
    wr_request_set(req, orders_store_history(wr_request_tx(req),
                                             wr_request_arg(req, "id"),
                                             wr_request_sub(req)));
}


enum wr_outcome
orders_history(struct wr_request *req)
{
    int                     row, count;
    size_t                  len;
    const char             *json, *detail;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);
    count = wr_rows_count(rows);

    if (count == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "history");

    for (row = 0; row < count; row++) {
        detail = wr_rows_text(rows, row, ORDERS_STORE_ENTRY_DETAIL);

        wr_json_object_begin(writer, NULL);
        wr_json_put_int(writer, "version",
                        wr_rows_int(rows, row, ORDERS_STORE_ENTRY_VERSION));
        wr_json_put_text(writer, "at",
                         wr_rows_text(rows, row, ORDERS_STORE_ENTRY_AT));
        wr_json_put_text(writer, "what",
                         wr_rows_text(rows, row, ORDERS_STORE_ENTRY_WHAT));
        wr_json_put_raw(writer, "detail", detail, strlen(detail));
        wr_json_object_end(writer);
    }

    wr_json_array_end(writer);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
