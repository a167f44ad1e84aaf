/*
 * Copyright (C) the Warren authors
 *
 * The service notifications: what a person should see.
 */

#include <stddef.h>

#include "notifications.h"


static const struct wr_handler  handlers[] = {
    { WR_CALL,  "list_notifications", .gather = notifications_list_gather,
                                      .load = notifications_list_load,
                                      .apply = notifications_list,
                                      .read_only = true },
    { WR_EVENT, "user.registered",
                .apply = notifications_on_user_registered },
    { WR_EVENT, "order.placed",
                .apply = notifications_on_order_placed },
    WR_HANDLERS_END
};

static const struct wr_service  notifications = {
    .name = "notifications",
    .schema_min = "0002_notifications",
    .handlers = handlers
};


int
main(int argc, char **argv)
{
    return wr_service_run(&notifications, argc, argv);
}
