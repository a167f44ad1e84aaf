/*
 * Copyright (C) the Warren authors
 *
 * All SQL of orders.
 */

#include <inttypes.h>

#include "orders.h"
#include "orders_store.h"


#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "


static const char *text_of(struct wr_arena *arena, int64_t number);


void
orders_store_insert(struct wr_tx *tx, struct wr_arena *arena,
    const struct order *order)
{
    size_t                    i;
    struct wr_pg_array        ids = { .arena = arena };
    struct wr_pg_array        names = { .arena = arena };
    struct wr_pg_array        quantities = { .arena = arena };
    struct wr_pg_array        prices = { .arena = arena };
    const struct order_line  *line;

    wr_tx_exec(tx,
               "insert into orders "
               "(id, user_id, currency, total_cents, created_at) "
               "values ($1, $2, $3, $4, $5)",
               WR_PARAMS(order->id, order->user_id, order->currency,
                         text_of(arena, order->total_cents),
                         order->created_at));

    for (i = 0; i < order->count; i++) {
        line = &order->lines[i];

        wr_pg_array_add(&ids, line->product_id);
        wr_pg_array_add(&names, line->name);
        wr_pg_array_add(&quantities, text_of(arena, line->quantity));
        wr_pg_array_add(&prices, text_of(arena, line->unit_price_cents));
    }

    wr_tx_exec(tx,
               "insert into order_lines "
               "(order_id, position, product_id, name, quantity, "
               "    unit_price_cents) "
               "select $1::uuid, position, product_id, name, quantity, "
               "    unit_price_cents "
               "from unnest($2::text[], $3::text[], $4::integer[], "
               "    $5::bigint[]) "
               "    with ordinality as lines (product_id, name, quantity, "
               "        unit_price_cents, position)",
               WR_PARAMS(order->id, wr_pg_array_text(&ids),
                         wr_pg_array_text(&names),
                         wr_pg_array_text(&quantities),
                         wr_pg_array_text(&prices)));
}


static const char *
text_of(struct wr_arena *arena, int64_t number)
{
    return wr_arena_printf(arena, "%" PRId64, number);
}


struct wr_rows *
orders_store_by_id(struct wr_tx *tx, const char *id, const char *user_id)
{
    return wr_tx_query(tx,
                       "select id, status, total_cents, currency, "
                       TIME("created_at") ", user_id, reason, ("
                       "    select json_agg("
                       "        json_build_object("
                       "            'product_id', product_id, "
                       "            'name', name, "
                       "            'quantity', quantity, "
                       "            'unit_price_cents', unit_price_cents) "
                       "        order by position) "
                       "    from order_lines "
                       "    where order_id = orders.id) "
                       "from orders "
                       "where id = $1 "
                       "    and user_id = $2",
                       WR_PARAMS(id, user_id));
}


struct wr_rows *
orders_store_page(struct wr_tx *tx, const char *user_id, const char *before,
    const char *count)
{
    return wr_tx_query(tx,
                       "select id, status, total_cents, currency, "
                       TIME("created_at")
                       "from orders "
                       "where user_id = $1 "
                       "    and id < $2 "
                       "order by id desc "
                       "limit $3::bigint",
                       WR_PARAMS(user_id, before, count));
}
