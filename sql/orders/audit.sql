-- Audit of orders: a row for each thing that is wrong.

\ir ../runtime/audit.sql

select 'the total is not that of the lines' as wrong, o.id::text as what,
    o.total_cents || ', not ' || coalesce(l.cents, 0) as detail
from orders as o
    left join (
        select order_id, sum(quantity * unit_price_cents) as cents
        from order_lines
        group by order_id) as l on l.order_id = o.id
where o.total_cents is distinct from l.cents;

select 'the version is not that of the history' as wrong, o.id::text as what,
    o.version || ', not ' || h.version as detail
from orders as o
    cross join lateral (
        select 1 + count(*) as version
        from order_history
        where order_id = o.id) as h
where o.version <> h.version;

select 'confirmed without stock and payment' as wrong, id::text as what,
    null as detail
from orders as o
where status = 'confirmed'
    and 2 <> (
        select count(distinct what)
        from order_history
        where order_id = o.id
            and what in ('stock.reserved', 'payment.captured'));

select 'the history has another end' as wrong, o.id::text as what,
    o.status as detail
from orders as o
where (o.status = 'cancelled') <> exists (
        select from order_history
        where order_id = o.id
            and what = 'order.cancelled')
    or (o.status = 'confirmed' and not exists (
        select from order_history
        where order_id = o.id
            and what = 'order.confirmed'));

-- what is due is looked for every ten seconds
select 'over since a minute, and not cancelled' as wrong, id::text as what,
    status || ' ' || due_at as detail
from orders
where status in ('placed', 'reserved', 'paid')
    and due_at < now() - interval '1 minute';
