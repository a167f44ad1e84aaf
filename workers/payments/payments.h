/*
 * Copyright (C) the Warren authors
 *
 * The use cases of payments, and what they share.
 */

#ifndef PAYMENTS_H
#define PAYMENTS_H


#include "clock.h"
#include "payments_provider.h"
#include "warren.h"


#define PAYMENTS_NAME          "payments"

/* of an amount: the largest integer that all readers of JSON keep exactly */
#define PAYMENTS_CENTS_MAX     9007199254740991

/* of a person's token */
#define PAYMENTS_METHOD_MAX    255

/* without it nothing is paid back */
#define PAYMENTS_SCOPE_REFUND  "payments:refund"

/* the service's own commands */
#define PAYMENTS_CAPTURE       "capture_payment"
#define PAYMENTS_RETURN        "return_payment"
#define PAYMENTS_RESUME        "resume_payments"

/* its settings */
#define PAYMENTS_PROVIDER      "provider"
#define PAYMENTS_URL           "provider.url"
#define PAYMENTS_KEY_FILE      "provider.key_file"
#define PAYMENTS_CA_FILE       "provider.ca_file"
#define PAYMENTS_TIMEOUT       "provider.timeout"
#define PAYMENTS_DELAY         "sandbox.delay"
#define PAYMENTS_ATTEMPTS      "capture.attempts"
#define PAYMENTS_LOOK          "capture.last_look"


/* what every lane has: wr_request_state() */

struct payments_state {
    const struct payments_provider  *provider;
    void                            *data;          /* the provider's */
    int64_t                          attempts;      /* of a capture */

    /* an interval of PostgreSQL's: after it what was begun and not ended is
       looked for */
    const char                      *lease;

    /* another: after it the provider is asked about what was given up */
    const char                      *look;
};

/* what a command is about, and how far it is; in the message's memory */

struct payments_task {
    struct payments_job              job;
    const char                      *id;            /* payment or refund */
    int64_t                          attempt;       /* how many have failed */
    bool                             is_question;   /* asks before it acts */
    bool                             is_last;       /* asks, and never acts */
    bool                             is_begun;
    uint64_t                         ticket;
    char                             key[PAYMENTS_KEY_SIZE];
    struct payments_result           result;
};

/* whose rows handlers lock; main.c has them */

struct payments_tables {
    const struct wr_key_table  *payments;
    const struct wr_key_table  *refunds;
};

extern const struct payments_tables  payments_tables;


/* Reads the settings and makes the provider.  Returns -1 with the reason if
   that cannot be. */
int payments_init(const struct wr_settings *settings, void **state_r,
    const char **error_r);

/* order.placed, stock.reserved: whichever comes last has the capture begun.
   order.cancelled: nothing is captured any more, or it is paid back. */
enum wr_outcome payments_placed_gather(struct wr_request *req);
void payments_placed_keys(struct wr_request *req);
enum wr_outcome payments_on_order_placed(struct wr_request *req);
enum wr_outcome payments_order_gather(struct wr_request *req);
void payments_order_keys(struct wr_request *req);
enum wr_outcome payments_on_stock_reserved(struct wr_request *req);
enum wr_outcome payments_on_order_cancelled(struct wr_request *req);

/* PAYMENTS_CAPTURE: has the provider take the money, and records what came of
   it. */
enum wr_outcome payments_capture_gather(struct wr_request *req);
void payments_capture_keys(struct wr_request *req);
enum wr_outcome payments_capture(struct wr_request *req);

/* refund: pays back "amount_cents", or all that is left, of the order "id". */
enum wr_outcome payments_refund_gather(struct wr_request *req);
void payments_refund_keys(struct wr_request *req);
enum wr_outcome payments_refund(struct wr_request *req);

/* PAYMENTS_RETURN: has the provider pay back, and records what came of it. */
enum wr_outcome payments_return_gather(struct wr_request *req);
void payments_return_keys(struct wr_request *req);
enum wr_outcome payments_return(struct wr_request *req);

/* get_payment: that of the person's order "id", with what was paid back. */
enum wr_outcome payments_get_gather(struct wr_request *req);
void payments_get_load(struct wr_request *req);
enum wr_outcome payments_get(struct wr_request *req);

/* PAYMENTS_RESUME: goes on with what is due. */
enum wr_outcome payments_resume(struct wr_request *req);


/* of both commands */

/* Whether the task of a message, which its .gather has read, is under way; it
   is begun by the first look. */
bool payments_task_waits(struct wr_request *req);

/* Reads what is common to both; errors go to the request's. */
struct payments_task *payments_task_read(struct wr_request *req,
    enum payments_what what);

/* Of attempts that failed: an interval of PostgreSQL's until the next one. */
const char *payments_task_pause(struct wr_request *req, int64_t attempts);

/* Tells the service itself to go on with a row of payments_store_*(): its
   columns are those of enum payments_store_task. */
void payments_task_send(struct wr_request *req, enum payments_what what,
    struct wr_rows *rows, int row);

/* Makes a refund of a captured payment of all that is left, and has it begun:
   its order was cancelled. */
void payments_refund_rest(struct wr_request *req, const char *order_id);

/* Announces a fact of a payment; reason may be NULL. */
void payments_announce(struct wr_request *req, const char *type,
    struct wr_rows *rows, const char *refund_id, const char *reason);


#endif /* PAYMENTS_H */
