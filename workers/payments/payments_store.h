/*
 * Copyright (C) the Warren authors
 *
 * All SQL of payments.
 */

#ifndef PAYMENTS_STORE_H
#define PAYMENTS_STORE_H


struct wr_rows;
struct wr_tx;


/* Of what the provider is to do: a capture or a refund that is under way. */
enum payments_store_task {
    PAYMENTS_STORE_TASK_ID = 0,
    PAYMENTS_STORE_TASK_ORDER_ID,
    PAYMENTS_STORE_TASK_AMOUNT,
    PAYMENTS_STORE_TASK_CURRENCY,
    PAYMENTS_STORE_TASK_SUBJECT,        /* the token, or the charge */
    PAYMENTS_STORE_TASK_ATTEMPTS,
    PAYMENTS_STORE_TASK_IS_CANCELLED,   /* "t": it is not to be captured */
    PAYMENTS_STORE_TASK_IS_RESUMED,     /* "t": somebody has begun it */
    PAYMENTS_STORE_TASK_STATE
};

/* Of what has happened to a payment. */
enum payments_store_fact {
    PAYMENTS_STORE_FACT_ID = 0,
    PAYMENTS_STORE_FACT_ORDER_ID,
    PAYMENTS_STORE_FACT_USER_ID,
    PAYMENTS_STORE_FACT_AMOUNT,         /* of the refund, if it is one */
    PAYMENTS_STORE_FACT_CURRENCY,
    PAYMENTS_STORE_FACT_VERSION,
    PAYMENTS_STORE_FACT_IS_CANCELLED,
    PAYMENTS_STORE_FACT_STATE
};

/* Of payments_store_show(): the refunds are a JSON array. */
enum payments_store_show {
    PAYMENTS_STORE_SHOW_ID = 0,
    PAYMENTS_STORE_SHOW_STATE,
    PAYMENTS_STORE_SHOW_REASON,
    PAYMENTS_STORE_SHOW_AMOUNT,
    PAYMENTS_STORE_SHOW_REFUNDED,
    PAYMENTS_STORE_SHOW_CURRENCY,
    PAYMENTS_STORE_SHOW_CREATED_AT,
    PAYMENTS_STORE_SHOW_UPDATED_AT,
    PAYMENTS_STORE_SHOW_REFUNDS
};

/* what order.placed says */

struct payments_order {
    const char  *id;
    const char  *user_id;
    const char  *amount_cents;
    const char  *currency;
    const char  *method;        /* NULL: none that is kept */
    const char  *reason;        /* why it is declined at once, or NULL */
};


/* Notes what is to be paid, under a new id; a task if that begins it.  No row
   if it is noted already. */
struct wr_rows *payments_store_placed(struct wr_tx *tx, const char *id,
    const struct payments_order *order, const char *lease);

/* Notes that the order has its goods; as above. */
struct wr_rows *payments_store_reserved(struct wr_tx *tx, const char *id,
    const char *order_id, const char *lease);

/* Notes that the order is cancelled; no row if that is noted already. */
struct wr_rows *payments_store_cancel(struct wr_tx *tx, const char *id,
    const char *order_id);

/* What came of a capture: a fact, or no row if that is known already.  What was
   given up and has succeeded nevertheless counts as cancelled. */
struct wr_rows *payments_store_captured(struct wr_tx *tx, const char *id,
    const char *charge);
struct wr_rows *payments_store_declined(struct wr_tx *tx, const char *id,
    const char *reason, const char *look);

/* Ends a capture whose order was cancelled, and of which nothing was taken; no
   row if it was not cancelled.  look, here and above, is an interval after
   which the provider is asked once more, or NULL. */
struct wr_rows *payments_store_dropped(struct wr_tx *tx, const char *id,
    const char *look);

/* It was, and nothing has come of it since. */
void payments_store_looked(struct wr_tx *tx, const char *id,
    const char *attempt);

/* Counts a failure, unless somebody else has gone on since. */
void payments_store_capture_later(struct wr_tx *tx, const char *id,
    const char *attempt, const char *error, const char *pause);

/* Promises a refund, of all that is left if amount_cents is NULL: a task; no
   row if there is not as much. */
struct wr_rows *payments_store_refund(struct wr_tx *tx, const char *id,
    const char *order_id, const char *amount_cents, const char *cause,
    const char *lease);

/* What came of it, as above. */
struct wr_rows *payments_store_refunded(struct wr_tx *tx, const char *id,
    const char *reference);
struct wr_rows *payments_store_refund_failed(struct wr_tx *tx,
    const char *id, const char *reason);
void payments_store_refund_later(struct wr_tx *tx, const char *id,
    const char *attempt, const char *error, const char *pause);

/* The payment of an order whose amount is known, as a fact. */
struct wr_rows *payments_store_by_order(struct wr_tx *tx,
    const char *order_id);

/* The same for its owner. */
struct wr_rows *payments_store_show(struct wr_tx *tx, const char *order_id,
    const char *user_id);

/* Tasks that are due, at most count; those that somebody else has in hand are
   left for later. */
struct wr_rows *payments_store_due(struct wr_tx *tx, const char *count,
    const char *lease);
struct wr_rows *payments_store_refunds_due(struct wr_tx *tx,
    const char *count, const char *lease);


#endif /* PAYMENTS_STORE_H */
