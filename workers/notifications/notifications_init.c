/*
 * Copyright (C) the Warren authors
 *
 * What a lane of notifications makes once.
 */

#include <stddef.h>

#include "notifications_init.h"
#include "notifications_mail.h"
#include "notifications_smtp.h"
#include "settings.h"


static int init_email(struct notifications_state *state,
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
