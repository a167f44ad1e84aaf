#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# SIGUSR1 writes to the log what each lane does, whatever the log's level.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use Stub;
use Test::More;
use Warren::Test;


subtest 'a worker that works' => sub {
    my $stub = Stub->new(lanes => 2)->start()->wait_until_ready();
    my $pid = $stub->pid();
    my @lanes = $stub->wait_for_lanes(2);

    $stub->signal('USR1');
    $stub->wait_for_message(qr/^state: lane 1: /);

    my ($own, @each) = grep { /^state: / } $stub->messages();
    like($own, qr/^state: pid $pid, running, age \d+ ms, lanes 2, ready 2, /,
         'the first line is of the supervisor');
    like($own, qr/restarts 0, settings read again 0 times$/, 'with counts');
    is(scalar(@each), 2, 'and one is of each lane');

    my $life = qr/pid (\d+), ready, age \d+ ms, restarts 0/;
    my @told = map {
        like($each[$_], qr/^state: lane $_: $life, messages handled 0, /,
             "lane $_ with pid, state and age");
        $each[$_] =~ $life ? $1 : ();
    } 0, 1;
    is_deeply([sort @told], [sort @lanes], 'these are their pids');
    like($each[0], qr/, outbox depth 0, last end: none, last error: none$/,
         'nothing has gone wrong yet');

    kill 'USR1', @lanes;
    $stub->signal('USR1');
    $stub->wait_for_message(qr/^state: lane 1: /, 10, 2);
    is_deeply([sort $stub->lanes()], [sort @lanes],
              'a lane that gets the signal too goes on');

    kill 'KILL', $lanes[0];
    $stub->wait_for_message(qr/was killed by SIGKILL/);
    $stub->wait_until_ready();
    $stub->signal('HUP');
    $stub->wait_for_message(qr/^settings read again/);
    $stub->signal('USR1');
    $stub->wait_for_message(qr/^state: lane 1: /, 10, 3);

    my @last = (grep { /^state: / } $stub->messages())[-3 .. -1];
    like($last[0], qr/restarts 1, settings read again 1 times$/,
         'what has happened since is counted');
    is(scalar(grep { /restarts 1, .* last end: was killed by SIGKILL, / }
              @last[1, 2]), 1, 'and one lane tells how it ended');

    is($stub->stop(), 0, 'and it ends well');
};


subtest 'lanes that are dead, and a log that says little' => sub {
    my $stub = Stub->new('stub.life' => 'fail', 'log.level' => 'error')
                   ->start();

    # by then the delay is long enough to be seen
    $stub->wait_for_message(qr/is started again in 1600 ms/);
    $stub->signal('USR1');
    my $lane = $stub->wait_for_message(qr/^state: lane 0: /);

    unlike($stub->log(), qr/^started/m, 'lines of the level info are left out');
    like($lane, qr/: dead, started again in \d+ ms, restarts 4, /,
         'but the state is told: of a lane without a process');
    like($lane, qr/, last end: ended with status 1, /, 'how it ended');
    like($lane, qr/, last error: nothing is as it should be$/,
         'and the last error that it logged');

    is($stub->stop(), 0, 'and it ends well');
};


subtest 'a worker that ends' => sub {
    my $stub = Stub->new('stub.life' => 'deaf', drain_timeout => '0s')
                   ->start()->wait_until_ready();

    $stub->signal('TERM');
    $stub->wait_for_message(qr/^stopping/);
    $stub->signal('USR1');

    like($stub->wait_for_message(qr/^state: lane 0: /),
         qr/: pid \d+, ready, told to end, age/, 'a lane was told to');
    like($stub->log(), qr/state: pid \d+, stopping, /, 'so was the worker');
    is($stub->stop(), 0, 'and it ends well');
};


done_testing();
