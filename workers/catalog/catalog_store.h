/*
 * Copyright (C) the Warren authors
 *
 * All SQL of catalog.
 */

#ifndef CATALOG_STORE_H
#define CATALOG_STORE_H


#include <stdint.h>


struct catalog_lines;
struct catalog_product;
struct wr_arena;
struct wr_page;
struct wr_rows;
struct wr_tx;


/* Columns of a product's row. */
enum catalog_store_column {
    CATALOG_STORE_ID = 0,
    CATALOG_STORE_PLACE,            /* in lists; a UUID of version 7 */
    CATALOG_STORE_NAME,
    CATALOG_STORE_CATEGORY,
    CATALOG_STORE_PRICE_CENTS,
    CATALOG_STORE_CURRENCY,
    CATALOG_STORE_AVAILABLE,
    CATALOG_STORE_DESCRIPTION,      /* not in pages, as those below */
    CATALOG_STORE_CREATED_AT,
    CATALOG_STORE_UPDATED_AT
};

/* Of catalog_store_prices(), and without the last one of
   catalog_store_prices_of(): the id first. */
enum catalog_store_price_column {
    CATALOG_STORE_OF_ID = 0,
    CATALOG_STORE_OF_NAME,
    CATALOG_STORE_OF_PRICE_CENTS,
    CATALOG_STORE_OF_CURRENCY,
    CATALOG_STORE_OF_AVAILABLE
};

/* Of catalog_store_adjust(): null before if there is no such product, null
   after if that would be out of bounds. */
enum catalog_store_stock_column {
    CATALOG_STORE_BEFORE = 0,
    CATALOG_STORE_AFTER,
    CATALOG_STORE_RESERVED
};

/* Of catalog_store_reserve(): JSON of what is short, and how many products were
   taken. */
enum catalog_store_reserved_column {
    CATALOG_STORE_STATE = 0,
    CATALOG_STORE_TAKEN,
    CATALOG_STORE_EXPIRES_AT,
    CATALOG_STORE_SHORT
};

/* Of catalog_store_release(): JSON of the products, if they are to be moved. */
enum catalog_store_release_column {
    CATALOG_STORE_RELEASED_STATE = 0,
    CATALOG_STORE_RELEASED_IDS
};

/* Of catalog_store_sell(): the state before; JSON of the products, if they are
   to be moved. */
enum catalog_store_sell_column {
    CATALOG_STORE_SOLD_STATE = 0,
    CATALOG_STORE_SOLD_REASON,
    CATALOG_STORE_SOLD_IDS
};

/* Of catalog_store_settle(): the state after, and JSON of the lines. */
enum catalog_store_settle_column {
    CATALOG_STORE_SETTLED_STATE = 0,
    CATALOG_STORE_SETTLED_REASON,
    CATALOG_STORE_SETTLED_LINES
};

/* Of catalog_store_expire(). */
enum catalog_store_expire_column {
    CATALOG_STORE_EXPIRED_ID = 0,
    CATALOG_STORE_EXPIRED_IDS
};

/* what a list is of; NULL: anything */

struct catalog_filter {
    const char  *query;
    const char  *category;
    const char  *min_price;         /* in cents, never NULL, as the other */
    const char  *max_price;
};


/* At most page->count products that were made before page->before, the newest
   first. */
struct wr_rows *catalog_store_page(struct wr_tx *tx,
    const struct catalog_filter *filter, const struct wr_page *page);

/* A product: one row, or none. */
struct wr_rows *catalog_store_by_id(struct wr_tx *tx, const char *id);

/* Those of the lines' products that there are, sorted by id in bytes. */
struct wr_rows *catalog_store_prices(struct wr_tx *tx,
    const struct catalog_lines *lines);

/* Those that there are of the ids in an array's text. */
struct wr_rows *catalog_store_prices_of(struct wr_tx *tx, const char *ids);

/* Makes or replaces a product; place and time count for a new one.  The row's
   only column says whether it is new ("t"). */
struct wr_rows *catalog_store_put(struct wr_tx *tx, struct wr_arena *arena,
    const struct catalog_product *product, const char *place,
    const char *time);

/* Changes what is available, within 0 and CATALOG_STOCK_MAX: one row. */
struct wr_rows *catalog_store_adjust(struct wr_tx *tx, struct wr_arena *arena,
    const char *id, int64_t delta);

/* Holds all lines, which are merged, or notes that it does not; no row if the
   order is known already. */
struct wr_rows *catalog_store_reserve(struct wr_tx *tx, const char *order_id,
    const struct catalog_lines *lines, const char *lifetime);

/* Decides that what the order holds goes back; notes an order that is not
   known, so that it will hold nothing.  No row if there is nothing to do. */
struct wr_rows *catalog_store_release(struct wr_tx *tx, const char *order_id,
    const char *reason);

/* Decides that what the order holds is sold; no row if it is not known. */
struct wr_rows *catalog_store_sell(struct wr_tx *tx, const char *order_id);

/* Moves the pieces as it was decided; no row if that was done. */
struct wr_rows *catalog_store_settle(struct wr_tx *tx, const char *order_id);

/* Decides that what is held for too long goes back, at most count orders;
   those that somebody else has in hand are left for later. */
struct wr_rows *catalog_store_expire(struct wr_tx *tx, const char *count);


#endif /* CATALOG_STORE_H */
