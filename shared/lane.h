/*
 * Copyright (C) the Warren authors
 *
 * A lane: one process, one consumer, one database connection, one batch at a
 * time.
 */

#ifndef WARREN_LANE_H
#define WARREN_LANE_H


struct wr_service;
struct wr_settings;


/*
 * Runs a lane until SIGTERM or SIGQUIT, which the caller has left blocked, or
 * until its parent is gone.  wr_stats_attach() was called.  Reconnects to
 * broker and database by itself.  Returns the exit status: 0 after an orderly
 * drain, 1 if it cannot work as configured (the reason is in the log).
 */
int wr_lane_run(const struct wr_service *service,
    const struct wr_settings *settings, int lane);


#endif /* WARREN_LANE_H */
