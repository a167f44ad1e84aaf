-- Verify orders:0002_orders on pg

begin;

select id, user_id, currency, total_cents, created_at
from orders
where false;

select order_id, position, product_id, quantity, unit_price_cents
from order_lines
where false;

select 1 / has_table_privilege(:'role', 'orders', 'select')::int,
    1 / has_table_privilege(:'role', 'orders', 'insert')::int,
    1 / has_table_privilege(:'role', 'order_lines', 'select')::int,
    1 / has_table_privilege(:'role', 'order_lines', 'insert')::int;

rollback;
