-- Audit of the runtime's tables; included by each service's audit.sql.

select 'dead letter: ' || reason as wrong, message_id as what,
    home as detail
from dead_letter;

-- whoever made it sends it, and after ten seconds anybody
select 'not published for a minute' as wrong, id::text as what,
    exchange || ' ' || routing_key as detail
from outbox
where created_at < now() - interval '1 minute';
