/*
 * Copyright (C) the Warren authors
 *
 * Events in order.
 *
 * A key is an event's subject, and all events of a key come by one queue, so
 * that their delivery tags tell the order.
 */

#include <string.h>

#include "clock.h"
#include "history.h"
#include "lane_private.h"
#include "order.h"


/* The pause after a failure doubles from the setting's to this. */
#define PAUSE_MAX_MS  30000


static bool is_before(const struct wr_request *one,
    const struct wr_request *other);
static int64_t pause_ms(const struct wr_lane *lane, int attempt);


void
wr_order_join(struct wr_request *req)
{
    const char  *p;

    if (req->msg->queue != WR_QUEUE_ORDERED || req->is_decided
        || req->handler == NULL)
    {
        return;
    }

    req->key = (req->subject != NULL) ? req->subject : "";
    req->key_hash = 5381;

    for (p = req->key; *p != '\0'; p++) {
        req->key_hash = req->key_hash * 33 + (unsigned char) *p;
    }
}


/* Looks at the hash before the text: a lane may hold hundreds. */

static bool
is_before(const struct wr_request *one, const struct wr_request *other)
{
    return one->key != NULL && other->key != NULL
           && one->key_hash == other->key_hash
           && one->msg->tag < other->msg->tag
           && one->msg->channel == other->msg->channel
           && strcmp(one->key, other->key) == 0;
}


bool
wr_order_waits(const struct wr_lane *lane, const struct wr_request *req)
{
    const struct wr_request  *held;

    if (req->key == NULL) {
        return false;
    }

    for (held = lane->held; held != NULL; held = held->next) {
        if (is_before(held, req)) {
            return true;
        }
    }

    return false;
}


/* What was held may stand behind what came later. */

void
wr_order_sort(struct wr_request **reqs, size_t n)
{
    size_t              i, j;
    struct wr_request  *req;

    for (i = 1; i < n; i++) {
        for (j = 0; j < i && !is_before(reqs[i], reqs[j]); j++) {
            /* void */
        }

        if (j < i) {
            req = reqs[i];
            memmove(&reqs[j + 1], &reqs[j], (i - j) * sizeof(*reqs));
            reqs[j] = req;
        }
    }
}


size_t
wr_order_leave(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    size_t total)
{
    size_t  i, j, count;

    for (i = 0, count = 0; i < n; i++) {
        for (j = n; j < total && !is_before(reqs[j], reqs[i]); j++) {
            /* void */
        }

        if (j < total) {
            wr_lane_hold(lane, reqs[i]);

        } else {
            reqs[count++] = reqs[i];
        }
    }

    return count;
}


bool
wr_order_is_left(struct wr_request *const *reqs, size_t i)
{
    size_t  j;

    for (j = 0; reqs[i]->key != NULL && j < i; j++) {
        if ((reqs[j]->is_later || reqs[j]->is_decided)
            && is_before(reqs[j], reqs[i]))
        {
            return true;
        }
    }

    return false;
}


bool
wr_order_is_stopped(struct wr_request *const *reqs, size_t i)
{
    size_t              j;
    struct wr_request  *req;

    for (j = 0; reqs[i]->key != NULL && j < i; j++) {
        req = reqs[j];

        if (is_before(req, reqs[i])
            && (req->is_later || req->inbox == WR_INBOX_BUSY
                || req->outcome != WR_DONE))
        {
            return true;
        }
    }

    return false;
}


void
wr_order_mark(struct wr_request *const *reqs, size_t n)
{
    size_t  i, j;

    for (i = 1; i < n; i++) {
        for (j = 0; j < i && reqs[i]->key != NULL; j++) {
            if (is_before(reqs[j], reqs[i])) {
                reqs[i]->is_later = true;
                break;
            }
        }
    }
}


size_t
wr_order_thin(struct wr_request **reqs, size_t n)
{
    size_t  i, count;

    for (i = 0, count = 0; i < n; i++) {
        if (reqs[i]->key == NULL || !reqs[i]->is_later) {
            reqs[count++] = reqs[i];
        }
    }

    return count;
}


bool
wr_order_hold(struct wr_lane *lane, struct wr_request *req)
{
    int64_t  ms;

    if (req->key == NULL) {
        return false;
    }

    ms = req->is_free ? WR_LANE_BUSY_MS : pause_ms(lane, req->attempt);

    if (!req->is_free) {
        req->history = wr_history_header(req);
        req->attempt++;
        wr_stats_add(WR_STAT_messages_repeated_in_order, 1);
        wr_log_info(&req->log, "attempt %d failed, and what follows waits: %s",
                    req->attempt,
                    req->reason != NULL ? req->reason : "retry");
    }

    req->is_free = false;
    req->is_decided = false;
    req->is_gathered = false;
    req->outcome = WR_DONE;
    req->reason = NULL;
    req->asks = NULL;
    req->data = NULL;
    req->errors.count = req->gather_errors = 0;
    req->not_before_ms = wr_clock_ms() + ms;
    wr_lane_hold(lane, req);

    return true;
}


static int64_t
pause_ms(const struct wr_lane *lane, int attempt)
{
    int64_t  ms;

    ms = wr_settings_ms(lane->settings, "retry.in_order_pause");

    for ( ; attempt > 0 && ms < PAUSE_MAX_MS; attempt--) {
        ms *= 2;
    }

    return (ms < PAUSE_MAX_MS) ? ms : PAUSE_MAX_MS;
}


void
wr_order_drop(struct wr_lane *lane)
{
    struct wr_request  *req, **place;

    for (place = &lane->held; (req = *place) != NULL; ) {
        if (!wr_broker_is_stale(lane->broker, req->msg)) {
            place = &req->next;
            continue;
        }

        *place = req->next;
        lane->nheld--;
        wr_request_free(&req);
    }

    lane->last_held = place;
}
