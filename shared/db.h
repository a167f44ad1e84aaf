/*
 * Copyright (C) the Warren authors
 *
 * A lane's connection to PostgreSQL: statements are queued in libpq's pipeline
 * and waited for together.
 *
 * Each statement has an owner, so that a failure names whose it was.  While
 * the database is waited for, an idle function runs now and then: it keeps the
 * heartbeats of the broker's connections.
 */

#ifndef WARREN_DB_H
#define WARREN_DB_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_arena;
struct wr_db;
struct wr_log;
struct wr_rows;


/* Who queues statements.  Zeroed memory with an arena is an owner. */

struct wr_db_owner {
    struct wr_arena       *arena;       /* rows live there */
    struct wr_rows        *rows;        /* the layer's */
};


/* The text of a failure, for one log line. */
#define WR_DB_ERROR_SIZE  256

enum wr_db_failure {
    WR_DB_OK = 0,
    WR_DB_RETRYABLE,        /* deadlock, timeout, shortage: later may work */
    WR_DB_PERMANENT,        /* will fail again: constraint, syntax, right */
    WR_DB_LOST              /* the connection is gone */
};


struct wr_db_config {
    const char            *url;
    const char            *password;    /* "": the URL's or ~/.pgpass */
    const char            *name;        /* application_name */
    int                    idle_ms;     /* idle() runs this often */
    int64_t                open_ms;     /* to connect; 0: eight seconds */
    void                 (*idle)(void *data);
    void                  *data;
};


/* config and log are kept. */
struct wr_db *wr_db_new(const struct wr_db_config *config,
    const struct wr_log *log);
void wr_db_free(struct wr_db **db);

/*
 * Connects; waits some seconds at most.  Returns 0, or -1 with the reason in
 * one line, which lives until the next call.
 */
int wr_db_open(struct wr_db *db, const char **error_r);
void wr_db_close(struct wr_db *db);
bool wr_db_is_open(const struct wr_db *db);

/*
 * Whether the schema has a sqitch change, and the connection is one that a
 * session can be held on.  Returns 1 if all is well, 0 with the reason if the
 * worker must not run like this, -1 if it cannot be told now.
 */
int wr_db_check(struct wr_db *db, const char *schema_min,
    const char **error_r);

/* The socket, to poll for reading while nothing is queued; -1: none. */
int wr_db_fd(const struct wr_db *db);

/* Takes in what arrived unasked for: notices, or the end. */
void wr_db_pump(struct wr_db *db);

/* What is queued from now on must be done within this time; then the server is
   told to cancel, and if that does not help the connection is closed. */
void wr_db_budget(struct wr_db *db, int64_t ms);

/*
 * Queues a statement.  sql must be a constant: it is prepared under its
 * address.  Parameters are texts or NULL, and are copied.  query keeps the
 * rows for wr_rows_*(), exec does not.  Rows are never NULL.
 */
void wr_db_exec(struct wr_db *db, struct wr_db_owner *owner, const char *sql,
    int nparams, const char *const *params);
struct wr_rows *wr_db_query(struct wr_db *db, struct wr_db_owner *owner,
    const char *sql, int nparams, const char *const *params);

/* Waits until all that was queued is done. */
void wr_db_wait(struct wr_db *db);

/* Ends a series of statements and waits for it.  Afterwards the next series
   may begin, also if this one failed. */
void wr_db_sync(struct wr_db *db);

/*
 * The first failure since the last wr_db_clear(): whose it was (NULL: nobody's)
 * and its text.
 */
enum wr_db_failure wr_db_failure(const struct wr_db *db,
    struct wr_db_owner **owner_r, const char **text_r);
bool wr_db_is_deadlock(const struct wr_db *db);
void wr_db_clear(struct wr_db *db);

/* Whether the statement was done, and its command tag is this one. */
bool wr_db_has_tag(const struct wr_rows *rows, const char *tag);

/* Whether the owner queued anything but reads, so far as is known: writes that
   touched nothing do not count. */
bool wr_db_owner_wrote(const struct wr_db_owner *owner);

/* Frees the results of an owner's statements; nothing may be queued. */
void wr_db_owner_clear(struct wr_db_owner *owner);

/* The class of an SQLSTATE (five characters). */
enum wr_db_failure wr_db_class(const char *sqlstate);


#endif /* WARREN_DB_H */
