/*
 * Copyright (C) the Warren authors
 *
 * Housekeeping.
 *
 * A lane may not change the schema: a function of the runtime's tables makes
 * and drops partitions for it, one a call, and lets in one lane of all workers
 * at a time.  Without a partition for its day a message works by the default
 * one, so nothing here is in a hurry.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "crash.h"
#include "housekeeping.h"
#include "inbox.h"
#include "lane_private.h"
#include "outbox.h"
#include "settings.h"
#include "turn.h"
#include "tx.h"


/* Workers that were started together soon do this at different times. */
#define LOOK_MS       3000
#define EXPIRE_MS     60000
#define PARTITION_MS  300000

/* With more to do, after this long: batches come between. */
#define MORE_MS       50

/* What failed: mostly a lock that was not to be had. */
#define AGAIN_MS      30000

#define KEEP_SIZE     48


static void look(struct wr_lane *lane);
static void expire(struct wr_lane *lane);
static void partition(struct wr_lane *lane);
static int partition_table(struct wr_lane *lane, const char *table,
    const char *setting);
static void keep_text(const struct wr_lane *lane, const char *setting,
    char text_r[KEEP_SIZE]);


static const char  partition_sql[] =
    "select runtime_partition($1::text, $2::interval)";


int64_t
wr_housekeeping_due_ms(const struct wr_lane *lane)
{
    int64_t  ms;

    if (lane->number != 0) {
        return INT64_MAX;
    }

    ms = (lane->expire_ms < lane->partition_ms) ? lane->expire_ms
                                                : lane->partition_ms;

    return (lane->look_ms < ms) ? lane->look_ms : ms;
}


void
wr_housekeeping(struct wr_lane *lane)
{
    int64_t  now_ms;

    if (lane->number != 0 || !wr_db_is_open(lane->db)) {
        return;
    }

    now_ms = wr_clock_ms();

    if (now_ms >= lane->partition_ms) {
        partition(lane);
    }

    if (now_ms >= lane->expire_ms && wr_db_is_open(lane->db)) {
        expire(lane);
    }

    if (now_ms >= lane->look_ms && wr_db_is_open(lane->db)) {
        look(lane);
    }
}


static void
look(struct wr_lane *lane)
{
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    wr_outbox_look(lane->db, &lane->own);
    lane->look_ms = wr_clock_ms() + LOOK_MS + random() % LOOK_MS;
    wr_turn_forget(lane);
}


static void
expire(struct wr_lane *lane)
{
    bool         is_more;
    char         keep[KEEP_SIZE];
    const char  *error;

    keep_text(lane, "inbox.keep", keep);
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    is_more = wr_inbox_expire(lane->db, &lane->own, keep);

    if (wr_db_failure(lane->db, NULL, &error) != WR_DB_OK) {
        wr_log_warn(&lane->log, "old inbox rows stay for now: %s", error);
        is_more = false;
    }

    wr_turn_forget(lane);
    wr_crash_expire(lane);
    lane->expire_ms = wr_clock_ms()
                      + (is_more ? MORE_MS : EXPIRE_MS + random() % EXPIRE_MS);
}


static void
partition(struct wr_lane *lane)
{
    int  inbox, outbox;

    inbox = partition_table(lane, "inbox", "inbox.keep");
    outbox = partition_table(lane, "outbox", "outbox.keep");
    lane->partition_ms = wr_clock_ms();

    if (inbox == 1 || outbox == 1) {
        lane->partition_ms += MORE_MS;

    } else if (inbox == -1 || outbox == -1) {
        lane->partition_ms += AGAIN_MS + random() % AGAIN_MS;

    } else {
        lane->partition_ms += PARTITION_MS + random() % PARTITION_MS;
    }
}


/* 1 if it has done something, 0 if there was nothing to do, -1 if it failed. */

static int
partition_table(struct wr_lane *lane, const char *table, const char *setting)
{
    int              rc;
    char             keep[KEEP_SIZE];
    const char      *done, *error;
    struct wr_rows  *rows;

    if (!wr_db_is_open(lane->db)) {
        return -1;
    }

    keep_text(lane, setting, keep);
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    rows = wr_db_query(lane->db, &lane->own, partition_sql,
                       WR_PARAMS(table, keep));
    wr_db_sync(lane->db);

    if (wr_db_failure(lane->db, NULL, &error) != WR_DB_OK) {
        wr_log_warn(&lane->log, "partitions of %s stay as they are for now: "
                    "%s", table, error);
        rc = -1;

    } else {
        done = wr_rows_text(rows, 0, 0);
        rc = (done != NULL) ? 1 : 0;

        if (done != NULL) {
            wr_log_info(&lane->log, "partition %s", done);
        }
    }

    wr_turn_forget(lane);

    return rc;
}


static void
keep_text(const struct wr_lane *lane, const char *setting,
    char text_r[KEEP_SIZE])
{
    snprintf(text_r, KEEP_SIZE, "%" PRId64 " milliseconds",
             wr_settings_ms(lane->settings, setting));
}
