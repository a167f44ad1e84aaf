/*
 * Copyright (C) the Warren authors
 *
 * A notification as clients see it, in lists and in streams.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_json.h"
#include "notifications_store.h"


static void put(struct wr_json_writer *writer, const char *id,
    const char *created_at, const struct notification *rest);


void
notifications_json_put(struct wr_json_writer *writer,
    const struct notification *notification)
{
    put(writer, notification->id, notification->created_at, notification);
}


void
notifications_json_put_row(struct wr_json_writer *writer,
    struct wr_rows *rows, int row)
{
    struct notification  rest;

    memset(&rest, 0, sizeof(rest));
    rest.kind = wr_rows_text(rows, row, NOTIFICATIONS_STORE_KIND);
    rest.title = wr_rows_text(rows, row, NOTIFICATIONS_STORE_TITLE);
    rest.body = wr_rows_text(rows, row, NOTIFICATIONS_STORE_BODY);
    rest.data = wr_rows_text(rows, row, NOTIFICATIONS_STORE_DATA);
    rest.read_at = wr_rows_text(rows, row, NOTIFICATIONS_STORE_READ_AT);

    put(writer, wr_rows_text(rows, row, NOTIFICATIONS_STORE_ID),
        wr_rows_text(rows, row, NOTIFICATIONS_STORE_CREATED_AT), &rest);
}


const char *
notifications_json_text(struct wr_arena *arena,
    const struct notification *notification, size_t *len_r)
{
    struct wr_json_writer  *writer;

    writer = wr_json_writer_new(arena);
    notifications_json_put(writer, notification);

    return wr_json_writer_text(writer, len_r);
}


static void
put(struct wr_json_writer *writer, const char *id, const char *created_at,
    const struct notification *rest)
{
    wr_json_object_begin(writer, NULL);
    wr_json_put_text(writer, "id", id);
    wr_json_put_text(writer, "kind", rest->kind);
    wr_json_put_text(writer, "title", rest->title);
    wr_json_put_text(writer, "body", rest->body);

    /* the column is not null */
    if (rest->data != NULL) {
        wr_json_put_raw(writer, "data", rest->data, strlen(rest->data));
    }

    wr_json_put_text(writer, "created_at", created_at);
    wr_json_put_text(writer, "read_at", rest->read_at);
    wr_json_object_end(writer);
}
