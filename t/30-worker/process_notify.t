#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a service manager is told: readiness, state, reloads, the end, and signs
# of life, at a path and at an abstract name.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM MSG_DONTWAIT);
use Stub;
use Test::More;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
use Warren::Test;


# A short path: the kernel takes 107 bytes.
sub manager {
    my ($name) = @_;

    my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $name)
        or die "a socket at $name: $!\n";
    my @messages;

    return sub {
        while (defined $socket->recv(my $message, 4096, MSG_DONTWAIT)) {
            push @messages, $message;
        }

        return @messages;
    };
}


sub wait_for_told {
    my ($told, $pattern, $times) = @_;

    $times //= 1;

    return wait_for(
        sub {
            my @found = grep { /$pattern/ } $told->();
            @found >= $times ? $found[$times - 1] : undef;
        }, 10, "the service manager to be told $pattern"
    );
}


sub stub_with {
    my ($environment, %settings) = @_;

    my $stub = Stub->new(%settings);
    $stub->environment(%$environment);

    return $stub->start();
}


my $path = '/tmp/warren-notify-' . $$;


subtest 'from the start to the end' => sub {
    my $gate = tempdir() . '/gate';
    my $told = manager($path);
    my $stub = stub_with({ NOTIFY_SOCKET => $path }, lanes => 2,
                         'stub.gate' => $gate);
    my $pid = $stub->pid();

    is(wait_for_told($told, qr/starting/), 'STATUS=2 lanes: 2 starting',
       'the lanes\' state is told while they start');
    $stub->signal('HUP');
    $stub->wait_for_message(qr/^settings read again/);
    ok(!grep({ /^(READY|RELOADING)=/m } $told->()),
       'nobody is told of readiness, nor of a reload, before there is one');

    spew($gate, '');
    is(wait_for_told($told, qr/^READY=1$/m),
       "READY=1\nMAINPID=$pid\nSTATUS=2 lanes: 2 ready",
       'when all lanes are ready, the worker is');

    unlink $gate;
    my ($victim) = $stub->wait_for_lanes(2);
    kill 'KILL', $victim;
    wait_for_told($told, qr/^STATUS=2 lanes: 1 (?:dead|starting), 1 ready$/);
    spew($gate, '');
    wait_for_told($told, qr/^STATUS=2 lanes: 2 ready$/);
    is(scalar(grep { /^READY=1/m } $told->()), 1,
       'a lane that dies changes the state, and not readiness');

    my $before = clock_gettime(CLOCK_MONOTONIC) * 1e6;
    $stub->signal('HUP');
    my ($usec) = wait_for_told($told, qr/^RELOADING=1$/m)
                 =~ /^MONOTONIC_USEC=(\d+)$/m;
    cmp_ok($usec, '>=', int $before, 'a reload is told, with its time');
    cmp_ok($usec, '<=', clock_gettime(CLOCK_MONOTONIC) * 1e6,
           'which is the monotonic clock\'s');
    wait_for_told($told, qr/^READY=1$/m, 2);
    my @order = map { /^(READY|RELOADING)=1/ ? $1 : () } $told->();
    is_deeply(\@order, ['READY', 'RELOADING', 'READY'],
              'and that it is done');

    $stub->write_conf('log.level' => 'loud');
    $stub->signal('HUP');
    wait_for_told($told, qr/^READY=1$/m, 3);
    pass('a reload that is refused ends too');

    ok(!grep({ /^WATCHDOG/ } $told->()), 'nobody asked for signs of life');

    is($stub->stop(), 0, 'it ends');
    my ($stopping) = grep { /^STOPPING=1$/m } $told->();
    like($stopping, qr/^STOPPING=1\nEXTEND_TIMEOUT_USEC=17000000\nSTATUS=2 /,
         'which was told, with the time that drain_timeout may take');
    unlink $path;
};


subtest 'an abstract name' => sub {
    my $told = manager("\0warren-notify-$$");
    my $stub = stub_with({ NOTIFY_SOCKET => "\@warren-notify-$$" });

    like(wait_for_told($told, qr/^READY=1/), qr/^STATUS=1 lane: 1 ready$/m,
         'is told as well');
    is($stub->stop(), 0, 'to the end');
};


subtest 'signs of life' => sub {
    my $told = manager($path);
    my $stub = stub_with({ NOTIFY_SOCKET => $path, WATCHDOG_USEC => 400000 });
    my $beats = sub { scalar grep { /^WATCHDOG=1$/ } $told->() };

    wait_for_told($told, qr/^READY=1/);
    my ($start, $first) = (clock_gettime(CLOCK_MONOTONIC), $beats->());
    wait_for_told($told, qr/^WATCHDOG=1$/, $first + 5);
    my $lasted = clock_gettime(CLOCK_MONOTONIC) - $start;
    cmp_ok($lasted, '>=', 0.75, 'are given at half of the time');
    cmp_ok($lasted, '<', 4, 'and without long pauses');

    $stub->signal('STOP');
    wait_for(sub { slurp('/proc/' . $stub->pid() . '/stat') =~ /\) T / }, 10,
             'the supervisor to be stopped');
    my $held = $beats->();
    my $end = clock_gettime(CLOCK_MONOTONIC) + 1;
    wait_for(sub { clock_gettime(CLOCK_MONOTONIC) > $end }, 10, 'a second');
    is($beats->(), $held, 'a supervisor that does not turn gives none');
    $stub->signal('CONT');
    wait_for_told($told, qr/^WATCHDOG=1$/, $held + 1);
    is($stub->stop(), 0, 'and goes on when it turns again');

    $stub = stub_with({ NOTIFY_SOCKET => $path, WATCHDOG_USEC => 100000,
                        WATCHDOG_PID => 1 });
    my $ready = grep { /^READY/ } $told->();
    wait_for_told($told, qr/^READY=1/, $ready + 1);
    my $count = $beats->();
    $stub->stop();
    is($beats->(), $count, 'none for a watchdog of another process');
    unlink $path;
};


subtest 'a stuck lane' => sub {
    my $told = manager($path);
    my $stub = stub_with({ NOTIFY_SOCKET => $path, WATCHDOG_USEC => 100000 },
                         lanes => 2, stuck_after => '600ms');
    my $beats = sub { scalar grep { /^WATCHDOG=1$/ } $told->() };

    wait_for_told($told, qr/^READY=1/);
    my ($victim, $other) = $stub->wait_for_lanes(2);

    # SIGABRT does not reach a process that is stopped
    kill 'STOP', $victim;
    my $line = $stub->wait_for_message(qr/gave no sign of life/);
    like($line, qr/^lane [01] gave no sign of life for (\d+) ms, it is aborted/,
         'is told');
    my ($quiet) = $line =~ /for (\d+) ms/;
    cmp_ok($quiet, '>=', 600, 'not before its time');

    my $held = wait_for(sub { $beats->() }, 10, 'signs of life before');
    $stub->signal('USR1');
    $stub->wait_for_message(qr/^state: lane [01]: pid $victim, ready, stuck,/);
    my $dumped = $beats->();
    cmp_ok($dumped - $held, '<=', 1, 'while it lasts there are no signs');

    $stub->wait_for_message(qr/^lane [01] does not abort, it is killed/);
    cmp_ok($beats->(), '<', $dumped + 20, 'to the end, five seconds later');
    $stub->wait_for_message(qr/was killed by SIGKILL after \d+ ms, is started/);
    wait_for_told($told, qr/^WATCHDOG=1$/, $dumped + 2);
    pass('then they go on');

    my @lanes = $stub->wait_for_lanes(2);
    ok(grep({ $_ == $other } @lanes), 'its neighbour was not touched');
    ok(!grep({ $_ == $victim } @lanes), 'and it has a successor');
    is($stub->stop(), 0, 'the worker ends');
    unlink $path;

    $stub = Stub->new('stub.life' => 'deaf', stuck_after => '200ms',
                      drain_timeout => '0s')->start();
    $stub->wait_for_message(qr/^lane 0 was killed by SIGABRT.* after \d+ ms, /);
    $stub->wait_for_message(qr/^a lane begins/, 10, 2);
    pass('one that hangs ends of SIGABRT, and is started again');
    is($stub->stop(), 0, 'and the worker ends');
};


subtest 'who was frozen with its lanes blames none' => sub {
    my $stub = Stub->new(lanes => 2, stuck_after => '400ms')
                   ->start()->wait_until_ready();
    my @lanes = $stub->wait_for_lanes(2);

    kill 'STOP', @lanes, $stub->pid();
    my $end = clock_gettime(CLOCK_MONOTONIC) + 1.5;
    wait_for(sub { clock_gettime(CLOCK_MONOTONIC) > $end }, 10, 'a while');
    kill 'CONT', $stub->pid(), @lanes;

    $stub->wait_until_ready();
    $stub->signal('USR1');
    $stub->wait_for_message(qr/^state: lane 1: /);
    is_deeply([sort $stub->lanes()], [sort @lanes], 'all lanes go on');
    unlike($stub->log(), qr/no sign of life/, 'none was aborted');
    is($stub->stop(), 0, 'and it ends well');
};


subtest 'sockets that are none' => sub {
    for (
        ['nowhere', qr/NOTIFY_SOCKET is no socket that can be used: nowhere/],
        ['@', qr/NOTIFY_SOCKET is no socket that can be used: \@/],
        ['/' . 'x' x 200, qr/NOTIFY_SOCKET is no socket that can be used: /],
        ['/nonexistent/x', qr/manager cannot be told: No such file/]
    ) {
        my ($name, $pattern) = @$_;

        my $stub = stub_with({ NOTIFY_SOCKET => $name,
                               WATCHDOG_USEC => 50000 });
        $stub->wait_until_ready();
        $stub->wait_for_message($pattern);
        is($stub->stop(), 0, 'the worker works: ' . substr $name, 0, 20);
        is(scalar(grep { /$pattern/ } $stub->messages()), 1,
           'and tells it once');
    }

    my $stub = stub_with({ NOTIFY_SOCKET => "\@warren-nobody-$$",
                           WATCHDOG_USEC => 'soon' });
    $stub->wait_for_message(qr/WATCHDOG_USEC is no time: soon/);
    is($stub->stop(), 0, 'nor does a bad time do harm');
};


subtest 'a socket that is full' => sub {
    my $told = manager($path);
    my $filler = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path);
    1 while defined $filler->send('FILL', MSG_DONTWAIT);

    my $stub = stub_with({ NOTIFY_SOCKET => $path })->wait_until_ready();
    is($stub->http()->get('/live')->{status}, 200,
       'the supervisor does not wait for it');
    wait_for_told($told, qr/^READY=1/);
    pass('and READY=1 follows when there is room');
    is($stub->stop(), 0, 'the worker ends');
    unlink $path;
};


done_testing();
