-- Revert users:0002_users from pg

begin;

drop table users;

commit;
