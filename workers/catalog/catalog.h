/*
 * Copyright (C) the Warren authors
 *
 * The use cases of catalog, and what a product and a reservation are.
 */

#ifndef CATALOG_H
#define CATALOG_H


#include "clock.h"
#include "warren.h"


#define CATALOG_NAME             "catalog"

/* of products; letters, digits, ".", "_", "-" */
#define CATALOG_ID_MAX           64

#define CATALOG_NAME_MAX         200
#define CATALOG_DESCRIPTION_MAX  4000

/* small letters, digits, "-" */
#define CATALOG_CATEGORY_MAX     64

/* of a search, in bytes */
#define CATALOG_QUERY_MAX        200

/* of a price: the largest integer that all readers of JSON keep exactly */
#define CATALOG_CENTS_MAX        9007199254740991

/* lines of an order, and items whose prices are asked for */
#define CATALOG_LINES_MAX        100

/* products whose prices other services ask for at once: of a batch of orders */
#define CATALOG_KEYS_MAX         100000

/* of a line */
#define CATALOG_QUANTITY_MAX     1000000

/* of a product, and of one change */
#define CATALOG_STOCK_MAX        1000000000

/* without it products and their stock are not changed */
#define CATALOG_SCOPE_WRITE      "catalog:write"

/* the service's own commands, and its setting */
#define CATALOG_SETTLE           "settle_reservation"
#define CATALOG_EXPIRE           "expire_reservations"
#define CATALOG_LIFETIME         "reservation.lifetime"


struct catalog_product {
    const char         *id;
    const char         *name;
    const char         *description;
    const char         *category;
    int64_t             price_cents;
    const char         *currency;       /* ISO 4217: three capitals */
};

/* what every lane has: wr_request_state() */

struct catalog_state {
    const char         *lifetime;       /* an interval of PostgreSQL's */
};

/* whose rows handlers lock; main.c has them */

struct catalog_tables {
    const struct wr_key_table  *products;
    const struct wr_key_table  *reservations;
    const struct wr_key_table  *stock;
};

extern const struct catalog_tables  catalog_tables;


/* Reads the settings.  Returns -1 with the reason if the lifetime is out of
   bounds. */
int catalog_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);

/* list_products: a page, the newest first; "q", "category", "min_price",
   "max_price", "limit" and "cursor". */
enum wr_outcome catalog_list_gather(struct wr_request *req);
void catalog_list_load(struct wr_request *req);
enum wr_outcome catalog_list(struct wr_request *req);

/* get_product: the product "id". */
enum wr_outcome catalog_get_gather(struct wr_request *req);
void catalog_get_load(struct wr_request *req);
enum wr_outcome catalog_get(struct wr_request *req);

/* price_items: what products cost, and whether there are as many; each unknown
   one is an error of its own.  Or what those cost whose ids are the "keys". */
enum wr_outcome catalog_price_gather(struct wr_request *req);
void catalog_price_load(struct wr_request *req);
enum wr_outcome catalog_price(struct wr_request *req);

/* put_product: makes the product "id", 201, or replaces it, 200; its stock is
   left as it is. */
enum wr_outcome catalog_put_gather(struct wr_request *req);
void catalog_put_keys(struct wr_request *req);
enum wr_outcome catalog_put(struct wr_request *req);

/* adjust_stock: adds "delta" to what is available of the product "id"; 409
   below zero. */
enum wr_outcome catalog_adjust_gather(struct wr_request *req);
void catalog_adjust_keys(struct wr_request *req);
enum wr_outcome catalog_adjust(struct wr_request *req);

/* order.placed: holds all lines of the order, or none; stock.reserved or
   stock.rejected. */
enum wr_outcome catalog_reserve_gather(struct wr_request *req);
void catalog_reserve_keys(struct wr_request *req);
enum wr_outcome catalog_reserve(struct wr_request *req);

/* The order that an event is about, decided and left to CATALOG_SETTLE: the
   event does not say whose rows must be locked.  One that was not placed yet
   will not hold anything, or is waited for. */
enum wr_outcome catalog_order_gather(struct wr_request *req);
void catalog_order_keys(struct wr_request *req);
enum wr_outcome catalog_on_order_cancelled(struct wr_request *req);
enum wr_outcome catalog_on_payment_declined(struct wr_request *req);
enum wr_outcome catalog_on_order_confirmed(struct wr_request *req);

/* CATALOG_SETTLE: moves the pieces of a reservation that is decided: back,
   which stock.released tells, or away. */
enum wr_outcome catalog_settle_gather(struct wr_request *req);
void catalog_settle_keys(struct wr_request *req);
enum wr_outcome catalog_settle(struct wr_request *req);

/* Tells the service itself to do so: product_ids is a JSON array of what the
   order holds. */
void catalog_settle_send(struct wr_request *req, const char *order_id,
    const char *product_ids);

/* CATALOG_EXPIRE: decides that what was held for too long is released. */
enum wr_outcome catalog_expire(struct wr_request *req);


#endif /* CATALOG_H */
