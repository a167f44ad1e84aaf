-- Revert payments:0002_payments from pg

begin;

drop table refunds;
drop table payments;

commit;
