-- Audit of users: a row for each thing that is wrong.

\ir ../runtime/audit.sql

select 'not a hash of Argon2id' as wrong, id::text as what, null as detail
from users
where password_hash not like '$argon2id$%';

select 'registered in the future' as wrong, id::text as what,
    created_at::text as detail
from users
where created_at > now() + interval '1 minute';
