-- Audit of catalog: a row for each thing that is wrong.

\ir ../runtime/audit.sql

-- what is reserved is what orders hold, decided and not yet moved or not
select 'reserved is not what orders hold' as wrong, s.product_id as what,
    s.reserved || ', not ' || coalesce(h.quantity, 0) as detail
from stock as s
    left join (
        select l.product_id, sum(l.quantity) as quantity
        from reservations,
            unnest(product_ids, quantities) as l (product_id, quantity)
        where state in ('held', 'releasing', 'selling')
        group by l.product_id) as h on h.product_id = s.product_id
where s.reserved <> coalesce(h.quantity, 0);

select 'held of a product without stock' as wrong, r.order_id::text as what,
    l.product_id as detail
from reservations as r
    cross join unnest(product_ids) as l (product_id)
    left join stock as s on s.product_id = l.product_id
where r.state in ('held', 'releasing', 'selling')
    and s.product_id is null;

-- a command that the service has sent itself does it
select 'decided since a minute, and not moved' as wrong,
    order_id::text as what, state as detail
from reservations
where state in ('releasing', 'selling')
    and updated_at < now() - interval '1 minute';

select 'expired since a minute, and held' as wrong, order_id::text as what,
    expires_at::text as detail
from reservations
where state = 'held'
    and expires_at < now() - interval '1 minute';

select 'a product without stock' as wrong, p.id as what, null as detail
from products as p
    left join stock as s on s.product_id = p.id
where s.product_id is null;
