-- Verify echo:0002_echo on pg

begin;

select id, text
from echo
where false;

select id, times
from echo_seen
where false;

select 1 / has_table_privilege(:'role', 'echo', 'insert')::int,
    1 / has_table_privilege(:'role', 'echo_seen', 'update')::int;

rollback;
