# Copyright (C) the Warren authors
#
# Lanes die, stop and share; each message acts once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

in_flight();
killed();
stopped();
busy();

done_testing();


# The same message at two lanes: the second one does not wait in the database.
sub in_flight {
    my $echo = Echo->new(settings => { lanes => 2, prefetch => 1 })->start();
    my %slow = (id => Echo::uuid(),
                headers => { 'x-arg-ms' => '2000', 'x-keyed' => '1' });
    my $first = $echo->ask('slow', '{}', %slow);

    # two lanes that begin at once have no first and second
    wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 15, 'the statement');

    my $second = $echo->ask('slow', '{}', %slow);
    my $reply = $echo->answer($second);
    is($reply->{status}, 409, 'a key whose first request runs is in flight');
    is($reply->{json}{type}, 'urn:warren:error:idempotency_in_flight',
       'and that is what it is told');
    is($echo->answer($first)->{status}, 200, 'the first one ends');

    %slow = (id => Echo::uuid(), headers => { 'x-arg-ms' => '1500' });
    $first = $echo->ask('slow', '{}', %slow);
    $second = $echo->ask('slow', '{}', %slow);
    is($echo->answer($second)->{body}, $echo->answer($first)->{body},
       'without a key, the second one waits for the reply of the first');
    $echo->worker()->stop();
}


# Lanes are killed while commands run: what was committed and not acknowledged
# comes again, and the inbox knows it.
sub killed {
    my $echo = Echo->new(settings => { lanes => 2 })->start();
    my @ids;

    for my $round (1 .. 5) {
        push @ids, $echo->command('note', '{"text":"killed"}') for 1 .. 20;

        my ($lane) = $echo->worker()->lanes();
        kill 'KILL', $lane if $lane;
    }

    push @ids, $echo->command('note', '{"text":"killed"}') for 1 .. 20;
    wait_for(sub {
        $echo->sql("select count(*) from echo where text = 'killed'") == @ids
    }, 40, 'all commands');

    is($echo->sql("select count(*) from echo where text = 'killed'"), 120,
       'with lanes killed, every command has acted exactly once');
    is($echo->sql('select count(*) from dead_letter'), 0,
       'and none is a dead letter');
    wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'commands.echo') == 0
    }, 20, 'an empty queue');
    pass('and all are acknowledged');
    $echo->worker()->stop();
}


# SIGTERM while calls and commands come: what was taken is finished, the rest
# waits for the next start.
sub stopped {
    my $echo = Echo->new(settings => { lanes => 2 })->start();
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '1000' });
    my @ids = map { $echo->command('note', '{"text":"stopped"}') } 1 .. 100;

    is($echo->worker()->stop(), 0, 'told to stop, the worker ends in order');
    is($echo->answer($slow, 5)->{status}, 200,
       'and has finished what it had begun');

    push @ids, $echo->command('note', '{"text":"stopped"}') for 1 .. 20;
    $echo->start();
    ok(wait_for(sub {
        $echo->sql("select count(*) from echo where text = 'stopped'") == @ids
    }, 20, 'all commands'), 'nothing is lost over a restart');
    is($echo->sql('select count(*) from dead_letter'), 0,
       'and no attempt was burnt');
}


# Handlers that take their time, as hashes of passwords do, in one batch.
sub busy {
    my $echo = Echo->new(settings => { 'broker.heartbeat' => '1s' })->start();
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '1000' });
    my @asked = map {
        $echo->ask('busy', '{}', ms => 30_000,
                   headers => { 'x-arg-ms' => '600' })
    } 1 .. 10;

    is($echo->answer($slow)->{status}, 200, 'a lane is kept busy');
    is_deeply([map { ($echo->answer($_) // {})->{status} } @asked],
              [(200) x 10], 'a batch of handlers that take long is answered');
    unlike($echo->worker()->log(), qr/connection lost/,
           'and the heartbeats are kept meanwhile');
    $echo->worker()->stop();
}
