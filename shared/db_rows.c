/*
 * Copyright (C) the Warren authors
 *
 * What came of statements: rows and failures.
 */

#include <stdlib.h>
#include <string.h>

#include "db_private.h"
#include "tx.h"


static bool is_ready(struct wr_rows *rows);


/* Waits if it must. */

static bool
is_ready(struct wr_rows *rows)
{
    if (!rows->is_done) {
        db_read_until(rows->db, rows->seq);
    }

    return rows->is_ok;
}


int
wr_rows_count(struct wr_rows *rows)
{
    return (is_ready(rows) && rows->result != NULL) ? PQntuples(rows->result)
                                                    : 0;
}


int
wr_rows_affected(struct wr_rows *rows)
{
    return is_ready(rows) ? rows->affected : 0;
}


const char *
wr_rows_text(struct wr_rows *rows, int row, int column)
{
    if (!is_ready(rows) || rows->result == NULL || row < 0 || column < 0
        || row >= PQntuples(rows->result) || column >= PQnfields(rows->result)
        || PQgetisnull(rows->result, row, column))
    {
        return NULL;
    }

    return PQgetvalue(rows->result, row, column);
}


int64_t
wr_rows_int(struct wr_rows *rows, int row, int column)
{
    const char  *text;

    text = wr_rows_text(rows, row, column);

    return (text != NULL) ? strtoll(text, NULL, 10) : 0;
}


bool
wr_db_has_tag(const struct wr_rows *rows, const char *tag)
{
    return rows->is_ok && rows->result != NULL
           && strcmp(PQcmdStatus(rows->result), tag) == 0;
}


enum wr_db_failure
wr_db_failure(const struct wr_db *db, struct wr_db_owner **owner_r,
    const char **text_r)
{
    if (owner_r != NULL) {
        *owner_r = db->culprit;
    }

    if (text_r != NULL) {
        *text_r = db->failure_text;
    }

    return db->failure;
}


bool
wr_db_is_deadlock(const struct wr_db *db)
{
    return db->failure != WR_DB_OK && strcmp(db->sqlstate, "40P01") == 0;
}


void
wr_db_clear(struct wr_db *db)
{
    db->failure = WR_DB_OK;
    db->culprit = NULL;
    db->sqlstate[0] = '\0';
    db->failure_text[0] = '\0';
}


bool
wr_db_owner_wrote(const struct wr_db_owner *owner)
{
    const struct wr_rows  *rows;

    for (rows = owner->rows; rows != NULL; rows = rows->next) {
        if (rows->is_write && !(rows->is_done && rows->affected == 0)) {
            return true;
        }
    }

    return false;
}


void
wr_db_owner_clear(struct wr_db_owner *owner)
{
    struct wr_rows  *rows;

    for (rows = owner->rows; rows != NULL; rows = rows->next) {
        PQclear(rows->result);
        rows->result = NULL;
    }

    owner->rows = NULL;
}


/* Whole classes: connection, rollback, resources, intervention, system. */

enum wr_db_failure
wr_db_class(const char *sqlstate)
{
    static const char  *retryable[] = { "08", "40", "53", "55", "57", "58" };

    size_t  i;

    for (i = 0; i < sizeof(retryable) / sizeof(retryable[0]); i++) {
        if (strncmp(sqlstate, retryable[i], 2) == 0) {
            return WR_DB_RETRYABLE;
        }
    }

    /* idle in transaction for too long */

    return strcmp(sqlstate, "25P03") == 0 ? WR_DB_RETRYABLE : WR_DB_PERMANENT;
}
