#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How a worker ends: lanes drain, those that do not are killed, none is left.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use Stub;
use Test::More;
use Time::HiRes qw(time);
use Warren::Test;


for my $signal (qw(TERM INT QUIT)) {
    subtest "SIG$signal drains the lanes" => sub {
        my $pid_file = tempdir() . "/$signal.pid";
        my $stub = Stub->new(lanes => 2, pid_file => $pid_file)->start()
                       ->wait_until_ready();
        my @lanes = $stub->wait_for_lanes(2);

        is(slurp($pid_file), $stub->pid() . "\n", 'the pid file has its id');
        is($stub->stop($signal), 0, 'the worker exits with 0');

        my $drained = () = $stub->log() =~ /"a lane drains"/g;
        is($drained, 2, 'both lanes drained');
        ok(!grep({ -e "/proc/$_" } @lanes), 'no lane is left');
        ok(!-e $pid_file, 'the pid file is gone');
        like($stub->log(), qr/stopping on SIG$signal/, 'the log says why');
    };
}


subtest 'a second SIGTERM is harmless' => sub {
    my $stub = Stub->new('stub.life' => 'deaf', drain_timeout => '0s')->start()
                   ->wait_until_ready();

    my $start = time();
    $stub->signal('TERM');
    $stub->wait_for_message(qr/^stopping/);
    $stub->signal('TERM');
    $stub->wait_for_message(qr/^still stopping/);

    is($stub->http()->get('/live')->{status}, 200,
       'it is alive while it waits for its lanes');
    is($stub->stop('TERM'), 0, 'and exits with 0');
    cmp_ok(time() - $start, '>=', 1.9, 'not before patience ended');
    like($stub->log(), qr/lane 0 does not end, it is killed/,
         'a lane that does not end is killed');
    like($stub->log(), qr/lane 0 was killed by SIGKILL while it was ending/,
         'and its end is told');
};


subtest 'lanes end with a supervisor that was killed' => sub {
    my $stub = Stub->new(lanes => 2)->start()->wait_until_ready();
    my @lanes = $stub->wait_for_lanes(2);

    is($stub->stop('KILL'), 'signal 9', 'the supervisor is killed');
    wait_for(sub { !grep { -e "/proc/$_" } @lanes }, 10, 'lanes to end');

    my $drained = () = $stub->log() =~ /"a lane drains"/g;
    is($drained, 2, 'they drained');
};


subtest 'a lane has nothing of the supervisor but standard files' => sub {
    my $stub = Stub->new('stub.life' => 'deaf', drain_timeout => '0s',
                         pid_file => tempdir() . '/fds.pid')
                   ->start()->wait_until_ready();
    my ($lane) = $stub->wait_for_lanes(1);

    is_deeply([sort map { m{(\d+)$} } glob "/proc/$lane/fd/*"], [0, 1, 2],
              'its descriptors are 0, 1 and 2');

    my %set = slurp("/proc/$lane/status") =~ /^(Sig\w+):\s+(\w+)$/mg;
    my $bit = sub { (hex substr $_[0], -8) >> ($_[1] - 1) & 1 };

    ok($bit->($set{SigBlk}, 15) && $bit->($set{SigBlk}, 3),
       'SIGTERM and SIGQUIT are blocked for it to take');
    ok(!$bit->($set{SigBlk}, 17) && !$bit->($set{SigBlk}, 2),
       'other signals are not');
    ok($bit->($set{SigIgn}, 2) && $bit->($set{SigIgn}, 1),
       'a terminal\'s signals are ignored');

    kill 'KILL', $lane;
    $stub->wait_for_message(qr/was killed by SIGKILL/);
    $stub->stop();
};


subtest 'a pid file that another worker holds is refused' => sub {
    my $pid_file = tempdir() . '/one.pid';
    my $first = Stub->new(pid_file => $pid_file)->start()->wait_until_ready();
    my $second = Stub->new(pid_file => $pid_file);

    my ($status, $output) = $second->run('-c', $second->conf());
    is($status, 1, 'the second worker exits with 1');
    like($output, qr/pid_file: .*one\.pid.* is locked/, 'and says why');
    is(slurp($pid_file), $first->pid() . "\n", 'the file is as it was');
    is($first->stop(), 0, 'the first goes on');
};


done_testing();
