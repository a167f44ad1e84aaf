-- Verify users:0003_accounts on pg

begin;

select language, email_verified, version
from users
where false;

select 1 / has_table_privilege(:'role', 'users', 'update')::int,
    1 / has_table_privilege(:'role', 'role_scopes', 'select')::int,
    1 / has_table_privilege(:'role', 'user_roles', 'insert, delete')::int,
    1 / has_table_privilege(:'role', 'role_changes', 'insert')::int,
    1 / has_table_privilege(:'role', 'sessions', 'insert')::int,
    1 / has_table_privilege(:'role', 'refresh_tokens', 'update')::int,
    1 / has_table_privilege(:'role', 'links', 'delete')::int,
    1 / has_table_privilege(:'role', 'mails', 'update')::int,
    1 / has_table_privilege(:'role', 'login_failures', 'delete')::int;

-- what is audited is not changed afterwards
select 1 / (not has_table_privilege(:'role', 'role_changes',
    'update, delete'))::int;

select 1 / count(*)
from role_scopes
where role = 'customer';

rollback;
