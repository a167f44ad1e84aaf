/*
 * Copyright (C) the Warren authors
 *
 * Products as JSON: read from a request, written from rows.
 */

#include "catalog.h"
#include "catalog_json.h"
#include "catalog_store.h"
#include "catalog_text.h"


void
catalog_json_read(const struct wr_json *body, struct catalog_product *product,
    struct wr_json_errors *errors)
{
    product->name = wr_json_text(body, "name", 1, CATALOG_NAME_MAX, errors);
    product->description = wr_json_text(body, "description", 0,
                                        CATALOG_DESCRIPTION_MAX, errors);
    product->category = wr_json_text(body, "category", 1,
                                     CATALOG_CATEGORY_MAX, errors);
    product->price_cents = wr_json_int(body, "price_cents", 0,
                                       CATALOG_CENTS_MAX, errors);
    product->currency = wr_json_text(body, "currency", 3, 3, errors);

    if (!catalog_text_is_category(product->category)) {
        wr_json_error_add(errors, body, "category", CATALOG_TEXT_CATEGORY);
    }

    if (!catalog_text_is_currency(product->currency)) {
        wr_json_error_add(errors, body, "currency", CATALOG_TEXT_CURRENCY);
    }
}


void
catalog_json_write(struct wr_json_writer *writer, struct wr_rows *rows,
    int row, bool is_whole)
{
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", wr_rows_text(rows, row, CATALOG_STORE_ID));
    wr_json_put_text(writer, "name",
                     wr_rows_text(rows, row, CATALOG_STORE_NAME));

    if (is_whole) {
        wr_json_put_text(writer, "description",
                         wr_rows_text(rows, row, CATALOG_STORE_DESCRIPTION));
    }

    wr_json_put_text(writer, "category",
                     wr_rows_text(rows, row, CATALOG_STORE_CATEGORY));
    wr_json_put_int(writer, "price_cents",
                    wr_rows_int(rows, row, CATALOG_STORE_PRICE_CENTS));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, row, CATALOG_STORE_CURRENCY));
    wr_json_put_int(writer, "available",
                    wr_rows_int(rows, row, CATALOG_STORE_AVAILABLE));

    if (is_whole) {
        wr_json_put_text(writer, "created_at",
                         wr_rows_text(rows, row, CATALOG_STORE_CREATED_AT));
        wr_json_put_text(writer, "updated_at",
                         wr_rows_text(rows, row, CATALOG_STORE_UPDATED_AT));
    }

    wr_json_object_end(writer);
}
