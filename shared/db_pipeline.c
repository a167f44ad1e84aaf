/*
 * Copyright (C) the Warren authors
 *
 * The pipeline: statements go in, results come out in the same order.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "db_private.h"
#include "debug.h"
#include "memory.h"


static struct wr_rows *send_statement(struct wr_db *db,
    struct wr_db_owner *owner, enum db_entry_kind kind, const char *sql,
    int nparams, const char *const *params);
static bool prepare(struct wr_db *db, struct wr_db_owner *owner,
    const char *sql, char name_r[16]);
static struct db_entry *push(struct wr_db *db, enum db_entry_kind kind);
static bool is_write(const char *sql);
static void ask_for(struct wr_db *db);
static PGresult *next_result(struct wr_db *db);
static void take(struct wr_db *db, struct db_entry *entry, PGresult *result);
static void take_error(struct wr_db *db, struct db_entry *entry,
    PGresult *result);


void
wr_db_exec(struct wr_db *db, struct wr_db_owner *owner, const char *sql,
    int nparams, const char *const *params)
{
    (void) send_statement(db, owner, DB_EXEC, sql, nparams, params);
}


struct wr_rows *
wr_db_query(struct wr_db *db, struct wr_db_owner *owner, const char *sql,
    int nparams, const char *const *params)
{
    return send_statement(db, owner, DB_QUERY, sql, nparams, params);
}


static struct wr_rows *
send_statement(struct wr_db *db, struct wr_db_owner *owner,
    enum db_entry_kind kind, const char *sql, int nparams,
    const char *const *params)
{
    char              name[16];
    struct wr_rows   *rows;
    struct db_entry  *entry;

    rows = wr_arena_alloc(owner->arena, sizeof(struct wr_rows));
    rows->db = db;
    rows->is_write = is_write(sql);
    rows->next = owner->rows;
    owner->rows = rows;

    if (db->stub != NULL) {
        db_stub_answer(db, owner, sql, nparams, params, rows);
        return rows;
    }

    if (db->conn == NULL) {
        db_failed(db, WR_DB_LOST, NULL, "08003", "no connection");
        rows->is_done = true;
        return rows;
    }

    if (!prepare(db, owner, sql, name)
        || PQsendQueryPrepared(db->conn, name, nparams, params, NULL, NULL, 0)
           != 1)
    {
        rows->is_done = true;
        db_lost(db, PQerrorMessage(db->conn));
        return rows;
    }

    rows->seq = db->next;
    entry = push(db, kind);
    entry->owner = owner;
    entry->rows = rows;

    return rows;
}


/* The table is keyed by the text's address: texts are constants. */

static bool
prepare(struct wr_db *db, struct wr_db_owner *owner, const char *sql,
    char name_r[16])
{
    unsigned          i;
    struct db_entry  *entry;

    i = (unsigned) (((uintptr_t) sql * 0x9E3779B97F4A7C15u) >> 40)
        % DB_PREPARED_MAX;

    while (db->prepared[i].sql != NULL && db->prepared[i].sql != sql) {
        i = (i + 1) % DB_PREPARED_MAX;
    }

    snprintf(name_r, 16, "s%u", i);

    if (db->prepared[i].sql == NULL) {
        if (++db->nprepared == DB_PREPARED_MAX) {
            wr_log_error(db->log, "more than %d statements prepared: texts "
                         "of SQL must be constants", DB_PREPARED_MAX - 1);
            abort();
        }

        db->prepared[i].sql = sql;
    }

    if (db->prepared[i].is_done) {
        return true;
    }

    if (PQsendPrepare(db->conn, name_r, sql, 0, NULL) != 1) {
        return false;
    }

    db->prepared[i].is_done = true;
    entry = push(db, DB_PREPARE);
    entry->prepared = i;
    entry->owner = owner;

    return true;
}


static struct db_entry *
push(struct wr_db *db, enum db_entry_kind kind)
{
    size_t            i;
    struct db_entry  *entry, *entries;

    if (db->next - db->first == db->size) {
        entries = wr_memory_alloc(db->size * 2, sizeof(struct db_entry));

        for (i = db->first; i != db->next; i++) {
            entries[i & (db->size * 2 - 1)] = db->entries[i & (db->size - 1)];
        }

        free(db->entries);
        db->entries = entries;
        db->size *= 2;
    }

    entry = &db->entries[db->next++ & (db->size - 1)];
    memset(entry, 0, sizeof(*entry));
    entry->kind = kind;

    return entry;
}


static bool
is_write(const char *sql)
{
    while (isspace((unsigned char) *sql)) {
        sql++;
    }

    return strncasecmp(sql, "select", 6) != 0;
}


void
wr_db_wait(struct wr_db *db)
{
    if (db->conn != NULL && db->first != db->next) {
        db_read_until(db, db->next - 1);
    }
}


void
wr_db_sync(struct wr_db *db)
{
    if (db->conn == NULL) {
        return;
    }

    if (PQpipelineSync(db->conn) != 1) {
        db_lost(db, PQerrorMessage(db->conn));
        return;
    }

    wr_debug_step(WR_DEBUG_after_send);
    push(db, DB_SYNC);
    db->flushed = db->next;
    db_read_until(db, db->next - 1);
}


void
db_read_until(struct wr_db *db, uint64_t seq)
{
    PGresult         *result;
    struct db_entry   entry;

    ask_for(db);

    while (db->conn != NULL && db->first <= seq) {
        result = next_result(db);

        if (db->conn == NULL) {
            PQclear(result);
            return;
        }

        entry = db->entries[db->first & (db->size - 1)];

        if (result == NULL
            || (entry.kind == DB_SYNC)
               != (PQresultStatus(result) == PGRES_PIPELINE_SYNC))
        {
            PQclear(result);
            db_lost(db, "results are out of step");
            return;
        }

        db->first++;
        take(db, &entry, result);

        if (entry.kind == DB_SYNC) {
            continue;
        }

        /* each statement's results end with none */

        result = next_result(db);

        if (result != NULL) {
            PQclear(result);
            db_lost(db, "a statement gave two results");
            return;
        }
    }
}


/* The server keeps results to itself until it is asked for them. */

static void
ask_for(struct wr_db *db)
{
    if (db->conn == NULL || db->flushed == db->next) {
        return;
    }

    if (PQsendFlushRequest(db->conn) != 1) {
        db_lost(db, PQerrorMessage(db->conn));
        return;
    }

    db->flushed = db->next;
}


/* NULL at the end of a statement, or with the connection closed */

static PGresult *
next_result(struct wr_db *db)
{
    int        rc;
    PGresult  *result;

    if (db->conn == NULL) {
        return NULL;
    }

    for ( ;; ) {
        rc = PQflush(db->conn);

        if (rc == -1) {
            break;
        }

        if (!PQisBusy(db->conn)) {
            result = PQgetResult(db->conn);

            if (PQstatus(db->conn) == CONNECTION_BAD) {
                PQclear(result);
                break;
            }

            return result;
        }

        if (!db_poll(db, rc == 1)) {
            db_lost(db, "no answer in time");
            return NULL;
        }

        if (PQconsumeInput(db->conn) == 0) {
            break;
        }
    }

    db_lost(db, PQerrorMessage(db->conn));

    return NULL;
}


static void
take(struct wr_db *db, struct db_entry *entry, PGresult *result)
{
    ExecStatusType   status;
    struct wr_rows  *rows;

    status = PQresultStatus(result);
    rows = entry->rows;

    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK
        && status != PGRES_PIPELINE_SYNC)
    {
        take_error(db, entry, result);
        PQclear(result);
        return;
    }

    if (rows == NULL) {
        PQclear(result);
        return;
    }

    rows->is_done = true;
    rows->is_ok = true;
    rows->affected = atoi(PQcmdTuples(result));

    if (entry->kind == DB_QUERY) {
        rows->result = result;

    } else {
        PQclear(result);
    }
}


static void
take_error(struct wr_db *db, struct db_entry *entry, PGresult *result)
{
    const char  *sqlstate, *message;

    if (entry->kind == DB_PREPARE) {
        db->prepared[entry->prepared].is_done = false;
    }

    if (entry->rows != NULL) {
        entry->rows->is_done = true;
    }

    if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED) {
        return;
    }

    sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    sqlstate = (sqlstate != NULL) ? sqlstate : "XX000";
    db_failed(db, wr_db_class(sqlstate), entry->owner, sqlstate,
              (message != NULL) ? message : PQresultErrorMessage(result));
}


void
db_failed(struct wr_db *db, enum wr_db_failure failure,
    struct wr_db_owner *owner, const char *sqlstate, const char *text)
{
    char  line[WR_DB_ERROR_SIZE];

    if (db->failure != WR_DB_OK) {
        return;
    }

    db->failure = failure;
    db->culprit = owner;
    snprintf(db->sqlstate, sizeof(db->sqlstate), "%s", sqlstate);
    db_first_line(line, text);
    snprintf(db->failure_text, sizeof(db->failure_text), "%s (%s)", line,
             db->sqlstate);
}
