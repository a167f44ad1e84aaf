# Copyright (C) the Warren authors
#
# Lanes die, stop and share; each message acts once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

killed();
stopped();

done_testing();


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
