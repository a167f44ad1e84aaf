/*
 * Copyright (C) the Warren authors
 *
 * The supervisor: starts lanes, starts dead ones again, owns signals and
 * serves HTTP.
 */

#ifndef WARREN_SUPERVISOR_H
#define WARREN_SUPERVISOR_H


#include <stdint.h>

#include "settings.h"


struct wr_handler;


/* After a death: the first delay, doubled by each further one up to the last.
   A lane that has lived so long begins again with the first. */
#define WR_RESTART_FIRST_MS   100
#define WR_RESTART_LAST_MS    30000
#define WR_RESTART_RESET_MS   60000

/* The longest delay of a lane that did some messages, or set one aside, before
   it died: what kills it now and then must not stop the others. */
#define WR_RESTART_USEFUL_MS  400

/* Lanes that have not ended so long after drain_timeout are killed. */
#define WR_DRAIN_GRACE_MS     2000

/* A stuck lane that has not ended of SIGABRT after so long is killed. */
#define WR_ABORT_GRACE_MS     5000


/* what the supervisor runs; kept until it returns */

struct wr_supervised {
    const char               *name;         /* of the service */
    const struct wr_handler  *handlers;
    struct wr_settings       *settings;     /* changed in place by SIGHUP */

    /* Reads the settings again.  May give settings with errors, not NULL. */
    struct wr_settings      *(*settings_read)(void *data);

    /* A lane's life, in a process of its own; gives its exit status.  SIGTERM
       and SIGQUIT are blocked there. */
    int                      (*lane_run)(void *data, int lane);

    void                     *data;         /* for the two above */
};


/*
 * Runs until SIGTERM, SIGINT or SIGQUIT, and then until all lanes have ended.
 * Returns the exit status: 0 after that, 1 if it could not begin.
 */
int wr_supervisor_run(const struct wr_supervised *supervised);

/* The delay before a lane is started again: of one that died after lived_ms,
   when the delay before its last start was delay_ms (0: none). */
int64_t wr_supervisor_delay_ms(int64_t delay_ms, int64_t lived_ms);


#endif /* WARREN_SUPERVISOR_H */
