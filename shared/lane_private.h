/*
 * Copyright (C) the Warren authors
 *
 * What the files of a lane share.
 */

#ifndef WARREN_LANE_PRIVATE_H
#define WARREN_LANE_PRIVATE_H


#include "broker.h"
#include "db.h"
#include "lane.h"
#include "log.h"
#include "request_private.h"
#include "stats.h"


struct wr_keys;
struct wr_outbox;
struct wr_skew;


/* Larger batches are refused with the configuration. */
#define WR_BATCH_MAX         1024

/* A batch, or what a lane does beside, ends by then. */
#define WR_BATCH_BUDGET_MS   10000

/* Calls with less left than this are not made to wait for others. */
#define WR_LANE_HASTE_MS     250

/* What is left to calls that waited for others' questions. */
#define WR_LANE_PATIENCE_MS  500

/* A message that another lane has is looked at again after this long. */
#define WR_LANE_BUSY_MS      20

/* One whose commit was lost, while its old transaction still holds it. */
#define WR_LANE_UNSURE_MS    100

/* A call whose commit was lost is answered at last with so much left. */
#define WR_LANE_UNSURE_END_MS  150


struct wr_lane {
    const struct wr_service   *service;
    const struct wr_settings  *settings;
    int                        number;
    void                      *state;       /* the service's own */
    struct wr_log              log;
    char                       name[128];   /* application_name, log */
    struct wr_arena           *arena;       /* lives as long */

    struct wr_broker_config    broker_config;
    struct wr_broker          *broker;
    struct wr_db_config        db_config;
    struct wr_db              *db;
    struct wr_outbox          *outbox;
    struct wr_keys            *keys;
    struct wr_skew            *skew;

    /* the runtime's own statements */
    struct wr_db_owner         own;

    enum wr_lane_state         at;
    bool                       is_init;     /* service->init ran */
    bool                       is_stopping; /* a signal came */
    bool                       is_broken;   /* cannot work as configured */
    int                        signal_fd;
    int                        batch;
    int                        max_attempts;
    int64_t                    drain_end_ms;
    int                        broker_tries;
    int                        db_tries;
    int64_t                    broker_ms;   /* connected since, also if lost */
    int64_t                    db_ms;
    int64_t                    retry_ms;    /* not to be tried before */
    int64_t                    paused_ms;   /* since */
    int64_t                    kept_ms;     /* wr_turn_keep() looked last */
    int64_t                    sweep_ms;    /* next time */
    int64_t                    expire_ms;   /* next time */
    int64_t                    partition_ms;    /* next time */
    int64_t                    look_ms;     /* next time */
    int64_t                    timer_ms;    /* wall time of the last look */
    int64_t                    doubted_ms;  /* told so last; 0: never */

    /* taken, to be tried with the next batch */
    struct wr_request         *held;
    struct wr_request        **last_held;
    int                        nheld;
};


/* Waits for the broker, the database, a signal or the time, and takes in what
   has come. */
void wr_lane_wait(struct wr_lane *lane, int64_t ms);

/* Waits until the broker takes messages again.  Returns false if the
   connection was lost, or the lane must end. */
bool wr_lane_wait_unblocked(struct wr_lane *lane);

/* Keeps a message for the next batch. */
void wr_lane_hold(struct wr_lane *lane, struct wr_request *req);

/* Whether a broker user's identity headers count. */
bool wr_lane_trusts(const struct wr_lane *lane, const char *user);

/* Whether a broker user may send commands. */
bool wr_lane_knows(const struct wr_lane *lane, const char *user);


#endif /* WARREN_LANE_PRIVATE_H */
