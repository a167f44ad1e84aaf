-- Verify orders:0003_saga on pg

begin;

select status, reason, version, due_at
from orders
where false;

select name
from order_lines
where false;

select order_id, version, at, what, aggregateversion, detail
from order_history
where false;

select 1 / count(*)
from pg_index
where indexrelid = 'orders_due_at_idx'::regclass
    and indisvalid;

select 1 / has_table_privilege(:'role', 'orders', 'update')::int,
    1 / has_table_privilege(:'role', 'order_history', 'select')::int,
    1 / has_table_privilege(:'role', 'order_history', 'insert')::int;

rollback;
