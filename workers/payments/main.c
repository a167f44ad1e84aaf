/*
 * Copyright (C) the Warren authors
 *
 * The service payments: the money of orders.
 */

#include <stddef.h>

#include "payments.h"
#include "payments_card.h"


static const struct wr_key_table  payments_rows = { "payments", "order_id",
                                                    "uuid", false };
static const struct wr_key_table  refunds_rows = { "refunds", "id", "uuid",
                                                   false };

const struct payments_tables  payments_tables = {
    .payments = &payments_rows, .refunds = &refunds_rows
};

static const struct wr_handler  handlers[] = {
    { WR_CALL, "get_payment", .gather = payments_get_gather,
                              .load = payments_get_load,
                              .apply = payments_get, .read_only = true },
    { WR_CALL, "refund",      .gather = payments_refund_gather,
                              .keys = payments_refund_keys,
                              .locks = { &payments_rows },
                              .apply = payments_refund },

    { WR_EVENT, "order.placed",    .gather = payments_placed_gather,
                                   .keys = payments_placed_keys,
                                   .locks = { &payments_rows },
                                   .apply = payments_on_order_placed },
    { WR_EVENT, "stock.reserved",  .gather = payments_order_gather,
                                   .keys = payments_order_keys,
                                   .locks = { &payments_rows },
                                   .apply = payments_on_stock_reserved },
    { WR_EVENT, "order.cancelled", .gather = payments_order_gather,
                                   .keys = payments_order_keys,
                                   .locks = { &payments_rows },
                                   .apply = payments_on_order_cancelled },

    /* what the service tells itself */
    { WR_COMMAND, PAYMENTS_CAPTURE, .gather = payments_capture_gather,
                                    .waits = payments_task_waits,
                                    .keys = payments_capture_keys,
                                    .locks = { &payments_rows },
                                    .apply = payments_capture },
    { WR_COMMAND, PAYMENTS_RETURN,  .gather = payments_return_gather,
                                    .waits = payments_task_waits,
                                    .keys = payments_return_keys,
                                    .locks = { &payments_rows, &refunds_rows },
                                    .apply = payments_return },
    { WR_COMMAND, PAYMENTS_RESUME,  .apply = payments_resume,
                                    .every_ms = 1000 },
    WR_HANDLERS_END
};

static const char *const  entities[] = { "payment", NULL };

static const struct wr_setting  settings[] = {
    { PAYMENTS_PROVIDER, WR_SETTING_TEXT, "sandbox", false,
      "who moves the money: sandbox, which moves none, or http" },
    { PAYMENTS_URL, WR_SETTING_TEXT, "", false,
      "of the provider http: https, or http on the loopback" },
    { PAYMENTS_KEY_FILE, WR_SETTING_FILE, "", false,
      "the provider's key for us, a bearer token" },
    { PAYMENTS_CA_FILE, WR_SETTING_TEXT, "", false,
      "authorities that the provider is checked by; empty: the system's" },
    { PAYMENTS_TIMEOUT, WR_SETTING_DURATION, "5s", false,
      "how long the provider may take for an answer, 100ms to 60s" },
    { PAYMENTS_DELAY, WR_SETTING_DURATION, "3s", false,
      "how slow the sandbox is where it is slow, 60s at most" },
    { PAYMENTS_ATTEMPTS, WR_SETTING_INT, "5", false,
      "failures after which a payment is declined, 1 to 100" },
    { PAYMENTS_LOOK, WR_SETTING_DURATION, "15m", false,
      "until the provider is asked about what was given up, 1s to 30d" },
    WR_SETTINGS_END
};

static const struct wr_service  payments = {
    .name = PAYMENTS_NAME,
    .schema_min = "0002_payments",
    .handlers = handlers,
    .entities = entities,
    .scrub = payments_card_scrub,
    .settings = settings,
    .init = payments_init
};


int
main(int argc, char **argv)
{
    return wr_service_run(&payments, argc, argv);
}
