/*
 * Copyright (C) the Warren authors
 *
 * Shows anybody a product.
 */

#include <string.h>

#include "catalog.h"
#include "catalog_json.h"
#include "catalog_store.h"
#include "catalog_text.h"


enum wr_outcome
catalog_get_gather(struct wr_request *req)
{
    const char  *id;

    id = wr_request_arg(req, "id");

    if (id == NULL || id[0] == '\0' || strlen(id) > CATALOG_ID_MAX
        || !catalog_text_is_id(id))
    {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    return WR_DONE;
}


void
catalog_get_load(struct wr_request *req)
{
    wr_request_set(req, catalog_store_by_id(wr_request_tx(req),
                                            wr_request_arg(req, "id")));
}


enum wr_outcome
catalog_get(struct wr_request *req)
{
    size_t                  len;
    const char             *json;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);

    if (wr_rows_count(rows) == 0) {
        return wr_refuse(req, WIRE_ERROR_NOT_FOUND, NULL);
    }

    writer = wr_json_writer_new(wr_request_arena(req));
    catalog_json_write(writer, rows, 0, true);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
