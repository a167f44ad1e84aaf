/*
 * Copyright (C) the Warren authors
 *
 * The service orders: what people have ordered.
 */

#include <stddef.h>

#include "orders.h"


static const struct wr_handler  handlers[] = {
    { WR_CALL, "create_order", .gather = orders_create_gather,
                               .apply = orders_create },
    { WR_CALL, "get_order",    .gather = orders_get_gather,
                               .load = orders_get_load,
                               .apply = orders_get, .read_only = true },
    { WR_CALL, "list_orders",  .gather = orders_list_gather,
                               .load = orders_list_load,
                               .apply = orders_list, .read_only = true },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "order", NULL };

static const char *const  asks[] = { "catalog", NULL };

static const struct wr_service  orders = {
    .name = "orders",
    .schema_min = "0003_saga",
    .handlers = handlers,
    .entities = entities,
    .asks = asks
};


int
main(int argc, char **argv)
{
    return wr_service_run(&orders, argc, argv);
}
