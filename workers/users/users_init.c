/*
 * Copyright (C) the Warren authors
 *
 * What a lane of users makes once.
 */

#include <stddef.h>

#include "users.h"
#include "users_password.h"
#include "users_token.h"


int
users_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static struct users_state  state;

    state.password = users_password_new(
        wr_settings_bytes(settings, "password.memory"),
        wr_settings_int(settings, "password.passes"), error_r);

    if (state.password == NULL) {
        return -1;
    }

    state.token = users_token_new(
        wr_settings_text(settings, "token.key_file"),
        wr_settings_text(settings, "token.key_id"),
        wr_settings_text(settings, "token.issuer"),
        wr_settings_text(settings, "token.audience"),
        wr_settings_ms(settings, "token.ttl") / 1000, error_r);

    if (state.token == NULL) {
        users_password_free(&state.password);
        return -1;
    }

    *state_r = &state;

    return 0;
}
