-- Verify payments:0002_payments on pg

begin;

select id, order_id, user_id, amount_cents, currency, payment_method, state,
    is_reserved, is_cancelled, reason, version, attempts, next_at, error,
    charge, refunded_cents, created_at, updated_at
from payments
where false;

select id, payment_id, amount_cents, state, cause, attempts, next_at, error,
    reference, created_at, updated_at
from refunds
where false;

select 1 / has_table_privilege(:'role', name, 'select')::int,
    1 / has_table_privilege(:'role', name, 'insert')::int,
    1 / has_table_privilege(:'role', name, 'update')::int
from unnest(array['payments', 'refunds']) as t (name);

rollback;
