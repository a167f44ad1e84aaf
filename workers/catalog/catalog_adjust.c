/*
 * Copyright (C) the Warren authors
 *
 * Changes how many pieces of a product are available.  The inbox has already
 * seen to it that one message acts once.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_store.h"
#include "catalog_text.h"


struct adjustment {
    const char  *id;
    int64_t      delta;
};


enum wr_outcome
catalog_adjust_gather(struct wr_request *req)
{
    const char             *id;
    struct adjustment      *adjustment;
    struct wr_json_errors  *errors;
    const struct wr_json   *body;

    if (wr_request_sub(req) == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_request_has_scope(req, CATALOG_SCOPE_WRITE)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the scope " CATALOG_SCOPE_WRITE " is required");
    }

    id = wr_request_arg(req, "id");

    if (id == NULL || id[0] == '\0' || strlen(id) > CATALOG_ID_MAX
        || !catalog_text_is_id(id))
    {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    body = wr_request_json(req);
    errors = wr_request_errors(req);
    adjustment = wr_arena_alloc(wr_request_arena(req), sizeof(*adjustment));
    adjustment->id = id;
    adjustment->delta = wr_json_int(body, "delta", -CATALOG_STOCK_MAX,
                                    CATALOG_STOCK_MAX, errors);

    if (errors->count == 0 && adjustment->delta == 0) {
        wr_json_error_add(errors, body, "delta", "must not be 0");
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, adjustment);

    return WR_DONE;
}


void
catalog_adjust_keys(struct wr_request *req)
{
    wr_key(req, catalog_tables.stock, wr_request_arg(req, "id"));
}


enum wr_outcome
catalog_adjust(struct wr_request *req)
{
    size_t                   len;
    const char              *json;
    struct wr_rows          *rows;
    struct wr_json_writer   *writer;
    struct adjustment       *adjustment;

    adjustment = wr_request_get(req);
    rows = catalog_store_adjust(wr_request_tx(req), wr_request_arena(req),
                                adjustment->id, adjustment->delta);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    if (wr_rows_text(rows, 0, CATALOG_STORE_AFTER) == NULL) {
        return wr_refuse(req, WIRE_ERROR_CONFLICT,
                         adjustment->delta < 0
                         ? "there are not as many pieces"
                         : "there would be more than 1000000000 pieces");
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "product_id", adjustment->id);
    wr_json_put_int(writer, "available",
                    wr_rows_int(rows, 0, CATALOG_STORE_AFTER));
    wr_json_put_int(writer, "reserved",
                    wr_rows_int(rows, 0, CATALOG_STORE_RESERVED));
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
