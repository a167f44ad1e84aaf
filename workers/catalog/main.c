/*
 * Copyright (C) the Warren authors
 *
 * The service catalog: what there is to buy, and how much of it.
 */

#include <stddef.h>

#include "catalog.h"


static const struct wr_key_table  products = { "products", "id", "text",
                                               false };
static const struct wr_key_table  reservations = { "reservations", "order_id",
                                                   "uuid", false };
static const struct wr_key_table  stock = { "stock", "product_id", "text",
                                            false };

const struct catalog_tables  catalog_tables = {
    .products = &products, .reservations = &reservations, .stock = &stock
};

static const struct wr_handler  handlers[] = {
    { WR_CALL, "list_products", .gather = catalog_list_gather,
                                .load = catalog_list_load,
                                .apply = catalog_list, .read_only = true },
    { WR_CALL, "get_product",   .gather = catalog_get_gather,
                                .load = catalog_get_load,
                                .apply = catalog_get, .read_only = true },
    { WR_CALL, "price_items",   .gather = catalog_price_gather,
                                .load = catalog_price_load,
                                .apply = catalog_price, .read_only = true },
    { WR_CALL, "put_product",   .gather = catalog_put_gather,
                                .keys = catalog_put_keys,
                                .locks = { &products },
                                .apply = catalog_put },
    { WR_CALL, "adjust_stock",  .gather = catalog_adjust_gather,
                                .keys = catalog_adjust_keys,
                                .locks = { &stock },
                                .apply = catalog_adjust },

    { WR_EVENT, "order.placed",     .gather = catalog_reserve_gather,
                                    .keys = catalog_reserve_keys,
                                    .locks = { &stock },
                                    .apply = catalog_reserve },
    { WR_EVENT, "order.cancelled",  .gather = catalog_order_gather,
                                    .keys = catalog_order_keys,
                                    .locks = { &reservations },
                                    .apply = catalog_on_order_cancelled },
    { WR_EVENT, "payment.declined", .gather = catalog_order_gather,
                                    .keys = catalog_order_keys,
                                    .locks = { &reservations },
                                    .apply = catalog_on_payment_declined },
    { WR_EVENT, "order.confirmed",  .gather = catalog_order_gather,
                                    .keys = catalog_order_keys,
                                    .locks = { &reservations },
                                    .apply = catalog_on_order_confirmed },

    /* what the service tells itself */
    { WR_COMMAND, CATALOG_SETTLE,   .gather = catalog_settle_gather,
                                    .keys = catalog_settle_keys,
                                    .locks = { &reservations, &stock },
                                    .apply = catalog_settle },
    { WR_COMMAND, CATALOG_EXPIRE,   .apply = catalog_expire,
                                    .every_ms = 10000 },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "stock", NULL };

static const struct wr_setting  settings[] = {
    { CATALOG_LIFETIME, WR_SETTING_DURATION, "15m", false,
      "how long an order may hold its pieces, 1s to 30d" },
    WR_SETTINGS_END
};

static const struct wr_service  catalog = {
    .name = CATALOG_NAME,
    .schema_min = "0002_catalog",
    .handlers = handlers,
    .entities = entities,
    .settings = settings,
    .init = catalog_init
};


int
main(int argc, char **argv)
{
    return wr_service_run(&catalog, argc, argv);
}
