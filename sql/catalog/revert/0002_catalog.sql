-- Revert catalog:0002_catalog from pg

begin;

drop table reservations;
drop table stock;
drop table products;

commit;
