/*
 * Copyright (C) the Warren authors
 *
 * The use cases of orders, and what an order is.
 */

#ifndef ORDERS_H
#define ORDERS_H


#include "clock.h"
#include "warren.h"


/* lines of an order */
#define ORDERS_LINES_MAX       100

/* of a line */
#define ORDERS_QUANTITY_MAX    1000
#define ORDERS_PRODUCT_ID_MAX  64

/* of a product's name, as catalog tells it, in bytes */
#define ORDERS_NAME_MAX        1000

/* of a provider's token */
#define ORDERS_PAYMENT_METHOD_MAX  255

/* of a price and of a total: the largest integer that all readers of JSON keep
   exactly */
#define ORDERS_CENTS_MAX       9007199254740991

/* without it an order is not placed */
#define ORDERS_SCOPE_WRITE     "orders:write"

/* what becomes of an order; sql/orders knows these words, too */
#define ORDERS_PLACED          "placed"


struct order_line {
    const char         *product_id;     /* letters, digits, ".", "_", "-" */
    const char         *name;           /* as the price, once catalog told */
    int64_t             quantity;
    int64_t             unit_price_cents;
    struct wr_ask      *ask;            /* what catalog knows of it */
};

struct order {
    char                id[WR_UUID_SIZE];
    char                created_at[WR_CLOCK_TEXT_SIZE];
    const char         *user_id;
    const char         *payment_method; /* never stored here, nor shown */
    const char         *asked_currency; /* the client's; NULL: any */
    const char         *currency;       /* ISO 4217: three capitals */
    int64_t             total_cents;
    size_t              count;
    struct order_line   lines[ORDERS_LINES_MAX];
};


/* create_order: asks catalog for the prices, stores the order and announces it;
   201. */
enum wr_outcome orders_create_gather(struct wr_request *req);
enum wr_outcome orders_create(struct wr_request *req);

/* get_order: the order "id"; another's is 404. */
enum wr_outcome orders_get_gather(struct wr_request *req);
void orders_get_load(struct wr_request *req);
enum wr_outcome orders_get(struct wr_request *req);

/* list_orders: a page of the person's orders, the newest first; "limit" and
   "cursor". */
enum wr_outcome orders_list_gather(struct wr_request *req);
void orders_list_load(struct wr_request *req);
enum wr_outcome orders_list(struct wr_request *req);


#endif /* ORDERS_H */
