/*
 * Copyright (C) the Warren authors
 *
 * What must be true of a database before a lane works with it.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "db_private.h"
#include "id.h"
#include "tx.h"


#define CHECK_BUDGET_MS  8000


static int check_schema(struct wr_db *db, struct wr_db_owner *owner,
    const char *schema_min);
static int check_session(struct wr_db *db, struct wr_db_owner *owner);
static bool other_session_sees(struct wr_db *db, const char *mark);


int
wr_db_check(struct wr_db *db, const char *schema_min, const char **error_r)
{
    int                 rc;
    struct wr_db_owner  owner;

    memset(&owner, 0, sizeof(owner));
    owner.arena = wr_arena_new();
    db->error[0] = '\0';
    *error_r = db->error;
    wr_db_budget(db, CHECK_BUDGET_MS);

    rc = check_session(db, &owner);

    if (rc == 1) {
        rc = check_schema(db, &owner, schema_min);
    }

    wr_db_budget(db, 0);
    wr_db_clear(db);
    wr_db_owner_clear(&owner);
    wr_arena_free(&owner.arena);

    return rc;
}


static int
check_schema(struct wr_db *db, struct wr_db_owner *owner,
    const char *schema_min)
{
    struct wr_rows  *rows;

    rows = wr_db_query(db, owner,
                       "select 1 from sqitch.changes where change = $1",
                       WR_PARAMS(schema_min));
    wr_db_sync(db);

    if (db->failure == WR_DB_PERMANENT) {
        snprintf(db->error, sizeof(db->error),
                 "cannot read the schema's version: %.200s",
                 db->failure_text);
        return 0;
    }

    if (db->failure != WR_DB_OK) {
        snprintf(db->error, sizeof(db->error), "%.200s", db->failure_text);
        return -1;
    }

    if (wr_rows_count(rows) == 0) {
        snprintf(db->error, sizeof(db->error), "the schema lacks change "
                 "\"%s\": deploy the migrations first", schema_min);
        return 0;
    }

    return 1;
}


/*
 * Prepared statements and settings belong to a session.  A pooler is known by
 * a process id that is not the server's; one that lends out sessions by the
 * transaction, by another client seeing what this one has set.
 */

static int
check_session(struct wr_db *db, struct wr_db_owner *owner)
{
    char             mark[33];
    struct wr_rows  *rows;

    wr_id_random_hex(mark, 16);
    rows = wr_db_query(db, owner,
                       "select pg_backend_pid(), "
                       "set_config('warren.mark', $1, false)",
                       WR_PARAMS(mark));
    wr_db_sync(db);

    if (db->failure != WR_DB_OK) {
        snprintf(db->error, sizeof(db->error), "%.200s", db->failure_text);
        return -1;
    }

    if (wr_rows_int(rows, 0, 0) == PQbackendPID(db->conn)
        || !other_session_sees(db, mark))
    {
        return 1;
    }

    snprintf(db->error, sizeof(db->error), "the database is behind a pooler "
             "that lends sessions by the transaction: use its session mode, "
             "or the server itself");

    return 0;
}


static bool
other_session_sees(struct wr_db *db, const char *mark)
{
    bool             is_seen;
    const char      *error, *value;
    struct wr_db    *other;
    struct wr_rows  *rows;

    struct wr_db_owner  owner;

    memset(&owner, 0, sizeof(owner));
    owner.arena = wr_arena_new();
    is_seen = false;
    other = wr_db_new(db->config, db->log);

    if (wr_db_open(other, &error) == 0) {
        wr_db_budget(other, CHECK_BUDGET_MS);
        rows = wr_db_query(other, &owner,
                           "select current_setting('warren.mark', true)",
                           WR_NO_PARAMS);
        wr_db_sync(other);
        value = wr_rows_text(rows, 0, 0);
        is_seen = (value != NULL && strcmp(value, mark) == 0);
    }

    wr_db_owner_clear(&owner);
    wr_arena_free(&owner.arena);
    wr_db_free(&other);

    return is_seen;
}
