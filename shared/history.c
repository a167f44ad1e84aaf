/*
 * Copyright (C) the Warren authors
 *
 * Histories.
 */

#include <string.h>

#include "clock.h"
#include "history.h"
#include "lane_private.h"
#include "request_private.h"
#include "wire.h"


#define AT_MAX  64


static void read_with(struct wr_request *req, bool has_failed,
    struct wr_history *history_r);
static const struct wr_json *past(const struct wr_request *req);
static void put_old(struct wr_json_writer *w, const struct wr_json *failures,
    size_t max);
static void put_failure(struct wr_json_writer *w, const char *at,
    int64_t attempt, const char *reason);


void
wr_history_read(struct wr_request *req, struct wr_history *history_r)
{
    read_with(req, true, history_r);
}


const char *
wr_history_header(struct wr_request *req)
{
    struct wr_history       history;
    struct wr_json_writer  *w;

    read_with(req, !req->is_free, &history);

    w = wr_json_writer_new(req->arena);
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "first_at", history.first_at);
    wr_json_put_raw(w, "failures", history.failures, strlen(history.failures));
    wr_json_object_end(w);

    return wr_json_writer_text(w, NULL);
}


static void
read_with(struct wr_request *req, bool has_failed,
    struct wr_history *history_r)
{
    char                    at[WR_CLOCK_TEXT_SIZE];
    const char             *first_at;
    struct wr_json_writer  *w;
    const struct wr_json   *old;

    old = past(req);
    first_at = wr_json_text(old, "first_at", 0, AT_MAX, NULL);

    if (first_at[0] == '\0') {
        wr_clock_text((req->msg->timestamp_sec != 0)
                      ? req->msg->timestamp_sec * 1000 : wr_clock_wall_ms(),
                      at);
        first_at = wr_arena_strdup(req->arena, at);
    }

    w = wr_json_writer_new(req->arena);
    wr_json_array_begin(w, NULL);

    if (wr_json_has(old, "failures")) {
        put_old(w, wr_json_array(old, "failures", 0, SIZE_MAX, NULL),
                WR_HISTORY_MAX - has_failed);
    }

    if (has_failed) {
        wr_clock_text(wr_clock_wall_ms(), at);
        put_failure(w, at, req->attempt + 1,
                    (req->reason != NULL) ? req->reason
                    : req->outcome == WR_RETRY ? "retry" : "refused");
    }

    wr_json_array_end(w);
    history_r->first_at = first_at;
    history_r->failures = wr_json_writer_text(w, NULL);
}


/* An empty value if there is none, or none that is believed. */

static const struct wr_json *
past(const struct wr_request *req)
{
    const char            *text, *error;
    const struct wr_json  *old;

    text = req->history;

    if (text == NULL
        && strcmp(req->msg->user_id, wr_broker_user(req->lane->broker)) == 0)
    {
        text = wr_message_text(req->msg, WIRE_HEADER_HISTORY);
    }

    if (text == NULL) {
        return wr_json_empty();
    }

    old = wr_json_parse(req->arena, text, strlen(text), &error);

    return (old != NULL) ? old : wr_json_empty();
}


/* Too many: the first one stays, and the latest. */

static void
put_old(struct wr_json_writer *w, const struct wr_json *failures, size_t max)
{
    size_t                 i, count;
    const struct wr_json  *failure;

    count = wr_json_count(failures);

    for (i = 0; i < count; i++) {
        if (count > max && i != 0 && i <= count - max) {
            continue;
        }

        failure = wr_json_item(failures, i);
        put_failure(w, wr_json_text(failure, "at", 0, AT_MAX, NULL),
                    wr_json_int(failure, "attempt", 0, INT32_MAX, NULL),
                    wr_json_text(failure, "reason", 0, WIRE_BODY_MAX, NULL));
    }
}


static void
put_failure(struct wr_json_writer *w, const char *at, int64_t attempt,
    const char *reason)
{
    wr_json_object_begin(w, NULL);
    wr_json_put_text(w, "at", at);
    wr_json_put_int(w, "attempt", attempt);
    wr_json_put_text_len(w, "reason", reason,
                         strnlen(reason, WR_HISTORY_REASON_MAX));
    wr_json_object_end(w);
}
