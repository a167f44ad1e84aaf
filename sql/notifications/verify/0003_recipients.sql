-- Verify notifications:0003_recipients on pg

begin;

select user_id, email, name, language, is_verified, version
from recipients
where false;

select 1 / has_table_privilege(:'role', 'recipients', 'select')::int,
    1 / has_table_privilege(:'role', 'recipients', 'insert')::int,
    1 / has_table_privilege(:'role', 'recipients', 'update')::int,
    1 / has_column_privilege(:'role', 'notifications', 'read_at',
        'update')::int;

rollback;
