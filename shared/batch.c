/*
 * Copyright (C) the Warren authors
 *
 * Batches.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "batch.h"
#include "clock.h"
#include "debug.h"
#include "inbox.h"
#include "insert.h"
#include "key_private.h"
#include "lane_private.h"
#include "order.h"
#include "outbox.h"
#include "turn.h"
#include "tx.h"


/* What is tried as a whole, before all is tried one by one. */
#define ROUNDS_MAX  3

/* A message in a deadlock is tried so often, by itself. */
#define DEADLOCKS_MAX  3

/* After the first of them, twice as long after the second: whoever was waited
   for is to get the row first. */
#define DEADLOCK_PAUSE_MS  50


enum result {
    RESULT_DONE = 0,        /* committed */
    RESULT_AGAIN,           /* one was decided that had written: the rest
                               once more */
    RESULT_CULPRIT,         /* failed, and it is known whose fault it was */
    RESULT_FAILED,          /* failed */
    RESULT_LOST             /* the connection is gone */
};


static size_t choose(struct wr_request **reqs, size_t n, bool read_only,
    struct wr_request **chosen_r);
static bool has_twin(struct wr_request **reqs, size_t n,
    const struct wr_request *req);
static void apply_set(struct wr_lane *lane, struct wr_request **reqs,
    size_t n, bool read_only);
static void apply_single(struct wr_lane *lane, struct wr_request *req,
    bool read_only);
static void pause_ms(struct wr_lane *lane, int64_t ms);
static bool wants_row(const struct wr_request *req, bool read_only);
static enum result try(struct wr_lane *lane, struct wr_request **reqs,
    size_t n, bool read_only);
static enum result read_all(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static enum result write_all(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static bool has_unsure(struct wr_request **reqs, size_t n);
static void begin(struct wr_lane *lane, struct wr_request **reqs, size_t n);
static void limit_time(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static void load(struct wr_request **reqs, size_t n);
static bool apply(struct wr_lane *lane, struct wr_request **reqs, size_t n);
static bool apply_one(struct wr_lane *lane, struct wr_request *req);
static enum result commit(struct wr_lane *lane, struct wr_request **reqs,
    size_t n);
static void tell(const struct wr_request *req);
static void mark_unsure(struct wr_request **reqs, size_t n, bool is_unsure);
static enum result roll_back(struct wr_lane *lane, enum result result);
static enum result failure(struct wr_lane *lane);
static void decide_failed(struct wr_lane *lane, struct wr_request *req);
static void decide_lost(struct wr_request *req);
static void decide_busy(struct wr_request *req);
static size_t without_decided(struct wr_request **reqs, size_t n);


void
wr_batch_apply(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t               count;
    struct wr_request  **chosen;

    chosen = wr_arena_alloc(lane->own.arena, n * sizeof(*chosen));

    count = choose(reqs, n, true, chosen);
    apply_set(lane, chosen, count, true);

    count = choose(reqs, n, false, chosen);
    apply_set(lane, chosen, count, false);
}


/* A message whose twin is in the same batch waits for the next one. */

static size_t
choose(struct wr_request **reqs, size_t n, bool read_only,
    struct wr_request **chosen_r)
{
    size_t              i, count;
    struct wr_request  *req;

    for (i = 0, count = 0; i < n; i++) {
        req = reqs[i];

        if (req->is_decided || req->is_later
            || (req->kind == WR_CALL && req->handler->read_only) != read_only)
        {
            continue;
        }

        /* too late meanwhile: it would take the others' time */

        if (wr_request_remaining_ms(req) == 0) {
            req->is_later = true;
            continue;
        }

        if (wr_request_is_asking(req) || wr_order_is_left(reqs, i)
            || (!read_only && has_twin(chosen_r, count, req)))
        {
            req->is_later = true;
            continue;
        }

        chosen_r[count++] = req;
    }

    return count;
}


static bool
has_twin(struct wr_request **reqs, size_t n, const struct wr_request *req)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (strcasecmp(reqs[i]->msg->message_id, req->msg->message_id) == 0) {
            return true;
        }
    }

    return false;
}


/*
 * As a whole; then without whoever failed it; then one by one.  A deadlock is
 * never repeated as a whole: hot rows would fall to a crawl.
 */

static void
apply_set(struct wr_lane *lane, struct wr_request **reqs, size_t n,
    bool read_only)
{
    int                  round;
    size_t               i, culprits;
    enum result          result;
    struct wr_request  **alone;
    struct wr_db_owner  *owner;

    if (n == 0) {
        return;
    }

    alone = wr_arena_alloc(lane->own.arena, n * sizeof(*alone));
    culprits = 0;
    result = RESULT_FAILED;

    for (round = 0; n > 1 && round < ROUNDS_MAX; round++) {
        result = try(lane, reqs, n, read_only);

        if (result == RESULT_DONE || result == RESULT_LOST) {
            break;
        }

        wr_order_mark(reqs, n);

        if (result == RESULT_CULPRIT) {
            wr_db_failure(lane->db, &owner, NULL);

            for (i = 0; &reqs[i]->owner != owner; i++) {
                /* void */
            }

            if (reqs[i]->key == NULL || !reqs[i]->is_later) {
                alone[culprits++] = reqs[i];
            }

            memmove(&reqs[i], &reqs[i + 1], (--n - i) * sizeof(*reqs));

        } else if (result == RESULT_AGAIN) {
            n = without_decided(reqs, n);
        }

        n = wr_order_thin(reqs, n);

        if (result == RESULT_FAILED) {
            break;
        }
    }

    if (n > 1 && result != RESULT_DONE && result != RESULT_LOST) {
        wr_stats_add(WR_STAT_batches_replayed, 1);
        wr_log_info(&lane->log, "batch of %zu is repeated one by one", n);
    }

    for (i = 0; i < n && (n == 1 || result != RESULT_DONE); i++) {
        apply_single(lane, reqs[i], read_only);
    }

    for (i = 0; i < culprits; i++) {
        apply_single(lane, alone[i], read_only);
    }
}


static void
apply_single(struct wr_lane *lane, struct wr_request *req, bool read_only)
{
    int          tries;
    enum result  result;

    if (req->is_later || (req->is_decided && !wants_row(req, read_only))) {
        return;
    }

    if (!wr_db_is_open(lane->db)) {
        decide_lost(req);
        return;
    }

    /* the batch has used up its time: it is dropped, as any that is late */

    if (wr_request_remaining_ms(req) == 0) {
        req->is_later = true;
        return;
    }

    for (tries = 1; /* void */ ; tries++) {
        result = try(lane, &req, 1, read_only);

        if (result == RESULT_AGAIN && wants_row(req, read_only)) {
            result = try(lane, &req, 1, read_only);
        }

        if (result != RESULT_FAILED || !wr_db_is_deadlock(lane->db)
            || tries == DEADLOCKS_MAX || wr_request_remaining_ms(req) == 0)
        {
            break;
        }

        pause_ms(lane, DEADLOCK_PAUSE_MS * tries
                       + random() % DEADLOCK_PAUSE_MS);
    }

    if (result == RESULT_CULPRIT || result == RESULT_FAILED) {
        decide_failed(lane, req);
    }
}


static void
pause_ms(struct wr_lane *lane, int64_t ms)
{
    int64_t  now_ms, end_ms;

    now_ms = wr_clock_ms();

    for (end_ms = now_ms + ms; now_ms < end_ms; now_ms = wr_clock_ms()) {
        wr_lane_wait(lane, end_ms - now_ms);
    }
}


/* Refused after it had written: only the refusal is to be committed. */

static bool
wants_row(const struct wr_request *req, bool read_only)
{
    return !read_only && req->is_decided && !req->is_committed
           && wr_dispatch_rule(req->outcome, req->kind)->commit
              == WR_COMMIT_INBOX;
}


static enum result
try(struct wr_lane *lane, struct wr_request **reqs, size_t n, bool read_only)
{
    size_t       i;
    enum result  result;

    wr_keys_declare(reqs, n);

    for (i = 0; i < n; i++) {
        wr_request_reset(reqs[i]);
        reqs[i]->has_tx = true;
        reqs[i]->is_later = false;
    }

    wr_db_owner_clear(&lane->own);
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);

    result = read_only ? read_all(lane, reqs, n) : write_all(lane, reqs, n);

    for (i = 0; i < n; i++) {
        reqs[i]->has_tx = false;

        if (result == RESULT_LOST && !reqs[i]->is_decided) {
            decide_lost(reqs[i]);
        }
    }

    return result;
}


static enum result
read_all(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t       i;
    enum result  result;

    limit_time(lane, reqs, n);
    load(reqs, n);
    wr_db_wait(lane->db);

    for (i = 0; i < n && wr_db_failure(lane->db, NULL, NULL) == WR_DB_OK;
         i++)
    {
        reqs[i]->outcome = wr_request_run(reqs[i],
                                          reqs[i]->handler->apply);
        wr_reply_complete(reqs[i]);
        wr_turn_keep(lane);
    }

    wr_insert_store(lane->db, &lane->own, reqs, n);
    wr_db_sync(lane->db);
    result = failure(lane);

    for (i = 0; i < n && result == RESULT_DONE; i++) {
        wr_request_decide(reqs[i], reqs[i]->outcome, NULL);
    }

    return result;
}


static enum result
write_all(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    bool             is_again;
    struct wr_rows  *taken;

    begin(lane, reqs, n);
    taken = wr_inbox_take(lane->db, &lane->own, reqs, n);

    /* a transaction that was lost may hold rows, too: whom it has yet locks
       none of them */

    if (has_unsure(reqs, n)) {
        wr_db_wait(lane->db);
        wr_inbox_read(taken, reqs, n);
    }

    wr_keys_lock(lane, reqs, n);
    load(reqs, n);
    wr_db_wait(lane->db);
    wr_inbox_read(taken, reqs, n);
    wr_debug_step(WR_DEBUG_after_inbox);

    if (wr_db_failure(lane->db, NULL, NULL) != WR_DB_OK) {
        return roll_back(lane, RESULT_FAILED);
    }

    is_again = apply(lane, reqs, n);

    if (wr_db_failure(lane->db, NULL, NULL) != WR_DB_OK) {
        return roll_back(lane, RESULT_FAILED);
    }

    if (is_again) {
        return roll_back(lane, RESULT_AGAIN);
    }

    return commit(lane, reqs, n);
}


static bool
has_unsure(struct wr_request **reqs, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (reqs[i]->is_unsure) {
            return true;
        }
    }

    return false;
}


static void
begin(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    wr_db_exec(lane->db, &lane->own, "begin", WR_NO_PARAMS);
    limit_time(lane, reqs, n);
    wr_outbox_delete(lane->outbox, lane->db, &lane->own);
}


/* The nearest deadline of the calls bounds each statement. */

static void
limit_time(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    char     text[32];
    size_t   i;
    int64_t  left_ms, least_ms;

    least_ms = WR_BATCH_BUDGET_MS;

    for (i = 0; i < n; i++) {
        left_ms = wr_request_remaining_ms(reqs[i]);
        least_ms = (left_ms < least_ms) ? left_ms : least_ms;
    }

    /* 0 would mean none */

    snprintf(text, sizeof(text), "%" PRId64, least_ms > 0 ? least_ms : 1);
    wr_db_exec(lane->db, &lane->own,
               "select set_config('statement_timeout', $1, true)",
               WR_PARAMS(text));
}


static void
load(struct wr_request **reqs, size_t n)
{
    size_t   i;
    int64_t  start_us;

    for (i = 0; i < n; i++) {
        if (reqs[i]->handler->load != NULL && !reqs[i]->is_decided) {
            start_us = wr_clock_us();
            reqs[i]->handler->load(reqs[i]);
            reqs[i]->handler_us += wr_clock_us() - start_us;
        }
    }
}


/* Returns whether the transaction must be repeated without one of them. */

static bool
apply(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t  i;
    bool    is_again;

    wr_inbox_recall(lane->db, &lane->own, reqs, n);
    is_again = false;

    for (i = 0; i < n; i++) {
        if (wr_db_failure(lane->db, NULL, NULL) != WR_DB_OK) {
            return false;
        }

        if (reqs[i]->inbox == WR_INBOX_FRESH
            && wr_order_is_stopped(reqs, i))
        {
            wr_inbox_give_back(lane->db, &lane->own, reqs[i]);
            reqs[i]->inbox = WR_INBOX_NONE;
            reqs[i]->is_later = true;

        } else if (reqs[i]->inbox == WR_INBOX_FRESH) {
            is_again = apply_one(lane, reqs[i]) || is_again;
            wr_turn_keep(lane);

        } else if (reqs[i]->inbox == WR_INBOX_REPEATED
                   && !reqs[i]->is_decided)
        {
            /* gone meanwhile: look again */
            reqs[i]->is_later = true;

        } else if (reqs[i]->inbox == WR_INBOX_BUSY) {
            wr_log_debug(&reqs[i]->log, "another lane has it");
        }
    }

    return is_again;
}


/* Returns whether it has written what must not be committed. */

static bool
apply_one(struct wr_lane *lane, struct wr_request *req)
{
    enum wr_commit  what;

    if (!req->is_decided) {
        req->outcome = wr_request_run(req, req->handler->apply);
        wr_reply_complete(req);
    }

    what = wr_dispatch_rule(req->outcome, req->kind)->commit;

    if (what == WR_COMMIT_ALL) {
        return false;
    }

    if (wr_db_owner_wrote(&req->owner)) {
        wr_request_decide(req, req->outcome, req->reason);
        return true;
    }

    if (what == WR_COMMIT_NOTHING) {
        wr_inbox_give_back(lane->db, &lane->own, req);
    }

    return false;
}


/*
 * Without its answer nobody knows what became of a commit; only what was sent
 * for commit is in doubt.  The old transaction holds its messages' locks until
 * its rows are seen or it is gone, however long it still lives: so the next try
 * of each message finds out.
 */

static enum result
commit(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    int              committed;
    size_t           i;
    int64_t          start_us;
    enum result      result;
    struct wr_rows  *end;

    wr_insert_store(lane->db, &lane->own, reqs, n);
    wr_outbox_store(lane->db, &lane->own, reqs, n);
    wr_inbox_store(lane->db, &lane->own, reqs, n);
    start_us = wr_clock_us();
    wr_debug_step(WR_DEBUG_before_commit);
    mark_unsure(reqs, n, wr_db_is_open(lane->db));
    end = wr_db_query(lane->db, &lane->own, "commit", WR_NO_PARAMS);
    wr_db_sync(lane->db);
    result = failure(lane);

    if (result == RESULT_DONE && !wr_db_has_tag(end, "COMMIT")) {
        result = RESULT_FAILED;
    }

    if (result == RESULT_LOST) {
        wr_outbox_deleted(lane->outbox, false);
        return RESULT_LOST;
    }

    mark_unsure(reqs, n, false);

    if (result != RESULT_DONE) {
        return roll_back(lane, result);
    }

    wr_debug_step(WR_DEBUG_after_commit);
    wr_outbox_deleted(lane->outbox, true);

    for (i = 0, committed = 0; i < n; i++) {
        if (reqs[i]->inbox == WR_INBOX_FRESH) {
            wr_request_decide(reqs[i], reqs[i]->outcome, NULL);
            reqs[i]->is_committed = true;
            wr_outbox_add(lane->outbox, &reqs[i], 1);
            tell(reqs[i]);
            committed++;

        } else if (reqs[i]->inbox == WR_INBOX_BUSY) {
            decide_busy(reqs[i]);
        }
    }

    wr_stats_committed(committed, wr_clock_us() - start_us);

    return RESULT_DONE;
}


/* What is announced is a change of state: one line each, under the trace of the
   request that began it all, is the story of an order. */

static void
tell(const struct wr_request *req)
{
    const struct wr_announcement  *announcement;

    if (req->outcome != WR_DONE) {
        return;
    }

    for (announcement = req->announcements; announcement != NULL;
         announcement = announcement->next)
    {
        if (announcement->subject != NULL) {
            wr_log_info(&req->log, "announced %s: %s", announcement->type,
                        announcement->subject);

        } else if (strcmp(announcement->exchange, WIRE_EXCHANGE_NOTIFICATIONS)
                   == 0)
        {
            wr_log_info(&req->log, "notified of %s: %s", announcement->type,
                        announcement->key);

        } else {
            wr_log_debug(&req->log, "sent %s to %s", announcement->type,
                         announcement->key);
        }
    }
}


static void
mark_unsure(struct wr_request **reqs, size_t n, bool is_unsure)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (reqs[i]->inbox == WR_INBOX_FRESH && !reqs[i]->is_decided) {
            reqs[i]->is_unsure = is_unsure;
        }
    }
}


static enum result
roll_back(struct wr_lane *lane, enum result result)
{
    enum result  named;

    wr_outbox_deleted(lane->outbox, false);

    /* the pipeline takes nothing but the end of the series after a failure */

    named = failure(lane);

    if (wr_db_is_open(lane->db)) {
        wr_db_sync(lane->db);
        wr_db_exec(lane->db, &lane->own, "rollback", WR_NO_PARAMS);
        wr_db_sync(lane->db);
    }

    if (!wr_db_is_open(lane->db)) {
        return RESULT_LOST;
    }

    return (named != RESULT_DONE) ? named : result;
}


static enum result
failure(struct wr_lane *lane)
{
    struct wr_db_owner  *owner;

    switch (wr_db_failure(lane->db, &owner, NULL)) {

    case WR_DB_OK:
        return RESULT_DONE;

    case WR_DB_LOST:
        return RESULT_LOST;

    default:
        break;
    }

    if (wr_db_is_deadlock(lane->db) || owner == &lane->own || owner == NULL) {
        return RESULT_FAILED;
    }

    return RESULT_CULPRIT;
}


/* Its own transaction failed: nothing of it is there. */

static void
decide_failed(struct wr_lane *lane, struct wr_request *req)
{
    const char          *text;
    enum wr_db_failure   failed;

    failed = wr_db_failure(lane->db, NULL, &text);

    /* it failed before the inbox could tell */

    if (req->is_unsure && req->kind == WR_CALL) {
        wr_log_warn(&req->log, "its lost commit cannot be looked up: %s",
                    text);
        req->is_later = true;
        return;
    }

    if (failed == WR_DB_PERMANENT) {
        wr_log_error(&req->log, "failed for good: %s", text);
        wr_request_fail(req, WR_BROKEN, WIRE_ERROR_INTERNAL, text);
        return;
    }

    wr_log_warn(&req->log, "failed: %s", text);
    wr_request_fail(req, WR_RETRY, WIRE_ERROR_UNAVAILABLE,
                    text[0] != '\0' ? text : "commit failed");
}


/*
 * The connection is gone.  What was not sent for commit has not happened, as a
 * caller is told at once; others are tried again when the database is back.
 * What may have been committed, or has been before, is looked for in the inbox
 * then, if the caller's time allows.
 */

static void
decide_lost(struct wr_request *req)
{
    if (req->inbox == WR_INBOX_REPEATED) {
        req->is_unsure = true;
    }

    if (req->is_unsure) {
        wr_log_info(&req->log, "the database was lost and may have committed: "
                    "the inbox will tell");
    }

    if (req->kind != WR_CALL || req->is_unsure) {
        req->is_later = true;
        return;
    }

    wr_request_fail(req, WR_RETRY, WIRE_ERROR_UNAVAILABLE,
                    "the database is away");
}


/* Another lane has it now.  A client with a key is told at once; a rung is
   short, and does not count as an attempt. */

static void
decide_busy(struct wr_request *req)
{
    const char  *keyed;

    keyed = wr_message_text(req->msg, WIRE_HEADER_KEYED);

    if (req->kind == WR_CALL && req->is_unsure) {

        /* who has it is its own lost transaction, which ends sometime */

        req->is_later = true;

    } else if (req->kind != WR_CALL) {
        req->is_free = true;
        wr_request_decide(req, WR_RETRY, "another lane has it");

    } else if (keyed != NULL && strcmp(keyed, "1") == 0) {
        wr_request_fail(req, WR_RETRY, WIRE_ERROR_IDEMPOTENCY_IN_FLIGHT,
                        "another lane has it");

    } else {
        req->is_later = true;
    }
}


/* Those that were decided with a refusal stay: their inbox row is wanted. */

static size_t
without_decided(struct wr_request **reqs, size_t n)
{
    size_t  i, count;

    for (i = 0, count = 0; i < n; i++) {
        if (!reqs[i]->is_decided
            || wr_dispatch_rule(reqs[i]->outcome, reqs[i]->kind)->commit
               == WR_COMMIT_INBOX)
        {
            reqs[count++] = reqs[i];
        }
    }

    return count;
}
