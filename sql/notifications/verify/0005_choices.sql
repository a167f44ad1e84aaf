-- Verify notifications:0005_choices on pg

begin;

select user_id, kinds, channel
from mutes
where false;

select user_id, url, salt, created_at, failing_since, disabled_at
from webhooks
where false;

select 1 / bool_and(has_table_privilege(:'role', name, 'select')
    and has_table_privilege(:'role', name, 'insert')
    and has_table_privilege(:'role', name, 'delete'))::int
from (values ('mutes'), ('webhooks')) as t (name);

select 1 / has_table_privilege(:'role', 'webhooks', 'update')::int;

rollback;
