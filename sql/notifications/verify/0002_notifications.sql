-- Verify notifications:0002_notifications on pg

begin;

select id, user_id, event_id, kind, title, body, data, created_at, read_at
from notifications
where false;

select 1 / has_table_privilege(:'role', 'notifications', 'select')::int,
    1 / has_table_privilege(:'role', 'notifications', 'insert')::int;

rollback;
