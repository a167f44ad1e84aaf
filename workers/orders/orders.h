/*
 * Copyright (C) the Warren authors
 *
 * The use cases of orders, and what an order is.
 */

#ifndef ORDERS_H
#define ORDERS_H


#include "clock.h"
#include "warren.h"


#define ORDERS_NAME            "orders"

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

/* without it an order is neither placed nor cancelled */
#define ORDERS_SCOPE_WRITE     "orders:write"

/* the service's own command, and its settings */
#define ORDERS_EXPIRE          "expire_orders"
#define ORDERS_RESERVATION_TIMEOUT  "reservation.timeout"
#define ORDERS_PAYMENT_TIMEOUT      "payment.timeout"

/* what becomes of an order: its status, whose words sql/orders knows, too */
#define ORDERS_PLACED          "placed"
#define ORDERS_RESERVED        "reserved"
#define ORDERS_PAID            "paid"       /* not known to be reserved yet */
#define ORDERS_CONFIRMED       "confirmed"
#define ORDERS_CANCELLED       "cancelled"


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

/* what every lane has: wr_request_state(); intervals of PostgreSQL's */

struct orders_state {
    const char         *reservation_timeout;
    const char         *payment_timeout;
};

/* whose rows handlers lock; main.c has it */
extern const struct wr_key_table *const  orders_table;


/* Reads the settings.  Returns -1 with the reason if one is out of bounds. */
int orders_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);

/* create_order: asks catalog for the prices, stores the order and announces it;
   201. */
enum wr_outcome orders_create_gather(struct wr_request *req);
enum wr_outcome orders_create(struct wr_request *req);

/* get_order: the order "id"; another's is 404. */
enum wr_outcome orders_get_gather(struct wr_request *req);
void orders_get_load(struct wr_request *req);
enum wr_outcome orders_get(struct wr_request *req);

/* get_history: what happened to the order "id", in turn; another's is 404.
   .gather is that of get_order. */
void orders_history_load(struct wr_request *req);
enum wr_outcome orders_history(struct wr_request *req);

/* list_orders: a page of the person's orders, the newest first; "status",
   "limit" and "cursor". */
enum wr_outcome orders_list_gather(struct wr_request *req);
void orders_list_load(struct wr_request *req);
enum wr_outcome orders_list(struct wr_request *req);

/* cancel_order: the order "id", unless it is confirmed or over, 409; another's
   is 404. */
enum wr_outcome orders_cancel_gather(struct wr_request *req);
void orders_cancel_keys(struct wr_request *req);
void orders_cancel_load(struct wr_request *req);
enum wr_outcome orders_cancel(struct wr_request *req);

/* stock.* and payment.*: what others did about an order is noted, and takes it
   a step further. */
enum wr_outcome orders_fact_gather(struct wr_request *req);
void orders_fact_keys(struct wr_request *req);
enum wr_outcome orders_fact(struct wr_request *req);

/* ORDERS_EXPIRE: cancels what waits for too long. */
enum wr_outcome orders_expire(struct wr_request *req);


#endif /* ORDERS_H */
