/*
 * Copyright (C) the Warren authors
 *
 * What a lane of catalog makes once.
 */

#include <inttypes.h>
#include <stdio.h>

#include "catalog.h"


#define LIFETIME_MIN_MS  1000
#define LIFETIME_MAX_MS  (30 * INT64_C(86400000))

#define INTERVAL_SIZE    48


int
catalog_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static char                  lifetime[INTERVAL_SIZE];
    static struct catalog_state  state;

    int64_t  ms;

    ms = wr_settings_ms(settings, CATALOG_LIFETIME);

    if (ms < LIFETIME_MIN_MS || ms > LIFETIME_MAX_MS) {
        *error_r = CATALOG_LIFETIME " is not within 1s and 30d";
        return -1;
    }

    snprintf(lifetime, sizeof(lifetime), "%" PRId64 " milliseconds", ms);
    state.lifetime = lifetime;
    *state_r = &state;

    return 0;
}
