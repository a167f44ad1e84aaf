/*
 * Copyright (C) the Warren authors
 *
 * A worker whose lanes need no broker and no database: they do what a setting
 * says, so that a test sees the supervisor alone.  Its own wr_lane_run() takes
 * the place of the library's.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lane.h"
#include "log.h"
#include "stats.h"
#include "warren.h"


#define TURN_MS  20


static int live(const char *gate);
static enum wr_outcome nothing(struct wr_request *req);


static const struct wr_handler  handlers[] = {
    { WR_CALL,  "nothing",        .apply = nothing },
    { WR_EVENT, "stub.happened",  .apply = nothing },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "stub", NULL };
static const char *const  asks[] = { "users", NULL };

static const struct wr_setting  settings[] = {
    { "stub.life", WR_SETTING_TEXT, "live", true,
      "live, fail (exit 1), end (exit 0), crash or deaf" },
    { "stub.gate", WR_SETTING_TEXT, "", false,
      "a file that must exist before a lane is ready" },
    { "stub.secret", WR_SETTING_FILE, "", false, "a secret" },
    WR_SETTINGS_END
};

static const struct wr_service  stub = {
    .name = "stub", .schema_min = "none", .handlers = handlers,
    .entities = entities, .asks = asks, .settings = settings
};


int
main(int argc, char **argv)
{
    return wr_service_run(&stub, argc, argv);
}


int
wr_lane_run(const struct wr_service *service,
    const struct wr_settings *values, int lane)
{
    const char  *life;

    (void) service;
    (void) lane;

    /* sanitizers would make a report of it */

    signal(SIGABRT, SIG_DFL);

    life = wr_settings_text(values, "stub.life");
    wr_log_info(NULL, "a lane begins, life: %s", life);

    if (strcmp(life, "fail") == 0) {
        wr_log_error(NULL, "nothing is as it should be");
        return 1;
    }

    if (strcmp(life, "end") == 0) {
        return 0;
    }

    if (strcmp(life, "crash") == 0) {
        abort();
    }

    if (strcmp(life, "deaf") == 0) {
        wr_stats_state(WR_LANE_READY);

        for ( ;; ) {
            pause();
        }
    }

    return live(wr_settings_text(values, "stub.gate"));
}


/* As a lane should: ready, and when it is told, it drains and ends. */
static int
live(const char *gate)
{
    int              signo;
    sigset_t         set;
    struct timespec  turn = { .tv_nsec = TURN_MS * 1000000L };

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);

    for ( ;; ) {

        if (gate[0] == '\0' || access(gate, F_OK) == 0) {
            wr_stats_state(WR_LANE_READY);
        }

        wr_stats_alive();
        wr_log_debug(NULL, "a lane turns");
        signo = sigtimedwait(&set, NULL, &turn);

        if (signo > 0) {
            wr_stats_state(WR_LANE_DRAINING);
            wr_log_info(NULL, "a lane drains");
            wr_stats_add(WR_STAT_batches, 1);
            return 0;
        }
    }
}


static enum wr_outcome
nothing(struct wr_request *req)
{
    (void) req;

    return WR_DONE;
}
