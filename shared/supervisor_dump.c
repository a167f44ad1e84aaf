/*
 * Copyright (C) the Warren authors
 *
 * The supervisor's state, a line for itself and one a lane, for who asks with
 * SIGUSR1.
 */

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "log_private.h"
#include "stats_private.h"
#include "supervisor_private.h"


#define LIFE_SIZE  128


static void lane_dump(const struct wr_supervisor *sv, int lane);
static void life_tell(const struct wr_supervisor *sv, int lane,
    char life_r[LIFE_SIZE]);


void
wr_supervisor_dump(const struct wr_supervisor *sv)
{
    int       i, ready;
    unsigned  restarts;

    ready = 0;
    restarts = 0;

    for (i = 0; i < sv->count; i++) {
        ready += (wr_stats_lane_state(sv->stats, i) == WR_LANE_READY);
        restarts += sv->lanes[i].restarts;
    }

    wr_log_tell("state: pid %ld, %s, age %" PRId64 " ms, lanes %d, ready %d, "
                "restarts %u, settings read again %u times", (long) sv->pid,
                sv->is_stopping ? "stopping" : "running",
                wr_clock_ms() - sv->started_ms, sv->count, ready, restarts,
                sv->reloads);

    for (i = 0; i < sv->count; i++) {
        lane_dump(sv, i);
    }
}


static void
lane_dump(const struct wr_supervisor *sv, int lane)
{
    char                              life[LIFE_SIZE];
    struct wr_stats_lane              told;
    const struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];
    wr_stats_lane(sv->stats, lane, &told);
    life_tell(sv, lane, life);

    wr_log_tell("state: lane %d: %s, restarts %u, messages handled %" PRIu64
                ", outbox depth %" PRId64 ", last end: %s, last error: %s",
                lane, life, ln->restarts, told.messages, told.outbox_depth,
                ln->end[0] != '\0' ? ln->end : "none",
                told.error[0] != '\0' ? told.error : "none");
}


static void
life_tell(const struct wr_supervisor *sv, int lane, char life_r[LIFE_SIZE])
{
    int64_t                           now;
    const char                       *state, *doom;
    const struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];
    now = wr_clock_ms();

    if (ln->pid == 0) {
        snprintf(life_r, LIFE_SIZE, "dead, started again in %" PRId64 " ms",
                 ln->start_ms > now ? ln->start_ms - now : 0);
        return;
    }

    state = wr_lane_state_name(wr_stats_lane_state(sv->stats, lane));
    doom = (ln->abort_ms != 0) ? ", stuck"
           : (ln->kill_ms != 0) ? ", told to end"
           : ln->is_outdated ? ", to be replaced" : "";

    snprintf(life_r, LIFE_SIZE, "pid %ld, %s%s, age %" PRId64 " ms",
             (long) ln->pid, state, doom, now - ln->started_ms);
}
