/*
 * Copyright (C) the Warren authors
 *
 * Tells what products cost, for whoever makes an order of them.
 */

#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "catalog_lines.h"
#include "catalog_prices.h"
#include "catalog_store.h"


struct pricing {
    struct catalog_lines    lines;      /* as they were sent */
    struct catalog_lines    merged;     /* how many of a product in all */
    struct wr_rows         *rows;
};


static int find_row(struct wr_rows *rows, const char *id);
static int64_t wanted(const struct catalog_lines *merged, const char *id);
static void put_item(struct wr_json_writer *writer,
    const struct pricing *pricing, const struct catalog_line *line, int row);


enum wr_outcome
catalog_price_gather(struct wr_request *req)
{
    struct pricing         *pricing;
    struct wr_json_errors  *errors;

    if (catalog_prices_are_asked(req)) {
        return catalog_prices_gather(req);
    }

    pricing = wr_arena_alloc(wr_request_arena(req), sizeof(*pricing));
    errors = wr_request_errors(req);

    catalog_lines_read(wr_request_json(req), "items", &pricing->lines, errors);

    if (errors->count != 0) {
        return wr_refuse_invalid(req);
    }

    pricing->merged = pricing->lines;
    catalog_lines_merge(&pricing->merged);
    catalog_lines_arrays(wr_request_arena(req), &pricing->merged);
    wr_request_set(req, pricing);

    return WR_DONE;
}


void
catalog_price_load(struct wr_request *req)
{
    struct pricing  *pricing;

    if (catalog_prices_are_asked(req)) {
        catalog_prices_load(req);
        return;
    }

    pricing = wr_request_get(req);
    pricing->rows = catalog_store_prices(wr_request_tx(req),
                                         &pricing->merged);
}


enum wr_outcome
catalog_price(struct wr_request *req)
{
    int                         row;
    size_t                      i, len;
    const char                 *json;
    struct pricing             *pricing;
    struct wr_json_writer      *writer;
    const struct wr_json       *items;
    const struct catalog_line  *line;

    if (catalog_prices_are_asked(req)) {
        return catalog_prices(req);
    }

    pricing = wr_request_get(req);
    items = wr_json_array(wr_request_json(req), "items", 1, CATALOG_LINES_MAX,
                          NULL);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "items");

    for (i = 0; i < pricing->lines.count; i++) {
        line = &pricing->lines.items[i];
        row = find_row(pricing->rows, line->product_id);

        if (row == -1) {
            wr_json_error_add(wr_request_errors(req), wr_json_item(items, i),
                              "product_id",
                              wr_arena_printf(wr_request_arena(req),
                                              "there is no product \"%s\"",
                                              line->product_id));
            continue;
        }

        put_item(writer, pricing, line, row);
    }

    wr_json_array_end(writer);
    wr_json_object_end(writer);

    if (wr_request_errors(req)->count != 0) {
        return wr_refuse_invalid(req);
    }

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* Rows are sorted by id; -1 if there is none. */

static int
find_row(struct wr_rows *rows, const char *id)
{
    int  low, high, middle, order;

    low = 0;
    high = wr_rows_count(rows);

    while (low < high) {
        middle = (low + high) / 2;
        order = strcmp(id, wr_rows_text(rows, middle, CATALOG_STORE_OF_ID));

        if (order == 0) {
            return middle;
        }

        if (order < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return -1;
}


static int64_t
wanted(const struct catalog_lines *merged, const char *id)
{
    size_t  i;

    for (i = 0; i < merged->count; i++) {
        if (strcmp(merged->items[i].product_id, id) == 0) {
            return merged->items[i].quantity;
        }
    }

    /* cannot be: each line is part of one of these */
    return 0;
}


/* Whether there are enough is told of all pieces of a product, however many
   lines they stand in. */

static void
put_item(struct wr_json_writer *writer, const struct pricing *pricing,
    const struct catalog_line *line, int row)
{
    int64_t          available;
    struct wr_rows  *rows;

    rows = pricing->rows;
    available = wr_rows_int(rows, row, CATALOG_STORE_OF_AVAILABLE);

    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "product_id", line->product_id);
    wr_json_put_text(writer, "name",
                     wr_rows_text(rows, row, CATALOG_STORE_OF_NAME));
    wr_json_put_int(writer, "quantity", line->quantity);
    wr_json_put_int(writer, "unit_price_cents",
                    wr_rows_int(rows, row, CATALOG_STORE_OF_PRICE_CENTS));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, row, CATALOG_STORE_OF_CURRENCY));
    wr_json_put_int(writer, "available", available);
    wr_json_put_bool(writer, "is_available",
                     available >= wanted(&pricing->merged, line->product_id));
    wr_json_object_end(writer);
}
