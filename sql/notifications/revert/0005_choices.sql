-- Revert notifications:0005_choices from pg

begin;

drop table webhooks;

drop table mutes;

commit;
