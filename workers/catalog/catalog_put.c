/*
 * Copyright (C) the Warren authors
 *
 * Makes a product, or replaces it.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_json.h"
#include "catalog_store.h"
#include "catalog_text.h"


enum wr_outcome
catalog_put_gather(struct wr_request *req)
{
    const char              *id;
    struct wr_json_errors   *errors;
    struct catalog_product  *product;

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
        return wr_refuse(req, WIRE_ERROR_INVALID, "the id " CATALOG_TEXT_ID);
    }

    product = wr_arena_alloc(wr_request_arena(req), sizeof(*product));
    errors = wr_request_errors(req);
    product->id = id;

    catalog_json_read(wr_request_json(req), product, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    wr_request_set(req, product);

    return WR_DONE;
}


void
catalog_put_keys(struct wr_request *req)
{
    wr_key(req, catalog_tables.products, wr_request_arg(req, "id"));
}


enum wr_outcome
catalog_put(struct wr_request *req)
{
    char                     place[WR_UUID_SIZE], time[WR_CLOCK_TEXT_SIZE];
    bool                     is_new;
    size_t                   len;
    const char              *json, *created;
    struct wr_tx            *tx;
    struct wr_rows          *put, *rows;
    struct wr_arena         *arena;
    struct wr_json_writer   *writer;
    struct catalog_product  *product;

    tx = wr_request_tx(req);
    arena = wr_request_arena(req);
    product = wr_request_get(req);

    wr_id_uuid7(place);
    wr_clock_text(wr_clock_wall_ms(), time);

    put = catalog_store_put(tx, arena, product, place, time);
    rows = catalog_store_by_id(tx, product->id);

    created = wr_rows_text(put, 0, 0);
    is_new = created != NULL && created[0] == 't';

    writer = wr_json_writer_new(arena);
    catalog_json_write(writer, rows, 0, true);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, is_new ? 201 : 200, json, len);

    if (is_new) {
        wr_reply_header(req, "location",
                        wr_arena_printf(arena, "/products/%s", product->id));
    }

    return WR_DONE;
}
