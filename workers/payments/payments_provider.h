/*
 * Copyright (C) the Warren authors
 *
 * A provider of payments: who moves the money.
 *
 * Each job has a key of its own, and a provider does what has the same key at
 * most once, however often it is told.  Jobs are begun and looked at, never
 * waited for.  Nothing here has a transaction, and what a provider knows is its
 * own: it can be asked by the key what became of a job, also by who was not
 * there when it began.
 */

#ifndef PAYMENTS_PROVIDER_H
#define PAYMENTS_PROVIDER_H


#include <stdbool.h>
#include <stdint.h>


struct wr_settings;


/* "capture-" or "refund-", and a UUID */
#define PAYMENTS_KEY_SIZE        48

/* the provider's name for what it did: letters, digits, ".", "_", "-" */
#define PAYMENTS_REFERENCE_SIZE  65

/* of a refusal one short word; of a failure a few */
#define PAYMENTS_REASON_SIZE     96


enum payments_what {
    PAYMENTS_CHARGE = 0,
    PAYMENTS_REFUND
};

enum payments_outcome {
    /* it is done */
    PAYMENTS_SUCCEEDED = 0,

    /* the provider says no, for good; nothing was moved */
    PAYMENTS_DECLINED,

    /* the provider has it in hand */
    PAYMENTS_PENDING,

    /* of a question: the provider has never heard of the key */
    PAYMENTS_UNKNOWN,

    /* nothing has happened; later may work */
    PAYMENTS_FAILED,

    /* it may have happened: the provider must be asked */
    PAYMENTS_UNCERTAIN
};

struct payments_job {
    enum payments_what     what;
    const char            *key;
    const char            *order_id;
    int64_t                amount_cents;
    const char            *currency;
    const char            *method;      /* of a charge: the person's token */
    const char            *charge;      /* of a refund: the charge's reference,
                                           of which a part is paid back */
};

struct payments_result {
    enum payments_outcome  outcome;
    char                   reference[PAYMENTS_REFERENCE_SIZE];
    char                   reason[PAYMENTS_REASON_SIZE];
};


struct payments_provider {
    const char  *name;

    /* What a lane makes once.  Returns -1 with the reason if the settings will
       not do. */
    int        (*init)(const struct wr_settings *settings, void **state_r,
                       const char **error_r);

    /* Begins a job, or (is_question) to ask what became of it; returns its
       ticket. */
    uint64_t   (*begin)(void *state, const struct payments_job *job,
                        bool is_question);

    /* Looks, without waiting: returns false while it is under way, else, once,
       what came of it. */
    bool       (*look)(void *state, uint64_t ticket,
                       struct payments_result *result_r);
};


extern const struct payments_provider  payments_sandbox;
extern const struct payments_provider  payments_http;


#endif /* PAYMENTS_PROVIDER_H */
