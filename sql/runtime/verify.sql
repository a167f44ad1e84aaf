-- Verify the runtime's tables; included by each service's 0001_runtime.

select message_id, taken_at, fingerprint, status, content_type, headers, body
from inbox
where false;

select id, exchange, routing_key, type, content_type, traceparent, sub, body,
    headers, created_at, due_at
from outbox
where false;

select id, message_id, home, type, content_type, sender, headers, body,
    reason, attempts, first_at, last_at, history
from dead_letter
where false;

select message_id, home, crashes, pending, ended, last_at
from crash
where false;

select 1 / bool_and(
    has_table_privilege(:'role', name, 'select')
    and has_table_privilege(:'role', name, 'insert')
    and has_table_privilege(:'role', name, 'update')
    and has_table_privilege(:'role', name, 'delete')
)::int
from (values ('inbox'), ('outbox'), ('dead_letter'), ('crash')) as t (name);

select 1 / (count(*) = 2)::int
from pg_partitioned_table
where partrelid in ('inbox'::regclass, 'outbox'::regclass)
    and partdefid in ('inbox_default'::regclass, 'outbox_default'::regclass);

select 1 / (
    has_function_privilege(:'role', 'runtime_partition(text, interval)',
        'execute')
    and has_function_privilege(:'role', 'runtime_outbox_delete(uuid[])',
        'execute')
    and has_function_privilege(:'role',
        'runtime_outbox_sweep(integer, interval)', 'execute')
    and not has_function_privilege(:'role',
        'runtime_partition_drop(text, text, timestamptz, integer)', 'execute')
)::int;
