-- Audit of payments: a row for each thing that is wrong.

\ir ../runtime/audit.sql

select 'refunds are not what was promised' as wrong, p.id::text as what,
    p.refunded_cents || ', not ' || coalesce(r.cents, 0) as detail
from payments as p
    left join (
        select payment_id, sum(amount_cents) as cents
        from refunds
        where state <> 'failed'
        group by payment_id) as r on r.payment_id = p.id
where p.refunded_cents <> coalesce(r.cents, 0);

select 'paid for a cancelled order, and not paid back' as wrong,
    order_id::text as what,
    refunded_cents || ' of ' || amount_cents as detail
from payments
where state = 'captured'
    and is_cancelled
    and refunded_cents <> amount_cents
    and updated_at < now() - interval '1 minute';

select 'a refund has failed' as wrong, r.id::text as what,
    p.order_id || ' ' || coalesce(r.error, '') as detail
from refunds as r
    join payments as p on p.id = r.payment_id
where r.state = 'failed';

select 'both are there, and nothing is captured' as wrong,
    order_id::text as what, state as detail
from payments
where state = 'waiting'
    and is_reserved
    and amount_cents is not null;

-- the service looks every second for what is due
select 'due since ten minutes' as wrong, order_id::text as what,
    coalesce(error, '') as detail
from payments
where state = 'capturing'
    and (next_at is null or next_at < now() - interval '10 minutes')
union all
select 'due since ten minutes', id::text, coalesce(error, '')
from refunds
where state = 'refunding'
    and (next_at is null or next_at < now() - interval '10 minutes');
