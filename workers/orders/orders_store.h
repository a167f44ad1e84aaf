/*
 * Copyright (C) the Warren authors
 *
 * All SQL of orders.
 */

#ifndef ORDERS_STORE_H
#define ORDERS_STORE_H


struct order;
struct wr_arena;
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


/* Stores an order and its lines. */
void orders_store_insert(struct wr_tx *tx, struct wr_arena *arena,
    const struct order *order);

/* A person's order with its lines: one row, or none.  Ids are UUIDs. */
struct wr_rows *orders_store_by_id(struct wr_tx *tx, const char *id,
    const char *user_id);

/* At most count orders of a person that are older than the one before, the
   newest first. */
struct wr_rows *orders_store_page(struct wr_tx *tx, const char *user_id,
    const char *before, const char *count);


#endif /* ORDERS_STORE_H */
