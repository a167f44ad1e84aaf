/*
 * Copyright (C) the Warren authors
 *
 * What a handler does to its database.  Statements are queued in libpq's
 * pipeline and travel together; only asking for rows waits.
 *
 * A statement that fails breaks the batch: the runtime rolls back, finds whose
 * it was and repeats the others.  A handler need not look: what it returns
 * after a failure does not count, and rows of a failed query are empty.
 *
 * SQL texts must be constants (string literals): each is prepared once a
 * connection, under its address.  Parameters are texts, or NULL for null, and
 * are copied.
 */

#ifndef WARREN_TX_H
#define WARREN_TX_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>


struct wr_tx;
struct wr_rows;


/* WR_PARAMS(a, b): the last two arguments of the functions below */

#define WR_PARAMS(...)                                                        \
    (int) (sizeof((const char *[]) { __VA_ARGS__ }) / sizeof(char *)),        \
    (const char *[]) { __VA_ARGS__ }

#define WR_NO_PARAMS  0, NULL


/* Queues a statement whose result nobody reads.  Costs no round trip. */
void wr_tx_exec(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params);

/*
 * Adds a row to those that one statement writes for all messages of a batch:
 * where each message would insert a row or a few, that is much less work for
 * PostgreSQL. sql has an array parameter for each column, and params are this
 * row's:
 *
 *     wr_tx_add(tx,
 *               "insert into notes (id, text) "
 *               "select * from unnest($1::uuid[], $2::text[])",
 *               WR_PARAMS(note->id, note->text));
 *
 * The statements run once .apply of the whole batch has run, those that are
 * added to first before others; so no other statement sees their rows, and a
 * row that others refer to is added before them. Where one fails, the batch is
 * repeated message by message.
 */
void wr_tx_add(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params);

/*
 * Queues a statement whose rows will be read.  From .load it shares one round
 * trip with those of the whole batch; from .apply the first look at the rows
 * costs one.  Never NULL; lives as long as the message.
 */
struct wr_rows *wr_tx_query(struct wr_tx *tx, const char *sql, int nparams,
    const char *const *params);


/* The number of rows; 0 if the statement failed.  Waits for them if they have
   not come yet. */
int wr_rows_count(struct wr_rows *rows);

/* Rows that an insert, update or delete touched. */
int wr_rows_affected(struct wr_rows *rows);

/* A field's text, NULL if it is null or there is no such row. */
const char *wr_rows_text(struct wr_rows *rows, int row, int column);

/* A field as an integer, 0 if it is null or none. */
int64_t wr_rows_int(struct wr_rows *rows, int row, int column);


#endif /* WARREN_TX_H */
