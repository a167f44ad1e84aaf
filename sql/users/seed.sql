-- Copyright (C) the Warren authors
--
-- Ten thousand people to try the service with, user00001@example.com and so
-- on, and two of a name: alice@example.com, a customer, and admin@example.com,
-- who may do everything.  The password of all is "correct horse battery", at a
-- cheap price: this is for nobody who can be reached from outside.
--
-- They are loaded once: if Alice is there, all is left as it is.
-- sql/notifications/seed.sql has the same people.
--
--     psql -X -d users_db -f sql/users/seed.sql

\set ON_ERROR_STOP on
\set QUIET on

begin;

-- half an hour apart, and the id is a UUID of that time
create temporary table seeds on commit drop as
select n,
    (lpad(to_hex(extract(epoch from made_at)::bigint * 1000), 12, '0')
        || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid as id,
    case n
        when 10001 then 'alice@example.com'
        when 10002 then 'admin@example.com'
        else 'user' || lpad(n::text, 5, '0') || '@example.com'
    end as email,
    case n
        when 10001 then 'Alice'
        when 10002 then 'Admin'
        else (array['Ada', 'Ben', 'Clara', 'David', 'Emma', 'Felix', 'Greta',
                'Hugo', 'Ida', 'Jonas'])[n % 10 + 1]
            || ' ' || (array['Adler', 'Baker', 'Carter', 'Dietrich', 'Ellis',
                'Fischer', 'Gray', 'Hoffmann', 'Irving', 'Jensen',
                'Keller'])[n % 11 + 1]
    end as name,
    case
        when n <= 10000 and n % 3 = 0 then 'de'
        else 'en'
    end as language,
    made_at
from generate_series(1, 10002) as n,
    lateral (
        select timestamptz '2025-01-01 00:00:00+00' + n * interval '30 minutes'
            as made_at) as t;

create temporary table made on commit drop as
select *
from seeds
where not exists (
    select
    from users
        join seeds on seeds.id = users.id
    where seeds.n = 10001);

with inserted as (
    insert into users
    (id, email, name, language, email_verified, password_hash, created_at)
    select id, email, name, language, true,
        '$argon2id$v=19$m=1024,t=1,p=1$d2FycmVuIHNlZWQgZGF0YQ'
            || '$UZHb0gIFSDvagjEZsheC1cpNBi4VRZAWJP2GYPnTsLw',
        made_at
    from made
    order by n
    on conflict do nothing
    returning id)
insert into user_roles (user_id, role)
select id, role
from inserted
    join made using (id)
    cross join (values ('customer'), ('admin')) as r (role)
where role = 'customer'
    or n = 10002;

commit;

analyze users, user_roles;
