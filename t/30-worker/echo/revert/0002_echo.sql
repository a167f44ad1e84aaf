-- Revert echo:0002_echo from pg

begin;

drop table echo_seen;
drop table echo;

commit;
