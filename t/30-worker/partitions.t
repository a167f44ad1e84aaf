# Copyright (C) the Warren authors
#
# A worker makes the partitions of days to come and drops those of old days,
# beside its messages.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

my $echo = Echo->new(settings => { 'inbox.keep' => '10d' });

late();
yesterday();
too_old();
busy();
settings();

done_testing();


sub part {
    my ($table, $days) = @_;

    return $echo->sql("select '${table}_' || to_char((now() at time zone"
                      . " 'UTC')::date + $days, 'YYYYMMDD')");
}


sub make_day {
    my ($table, $days) = @_;

    my $part = part($table, $days);

    $echo->sql("select runtime_partition_make('$table', '$part',"
               . " (now() at time zone 'UTC')::date + $days, 0)");
    return $part;
}


sub exists_part { return $echo->sql("select to_regclass('$_[0]')") ne '' }


sub acted {
    my ($id) = @_;

    return $echo->sql("select count(*) from echo where id = '$id'");
}


# The worker had been away for so long that there is no partition left.
sub late {
    my @parts = map { (part('inbox', $_), part('outbox', $_)) } 0 .. 3;

    $echo->sql("drop table $_") for @parts;
    my $early = Echo::uuid();
    $echo->sql("insert into inbox (message_id) values ('$early')");
    $echo->start();

    is($echo->call('write', '{"id":"late","text":"x"}')->{status}, 201,
       'a worker whose partitions have run out works');
    wait_for(sub { !grep { !exists_part($_) } @parts }, 40, 'partitions');
    pass('and makes them');
    like($echo->worker()->log(), qr/partition made inbox_\d{8}/,
         'as its log tells');
    is($echo->sql("select count(*) from inbox_default"), 0,
       'the default partition is empty');
    is($echo->sql("select tableoid::regclass from inbox"
                  . " where message_id = '$early'"), part('inbox', 0),
       'since what was there has moved');

    $echo->command('note', '{"text":"x"}', id => $early);
    $echo->command('note', '{"text":"x"}', id => my $marker = Echo::uuid());
    wait_for(sub { acted($marker) }, 40, 'the marker');
    is(acted($early), 0, 'and is still known to have acted');
}


sub yesterday {
    my $part = make_day('inbox', -1);
    my $id = sprintf '%s-7abc-8def-0123456789ab',
             $echo->sql('select left(runtime_day_id((now() at time zone'
                        . " 'UTC')::date - 1)::text, 13)");

    $echo->command('note', '{"text":"once"}', id => $id);
    wait_for(sub { acted($id) }, 40, 'the command');
    is($echo->sql("select tableoid::regclass from inbox"
                  . " where message_id = '$id'"), $part,
       'a message of yesterday acts in the partition of its day');

    $echo->command('note', '{"text":"twice"}', id => $id);
    wait_for(sub { $echo->worker()->log() =~ /has acted before/ }, 40,
             'the repetition');
    is(acted($id), 1, 'when it comes again today it does not act');

    my $call = $id =~ s/7abc/7abd/r;
    my $first = $echo->call('write', '{"id":"call","text":"x"}', id => $call);
    my $again = $echo->call('write', '{"id":"call","text":"x"}', id => $call);
    is($first->{status}, 201, 'so does a call');
    is($again->{body}, $first->{body}, 'which gets its reply again');
}


# At its next start the worker looks after them at once.
sub too_old {
    my $old = make_day('inbox', -12);
    my $young = make_day('inbox', -10);
    my $events = make_day('outbox', -12);

    $echo->sql("insert into inbox_default (message_id, taken_at) values"
               . " ('01900000-0000-7000-8000-00000000000$_',"
               . " now() - interval '10 days 1 hour')") for 1 .. 3;
    $echo->sql("insert into inbox_far (message_id, taken_at) values"
               . " ('c0ffee00-1234-8abc-9def-00000000000$_',"
               . " now() - interval '$_ days 1 hour')") for 8 .. 9;
    $echo->sql("update inbox_far set taken_at = taken_at"
               . " - interval '2 days' where message_id::text like '%9'");
    $echo->worker()->restart();

    wait_for(sub { !exists_part($old) && !exists_part($events) }, 40,
             'the end of old partitions');
    pass('partitions are dropped after inbox.keep and outbox.keep');
    ok(exists_part($young), 'and not before');
    wait_for(sub { $echo->sql('select count(*) from inbox_default') == 0 },
             40, 'the end of old rows');
    pass('what is in no day goes by its own age');
    is($echo->sql('select message_id from inbox_far'),
       'c0ffee00-1234-8abc-9def-000000000008', 'row by row');
}


# While messages come, partitions are made and dropped: none fails of it.
sub busy {
    my $part = part('inbox', 0);
    my $before = $echo->sql('select count(*) from dead_letter');
    my (@calls, @statuses);

    $echo->worker()->restart(lanes => 3);

    for my $n (1 .. 12) {
        push @calls, map {
            $echo->ask('write', qq({"id":"busy-$n-$_","text":"x"}))
        } 1 .. 20;

        my $old = make_day('inbox', -20 - $n);
        $echo->sql("drop table $part") if $n == 6;
        wait_for(sub {
            eval {
                $echo->sql("select runtime_partition('inbox', '10 days')");
                1;
            } && !exists_part($old) && exists_part($part)
        }, 40, "the end of $old");
    }

    push @statuses, ($echo->answer($_, 40) // {})->{status} // 'none'
        for @calls;
    is_deeply([grep { $_ ne '201' } @statuses], [],
              'all calls get their reply beside it');
    is($echo->sql('select count(*) from dead_letter'), $before,
       'nothing becomes a dead letter');
    wait_for(sub {
        $echo->sql("select count(*) from echo_seen where id ~ '^busy-'") == 240
    }, 40, 'the events');
    is($echo->sql("select count(*) from echo_seen where id ~ '^busy-'"
                  . ' and times <> 1'), 0, 'and each event acts once');
}


sub settings {
    my $program = build_dir() . '/t/30-worker/echo_worker';
    my ($status, $output) = Warren::Test::run_command(
        command => [$program, '-o', 'broker.url=amqp://x@h', '-o',
                    'database.url=postgresql://x@h', '-o', 'inbox.keep=5h',
                    '--check-config'],
        environment => { Warren::Test::sanitizer_environment() }
    );

    is($status >> 8, 2, 'less than the rungs take is refused');
    like($output, qr/inbox\.keep: 5h is not within/, 'with the key');
}
