/*
 * Copyright (C) the Warren authors
 *
 * Turns.
 */

#include <string.h>

#include "batch.h"
#include "clock.h"
#include "crash.h"
#include "debug.h"
#include "gather.h"
#include "lane_private.h"
#include "order.h"
#include "outbox.h"
#include "settle.h"
#include "turn.h"
#include "wire.h"


static size_t take(struct wr_lane *lane, struct wr_request **reqs, size_t max);
static struct wr_request *take_held(struct wr_lane *lane);
static struct wr_request **find_due(struct wr_lane *lane);
static bool drop_late(struct wr_lane *lane, struct wr_request **req);
static void run(struct wr_lane *lane, struct wr_request **reqs, size_t n);
static bool is_hasty(struct wr_request *req);
static void refuse(struct wr_request *req);
static int64_t patience_ms(struct wr_request *req);


bool
wr_turn_is_due(struct wr_lane *lane)
{
    return wr_broker_pending(lane->broker) != 0 || find_due(lane) != NULL;
}


void
wr_turn(struct wr_lane *lane)
{
    size_t              i, n, count, others, taken;
    struct wr_request  *req, *reqs[WR_BATCH_MAX];

    taken = take(lane, reqs, (size_t) lane->batch);
    n = wr_crash_part(lane, reqs, taken);
    others = wr_order_leave(lane, reqs, n, taken);
    wr_debug_step(WR_DEBUG_after_take);

    /* who is in a hurry does not wait for others */

    for (i = 0, count = 0; i < others; i++) {
        req = reqs[i];

        if (others > 1 && is_hasty(req)) {
            run(lane, &req, 1);

        } else {
            reqs[count++] = req;
        }
    }

    if (count != 0) {
        run(lane, reqs, count);
    }

    wr_crash_try(lane, reqs + n, taken - n, run);
}


static size_t
take(struct wr_lane *lane, struct wr_request **reqs, size_t max)
{
    size_t              n;
    struct wr_request  *req;
    struct wr_message  *msg;

    for (n = 0; n < max; ) {
        req = take_held(lane);

        if (req == NULL) {
            msg = wr_broker_take(lane->broker);

            if (msg == NULL) {
                break;
            }

            req = wr_request_new(lane, msg);
        }

        if (wr_order_waits(lane, req)) {
            wr_lane_hold(lane, req);

        } else if (!drop_late(lane, &req)) {
            if (patience_ms(req) == 0) {
                refuse(req);
            }

            reqs[n++] = req;
        }
    }

    wr_order_sort(reqs, n);

    return n;
}


/* Some are held for longer than others. */

static struct wr_request *
take_held(struct wr_lane *lane)
{
    struct wr_request  *req, **place;

    place = find_due(lane);

    if (place == NULL) {
        return NULL;
    }

    req = *place;
    *place = req->next;
    req->next = NULL;
    lane->nheld--;

    if (*place == NULL) {
        lane->last_held = place;
    }

    return req;
}


static struct wr_request **
find_due(struct wr_lane *lane)
{
    int64_t              now_ms;
    struct wr_request  **place;

    now_ms = (lane->held != NULL) ? wr_clock_ms() : 0;

    for (place = &lane->held; *place != NULL; place = &(*place)->next) {
        if ((*place)->not_before_ms <= now_ms
            && !wr_order_waits(lane, *place))
        {
            return place;
        }
    }

    return NULL;
}


/* Nobody waits any more for the reply of such a call. */

static bool
drop_late(struct wr_lane *lane, struct wr_request **req)
{
    if ((*req)->kind != WR_CALL || wr_request_remaining_ms(*req) > 0) {
        return false;
    }

    wr_stats_add(WR_STAT_messages_late, 1);
    wr_log_debug(&(*req)->log, "dropped: its deadline has passed");
    wr_broker_settle(lane->broker, (*req)->msg);
    wr_request_free(req);

    return true;
}


static bool
is_hasty(struct wr_request *req)
{
    return req->kind == WR_CALL
           && wr_request_remaining_ms(req) < WR_LANE_HASTE_MS;
}


static void
run(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    wr_crash_begin(reqs, n);
    wr_gather(lane, reqs, n);
    wr_debug_step(WR_DEBUG_after_gather);
    wr_batch_apply(lane, reqs, n);
    wr_settle(lane, reqs, n);
    wr_outbox_publish(lane->outbox);
    wr_broker_flush(lane->broker);
    wr_debug_step(WR_DEBUG_after_publish);
    wr_crash_end();
    wr_turn_forget(lane);
}


void
wr_turn_keep(struct wr_lane *lane)
{
    int64_t  now_ms;

    now_ms = wr_clock_ms();

    if (now_ms - lane->kept_ms >= lane->db_config.idle_ms) {
        lane->kept_ms = now_ms;
        wr_broker_pump(lane->broker);
    }
}


/* What is held already is held on, so that calls do not wait behind it. */

void
wr_turn_refuse(struct wr_lane *lane)
{
    size_t              count;
    struct wr_message  *msg;
    struct wr_request  *req, *held, *reqs[WR_BATCH_MAX];

    held = lane->held;
    lane->held = NULL;
    lane->last_held = &lane->held;
    lane->nheld = 0;
    count = 0;

    for ( ;; ) {
        req = held;

        if (req != NULL) {
            held = req->next;

        } else if ((msg = wr_broker_take(lane->broker)) != NULL) {
            req = wr_request_new(lane, msg);

        } else {
            break;
        }

        if (req->kind != WR_CALL
            || (req->is_unsure && patience_ms(req) > 0))
        {
            req->not_before_ms = wr_clock_ms() + WR_LANE_BUSY_MS;
            wr_lane_hold(lane, req);

        } else if (!drop_late(lane, &req)) {
            refuse(req);
            reqs[count++] = req;
        }

        if (count == WR_BATCH_MAX) {
            wr_settle(lane, reqs, count);
            wr_turn_forget(lane);
            count = 0;
        }
    }

    if (count != 0) {
        wr_settle(lane, reqs, count);
        wr_turn_forget(lane);
    }
}


static void
refuse(struct wr_request *req)
{
    if (req->is_decided) {
        return;
    }

    if (req->is_unsure) {
        wr_log_warn(&req->log, "what became of its commit is not known in "
                    "time");
        wr_request_fail(req, WR_UNCERTAIN, WIRE_ERROR_INTERRUPTED,
                        "the database was lost");

    } else {
        wr_request_fail(req, WR_RETRY, WIRE_ERROR_UNAVAILABLE,
                        "the database is away");
    }
}


/* Until a call whose commit was lost is answered, whatever is known. */

static int64_t
patience_ms(struct wr_request *req)
{
    int64_t  left_ms;

    if (req->kind != WR_CALL || !req->is_unsure) {
        return INT64_MAX;
    }

    left_ms = wr_request_remaining_ms(req);

    return (left_ms > WR_LANE_UNSURE_END_MS) ? left_ms - WR_LANE_UNSURE_END_MS
                                             : 0;
}


int64_t
wr_turn_patience_ms(struct wr_lane *lane)
{
    int64_t             ms, least_ms;
    struct wr_request  *req;

    least_ms = INT64_MAX;

    for (req = lane->held; req != NULL; req = req->next) {
        ms = patience_ms(req);
        least_ms = (ms < least_ms) ? ms : least_ms;
    }

    return least_ms;
}


void
wr_turn_drop(struct wr_lane *lane)
{
    struct wr_request  *req;

    while ((req = lane->held) != NULL) {
        lane->held = req->next;
        wr_request_free(&req);
    }

    lane->last_held = &lane->held;
    lane->nheld = 0;
}


void
wr_turn_forget(struct wr_lane *lane)
{
    wr_db_owner_clear(&lane->own);
    wr_arena_reset(lane->own.arena);
}


void
wr_lane_hold(struct wr_lane *lane, struct wr_request *req)
{
    req->next = NULL;
    *lane->last_held = req;
    lane->last_held = &req->next;
    lane->nheld++;
}
