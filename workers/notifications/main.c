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

    { WR_CALL,  "get_preferences",    .gather = notifications_preference_gather,
                                      .load = notifications_preference_load,
                                      .apply = notifications_preference,
                                      .read_only = true },
    { WR_CALL,  "set_preferences",
                .gather = notifications_preference_put_gather,
                .apply = notifications_preference_put },
    { WR_CALL,  "get_webhook",        .gather = notifications_webhook_gather,
                                      .load = notifications_webhook_load,
                                      .apply = notifications_webhook,
                                      .read_only = true },
    { WR_CALL,  "put_webhook",
                .gather = notifications_webhook_put_gather,
                .apply = notifications_webhook_put, .is_secret = true },
    { WR_CALL,  "delete_webhook",     .gather = notifications_webhook_gather,
                                      .apply = notifications_webhook_delete },

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
    { WR_CHANNEL, NOTIFICATIONS_WEBHOOK,
                  .gather = notifications_deliver_gather,
                  .load = notifications_deliver_load,
                  .apply = notifications_deliver },
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
    { "webhook.key_file", WR_SETTING_FILE, "", false,
      "file with a key that secrets of webhooks are made of; empty: none" },
    { "webhook.allow_http", WR_SETTING_BOOL, "off", false,
      "webhooks may be without TLS" },
    { "webhook.allow_private", WR_SETTING_BOOL, "off", false,
      "webhooks may be in private networks, and on this host" },
    { "webhook.ca_file", WR_SETTING_TEXT, "", false,
      "authorities that may sign their certificates; empty: the system's" },
    { "webhook.timeout", WR_SETTING_DURATION, "10s", false,
      "for one request, at most 30s" },
    { "webhook.retry_for", WR_SETTING_DURATION, "1h", false,
      "how long one notification is tried" },
    { "webhook.disable_after", WR_SETTING_DURATION, "24h", false,
      "how long a webhook may fail before it is disabled" },
    WR_SETTINGS_END
};

static const struct wr_service  notifications = {
    .name = "notifications",
    .schema_min = "0005_choices",
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
