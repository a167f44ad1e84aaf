/*
 * Copyright (C) the Warren authors
 *
 * The service orders: what people have ordered.
 */

#include <stddef.h>

#include "orders.h"


static const struct wr_key_table  table = { "orders", "id", "uuid", false };

const struct wr_key_table *const  orders_table = &table;


/* what others did about an order */

#define FACT(event)                                                           \
    { WR_EVENT, event, .gather = orders_fact_gather,                          \
                       .keys = orders_fact_keys, .locks = { &table },         \
                       .apply = orders_fact }

static const struct wr_handler  handlers[] = {
    { WR_CALL, "create_order", .gather = orders_create_gather,
                               .apply = orders_create },
    { WR_CALL, "get_order",    .gather = orders_get_gather,
                               .load = orders_get_load,
                               .apply = orders_get, .read_only = true },
    { WR_CALL, "get_history",  .gather = orders_get_gather,
                               .load = orders_history_load,
                               .apply = orders_history, .read_only = true },
    { WR_CALL, "list_orders",  .gather = orders_list_gather,
                               .load = orders_list_load,
                               .apply = orders_list, .read_only = true },
    { WR_CALL, "cancel_order", .gather = orders_cancel_gather,
                               .keys = orders_cancel_keys,
                               .locks = { &table },
                               .load = orders_cancel_load,
                               .apply = orders_cancel },

    FACT("stock.reserved"),
    FACT("stock.rejected"),
    FACT("stock.released"),
    FACT("payment.captured"),
    FACT("payment.declined"),
    FACT("payment.refunded"),

    /* what the service tells itself */
    { WR_COMMAND, ORDERS_EXPIRE, .apply = orders_expire, .every_ms = 10000 },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "order", NULL };

static const char *const  asks[] = { "catalog", NULL };

static const struct wr_setting  settings[] = {
    { ORDERS_RESERVATION_TIMEOUT, WR_SETTING_DURATION, "15m", false,
      "how long an order may wait for what it is of, 1s to 30d" },
    { ORDERS_PAYMENT_TIMEOUT, WR_SETTING_DURATION, "10m", false,
      "how long a reserved one may wait for its payment, 1s to 30d" },
    WR_SETTINGS_END
};

static const struct wr_service  orders = {
    .name = ORDERS_NAME,
    .schema_min = "0003_saga",
    .handlers = handlers,
    .entities = entities,
    .asks = asks,
    .settings = settings,
    .init = orders_init
};


int
main(int argc, char **argv)
{
    return wr_service_run(&orders, argc, argv);
}
