/*
 * Copyright (C) the Warren authors
 *
 * The service notifications: what a person should see.
 */

#include <stddef.h>

#include "notifications.h"
#include "notifications_init.h"


#define ON(event)                                                             \
    { WR_EVENT, event, .gather = notifications_event_gather,                  \
                       .load = notifications_event_load,                      \
                       .apply = notifications_event }


static const struct wr_key_table  recipients = { "recipients", "user_id",
                                                 "uuid", false };

const struct notifications_tables  notifications_tables = {
    .recipients = &recipients
};

static const struct wr_handler  handlers[] = {
    { WR_CALL,  "list_notifications", .gather = notifications_list_gather,
                                      .load = notifications_list_load,
                                      .apply = notifications_list,
                                      .read_only = true },
    { WR_CALL,  "list_since",         .gather = notifications_since_gather,
                                      .load = notifications_since_load,
                                      .apply = notifications_since,
                                      .read_only = true },
    { WR_CALL,  "mark_read",          .gather = notifications_read_gather,
                                      .apply = notifications_read },

    { WR_EVENT, "user.registered",
                .gather = notifications_recipient_gather,
                .keys = notifications_recipient_keys,
                .locks = { &recipients },
                .apply = notifications_recipient_on_registered },
    { WR_EVENT, "user.updated",
                .gather = notifications_recipient_gather,
                .keys = notifications_recipient_keys,
                .locks = { &recipients },
                .apply = notifications_recipient_on_updated },

    ON("order.placed"),
    ON("order.confirmed"),
    ON("order.cancelled"),
    ON("stock.reserved"),
    ON("payment.captured"),
    ON("payment.declined"),
    ON("payment.refunded"),

    { WR_COMMAND, "send_message",     .gather = notifications_message_gather,
                                      .apply = notifications_message },

    { WR_CHANNEL, NOTIFICATIONS_EMAIL, .gather = notifications_email_gather,
                                       .apply = notifications_email },
    WR_HANDLERS_END
};

static const char *const  commands_from[] = { "users", NULL };

static const struct wr_setting  settings[] = {
    { "smtp.url", WR_SETTING_TEXT, "", false,
      "smtp(s)://host:port that sends e-mail; empty: none is sent" },
    { "smtp.tls", WR_SETTING_TEXT, "required", false,
      "required (STARTTLS), or off: the password and all e-mail in clear" },
    { "smtp.ca_file", WR_SETTING_TEXT, "", false,
      "authorities that may sign its certificate; empty: the system's" },
    { "smtp.user", WR_SETTING_TEXT, "", false,
      "who to log in as; empty: without a login" },
    { "smtp.password_file", WR_SETTING_FILE, "", false,
      "file whose first line is that one's password" },
    { "smtp.from", WR_SETTING_TEXT, "warren@localhost", false,
      "address that e-mail comes from" },
    { "smtp.timeout", WR_SETTING_DURATION, "20s", false,
      "for one e-mail, at most 30s" },
    { "email.link_lifetime", WR_SETTING_DURATION, "15m", false,
      "how long an e-mail with a link is tried" },
    WR_SETTINGS_END
};

static const struct wr_service  notifications = {
    .name = "notifications",
    .schema_min = "0004_bounces",
    .handlers = handlers,
    .commands_from = commands_from,
    .settings = settings,
    .init = notifications_init
};


int
main(int argc, char **argv)
{
    return wr_service_run(&notifications, argc, argv);
}
