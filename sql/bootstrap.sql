-- Copyright (C) the Warren authors
--
-- Makes a service's login role and its database, or mends them.  Run it as an
-- administrator, connected to the database "postgres", as often as you like:
--
--     WARREN_ROLE_PASSWORD="$(cat FILE)" psql -X -d postgres \
--         -v role=orders -v database=orders_db -f sql/bootstrap.sql
--
-- Without WARREN_ROLE_PASSWORD the role's password is left as it is.

\set ON_ERROR_STOP on
\set QUIET on
\pset tuples_only on
\getenv role_password WARREN_ROLE_PASSWORD

-- two at once would stumble over the same rows of the catalogue
select pg_advisory_lock(hashtextextended('warren bootstrap', 0)) \g /dev/null

select format(
    'create role %I login nosuperuser nocreatedb nocreaterole noreplication',
    :'role')
where not exists (
    select
    from pg_roles
    where rolname = :'role') \gexec

\if :{?role_password}
-- a statement that fails would stand in the server's log with the password
set log_min_error_statement to panic;
set log_statement to none;
set log_min_duration_statement to -1;
alter role :"role" password :'role_password';
reset log_min_error_statement;
reset log_statement;
reset log_min_duration_statement;
\endif

-- a lane that hangs in a transaction keeps its locks from the others
alter role :"role" set idle_in_transaction_session_timeout to '15s';
alter role :"role" set tcp_keepalives_idle to 30;
alter role :"role" set tcp_keepalives_interval to 10;
alter role :"role" set tcp_keepalives_count to 3;

select format('create database %I template template0 encoding %L',
    :'database', 'UTF8')
where not exists (
    select
    from pg_database
    where datname = :'database') \gexec

-- a role connects to its own database and to no other: what PostgreSQL gives
-- to everybody is taken back here, and in the databases it comes with
select format('revoke all on database %I from public', datname)
from pg_database
where datname in (:'database', 'postgres', 'template1')
    and exists (
        select
        from aclexplode(coalesce(datacl, acldefault('d', datdba))) as acl
        where acl.grantee = 0) \gexec

grant connect on database :"database" to :"role";

-- leaves the lock behind, which is a database's
\connect :"database"
select pg_advisory_lock(hashtextextended('warren bootstrap', 0)) \g /dev/null
revoke all on schema public from public;
grant usage on schema public to :"role";
