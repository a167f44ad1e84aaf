/*
 * Copyright (C) the Warren authors
 *
 * The supervisor: one thread, one loop, one process a lane.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "arena.h"
#include "clock.h"
#include "debug.h"
#include "log_private.h"
#include "pid_file.h"
#include "settings_private.h"
#include "stats_private.h"
#include "supervisor_private.h"
#include "version.h"


/* Lanes that all end with status 1 within this are said not to work at all. */
#define FAILED_AT_ONCE_MS  1000

#define ERROR_SIZE         512


static int init(struct wr_supervisor *sv);
static void deinit(struct wr_supervisor *sv);
static int signals_init(struct wr_supervisor *sv);
static int http_init(struct wr_supervisor *sv);
static void loop(struct wr_supervisor *sv);
static int timeout_get(const struct wr_supervisor *sv);
static int sooner(int a_ms, int b_ms);
static void signals_read(struct wr_supervisor *sv);
static void stop(struct wr_supervisor *sv, unsigned signo);
static void reload(struct wr_supervisor *sv);
static void settings_take(struct wr_supervisor *sv,
    const struct wr_settings *fresh);
static void setting_apply(struct wr_supervisor *sv, size_t i);
static void outdated_replace(struct wr_supervisor *sv);
static void lanes_start(struct wr_supervisor *sv);
static void lane_start(struct wr_supervisor *sv, int lane);
static void lane_main(struct wr_supervisor *sv, int lane)
    __attribute__((noreturn));
static void lane_tell(struct wr_supervisor *sv, int lane);
static void lanes_kill(struct wr_supervisor *sv);
static void lanes_reap(struct wr_supervisor *sv);
static void lane_ended(struct wr_supervisor *sv, int lane, int status);
static void lane_delay(struct wr_supervisor *sv, int lane, const char *how,
    bool is_error);
static void all_failed_tell(struct wr_supervisor *sv);
static bool has_lanes(const struct wr_supervisor *sv);
static void how_ended(int status, char how_r[WR_SUPERVISOR_END_SIZE]);


int
wr_supervisor_run(const struct wr_supervised *supervised)
{
    int                rc;
    struct wr_supervisor  sv;

    memset(&sv, 0, sizeof(sv));
    sv.supervised = supervised;
    sv.settings = supervised->settings;
    sv.signal_fd = -1;
    sv.pid_file_fd = -1;
    sv.notify.fd = -1;
    sv.pid = getpid();
    sv.started_ms = wr_clock_ms();
    sv.count = (int) wr_settings_int(sv.settings, "lanes");
    sv.stuck_ms = wr_settings_ms(sv.settings, "stuck_after");

    rc = init(&sv);

    if (rc == 0) {
        wr_log_info(NULL, "started, version " WR_VERSION ", lanes: %d",
                    sv.count);
        loop(&sv);
        wr_log_info(NULL, "stopped");
    }

    deinit(&sv);

    return rc == 0 ? 0 : 1;
}


int64_t
wr_supervisor_delay_ms(int64_t delay_ms, int64_t lived_ms)
{
    if (delay_ms == 0 || lived_ms >= WR_RESTART_RESET_MS) {
        return WR_RESTART_FIRST_MS;
    }

    return delay_ms * 2 < WR_RESTART_LAST_MS ? delay_ms * 2
                                             : WR_RESTART_LAST_MS;
}


static int
init(struct wr_supervisor *sv)
{
    char         error[ERROR_SIZE];
    const char  *path;

    sv->stats = wr_stats_new(sv->count, sv->supervised->handlers);
    sv->work = wr_work_new(sv->count,
                           (int) wr_settings_int(sv->settings, "batch"));

    if (signals_init(sv) != 0) {
        return -1;
    }

    if (wr_debug_init(&path) != 0) {
        wr_log_error(NULL, "%s", path);
        return -1;
    }

    if (geteuid() == 0) {
        wr_log_warn(NULL, "running as root, and no worker needs to");
    }

    wr_supervisor_notify_init(sv);

    path = wr_settings_text(sv->settings, "pid_file");

    if (path[0] != '\0') {
        sv->pid_file_fd = wr_pid_file_open(path, error, sizeof(error));

        if (sv->pid_file_fd == -1) {
            wr_log_error(NULL, "pid_file: %s", error);
            return -1;
        }
    }

    return http_init(sv);
}


static void
deinit(struct wr_supervisor *sv)
{
    wr_admin_stop(&sv->admin);
    wr_supervisor_notify_deinit(sv);

    if (sv->pid_file_fd != -1) {
        wr_pid_file_close(wr_settings_text(sv->settings, "pid_file"),
                          sv->pid_file_fd);
    }

    if (sv->signal_fd != -1) {
        close(sv->signal_fd);
    }

    wr_stats_free(&sv->stats);
    wr_work_free(&sv->work);
}


static int
signals_init(struct wr_supervisor *sv)
{
    sigset_t  set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);

    /* who started us may have left it ignored, and the dead would be gone */

    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);

    sv->signal_fd = signalfd(-1, &set, SFD_CLOEXEC|SFD_NONBLOCK);

    if (sv->signal_fd == -1) {
        wr_log_error(NULL, "signals cannot be read: %m");
        return -1;
    }

    return 0;
}


static int
http_init(struct wr_supervisor *sv)
{
    char         error[ERROR_SIZE];
    const char  *address;

    address = wr_settings_text(sv->settings, "http.listen");

    if (strcmp(address, "off") == 0) {
        return 0;
    }

    sv->admin = wr_admin_start(address, sv->supervised->name, sv->stats, error,
                               sizeof(error));

    if (sv->admin == NULL) {
        wr_log_error(NULL, "http.listen: %s", error);
        return -1;
    }

    wr_log_info(NULL, "serving http on %s", wr_admin_address(sv->admin));

    return 0;
}


static void
loop(struct wr_supervisor *sv)
{
    struct pollfd  fds[2];

    for ( ;; ) {

        if (sv->is_stopping && !has_lanes(sv)) {
            return;
        }

        lanes_start(sv);
        lanes_kill(sv);
        outdated_replace(sv);

        /* poll() passes over a descriptor of -1 */

        fds[0].fd = sv->signal_fd;
        fds[0].events = POLLIN;
        fds[1].fd = (sv->admin != NULL) ? wr_admin_fd(sv->admin) : -1;
        fds[1].events = POLLIN;

        if (poll(fds, 2, timeout_get(sv)) == -1 && errno != EINTR) {
            wr_log_error(NULL, "poll() failed: %m");
        }

        signals_read(sv);
        lanes_reap(sv);
        wr_supervisor_watch(sv);
        wr_supervisor_notify(sv);

        if (sv->admin != NULL) {
            wr_admin_run(sv->admin);
        }
    }
}


/* Until the next lane is to be started or killed, or somebody wants a turn. */
static int
timeout_get(const struct wr_supervisor *sv)
{
    int      i, timeout;
    int64_t  now, due;

    timeout = (sv->admin != NULL) ? wr_admin_timeout_ms(sv->admin) : -1;
    timeout = sooner(timeout, wr_supervisor_watch_timeout_ms(sv));
    timeout = sooner(timeout, wr_supervisor_notify_timeout_ms(sv));
    now = wr_clock_ms();

    for (i = 0; i < sv->count; i++) {
        due = -1;

        if (sv->lanes[i].pid == 0 && !sv->is_stopping) {
            due = sv->lanes[i].start_ms;

        } else if (sv->lanes[i].pid != 0 && sv->lanes[i].kill_ms != 0
                   && !sv->lanes[i].is_killed)
        {
            due = sv->lanes[i].kill_ms;

        } else if (sv->lanes[i].is_outdated && !sv->is_stopping) {

            /* the others are looked at until it is its turn */
            due = now + WR_RESTART_FIRST_MS;
        }

        if (due == -1) {
            continue;
        }

        timeout = sooner(timeout, due > now ? (int) (due - now) : 0);
    }

    return timeout;
}


/* of two, where -1 is for ever */
static int
sooner(int a_ms, int b_ms)
{
    if (a_ms == -1 || b_ms == -1) {
        return (a_ms == -1) ? b_ms : a_ms;
    }

    return (a_ms < b_ms) ? a_ms : b_ms;
}


static void
signals_read(struct wr_supervisor *sv)
{
    struct signalfd_siginfo  info;

    while (read(sv->signal_fd, &info, sizeof(info)) == sizeof(info)) {

        switch (info.ssi_signo) {

        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
            stop(sv, info.ssi_signo);
            break;

        case SIGHUP:
            reload(sv);
            break;

        case SIGUSR1:
            wr_supervisor_dump(sv);
            break;

        default:
            /* SIGCHLD: the dead are looked for at every turn */
            break;
        }
    }
}


static void
stop(struct wr_supervisor *sv, unsigned signo)
{
    int  i;

    if (sv->is_stopping) {
        wr_log_info(NULL, "still stopping");
        return;
    }

    wr_log_info(NULL, "stopping on SIG%s", sigabbrev_np((int) signo));
    sv->is_stopping = true;

    for (i = 0; i < sv->count; i++) {
        lane_tell(sv, i);
    }
}


/* All or nothing: with one bad value the old ones stay. */
static void
reload(struct wr_supervisor *sv)
{
    size_t               i;
    const char          *error;
    struct wr_settings  *fresh;

    if (sv->is_stopping) {
        return;
    }

    wr_supervisor_notify_reloading(sv);
    sv->reloads++;
    fresh = sv->supervised->settings_read(sv->supervised->data);

    if (wr_settings_error(fresh, 0) == NULL) {
        settings_take(sv, fresh);

    } else {
        for (i = 0; (error = wr_settings_error(fresh, i)) != NULL; i++) {
            wr_log_error(NULL, "settings refused, the old ones stay: %s",
                         error);
        }
    }

    wr_settings_free(&fresh);
}


static void
settings_take(struct wr_supervisor *sv, const struct wr_settings *fresh)
{
    size_t                     i;
    unsigned                   changed;
    struct wr_arena           *arena;
    struct wr_settings_entry  *entry;

    arena = sv->settings->arena;
    changed = 0;

    for (i = 0; i < sv->settings->count; i++) {
        entry = &sv->settings->entries[i];

        if (wr_settings_same(sv->settings, fresh, i)) {
            continue;
        }

        if (!entry->setting->is_reloadable) {
            wr_log_warn(NULL, "setting is changed only by a restart: %s",
                        entry->setting->key);
            continue;
        }

        entry->value = wr_arena_strdup(arena, fresh->entries[i].value);
        entry->secret = wr_arena_strdup(arena, fresh->entries[i].secret);
        entry->origin = wr_arena_strdup(arena, fresh->entries[i].origin);
        entry->number = fresh->entries[i].number;

        setting_apply(sv, i);
        changed++;
    }

    wr_log_info(NULL, "settings read again, changed: %u", changed);
}


/* The level is shared by all processes; of others a lane learns when it is
   started again. */
static void
setting_apply(struct wr_supervisor *sv, size_t i)
{
    int                        lane, level;
    struct wr_settings_entry  *entry;

    entry = &sv->settings->entries[i];

    if (strcmp(entry->setting->key, "log.level") == 0) {
        level = wr_log_level_of(entry->value);
        wr_log_level_set((enum wr_log_level) level);
        wr_log_info(NULL, "log.level is now %s", entry->value);
        return;
    }

    wr_log_info(NULL, "setting changed, lanes are replaced one by one: %s",
                entry->setting->key);

    for (lane = 0; lane < sv->count; lane++) {
        sv->lanes[lane].is_outdated = sv->lanes[lane].pid != 0;
    }
}


/* One at a time, and only while all the others work. */
static void
outdated_replace(struct wr_supervisor *sv)
{
    int  i, outdated;

    outdated = -1;

    for (i = 0; i < sv->count; i++) {

        if (sv->lanes[i].is_outdated && sv->lanes[i].kill_ms == 0) {
            outdated = i;

        } else if (wr_stats_lane_state(sv->stats, i) != WR_LANE_READY) {
            return;
        }
    }

    if (outdated != -1 && !sv->is_stopping) {
        lane_tell(sv, outdated);
    }
}


static void
lanes_start(struct wr_supervisor *sv)
{
    int      i;
    int64_t  now;

    now = wr_clock_ms();

    for (i = 0; i < sv->count && !sv->is_stopping; i++) {
        if (sv->lanes[i].pid == 0 && sv->lanes[i].start_ms <= now) {
            lane_start(sv, i);
        }
    }
}


static void
lane_start(struct wr_supervisor *sv, int lane)
{
    pid_t                       pid;
    struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];

    if (ln->started_ms != 0) {
        wr_stats_restarted(sv->stats);
        ln->restarts++;
    }

    ln->started_ms = wr_clock_ms();
    ln->kill_ms = 0;
    ln->is_killed = false;
    ln->is_outdated = false;
    ln->failed_at_once = false;

    wr_stats_lane_reset(sv->stats, lane, WR_LANE_STARTING);
    wr_supervisor_watch_begin(sv, lane);
    wr_work_started(sv->work, lane);
    ln->oom_kills = wr_supervisor_oom_kills();

    pid = fork();

    if (pid == 0) {
        lane_main(sv, lane);
    }

    if (pid == -1) {
        wr_stats_lane_reset(sv->stats, lane, WR_LANE_NONE);
        lane_delay(sv, lane, strerror(errno), true);
        return;
    }

    ln->pid = pid;
    wr_log_debug(NULL, "lane %d started as process %ld", lane, (long) pid);
}


/* In the lane's process.  What is below on the stack stays as it is: the
   sanitizers then see that nothing is lost. */
static void
lane_main(struct wr_supervisor *sv, int lane)
{
    char           number[16];
    sigset_t       set;
    struct wr_log  base;

    /* asked before the parent could have gone */

    prctl(PR_SET_PDEATHSIG, SIGTERM);

    if (getppid() != sv->pid) {
        _exit(0);
    }

    close_range(STDERR_FILENO + 1, ~0U, 0);

    /* the terminal sends its signals to all of us: the supervisor decides */

    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &set, NULL);

    memset(&base, 0, sizeof(base));
    snprintf(number, sizeof(number), "%d", lane);
    base.fields[0].name = "warren.lane";
    base.fields[0].value = number;
    wr_log_base(&base);

    wr_stats_attach(sv->stats, lane);
    wr_work_attach(sv->work, lane);
    wr_debug_start(lane, sv->lanes[lane].restarts);
    wr_log_errors(wr_stats_error);

    exit(sv->supervised->lane_run(sv->supervised->data, lane));
}


static void
lane_tell(struct wr_supervisor *sv, int lane)
{
    int64_t  drain_ms;

    if (sv->lanes[lane].pid == 0 || sv->lanes[lane].kill_ms != 0) {
        return;
    }

    drain_ms = wr_settings_ms(sv->settings, "drain_timeout");

    sv->lanes[lane].kill_ms = wr_clock_ms() + drain_ms + WR_DRAIN_GRACE_MS;
    kill(sv->lanes[lane].pid, SIGTERM);
}


static void
lanes_kill(struct wr_supervisor *sv)
{
    int                         i;
    int64_t                     now;
    struct wr_supervised_lane  *ln;

    now = wr_clock_ms();

    for (i = 0; i < sv->count; i++) {
        ln = &sv->lanes[i];

        if (ln->pid == 0 || ln->kill_ms == 0 || ln->kill_ms > now
            || ln->is_killed)
        {
            continue;
        }

        wr_log_error(NULL, "lane %d does not end, it is killed", i);
        ln->is_killed = true;
        kill(ln->pid, SIGKILL);
    }
}


static void
lanes_reap(struct wr_supervisor *sv)
{
    int    i, status;
    pid_t  pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (i = 0; i < sv->count; i++) {
            if (sv->lanes[i].pid == pid) {
                lane_ended(sv, i, status);
            }
        }
    }
}


static void
lane_ended(struct wr_supervisor *sv, int lane, int status)
{
    bool                        is_orderly;
    char                        how[WR_SUPERVISOR_END_SIZE];
    int64_t                     lived_ms;
    struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];
    ln->pid = 0;
    lived_ms = wr_clock_ms() - ln->started_ms;
    is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    wr_stats_lane_reset(sv->stats, lane, WR_LANE_NONE);
    how_ended(status, how);
    snprintf(ln->end, sizeof(ln->end), "%s", how);
    wr_work_ended(sv->work, lane, how, wr_supervisor_blames(sv, lane, status));

    if (ln->kill_ms != 0) {
        /* told to end, by us */

        if (is_orderly) {
            wr_log_info(NULL, "lane %d %s", lane, how);

        } else {
            wr_log_warn(NULL, "lane %d %s while it was ending", lane, how);
        }

        ln->start_ms = wr_clock_ms();
        ln->delay_ms = 0;
        return;
    }

    if (lived_ms >= WR_RESTART_RESET_MS) {
        ln->delay_ms = 0;
    }

    ln->failed_at_once = lived_ms < FAILED_AT_ONCE_MS && WIFEXITED(status)
                         && WEXITSTATUS(status) == 1;

    lane_delay(sv, lane, how, !is_orderly);
    all_failed_tell(sv);
}


static void
lane_delay(struct wr_supervisor *sv, int lane, const char *how, bool is_error)
{
    int64_t                     lived_ms;
    struct wr_supervised_lane  *ln;

    ln = &sv->lanes[lane];
    lived_ms = wr_clock_ms() - ln->started_ms;
    ln->delay_ms = wr_supervisor_delay_ms(ln->delay_ms, lived_ms);

    if (ln->delay_ms > WR_RESTART_USEFUL_MS
        && wr_work_count(sv->work, lane) != 0)
    {
        ln->delay_ms = WR_RESTART_USEFUL_MS;
    }

    ln->start_ms = wr_clock_ms() + ln->delay_ms;

    wr_log_write(is_error ? WR_LOG_ERROR : WR_LOG_WARN, NULL,
                 "lane %d %s after %" PRId64 " ms, is started again in %"
                 PRId64 " ms", lane, how, lived_ms, ln->delay_ms);
}


static void
all_failed_tell(struct wr_supervisor *sv)
{
    int  i;

    for (i = 0; i < sv->count; i++) {
        if (!sv->lanes[i].failed_at_once) {
            return;
        }
    }

    for (i = 0; i < sv->count; i++) {
        sv->lanes[i].failed_at_once = false;
    }

    wr_log_error(NULL, "no lane can work as configured, the reason is in the "
                 "lines above; trying again in %" PRId64 " ms",
                 sv->lanes[0].delay_ms);
}


static bool
has_lanes(const struct wr_supervisor *sv)
{
    int  i;

    for (i = 0; i < sv->count; i++) {
        if (sv->lanes[i].pid != 0) {
            return true;
        }
    }

    return false;
}


static void
how_ended(int status, char how_r[WR_SUPERVISOR_END_SIZE])
{
    const char  *name;

    if (WIFEXITED(status)) {
        snprintf(how_r, WR_SUPERVISOR_END_SIZE, "ended with status %d",
                 WEXITSTATUS(status));
        return;
    }

    name = sigabbrev_np(WTERMSIG(status));

    if (name != NULL) {
        snprintf(how_r, WR_SUPERVISOR_END_SIZE, "was killed by SIG%s%s", name,
                 WCOREDUMP(status) ? " (core dumped)" : "");

    } else {
        snprintf(how_r, WR_SUPERVISOR_END_SIZE, "was killed by signal %d",
                 WTERMSIG(status));
    }
}
