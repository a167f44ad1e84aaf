/*
 * Copyright (C) the Warren authors
 *
 * All SQL of catalog.
 */

#include <inttypes.h>

#include "catalog.h"
#include "catalog_lines.h"
#include "catalog_store.h"


#define TEXT_OF(number)  TEXT_OF_TOKEN(number)
#define TEXT_OF_TOKEN(token)  #token

#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "

#define PRODUCT                                                               \
    "select p.id, p.place, p.name, p.category, p.price_cents, p.currency, "   \
    "    s.available "

/* Each row by itself, here and below: plans are kept, and a join that was good
   while there was little stock reads all of it later. */

#define FROM                                                                  \
    "from products as p "                                                     \
    "    cross join lateral ("                                                \
    "        select available from stock "                                    \
    "        where product_id = p.id limit 1) as s "

/* A text for each set of filters: an "or" over all of them would keep
   PostgreSQL from its indexes.  Prices, which are mostly not asked for: of a
   "between" it expects a row or two, and reads and sorts all products. */

#define PAGE(filter)                                                          \
    PRODUCT FROM                                                              \
    "where p.place < $1 "                                                     \
    "    and (p.price_cents < $3::bigint) is not true "                       \
    "    and (p.price_cents > $4::bigint) is not true "                       \
    filter                                                                    \
    "order by p.place desc "                                                  \
    "limit $2::bigint"

#define WORDS     "    and p.words @@ websearch_to_tsquery('english', $5) "
#define CATEGORY  "    and p.category = "


struct wr_rows *
catalog_store_page(struct wr_tx *tx, const struct catalog_filter *filter,
    const struct wr_page *page)
{
    if (filter->query != NULL && filter->category != NULL) {
        return wr_tx_query(tx, PAGE(WORDS CATEGORY "$6 "),
                           WR_PARAMS(page->before, page->count,
                                     filter->min_price, filter->max_price,
                                     filter->query, filter->category));
    }

    if (filter->query != NULL) {
        return wr_tx_query(tx, PAGE(WORDS),
                           WR_PARAMS(page->before, page->count,
                                     filter->min_price, filter->max_price,
                                     filter->query));
    }

    if (filter->category != NULL) {
        return wr_tx_query(tx, PAGE(CATEGORY "$5 "),
                           WR_PARAMS(page->before, page->count,
                                     filter->min_price, filter->max_price,
                                     filter->category));
    }

    return wr_tx_query(tx, PAGE(""),
                       WR_PARAMS(page->before, page->count,
                                 filter->min_price, filter->max_price));
}


struct wr_rows *
catalog_store_by_id(struct wr_tx *tx, const char *id)
{
    return wr_tx_query(tx,
                       PRODUCT ", p.description, " TIME("p.created_at") ", "
                       TIME("p.updated_at")
                       FROM
                       "where p.id = $1",
                       WR_PARAMS(id));
}


struct wr_rows *
catalog_store_prices(struct wr_tx *tx, const struct catalog_lines *lines)
{
    return wr_tx_query(tx,
                       "select p.id, p.name, p.price_cents, p.currency, "
                       "    s.available "
                       FROM
                       "where p.id = any ($1::text[]) "
                       "order by p.id collate \"C\"",
                       WR_PARAMS(lines->product_ids));
}


/* Each id by itself: a plan that is made while there are few products must not
   read all of them later. */

struct wr_rows *
catalog_store_prices_of(struct wr_tx *tx, const char *ids)
{
    return wr_tx_query(tx,
                       "select asked.id, p.name, p.price_cents, p.currency "
                       "from unnest($1::text[]) as asked (id) "
                       "    cross join lateral ("
                       "        select name, price_cents, currency "
                       "        from products "
                       "        where products.id = asked.id "
                       "        limit 1) as p",
                       WR_PARAMS(ids));
}


struct wr_rows *
catalog_store_put(struct wr_tx *tx, struct wr_arena *arena,
    const struct catalog_product *product, const char *place,
    const char *time)
{
    struct wr_rows  *rows;

    rows = wr_tx_query(tx,
                       "insert into products "
                       "(id, place, name, description, category, "
                       "    price_cents, currency, created_at, updated_at) "
                       "values ($1, $2, $3, $4, $5, $6, $7, $8, $8) "
                       "on conflict on constraint products_pkey do update "
                       "set name = excluded.name, "
                       "    description = excluded.description, "
                       "    category = excluded.category, "
                       "    price_cents = excluded.price_cents, "
                       "    currency = excluded.currency, "
                       "    updated_at = excluded.updated_at "
                       "returning place = $2",
                       WR_PARAMS(product->id, place, product->name,
                                 product->description, product->category,
                                 wr_arena_printf(arena, "%" PRId64,
                                                 product->price_cents),
                                 product->currency, time));

    wr_tx_exec(tx,
               "insert into stock (product_id) values ($1) "
               "on conflict on constraint stock_pkey do nothing",
               WR_PARAMS(product->id));

    return rows;
}


struct wr_rows *
catalog_store_adjust(struct wr_tx *tx, struct wr_arena *arena,
    const char *id, int64_t delta)
{
    return wr_tx_query(tx,
                       "with changed as ("
                       "    update stock "
                       "    set available = available + $2::bigint "
                       "    where product_id = $1 "
                       "        and available + $2::bigint between 0 and "
                       TEXT_OF(CATALOG_STOCK_MAX)
                       "    returning product_id, available) "
                       "select s.available, c.available, s.reserved "
                       "from stock as s "
                       "    left join changed as c using (product_id) "
                       "where product_id = $1",
                       WR_PARAMS(id, wr_arena_printf(arena, "%" PRId64,
                                                     delta)));
}


/* The rows of stock are locked, but for those of products that were made since:
   "taken" tells then. */

#define WANTED                                                                \
    "($3::integer[])[array_position($2::text[], product_id)] "

struct wr_rows *
catalog_store_reserve(struct wr_tx *tx, const char *order_id,
    const struct catalog_lines *lines, const char *lifetime)
{
    return wr_tx_query(tx,
                       "with wanted as ("
                       "    select product_id, quantity "
                       "    from unnest($2::text[], $3::integer[]) "
                       "        as w (product_id, quantity)), "
                       "short as ("
                       "    select w.product_id, w.quantity, s.available "
                       "    from wanted as w "
                       "        left join lateral ("
                       "            select available from stock "
                       "            where product_id = w.product_id "
                       "            limit 1) as s on true "
                       "    where s.available is null "
                       "        or s.available < w.quantity), "
                       "fresh as ("
                       "    insert into reservations "
                       "    (order_id, state, product_ids, quantities, "
                       "        expires_at) "
                       "    select $1::uuid, 'held', $2::text[], "
                       "        $3::integer[], now() + $4::interval "
                       "    where not exists (select from short) "
                       "    union all "
                       "    select $1::uuid, 'rejected', '{}', '{}', null "
                       "    where exists (select from short) "
                       "    on conflict on constraint reservations_pkey "
                       "        do nothing "
                       "    returning state, expires_at), "
                       "taken as ("
                       "    update stock "
                       "    set available = available - " WANTED ", "
                       "        reserved = reserved + " WANTED
                       "    where product_id = any ($2::text[]) "
                       "        and available >= " WANTED
                       "        and exists ("
                       "            select from fresh where state = 'held') "
                       "    returning product_id) "
                       "select state, (select count(*) from taken), "
                       TIME("expires_at") ", ("
                       "    select json_agg("
                       "        json_build_object("
                       "            'product_id', product_id, "
                       "            'quantity', quantity, "
                       "            'available', available) "
                       "        order by product_id) "
                       "    from short) "
                       "from fresh",
                       WR_PARAMS(order_id, lines->product_ids,
                                 lines->quantities, lifetime));
}


struct wr_rows *
catalog_store_release(struct wr_tx *tx, const char *order_id,
    const char *reason)
{
    return wr_tx_query(tx,
                       "insert into reservations (order_id, state, reason) "
                       "values ($1, 'cancelled', $2) "
                       "on conflict on constraint reservations_pkey do update "
                       "set state = 'releasing', "
                       "    reason = excluded.reason, "
                       "    updated_at = now() "
                       "where reservations.state = 'held' "
                       "returning state, array_to_json(product_ids)",
                       WR_PARAMS(order_id, reason));
}


/* The state as an expression, or the index of what is held would be read. */

struct wr_rows *
catalog_store_sell(struct wr_tx *tx, const char *order_id)
{
    return wr_tx_query(tx,
                       "with sold as ("
                       "    update reservations "
                       "    set state = 'selling', "
                       "        updated_at = now() "
                       "    where order_id = $1 "
                       "        and state || '' = 'held' "
                       "    returning product_ids) "
                       "select state, reason, "
                       "    (select array_to_json(product_ids) from sold) "
                       "from reservations "
                       "where order_id = $1",
                       WR_PARAMS(order_id));
}


#define HELD  "quantities[array_position(product_ids, s.product_id)] "

struct wr_rows *
catalog_store_settle(struct wr_tx *tx, const char *order_id)
{
    return wr_tx_query(tx,
                       "with settled as ("
                       "    update reservations "
                       "    set state = case state "
                       "            when 'releasing' then 'released' "
                       "            else 'sold' "
                       "        end, "
                       "        updated_at = now() "
                       "    where order_id = $1 "
                       "        and state in ('releasing', 'selling') "
                       "    returning state, reason, product_ids, "
                       "        quantities), "
                       "lines as ("
                       "    select l.product_id, l.quantity "
                       "    from settled, unnest(product_ids, quantities) "
                       "        as l (product_id, quantity)), "
                       "moved as ("
                       "    update stock as s "
                       "    set available = s.available + case state "
                       "            when 'released' then " HELD
                       "            else 0 "
                       "        end, "
                       "        reserved = s.reserved - " HELD
                       "    from settled "
                       "    where s.product_id = any (product_ids)) "
                       "select state, reason, ("
                       "    select json_agg("
                       "        json_build_object("
                       "            'product_id', product_id, "
                       "            'quantity', quantity) "
                       "        order by product_id) "
                       "    from lines) "
                       "from settled",
                       WR_PARAMS(order_id));
}


/* Materialized, so that it is done once and locks no more than it takes. */

struct wr_rows *
catalog_store_expire(struct wr_tx *tx, const char *count)
{
    return wr_tx_query(tx,
                       "with due as materialized ("
                       "    select order_id "
                       "    from reservations "
                       "    where state = 'held' "
                       "        and expires_at <= now() "
                       "    order by expires_at "
                       "    limit $1::bigint "
                       "    for update skip locked) "
                       "update reservations "
                       "set state = 'releasing', "
                       "    reason = 'expired', "
                       "    updated_at = now() "
                       "where order_id = any (array("
                       "    select order_id from due)) "
                       "returning order_id, array_to_json(product_ids)",
                       WR_PARAMS(count));
}
