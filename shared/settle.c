/*
 * Copyright (C) the Warren authors
 *
 * Settling.  Nothing is acknowledged before what it led to is safe.
 */

#include <string.h>

#include "clock.h"
#include "crash.h"
#include "dead_letter.h"
#include "debug.h"
#include "lane_private.h"
#include "order.h"
#include "retry.h"
#include "settle.h"
#include "wire.h"


/* What neither the table nor a rung takes is tried again after this long. */
#define AWAY_MS  1000


static enum wr_settlement settlement(const struct wr_request *req);
static bool send_reply(struct wr_lane *lane, struct wr_request *req);
static void settle_rungs(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static void settle_dead(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static void store_dead(struct wr_lane *lane, struct wr_request *req);
static void finish(struct wr_lane *lane, struct wr_request **req);
static void give_back(struct wr_lane *lane, struct wr_request **req,
    int64_t ms);


void
wr_settle(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t               i, nrungs, ndead;
    struct wr_request  **rungs, **dead;

    rungs = wr_arena_alloc(lane->own.arena, n * sizeof(*rungs));
    dead = wr_arena_alloc(lane->own.arena, n * sizeof(*dead));
    nrungs = ndead = 0;

    for (i = 0; i < n; i++) {
        if (reqs[i]->is_later || !reqs[i]->is_decided) {
            give_back(lane, &reqs[i], reqs[i]->is_unsure ? WR_LANE_UNSURE_MS
                                                         : WR_LANE_BUSY_MS);
            continue;
        }

        switch (settlement(reqs[i])) {

        case WR_SETTLE_RUNG:
            if (!wr_order_hold(lane, reqs[i])) {
                rungs[nrungs++] = reqs[i];
            }

            break;

        case WR_SETTLE_DEAD:
            dead[ndead++] = reqs[i];
            break;

        case WR_SETTLE_ACK:
            if (wr_dispatch_rule(reqs[i]->outcome, reqs[i]->kind)->is_replied
                && !send_reply(lane, reqs[i]))
            {
                give_back(lane, &reqs[i], WR_LANE_BUSY_MS);
                break;
            }

            finish(lane, &reqs[i]);
            break;
        }
    }

    wr_broker_flush(lane->broker);
    settle_rungs(lane, rungs, nrungs);
    settle_dead(lane, dead, ndead);
    wr_broker_flush(lane->broker);
    wr_debug_step(WR_DEBUG_after_ack);
}


/* What has come home often enough is dead. */

static enum wr_settlement
settlement(const struct wr_request *req)
{
    enum wr_settlement  what;

    what = wr_dispatch_rule(req->outcome, req->kind)->settlement;

    if (what == WR_SETTLE_RUNG && !req->is_free
        && req->attempt + 1 >= req->lane->max_attempts)
    {
        return WR_SETTLE_DEAD;
    }

    return what;
}


/* Returns false if the broker could not be told. */

static bool
send_reply(struct wr_lane *lane, struct wr_request *req)
{
    char                   id[WR_UUID_SIZE];
    enum wr_published      rc;
    struct wr_header       headers[WR_REPLY_HEADERS_MAX + 1];
    struct wr_publishing   pub;

    if (req->msg->reply_to[0] == '\0') {
        return true;
    }

    wr_debug_step(WR_DEBUG_before_reply);
    wr_id_uuid7(id);
    memset(&pub, 0, sizeof(pub));
    memcpy(headers, req->reply_headers,
           req->nreply_headers * sizeof(struct wr_header));
    headers[req->nreply_headers].name = WIRE_HEADER_STATUS;
    headers[req->nreply_headers].text = NULL;
    headers[req->nreply_headers].number = req->status;

    pub.exchange = WIRE_EXCHANGE_REPLIES;
    pub.key = req->msg->reply_to;
    pub.content_type = req->reply_type;
    pub.correlation_id = req->msg->correlation_id;
    pub.message_id = id;
    pub.headers = headers;
    pub.nheaders = req->nreply_headers + 1;
    pub.body = req->reply;
    pub.body_len = req->reply_len;

    do {
        rc = wr_broker_publish(lane->broker, &pub, NULL);
    } while (rc == WR_PUBLISH_LATER && wr_lane_wait_unblocked(lane));

    if (rc == WR_PUBLISH_REFUSED) {
        wr_log_error(&req->log, "reply cannot be sent: too large");
        wr_reply_problem(req, WIRE_ERROR_INTERNAL, NULL, false);
        pub.nheaders = 1;
        headers[0].name = WIRE_HEADER_STATUS;
        headers[0].text = NULL;
        headers[0].number = req->status;
        pub.content_type = req->reply_type;
        pub.body = req->reply;
        pub.body_len = req->reply_len;
        rc = wr_broker_publish(lane->broker, &pub, NULL);
    }

    wr_stats_add(WR_STAT_replies_sent, rc == WR_PUBLISHED);

    return rc == WR_PUBLISHED || rc == WR_PUBLISH_REFUSED;
}


static void
settle_rungs(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t                 i, ndead;
    enum wr_retry_result  *results;

    if (n == 0) {
        return;
    }

    results = wr_arena_alloc(lane->own.arena, n * sizeof(*results));
    wr_debug_step(WR_DEBUG_before_rung);
    wr_retry_send(lane, reqs, n, results);
    wr_debug_step(WR_DEBUG_after_rung);

    for (i = 0, ndead = 0; i < n; i++) {
        switch (results[i]) {

        case WR_RETRY_SENT:
            wr_stats_add(WR_STAT_messages_retried, 1);
            wr_log_info(&reqs[i]->log, "attempt %d failed, waits on a rung: "
                        "%s", reqs[i]->attempt + 1,
                        reqs[i]->reason != NULL ? reqs[i]->reason : "retry");
            finish(lane, &reqs[i]);
            break;

        case WR_RETRY_NO_RUNG:
            reqs[ndead++] = reqs[i];
            break;

        case WR_RETRY_UNKNOWN:
            give_back(lane, &reqs[i], WR_LANE_BUSY_MS);
            break;
        }
    }

    settle_dead(lane, reqs, ndead);
}


/* All in one transaction; if that fails, each in its own. */

static void
settle_dead(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t  i;

    if (n == 0) {
        return;
    }

    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);

    for (i = 0; i < n; i++) {
        wr_dead_letter_store(lane->db, &lane->own, reqs[i]);
    }

    wr_db_sync(lane->db);
    wr_debug_step(WR_DEBUG_after_dead);

    if (wr_db_failure(lane->db, NULL, NULL) != WR_DB_OK) {
        for (i = 0; i < n; i++) {
            store_dead(lane, reqs[i]);
        }

        return;
    }

    for (i = 0; i < n; i++) {
        wr_stats_add(WR_STAT_messages_dead, 1);
        wr_log_error(&reqs[i]->log, "dead letter: %s",
                     reqs[i]->reason != NULL ? reqs[i]->reason : "refused");
        finish(lane, &reqs[i]);
    }
}


static void
store_dead(struct wr_lane *lane, struct wr_request *req)
{
    const char             *text;
    enum wr_db_failure      failed;
    enum wr_retry_result    result;

    wr_db_clear(lane->db);
    wr_dead_letter_store(lane->db, &lane->own, req);
    wr_db_sync(lane->db);
    failed = wr_db_failure(lane->db, NULL, &text);

    if (failed == WR_DB_OK) {
        wr_stats_add(WR_STAT_messages_dead, 1);
        wr_log_error(&req->log, "dead letter: %s",
                     req->reason != NULL ? req->reason : "refused");
        finish(lane, &req);
        return;
    }

    wr_log_error(&req->log, "cannot keep a dead letter: %s", text);

    /* the longest rung keeps what the table refuses */

    if (failed == WR_DB_PERMANENT) {
        req->attempt = WIRE_RUNGS - 1;
        wr_retry_send(lane, &req, 1, &result);

        if (result == WR_RETRY_SENT) {
            finish(lane, &req);
            return;
        }
    }

    give_back(lane, &req, AWAY_MS);
}


static void
finish(struct wr_lane *lane, struct wr_request **req)
{
    struct wr_request      *r;
    struct wr_stats_times   times;

    r = *req;
    wr_broker_settle(lane->broker, r->msg);
    wr_crash_settled(r);

    times.wait_us = r->wait_us;
    times.handling_us = (wr_clock_ms() - r->msg->taken_ms) * 1000;
    times.handler_us = r->handler_us;
    wr_stats_handled(r->handler,
                     (r->outcome <= WR_UNCERTAIN) ? r->outcome : WR_REFUSED,
                     &times);

    wr_log_debug(&r->log, "%s", wr_dispatch_name(r->outcome));
    wr_request_free(req);
}


/* Back to the lane, for so long; what the broker delivers again needs no
   keeping. */

static void
give_back(struct wr_lane *lane, struct wr_request **req, int64_t ms)
{
    struct wr_request  *r;

    r = *req;
    *req = NULL;

    if (!wr_broker_is_open(lane->broker)) {
        wr_request_free(&r);
        return;
    }

    r->is_later = false;
    r->not_before_ms = wr_clock_ms() + ms;
    wr_lane_hold(lane, r);
}
