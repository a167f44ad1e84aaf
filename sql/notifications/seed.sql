-- Copyright (C) the Warren authors
--
-- How the people of sql/users/seed.sql are reached: without it they would get
-- no letters, and English.  The ids are the same because both make them of the
-- same numbers.
--
-- They are loaded once: if Alice is there, all is left as it is.
--
--     psql -X -d notifications_db -f sql/notifications/seed.sql

\set ON_ERROR_STOP on
\set QUIET on

begin;

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
    end as language
from generate_series(1, 10002) as n,
    lateral (
        select timestamptz '2025-01-01 00:00:00+00' + n * interval '30 minutes'
            as made_at) as t;

-- version 1 is that of a person nothing has happened to
insert into recipients (user_id, email, name, language, is_verified, version)
select id, email, name, language, true, 1
from seeds
where not exists (
    select
    from recipients
        join seeds on seeds.id = recipients.user_id
    where seeds.n = 10001)
order by n
on conflict on constraint recipients_pkey do nothing;

commit;

analyze recipients;
