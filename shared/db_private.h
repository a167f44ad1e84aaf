/*
 * Copyright (C) the Warren authors
 *
 * What the files of the database layer share.
 */

#ifndef WARREN_DB_PRIVATE_H
#define WARREN_DB_PRIVATE_H


#include <libpq-fe.h>

#include "arena.h"
#include "db.h"
#include "log.h"


/* Prepared statements of a connection; a power of two.  A program that has
   more of them ends. */
#define DB_PREPARED_MAX  1024

#define DB_SQLSTATE_SIZE 6


enum db_entry_kind {
    DB_PREPARE = 0,
    DB_EXEC,
    DB_QUERY,
    DB_SYNC
};


/* one thing in the pipeline whose result has not come */

struct db_entry {
    enum db_entry_kind     kind;
    unsigned               prepared;    /* of DB_PREPARE: its slot */
    struct wr_db_owner    *owner;
    struct wr_rows        *rows;        /* of DB_EXEC and DB_QUERY */
};


struct db_prepared {
    const char            *sql;
    bool                   is_done;     /* or on its way */
};


struct wr_rows {
    struct wr_rows        *next;        /* of the same owner */
    struct wr_db          *db;
    uint64_t               seq;         /* place in the pipeline */
    PGresult              *result;
    int                    affected;
    bool                   is_write;
    bool                   is_done;     /* the result came, or never will */
    bool                   is_ok;
};


struct db_stub;

struct wr_db {
    const struct wr_db_config  *config;
    const struct wr_log        *log;
    struct db_stub             *stub;       /* of a test, instead of conn */
    PGconn                     *conn;       /* NULL: none */
    bool                        was_open;   /* once, at least */
    char                        error[WR_DB_ERROR_SIZE];

    /* A ring of what is in the pipeline; size is a power of two. */
    struct db_entry            *entries;
    size_t                      size;
    uint64_t                    first;      /* whose result comes next */
    uint64_t                    next;
    uint64_t                    flushed;    /* the server was asked for these */

    struct db_prepared          prepared[DB_PREPARED_MAX];
    unsigned                    nprepared;

    int64_t                     end_ms;     /* of the budget; 0: none */
    bool                        is_cancelled;
    int64_t                     idled_ms;   /* when idle() ran last */

    enum wr_db_failure          failure;
    struct wr_db_owner         *culprit;
    char                        sqlstate[DB_SQLSTATE_SIZE];
    char                        failure_text[WR_DB_ERROR_SIZE + 16];
};


/* Waits for the socket, and runs the idle function; false if the budget is
   spent and cancelling did not help. */
bool db_poll(struct wr_db *db, bool for_write);

/* Takes results in until this place of the pipeline is done. */
void db_read_until(struct wr_db *db, uint64_t seq);

/* Ends the connection for a reason; all that is queued has failed. */
void db_lost(struct wr_db *db, const char *reason);

/* Notes a failure, if it is the first one. */
void db_failed(struct wr_db *db, enum wr_db_failure failure,
    struct wr_db_owner *owner, const char *sqlstate, const char *text);

/* Keeps a statement, and makes its rows be done. */
void db_stub_answer(struct wr_db *db, struct wr_db_owner *owner,
    const char *sql, int nparams, const char *const *params,
    struct wr_rows *rows);

/* Copies the first line of a message of libpq. */
void db_first_line(char text_r[WR_DB_ERROR_SIZE], const char *message);


#endif /* WARREN_DB_PRIVATE_H */
