/*
 * Copyright (C) the Warren authors
 *
 * Shows people their orders, a page at a time, the newest first.
 */

#include <string.h>

#include "orders.h"
#include "orders_store.h"


struct list {
    struct wr_page    page;
    const char       *status;       /* NULL: any */
    struct wr_rows   *rows;
};


static bool read_status(struct wr_request *req, const char **status_r);
static void put_order(struct wr_json_writer *writer, struct wr_rows *rows,
    int row);


enum wr_outcome
orders_list_gather(struct wr_request *req)
{
    const char   *sub, *detail;
    struct list  *list;

    sub = wr_request_sub(req);

    if (sub == NULL) {
        return wr_refuse(req, WIRE_ERROR_UNAUTHENTICATED, NULL);
    }

    if (!wr_id_is_uuid(sub)) {
        return wr_refuse(req, WIRE_ERROR_FORBIDDEN,
                         "the token is not for a person");
    }

    list = wr_arena_alloc(wr_request_arena(req), sizeof(*list));

    if (!wr_page_read(req, &list->page, &detail)) {
        return wr_refuse(req, WIRE_ERROR_INVALID, detail);
    }

    if (!read_status(req, &list->status)) {
        return wr_refuse(req, WIRE_ERROR_INVALID,
                         "status must be placed, reserved, paid, confirmed or "
                         "cancelled");
    }

    wr_request_set(req, list);

    return WR_DONE;
}


void
orders_list_load(struct wr_request *req)
{
    struct list  *list;

    list = wr_request_get(req);
    list->rows = orders_store_page(wr_request_tx(req), wr_request_sub(req),
                                   list->status, &list->page);
}


enum wr_outcome
orders_list(struct wr_request *req)
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
                                                 ORDERS_STORE_ID));
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "orders");

    for (row = 0; row < count; row++) {
        put_order(writer, list->rows, row);
    }

    wr_json_array_end(writer);
    wr_json_put_text(writer, "next_cursor", cursor);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}


/* A field of a form that was left empty asks for nothing. */

static bool
read_status(struct wr_request *req, const char **status_r)
{
    static const char *const  all[] = {
        ORDERS_PLACED, ORDERS_RESERVED, ORDERS_PAID, ORDERS_CONFIRMED,
        ORDERS_CANCELLED
    };

    size_t       i;
    const char  *text;

    *status_r = NULL;
    text = wr_request_arg(req, "status");

    if (text == NULL || text[0] == '\0') {
        return true;
    }

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (strcmp(all[i], text) == 0) {
            *status_r = all[i];
            return true;
        }
    }

    return false;
}


static void
put_order(struct wr_json_writer *writer, struct wr_rows *rows, int row)
{
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", wr_rows_text(rows, row, ORDERS_STORE_ID));
    wr_json_put_text(writer, "status",
                     wr_rows_text(rows, row, ORDERS_STORE_STATUS));
    wr_json_put_int(writer, "total_cents",
                    wr_rows_int(rows, row, ORDERS_STORE_TOTAL_CENTS));
    wr_json_put_text(writer, "currency",
                     wr_rows_text(rows, row, ORDERS_STORE_CURRENCY));
    wr_json_put_text(writer, "created_at",
                     wr_rows_text(rows, row, ORDERS_STORE_CREATED_AT));
    wr_json_object_end(writer);
}
