/*
 * Copyright (C) the Warren authors
 *
 * A provider that moves no money: what it does follows from the token alone, so
 * that it gives the same account of a job to whoever asks, also after all of
 * its processes have died.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "payments.h"


#define DELAY_MAX_MS  60000


/* what a token makes of a charge, at once or later, and of a question about
   it */

struct token {
    const char             *name;
    bool                    is_slow;
    enum payments_outcome   charge;
    enum payments_outcome   question;
    const char             *reason;
};

struct sandbox {
    int64_t                 delay_ms;
};

/* One job each that is under way: what will be told, and when.  The ticket has
   it all, so that nothing is kept. */
#define TICKET_TOKEN     16     /* token's number below */
#define TICKET_WHAT      2


static int init(const struct wr_settings *settings, void **state_r,
    const char **error_r);
static uint64_t begin(void *state, const struct payments_job *job,
    bool is_question);
static bool look(void *state, uint64_t ticket,
    struct payments_result *result_r);
static unsigned find_token(const char *name);


static const struct token  tokens[] = {
    { "tok_success",  false, PAYMENTS_SUCCEEDED, PAYMENTS_SUCCEEDED, "" },
    { "tok_declined", false, PAYMENTS_DECLINED,  PAYMENTS_DECLINED,
      "declined" },
    { "tok_expired",  false, PAYMENTS_DECLINED,  PAYMENTS_DECLINED,
      "expired_card" },
    { "tok_slow",     true,  PAYMENTS_SUCCEEDED, PAYMENTS_SUCCEEDED, "" },
    { "tok_timeout",  true,  PAYMENTS_UNCERTAIN, PAYMENTS_SUCCEEDED,
      "no answer in time" },
    { "tok_error",    false, PAYMENTS_FAILED,    PAYMENTS_UNKNOWN,
      "the provider is out of order" },

    /* any other, and the last one */
    { "",             false, PAYMENTS_DECLINED,  PAYMENTS_DECLINED,
      "invalid_method" }
};

const struct payments_provider  payments_sandbox = {
    .name = "sandbox", .init = init, .begin = begin, .look = look
};


static int
init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static struct sandbox  sandbox;

    sandbox.delay_ms = wr_settings_ms(settings, PAYMENTS_DELAY);

    if (sandbox.delay_ms > DELAY_MAX_MS) {
        *error_r = PAYMENTS_DELAY " is above 60s";
        return -1;
    }

    *state_r = &sandbox;

    return 0;
}


static uint64_t
begin(void *state, const struct payments_job *job, bool is_question)
{
    bool             is_charge;
    int64_t          end_ms;
    unsigned         token;
    struct sandbox  *sandbox;

    sandbox = state;
    is_charge = (job->what == PAYMENTS_CHARGE);
    token = find_token(is_charge ? job->method : "tok_success");
    end_ms = wr_clock_ms();

    if (tokens[token].is_slow && !is_question) {
        end_ms += sandbox->delay_ms;
    }

    return ((uint64_t) end_ms * TICKET_TOKEN + token) * TICKET_WHAT
           + (is_question ? 1 : 0);
}


static bool
look(void *state, uint64_t ticket, struct payments_result *result_r)
{
    bool                 is_question;
    const struct token  *token;

    (void) state;
    is_question = (ticket % TICKET_WHAT == 1);
    ticket /= TICKET_WHAT;
    token = &tokens[ticket % TICKET_TOKEN];

    if (wr_clock_ms() < (int64_t) (ticket / TICKET_TOKEN)) {
        return false;
    }

    result_r->outcome = is_question ? token->question : token->charge;
    snprintf(result_r->reference, sizeof(result_r->reference), "sandbox");
    snprintf(result_r->reason, sizeof(result_r->reason), "%s", token->reason);

    return true;
}


static unsigned
find_token(const char *name)
{
    unsigned  i;

    for (i = 0; tokens[i].name[0] != '\0'; i++) {
        if (strcmp(tokens[i].name, name) == 0) {
            break;
        }
    }

    return i;
}
