-- Audit of notifications: a row for each thing that is wrong.

\ir ../runtime/audit.sql

-- an order may be paid back in parts
select 'told more than once' as wrong,
    user_id || ' ' || kind as what,
    data->>'order_id' as detail
from notifications
where data->>'order_id' is not null
    and kind <> 'payment.refunded'
group by user_id, kind, data->>'order_id'
having count(*) > 1;

select 'an order of two people' as wrong, data->>'order_id' as what,
    string_agg(distinct user_id::text, ' ') as detail
from notifications
where data->>'order_id' is not null
group by data->>'order_id'
having count(distinct user_id) > 1;

select 'read before it was written' as wrong, id::text as what,
    read_at::text as detail
from notifications
where read_at < created_at;
