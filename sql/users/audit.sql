-- Audit of users: a row for each thing that is wrong.

\ir ../runtime/audit.sql

select 'not a hash of Argon2id' as wrong, id::text as what, null as detail
from users
where password_hash not like '$argon2id$%';

select 'registered in the future' as wrong, id::text as what,
    created_at::text as detail
from users
where created_at > now() + interval '1 minute';

select 'a session without tokens' as wrong, id::text as what,
    user_id::text as detail
from sessions
where not exists (
    select
    from refresh_tokens
    where refresh_tokens.session_id = sessions.id);

select 'ended before it began' as wrong, id::text as what,
    ended_at::text as detail
from sessions
where ended_at < created_at;

-- only the last one of a session is good
select 'more than one token to use' as wrong, session_id::text as what,
    count(*)::text as detail
from refresh_tokens
where rotated_at is null
group by session_id
having count(*) > 1;

select 'a token outlives its session' as wrong, session_id::text as what,
    t.expires_at::text as detail
from refresh_tokens as t
    join sessions as s on s.id = t.session_id
where t.expires_at > s.expires_at;

-- a piece of a digest is no secret
select 'a used token is not followed by one' as wrong,
    session_id::text as what, left(hash, 8) || ': ' || (
        select count(*)
        from refresh_tokens as next
        where next.parent = t.hash) as detail
from refresh_tokens as t
where rotated_at is not null
    and 1 <> (
        select count(*)
        from refresh_tokens as next
        where next.parent = t.hash
            and next.session_id = t.session_id);

-- whoever gives roles in another way leaves no trace of it
select 'roles are not those given last' as wrong, user_id::text as what,
    array_to_string(roles, ' ') || ', not '
        || array_to_string(roles_after, ' ') as detail
from (
    select distinct on (user_id) user_id, roles_after
    from role_changes
    order by user_id, id desc) as given
    join users on users.id = given.user_id
    cross join lateral (
        select array(
            select role
            from user_roles
            where user_roles.user_id = given.user_id
            order by role) as roles) as r
where roles <> array(
    select unnest(roles_after)
    order by 1);

select 'a role that allows nothing' as wrong, name as what, null as detail
from roles
where not exists (
    select
    from role_scopes
    where role_scopes.role = roles.name);

-- the longest that the settings can say
select 'a link that is good for too long' as wrong, user_id::text as what,
    purpose || ' ' || expires_at as detail
from links
where expires_at > now() + case purpose
        when 'reset' then interval '1 day'
        else interval '30 days'
    end;

select 'locked for too long' as wrong, left(key, 8) as what,
    blocked_until::text as detail
from login_failures
where blocked_until > now() + interval '1 day'
    or blocked_until > expires_at;
