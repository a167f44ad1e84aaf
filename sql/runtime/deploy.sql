-- Deploy the runtime's tables; included by each service's 0001_runtime, inside
-- of its transaction.  :"role" is the login role of the service.
--
-- inbox and outbox are divided by days of their ids, which are UUIDs of version
-- 7 and begin with their time.  So an id always falls into the same partition,
-- where it is unique, and a day is dropped as a whole.

-- what has acted, and what it was answered: a message acts once
create table inbox (
    message_id uuid not null,
    taken_at timestamptz not null default now(),
    -- of arguments and body, where the id was made from a client's key
    fingerprint text,
    -- of a call; null: it was no call
    status smallint,
    content_type text,
    -- http headers of the reply, a JSON object
    headers text,
    -- null: too large to be kept
    body text,
    constraint inbox_pkey
        primary key (message_id)
) partition by range (message_id);

-- ids of no day that is at hand
create table inbox_default
    partition of inbox
    default;

-- ids of no day before the year 2100: what a client's key becomes lies here,
-- all but one in seventy, and not where a new day's partition is looked for
create table inbox_far
    partition of inbox
    for values from ('03bb2cc3-d800-0000-0000-000000000000') to (maxvalue);

create index inbox_default_taken_at_idx
    on inbox_default (taken_at);

create index inbox_far_taken_at_idx
    on inbox_far (taken_at);

-- what is to be published: an event leaves if its transaction was committed
create table outbox (
    id uuid not null,
    exchange text not null,
    routing_key text not null,
    type text not null,
    content_type text not null,
    traceparent text,
    sub text,
    body text not null,
    -- of a dead letter that is sent again: [{name, text or number}]
    headers jsonb,
    created_at timestamptz not null default now(),
    -- whoever made the row publishes it; later it is anybody's
    due_at timestamptz not null default now() + interval '10 seconds',
    constraint outbox_pkey
        primary key (id)
) partition by range (id);

create index outbox_due_at_idx
    on outbox (due_at);

create table outbox_default
    partition of outbox
    default
    with (fillfactor = 70);

-- Deletes what is sent; takes over what nobody has sent, for the time of a
-- lease.  Plans outlive the moment when a new day's partition is empty, and
-- must never read it as a whole.
create function runtime_outbox_delete(ids uuid[])
    returns void
    language plpgsql
    set enable_seqscan = off
as $$
begin
    delete from outbox
    where id = any (ids);
end
$$;

create function runtime_outbox_sweep(at_most integer, lease interval)
    returns setof outbox
    language plpgsql
    set enable_seqscan = off
as $$
begin
    return query
    update outbox
    set due_at = now() + lease
    where id = any (array(
        select o.id
        from outbox as o
        where o.due_at <= now()
        order by o.due_at
        limit at_most
        for update skip locked))
    returning *;
end
$$;

-- the smallest id of a day
create function runtime_day_id(day date)
    returns uuid
    language sql
    immutable
as $$
    select rpad(lpad(to_hex((day - date '1970-01-01') * 86400000::bigint),
                     12, '0'), 32, '0')::uuid
$$;

-- Makes the partition of a day.  What lies in the default partition moves, if
-- that is quickly done; else it stays, and the day gets none.  Returns whether
-- it was made.
create function runtime_partition_make(
    relation text,
    part text,
    day date,
    moves_max integer)
    returns boolean
    language plpgsql
as $$
declare
    key constant text := case relation
        when 'inbox' then 'message_id'
        else 'id'
    end;
    lies_there constant text := format(
        'from %1$I where %2$I >= %3$L and %2$I < %4$L',
        relation || '_default', key, runtime_day_id(day),
        runtime_day_id(day + 1));
    moves integer;
begin
    execute format('select count(*) from (select %s limit %s) as t',
                   lies_there, moves_max + 1)
    into moves;

    if moves > moves_max then
        return false;
    end if;

    if relation = 'inbox' then
        execute format('create table %I (like inbox including all)', part);
        execute format('create index on %I using brin (taken_at)', part);
    else
        execute format('create table %I (like outbox including all) '
                       'with (fillfactor = 70)', part);
    end if;

    -- nobody may write meanwhile: a row that was on its way to the default
    -- partition would fail there
    execute format('lock table only %I in share row exclusive mode',
                   relation);

    if moves > 0 then
        execute format('insert into %I select * %s', part, lies_there);
        execute format('delete %s', lies_there);
    end if;

    execute format('alter table %I attach partition %I '
                   'for values from (%L) to (%L)', relation, part,
                   runtime_day_id(day), runtime_day_id(day + 1));

    return true;
end
$$;

-- Drops the partition of a day that is over.  What acted of late in the inbox
-- moves to the default partition, if that is quickly done.  What is in the
-- outbox was not sent: its day stays.  Returns whether it was dropped.
create function runtime_partition_drop(
    relation text,
    part text,
    since timestamptz,
    moves_max integer)
    returns boolean
    language plpgsql
as $$
declare
    stays constant text := case relation
        when 'inbox' then format('from %I where taken_at >= %L', part, since)
        else format('from %I', part)
    end;
    stay integer;
begin
    execute format('select count(*) from (select %s limit %s) as t', stays,
                   moves_max + 1)
    into stay;

    if stay > moves_max or (stay > 0 and relation = 'outbox') then
        return false;
    end if;

    execute format('alter table %I detach partition %I', relation, part);

    -- none can come any more: detaching has locked both
    if relation = 'inbox' then
        execute format('insert into inbox select * %s', stays);
    else
        execute format('select count(*) from (select %s limit 1) as t', stays)
        into stay;

        if stay > 0 then
            raise lock_not_available
                using message = format('a row came into %s', part);
        end if;
    end if;

    execute format('drop table %I', part);

    return true;
end
$$;

-- What the role may do to the partitions: makes one that is missing, or drops
-- one that is too old.  Returns what it did, null if nothing was to be done or
-- somebody else is at it.  The lock_timeout is short since everybody queues
-- behind a lock that is waited for.
create function runtime_partition(relation text, keep interval)
    returns text
    language plpgsql
    security definer
    set search_path = public, pg_temp
    set lock_timeout = '100ms'
as $$
declare
    days_ahead constant integer := 3;
    moves_max constant integer := 10000;
    today constant date := (now() at time zone 'UTC')::date;
    day date;
    part text;
begin
    if relation is null or relation not in ('inbox', 'outbox')
        or keep is null or keep < interval '8 hours'
    then
        raise invalid_parameter_value
            using message = 'inbox or outbox, and at least 8 hours';
    end if;

    if not pg_try_advisory_xact_lock(hashtextextended('runtime_partition', 0))
    then
        return null;
    end if;

    for n in 0 .. days_ahead loop
        day := today + n;
        part := relation || to_char(day, '"_"YYYYMMDD');

        if to_regclass(part) is null
            and runtime_partition_make(relation, part, day, moves_max)
        then
            return 'made ' || part;
        end if;
    end loop;

    for part in
        select c.relname
        from pg_inherits as i
            join pg_class as c on c.oid = i.inhrelid
        where i.inhparent = relation::regclass
            and c.relname ~ ('^' || relation || '_[0-9]{8}$')
        order by c.relname
    loop
        day := to_date(right(part, 8), 'YYYYMMDD') + 1;
        exit when (day::timestamp at time zone 'UTC') + keep > now();

        if runtime_partition_drop(relation, part, now() - keep, moves_max) then
            return 'dropped ' || part;
        end if;
    end loop;

    return null;
end
$$;

do $$
begin
    while runtime_partition('inbox', interval '14 days') is not null
        or runtime_partition('outbox', interval '14 days') is not null
    loop
        null;
    end loop;
end
$$;

-- what will not be tried again by itself
create table dead_letter (
    id bigint generated always as identity,
    message_id text not null,
    home text not null,
    type text not null,
    content_type text not null,
    sender text not null,
    headers jsonb not null,
    body bytea not null,
    reason text not null,
    attempts integer not null,
    -- when it was sent, and when it died last
    first_at timestamptz not null,
    last_at timestamptz not null default now(),
    -- each failure, also of earlier lives: [{at, attempt, reason}]
    history jsonb not null default '[]',
    constraint dead_letter_pkey
        primary key (id),
    constraint dead_letter_message_id_home_key
        unique (message_id, home),
    constraint dead_letter_attempts_check
        check (attempts >= 0)
);

create index dead_letter_last_at_idx
    on dead_letter (last_at);

-- messages that a lane was working on when it died
create table crash (
    message_id text not null,
    home text not null,
    -- of a lane with nothing but this message; 0: it was one of several
    crashes integer not null default 0,
    -- of these, counted in advance by a lane that has not come back to tell
    pending integer not null default 0,
    -- how the last one ended
    ended text,
    last_at timestamptz not null default now(),
    constraint crash_pkey
        primary key (message_id, home),
    constraint crash_crashes_check
        check (crashes >= pending and pending >= 0)
);

grant select, insert, update, delete
    on inbox, outbox, dead_letter, crash
    to :"role";

-- what has no day is deleted where it lies
grant select, update, delete
    on inbox_default, inbox_far
    to :"role";

revoke all
    on function runtime_outbox_delete(uuid[]),
        runtime_outbox_sweep(integer, interval),
        runtime_day_id(date),
        runtime_partition_make(text, text, date, integer),
        runtime_partition_drop(text, text, timestamptz, integer),
        runtime_partition(text, interval)
    from public;

grant execute
    on function runtime_outbox_delete(uuid[]),
        runtime_outbox_sweep(integer, interval),
        runtime_partition(text, interval)
    to :"role";
