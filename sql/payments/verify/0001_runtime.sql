-- Verify payments:0001_runtime on pg

begin;

select 1 / has_schema_privilege(:'role', :'registry', 'usage')::int;

select 1 / has_table_privilege(:'role', :'registry' || '.changes',
    'select')::int;

\ir ../../runtime/verify.sql

rollback;
