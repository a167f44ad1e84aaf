#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A lane that dies is started again: with a delay that doubles, and a line that
# says how it died.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use Stub;
use Test::More;
use Warren::Test;


subtest 'a lane killed with SIGKILL is started again' => sub {
    my $stub = Stub->new(lanes => 2)->start()->wait_until_ready();
    my ($victim, $other) = $stub->wait_for_lanes(2);

    kill 'KILL', $victim;

    my $message = $stub->wait_for_message(qr/was killed by SIGKILL/);
    like($message,
         qr/^lane [01] was .* after \d+ ms, is started again in 100 ms$/,
         'the log says which, how and when again');

    my @lanes = wait_for(
        sub {
            my @now = $stub->lanes();
            @now == 2 && !grep({ $_ == $victim } @now) ? \@now : undef;
        }, 10, 'a new lane'
    )->@*;

    ok(grep({ $_ == $other } @lanes), 'its neighbour goes on');
    $stub->wait_until_ready();

    like($stub->http()->get('/metrics')->{body},
         qr/^warren_lane_restarts_total\{service="stub"\} 1$/m,
         'the start is counted');
    is($stub->stop(), 0, 'and the worker ends well');
};


subtest 'the delay doubles with each death' => sub {
    my $stub = Stub->new('stub.life' => 'crash')->start();

    $stub->wait_for_message(qr/is started again in 800 ms/);

    my @delays = map { /started again in (\d+) ms/ ? $1 : () }
                 $stub->messages();
    is_deeply([@delays[0 .. 3]], [100, 200, 400, 800], 'from 100 ms on');

    my ($first) = grep { /started again/ } $stub->messages();
    like($first, qr/^lane 0 was killed by SIGABRT/,
         'a crash is told by its signal');
    is($stub->http()->get('/live')->{status}, 200, 'the supervisor lives');
    is($stub->http()->get('/ready')->{status}, 503, 'and is not ready');
    is($stub->stop(), 0, 'it stops while a lane waits for its start');
};


subtest 'lanes that cannot work at all are told, and do not spin' => sub {
    my $stub = Stub->new('stub.life' => 'fail', lanes => 3)->start();

    my $message = $stub->wait_for_message(qr/^no lane can work/, 10, 2);
    like($message, qr/the lines above; trying again in \d+ ms$/,
         'the log says so and when it is tried again');

    my $begun = () = $stub->log() =~ /a lane begins/g;
    cmp_ok($begun, '<=', 9, 'three lanes began at most three times');
    is($stub->stop(), 0, 'and the worker ends well');
};


subtest 'a lane that ends by itself is started again after a delay' => sub {
    my $stub = Stub->new('stub.life' => 'end')->start();

    $stub->wait_for_message(qr/^lane 0 ended with status 0 .* in 200 ms$/);
    is($stub->stop(), 0, 'and the worker ends well');
};


done_testing();
