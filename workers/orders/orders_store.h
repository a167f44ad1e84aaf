/*
 * Copyright (C) the Warren authors
 *
 * All SQL of orders.
 */

#ifndef ORDERS_STORE_H
#define ORDERS_STORE_H


struct order;
struct orders_fact;
struct wr_arena;
struct wr_page;
struct wr_rows;
struct wr_tx;


/* Columns of an order's row. */
enum orders_store_column {
    ORDERS_STORE_ID = 0,
    ORDERS_STORE_STATUS,
    ORDERS_STORE_TOTAL_CENTS,
    ORDERS_STORE_CURRENCY,
    ORDERS_STORE_CREATED_AT,
    ORDERS_STORE_USER_ID,       /* not in pages, as those below */
    ORDERS_STORE_REASON,        /* null unless it was cancelled */
    ORDERS_STORE_LINES          /* a JSON array */
};


/* Of an entry of an order's history. */
enum orders_store_entry_column {
    ORDERS_STORE_ENTRY_VERSION = 0,
    ORDERS_STORE_ENTRY_AT,
    ORDERS_STORE_ENTRY_WHAT,
    ORDERS_STORE_ENTRY_DETAIL       /* a JSON object */
};

/* Of orders_store_take(): the status before, and the new one with its reason,
   which are null if there is none. */
enum orders_store_taken_column {
    ORDERS_STORE_TAKEN_BEFORE = 0,
    ORDERS_STORE_TAKEN_AFTER,
    ORDERS_STORE_TAKEN_REASON,
    ORDERS_STORE_TAKEN_USER_ID,
    ORDERS_STORE_TAKEN_TOTAL_CENTS,
    ORDERS_STORE_TAKEN_CURRENCY
};

/* Of orders_store_expire(). */
enum orders_store_expired_column {
    ORDERS_STORE_EXPIRED_ID = 0,
    ORDERS_STORE_EXPIRED_USER_ID,
    ORDERS_STORE_EXPIRED_TOTAL_CENTS,
    ORDERS_STORE_EXPIRED_CURRENCY,
    ORDERS_STORE_EXPIRED_REASON
};

/* Which status follows which: arrays of PostgreSQL's, whose n-th elements
   belong together. */

struct orders_steps {
    const char  *from;
    const char  *to;
    const char  *reasons;           /* of what is cancelled, else null */
};


/* Stores an order and its lines; timeout is an interval, how long it may wait
   for its reservation. */
void orders_store_insert(struct wr_tx *tx, struct wr_arena *arena,
    const struct order *order, const char *timeout);

/* A person's order with its lines: one row, or none.  Ids are UUIDs. */
struct wr_rows *orders_store_by_id(struct wr_tx *tx, const char *id,
    const char *user_id);

/* At most page->count orders of a person, of this status or (NULL) of any, that
   are older than page->before, the newest first. */
struct wr_rows *orders_store_page(struct wr_tx *tx, const char *user_id,
    const char *status, const struct wr_page *page);

/* What happened to a person's order, in turn; no row if there is none. */
struct wr_rows *orders_store_history(struct wr_tx *tx, const char *id,
    const char *user_id);

/* The status of a person's order: one row of one column, or none. */
struct wr_rows *orders_store_status(struct wr_tx *tx, const char *id,
    const char *user_id);

/* Notes the fact unless it was told before, and takes the step that there is
   for the order's status; one that is reserved then may wait for its payment
   for this interval.  One row, or none if there is no such order.  Its row must
   be locked. */
struct wr_rows *orders_store_take(struct wr_tx *tx,
    const struct orders_fact *fact, const struct orders_steps *steps,
    const char *payment_timeout);

/* Cancels what waits for too long, at most count orders; those that somebody
   else has in hand are left for later. */
struct wr_rows *orders_store_expire(struct wr_tx *tx, const char *count);


#endif /* ORDERS_STORE_H */
