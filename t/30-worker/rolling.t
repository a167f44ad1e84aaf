# Copyright (C) the Warren authors
#
# Workers are replaced one by one while calls and commands come without end.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;
use Warren::Worker;


# Rounds of a restart of each worker, and what comes during each.
my $ROUNDS = 4;
my $CALLS = 60;
my $COMMANDS = 120;

my $echo = Echo->new(settings => { lanes => 2 })->start();
my $second = Warren::Worker->new(
    service => 'echo', program => $echo->worker()->{program},
    broker => $echo->broker(), vhost => $echo->vhost(),
    database => $echo->{database}, settings => { lanes => 2 }, topology => 0
)->start();
my (@asked, @commands);

for my $round (1 .. $ROUNDS) {
    for my $worker ($echo->worker(), $second) {
        load("$round-$worker->{dir}");

        # told to stop while the load is at its lanes
        $worker->signal('TERM');
        load("$round-$worker->{dir}-stopping");
        is($worker->stop(), 0, "round $round: a worker ends in order");
        load("$round-$worker->{dir}-alone");
        $worker->start();
    }
}

my %status;
$status{ ($echo->answer($_, 20) // { status => 'none' })->{status} }++
    for @asked;
is_deeply(\%status, { 201 => scalar @asked },
          'every call is answered, and none in vain');

ok(wait_for(sub {
    $echo->sql("select count(*) from echo where text = 'note'") == @commands
}, 40, 'the commands'), 'every command has acted');
is($echo->sql("select count(*) from echo where text = 'call'"), @asked,
   'every call has acted');
ok(wait_for(sub {
    $echo->sql('select count(*), sum(times) from echo_seen')
        eq @asked . '|' . @asked
}, 40, 'the events'), 'every event has left and has acted once');
is($echo->sql('select count(*) from dead_letter'), 0, 'nothing is dead');
ok(wait_for(sub {
    $echo->broker()->queue_depth($echo->vhost(), 'commands.echo') == 0
        && $echo->sql('select count(*) from outbox') == 0
}, 20, 'empty queues'), 'and nothing is left');

done_testing();


# The broker confirms commands in between: the load is as long as it takes.
sub load {
    my ($name) = @_;

    for my $i (1 .. $CALLS / 3) {
        push @asked, $echo->ask(
            'write', qq({"id":"$name-$i","text":"call"}), ms => 30_000
        );
        push @commands, $echo->command('note', '{"text":"note"}')
            for 1 .. $COMMANDS / $CALLS;
    }
}
