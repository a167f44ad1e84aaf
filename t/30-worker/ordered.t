# Copyright (C) the Warren authors
#
# Events in order: those of one key act one after the other and once each,
# whatever happens to the lanes that have them.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::Test;

my $count = 0;
my %step;       # the last one published, by key

my $echo = Echo->new(program => 'step_worker', settings => {
    lanes => 2, batch => 8, 'retry.in_order_pause' => '50ms'
});

$echo->sql('create table step (key text primary key, n int, wrong int);'
           . ' create table mail (id text primary key, type text);'
           . ' grant select, insert, update on step, mail to echo');
$echo->start();

divided();
held_back();
by_the_database();
dead();
mislaid();
handed_over();
through_all();

done_testing();


# Publishes the next event of the key.
sub step {
    my ($key, %data) = @_;

    my $n = delete $data{again} ? $step{$key} : ++$step{$key};

    return $echo->event('echo.step', $key, data => { n => "$n", %data });
}


sub soon {
    my ($seconds) = @_;

    return int((time() + $seconds) * 1000);
}


# What has acted of a key, and how often it was not the next one.
sub acted {
    my ($key) = @_;

    return $echo->sql("select n, wrong from step where key = '$key'");
}


sub settled {
    my ($key, $seconds) = @_;

    return wait_for(sub { (acted($key) // '') =~ /^$step{$key}\|/ },
                    $seconds // 20, "step $step{$key} of $key");
}


sub about {
    my ($queue) = @_;

    return $echo->broker()->api('GET', '/api/queues/' . $echo->vhost()
                                       . "/$queue");
}


sub divided {
    my @queues = map { about("events.echo.$_") } 1 .. 3;

    is_deeply([ map { $_->{arguments}{'x-single-active-consumer'} } @queues ],
              [ (JSON::PP::true) x 3 ], 'one consumer at a time is active');
    ok(wait_for(sub {
        !grep { (about("events.echo.$_")->{consumers} // 0) != 2 } 1 .. 3
    }, 20, 'the consumers'), 'and each lane stands by at each queue');

    my %lanes;

    for my $queue (map { about("events.echo.$_") } 1 .. 3) {
        $lanes{ $_->{channel_details}{connection_name} } = 1
            for grep { $_->{active} } @{ $queue->{consumer_details} };
    }

    is(scalar keys %lanes, 2, 'lanes divide the lead among them');

    step("spread$_") for 1 .. 30;
    settled("spread$_") for 1 .. 30;
    is($echo->sql('select count(*) from step where wrong = 0'), 30,
       'events of many keys act');
}


# A failure holds back its own key, and no other one.
sub held_back {
    step('slow', until => soon(2));
    step('slow') for 1 .. 20;
    step("quick$_") for 1 .. 20;
    settled("quick$_") for 1 .. 20;
    is(acted('slow'), '', 'while an event fails, those behind it wait');
    settled('slow');
    is(acted('slow'), '21|0', 'and then act in order');
    like($echo->worker()->log(), qr/and what follows waits: retry/,
         'which is told');

    step('undone');
    step('undone', until => soon(1), writes => JSON::PP::true);
    step('undone') for 1 .. 5;
    settled('undone');
    is(acted('undone'), '7|0', 'also after one that had written');
}


sub by_the_database {
    step('broken') for 1 .. 3;
    step('broken', until => soon(0.7), fails => JSON::PP::true);
    step('broken') for 1 .. 5;
    step("whole$_") for 1 .. 5;
    settled('broken');
    is(acted('broken'), '9|0',
       'a batch that the database has failed is tried again in order');
    settled("whole$_") for 1 .. 5;
}


# What fails for good makes way.
sub dead {
    step('stopped');

    my $id = step('stopped', again => 1, until => soon(1000));
    step('stopped') for 1 .. 3;
    settled('stopped');
    is(acted('stopped'), '4|0', 'behind a dead letter the order goes on');
    is($echo->sql('select home, attempts from dead_letter'
                  . " where message_id = '$id'"), 'events.echo|8',
       'after so many attempts, in their place');
    is($echo->sql("select string_agg(f ->> 'attempt', ' ') from dead_letter,"
                  . ' jsonb_array_elements(history) as f'
                  . " where message_id = '$id'"), '1 2 3 4 5 6 7 8',
       'each of which its history tells');

    $id = step('stopped', again => 1, refuse => JSON::PP::true);
    step('stopped');
    settled('stopped');
    is(acted('stopped'), '5|0', 'and behind a refused one');
    is($echo->sql("select attempts from dead_letter where message_id = '$id'"),
       1, 'which is dead at once');

    $id = $echo->event('echo.step', 'x', headers => { 'x-subject' => 'y' });
    like(wait_for(sub {
        $echo->sql("select reason from dead_letter where message_id = '$id'")
    }, 15, 'the dead letter'), qr/x-subject is not its subject/,
         'an event given a queue by another subject than its own is dead');
    $echo->sql('delete from dead_letter');
}


# A publisher that does not tell the subject for the broker.
sub mislaid {
    $step{mislaid} = 5;
    $echo->event('echo.step', 'mislaid', data => { n => "$_" }, headers => {})
        for 1 .. 5;
    settled('mislaid');
    is(acted('mislaid'), '5|0', 'without the header, one queue has all');
}


# A lane that is told to stop holds what it may not do yet; its successor must
# not begin with what comes after that.
sub handed_over {
    my $other = $echo->second()->start();

    wait_for(sub {
        !grep { (about("events.echo.$_")->{consumers} // 0) != 4 } 1 .. 3
    }, 30, 'lanes that stand by');

    # more than are sent ahead
    step('handed', until => soon(3));
    my $offset = length $echo->worker()->log();

    step('handed') for 1 .. 60;
    wait_for(sub {
        substr($echo->worker()->log(), $offset) =~ /what follows waits/
    }, 20, 'a failure');
    $echo->worker()->stop();
    settled('handed', 40);
    is(acted('handed'), '61|0', 'what a lane gives back comes first');
    $echo->worker()->start();
    $other->stop();
}


# Two processes of two lanes; lanes are killed, stopped, and lose their
# database, while events fail here and there.
sub through_all {
    my $other = $echo->second()->start();
    my @workers = ($echo->worker(), $other);
    my @keys = map { "key$_" } 1 .. 24;
    my @harm = (
        sub { kill 'KILL', (($_[0]->lanes())[0] // return) },
        sub { kill 'KILL', (($_[0]->lanes())[1] // return) },
        sub { kill 'TERM', (($_[0]->lanes())[1] // return) },
        sub { $_[0]->restart() },
        sub {
            $echo->sql('select pg_terminate_backend(pid)'
                       . ' from pg_stat_activity'
                       . ' where datname = current_database()'
                       . " and application_name like '%lane 0'");
        },
        sub { $_[0]->kill9(); $_[0]->start(wait => 0) },
        sub { $echo->broker()->close_connections('echo');
              delete $echo->{confirming} },
    );

    for my $round (0 .. 2 * @harm - 1) {
        for my $i (1 .. 4) {
            step($_, $count++ % 29 ? () : (until => soon(0.15)))
                for @keys;
        }

        $harm[$round % @harm]->($workers[$round / @harm]);
    }

    settled($_, 60) for @keys;

    my $steps = 8 * @harm;
    is($echo->sql("select count(*) from step where key like 'key%'"
                  . " and n = $steps and wrong = 0"), scalar @keys,
       'each key has acted in order and once, through all')
        or diag($echo->sql("select * from step where key like 'key%'"));
    is($echo->sql('select count(*) from dead_letter'), 0,
       'and nothing is dead');
    $other->stop();

    ok(wait_for(sub {
        !grep { $echo->broker()->queue_depth($echo->vhost(), "events.echo.$_") }
              1 .. 3
    }, 20, 'empty queues'), 'and all is acknowledged');
}
