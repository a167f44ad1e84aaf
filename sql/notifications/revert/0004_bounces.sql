-- Revert notifications:0004_bounces from pg

begin;

drop table bounces;

commit;
