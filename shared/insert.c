/*
 * Copyright (C) the Warren authors
 *
 * Rows that the messages of a batch write together.
 */

#include "arena.h"
#include "db.h"
#include "insert.h"
#include "pg_array.h"
#include "request_private.h"
#include "tx.h"


/* One statement: a column is an array. */

struct insert {
    struct insert       *next;
    const char          *sql;
    int                  nparams;
    struct wr_pg_array  *columns;
};


static void add(struct insert **list, struct wr_arena *arena,
    const struct wr_tx_row *row);
static struct insert *new_insert(struct wr_arena *arena,
    const struct wr_tx_row *row);


void
wr_tx_add(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params)
{
    int                i;
    struct wr_arena   *arena;
    struct wr_tx_row  *row;

    arena = tx->owner->arena;
    row = wr_arena_alloc(arena, sizeof(struct wr_tx_row));
    row->sql = sql;
    row->nparams = nparams;
    row->params = wr_arena_alloc(arena, (size_t) nparams * sizeof(char *));

    for (i = 0; i < nparams; i++) {
        row->params[i] = wr_arena_strdup(arena, params[i]);
    }

    if (tx->last != NULL) {
        tx->last->next = row;

    } else {
        tx->first = row;
    }

    tx->last = row;
}


void
wr_insert_store(struct wr_db *db, struct wr_db_owner *owner,
    struct wr_request **reqs, size_t n)
{
    int                       j;
    size_t                    i;
    const char              **params;
    struct insert            *list, *insert;
    const struct wr_tx_row   *row;

    list = NULL;

    for (i = 0; i < n; i++) {
        if (reqs[i]->outcome != WR_DONE) {
            continue;
        }

        for (row = reqs[i]->tx.first; row != NULL; row = row->next) {
            add(&list, owner->arena, row);
        }
    }

    for (insert = list; insert != NULL; insert = insert->next) {
        params = wr_arena_alloc(owner->arena,
                                (size_t) insert->nparams * sizeof(char *));

        for (j = 0; j < insert->nparams; j++) {
            params[j] = wr_pg_array_text(&insert->columns[j]);
        }

        wr_db_exec(db, owner, insert->sql, insert->nparams, params);
    }
}


/* A text is a constant: the same one has the same address. */

static void
add(struct insert **list, struct wr_arena *arena,
    const struct wr_tx_row *row)
{
    int              i;
    struct insert  **place;

    for (place = list;
         *place != NULL && ((*place)->sql != row->sql
                            || (*place)->nparams != row->nparams);
         place = &(*place)->next)
    {
        /* void */
    }

    if (*place == NULL) {
        *place = new_insert(arena, row);
    }

    for (i = 0; i < row->nparams; i++) {
        wr_pg_array_add(&(*place)->columns[i], row->params[i]);
    }
}


static struct insert *
new_insert(struct wr_arena *arena, const struct wr_tx_row *row)
{
    int             i;
    size_t          count;
    struct insert  *insert;

    count = (size_t) row->nparams;
    insert = wr_arena_alloc(arena, sizeof(struct insert));
    insert->sql = row->sql;
    insert->nparams = row->nparams;
    insert->columns = wr_arena_alloc(arena,
                                     count * sizeof(struct wr_pg_array));

    for (i = 0; i < row->nparams; i++) {
        insert->columns[i].arena = arena;
    }

    return insert;
}
