/*
 * Copyright (C) the Warren authors
 *
 * Shows anybody what there is to buy, a page at a time, the newest first.
 */

#include <inttypes.h>
#include <string.h>

#include "catalog.h"
#include "catalog_json.h"
#include "catalog_store.h"
#include "catalog_text.h"


struct list {
    struct wr_page          page;
    struct catalog_filter   filter;
    struct wr_rows         *rows;
};


static const char *read_filter(struct wr_request *req,
    struct catalog_filter *filter);
static const char *argument(struct wr_request *req, const char *name);
static bool read_cents(struct wr_request *req, const char *name,
    int64_t fallback, const char **cents_r);


enum wr_outcome
catalog_list_gather(struct wr_request *req)
{
    const char   *detail;
    struct list  *list;

    list = wr_arena_alloc(wr_request_arena(req), sizeof(*list));

    if (!wr_page_read(req, &list->page, &detail)) {
        return wr_refuse(req, WIRE_ERROR_INVALID, detail);
    }

    detail = read_filter(req, &list->filter);

    if (detail != NULL) {
        return wr_refuse(req, WIRE_ERROR_INVALID, detail);
    }

    wr_request_set(req, list);

    return WR_DONE;
}


void
catalog_list_load(struct wr_request *req)
{
    struct list  *list;

    list = wr_request_get(req);
    list->rows = catalog_store_page(wr_request_tx(req), &list->filter,
                                    &list->page);
}


enum wr_outcome
catalog_list(struct wr_request *req)
{
    int                     row, count;
    size_t                  len;
    const char             *json, *cursor;
    struct list            *list;
    struct wr_json_writer  *writer;

    list = wr_request_get(req);
    count = wr_rows_count(list->rows);
    cursor = NULL;

    /* one row more than asked for tells that there is a next page */

    if (count > list->page.limit) {
        count = list->page.limit;
        cursor = wr_page_cursor(wr_request_arena(req),
                                wr_rows_text(list->rows, count - 1,
                                             CATALOG_STORE_PLACE));
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "products");

    for (row = 0; row < count; row++) {
        catalog_json_write(writer, list->rows, row, false);
    }

    wr_json_array_end(writer);
    wr_json_put_text(writer, "next_cursor", cursor);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* NULL, or what is wrong. */

static const char *
read_filter(struct wr_request *req, struct catalog_filter *filter)
{
    filter->query = argument(req, "q");
    filter->category = argument(req, "category");

    if (filter->query != NULL
        && (strlen(filter->query) > CATALOG_QUERY_MAX
            || !catalog_text_is_utf8(wr_request_arena(req), filter->query)))
    {
        return "q must be at most 200 bytes of UTF-8";
    }

    if (filter->category != NULL
        && (strlen(filter->category) > CATALOG_CATEGORY_MAX
            || !catalog_text_is_category(filter->category)))
    {
        return "category " CATALOG_TEXT_CATEGORY;
    }

    if (!read_cents(req, "min_price", 0, &filter->min_price)) {
        return "min_price must be cents, a whole number";
    }

    if (!read_cents(req, "max_price", CATALOG_CENTS_MAX, &filter->max_price)) {
        return "max_price must be cents, a whole number";
    }

    return NULL;
}


/* A field of a form that was left empty asks for nothing. */

static const char *
argument(struct wr_request *req, const char *name)
{
    const char  *text;

    text = wr_request_arg(req, name);

    return (text == NULL || text[0] == '\0') ? NULL : text;
}


static bool
read_cents(struct wr_request *req, const char *name, int64_t fallback,
    const char **cents_r)
{
    int64_t      cents;
    const char  *text;

    text = argument(req, name);
    cents = fallback;

    if (text != NULL && !catalog_text_cents(text, &cents)) {
        return false;
    }

    *cents_r = wr_arena_printf(wr_request_arena(req), "%" PRId64, cents);

    return true;
}
