/*
 * Copyright (C) the Warren authors
 *
 * Moves the pieces of a reservation that is decided.
 *
 * Who decides knows the order alone, and finds its products in a transaction
 * whose rows are locked already.  To lock more of them then, out of turn, is
 * what deadlocks are made of: so the service sends itself their names.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_store.h"


struct settlement {
    const char            *order_id;
    const struct wr_json  *product_ids;
};


enum wr_outcome
catalog_settle_gather(struct wr_request *req)
{
    struct settlement      *settlement;
    const struct wr_json   *body;
    struct wr_json_errors  *errors;

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    settlement = wr_arena_alloc(wr_request_arena(req), sizeof(*settlement));
    settlement->order_id = wr_json_text(body, "order_id", 1, WR_UUID_SIZE,
                                        errors);
    settlement->product_ids = wr_json_array(body, "product_ids", 1,
                                            CATALOG_LINES_MAX, errors);

    if (errors->count == 0 && !wr_id_is_uuid(settlement->order_id)) {
        wr_json_error_add(errors, body, "order_id", "must be a UUID");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, settlement);

    return WR_DONE;
}


void
catalog_settle_keys(struct wr_request *req)
{
    size_t              i;
    struct settlement  *settlement;

    settlement = wr_request_get(req);
    wr_key(req, catalog_tables.reservations, settlement->order_id);

    for (i = 0; i < wr_json_count(settlement->product_ids); i++) {
        wr_key(req, catalog_tables.stock,
               wr_json_text(wr_json_item(settlement->product_ids, i), NULL, 1,
                            CATALOG_ID_MAX, NULL));
    }
}


enum wr_outcome
catalog_settle(struct wr_request *req)
{
    size_t                  len;
    const char             *json, *state, *lines;
    struct wr_rows         *rows;
    struct settlement      *settlement;
    struct wr_json_writer  *writer;

    settlement = wr_request_get(req);
    rows = catalog_store_settle(wr_request_tx(req), settlement->order_id);
    state = wr_rows_text(rows, 0, CATALOG_STORE_SETTLED_STATE);
    lines = wr_rows_text(rows, 0, CATALOG_STORE_SETTLED_LINES);

    if (state == NULL || lines == NULL || strcmp(state, "released") != 0) {
        return WR_DONE;
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "order_id", settlement->order_id);
    wr_json_put_text(writer, "reason",
                     wr_rows_text(rows, 0, CATALOG_STORE_SETTLED_REASON));
    wr_json_put_raw(writer, "lines", lines, strlen(lines));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_event(req, "stock.released", settlement->order_id, 2, json, len);

    return WR_DONE;
}


void
catalog_settle_send(struct wr_request *req, const char *order_id,
    const char *product_ids)
{
    size_t                  len;
    const char             *json;
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "order_id", order_id);
    wr_json_put_raw(writer, "product_ids", product_ids, strlen(product_ids));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_command(req, CATALOG_NAME, CATALOG_SETTLE, json, len);
}
