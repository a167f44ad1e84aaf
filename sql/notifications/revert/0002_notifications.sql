-- Revert notifications:0002_notifications from pg

begin;

drop table notifications;

commit;
