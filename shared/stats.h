/*
 * Copyright (C) the Warren authors
 *
 * What the lanes count, in memory that they share with their supervisor, who
 * serves it.  A lane writes its own slot and nothing else, so nothing locks.
 */

#ifndef WARREN_STATS_H
#define WARREN_STATS_H


#include <stddef.h>
#include <stdint.h>

#include "request.h"


struct wr_handler;
struct wr_stats;


/* Lanes of one worker; more are refused with the configuration. */
#define WR_LANES_MAX  64


/* counters: name in the metrics (warren_<name>_total), and help */

#define WR_STATS_COUNTERS(X)                                                  \
    X(messages_received, "Messages delivered to the lanes")                   \
    X(messages_late, "Calls dropped because their deadline had passed")       \
    X(messages_repeated, "Messages that had acted before (inbox hits)")       \
    X(messages_retried, "Messages sent to a rung")                            \
    X(messages_repeated_in_order, "Failures tried again where they stand")    \
    X(messages_dead, "Messages that became dead letters")                     \
    X(messages_suspected, "Messages that a lane was working on when it died") \
    X(messages_set_aside, "Messages given up since they crashed lanes")       \
    X(messages_untrusted, "Messages whose sender is not trusted")             \
    X(batches, "Batches committed")                                           \
    X(batches_replayed, "Batches that failed and were repeated one by one")   \
    X(replies_sent, "Replies published")                                      \
    X(events_published, "Outbox rows confirmed by the broker")                \
    X(events_swept, "Outbox rows sent by the sweeper")                        \
    X(asks_sent, "Calls to other services")                                   \
    X(asks_failed, "Calls to other services without a usable answer")         \
    X(replies_foreign, "Replies dropped: late, unknown, or of another user")  \
    X(broker_connects, "Connections made to the broker")                      \
    X(broker_reconnects, "Times a lane was connected to the broker again")    \
    X(broker_blocked, "Times the broker blocked a connection")                \
    X(database_connects, "Connections made to the database")                  \
    X(database_reconnects, "Times a lane was connected to the database again")

enum wr_stat {
#define X(name, help)  WR_STAT_##name,
    WR_STATS_COUNTERS(X)
#undef X
    WR_STAT_COUNT
};


/* what a lane is doing, for /ready and for people */

enum wr_lane_state {
    WR_LANE_NONE = 0,       /* not started, or dead */
    WR_LANE_STARTING,       /* connecting to broker or database */
    WR_LANE_READY,          /* consuming */
    WR_LANE_PAUSED,         /* database away: not consuming, broker is held */
    WR_LANE_BLOCKED,        /* the broker refuses to take messages */
    WR_LANE_DRAINING        /* told to stop */
};


/*
 * Memory for the lanes of one worker; made before the first fork.  handlers is
 * kept.  Never NULL: without memory the process ends.
 */
struct wr_stats *wr_stats_new(int lanes, const struct wr_handler *handlers);
void wr_stats_free(struct wr_stats **stats);

/* Makes a slot this process's own; the calls below then count there.  Before
   that they count nothing. */
void wr_stats_attach(struct wr_stats *stats, int lane);

/* Counts n more. */
void wr_stats_add(enum wr_stat counter, uint64_t n);

/* how long a message took */

struct wr_stats_times {
    int64_t  wait_us;       /* in its queue; negative: not known */
    int64_t  handling_us;   /* from its take to its settling */
    int64_t  handler_us;    /* in its handler's functions */
};


/* A message is done with. */
void wr_stats_handled(const struct wr_handler *handler,
    enum wr_outcome outcome, const struct wr_stats_times *times);

/* A message waits on a rung; one beyond the last counts as the last. */
void wr_stats_retried(unsigned rung);

/* A batch was committed: how many, and how long the commit took.  Counts
   "batches" too. */
void wr_stats_committed(int messages, int64_t commit_us);

/* Outbox rows that wait for this lane's confirms; when the oldest of them was
   made, wr_clock_wall_ms(), 0 without one. */
void wr_stats_outbox(int64_t rows, int64_t oldest_ms);

/* When the oldest row was made that has been in the table for a while, whoever
   should send it; 0: there is none. */
void wr_stats_outbox_left(int64_t oldest_ms);

/* What this lane is doing now. */
void wr_stats_state(enum wr_lane_state state);

/* A sign of life: called at each turn of the lane's loop, and each time that
   something is waited for. */
void wr_stats_alive(void);

/* The last error, for people: kept, cut if it is long, also when the lane has
   died of it. */
void wr_stats_error(const char *message);

/* What a lane is doing, and its name: "ready". */
enum wr_lane_state wr_stats_lane_state(const struct wr_stats *stats, int lane);
const char *wr_lane_state_name(enum wr_lane_state state);

/* All of it as OpenMetrics text, in malloc()ed memory that is the caller's. */
char *wr_stats_text(const struct wr_stats *stats, const char *service,
    size_t *len_r);


#endif /* WARREN_STATS_H */
