-- Revert payments:0001_runtime from pg

begin;

\ir ../../runtime/revert.sql

revoke select
    on :"registry".changes
    from :"role";

revoke usage
    on schema :"registry"
    from :"role";

commit;
