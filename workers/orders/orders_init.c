/*
 * Copyright (C) the Warren authors
 *
 * What a lane of orders makes once.
 */

#include <inttypes.h>
#include <stdio.h>

#include "orders.h"


#define TIMEOUT_MIN_MS  1000
#define TIMEOUT_MAX_MS  (30 * INT64_C(86400000))

#define INTERVAL_SIZE   48


static bool read_interval(const struct wr_settings *settings,
    const char *name, char interval_r[INTERVAL_SIZE]);


int
orders_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static char                 reservation[INTERVAL_SIZE];
    static char                 payment[INTERVAL_SIZE];
    static struct orders_state  state;

    if (!read_interval(settings, ORDERS_RESERVATION_TIMEOUT, reservation)) {
        *error_r = ORDERS_RESERVATION_TIMEOUT " is not within 1s and 30d";
        return -1;
    }

    if (!read_interval(settings, ORDERS_PAYMENT_TIMEOUT, payment)) {
        *error_r = ORDERS_PAYMENT_TIMEOUT " is not within 1s and 30d";
        return -1;
    }

    state.reservation_timeout = reservation;
    state.payment_timeout = payment;
    *state_r = &state;

    return 0;
}


static bool
read_interval(const struct wr_settings *settings, const char *name,
    char interval_r[INTERVAL_SIZE])
{
    int64_t  ms;

    ms = wr_settings_ms(settings, name);
    snprintf(interval_r, INTERVAL_SIZE, "%" PRId64 " milliseconds", ms);

    return ms >= TIMEOUT_MIN_MS && ms <= TIMEOUT_MAX_MS;
}
