-- Verify users:0002_users on pg

begin;

select id, email, name, password_hash, created_at
from users
where false;

select 1 / has_table_privilege(:'role', 'users', 'select')::int,
    1 / has_table_privilege(:'role', 'users', 'insert')::int;

select 1 / count(*)
from pg_index
where indexrelid = 'users_email_key'::regclass
    and indisunique;

rollback;
