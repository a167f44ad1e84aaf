-- Revert notifications:0003_recipients from pg

begin;

revoke update (read_at)
    on notifications
    from :"role";

drop table recipients;

commit;
