/*
 * Copyright (C) the Warren authors
 *
 * Shows people what they should see, a page at a time, the newest first.
 */

#include "notifications.h"
#include "notifications_json.h"
#include "notifications_person.h"
#include "notifications_store.h"


struct list {
    struct wr_page    page;
    struct wr_rows   *rows;
};


enum wr_outcome
notifications_list_gather(struct wr_request *req)
{
    const char       *detail;
    struct list      *list;
    enum wr_outcome   outcome;

    outcome = notifications_person_check(req);

    if (outcome != WR_DONE) {
        return outcome;
    }

    list = wr_arena_alloc(wr_request_arena(req), sizeof(*list));

    if (!wr_page_read(req, &list->page, &detail)) {
        return wr_refuse(req, WIRE_ERROR_INVALID, detail);
    }

    wr_request_set(req, list);

    return WR_DONE;
}


void
notifications_list_load(struct wr_request *req)
{
    struct list  *list;

    list = wr_request_get(req);
    list->rows = notifications_store_page(wr_request_tx(req),
                                          wr_request_sub(req),
                                          list->page.before,
                                          list->page.count);
}


enum wr_outcome
notifications_list(struct wr_request *req)
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
        cursor = wr_page_cursor(
            wr_request_arena(req),
            wr_rows_text(list->rows, count - 1, NOTIFICATIONS_STORE_ID));
    }

    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "notifications");

    for (row = 0; row < count; row++) {
        notifications_json_put_row(writer, list->rows, row);
    }

    wr_json_array_end(writer);
    wr_json_put_text(writer, "next_cursor", cursor);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
