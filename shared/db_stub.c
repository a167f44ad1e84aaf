/*
 * Copyright (C) the Warren authors
 *
 * A connection that is none: statements are kept and answered as a test said
 * beforehand.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_private.h"
#include "db_stub.h"
#include "memory.h"


/* what a statement will give */

struct word {
    struct word         *next;
    const char          *sql;
    const char          *sqlstate;      /* NULL: it does not fail */
    int                  nrows;
    int                  ncolumns;
    const char         **values;
};


/* a statement that came */

struct statement {
    struct statement    *next;          /* the one before it */
    const char          *sql;
    int                  nparams;
    const char         **params;
};


struct db_stub {
    struct wr_arena     *arena;
    struct word         *words;
    struct word        **last_word;
    struct statement    *statements;    /* the last one first */
};


static struct word *add(struct wr_db *db, const char *sql);
static const char **copy(struct wr_arena *arena, const char *const *values,
    int count);
static struct word *take(struct db_stub *stub, const char *sql);
static PGresult *make_result(const struct word *word);
static const struct statement *find(const struct wr_db *db, const char *sql);


void
wr_db_stub(struct wr_db *db, struct wr_arena *arena)
{
    struct db_stub  *stub;

    stub = wr_arena_alloc(arena, sizeof(struct db_stub));
    stub->arena = arena;
    stub->last_word = &stub->words;
    db->stub = stub;
}


void
wr_db_stub_rows(struct wr_db *db, const char *sql, int nrows, int ncolumns,
    const char *const *values)
{
    struct word  *word;

    word = add(db, sql);
    word->nrows = nrows;
    word->ncolumns = ncolumns;
    word->values = copy(db->stub->arena, values, nrows * ncolumns);
}


void
wr_db_stub_break(struct wr_db *db, const char *sql, const char *sqlstate)
{
    add(db, sql)->sqlstate = wr_arena_strdup(db->stub->arena, sqlstate);
}


static struct word *
add(struct wr_db *db, const char *sql)
{
    struct word     *word;
    struct db_stub  *stub;

    stub = db->stub;
    word = wr_arena_alloc(stub->arena, sizeof(struct word));
    word->sql = wr_arena_strdup(stub->arena, sql);
    *stub->last_word = word;
    stub->last_word = &word->next;

    return word;
}


static const char **
copy(struct wr_arena *arena, const char *const *values, int count)
{
    int           i;
    const char  **copied;

    copied = wr_arena_alloc(arena, ((size_t) count + 1) * sizeof(char *));

    for (i = 0; i < count; i++) {
        copied[i] = wr_arena_strdup(arena, values[i]);
    }

    return copied;
}


void
db_stub_answer(struct wr_db *db, struct wr_db_owner *owner, const char *sql,
    int nparams, const char *const *params, struct wr_rows *rows)
{
    char               text[WR_DB_ERROR_SIZE];
    struct word       *word;
    struct statement  *statement;

    statement = wr_arena_alloc(db->stub->arena, sizeof(struct statement));
    statement->sql = sql;
    statement->nparams = nparams;
    statement->params = copy(db->stub->arena, params, nparams);
    statement->next = db->stub->statements;
    db->stub->statements = statement;

    rows->is_done = true;

    /* as in a pipeline: after a failure nothing is done */

    if (db->failure != WR_DB_OK) {
        return;
    }

    word = take(db->stub, sql);

    if (word != NULL && word->sqlstate != NULL) {
        snprintf(text, sizeof(text), "a test broke \"%.100s\"", word->sql);
        db_failed(db, wr_db_class(word->sqlstate), owner, word->sqlstate,
                  text);
        return;
    }

    rows->is_ok = true;
    rows->affected = (word != NULL) ? word->nrows : 0;

    if (word != NULL && word->ncolumns != 0) {
        rows->result = make_result(word);
    }
}


/* Each word holds once. */

static struct word *
take(struct db_stub *stub, const char *sql)
{
    struct word  *word, **place;

    for (place = &stub->words; *place != NULL; place = &(*place)->next) {
        word = *place;

        if (strstr(sql, word->sql) == NULL) {
            continue;
        }

        *place = word->next;

        if (stub->last_word == &word->next) {
            stub->last_word = place;
        }

        return word;
    }

    return NULL;
}


static PGresult *
make_result(const struct word *word)
{
    int            row, column, ok;
    char          *value;
    PGresult      *result;
    PGresAttDesc  *columns;

    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    if (result == NULL) {
        wr_memory_out(sizeof(*word));
    }

    columns = wr_memory_alloc((size_t) word->ncolumns, sizeof(PGresAttDesc));

    for (column = 0; column < word->ncolumns; column++) {
        columns[column].name = (char *) "column";
        columns[column].typlen = -1;
        columns[column].atttypmod = -1;
    }

    ok = PQsetResultAttrs(result, word->ncolumns, columns);

    for (row = 0; row < word->nrows; row++) {
        for (column = 0; column < word->ncolumns; column++) {
            value = (char *) word->values[row * word->ncolumns + column];
            ok &= PQsetvalue(result, row, column, value,
                             value != NULL ? (int) strlen(value) : -1);
        }
    }

    free(columns);

    if (!ok) {
        wr_memory_out(sizeof(*word));
    }

    return result;
}


size_t
wr_db_stub_count(const struct wr_db *db, const char *sql)
{
    size_t                   count;
    const struct statement  *statement;

    count = 0;

    for (statement = db->stub->statements; statement != NULL;
         statement = statement->next)
    {
        count += (strstr(statement->sql, sql) != NULL);
    }

    return count;
}


const char *
wr_db_stub_param(const struct wr_db *db, const char *sql, int number)
{
    const struct statement  *statement;

    statement = find(db, sql);

    return (statement != NULL && number >= 1 && number <= statement->nparams)
           ? statement->params[number - 1] : NULL;
}


static const struct statement *
find(const struct wr_db *db, const char *sql)
{
    const struct statement  *statement;

    for (statement = db->stub->statements; statement != NULL;
         statement = statement->next)
    {
        if (strstr(statement->sql, sql) != NULL) {
            break;
        }
    }

    return statement;
}
