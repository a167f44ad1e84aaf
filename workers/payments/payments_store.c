/*
 * Copyright (C) the Warren authors
 *
 * All SQL of payments.
 *
 * Each transition is one statement that says from which states; whoever comes
 * second changes nothing.
 */

#include <stddef.h>

#include "payments.h"
#include "payments_store.h"


#define TIME(column)                                                          \
    "to_char(" column " at time zone 'utc', "                                 \
    "    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') "

#define TASK(is_resumed)                                                      \
    "returning p.id, p.order_id, p.amount_cents, p.currency, "                \
    "    p.payment_method, p.attempts, p.is_cancelled, " is_resumed ", "      \
    "    p.state "

#define FACT                                                                  \
    "p.id, p.order_id, p.user_id, p.amount_cents, p.currency, p.version, "    \
    "    p.is_cancelled, p.state "


struct wr_rows *
payments_store_placed(struct wr_tx *tx, const char *id,
    const struct payments_order *order, const char *lease)
{
    return wr_tx_query(tx,
                       "insert into payments as p "
                       "(id, order_id, user_id, amount_cents, currency, "
                       "    payment_method, state, reason, version) "
                       "select $1::uuid, $2::uuid, $3::uuid, $4::bigint, "
                       "    $5::text, $6::text, "
                       "    case "
                       "        when $7::text is null then 'waiting' "
                       "        else 'declined' "
                       "    end, $7::text, "
                       "    case when $7::text is null then 0 else 1 end "
                       "on conflict on constraint payments_order_id_key "
                       "    do update "
                       "set user_id = excluded.user_id, "
                       "    amount_cents = excluded.amount_cents, "
                       "    currency = excluded.currency, "
                       "    payment_method = excluded.payment_method, "
                       "    state = case "
                       "        when p.state = 'waiting' "
                       "            and excluded.state = 'waiting' "
                       "            and p.is_reserved then 'capturing' "
                       "        when p.state = 'waiting' "
                       "            then excluded.state "
                       "        else p.state "
                       "    end, "
                       "    next_at = case "
                       "        when p.state = 'waiting' "
                       "            and excluded.state = 'waiting' "
                       "            and p.is_reserved "
                       "            then now() + $8::interval "
                       "    end, "
                       "    reason = case "
                       "        when p.state = 'waiting' "
                       "            then excluded.reason "
                       "    end, "
                       "    version = case "
                       "        when p.state = 'waiting' "
                       "            then excluded.version "
                       "        else p.version "
                       "    end, "
                       "    updated_at = now() "
                       "where p.amount_cents is null "
                       TASK("false"),
                       WR_PARAMS(id, order->id, order->user_id,
                                 order->amount_cents, order->currency,
                                 order->method, order->reason, lease));
}


struct wr_rows *
payments_store_reserved(struct wr_tx *tx, const char *id,
    const char *order_id, const char *lease)
{
    return wr_tx_query(tx,
                       "insert into payments as p "
                       "(id, order_id, state, is_reserved) "
                       "values ($1, $2, 'waiting', true) "
                       "on conflict on constraint payments_order_id_key "
                       "    do update "
                       "set is_reserved = true, "
                       "    state = case "
                       "        when p.amount_cents is not null "
                       "            then 'capturing' "
                       "        else p.state "
                       "    end, "
                       "    next_at = case "
                       "        when p.amount_cents is not null "
                       "            then now() + $3::interval "
                       "    end, "
                       "    updated_at = now() "
                       "where p.state = 'waiting' "
                       "    and not p.is_reserved "
                       TASK("false"),
                       WR_PARAMS(id, order_id, lease));
}


struct wr_rows *
payments_store_cancel(struct wr_tx *tx, const char *id, const char *order_id)
{
    return wr_tx_query(tx,
                       "insert into payments as p "
                       "(id, order_id, state, is_cancelled) "
                       "values ($1, $2, 'cancelled', true) "
                       "on conflict on constraint payments_order_id_key "
                       "    do update "
                       "set is_cancelled = true, "
                       "    state = case p.state "
                       "        when 'waiting' then 'cancelled' "
                       "        else p.state "
                       "    end, "
                       "    updated_at = now() "
                       "where not p.is_cancelled "
                       TASK("false"),
                       WR_PARAMS(id, order_id));
}


struct wr_rows *
payments_store_captured(struct wr_tx *tx, const char *id, const char *charge)
{
    return wr_tx_query(tx,
                       "update payments as p "
                       "set state = 'captured', "
                       "    charge = $2, "
                       "    is_cancelled = p.is_cancelled "
                       "        or p.state <> 'capturing', "
                       "    version = p.version + 1, "
                       "    next_at = null, "
                       "    reason = null, "
                       "    error = null, "
                       "    updated_at = now() "
                       "where p.id = $1 "
                       "    and p.state in ('capturing', 'declined', "
                       "        'cancelled') "
                       "returning " FACT,
                       WR_PARAMS(id, charge));
}


struct wr_rows *
payments_store_declined(struct wr_tx *tx, const char *id, const char *reason,
    const char *look)
{
    return wr_tx_query(tx,
                       "update payments as p "
                       "set state = 'declined', "
                       "    version = p.version + 1, "
                       "    attempts = p.attempts + 1, "
                       "    next_at = now() + $3::interval, "
                       "    reason = $2, "
                       "    updated_at = now() "
                       "where p.id = $1 "
                       "    and p.state = 'capturing' "
                       "returning " FACT,
                       WR_PARAMS(id, reason, look));
}


struct wr_rows *
payments_store_dropped(struct wr_tx *tx, const char *id, const char *look)
{
    return wr_tx_query(tx,
                       "update payments as p "
                       "set state = 'cancelled', "
                       "    attempts = p.attempts + 1, "
                       "    next_at = now() + $2::interval, "
                       "    updated_at = now() "
                       "where p.id = $1 "
                       "    and p.state = 'capturing' "
                       "    and p.is_cancelled "
                       "returning " FACT,
                       WR_PARAMS(id, look));
}


void
payments_store_looked(struct wr_tx *tx, const char *id, const char *attempt)
{
    wr_tx_exec(tx,
               "update payments "
               "set next_at = null "
               "where id = $1 "
               "    and state in ('declined', 'cancelled') "
               "    and attempts = $2::bigint",
               WR_PARAMS(id, attempt));
}


void
payments_store_capture_later(struct wr_tx *tx, const char *id,
    const char *attempt, const char *error, const char *pause)
{
    wr_tx_exec(tx,
               "update payments "
               "set attempts = attempts + 1, "
               "    next_at = now() + $4::interval, "
               "    error = $3, "
               "    updated_at = now() "
               "where id = $1 "
               "    and state = 'capturing' "
               "    and attempts = $2::bigint",
               WR_PARAMS(id, attempt, error, pause));
}


struct wr_rows *
payments_store_refund(struct wr_tx *tx, const char *id, const char *order_id,
    const char *amount_cents, const char *cause, const char *lease)
{
    return wr_tx_query(tx,
                       "with p as ("
                       "    select id, order_id, currency, charge, "
                       "        amount_cents - refunded_cents as rest "
                       "    from payments "
                       "    where order_id = $2 "
                       "        and state = 'captured' "
                       "    for no key update), "
                       "promised as ("
                       "    update payments as u "
                       "    set refunded_cents = u.refunded_cents "
                       "            + coalesce($3::bigint, p.rest), "
                       "        updated_at = now() "
                       "    from p "
                       "    where u.id = p.id "
                       "        and p.rest >= coalesce($3::bigint, 1) "
                       "    returning p.id, p.order_id, p.currency, "
                       "        p.charge, "
                       "        coalesce($3::bigint, p.rest) as cents), "
                       "fresh as ("
                       "    insert into refunds as r "
                       "    (id, payment_id, amount_cents, cause, next_at) "
                       "    select $1, id, cents, $4, now() + $5::interval "
                       "    from promised "
                       "    returning r.id, r.amount_cents, r.attempts, "
                       "        r.state) "
                       "select r.id, p.order_id, r.amount_cents, "
                       "    p.currency, p.charge, r.attempts, false, false, "
                       "    r.state "
                       "from fresh as r "
                       "    cross join promised as p",
                       WR_PARAMS(id, order_id, amount_cents, cause, lease));
}


struct wr_rows *
payments_store_refunded(struct wr_tx *tx, const char *id,
    const char *reference)
{
    return wr_tx_query(tx,
                       "with r as ("
                       "    update refunds "
                       "    set state = 'refunded', "
                       "        reference = $2, "
                       "        next_at = null, "
                       "        error = null, "
                       "        updated_at = now() "
                       "    where id = $1 "
                       "        and state = 'refunding' "
                       "    returning payment_id, amount_cents) "
                       "update payments as p "
                       "set version = p.version + 1, "
                       "    updated_at = now() "
                       "from r "
                       "where p.id = r.payment_id "
                       "returning p.id, p.order_id, p.user_id, "
                       "    r.amount_cents, p.currency, p.version, "
                       "    p.is_cancelled, p.state",
                       WR_PARAMS(id, reference));
}


struct wr_rows *
payments_store_refund_failed(struct wr_tx *tx, const char *id,
    const char *reason)
{
    return wr_tx_query(tx,
                       "with r as ("
                       "    update refunds "
                       "    set state = 'failed', "
                       "        error = $2, "
                       "        next_at = null, "
                       "        updated_at = now() "
                       "    where id = $1 "
                       "        and state = 'refunding' "
                       "    returning payment_id, amount_cents) "
                       "update payments as p "
                       "set refunded_cents = p.refunded_cents "
                       "        - r.amount_cents, "
                       "    updated_at = now() "
                       "from r "
                       "where p.id = r.payment_id "
                       "returning " FACT,
                       WR_PARAMS(id, reason));
}


void
payments_store_refund_later(struct wr_tx *tx, const char *id,
    const char *attempt, const char *error, const char *pause)
{
    wr_tx_exec(tx,
               "update refunds "
               "set attempts = attempts + 1, "
               "    next_at = now() + $4::interval, "
               "    error = $3, "
               "    updated_at = now() "
               "where id = $1 "
               "    and state = 'refunding' "
               "    and attempts = $2::bigint",
               WR_PARAMS(id, attempt, error, pause));
}


struct wr_rows *
payments_store_by_order(struct wr_tx *tx, const char *order_id)
{
    return wr_tx_query(tx,
                       "select " FACT
                       "from payments as p "
                       "where p.order_id = $1 "
                       "    and p.amount_cents is not null",
                       WR_PARAMS(order_id));
}


struct wr_rows *
payments_store_show(struct wr_tx *tx, const char *order_id,
    const char *user_id)
{
    return wr_tx_query(tx,
                       "select p.id, p.state, p.reason, p.amount_cents, "
                       "    p.refunded_cents, p.currency, "
                       TIME("p.created_at") ", " TIME("p.updated_at") ", ("
                       "    select coalesce(json_agg("
                       "        json_build_object("
                       "            'id', r.id, "
                       "            'amount_cents', r.amount_cents, "
                       "            'state', r.state, "
                       "            'cause', r.cause, "
                       "            'created_at', " TIME("r.created_at") ") "
                       "        order by r.id), '[]') "
                       "    from refunds as r "
                       "    where r.payment_id = p.id) "
                       "from payments as p "
                       "where p.order_id = $1 "
                       "    and p.user_id = $2",
                       WR_PARAMS(order_id, user_id));
}


/* Materialized, so that it is done once and locks no more than it takes. */

struct wr_rows *
payments_store_due(struct wr_tx *tx, const char *count, const char *lease)
{
    return wr_tx_query(tx,
                       "with due as materialized ("
                       "    select id "
                       "    from payments "
                       "    where next_at <= now() "
                       "    order by next_at "
                       "    limit $1::bigint "
                       "    for no key update skip locked) "
                       "update payments as p "
                       "set next_at = now() + $2::interval "
                       "where p.id = any (array(select id from due)) "
                       TASK("true"),
                       WR_PARAMS(count, lease));
}


struct wr_rows *
payments_store_refunds_due(struct wr_tx *tx, const char *count,
    const char *lease)
{
    return wr_tx_query(tx,
                       "with due as materialized ("
                       "    select id "
                       "    from refunds "
                       "    where state = 'refunding' "
                       "        and next_at <= now() "
                       "    order by next_at "
                       "    limit $1::bigint "
                       "    for no key update skip locked), "
                       "r as ("
                       "    update refunds "
                       "    set next_at = now() + $2::interval "
                       "    where id = any (array(select id from due)) "
                       "    returning id, payment_id, amount_cents, "
                       "        attempts, state) "
                       "select r.id, p.order_id, r.amount_cents, "
                       "    p.currency, p.charge, r.attempts, false, true, "
                       "    r.state "
                       "from r "
                       "    cross join lateral ("
                       "        select order_id, currency, charge "
                       "        from payments "
                       "        where id = r.payment_id limit 1) as p",
                       WR_PARAMS(count, lease));
}
