-- Verify catalog:0002_catalog on pg

begin;

select id, place, name, description, category, price_cents, currency,
    created_at, updated_at, words
from products
where false;

select product_id, available, reserved
from stock
where false;

select order_id, state, reason, product_ids, quantities, expires_at,
    created_at, updated_at
from reservations
where false;

select 1 / has_table_privilege(:'role', name, 'select')::int,
    1 / has_table_privilege(:'role', name, 'insert')::int,
    1 / has_table_privilege(:'role', name, 'update')::int
from unnest(array['products', 'stock', 'reservations']) as t (name);

rollback;
