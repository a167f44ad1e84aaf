/*
 * Copyright (C) the Warren authors
 *
 * The driver of a lane: one function for each state.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "debug.h"
#include "gather.h"
#include "housekeeping.h"
#include "key_private.h"
#include "lane_private.h"
#include "lane_queues.h"
#include "order.h"
#include "outbox.h"
#include "settings.h"
#include "skew.h"
#include "timer.h"
#include "turn.h"


/* The first try after a loss is within this time, each further one within
   twice as long; a server that was away for long finds its lanes soon. */
#define BACKOFF_MIN_MS    250
#define BACKOFF_MAX_MS    5000

/* A server that takes connections and drops them again is not tried as often
   as one that was there for so long. */
#define STEADY_MS         10000
#define TRIES_KEPT        3

/* While nothing happens, a lane looks around this often. */
#define IDLE_MS           1000

/* Confirmed rows are deleted with the next transaction, or after this long
   without one. */
#define DELETE_IDLE_MS    200

/* A database that has not let a lane in by then is away. */
#define OPEN_MS           8000

#define SWEEP_MS          2000

/* With more to do, after this long. */
#define MORE_MS           50

/* Rows in memory beyond which nothing more is swept. */
#define SWEEP_DEPTH_MAX   1000

/* After a drain, for the last confirms. */
#define CONFIRMS_MS       2000


static void set_up(struct wr_lane *lane, const struct wr_service *service,
    const struct wr_settings *settings);
static void tear_down(struct wr_lane *lane);
static void set_state(struct wr_lane *lane, enum wr_lane_state state);
static bool starting(struct wr_lane *lane);
static bool start_database(struct wr_lane *lane);
static bool start_broker(struct wr_lane *lane);
static bool ready(struct wr_lane *lane);
static int64_t idle_ms(const struct wr_lane *lane);
static void look_after(struct wr_lane *lane);
static void sweep(struct wr_lane *lane, int64_t now_ms);
static bool paused(struct wr_lane *lane);
static int open_again(struct wr_lane *lane, int64_t patience_ms,
    const char **error_r);
static bool blocked(struct wr_lane *lane);
static bool draining(struct wr_lane *lane);
static void drain_outbox(struct wr_lane *lane);
static void delete_confirmed(struct wr_lane *lane);
static void lose_broker(struct wr_lane *lane);
static void found(int *tries, int64_t *since_ms);
static void lost(struct wr_lane *lane, int *tries, int64_t since_ms);
static void back_off(struct wr_lane *lane, int *tries);
static void keep_broker(void *data);
static void read_signal(struct wr_lane *lane);
static bool has_name(const char *const *names, const char *name);
static bool has_word(const char *words, const char *word);


int
wr_lane_run(const struct wr_service *service,
    const struct wr_settings *settings, int number)
{
    bool             goes_on;
    struct wr_lane  *lane;

    lane = calloc(1, sizeof(struct wr_lane));

    if (lane == NULL) {
        return 1;
    }

    lane->number = number;
    set_up(lane, service, settings);
    set_state(lane, WR_LANE_STARTING);

    do {
        wr_stats_alive();

        switch (lane->at) {

        case WR_LANE_STARTING:
            goes_on = starting(lane);
            break;

        case WR_LANE_READY:
            goes_on = ready(lane);
            break;

        case WR_LANE_PAUSED:
            goes_on = paused(lane);
            break;

        case WR_LANE_BLOCKED:
            goes_on = blocked(lane);
            break;

        default:
            goes_on = draining(lane);
            break;
        }
    } while (goes_on);

    goes_on = lane->is_broken;
    tear_down(lane);

    return goes_on ? 1 : 0;
}


static void
set_up(struct wr_lane *lane, const struct wr_service *service,
    const struct wr_settings *settings)
{
    sigset_t  set;

    lane->service = service;
    lane->settings = settings;
    lane->last_held = &lane->held;
    snprintf(lane->name, sizeof(lane->name), "warren-%s lane %d",
             service->name, lane->number);
    lane->log.fields[0].name = "process.title";
    lane->log.fields[0].value = lane->name;
    srandom((unsigned) wr_clock_us() ^ (unsigned) getpid());

    lane->batch = (int) wr_settings_int(settings, "batch");
    lane->max_attempts = (int) wr_settings_int(settings,
                                               "retry.max_attempts");

    lane->broker_config.urls = wr_settings_text(settings, "broker.url");
    lane->broker_config.password = wr_settings_secret(settings,
                                                      "broker.password_file");
    lane->broker_config.ca_file = wr_settings_text(settings,
                                                   "broker.ca_file");
    lane->broker_config.certificate_file =
        wr_settings_text(settings, "broker.certificate_file");
    lane->broker_config.key_file = wr_settings_text(settings,
                                                    "broker.key_file");
    lane->broker_config.service = service->name;
    lane->broker_config.lane = lane->number;
    lane->broker_config.heartbeat_sec =
        (int) (wr_settings_ms(settings, "broker.heartbeat") / 1000);
    lane->broker_config.prefetch = (int) wr_settings_int(settings, "prefetch");

    if (lane->broker_config.prefetch == 0) {
        lane->broker_config.prefetch = 3 * lane->batch;
    }

    lane->arena = wr_arena_new();
    wr_lane_queues(service, settings, lane->arena, &lane->broker_config);
    lane->broker = wr_broker_new(&lane->broker_config, &lane->log);
    lane->outbox = wr_outbox_new(lane->broker, &lane->log);

    lane->db_config.url = wr_settings_text(settings, "database.url");
    lane->db_config.password = wr_settings_secret(settings,
                                                  "database.password_file");
    lane->db_config.name = lane->name;
    lane->db_config.idle_ms = lane->broker_config.heartbeat_sec * 250;
    lane->db_config.idle = keep_broker;
    lane->db_config.data = lane;
    lane->db = wr_db_new(&lane->db_config, &lane->log);
    lane->own.arena = wr_arena_new();
    lane->keys = wr_keys_new(service);
    lane->skew = wr_skew_new();

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    lane->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);

    if (lane->signal_fd == -1) {
        wr_log_error(&lane->log, "signalfd failed: %m");
        lane->is_stopping = true;
        lane->is_broken = true;
    }
}


static void
tear_down(struct wr_lane *lane)
{
    wr_turn_drop(lane);
    wr_outbox_free(&lane->outbox);
    wr_broker_free(&lane->broker);
    wr_db_owner_clear(&lane->own);
    wr_db_free(&lane->db);
    wr_arena_free(&lane->own.arena);
    wr_arena_free(&lane->arena);
    wr_skew_free(&lane->skew);
    wr_keys_free(&lane->keys);
    wr_stats_state(WR_LANE_NONE);

    if (lane->signal_fd != -1) {
        close(lane->signal_fd);
    }

    free(lane);
}


static void
set_state(struct wr_lane *lane, enum wr_lane_state state)
{
    wr_log_info(&lane->log, "%s -> %s", wr_lane_state_name(lane->at),
                wr_lane_state_name(state));
    lane->at = state;
    lane->retry_ms = 0;
    wr_stats_state(state);

    if (state == WR_LANE_PAUSED) {
        lane->paused_ms = wr_clock_ms();
    }
}


/* Connecting to the database, then to the broker. */

static bool
starting(struct wr_lane *lane)
{
    if (lane->is_stopping) {
        set_state(lane, WR_LANE_DRAINING);
        return true;
    }

    if (wr_clock_ms() < lane->retry_ms) {
        wr_lane_wait(lane, lane->retry_ms - wr_clock_ms());
        return true;
    }

    if (!wr_db_is_open(lane->db) && !start_database(lane)) {
        return !lane->is_broken;
    }

    if (wr_crash_write(lane) != 0) {
        back_off(lane, &lane->db_tries);
        return true;
    }

    if (!wr_broker_is_open(lane->broker) && !start_broker(lane)) {
        wr_housekeeping(lane);
        return true;
    }

    wr_debug_step(WR_DEBUG_before_consume);
    wr_broker_consume(lane->broker);
    set_state(lane, WR_LANE_READY);

    return true;
}


static bool
start_database(struct wr_lane *lane)
{
    int          rc;
    const char  *error;

    rc = wr_db_open(lane->db, &error);

    if (rc == 0) {
        rc = wr_db_check(lane->db, lane->service->schema_min, &error);
        rc = (rc == 1) ? wr_keys_check(lane, &error) : rc;

        if (rc == 1 && !lane->is_init) {
            lane->is_init = true;

            if (lane->service->init != NULL
                && lane->service->init(lane->settings, &lane->state, &error)
                   != 0)
            {
                rc = 0;
            }
        }

        if (rc == 1) {
            found(&lane->db_tries, &lane->db_ms);
            return true;
        }

        lane->is_broken = (rc == 0);
    }

    wr_log_error(&lane->log, "%s", error);
    wr_db_close(lane->db);
    back_off(lane, &lane->db_tries);

    return false;
}


static bool
start_broker(struct wr_lane *lane)
{
    const char  *error;

    if (wr_broker_open(lane->broker, &error) != 0) {
        wr_log_error(&lane->log, "%s", error);
        back_off(lane, &lane->broker_tries);
        return false;
    }

    found(&lane->broker_tries, &lane->broker_ms);

    return true;
}


/* Consuming: whatever has arrived is a batch. */

static bool
ready(struct wr_lane *lane)
{
    if (!wr_broker_is_open(lane->broker)) {
        lose_broker(lane);
        return true;
    }

    if (lane->is_stopping) {
        set_state(lane, WR_LANE_DRAINING);
        return true;
    }

    if (!wr_db_is_open(lane->db)) {
        wr_broker_cancel(lane->broker);
        wr_order_drop(lane);
        set_state(lane, WR_LANE_PAUSED);
        lost(lane, &lane->db_tries, lane->db_ms);
        return true;
    }

    if (wr_broker_is_blocked(lane->broker)) {
        set_state(lane, WR_LANE_BLOCKED);
        return true;
    }

    wr_broker_consume(lane->broker);
    wr_lane_wait(lane, wr_turn_is_due(lane) ? 0 : idle_ms(lane));

    if (wr_turn_is_due(lane)) {
        wr_turn(lane);
    }

    look_after(lane);

    return true;
}


static int64_t
idle_ms(const struct wr_lane *lane)
{
    int64_t  now_ms, ms;

    if (lane->held != NULL) {
        return WR_LANE_BUSY_MS;
    }

    now_ms = wr_clock_ms();
    ms = (wr_outbox_confirmed(lane->outbox) != 0) ? DELETE_IDLE_MS : IDLE_MS;
    ms = (lane->sweep_ms - now_ms < ms) ? lane->sweep_ms - now_ms : ms;

    if (wr_housekeeping_due_ms(lane) - now_ms < ms) {
        ms = wr_housekeeping_due_ms(lane) - now_ms;
    }

    if (wr_timer_left_ms(lane) < ms) {
        ms = wr_timer_left_ms(lane);
    }

    return (ms > MORE_MS) ? ms : MORE_MS;
}


/* What is due beside batches. */

static void
look_after(struct wr_lane *lane)
{
    int64_t  now_ms;

    wr_gather_idle(lane);
    wr_timer(lane);
    wr_outbox_publish(lane->outbox);
    wr_broker_flush(lane->broker);
    now_ms = wr_clock_ms();

    if (!wr_db_is_open(lane->db)) {
        return;
    }

    if (wr_outbox_confirmed(lane->outbox) != 0
        && now_ms - wr_outbox_deleted_ms(lane->outbox) >= DELETE_IDLE_MS)
    {
        delete_confirmed(lane);
    }

    if (now_ms >= lane->sweep_ms
        && wr_outbox_depth(lane->outbox) < SWEEP_DEPTH_MAX)
    {
        sweep(lane, now_ms);
    }

    wr_housekeeping(lane);
}


static void
sweep(struct wr_lane *lane, int64_t now_ms)
{
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);

    lane->sweep_ms = now_ms + SWEEP_MS + random() % SWEEP_MS;

    if (wr_outbox_sweep(lane->outbox, lane->db, &lane->own)) {
        lane->sweep_ms = now_ms + MORE_MS;
    }

    wr_turn_forget(lane);
    wr_debug_step(WR_DEBUG_after_sweep);
    wr_outbox_publish(lane->outbox);
    wr_broker_flush(lane->broker);
}


static void
delete_confirmed(struct wr_lane *lane)
{
    wr_debug_step(WR_DEBUG_before_delete);
    wr_db_clear(lane->db);
    wr_db_budget(lane->db, WR_BATCH_BUDGET_MS);
    wr_outbox_delete(lane->outbox, lane->db, &lane->own);
    wr_db_sync(lane->db);
    wr_outbox_deleted(lane->outbox,
                      wr_db_failure(lane->db, NULL, NULL) == WR_DB_OK);
    wr_turn_forget(lane);
}


/* The database is away: consumers are cancelled, the broker is held. */

static bool
paused(struct wr_lane *lane)
{
    int64_t      left_ms, patience_ms;
    const char  *error;

    if (!wr_broker_is_open(lane->broker)) {
        lose_broker(lane);
        return true;
    }

    if (lane->is_stopping) {
        set_state(lane, WR_LANE_DRAINING);
        return true;
    }

    wr_turn_refuse(lane);

    /* who waits for what became of a commit is told in time */

    patience_ms = wr_turn_patience_ms(lane);

    if (wr_clock_ms() < lane->retry_ms) {
        left_ms = lane->retry_ms - wr_clock_ms();
        wr_lane_wait(lane, (left_ms < patience_ms) ? left_ms : patience_ms);

    } else if (open_again(lane, patience_ms, &error) == 0) {
        found(&lane->db_tries, &lane->db_ms);
        set_state(lane, WR_LANE_READY);
        return true;

    } else {
        wr_log_warn(&lane->log, "%s", error);
        back_off(lane, &lane->db_tries);
    }

    /* the broker ends consumers that hold messages for half an hour */

    if (wr_clock_ms() - lane->paused_ms
        >= wr_settings_ms(lane->settings, "give_back_after")
        && wr_broker_is_cancelled(lane->broker))
    {
        wr_turn_drop(lane);
        wr_broker_reject_all(lane->broker);
        lane->paused_ms = wr_clock_ms();
    }

    return true;
}


static int
open_again(struct wr_lane *lane, int64_t patience_ms, const char **error_r)
{
    int  rc;

    /* 0 would be the usual time */

    lane->db_config.open_ms = (patience_ms < OPEN_MS) ? patience_ms + 1
                                                      : OPEN_MS;
    rc = wr_db_open(lane->db, error_r);
    lane->db_config.open_ms = 0;

    return rc;
}


/* The broker takes nothing: replies could not leave. */

static bool
blocked(struct wr_lane *lane)
{
    if (!wr_broker_is_open(lane->broker)) {
        lose_broker(lane);

    } else if (lane->is_stopping) {
        set_state(lane, WR_LANE_DRAINING);

    } else if (!wr_broker_is_blocked(lane->broker)) {
        set_state(lane, WR_LANE_READY);

    } else {
        wr_lane_wait(lane, IDLE_MS);
        wr_housekeeping(lane);
    }

    return true;
}


/* Told to stop: what was delivered is finished, in time. */

static bool
draining(struct wr_lane *lane)
{
    if (lane->drain_end_ms == 0) {
        lane->drain_end_ms = wr_clock_ms()
                             + wr_settings_ms(lane->settings,
                                              "drain_timeout");
    }

    wr_broker_cancel(lane->broker);
    wr_order_drop(lane);
    wr_debug_step(WR_DEBUG_draining);

    if (wr_broker_is_open(lane->broker) && wr_db_is_open(lane->db)
        && wr_clock_ms() < lane->drain_end_ms
        && (!wr_broker_is_cancelled(lane->broker) || lane->held != NULL
            || wr_broker_pending(lane->broker) != 0))
    {
        wr_lane_wait(lane, wr_turn_is_due(lane)
                           && !wr_broker_is_blocked(lane->broker)
                           ? 0 : WR_LANE_BUSY_MS);

        if (wr_turn_is_due(lane) && !wr_broker_is_blocked(lane->broker)) {
            wr_turn(lane);
        }

        return true;
    }

    wr_turn_drop(lane);
    wr_broker_reject_all(lane->broker);
    drain_outbox(lane);

    return false;
}


/* Rows that are not confirmed in time are left for the sweeper. */

static void
drain_outbox(struct wr_lane *lane)
{
    int64_t  end_ms;

    end_ms = wr_clock_ms() + CONFIRMS_MS;

    for ( ;; ) {
        wr_outbox_publish(lane->outbox);
        wr_broker_flush(lane->broker);

        if (wr_outbox_depth(lane->outbox)
            == wr_outbox_confirmed(lane->outbox)
            || !wr_broker_is_open(lane->broker) || wr_clock_ms() >= end_ms)
        {
            break;
        }

        wr_lane_wait(lane, WR_LANE_BUSY_MS);
    }

    while (wr_db_is_open(lane->db) && wr_outbox_confirmed(lane->outbox) != 0) {
        delete_confirmed(lane);

        if (wr_db_failure(lane->db, NULL, NULL) != WR_DB_OK) {
            break;
        }
    }
}


/* What is held was not settled: it is delivered again. */

static void
lose_broker(struct wr_lane *lane)
{
    wr_broker_close(lane->broker);
    wr_turn_drop(lane);
    set_state(lane, WR_LANE_STARTING);
    lost(lane, &lane->broker_tries, lane->broker_ms);
}


static void
found(int *tries, int64_t *since_ms)
{
    *tries = (*tries < TRIES_KEPT) ? *tries : TRIES_KEPT;
    *since_ms = wr_clock_ms();
}


static void
lost(struct wr_lane *lane, int *tries, int64_t since_ms)
{
    if (wr_clock_ms() - since_ms >= STEADY_MS) {
        *tries = 0;
    }

    back_off(lane, tries);
}


/* Full jitter: lanes that lost the same server do not come back at once. */

static void
back_off(struct wr_lane *lane, int *tries)
{
    int64_t  most_ms, ms;

    most_ms = BACKOFF_MAX_MS;

    if (BACKOFF_MIN_MS << *tries < BACKOFF_MAX_MS) {
        most_ms = BACKOFF_MIN_MS << *tries;
        (*tries)++;
    }

    ms = random() % most_ms + 1;
    lane->retry_ms = wr_clock_ms() + ms;
    wr_log_debug(&lane->log, "next try in %" PRId64 " ms", ms);
}


/* Runs while PostgreSQL is waited for. */

static void
keep_broker(void *data)
{
    struct wr_lane  *lane;

    lane = data;
    wr_stats_alive();
    wr_broker_pump(lane->broker);
}


void
wr_lane_wait(struct wr_lane *lane, int64_t ms)
{
    int            n, broker_fds[2];
    nfds_t         count;
    struct pollfd  fds[4];

    count = 0;
    fds[count].fd = lane->signal_fd;
    fds[count++].events = POLLIN;
    fds[count].fd = wr_db_fd(lane->db);
    fds[count].events = POLLIN;
    fds[count++].revents = 0;

    for (n = wr_broker_fds(lane->broker, broker_fds); n != 0; n--) {
        fds[count].fd = broker_fds[n - 1];
        fds[count++].events = POLLIN;
    }

    wr_stats_alive();
    ms = (ms > lane->db_config.idle_ms) ? lane->db_config.idle_ms : ms;

    if (wr_broker_has_input(lane->broker)) {
        ms = 0;
    }

    wr_broker_flush(lane->broker);

    if (poll(fds, count, (int) ms) > 0) {
        if (fds[0].revents != 0) {
            read_signal(lane);
        }

        if (fds[1].revents != 0) {
            wr_db_pump(lane->db);
        }
    }

    wr_broker_pump(lane->broker);
}


static void
read_signal(struct wr_lane *lane)
{
    struct signalfd_siginfo  info;

    if (read(lane->signal_fd, &info, sizeof(info)) == sizeof(info)
        && !lane->is_stopping)
    {
        wr_log_info(&lane->log, "told to stop");
        lane->is_stopping = true;
    }
}


bool
wr_lane_wait_unblocked(struct wr_lane *lane)
{
    while (wr_broker_is_open(lane->broker)
           && wr_broker_is_blocked(lane->broker))
    {
        wr_lane_wait(lane, IDLE_MS);

        if (lane->is_stopping && lane->drain_end_ms == 0) {
            lane->drain_end_ms = wr_clock_ms()
                                 + wr_settings_ms(lane->settings,
                                                  "drain_timeout");
        }

        if (lane->drain_end_ms != 0 && wr_clock_ms() >= lane->drain_end_ms) {
            return false;
        }
    }

    return wr_broker_is_open(lane->broker);
}


bool
wr_lane_trusts(const struct wr_lane *lane, const char *user)
{
    return user[0] != '\0'
           && has_word(wr_settings_text(lane->settings, "trusted_users"),
                       user);
}


/* Itself, those whom it asks, and those whom it names for it. */

bool
wr_lane_knows(const struct wr_lane *lane, const char *user)
{
    const struct wr_service  *service;

    service = lane->service;

    return strcmp(user, service->name) == 0
           || has_name(service->asks, user)
           || has_name(service->commands_from, user);
}


static bool
has_name(const char *const *names, const char *name)
{
    for ( ; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }

    return false;
}


static bool
has_word(const char *words, const char *word)
{
    size_t       len, n;
    const char  *p;

    len = strlen(word);

    for (p = words; *p != '\0'; p += n) {
        p += strspn(p, " \t,");
        n = strcspn(p, " \t,");

        if (n == len && n != 0 && memcmp(p, word, len) == 0) {
            return true;
        }
    }

    return false;
}
