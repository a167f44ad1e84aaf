/*
 * Copyright (C) the Warren authors
 *
 * What the lanes count: slots in shared memory, one a lane, without locks.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "memory.h"
#include "service.h"
#include "stats_private.h"


static size_t handler_index(const struct wr_handler *handler);
static void count(atomic_uint_fast64_t *counter, uint64_t n);
static void observe(struct wr_stats_histogram *histogram,
    const int64_t *bounds, int64_t value);


const int64_t  wr_stats_duration_bounds_us[WR_STATS_BUCKETS - 1] = {
    100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000,
    500000, 1000000, 2500000, 10000000
};

const int64_t  wr_stats_wait_bounds_us[WR_STATS_BUCKETS - 1] = {
    1000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
    5000000, 10000000, 30000000, 60000000, 300000000
};

const int64_t  wr_stats_batch_bounds[WR_STATS_BUCKETS - 1] = {
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512
};


/* this process's own; without one nothing is counted */

static const struct wr_stats  *attached;
static struct wr_stats_slot   *slot;


struct wr_stats *
wr_stats_new(int lanes, const struct wr_handler *handlers)
{
    void             *slots;
    size_t            line;
    struct wr_stats  *stats;

    stats = wr_memory_alloc(1, sizeof(struct wr_stats));
    stats->lanes = lanes;
    stats->handlers = handlers;
    stats->started_ms = wr_clock_wall_ms();

    while (handlers[stats->handlers_count].type != NULL) {
        stats->handlers_count++;
    }

    /* lanes share no cache line */

    line = _Alignof(struct wr_stats_slot);
    stats->slot_size = sizeof(struct wr_stats_slot)
                       + (stats->handlers_count + 1)
                         * sizeof(struct wr_stats_handler);
    stats->slot_size = (stats->slot_size + line - 1) / line * line;
    stats->size = (size_t) lanes * stats->slot_size;

    slots = mmap(NULL, stats->size, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (slots == MAP_FAILED) {
        wr_memory_out(stats->size);
    }

    stats->slots = slots;

    return stats;
}


void
wr_stats_free(struct wr_stats **stats)
{
    if (*stats == NULL) {
        return;
    }

    if (attached == *stats) {
        attached = NULL;
        slot = NULL;
    }

    munmap((*stats)->slots, (*stats)->size);
    free(*stats);
    *stats = NULL;
}


void
wr_stats_attach(struct wr_stats *stats, int lane)
{
    attached = stats;
    slot = wr_stats_slot(stats, lane);
}


void
wr_stats_add(enum wr_stat counter, uint64_t n)
{
    if (slot != NULL) {
        count(&slot->counters[counter], n);
    }
}


void
wr_stats_handled(const struct wr_handler *handler, enum wr_outcome outcome,
    const struct wr_stats_times *times)
{
    struct wr_stats_handler  *handled;

    if (slot == NULL) {
        return;
    }

    handled = &slot->handlers[handler_index(handler)];

    if ((unsigned) outcome < WR_STATS_OUTCOMES) {
        count(&handled->outcomes[outcome], 1);
    }

    if (times->wait_us >= 0) {
        observe(&handled->wait, wr_stats_wait_bounds_us, times->wait_us);
    }

    observe(&handled->handling, wr_stats_duration_bounds_us,
            times->handling_us);
    observe(&handled->handler, wr_stats_duration_bounds_us,
            times->handler_us);
}


void
wr_stats_retried(unsigned rung)
{
    if (slot != NULL) {
        count(&slot->retries[rung < WIRE_RUNGS ? rung : WIRE_RUNGS - 1], 1);
    }
}


void
wr_stats_committed(int messages, int64_t commit_us)
{
    if (slot != NULL) {
        count(&slot->counters[WR_STAT_batches], 1);
        observe(&slot->batch, wr_stats_batch_bounds, messages);
        observe(&slot->commit, wr_stats_duration_bounds_us, commit_us);
    }
}


void
wr_stats_outbox(int64_t rows, int64_t oldest_ms)
{
    if (slot != NULL) {
        atomic_store_explicit(&slot->outbox_depth, rows, memory_order_relaxed);
        atomic_store_explicit(&slot->outbox_oldest_ms, oldest_ms,
                              memory_order_relaxed);
    }
}


void
wr_stats_outbox_left(int64_t oldest_ms)
{
    if (slot != NULL) {
        atomic_store_explicit(&slot->outbox_left_ms, oldest_ms,
                              memory_order_relaxed);
    }
}


/* Lanes tell when a row was made and not how old it is: it ages also while a
   lane cannot tell anything. */
int64_t
wr_stats_outbox_age_ms(const struct wr_stats *stats)
{
    int                          lane;
    int64_t                      now_ms, oldest_ms, ms;
    const struct wr_stats_slot  *told;

    now_ms = wr_clock_wall_ms();
    oldest_ms = now_ms;

    for (lane = 0; lane < stats->lanes; lane++) {
        told = wr_stats_slot(stats, lane);
        ms = atomic_load_explicit(&told->outbox_oldest_ms,
                                  memory_order_relaxed);
        oldest_ms = (ms != 0 && ms < oldest_ms) ? ms : oldest_ms;
        ms = atomic_load_explicit(&told->outbox_left_ms,
                                  memory_order_relaxed);
        oldest_ms = (ms != 0 && ms < oldest_ms) ? ms : oldest_ms;
    }

    return now_ms - oldest_ms;
}


void
wr_stats_state(enum wr_lane_state state)
{
    if (slot != NULL) {
        atomic_store_explicit(&slot->state, (int) state, memory_order_relaxed);
    }
}


void
wr_stats_alive(void)
{
    if (slot != NULL) {
        count(&slot->alive, 1);
    }
}


/* A reader may see a text that is overtaken twice: then it reads a mixture,
   which ends all the same. */
void
wr_stats_error(const char *message)
{
    int  next;

    if (slot == NULL) {
        return;
    }

    next = !atomic_load_explicit(&slot->error_shown, memory_order_relaxed);
    snprintf(slot->errors[next], WR_STATS_ERROR_SIZE, "%s", message);
    atomic_store_explicit(&slot->error_shown, next, memory_order_release);
}


enum wr_lane_state
wr_stats_lane_state(const struct wr_stats *stats, int lane)
{
    return (enum wr_lane_state)
           atomic_load_explicit(&wr_stats_slot(stats, lane)->state,
                                memory_order_relaxed);
}


const char *
wr_lane_state_name(enum wr_lane_state state)
{
    static const char *const  names[] = {
        "none", "starting", "ready", "paused", "blocked", "draining"
    };

    return (unsigned) state <= WR_LANE_DRAINING ? names[state] : "unknown";
}


void
wr_stats_lane_reset(struct wr_stats *stats, int lane, enum wr_lane_state state)
{
    struct wr_stats_slot  *dead;

    dead = wr_stats_slot(stats, lane);

    atomic_store_explicit(&dead->outbox_depth, 0, memory_order_relaxed);
    atomic_store_explicit(&dead->outbox_oldest_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&dead->state, (int) state, memory_order_relaxed);
}


uint64_t
wr_stats_lane_alive(const struct wr_stats *stats, int lane)
{
    return atomic_load_explicit(&wr_stats_slot(stats, lane)->alive,
                                memory_order_relaxed);
}


void
wr_stats_lane(const struct wr_stats *stats, int lane,
    struct wr_stats_lane *told_r)
{
    int                          shown;
    size_t                       i, outcome;
    const struct wr_stats_slot  *told;

    told = wr_stats_slot(stats, lane);
    memset(told_r, 0, sizeof(*told_r));

    for (i = 0; i <= stats->handlers_count; i++) {
        for (outcome = 0; outcome < WR_STATS_OUTCOMES; outcome++) {
            told_r->messages +=
                atomic_load_explicit(&told->handlers[i].outcomes[outcome],
                                     memory_order_relaxed);
        }
    }

    told_r->outbox_depth = atomic_load_explicit(&told->outbox_depth,
                                                memory_order_relaxed);

    /* a lane that broke its memory may have left anything */

    shown = atomic_load_explicit(&told->error_shown, memory_order_acquire);
    memcpy(told_r->error, told->errors[shown != 0], WR_STATS_ERROR_SIZE - 1);
}


void
wr_stats_restarted(struct wr_stats *stats)
{
    stats->restarts++;
}


struct wr_stats_slot *
wr_stats_slot(const struct wr_stats *stats, int lane)
{
    return (struct wr_stats_slot *) (void *)
           (stats->slots + (size_t) lane * stats->slot_size);
}


/* Behind the last handler stands what has none. */
static size_t
handler_index(const struct wr_handler *handler)
{
    if (handler == NULL || handler < attached->handlers
        || handler >= attached->handlers + attached->handlers_count)
    {
        return attached->handlers_count;
    }

    return (size_t) (handler - attached->handlers);
}


/* There is one writer: no need for a locked instruction. */
static void
count(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter,
                          atomic_load_explicit(counter, memory_order_relaxed)
                          + n, memory_order_relaxed);
}


/* Two clocks may disagree: what would be negative counts as nothing. */
static void
observe(struct wr_stats_histogram *histogram, const int64_t *bounds,
    int64_t value)
{
    size_t  i;

    if (value < 0) {
        value = 0;
    }

    for (i = 0; i < WR_STATS_BUCKETS - 1 && value > bounds[i]; i++) {
        /* void */
    }

    count(&histogram->buckets[i], 1);
    count(&histogram->sum, (uint64_t) value);
}
