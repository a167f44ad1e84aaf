-- Verify notifications:0004_bounces on pg

begin;

select email, reason, count, bounced_at
from bounces
where false;

select 1 / has_table_privilege(:'role', 'bounces', 'select')::int,
    1 / has_table_privilege(:'role', 'bounces', 'insert')::int,
    1 / has_table_privilege(:'role', 'bounces', 'update')::int;

rollback;
