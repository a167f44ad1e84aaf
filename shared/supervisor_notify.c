/*
 * Copyright (C) the Warren authors
 *
 * What a service manager is told: datagrams to the socket that it names in
 * NOTIFY_SOCKET, as sd_notify(3) has them.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "settings.h"
#include "supervisor_private.h"


/* Lanes tell nobody that their state has changed: it is looked at. */
#define LOOK_STARTING_MS  50
#define LOOK_MS           1000

/* A socket that is full is tried again. */
#define AGAIN_MS          100

/* To end after the last lane. */
#define END_MS            5000

#define MESSAGE_SIZE      (WR_SUPERVISOR_STATUS_SIZE + 256)


static int socket_open(struct wr_supervisor_notify *notify, const char *path);
static int64_t watchdog_ms(void);
static bool all_ready(const struct wr_supervisor *sv);
static void ready_tell(struct wr_supervisor *sv, const char *status);
static void stopping_tell(struct wr_supervisor *sv, const char *status);
static void watchdog_tell(struct wr_supervisor *sv);
static void status_write(const struct wr_supervisor *sv,
    char status_r[WR_SUPERVISOR_STATUS_SIZE]);
static bool message_send(struct wr_supervisor_notify *notify,
    const char *message);


void
wr_supervisor_notify_init(struct wr_supervisor *sv)
{
    const char  *path;

    path = getenv("NOTIFY_SOCKET");

    if (path != NULL && path[0] != '\0'
        && socket_open(&sv->notify, path) == 0)
    {
        sv->notify.watchdog_ms = watchdog_ms();
        sv->notify.watchdog_next_ms = wr_clock_ms();
    }

    /* they are meant for this process, not for what it may start */

    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}


void
wr_supervisor_notify_deinit(struct wr_supervisor *sv)
{
    if (sv->notify.fd != -1) {
        close(sv->notify.fd);
        sv->notify.fd = -1;
    }
}


void
wr_supervisor_notify(struct wr_supervisor *sv)
{
    char                          status[WR_SUPERVISOR_STATUS_SIZE];
    char                          message[MESSAGE_SIZE];
    struct wr_supervisor_notify  *notify;

    notify = &sv->notify;

    if (notify->fd == -1) {
        return;
    }

    notify->is_full = false;
    notify->was_ready = notify->was_ready || all_ready(sv);
    status_write(sv, status);

    if (sv->is_stopping && !notify->is_stopping_told) {
        stopping_tell(sv, status);

    } else if (!sv->is_stopping && notify->was_ready
               && !notify->is_ready_told)
    {
        ready_tell(sv, status);

    } else if (strcmp(status, notify->status) != 0) {
        snprintf(message, sizeof(message), "STATUS=%s", status);

        if (message_send(notify, message)) {
            strcpy(notify->status, status);
        }
    }

    watchdog_tell(sv);
}


/* Before the first READY=1 a reload is part of the start. */
void
wr_supervisor_notify_reloading(struct wr_supervisor *sv)
{
    char  message[MESSAGE_SIZE];

    if (sv->notify.fd == -1 || !sv->notify.is_ready_told) {
        return;
    }

    snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             wr_clock_us());

    if (message_send(&sv->notify, message)) {
        sv->notify.is_ready_told = false;
    }
}


int
wr_supervisor_notify_timeout_ms(const struct wr_supervisor *sv)
{
    int64_t                             timeout, due;
    const struct wr_supervisor_notify  *notify;

    notify = &sv->notify;

    if (notify->fd == -1) {
        return -1;
    }

    timeout = (notify->was_ready && !sv->is_stopping) ? LOOK_MS
                                                      : LOOK_STARTING_MS;

    if (notify->is_full && timeout > AGAIN_MS) {
        timeout = AGAIN_MS;
    }

    if (notify->watchdog_ms != 0) {
        due = notify->watchdog_next_ms - wr_clock_ms();

        /* held back, or not taken: it is asked for again with the rest */

        if (due > 0 && due < timeout) {
            timeout = due;
        }
    }

    return (int) timeout;
}


/* A path, or "@" and the name of an abstract socket, which has no zero at its
   end. */
static int
socket_open(struct wr_supervisor_notify *notify, const char *path)
{
    size_t  len;

    len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2
        || len >= sizeof(notify->address.sun_path))
    {
        wr_log_warn(NULL, "NOTIFY_SOCKET is no socket that can be used: %s",
                    path);
        return -1;
    }

    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, len + 1);
    notify->address_len = (socklen_t)
                          (offsetof(struct sockaddr_un, sun_path) + len + 1);

    if (path[0] == '@') {
        notify->address.sun_path[0] = '\0';
        notify->address_len--;
    }

    notify->fd = socket(AF_UNIX, SOCK_DGRAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0);

    if (notify->fd == -1) {
        wr_log_warn(NULL, "the service manager cannot be told: %m");
        return -1;
    }

    return 0;
}


/* Half of what the service manager waits for a sign; 0: it does not, or not
   for one of ours. */
static int64_t
watchdog_ms(void)
{
    char        *end;
    int64_t      ms;
    long long    usec;
    const char  *text, *pid;

    text = getenv("WATCHDOG_USEC");
    pid = getenv("WATCHDOG_PID");

    if (text == NULL
        || (pid != NULL && strtoll(pid, NULL, 10) != (long long) getpid()))
    {
        return 0;
    }

    errno = 0;
    usec = strtoll(text, &end, 10);

    if (errno != 0 || end == text || *end != '\0' || usec <= 0) {
        wr_log_warn(NULL, "WATCHDOG_USEC is no time: %s", text);
        return 0;
    }

    ms = usec / 2 / 1000;

    return (ms > 0) ? ms : 1;
}


static bool
all_ready(const struct wr_supervisor *sv)
{
    int  i;

    for (i = 0; i < sv->count; i++) {
        if (wr_stats_lane_state(sv->stats, i) != WR_LANE_READY) {
            return false;
        }
    }

    return true;
}


static void
ready_tell(struct wr_supervisor *sv, const char *status)
{
    char  message[MESSAGE_SIZE];

    snprintf(message, sizeof(message), "READY=1\nMAINPID=%ld\nSTATUS=%s",
             (long) sv->pid, status);

    if (message_send(&sv->notify, message)) {
        sv->notify.is_ready_told = true;
        strcpy(sv->notify.status, status);
    }
}


/* With the time that lanes have: drain_timeout governs, not the unit. */
static void
stopping_tell(struct wr_supervisor *sv, const char *status)
{
    char     message[MESSAGE_SIZE];
    int64_t  end_ms;

    end_ms = wr_settings_ms(sv->settings, "drain_timeout") + WR_DRAIN_GRACE_MS
             + END_MS;

    snprintf(message, sizeof(message), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%"
             PRId64 "\nSTATUS=%s", end_ms * 1000, status);

    if (message_send(&sv->notify, message)) {
        sv->notify.is_stopping_told = true;
        strcpy(sv->notify.status, status);
    }
}


static void
watchdog_tell(struct wr_supervisor *sv)
{
    int64_t  now;

    now = wr_clock_ms();

    if (sv->notify.watchdog_ms == 0 || now < sv->notify.watchdog_next_ms
        || wr_supervisor_is_stuck(sv))
    {
        return;
    }

    if (message_send(&sv->notify, "WATCHDOG=1")) {
        sv->notify.watchdog_next_ms = now + sv->notify.watchdog_ms;
    }
}


/* "2 lanes: 1 starting, 1 ready" */
static void
status_write(const struct wr_supervisor *sv,
    char status_r[WR_SUPERVISOR_STATUS_SIZE])
{
    int     i, state, counts[WR_LANE_DRAINING + 1];
    size_t  len;

    memset(counts, 0, sizeof(counts));

    for (i = 0; i < sv->count; i++) {
        state = (int) wr_stats_lane_state(sv->stats, i);

        if (state >= 0 && state <= WR_LANE_DRAINING) {
            counts[state]++;
        }
    }

    len = (size_t) snprintf(status_r, WR_SUPERVISOR_STATUS_SIZE, "%d lane%s",
                            sv->count, sv->count == 1 ? "" : "s");

    for (state = 0, i = 0; state <= WR_LANE_DRAINING; state++) {
        if (counts[state] == 0) {
            continue;
        }

        len += (size_t) snprintf(status_r + len,
                                 WR_SUPERVISOR_STATUS_SIZE - len, "%s%d %s",
                                 i++ == 0 ? ": " : ", ", counts[state],
                                 state == WR_LANE_NONE ? "dead"
                                 : wr_lane_state_name(state));
    }
}


/* Returns whether it is done with: taken, or refused for good. */
static bool
message_send(struct wr_supervisor_notify *notify, const char *message)
{
    ssize_t  n;

    do {
        n = sendto(notify->fd, message, strlen(message), MSG_NOSIGNAL,
                   (const struct sockaddr *) &notify->address,
                   notify->address_len);
    } while (n == -1 && errno == EINTR);

    if (n != -1) {
        notify->is_refused = false;
        return true;
    }

    if (errno == EAGAIN || errno == ENOBUFS) {
        notify->is_full = true;
        return false;
    }

    if (!notify->is_refused) {
        wr_log_warn(NULL, "the service manager cannot be told: %m");
        notify->is_refused = true;
    }

    return true;
}
