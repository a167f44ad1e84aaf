/*
 * Copyright (C) the Warren authors
 *
 * Shows what a person missed: all that came after one they know, the oldest
 * first.
 */

#include <string.h>

#include "notifications.h"
#include "notifications_json.h"
#include "notifications_person.h"
#include "notifications_store.h"


/* Shown at once; whoever sees that there is more asks again. */
#define SINCE_MAX    100
#define SINCE_COUNT  "101"

#define SINCE_FIRST  "00000000-0000-0000-0000-000000000000"


enum wr_outcome
notifications_since_gather(struct wr_request *req)
{
    const char       *since;
    enum wr_outcome   outcome;

    outcome = notifications_person_check(req);
    since = wr_request_arg(req, "since");

    if (outcome == WR_DONE && since != NULL && since[0] != '\0'
        && !wr_id_is_uuid(since))
    {
        return wr_refuse(req, WIRE_ERROR_INVALID,
                         "since must be the id of a notification");
    }

    return outcome;
}


void
notifications_since_load(struct wr_request *req)
{
    const char  *since;

    since = wr_request_arg(req, "since");

    if (since == NULL || since[0] == '\0') {
        since = SINCE_FIRST;
    }

    wr_request_set(req, notifications_store_since(wr_request_tx(req),
                                                  wr_request_sub(req), since,
                                                  SINCE_COUNT));
}


enum wr_outcome
notifications_since(struct wr_request *req)
{
    int                     row, count;
    size_t                  len;
    const char             *json;
    struct wr_rows         *rows;
    struct wr_json_writer  *writer;

    rows = wr_request_get(req);
    count = wr_rows_count(rows);
    writer = wr_json_writer_new(wr_request_arena(req));

    wr_json_object_begin(writer, NULL);
    wr_json_array_begin(writer, "notifications");

    for (row = 0; row < count && row < SINCE_MAX; row++) {
        notifications_json_put_row(writer, rows, row);
    }

    wr_json_array_end(writer);
    wr_json_put_bool(writer, "more", count > SINCE_MAX);
    wr_json_object_end(writer);

    json = wr_json_writer_text(writer, &len);
    wr_reply(req, 200, json, len);

    return WR_DONE;
}
