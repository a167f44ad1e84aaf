/*
 * Copyright (C) the Warren authors
 *
 * All SQL of orders.
 */

#include <inttypes.h>
#include <stdio.h>

#include "orders.h"
#include "orders_store.h"


/* of one element of an array's text, with quotes and comma */
#define ELEMENT_SIZE  (ORDERS_PRODUCT_ID_MAX + 3)

#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "


/* Arrays of the lines as PostgreSQL reads them: {"a","b"}. */

struct arrays {
    const char  *product_ids;
    const char  *quantities;
    const char  *prices;
};


static void write_arrays(struct wr_arena *arena, const struct order *order,
    struct arrays *arrays_r);


void
orders_store_insert(struct wr_tx *tx, struct wr_arena *arena,
    const struct order *order)
{
    struct arrays  arrays;

    wr_tx_exec(tx,
               "insert into orders "
               "(id, user_id, currency, total_cents, created_at) "
               "values ($1, $2, $3, $4, $5)",
               WR_PARAMS(order->id, order->user_id, order->currency,
                         wr_arena_printf(arena, "%" PRId64,
                                         order->total_cents),
                         order->created_at));

    write_arrays(arena, order, &arrays);

    wr_tx_exec(tx,
               "insert into order_lines "
               "(order_id, position, product_id, quantity, "
               "    unit_price_cents) "
               "select $1::uuid, position, product_id, quantity, "
               "    unit_price_cents "
               "from unnest($2::text[], $3::integer[], $4::bigint[]) "
               "    with ordinality as lines (product_id, quantity, "
               "        unit_price_cents, position)",
               WR_PARAMS(order->id, arrays.product_ids, arrays.quantities,
                         arrays.prices));
}


struct wr_rows *
orders_store_by_id(struct wr_tx *tx, const char *id, const char *user_id)
{
    return wr_tx_query(tx,
                       "select id, total_cents, currency, "
                       TIME("created_at") ", user_id, ("
                       "    select json_agg("
                       "        json_build_object("
                       "            'product_id', product_id, "
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
                       "select id, total_cents, currency, "
                       TIME("created_at")
                       "from orders "
                       "where user_id = $1 "
                       "    and id < $2 "
                       "order by id desc "
                       "limit $3::bigint",
                       WR_PARAMS(user_id, before, count));
}


/* Ids are quoted, since {null} would be no text; what they are made of needs no
   escape. */

static void
write_arrays(struct wr_arena *arena, const struct order *order,
    struct arrays *arrays_r)
{
    char                      *ids, *quantities, *prices;
    char                      *i, *q, *p;
    size_t                     n, size;
    const char                *separator;
    const struct order_line   *line;

    size = order->count * ELEMENT_SIZE + sizeof("{}");

    i = ids = wr_arena_alloc(arena, size);
    q = quantities = wr_arena_alloc(arena, size);
    p = prices = wr_arena_alloc(arena, size);

    for (n = 0; n < order->count; n++) {
        line = &order->lines[n];
        separator = n == 0 ? "{" : ",";

        i += snprintf(i, size - (size_t) (i - ids), "%s\"%s\"", separator,
                      line->product_id);
        q += snprintf(q, size - (size_t) (q - quantities), "%s%" PRId64,
                      separator, line->quantity);
        p += snprintf(p, size - (size_t) (p - prices), "%s%" PRId64,
                      separator, line->unit_price_cents);
    }

    *i = '}';
    *q = '}';
    *p = '}';

    arrays_r->product_ids = ids;
    arrays_r->quantities = quantities;
    arrays_r->prices = prices;
}
