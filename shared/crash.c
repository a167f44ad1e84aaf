/*
 * Copyright (C) the Warren authors
 *
 * The ledger of crashes.
 *
 * A lane that dies of a whole batch makes suspects of all of it, and blames
 * nobody.  A suspect runs alone, and its crash is counted before it runs: so
 * other lanes on other hosts know at once, and it needs no life after death
 * to write it down.  Whoever comes through is taken out of the ledger.
 */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "crash.h"
#include "dead_letter.h"
#include "debug.h"
#include "dispatch.h"
#include "lane_private.h"
#include "order.h"
#include "pg_array.h"
#include "settle.h"
#include "turn.h"
#include "tx.h"
#include "work.h"


/* What the database takes for sure; other names are nobody's. */
#define NAME_MIN  '!'
#define NAME_MAX  '~'

/* A message whose count is open is looked at again after this long. */
#define PENDING_MS  200


/* what is to become of a suspect's row */

enum verdict {
    VERDICT_NONE = 0,       /* it was not done with: not counted, this time */
    VERDICT_FREE,           /* it came through */
    VERDICT_LATER           /* it did, and comes again from a rung */
};


static void blame(struct wr_lane *lane, const struct wr_work_left *left);
static bool has_name(const struct wr_request *req);
static bool is_name(const char *text);
static void look_up(struct wr_lane *lane, struct wr_request **reqs, size_t n);
static void mark(struct wr_rows *rows, struct wr_request **reqs, size_t n);
static bool strike(struct wr_lane *lane, struct wr_request *req);
static void set_aside(struct wr_lane *lane, struct wr_request *req);
static bool tell(struct wr_lane *lane, const char *sql, const char *id,
    const char *home);


/* of the suspect that runs */

static enum verdict  verdict;


/* In one order, so that lanes which write at once do not wait in a circle. */

static const char  write_sql[] =
    "insert into crash (message_id, home, crashes, ended) "
    "select m.message_id, m.home, $3::int, $4::text "
    "from unnest($1::text[], $2::text[]) as m (message_id, home) "
    "group by 1, 2 "
    "order by 1, 2 "
    "on conflict (message_id, home) do update "
    "set crashes = crash.crashes + excluded.crashes,"
    "    ended = excluded.ended, last_at = now()";

/* What was counted in advance is no crash as long as a next life may come and
   say what it was, and none any more when no such life can come. */

#define STILL_PENDING                                                         \
    "case when last_at < now() - interval '1 minute' then 0 else pending end"

static const char  find_sql[] =
    "select c.message_id, c.home, c.ended, c.crashes - c.pending,"
    "    " STILL_PENDING " "
    "from unnest($1::text[], $2::text[]) as m (message_id, home) "
    "cross join lateral ("
    "    select * from crash"
    "    where message_id = m.message_id and home = m.home limit 1) as c";

static const char  strike_sql[] =
    "update crash "
    "set crashes = crashes - pending + " STILL_PENDING " + 1,"
    "    pending = " STILL_PENDING " + 1, last_at = now() "
    "where message_id = $1::text and home = $2::text";

static const char  prove_sql[] =
    "update crash "
    "set pending = pending - 1, ended = $3::text, last_at = now() "
    "where message_id = $1::text and home = $2::text and pending > 0";

static const char  take_back_sql[] =
    "update crash set crashes = crashes - 1, pending = pending - 1 "
    "where message_id = $1::text and home = $2::text and pending > 0";

static const char  acquit_sql[] =
    "delete from crash where message_id = $1::text and home = $2::text";

/* A dead letter's own is kept as long as the letter. */

static const char  expire_sql[] =
    "delete from crash as c "
    "where last_at < now() - interval '1 day' and not exists ("
    "    select 1 from dead_letter as d"
    "    where d.message_id = c.message_id and d.home = c.home)";


int
wr_crash_write(struct wr_lane *lane)
{
    const char           *text;
    enum wr_db_failure    failed;
    struct wr_work_left   left;

    if (!wr_work_left(&left)) {
        return 0;
    }

    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);

    if (left.is_blamed && left.is_struck) {
        wr_log_warn(&lane->log, "this lane %s while it tried %s alone",
                    left.end, left.items[0].id);
        wr_db_exec(lane->db, &lane->own, prove_sql,
                   WR_PARAMS(left.items[0].id, left.items[0].home, left.end));

    } else if (left.is_blamed) {
        blame(lane, &left);

    } else if (left.is_struck) {
        wr_db_exec(lane->db, &lane->own, take_back_sql,
                   WR_PARAMS(left.items[0].id, left.items[0].home));
    }

    wr_db_sync(lane->db);
    failed = wr_db_failure(lane->db, NULL, &text);
    wr_turn_forget(lane);

    if (failed != WR_DB_OK) {
        wr_log_error(&lane->log, "cannot write down what the lane died of: "
                     "%s", text);

        if (failed != WR_DB_PERMANENT) {
            return -1;
        }

    } else if (left.is_blamed && !left.is_struck) {
        wr_stats_add(WR_STAT_messages_suspected, left.count);
    }

    wr_work_clear();

    return 0;
}


static void
blame(struct wr_lane *lane, const struct wr_work_left *left)
{
    char                crashes[16];
    size_t              i;
    struct wr_pg_array  ids, homes;

    memset(&ids, 0, sizeof(ids));
    ids.arena = lane->own.arena;
    homes = ids;

    for (i = 0; i < left->count; i++) {
        if (is_name(left->items[i].id) && is_name(left->items[i].home)) {
            wr_pg_array_add(&ids, left->items[i].id);
            wr_pg_array_add(&homes, left->items[i].home);
        }
    }

    /* alone it is to blame */

    snprintf(crashes, sizeof(crashes), "%d", left->count == 1);
    wr_log_warn(&lane->log, "this lane %s while it worked on %zu messages, "
                "the first is %s: they are suspects", left->end, left->count,
                is_name(left->items[0].id) ? left->items[0].id : "nameless");

    wr_db_exec(lane->db, &lane->own, write_sql,
               WR_PARAMS(wr_pg_array_text(&ids), wr_pg_array_text(&homes),
                         crashes, left->end));
}


void
wr_crash_begin(struct wr_request **reqs, size_t n)
{
    size_t  i;

    /* a suspect stands there since it was struck */

    for (i = 0; i < n && !reqs[i]->is_suspect; i++) {
        wr_work_add(reqs[i]->msg->message_id, reqs[i]->home);
    }
}


void
wr_crash_end(void)
{
    wr_work_clear();
}


size_t
wr_crash_part(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t               i, others, suspects;
    struct wr_request  **behind;

    for (i = 0; i < n && !has_name(reqs[i]); i++) {
        /* void */
    }

    if (i == n) {
        return n;
    }

    look_up(lane, reqs, n);
    behind = wr_arena_alloc(lane->own.arena, n * sizeof(*behind));

    for (i = 0, others = 0, suspects = 0; i < n; i++) {
        if (reqs[i]->is_suspect) {
            behind[suspects++] = reqs[i];

        } else {
            reqs[others++] = reqs[i];
        }
    }

    memcpy(reqs + others, behind, suspects * sizeof(*behind));
    wr_turn_forget(lane);

    return others;
}


/* Whether it may stand in the ledger. */

static bool
has_name(const struct wr_request *req)
{
    return req->msg->is_redelivered && is_name(req->msg->message_id)
           && is_name(req->home);
}


static bool
is_name(const char *text)
{
    const char  *p;

    for (p = text; *p >= NAME_MIN && *p <= NAME_MAX; p++) {
        /* void */
    }

    return p != text && *p == '\0' && p - text < WR_WORK_TEXT_SIZE;
}


/* Without an answer, all who may be suspects are. */

static void
look_up(struct wr_lane *lane, struct wr_request **reqs, size_t n)
{
    size_t               i;
    struct wr_rows      *rows;
    struct wr_pg_array   ids, homes;

    memset(&ids, 0, sizeof(ids));
    ids.arena = lane->own.arena;
    homes = ids;

    for (i = 0; i < n; i++) {
        reqs[i]->is_suspect = has_name(reqs[i]);

        if (reqs[i]->is_suspect) {
            wr_pg_array_add(&ids, reqs[i]->msg->message_id);
            wr_pg_array_add(&homes, reqs[i]->home);
        }
    }

    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    rows = wr_db_query(lane->db, &lane->own, find_sql,
                       WR_PARAMS(wr_pg_array_text(&ids),
                                 wr_pg_array_text(&homes)));
    wr_db_sync(lane->db);

    if (wr_db_failure(lane->db, NULL, NULL) == WR_DB_OK) {
        mark(rows, reqs, n);
    }
}


static void
mark(struct wr_rows *rows, struct wr_request **reqs, size_t n)
{
    int          row, count;
    size_t       i;
    const char  *ended;

    count = wr_rows_count(rows);

    for (i = 0; i < n; i++) {
        for (row = 0; row < count && reqs[i]->is_suspect; row++) {
            if (strcmp(wr_rows_text(rows, row, 0), reqs[i]->msg->message_id)
                == 0
                && strcmp(wr_rows_text(rows, row, 1), reqs[i]->home) == 0)
            {
                break;
            }
        }

        if (row == count || !reqs[i]->is_suspect) {
            reqs[i]->is_suspect = false;
            continue;
        }

        ended = wr_rows_text(rows, row, 2);
        reqs[i]->crashes = (int) wr_rows_int(rows, row, 3);
        reqs[i]->pending = (int) wr_rows_int(rows, row, 4);
        reqs[i]->ended = wr_arena_strdup(reqs[i]->arena,
                                         (ended != NULL) ? ended : "died");
    }
}


void
wr_crash_try(struct wr_lane *lane, struct wr_request **suspects, size_t n,
    void (*run)(struct wr_lane *lane, struct wr_request **reqs, size_t n))
{
    char                id[WR_WORK_TEXT_SIZE], home[WR_WORK_TEXT_SIZE];
    size_t              i;
    struct wr_request  *req;

    for (i = 0; i < n; i++) {
        req = suspects[i];

        if (wr_order_waits(lane, req)) {
            wr_lane_hold(lane, req);
            continue;
        }

        if (req->crashes >= WR_CRASHES_MAX) {
            set_aside(lane, req);
            continue;
        }

        /* other lanes have died with it, and nobody knows yet of what */

        if (req->crashes + req->pending >= WR_CRASHES_MAX) {
            req->not_before_ms = wr_clock_ms() + PENDING_MS;
            wr_lane_hold(lane, req);
            continue;
        }

        if (!strike(lane, req)) {
            wr_crash_end();
            req->is_later = true;
            wr_settle(lane, &req, 1);
            continue;
        }

        strcpy(id, req->msg->message_id);
        strcpy(home, req->home);
        verdict = VERDICT_NONE;
        wr_debug_step(WR_DEBUG_after_strike);

        run(lane, &req, 1);

        (void) tell(lane, (verdict == VERDICT_FREE) ? acquit_sql
                                                    : take_back_sql, id, home);
    }
}


/* Before the message runs: so it counts even if nobody is left to count it. */

static bool
strike(struct wr_lane *lane, struct wr_request *req)
{
    wr_log_info(&req->log, "tried alone: a lane %s with it, crashes so far: "
                "%d", req->ended != NULL ? req->ended : "died", req->crashes);

    wr_work_add(req->msg->message_id, req->home);
    wr_work_strike();

    return tell(lane, strike_sql, req->msg->message_id, req->home);
}


/* A call is no dead letter that could be sent again: it is kept for people to
   look at, and its caller is told. */

static void
set_aside(struct wr_lane *lane, struct wr_request *req)
{
    const char  *text;

    wr_request_fail(req, WR_BROKEN, WIRE_ERROR_INTERNAL,
                    wr_arena_printf(req->arena, "crashed the lane %d times, "
                                    "which last %s", req->crashes,
                                    req->ended));
    wr_stats_add(WR_STAT_messages_set_aside, 1);
    wr_work_done();

    if (req->kind == WR_CALL) {
        wr_db_clear(lane->db);
        wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
        wr_dead_letter_store(lane->db, &lane->own, req);
        wr_db_sync(lane->db);

        if (wr_db_failure(lane->db, NULL, &text) != WR_DB_OK) {
            wr_log_error(&req->log, "cannot keep a dead letter: %s", text);

        } else {
            wr_stats_add(WR_STAT_messages_dead, 1);
            wr_log_error(&req->log, "dead letter: %s", req->reason);
        }
    }

    wr_settle(lane, &req, 1);
    wr_turn_forget(lane);
}


static bool
tell(struct wr_lane *lane, const char *sql, const char *id, const char *home)
{
    bool         is_told;
    const char  *text;

    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    wr_db_exec(lane->db, &lane->own, sql, WR_PARAMS(id, home));
    wr_db_sync(lane->db);
    is_told = wr_db_failure(lane->db, NULL, &text) == WR_DB_OK;

    if (!is_told) {
        wr_log_warn(&lane->log, "the ledger of crashes is not kept: %s", text);
    }

    wr_turn_forget(lane);

    return is_told;
}


void
wr_crash_settled(const struct wr_request *req)
{
    if (req->outcome == WR_DONE) {
        wr_work_done();
    }

    if (req->is_suspect) {
        verdict = (wr_dispatch_rule(req->outcome, req->kind)->settlement
                   == WR_SETTLE_RUNG) ? VERDICT_LATER : VERDICT_FREE;
    }
}


void
wr_crash_expire(struct wr_lane *lane)
{
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    wr_db_exec(lane->db, &lane->own, expire_sql, WR_NO_PARAMS);
    wr_db_sync(lane->db);
    wr_turn_forget(lane);
}
