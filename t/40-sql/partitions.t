# Copyright (C) the Warren authors
#
# inbox and outbox have a partition for each day, which a worker's role makes
# and drops by a function, and by that alone.

use strict;
use warnings;

use lib 't/lib';

use DBI;
use Test::More;
use Warren::PostgreSQL;
use Warren::Test;

my $postgresql = Warren::PostgreSQL->shared();

deployed();
rights();
wrong_words();
same_partition();
too_old();
of_late();
unsent();
late();
too_many();
one_at_a_time();
traffic();
plans();

done_testing();


# A fresh database: (administrator's rows, role's rows), each a function of SQL.
sub fresh {
    my $uri = $postgresql->database('orders');
    my $admin = $postgresql->admin_uri($uri);

    return (sub { $postgresql->psql($admin, $_[0]) },
            sub { eval { $postgresql->psql($uri, $_[0]) } // $@ }, $uri);
}


sub connection {
    my ($uri, $user) = @_;

    my ($port, $name) = $uri =~ m{:(\d+)/(.*)\z};

    return DBI->connect("dbi:Pg:dbname=$name;host=127.0.0.1;port=$port",
                        $user // 'orders', '', { RaiseError => 1,
                                                 PrintError => 0 });
}


# What the function did, step by step.
sub maintain {
    my ($role, $table, $keep) = @_;

    my @done;

    while (my $did = $role->("select runtime_partition('$table', '$keep')")) {
        push @done, $did;
        die "it never ends: @done\n" if @done > 50 || $did =~ /ERROR/;
    }

    return "@done";
}


# "inbox_20261123" of so many days from now, and an id of it.
sub part {
    my ($sql, $table, $days) = @_;

    return $sql->("select '${table}_' || to_char((now() at time zone 'UTC')"
                  . "::date + $days, 'YYYYMMDD')");
}


sub id_of {
    my ($sql, $days, $n) = @_;

    return $sql->('select overlay(runtime_day_id((now() at time zone \'UTC\')'
                  . "::date + $days)::text placing lpad('$n', 12, '0')"
                  . ' from 25)');
}


# A day that is over, as it was made when it was still to come.
sub make_day {
    my ($sql, $table, $days) = @_;

    my $part = part($sql, $table, $days);

    $sql->("select runtime_partition_make('$table', '$part',"
           . " (now() at time zone 'UTC')::date + $days, 0)");
    return $part;
}


sub insert {
    my ($table, $id, $age) = @_;

    $age //= '0';

    return $table eq 'inbox'
        ? "insert into inbox (message_id, taken_at)"
          . " values ('$id', now() - interval '$age')"
        : "insert into outbox (id, exchange, routing_key, type, content_type,"
          . " body) values ('$id', 'events', 'a.b', 'a.b', 'text/plain', '')";
}


sub deployed {
    my ($sql, $role) = fresh();

    for my $table ('inbox', 'outbox') {
        for my $days (0 .. 3) {
            my $part = part($sql, $table, $days);
            is($sql->("select to_regclass('$part')"), $part,
               "a fresh database has $table of day $days");
        }

        is(maintain($role, $table, '14 days'), '',
           "so that nothing is to be done for $table");
    }

    is($sql->("select string_agg(reloptions::text, ' ') from pg_class"
              . " where relname ~ '^outbox_(default|2)' and relkind = 'r'"),
       join(' ', ('{fillfactor=70}') x 5), 'the outbox has room for leases');
}


sub rights {
    my ($sql, $role) = fresh();
    my $part = part($sql, 'inbox', 0);

    my %forbidden = (
        'make a partition' => 'create table p partition of inbox default',
        'detach one' => "alter table inbox detach partition $part",
        'drop one' => "drop table $part",
        'empty one' => "truncate $part",
        'read one past its table' => "select 1 from $part",
        'make one of its own choice' =>
            "select runtime_partition_make('inbox', 'x', current_date, 0)",
        'drop one of its own choice' =>
            "select runtime_partition_drop('inbox', '$part', now(), 0)",
        'change the function' =>
            'alter function runtime_partition(text, interval) reset all',
        'take its place' =>
            'create function runtime_partition(text, text) returns text'
            . ' language sql as $$ select 1 $$',
    );

    for my $what (sort keys %forbidden) {
        like($role->($forbidden{$what}),
             qr/permission denied|must be owner of/, "a role may not $what");
    }

    is($sql->('select count(*) from pg_proc as p, aclexplode(proacl) as a'
              . " where proname ~ '^runtime_' and a.grantee = 0"), 0,
       'what it may, not everybody may');
}


# Nothing but the two tables, and not so short that a message is forgotten
# while it waits on a rung.
sub wrong_words {
    my ($sql, $role) = fresh();

    for my $words ("'orders', '14 days'", "'inbox', '7 hours'",
                   "'inbox', null", "null, '14 days'",
                   "'inbox; drop table inbox', '14 days'")
    {
        like($role->("select runtime_partition($words)"),
             qr/inbox or outbox, and at least 8 hours/, "refused: $words");
    }
}


sub same_partition {
    my ($sql, $role) = fresh();
    my $part = make_day($sql, 'inbox', -1);
    my $id = id_of($sql, -1, 1);

    is($role->(insert('inbox', $id, '1 day')), '', 'a message acts');
    is($sql->("select tableoid::regclass from inbox"), $part,
       'in the partition of its own day');
    like($role->(insert('inbox', $id)), qr/duplicate key/,
         'today it is known to have acted yesterday');
    is($role->(insert('inbox', $id) . ' on conflict do nothing returning 1'),
       '', 'as the inbox finds out');

    my $key = 'c0ffee00-1234-8abc-9def-0123456789ab';
    is($role->(insert('inbox', $key)), '', 'what a key became is no day\'s');
    is($sql->("select tableoid::regclass from inbox"
              . " where message_id = '$key'"), 'inbox_far',
       'and lies apart');
    is($role->(insert('inbox', '01900000-0000-7000-8000-000000000000')), '',
       'an id of another time is taken');
    is($sql->("select count(*) from inbox_default"), 1, 'by the default');
}


sub too_old {
    my ($sql, $role) = fresh();
    my ($old, $young) = map { make_day($sql, 'inbox', $_) } -16, -14;

    $role->(insert('inbox', id_of($sql, -16, $_), '16 days')) for 1 .. 3;
    $role->(insert('inbox', id_of($sql, -14, 4), '14 days -1 hours'));

    is(maintain($role, 'inbox', '14 days'), "dropped $old",
       'a day is dropped when it is over for so long, and no other');
    is($sql->('select count(*) from inbox'), 1, 'with what was in it');
    is($sql->("select to_regclass('$old')"), '', 'as a whole');
    is(maintain($role, 'inbox', '12 days'), "dropped $young",
       'or sooner if that is told');
}


# Its id is old, but it has acted today: it came again from a dead letter.
sub of_late {
    my ($sql, $role) = fresh();
    my $old = make_day($sql, 'inbox', -20);
    my $id = id_of($sql, -20, 1);

    $role->(insert('inbox', $id, '1 day'));
    $role->(insert('inbox', id_of($sql, -20, 2), '20 days'));

    is(maintain($role, 'inbox', '14 days'), "dropped $old",
       'a day in which little acted of late is dropped');
    is($sql->('select message_id from inbox_default'), $id,
       'but what did is not forgotten');
    like($role->(insert('inbox', $id)), qr/duplicate key/,
         'and does not act again');
}


sub unsent {
    my ($sql, $role) = fresh();
    my ($full, $empty) = map { make_day($sql, 'outbox', $_) } -30, -29;
    my $id = id_of($sql, -30, 1);

    $role->(insert('outbox', $id));
    is(maintain($role, 'outbox', '14 days'), "dropped $empty",
       'an empty day of the outbox is dropped');
    is($sql->('select tableoid::regclass from outbox'), $full,
       'one with an unsent event stays, however old');

    $role->("select runtime_outbox_delete('{$id}')");
    is(maintain($role, 'outbox', '14 days'), "dropped $full",
       'until that is sent');
}


# Nobody was there to make the day's partition in time.
sub late {
    my ($sql, $role) = fresh();

    for my $table ('inbox', 'outbox') {
        my ($today, $tomorrow) = map { part($sql, $table, $_) } 0, 1;
        my @ids = map { id_of($sql, 0, $_) } 1 .. 3;

        $sql->("drop table $today; drop table $tomorrow");
        is($role->(insert($table, $_)), '', "$table works by the default")
            for @ids;
        is($sql->("select count(*) from ${table}_default"), 3, 'all of it');

        is(maintain($role, $table, '14 days'),
           "made $today made $tomorrow", 'the days are made after all');
        is($sql->("select count(*) from ${table}_default"), 0,
           'and the default is emptied');
        is($sql->("select count(*) from $today"), 3, 'into its day');
        like($role->(insert($table, $ids[0])), qr/duplicate key/,
             'where it is known');
    }
}


# More than moves while others wait stays where it is.
sub too_many {
    my ($sql, $role) = fresh();
    my ($today, $tomorrow) = map { part($sql, 'inbox', $_) } 0, 1;
    my $many = sub {
        'insert into inbox (message_id, taken_at) select'
        . ' overlay(runtime_day_id((now() at time zone \'UTC\')::date + '
        . "$_[0])::text placing lpad(i::text, 12, '0') from 25)::uuid,"
        . " now() from generate_series(1, 10001) as i"
    };

    $sql->("drop table $today; drop table $tomorrow");
    is($sql->($many->(0)), '', 'very many come without a partition');
    is(maintain($role, 'inbox', '14 days'), "made $tomorrow",
       'their day gets none, the next one does');
    is($sql->('select count(*) from inbox_default'), 10001, 'they stay');

    my $old = make_day($sql, 'inbox', -20);
    $sql->($many->(-20));
    is(maintain($role, 'inbox', '14 days'), '',
       'a day in which very many acted of late stays for now');
    $sql->("update $old set taken_at = now() - interval '15 days'"
           . ' where message_id < \'' . id_of($sql, -20, 6000) . q('));
    is(maintain($role, 'inbox', '14 days'), "dropped $old",
       'until most are old');
}


sub one_at_a_time {
    my ($sql, $role, $uri) = fresh();
    my $old = make_day($sql, 'inbox', -20);
    my $one = connection($uri);
    my $other = connection($uri);

    $one->begin_work();
    is($one->selectrow_array("select runtime_partition('inbox', '14 days')"),
       "dropped $old", 'one drops a day');
    is($other->selectrow_array(
           "select runtime_partition('outbox', '14 days')"
       ), undef, 'another one has nothing to do meanwhile');
    $one->rollback();
    is($other->selectrow_array("select runtime_partition('inbox', '14 days')"),
       "dropped $old", 'and does it when the first one failed');
}


# A transaction that goes on for long holds the day, and nobody waits for it.
sub traffic {
    my ($sql, $role, $uri) = fresh();
    my $old = make_day($sql, 'inbox', -20);
    my $today = part($sql, 'inbox', 0);
    my $long = connection($uri);
    my $lane = connection($uri);

    $long->begin_work();
    $long->do(insert('inbox', id_of($sql, 0, 1)));
    like($role->("select runtime_partition('inbox', '14 days')"),
         qr/lock timeout/, 'a day is not dropped across a transaction');

    # an error, did it wait for what the function had wanted
    $lane->do("set lock_timeout = '20s'");
    ok($lane->do(insert('inbox', id_of($sql, 0, 2))),
       'others act beside it');
    $long->commit();
    is(maintain($role, 'inbox', '14 days'), "dropped $old",
       'it is when that has ended');

    # a prepared plan that knew the old partitions
    my $take = $lane->prepare('insert into inbox (message_id)'
                              . ' select unnest(?::uuid[])'
                              . ' on conflict do nothing');
    my $done = 0;

    for my $n (10 .. 40) {
        if ($n == 25) {
            $sql->("drop table $today");
            $lane->do(insert('inbox', id_of($sql, 0, 1000)));
            is(maintain($role, 'inbox', '14 days'), "made $today",
               'a day is made in the middle of it');
        }

        $done += $take->execute('{' . id_of($sql, 0, $n) . '}');
    }

    is($done, 31, 'statements that were prepared before go on');
    is($sql->("select count(*) from $today"), 17, 'in the new partition');
    is($sql->('select count(*) from inbox_default'), 0, 'and no other');
}


# What the lanes prepare once must not read a whole partition, now or when
# a day that was empty has filled.
sub plans {
    my ($sql, $role, $uri) = fresh();
    my $lane = connection($uri);
    my $take = 'insert into inbox (message_id) select unnest($1::uuid[])'
               . ' on conflict do nothing';
    my $recall = 'select i.message_id from unnest($1::uuid[]) as k (id)'
                 . ' cross join lateral (select * from inbox'
                 . ' where message_id = k.id limit 1) as i';

    $lane->do("set plan_cache_mode = 'force_generic_plan'");

    for my $statement ([take => $take], [recall => $recall]) {
        my ($name, $text) = @$statement;

        $lane->do("prepare $name (uuid[]) as $text");
        my $plan = join "\n", @{ $lane->selectcol_arrayref(
            "explain execute $name ('{}')"
        ) };
        unlike($plan, qr/Seq Scan on inbox/, "$name reads no partition whole")
            or diag($plan);
    }

    # made while there was nothing, used when there is much
    $lane->do("select runtime_outbox_sweep(1, '1 second')") for 1 .. 6;
    $lane->do("select runtime_outbox_delete('{}')") for 1 .. 6;
    $role->(insert('outbox', id_of($sql, 0, $_))) for 1 .. 5;
    $sql->("update outbox set due_at = now() - interval '1 minute'");
    $lane->do('select pg_stat_force_next_flush()');
    $sql->('select pg_stat_reset()');

    my $sweep = "select count(*) from runtime_outbox_sweep(3, '30 seconds')";
    is($lane->selectrow_array($sweep), 3,
       'so many are taken over as are asked for');
    is($lane->selectrow_array($sweep), 2, 'the rest after them');
    is($lane->selectrow_array($sweep), 0, 'and none twice in its lease');
    $lane->do("select runtime_outbox_delete('{" . id_of($sql, 0, 1) . ','
              . id_of($sql, 0, 2) . "}')");
    $lane->do('select pg_stat_force_next_flush()');
    is($sql->('select seq_scan, n_tup_del from pg_stat_user_tables'
              . " where relname = '" . part($sql, 'outbox', 0) . q(')), '0|2',
       'what is sent is deleted, and nothing was read whole');
    is($sql->('select count(*) from outbox'), 3, 'the rest is there');
}
