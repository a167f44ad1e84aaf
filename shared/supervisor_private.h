/*
 * Copyright (C) the Warren authors
 *
 * What the files of the supervisor share: its lanes, what it tells a service
 * manager, how it sees that a lane is stuck, and its dump.
 */

#ifndef WARREN_SUPERVISOR_PRIVATE_H
#define WARREN_SUPERVISOR_PRIVATE_H


#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "stats.h"
#include "supervisor.h"
#include "work.h"


struct wr_admin;


/* How a lane ended last, in words, is cut to this. */
#define WR_SUPERVISOR_END_SIZE     64

/* What a service manager shows is cut to this. */
#define WR_SUPERVISOR_STATUS_SIZE  256


struct wr_supervised_lane {
    pid_t     pid;              /* 0: it does not run */
    int64_t   started_ms;
    int64_t   start_ms;         /* when to start it, if it does not run */
    int64_t   delay_ms;         /* before its last start; 0: none */
    int64_t   kill_ms;          /* told to end: when patience ends; 0: not */
    bool      is_killed;
    bool      is_outdated;      /* has other settings than a new one would */
    bool      failed_at_once;
    unsigned  restarts;
    char      end[WR_SUPERVISOR_END_SIZE];      /* of the last life */
    int64_t   oom_kills;        /* on this machine when it started; -1: ? */

    /* signs of life */
    uint64_t  alive;            /* as counted when it was looked at */
    int64_t   quiet_ms;         /* without one since; our own sleep left out */
    int64_t   abort_ms;         /* stuck: when SIGKILL follows; 0: it is not */
};


/* what a service manager was told */

struct wr_supervisor_notify {
    int                 fd;             /* -1: there is none */
    struct sockaddr_un  address;
    socklen_t           address_len;
    bool                was_ready;      /* all lanes at once, some time */
    bool                is_ready_told;
    bool                is_stopping_told;
    bool                is_refused;     /* the log has it */
    bool                is_full;        /* it is to be tried again */
    int64_t             watchdog_ms;    /* between two signs; 0: not wanted */
    int64_t             watchdog_next_ms;
    char                status[WR_SUPERVISOR_STATUS_SIZE];
};


struct wr_supervisor {
    const struct wr_supervised   *supervised;
    struct wr_settings           *settings;
    struct wr_stats              *stats;
    struct wr_work               *work;
    struct wr_admin              *admin;        /* NULL: off */
    int                           signal_fd;
    int                           pid_file_fd;  /* -1: none */
    pid_t                         pid;
    bool                          is_stopping;
    int64_t                       started_ms;
    int64_t                       looked_ms;    /* for signs of life */
    int64_t                       stuck_ms;     /* 0: it is not looked at */
    unsigned                      reloads;
    struct wr_supervisor_notify   notify;
    int                           count;
    struct wr_supervised_lane     lanes[WR_LANES_MAX];
};


/*
 * The service manager's socket, from NOTIFY_SOCKET and WATCHDOG_USEC, which
 * are taken out of the environment.  Without them all below does nothing.
 * Nothing blocks: what a full socket did not take is tried again.
 */
void wr_supervisor_notify_init(struct wr_supervisor *sv);
void wr_supervisor_notify_deinit(struct wr_supervisor *sv);

/* At each turn of the loop: READY=1 and STOPPING=1 when it is so, STATUS= when
   it has changed, WATCHDOG=1 when it is due and no lane is stuck. */
void wr_supervisor_notify(struct wr_supervisor *sv);

/* Settings are read again: RELOADING=1 now, READY=1 with the next turn. */
void wr_supervisor_notify_reloading(struct wr_supervisor *sv);

/* How long it may take to the next turn; -1: for ever. */
int wr_supervisor_notify_timeout_ms(const struct wr_supervisor *sv);


/* A lane starts to live. */
void wr_supervisor_watch_begin(struct wr_supervisor *sv, int lane);

/*
 * At each turn of the loop: a lane that runs, was not told to end and gave no
 * sign of life for stuck_after gets SIGABRT, and then SIGKILL if it does not
 * end of it.
 */
void wr_supervisor_watch(struct wr_supervisor *sv);

/* How long it may take to the next turn; -1: for ever. */
int wr_supervisor_watch_timeout_ms(const struct wr_supervisor *sv);

/* Whether a lane is stuck now. */
bool wr_supervisor_is_stuck(const struct wr_supervisor *sv);


/* How many processes this machine has killed for want of memory; -1: it does
   not tell. */
int64_t wr_supervisor_oom_kills(void);

/*
 * Whether a lane's death may be the fault of what it worked on: it crashed,
 * was stuck, or the machine had no memory for it.  Somebody's SIGKILL is
 * nobody's fault, nor is an end that was asked for.
 */
bool wr_supervisor_blames(const struct wr_supervisor *sv, int lane,
    int status);


/* Writes the state of all lanes to the log, whatever its level. */
void wr_supervisor_dump(const struct wr_supervisor *sv);


#endif /* WARREN_SUPERVISOR_PRIVATE_H */
