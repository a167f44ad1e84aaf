/*
 * Copyright (C) the Warren authors
 *
 * Lanes that are stuck: seen by what they no longer count, and aborted.
 *
 * Only time in which the supervisor itself looked is held against a lane.
 * When the machine or the control group was frozen, or a debugger held all of
 * us, nobody is blamed for it.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <signal.h>

#include "clock.h"
#include "log.h"
#include "stats_private.h"
#include "supervisor_private.h"


/* Signs of life are looked at this often, more often if patience is short. */
#define LOOK_MS      1000
#define LOOK_MIN_MS  20


static int64_t look_ms(const struct wr_supervisor *sv);
static void lane_watch(struct wr_supervisor *sv, int lane, int64_t now_ms,
    int64_t passed_ms);


void
wr_supervisor_watch_begin(struct wr_supervisor *sv, int lane)
{
    sv->lanes[lane].alive = wr_stats_lane_alive(sv->stats, lane);
    sv->lanes[lane].quiet_ms = 0;
    sv->lanes[lane].abort_ms = 0;
}


void
wr_supervisor_watch(struct wr_supervisor *sv)
{
    int      i;
    int64_t  now, passed;

    now = wr_clock_ms();
    passed = now - sv->looked_ms;

    if (sv->stuck_ms == 0 || passed < look_ms(sv)) {
        return;
    }

    sv->looked_ms = now;
    passed = (passed < 2 * look_ms(sv)) ? passed : 2 * look_ms(sv);

    for (i = 0; i < sv->count; i++) {
        if (sv->lanes[i].pid != 0) {
            lane_watch(sv, i, now, passed);
        }
    }
}


int
wr_supervisor_watch_timeout_ms(const struct wr_supervisor *sv)
{
    int64_t  due;

    if (sv->stuck_ms == 0) {
        return -1;
    }

    due = sv->looked_ms + look_ms(sv) - wr_clock_ms();

    return (due > 0) ? (int) due : 0;
}


bool
wr_supervisor_is_stuck(const struct wr_supervisor *sv)
{
    int  i;

    for (i = 0; i < sv->count; i++) {
        if (sv->lanes[i].pid != 0 && sv->lanes[i].abort_ms != 0) {
            return true;
        }
    }

    return false;
}


static int64_t
look_ms(const struct wr_supervisor *sv)
{
    int64_t  ms;

    ms = sv->stuck_ms / 4;

    return (ms > LOOK_MS) ? LOOK_MS : (ms < LOOK_MIN_MS) ? LOOK_MIN_MS : ms;
}


static void
lane_watch(struct wr_supervisor *sv, int lane, int64_t now_ms,
    int64_t passed_ms)
{
    uint64_t                    alive;
    struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];

    if (ln->abort_ms != 0) {
        if (now_ms >= ln->abort_ms && !ln->is_killed) {
            wr_log_error(NULL, "lane %d does not abort, it is killed", lane);
            ln->is_killed = true;
            kill(ln->pid, SIGKILL);
        }

        return;
    }

    alive = wr_stats_lane_alive(sv->stats, lane);

    if (alive != ln->alive) {
        ln->alive = alive;
        ln->quiet_ms = 0;
        return;
    }

    ln->quiet_ms += passed_ms;

    /* who was told to end has drain_timeout for it */

    if (ln->quiet_ms < sv->stuck_ms || ln->kill_ms != 0) {
        return;
    }

    wr_log_error(NULL, "lane %d gave no sign of life for %" PRId64 " ms, it is "
                 "aborted", lane, ln->quiet_ms);
    ln->abort_ms = now_ms + WR_ABORT_GRACE_MS;
    kill(ln->pid, SIGABRT);
}
