# Copyright (C) the Warren authors
#
# A lane that only waits is never taken for a stuck one; one that is stuck is
# replaced, and what it had taken acts once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::RabbitMQ;
use Warren::Test;

my $patience = 6;
my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker, settings => {
    'broker.heartbeat' => '4s', stuck_after => "${patience}s"
})->start();
my ($first) = $echo->worker()->lanes();

idle();
database_slow();
broker_away();
lane_frozen();

done_testing();


# Watches for longer than patience lasts.
sub outwait {
    my ($what) = @_;

    my $end = time() + $patience + 2;
    my $aborted;

    wait_for(sub {
        $aborted = $echo->worker()->log() =~ /gave no sign of life/;
        $aborted || time() > $end
    }, $patience + 10, $what);

    return !$aborted;
}


sub idle {
    ok(outwait('an idle lane'), 'a lane without work is alive');
}


sub database_slow {
    my $start = time();
    my $reply = $echo->call('slow', '{}', ms => 20_000, seconds => 20,
                            headers => { 'x-arg-ms' => '8000' });

    cmp_ok(time() - $start, '>', $patience, 'a statement takes its time');
    is($reply->{status}, 200, 'a lane that waits for it is alive');
}


sub broker_away {
    $broker->stop();
    ok(outwait('a lane without a broker'), 'so is one without a broker');
    $broker->start();
    $echo->forget();
    delete $echo->{confirming};
    $echo->worker()->wait_until_ready(60);
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'which takes it up again');
    is_deeply([$echo->worker()->lanes()], [$first], 'as the same process');
}


# It has taken a command when it stops, or takes it never: the broker knows.
sub lane_frozen {
    kill 'STOP', $first;
    my @ids = map { $echo->command('note', '{"text":"frozen"}') } 1 .. 3;

    wait_for(sub {
        $echo->worker()->log() =~ /was killed by SIG(?:ABRT|KILL)/
    }, 2 * $patience + 10, 'the end of a stuck lane');
    ok($echo->worker()->log() =~ /gave no sign of life for (\d+) ms/
       && $1 >= 1000 * $patience, 'a lane that stands still is stuck');

    $echo->worker()->wait_until_ready(60);
    my ($second) = $echo->worker()->lanes();
    isnt($second, $first, 'another takes its place');

    my $list = join ', ', map { "'$_'" } @ids;
    ok(wait_for(sub {
        $echo->sql("select count(*) from echo where id in ($list)") == 3
    }, 20, 'the commands'), 'and does what the first one had');
}
