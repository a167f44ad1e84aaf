/*
 * Copyright (C) the Warren authors
 *
 * Tells other services what products cost, by their ids: {"keys": [...]}.
 */

#include "catalog.h"
#include "catalog_prices.h"
#include "catalog_store.h"
#include "catalog_text.h"


struct prices {
    const char      *ids;       /* as PostgreSQL reads an array */
    struct wr_rows  *rows;
};


bool
catalog_prices_are_asked(struct wr_request *req)
{
    return wr_json_has(wr_request_json(req), "keys");
}


enum wr_outcome
catalog_prices_gather(struct wr_request *req)
{
    size_t                  i, count;
    const char             *id;
    struct prices          *prices;
    struct wr_pg_array      ids = { .arena = wr_request_arena(req) };
    const struct wr_json   *keys;
    struct wr_json_errors  *errors;

    errors = wr_request_errors(req);
    keys = wr_json_array(wr_request_json(req), "keys", 1, CATALOG_KEYS_MAX,
                         errors);
    count = (errors->count == 0) ? wr_json_count(keys) : 0;

    for (i = 0; i < count; i++) {
        id = wr_json_text(wr_json_item(keys, i), NULL, 1, CATALOG_ID_MAX,
                          errors);

        if (!catalog_text_is_id(id)) {
            wr_json_error_add(errors, wr_json_item(keys, i), NULL,
                              CATALOG_TEXT_ID);
        }

        wr_pg_array_add(&ids, id);
    }

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    prices = wr_arena_alloc(wr_request_arena(req), sizeof(*prices));
    prices->ids = wr_pg_array_text(&ids);
    wr_request_set(req, prices);

    return WR_DONE;
}


void
catalog_prices_load(struct wr_request *req)
{
    struct prices  *prices;

    prices = wr_request_get(req);
    prices->rows = catalog_store_prices_of(wr_request_tx(req), prices->ids);
}


enum wr_outcome
catalog_prices(struct wr_request *req)
{
    int                     row, count;
    size_t                  len;
    const char             *json;
    struct prices          *prices;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    prices = wr_request_get(req);
    rows = prices->rows;
    count = wr_rows_count(rows);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);

    for (row = 0; row < count; row++) {
        wr_json_object_begin(writer,
                             wr_rows_text(rows, row, CATALOG_STORE_OF_ID));
        wr_json_put_text(writer, "name",
                         wr_rows_text(rows, row, CATALOG_STORE_OF_NAME));
        wr_json_put_int(writer, "unit_price_cents",
                        wr_rows_int(rows, row,
                                    CATALOG_STORE_OF_PRICE_CENTS));
        wr_json_put_text(writer, "currency",
                         wr_rows_text(rows, row, CATALOG_STORE_OF_CURRENCY));
        wr_json_object_end(writer);
    }

    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
