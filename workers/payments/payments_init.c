/*
 * Copyright (C) the Warren authors
 *
 * What a lane of payments makes once.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "payments.h"


#define TIMEOUT_MIN_MS  100
#define TIMEOUT_MAX_MS  60000
#define ATTEMPTS_MAX    100
#define LOOK_MIN_MS     1000
#define LOOK_MAX_MS     (30 * INT64_C(86400000))

/* Nobody takes so long for a question and a job, one after the other; what a
   lane had that died is delivered again much sooner. */
#define LEASE_MIN_MS    60000

#define INTERVAL_SIZE   48


int
payments_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static char                   lease[INTERVAL_SIZE], look[INTERVAL_SIZE];
    static struct payments_state  state;

    int64_t      timeout_ms, lease_ms, look_ms;
    const char  *name;

    name = wr_settings_text(settings, PAYMENTS_PROVIDER);
    timeout_ms = wr_settings_ms(settings, PAYMENTS_TIMEOUT);
    look_ms = wr_settings_ms(settings, PAYMENTS_LOOK);
    state.attempts = wr_settings_int(settings, PAYMENTS_ATTEMPTS);

    if (strcmp(name, payments_sandbox.name) == 0) {
        state.provider = &payments_sandbox;

    } else if (strcmp(name, payments_http.name) == 0) {
        state.provider = &payments_http;

    } else {
        *error_r = PAYMENTS_PROVIDER " is neither sandbox nor http";
        return -1;
    }

    if (timeout_ms < TIMEOUT_MIN_MS || timeout_ms > TIMEOUT_MAX_MS) {
        *error_r = PAYMENTS_TIMEOUT " is not within 100ms and 60s";
        return -1;
    }

    if (state.attempts < 1 || state.attempts > ATTEMPTS_MAX) {
        *error_r = PAYMENTS_ATTEMPTS " is not within 1 and 100";
        return -1;
    }

    if (look_ms < LOOK_MIN_MS || look_ms > LOOK_MAX_MS) {
        *error_r = PAYMENTS_LOOK " is not within 1s and 30d";
        return -1;
    }

    lease_ms = 4 * timeout_ms;
    lease_ms = (lease_ms > LEASE_MIN_MS) ? lease_ms : LEASE_MIN_MS;
    snprintf(lease, sizeof(lease), "%" PRId64 " milliseconds", lease_ms);
    snprintf(look, sizeof(look), "%" PRId64 " milliseconds", look_ms);
    state.lease = lease;
    state.look = look;
    *state_r = &state;

    return state.provider->init(settings, &state.data, error_r);
}
