# Copyright (C) the Warren authors
#
# Each queue has workers of its own: what floods one does not slow another, and
# a scaler sees what waits.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my $PREFETCH = 10;

my $echo = Echo->new(program => 'step_worker', settings => {
    queues => 'rpc, commands', 'retry.max_attempts' => 2
});
my $events = $echo->second(queues => 'events', prefetch => $PREFETCH,
                           batch => 5);
my $mails = $echo->second(queues => 'channel.email');

$echo->sql('create table step (key text primary key, n int, wrong int);'
           . ' create table mail (id text primary key, type text);'
           . ' grant select, insert, update on step, mail to echo');
$echo->start();
$_->start() for $events, $mails;

divided();
channel();
notified();
rung();
told();
flood();
mistakes();

done_testing();


sub about {
    my ($queue) = @_;

    return $echo->broker()->api('GET', '/api/queues/' . $echo->vhost()
                                       . "/$queue");
}


sub divided {
    my %wanted = (
        'rpc.echo' => 1, 'commands.echo' => 1, 'events.echo' => 1,
        'events.echo.1' => 1, 'events.echo.3' => 1, 'channel.email' => 1,
        'channel.sms' => 0, 'again.echo' => 3, 'park.echo' => 3
    );

    for my $queue (sort keys %wanted) {
        ok(wait_for(sub {
            my $count = about($queue)->{consumers};
            defined $count && $count == $wanted{$queue};
        }, 20, "consumers of $queue"),
           "$queue has $wanted{$queue} consumers");
    }
}


sub mail {
    my ($channel, $body) = @_;

    return $echo->send('notifications', "$channel.ada", $body // '{}',
                       type => 'order_placed', user => 'echo');
}


sub channel {
    my $id = mail('email');

    ok(wait_for(sub {
        $echo->sql("select type from mail where id = '$id'")
            eq 'order_placed'
    }, 20, 'the mail'), 'a message of a channel is handled, whatever its type');

    mail('sms');
    ok(wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'channel.sms') == 1
    }, 20, 'the depth'), 'that of a channel nobody serves waits');

    $echo->broker()->user('stranger', $echo->vhost());
    $id = $echo->send('notifications', 'email.ada', '{}', type => 'x',
                      user => 'stranger');
    like(wait_for(sub {
        $echo->sql("select reason from dead_letter where message_id = '$id'")
    }, 20, 'the dead letter'), qr/unknown sender: "stranger"/,
         'one of a stranger is dead');
}


sub notified {
    my $user = 'ada@example.com';

    is($echo->call('notify', '{}', headers => { 'x-arg-user' => $user })
           ->{status}, 204, 'a handler tells a person something');
    ok(wait_for(sub {
        $echo->sql("select count(*) from mail where type = 'hello'") == 1
    }, 20, 'the mail'), 'and the channel has it, once');
    ok(wait_for(sub { $echo->sql('select count(*) from outbox') == 0 }, 20,
                'an empty outbox'), 'as has who listens otherwise, or nobody');
    is($echo->call('notify', '{}', headers => { 'x-arg-user' => 'a' x 201 })
           ->{status}, 400, 'a person who cannot be named is refused');
    is($echo->sql("select count(*) from mail where type = 'hello'"), 1,
       'and nothing is sent');
}


# It comes home to whichever lane is first.
sub rung {
    my $id = mail('email', '{"retry":true}');

    is(wait_for(sub {
        $echo->sql('select home, attempts from dead_letter'
                   . " where message_id = '$id'")
    }, 20, 'the dead letter'), 'channel.email|2',
       'a message of a channel waits on a rung and comes home');
}


sub told {
    like($mails->http()->get('/metrics')->{body},
         qr/\{[^}]*kind="channel",handler="email"[^}]*\} 1$/m,
         'metrics count by channel');

    my $dir = tempdir();
    spew("$dir/guest.secret", "guest\n", 0600);

    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', 'status', '--vhost',
                    $echo->vhost(), '--url', 'http://guest@127.0.0.1:'
                    . $echo->broker()->management_port(), '--password-file',
                    "$dir/guest.secret"],
        environment => { sanitizer_environment() }
    );
    like($output, qr/^channel\.sms +1 +0 +0 /m, 'status tells channels');
    like($output, qr/channel\.sms has messages and no consumer/,
         'and that nobody serves one');
    like($output, qr/^events\.echo\.3 /m, 'and queues in order');
}


# A lane with the flood, which is a minute of its time, holds what it was sent
# ahead, and no more: the rest is there for a scaler to count.
sub flood {
    my $count = 400;

    for (1 .. $count) {
        $echo->event('echo.flood', 'x', data => { ms => 150 });
    }

    my $queue = wait_for(sub {
        my $about = about('events.echo');
        ($about->{messages_unacknowledged} // 0) > 0 && $about;
    }, 20, 'the flood');

    cmp_ok($queue->{messages_ready}, '>', 0, 'what waits in a flood is seen');

    my $answered = 0;

    for (1 .. 50) {
        $answered++ if ($echo->call('ping') // {})->{status} == 200;
    }

    is($answered, 50, 'calls are answered by a worker of their own');

    my ($most, $seen) = (0, 0);

    for (1 .. 5) {
        $queue = about('events.echo');

        my $unacked = $queue->{messages_unacknowledged};
        $most = $unacked if $unacked > $most;
        $seen++ if $queue->{messages_ready};
        wait_for(sub {
            about('events.echo')->{messages} < $queue->{messages}
        }, 40, 'less of the flood');
    }

    is($seen, 5, 'while the flood goes on, and is seen');
    cmp_ok($most, '<=', $PREFETCH, 'a lane never holds more than prefetch');
    cmp_ok($most, '>', 0, 'though it does hold some');
}


sub mistakes {
    my %wrong = ('rpc event' => 'event', 'rpc,channel.pigeon' =>
                 'channel.pigeon', 'rpc, channel.' => 'channel.');

    for my $words (sort keys %wrong) {
        my ($status, $output) = run_command(
            command => [
                build_dir() . '/t/30-worker/step_worker', '--check-config',
                '-o', "queues=$words", '-o', 'broker.url=amqp://a@b/c',
                '-o', 'database.url=postgres://a'
            ],
            environment => { sanitizer_environment() }
        );
        is($status >> 8, 2, "queues = $words is refused");
        like($output, qr/queues.*"\Q$wrong{$words}\E" is not rpc/,
             'and the word told');
    }
}
