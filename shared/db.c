/*
 * Copyright (C) the Warren authors
 *
 * The connection to PostgreSQL: made, waited for, ended.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "db_private.h"
#include "memory.h"
#include "stats.h"


/* If the configuration does not tell. */
#define CONNECT_TIMEOUT_MS  8000

/* A cancelled statement that has not ended by then will not. */
#define CANCEL_GRACE_MS     2000


static void ignore_notice(void *data, const char *message);
static int wait_connected(struct wr_db *db);
static int set_up(struct wr_db *db);
static void cancel(struct wr_db *db);
static void send_cancel(PGcancel *handle);


/*
 * A frozen lane holds its rows and its messages' locks: not for long.
 *
 * Plans are kept as long as the session.  One made while a table was small must
 * not read all of it when it has grown: so an index is asked for what is wanted
 * wherever there is one.  What has none is still read, and looks so dear then
 * that it would be compiled each time.
 */

static const char  session[] =
    "set enable_seqscan = off;"
    "set jit = off;"
    "set idle_in_transaction_session_timeout = '15s';"
    "set statement_timeout = '10s';"
    "set lock_timeout = '5s';"
    "set default_transaction_isolation = 'read committed';"
    "set timezone = 'UTC';"
    "set datestyle = 'ISO, YMD';"
    "set bytea_output = 'hex'";


struct wr_db *
wr_db_new(const struct wr_db_config *config, const struct wr_log *log)
{
    struct wr_db  *db;

    db = wr_memory_alloc(1, sizeof(struct wr_db));
    db->config = config;
    db->log = log;
    db->size = 64;
    db->entries = wr_memory_alloc(db->size, sizeof(struct db_entry));

    return db;
}


void
wr_db_free(struct wr_db **db)
{
    if (*db == NULL) {
        return;
    }

    wr_db_close(*db);
    free((*db)->entries);
    free(*db);
    *db = NULL;
}


int
wr_db_open(struct wr_db *db, const char **error_r)
{
    const char  *keys[9], *values[9];
    size_t       n;

    wr_db_close(db);
    n = 0;

    /* what the URL says comes first, what follows it wins */

    keys[n] = "dbname";
    values[n++] = db->config->url;
    keys[n] = "application_name";
    values[n++] = db->config->name;
    keys[n] = "client_encoding";
    values[n++] = "UTF8";
    keys[n] = "keepalives_idle";
    values[n++] = "10";
    keys[n] = "keepalives_interval";
    values[n++] = "5";
    keys[n] = "tcp_user_timeout";
    values[n++] = "20000";

    if (db->config->password[0] != '\0') {
        keys[n] = "password";
        values[n++] = db->config->password;
    }

    keys[n] = NULL;
    values[n] = NULL;
    *error_r = db->error;
    db->error[0] = '\0';

    db->conn = PQconnectStartParams(keys, values, 1);

    if (db->conn == NULL) {
        wr_memory_out(sizeof(*db));
    }

    if (wait_connected(db) != 0 || set_up(db) != 0) {
        wr_db_close(db);
        return -1;
    }

    wr_stats_add(WR_STAT_database_connects, 1);
    wr_stats_add(WR_STAT_database_reconnects, db->was_open);
    db->was_open = true;
    wr_log_info(db->log, "connected to the database \"%s\" as \"%s\"",
                PQdb(db->conn), PQuser(db->conn));

    return 0;
}


static int
wait_connected(struct wr_db *db)
{
    PostgresPollingStatusType  status;

    PQsetNoticeProcessor(db->conn, ignore_notice, db);
    wr_db_budget(db, (db->config->open_ms != 0) ? db->config->open_ms
                                                : CONNECT_TIMEOUT_MS);
    db->is_cancelled = true;
    status = PGRES_POLLING_WRITING;

    while (PQstatus(db->conn) != CONNECTION_BAD
           && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED)
    {
        if (!db_poll(db, status == PGRES_POLLING_WRITING)) {
            snprintf(db->error, sizeof(db->error),
                     "the database does not answer");
            return -1;
        }

        status = PQconnectPoll(db->conn);
    }

    if (PQstatus(db->conn) != CONNECTION_OK) {
        db_first_line(db->error, PQerrorMessage(db->conn));
        return -1;
    }

    return 0;
}


static int
set_up(struct wr_db *db)
{
    int        rc;
    PGresult  *result;

    rc = PQsetnonblocking(db->conn, 1);

    if (rc == 0 && PQsendQuery(db->conn, session) == 1) {
        for ( ;; ) {
            while (PQflush(db->conn) == 1 || PQisBusy(db->conn)) {
                if (!db_poll(db, false) || PQconsumeInput(db->conn) == 0) {
                    db_first_line(db->error, PQerrorMessage(db->conn));
                    return -1;
                }
            }

            result = PQgetResult(db->conn);

            if (result == NULL) {
                break;
            }

            if (PQresultStatus(result) != PGRES_COMMAND_OK) {
                rc = -1;
            }

            PQclear(result);
        }

    } else {
        rc = -1;
    }

    if (rc != 0 || PQenterPipelineMode(db->conn) != 1) {
        db_first_line(db->error, PQerrorMessage(db->conn));
        return -1;
    }

    wr_db_budget(db, 0);
    wr_db_clear(db);

    return 0;
}


static void
ignore_notice(void *data, const char *message)
{
    char           text[WR_DB_ERROR_SIZE];
    struct wr_db  *db;

    db = data;
    db_first_line(text, message);
    wr_log_debug(db->log, "the database says: %s", text);
}


void
wr_db_close(struct wr_db *db)
{
    if (db->conn != NULL) {
        PQfinish(db->conn);
        db->conn = NULL;
    }

    db->first = db->next;
    db->flushed = db->next;
    db->nprepared = 0;
    memset(db->prepared, 0, sizeof(db->prepared));
}


bool
wr_db_is_open(const struct wr_db *db)
{
    return db->conn != NULL;
}


int
wr_db_fd(const struct wr_db *db)
{
    return (db->conn != NULL) ? PQsocket(db->conn) : -1;
}


void
wr_db_pump(struct wr_db *db)
{
    if (db->conn != NULL && PQconsumeInput(db->conn) == 0) {
        db_lost(db, PQerrorMessage(db->conn));
    }
}


void
wr_db_budget(struct wr_db *db, int64_t ms)
{
    db->end_ms = (ms != 0) ? wr_clock_ms() + ms : 0;
    db->is_cancelled = false;
}


bool
db_poll(struct wr_db *db, bool for_write)
{
    int            ms;
    int64_t        left_ms;
    struct pollfd  pfd;

    ms = db->config->idle_ms;

    if (db->end_ms != 0) {
        left_ms = db->end_ms - wr_clock_ms();

        if (left_ms <= 0) {
            if (db->is_cancelled) {
                return false;
            }

            cancel(db);
            left_ms = CANCEL_GRACE_MS;
        }

        ms = (left_ms < ms) ? (int) left_ms : ms;
    }

    pfd.fd = PQsocket(db->conn);
    pfd.events = POLLIN | (for_write ? POLLOUT : 0);

    (void) poll(&pfd, 1, ms);

    if (db->config->idle != NULL
        && wr_clock_ms() - db->idled_ms >= db->config->idle_ms)
    {
        db->idled_ms = wr_clock_ms();
        db->config->idle(db->config->data);
    }

    return true;
}


/*
 * PQcancel() connects, and waits for the server to hang up: with a server that
 * stands still it would wait for ever, and the broker's heartbeats with it.
 */

static void
cancel(struct wr_db *db)
{
    pid_t      pid;
    PGcancel  *handle;

    wr_log_warn(db->log, "the batch's time is spent: cancelling");
    db->is_cancelled = true;
    db->end_ms = wr_clock_ms() + CANCEL_GRACE_MS;
    handle = PQgetCancel(db->conn);
    pid = (handle != NULL) ? fork() : -1;

    if (pid == 0) {

        /* a child's child is nobody's to wait for */

        if (fork() == 0) {
            send_cancel(handle);
        }

        _exit(0);
    }

    if (pid == -1 || waitpid(pid, NULL, 0) != pid) {
        wr_log_warn(db->log, "cannot cancel: %m");
    }

    PQfreeCancel(handle);
}


/* In a process of its own, which ends by itself. */

static void
send_cancel(PGcancel *handle)
{
    char      text[256];
    sigset_t  set;

    /* a connection ends when the last process that has it open does */

    close_range(STDERR_FILENO + 1, ~0U, 0);

    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    alarm(CANCEL_GRACE_MS / 1000);

    (void) PQcancel(handle, text, sizeof(text));
}


void
db_lost(struct wr_db *db, const char *reason)
{
    char  text[WR_DB_ERROR_SIZE];

    db_first_line(text, reason);
    wr_log_warn(db->log, "database lost: %s", text);
    db_failed(db, WR_DB_LOST, NULL, "08006", text);

    /* a statement's failure that came before does not count any more */

    db->failure = WR_DB_LOST;
    db->culprit = NULL;

    for ( ; db->first != db->next; db->first++) {
        struct db_entry  *entry = &db->entries[db->first & (db->size - 1)];

        if (entry->rows != NULL) {
            entry->rows->is_done = true;
        }
    }

    wr_db_close(db);
}


void
db_first_line(char text_r[WR_DB_ERROR_SIZE], const char *message)
{
    size_t  len;

    len = strcspn(message, "\n");
    snprintf(text_r, WR_DB_ERROR_SIZE, "%.*s", (int) len, message);
}
