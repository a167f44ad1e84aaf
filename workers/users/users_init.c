/*
 * Copyright (C) the Warren authors
 *
 * What a lane of users makes once.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "users.h"
#include "users_keys.h"
#include "users_password.h"
#include "users_token.h"


#define INTERVAL_SIZE  48
#define DAY_MS         INT64_C(86400000)
#define FAILURES_MAX   1000


/* a duration among the settings, and its bounds */

struct duration {
    const char   *key;
    int64_t       min_ms;
    int64_t       max_ms;
    size_t        offset;       /* in struct users_times */
};


static const struct duration  durations[] = {
    { "session.lifetime", 1000, 3660 * DAY_MS,
      offsetof(struct users_times, session) },
    { "session.idle", 1000, 3660 * DAY_MS,
      offsetof(struct users_times, idle) },
    { "session.grace", 0, 600000, offsetof(struct users_times, grace) },
    { "login.delay", 1, DAY_MS, offsetof(struct users_times, delay) },
    { "login.delay_max", 1, DAY_MS,
      offsetof(struct users_times, delay_max) },
    { "link.verify_lifetime", 1000, 30 * DAY_MS,
      offsetof(struct users_times, verify) },
    { "link.reset_lifetime", 1000, DAY_MS,
      offsetof(struct users_times, reset) },
    { "mail.pause", 0, DAY_MS, offsetof(struct users_times, pause) },
};

#define DURATIONS  (sizeof(durations) / sizeof(durations[0]))


static int read_times(const struct wr_settings *settings,
    struct users_state *state, const char **error_r);
static int read_rules(const struct wr_settings *settings,
    struct users_state *state, const char **error_r);


int
users_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static struct users_state  state;

    struct users_keys  *keys;

    if (read_times(settings, &state, error_r) == -1
        || read_rules(settings, &state, error_r) == -1)
    {
        return -1;
    }

    state.password = users_password_new(
        wr_settings_bytes(settings, "password.memory"),
        wr_settings_int(settings, "password.passes"), error_r);

    if (state.password == NULL) {
        return -1;
    }

    keys = users_keys_new(wr_settings_text(settings, "token.key_file"),
                          wr_settings_text(settings, "token.key_id"),
                          wr_settings_text(settings, "token.key_directory"),
                          error_r);

    if (keys == NULL) {
        users_password_free(&state.password);
        return -1;
    }

    state.token = users_token_new(
        keys, wr_settings_text(settings, "token.issuer"),
        wr_settings_text(settings, "token.audience"),
        wr_settings_ms(settings, "token.ttl") / 1000, error_r);

    if (state.token == NULL) {
        users_keys_free(&keys);
        users_password_free(&state.password);
        return -1;
    }

    *state_r = &state;

    return 0;
}


static int
read_times(const struct wr_settings *settings, struct users_state *state,
    const char **error_r)
{
    static char  texts[DURATIONS][INTERVAL_SIZE], error[160];

    size_t                  i;
    int64_t                 ms;
    const char             *text;
    const struct duration  *d;

    for (i = 0; i < DURATIONS; i++) {
        d = &durations[i];
        ms = wr_settings_ms(settings, d->key);

        if (ms < d->min_ms || ms > d->max_ms) {
            snprintf(error, sizeof(error), "%s is not within %" PRId64 "ms "
                     "and %" PRId64 "s", d->key, d->min_ms, d->max_ms / 1000);
            *error_r = error;
            return -1;
        }

        snprintf(texts[i], INTERVAL_SIZE, "%" PRId64 " milliseconds", ms);
        text = texts[i];
        memcpy((char *) &state->times + d->offset, &text, sizeof(text));
    }

    return 0;
}


static int
read_rules(const struct wr_settings *settings, struct users_state *state,
    const char **error_r)
{
    static char  failures[INTERVAL_SIZE];

    int64_t      count;
    const char  *base;

    count = wr_settings_int(settings, "login.failures");

    if (count < 1 || count > FAILURES_MAX) {
        *error_r = "login.failures is not within 1 and 1000";
        return -1;
    }

    base = wr_settings_text(settings, "link.base");

    if (base[0] != '\0'
        && ((strncmp(base, "https://", 8) != 0
             && strncmp(base, "http://", 7) != 0)
            || strpbrk(base, " #?") != NULL
            || base[strlen(base) - 1] == '/'))
    {
        *error_r = "link.base is no https:// address without a \"/\" at its "
                   "end";
        return -1;
    }

    snprintf(failures, sizeof(failures), "%" PRId64, count);
    state->failures = failures;
    state->link_base = base;
    state->admits_unverified = wr_settings_bool(settings, "login.unverified");

    return 0;
}
