/*
 * Copyright (C) the Warren authors
 *
 * What a lane of notifications makes once.
 */

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "notifications_http.h"
#include "notifications_init.h"
#include "notifications_mail.h"
#include "notifications_smtp.h"
#include "settings.h"


/* A key that is shorter might be guessed from what it signs. */
#define KEY_MIN        16

#define INTERVAL_SIZE  48


static int init_email(struct notifications_state *state,
    const struct wr_settings *settings, const char **error_r);
static int init_webhook(struct notifications_state *state,
    const struct wr_settings *settings, const char **error_r);


int
notifications_init(const struct wr_settings *settings, void **state_r,
    const char **error_r)
{
    static struct notifications_state  state;

    if (wr_settings_text(settings, "smtp.url")[0] != '\0'
        && init_email(&state, settings, error_r) != 0)
    {
        return -1;
    }

    if (wr_settings_text(settings, "webhook.key_file")[0] != '\0'
        && init_webhook(&state, settings, error_r) != 0)
    {
        return -1;
    }

    *state_r = &state;

    return 0;
}


static int
init_email(struct notifications_state *state,
    const struct wr_settings *settings, const char **error_r)
{
    state->from = wr_settings_text(settings, "smtp.from");
    state->link_ms = wr_settings_ms(settings, "email.link_lifetime");

    if (!notifications_mail_is_address(state->from)) {
        *error_r = "smtp.from is not an e-mail address";
        return -1;
    }

    state->smtp = notifications_smtp_new(settings, error_r);

    return (state->smtp != NULL) ? 0 : -1;
}


static int
init_webhook(struct notifications_state *state,
    const struct wr_settings *settings, const char **error_r)
{
    static char  disable_after[INTERVAL_SIZE];

    state->key = wr_settings_secret(settings, "webhook.key_file");
    state->retry_ms = wr_settings_ms(settings, "webhook.retry_for");

    if (strlen(state->key) < KEY_MIN) {
        *error_r = "the key in webhook.key_file has less than 16 characters";
        return -1;
    }

    snprintf(disable_after, sizeof(disable_after), "%" PRId64 " milliseconds",
             wr_settings_ms(settings, "webhook.disable_after"));
    state->disable_after = disable_after;
    state->http = notifications_http_new(settings, error_r);

    return (state->http != NULL) ? 0 : -1;
}
