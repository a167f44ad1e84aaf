/*
 * Copyright (C) the Warren authors
 *
 * All SQL of orders.
 */

#include <inttypes.h>

#include "orders.h"
#include "orders_saga.h"
#include "orders_store.h"


#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "


/* A text for each set of filters, so that each has its own plan. */

#define PAGE(filter)                                                          \
    "select id, status, total_cents, currency, "                              \
    TIME("created_at")                                                        \
    "from orders "                                                            \
    "where user_id = $1 "                                                     \
    "    and id < $2 "                                                        \
    filter                                                                    \
    "order by id desc "                                                       \
    "limit $3::bigint"


static const char *text_of(struct wr_arena *arena, int64_t number);


void
orders_store_insert(struct wr_tx *tx, struct wr_arena *arena,
    const struct order *order, const char *timeout)
{
    size_t                    i;
    const struct order_line  *line;

    wr_tx_add(tx,
              "insert into orders "
              "(id, user_id, currency, total_cents, created_at, due_at) "
              "select id, user_id, currency, total_cents, created_at, "
              "    now() + timeout "
              "from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], "
              "    $5::timestamptz[], $6::interval[]) "
              "    as placed (id, user_id, currency, total_cents, created_at, "
              "        timeout)",
              WR_PARAMS(order->id, order->user_id, order->currency,
                        text_of(arena, order->total_cents),
                        order->created_at, timeout));

    for (i = 0; i < order->count; i++) {
        line = &order->lines[i];

        wr_tx_add(tx,
                  "insert into order_lines "
                  "(order_id, position, product_id, name, quantity, "
                  "    unit_price_cents) "
                  "select * "
                  "from unnest($1::uuid[], $2::integer[], $3::text[], "
                  "    $4::text[], $5::integer[], $6::bigint[])",
                  WR_PARAMS(order->id, text_of(arena, (int64_t) i + 1),
                            line->product_id, line->name,
                            text_of(arena, line->quantity),
                            text_of(arena, line->unit_price_cents)));
    }
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
orders_store_page(struct wr_tx *tx, const char *user_id, const char *status,
    const struct wr_page *page)
{
    if (status != NULL) {
        return wr_tx_query(tx, PAGE("    and status = $4 "),
                           WR_PARAMS(user_id, page->before, page->count,
                                     status));
    }

    return wr_tx_query(tx, PAGE(""),
                       WR_PARAMS(user_id, page->before, page->count));
}


struct wr_rows *
orders_store_history(struct wr_tx *tx, const char *id, const char *user_id)
{
    return wr_tx_query(tx,
                       "select 1 as version, " TIME("created_at") ", "
                       "    'order.placed', '{}' "
                       "from orders "
                       "where id = $1 "
                       "    and user_id = $2 "
                       "union all "
                       "select h.version, " TIME("h.at") ", h.what, "
                       "    h.detail::text "
                       "from orders as o "
                       "    join order_history as h on h.order_id = o.id "
                       "where o.id = $1 "
                       "    and o.user_id = $2 "
                       "order by version",
                       WR_PARAMS(id, user_id));
}


struct wr_rows *
orders_store_status(struct wr_tx *tx, const char *id, const char *user_id)
{
    return wr_tx_query(tx,
                       "select status "
                       "from orders "
                       "where id = $1 "
                       "    and user_id = $2",
                       WR_PARAMS(id, user_id));
}


/*
 * "news" is what the history gets: the fact, if it is one that was not told
 * before, and what the order announces then.  As the row is locked, nobody
 * comes in between.
 */

struct wr_rows *
orders_store_take(struct wr_tx *tx, const struct orders_fact *fact,
    const struct orders_steps *steps, const char *payment_timeout)
{
    return wr_tx_query(tx,
                       "with old as ("
                       "    select o.id, o.status, o.version, o.user_id, "
                       "        o.total_cents, o.currency, not exists ("
                       "            select from order_history as h "
                       "            where h.order_id = o.id "
                       "                and h.what = $2 "
                       "                and h.aggregateversion "
                       "                    is not distinct from $3::bigint "
                       "                and h.detail = $4::jsonb) as is_new "
                       "    from orders as o "
                       "    where o.id = $1), "
                       "step as ("
                       "    select s.status, s.reason "
                       "    from old "
                       "        join unnest($5::text[], $6::text[], "
                       "            $7::text[]) as s (before, status, reason) "
                       "            on s.before = old.status "
                       "    where old.is_new), "
                       "news as ("
                       "    select 1 as place, $2::text as what, "
                       "        $3::bigint as aggregateversion, "
                       "        $4::jsonb as detail "
                       "    from old "
                       "    where is_new "
                       "        and $2::text is not null "
                       "    union all "
                       "    select 2, 'order.' || status, null, "
                       "        jsonb_strip_nulls("
                       "            jsonb_build_object('reason', reason)) "
                       "    from step "
                       "    where status in ('confirmed', 'cancelled')), "
                       "noted as ("
                       "    insert into order_history "
                       "    (order_id, version, what, aggregateversion, "
                       "        detail) "
                       "    select old.id, old.version "
                       "            + row_number() over (order by place), "
                       "        what, aggregateversion, detail "
                       "    from old, news), "
                       "changed as ("
                       "    update orders as o "
                       "    set status = coalesce(step.status, o.status), "
                       "        reason = coalesce(step.reason, o.reason), "
                       "        version = old.version "
                       "            + (select count(*) from news), "
                       "        due_at = case step.status "
                       "            when 'reserved' "
                       "                then now() + $8::interval "
                       "            when 'confirmed' then null "
                       "            when 'cancelled' then null "
                       "            else o.due_at "
                       "        end "
                       "    from old left join step on true "
                       "    where o.id = old.id "
                       "        and exists (select from news)) "
                       "select old.status, step.status, step.reason, "
                       "    old.user_id, old.total_cents, old.currency "
                       "from old left join step on true",
                       WR_PARAMS(fact->order_id, fact->what, fact->version,
                                 fact->detail, steps->from, steps->to,
                                 steps->reasons, payment_timeout));
}


/* Materialized, so that it is done once and locks no more than it takes. */

struct wr_rows *
orders_store_expire(struct wr_tx *tx, const char *count)
{
    return wr_tx_query(tx,
                       "with due as materialized ("
                       "    select id, version "
                       "    from orders "
                       "    where status in ('placed', 'reserved', 'paid') "
                       "        and due_at <= now() "
                       "    order by due_at "
                       "    limit $1::bigint "
                       "    for no key update skip locked), "
                       "noted as ("
                       "    insert into order_history "
                       "    (order_id, version, what, detail) "
                       "    select id, version + 1, 'order.cancelled', "
                       "        '{\"reason\": \"timeout\"}' "
                       "    from due) "
                       "update orders as o "
                       "set status = 'cancelled', "
                       "    reason = 'timeout', "
                       "    version = o.version + 1, "
                       "    due_at = null "
                       "from due "
                       "where o.id = due.id "
                       "returning o.id, o.user_id, o.total_cents, o.currency, "
                       "    o.reason",
                       WR_PARAMS(count));
}
