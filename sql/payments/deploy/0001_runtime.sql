-- Deploy payments:0001_runtime to pg

begin;

-- a worker reads there whether its schema is new enough
grant usage
    on schema :"registry"
    to :"role";

grant select
    on :"registry".changes
    to :"role";

\ir ../../runtime/deploy.sql

commit;
