-- Revert orders:0002_orders from pg

begin;

drop table order_lines;
drop table orders;

commit;
