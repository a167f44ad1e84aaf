/*
 * Copyright (C) the Warren authors
 *
 * The service notifications: what a person should see.
 */

#include <stddef.h>

#include "notifications.h"


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
    WR_HANDLERS_END
};

static const struct wr_service  notifications = {
    .name = "notifications",
    .schema_min = "0003_recipients",
    .handlers = handlers
};


int
main(int argc, char **argv)
{
    return wr_service_run(&notifications, argc, argv);
}
