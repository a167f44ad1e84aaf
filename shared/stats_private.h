/*
 * Copyright (C) the Warren authors
 *
 * What the supervisor alone does to the lanes' counts.
 */

#ifndef WARREN_STATS_PRIVATE_H
#define WARREN_STATS_PRIVATE_H


#include <stdatomic.h>
#include <stdbool.h>

#include "request.h"
#include "stats.h"
#include "wire.h"


/* Buckets of a histogram, the last one for all that is larger. */
#define WR_STATS_BUCKETS   16

#define WR_STATS_OUTCOMES  (WR_UNCERTAIN + 1)

/* A lane's last error is cut to this. */
#define WR_STATS_ERROR_SIZE  256


/* counts of what was at most so much, by bucket and not yet summed up */

struct wr_stats_histogram {
    atomic_uint_fast64_t  buckets[WR_STATS_BUCKETS];
    atomic_uint_fast64_t  sum;              /* µs, or what is counted */
};


/* of one handler, or of messages that have none */

struct wr_stats_handler {
    atomic_uint_fast64_t       outcomes[WR_STATS_OUTCOMES];
    struct wr_stats_histogram  wait;
    struct wr_stats_histogram  handling;
    struct wr_stats_histogram  handler;
};


/* A lane's own; written by it alone, but for state, which the supervisor takes
   back when the lane has died. */

struct wr_stats_slot {
    _Alignas(64) atomic_int    state;
    atomic_int_fast64_t        outbox_depth;
    atomic_int_fast64_t        outbox_oldest_ms;    /* wall; 0: none */
    atomic_int_fast64_t        outbox_left_ms;
    atomic_uint_fast64_t       alive;       /* signs of life */

    /* written where none is read, then shown; their end stays 0 */
    atomic_int                 error_shown;
    char                       errors[2][WR_STATS_ERROR_SIZE];
    atomic_uint_fast64_t       counters[WR_STAT_COUNT];
    atomic_uint_fast64_t       retries[WIRE_RUNGS];
    struct wr_stats_histogram  batch;       /* messages */
    struct wr_stats_histogram  commit;
    struct wr_stats_handler    handlers[];
};


struct wr_stats {
    int                       lanes;
    const struct wr_handler  *handlers;
    size_t                    handlers_count;   /* without the one for none */
    size_t                    slot_size;
    size_t                    size;
    char                     *slots;            /* shared */
    uint64_t                  restarts;         /* of lanes, by this process */
    int64_t                   started_ms;       /* wall */
};


/* of one lane, for the supervisor's dump */

struct wr_stats_lane {
    uint64_t  messages;                     /* handled, of all its lives */
    int64_t   outbox_depth;
    char      error[WR_STATS_ERROR_SIZE];   /* "": none */
};


/* The largest value of each bucket but the last. */
extern const int64_t  wr_stats_duration_bounds_us[WR_STATS_BUCKETS - 1];
extern const int64_t  wr_stats_wait_bounds_us[WR_STATS_BUCKETS - 1];
extern const int64_t  wr_stats_batch_bounds[WR_STATS_BUCKETS - 1];

/* The part of the shared memory that is one lane's. */
struct wr_stats_slot *wr_stats_slot(const struct wr_stats *stats, int lane);

/* How long the oldest row of the outbox waits, in milliseconds; 0 if none. */
int64_t wr_stats_outbox_age_ms(const struct wr_stats *stats);

/* A lane has died: it holds no outbox rows, and has this state. */
void wr_stats_lane_reset(struct wr_stats *stats, int lane,
    enum wr_lane_state state);

/* How many signs of life a lane has given, of all its lives. */
uint64_t wr_stats_lane_alive(const struct wr_stats *stats, int lane);

/* What a lane has counted so far. */
void wr_stats_lane(const struct wr_stats *stats, int lane,
    struct wr_stats_lane *told_r);

/* A lane was started again. */
void wr_stats_restarted(struct wr_stats *stats);

/*
 * As wr_stats_text(), which gives OpenMetrics, or else in the older text
 * format 0.0.4 of Prometheus, where a counter is named with its "_total".
 */
char *wr_stats_text_as(const struct wr_stats *stats, const char *service,
    bool is_openmetrics, size_t *len_r);


#endif /* WARREN_STATS_PRIVATE_H */
