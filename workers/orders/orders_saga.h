/*
 * Copyright (C) the Warren authors
 *
 * The saga of an order: which fact takes it from which status to which.
 */

#ifndef ORDERS_SAGA_H
#define ORDERS_SAGA_H


#include "orders.h"


/* what takes an order further */

enum orders_step {
    ORDERS_STEP_RESERVED = 0,   /* catalog holds all of it */
    ORDERS_STEP_REJECTED,       /* catalog does not: there is too little */
    ORDERS_STEP_EXPIRED,        /* catalog held it for too long */
    ORDERS_STEP_RELEASED,       /* catalog holds it no longer, as it was told */
    ORDERS_STEP_CAPTURED,       /* it is paid */
    ORDERS_STEP_DECLINED,       /* it will not be */
    ORDERS_STEP_REFUNDED,       /* money went back */
    ORDERS_STEP_REQUESTED       /* the person wants it no more */
};

/* an event of another service about an order */

struct orders_fact {
    enum orders_step   step;
    const char        *order_id;
    const char        *what;            /* the event's type; NULL: no event */
    const char        *version;         /* its aggregateversion; NULL: none */
    const char        *detail;          /* JSON of what is worth a note */
    int64_t            amount_cents;    /* of a payment */
    const char        *currency;        /* of a payment, else NULL */
};

/* what became of it */

struct orders_taken {
    bool               is_known;
    bool               is_step;         /* status is a new one */
    const char        *status;
    const char        *reason;          /* of what was cancelled by this */
    const char        *user_id;
    int64_t            total_cents;
    const char        *currency;
};


/*
 * Notes a fact, once however often it is told, takes the step that it means for
 * an order of this status, if any, and announces the order if that confirms or
 * cancels it.  One round trip.  The order's row is locked by .keys.
 */
void orders_saga_take(struct wr_request *req, const struct orders_fact *fact,
    struct orders_taken *taken_r);

/* Announces order.confirmed or order.cancelled: version is the event's, reason
   NULL of what was confirmed. */
void orders_saga_announce(struct wr_request *req, const char *order_id,
    const struct orders_taken *taken, int64_t version);


#endif /* ORDERS_SAGA_H */
