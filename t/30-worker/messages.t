# Copyright (C) the Warren authors
#
# Messages out of the ordinary: large, forged, for a rung that is full, for a
# table that does not take them; and queues that a worker leaves alone.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::Test;

my $echo = Echo->new()->start();

large();
oversized();
forged();
commands();
full_rung();
refused_letter();
no_rung();
subset();
skewed();
deadlines();

done_testing();


sub letter {
    my ($id) = @_;

    return wait_for(
        sub {
            $echo->sql('select home, reason, attempts from dead_letter'
                       . " where message_id = '$id'") || undef;
        },
        15, "the dead letter $id"
    );
}


# Frames hold 128 kB: a body is put together of several, amid others.
sub large {
    my $text = join '', map { sprintf '%07d,', $_ } 1 .. 37500;
    my @asked = map {
        [ $echo->ask('echo', qq({"text":"$text$_"})), "$text$_",
          $echo->ask('echo', qq({"text":"small $_"})), "small $_" ]
    } 1 .. 12;
    my $right = 0;

    for my $pair (@asked) {
        my ($large, $large_text, $small, $small_text) = @$pair;

        $right += $echo->answer($large)->{json}{text} eq $large_text;
        $right += $echo->answer($small)->{json}{text} eq $small_text;
    }

    is($right, 24, 'bodies of 300 kB come and go whole, amid small ones');
}


sub oversized {
    my $body = '{"text":"' . 'a' x (17 << 20) . '"}';

    is($echo->call('echo', $body, seconds => 40)->{status}, 413,
       'a call with a body beyond the bound is told so');

    my $id = $echo->command('note', $body);
    like(letter($id), qr/^commands\.echo\|body too large\|1$/,
         'a command with one is a dead letter');
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and the lane goes on');
}


# Rights are on routing keys: a type that says something else is a forgery.
sub forged {
    my $id = Echo::uuid();

    $echo->send('events', 'echo.written', JSON::PP::encode_json({
        specversion => '1.0', id => $id, source => '/warren/echo',
        type => 'stub.made', subject => 'forged', data => {}
    }), id => $id, type => 'stub.made', user => 'echo',
        content_type => 'application/cloudevents+json');
    like(letter($id), qr/type is not its routing key/,
         'an event whose type is not its routing key is dead');
    is($echo->sql("select count(*) from echo where id = 'forged'"), 0,
       'and does not act');
}


sub commands {
    is($echo->call('send')->{status}, 204, 'a handler sends a command');
    ok(wait_for(sub {
        $echo->sql("select count(*) from echo where text = 'sent'") == 1
    }, 15, 'the command'), 'and it acts, once');

    $echo->broker()->user('stranger', $echo->vhost());
    my $id = $echo->command('note', '{"text":"x"}', user => 'stranger');
    like(letter($id), qr/command of an unknown sender: "stranger"/,
         'a command of a service that is not known is dead');

    $echo->call('send', '{}', headers => { 'x-arg-service' => 'nobody' });
    ok(wait_for(sub {
        $echo->worker()->log() =~ /no queue takes \\"note\\" for \\"nobody\\"/
    }, 15, 'the warning'), 'a command that no queue takes is told');
    is($echo->sql("select count(*) from outbox where routing_key = 'nobody'"),
       1, 'and stays in the outbox');
    $echo->sql("delete from outbox where routing_key = 'nobody'");
}


sub path {
    return '/api/' . shift() . '/' . $echo->vhost() . '/' . shift;
}


# A queue that refuses each message stands in for a full one.
sub full_rung {
    my $amqp = $echo->connect('guest');

    $echo->broker()->api('DELETE', path('queues', 'retry.echo.1s'));
    $amqp->declare_queue('retry.echo.1s', durable => 1, arguments => {
        'x-max-length' => 0, 'x-overflow' => 'reject-publish' });
    $amqp->bind('retry.echo.1s', 'retry.echo', '1s');

    my $id = $echo->command('retry');
    ok(wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'retry.echo.5s') == 1
    }, 15, 'the longer rung'), 'what its rung refuses waits on the next one');
    like($echo->worker()->log(), qr/rung 0 does not take the message/,
         'and that is told');
    is($echo->broker()->queue_depth($echo->vhost(), 'commands.echo'), 0,
       'and it is acknowledged');
    $echo->broker()->api('DELETE',
                         path('queues', 'retry.echo.5s') . '/contents');
}


sub refuse_letters {
    $echo->sql("alter table dead_letter add constraint refuses"
               . " check (type <> 'refuse') not valid");
}


sub refused_letter {
    refuse_letters();
    $echo->command('refuse');
    ok(wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'retry.echo.6h') == 1
    }, 15, 'the longest rung'),
       'a dead letter that the table refuses waits on the longest rung');
    like($echo->worker()->log(), qr/cannot keep a dead letter: new row for/,
         'and that is told with the reason');
    $echo->sql('alter table dead_letter drop constraint refuses');
}


sub no_rung {
    for my $rung (qw(1s 5s 15s 1m 5m 15m 1h 6h)) {
        $echo->broker()->api('DELETE',
                             path('queues', "retry.echo.$rung"));
    }

    my $id = $echo->command('retry');
    like(letter($id), qr/^commands\.echo\|/,
         'what no rung takes is a dead letter');

    # with nowhere to go it is kept, and tried again without haste
    refuse_letters();

    my $before = () = $echo->worker()->log() =~ /cannot keep a dead/g;
    my $start = time();

    $id = $echo->command('refuse');
    wait_for(sub {
        my $now = () = $echo->worker()->log() =~ /cannot keep a dead/g;
        return $now >= $before + 4;
    }, 20, 'some tries');
    cmp_ok(time() - $start, '>', 1.5,
           'a message with nowhere to go is not tried without end');
    hides_nobody();
    $echo->sql('alter table dead_letter drop constraint refuses');
    like(letter($id), qr/it was told to refuse/, 'and is not lost');
}


# A lane holds it for a second each time; a call whose twin is in the same batch
# is held for a moment, behind it.
sub hides_nobody {
    my $before = () = $echo->worker()->log() =~ /cannot keep a dead/g;
    my $answered = 0;

    for (1 .. 20) {
        my $busy = $echo->ask('busy', '{}', headers => { 'x-arg-ms' => '50' });
        my %twin = (id => Echo::uuid());
        my @asked = map { $echo->ask('refuse', '{}', %twin) } 1, 2;

        $echo->answer($busy);
        $answered += grep { ($echo->answer($_) // {})->{status} == 409 } @asked;
    }

    my $after = () = $echo->worker()->log() =~ /cannot keep a dead/g;

    is($answered, 40, 'calls beside it are answered');
    cmp_ok($after - $before, '<', 10,
           'and need not wait until it is tried again');
}


sub subset {
    $echo->worker()->restart(queues => 'rpc');

    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'a worker of calls answers calls');

    my $id = $echo->command('note', '{"text":"subset"}');
    is($echo->broker()->queue_depth($echo->vhost(), 'commands.echo'), 1,
       'and leaves commands in their queue') if wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'commands.echo') == 1
    }, 15, 'the depth');
    is($echo->sql("select count(*) from echo where id = '$id'"), 0,
       'where they do not act');

    $echo->worker()->restart(queues => 'commands events');
    ok(wait_for(sub {
        $echo->sql("select count(*) from echo where id = '$id'") == 1
    }, 15, 'the command'), 'until a worker of commands comes');
    $echo->worker()->restart(queues => '');
}


# By the requester's clock, the deadline has passed an hour ago.
sub skewed {
    my %slow = (ms => 8000, headers => {
        'x-deadline' => Warren::AMQP::typed(
            l => int(time() * 1000) + 8000 - 3_600_000
        )
    });

    # a requester that is not known yet
    $echo->forget();

    my $reply = $echo->call('echo', '{"text":"x"}', %slow, seconds => 5);
    is(($reply // {})->{status}, 200,
       'a call of a requester whose clock is slow is answered');
    like($echo->worker()->log(), qr/clock_skew: .* seems 36000\d\d ms old/,
         'and its clock is told of');
}


# A sender may write any number, and need not tell an expiration.
sub deadlines {
    my $late = 'warren_messages_late_total{service="echo"}';
    my $before = $echo->worker()->metric($late);
    my $amqp = $echo->amqp();
    my %ask;

    for my $number ('9223372036854775807', '9223372036854775806',
                    '-9223372036854775808', '-9223372036854775807', '0')
    {
        $ask{$number} = sprintf '%016x', keys(%ask) + 1;
        $amqp->publish(
            'rpc', 'echo', '{"text":"x"}', type => 'echo',
            content_type => 'application/json', user_id => 'gateway',
            correlation_id => $ask{$number}, message_id => Echo::uuid(),
            reply_to => $amqp->{reply_queue}, timestamp => int time(),
            headers => { 'x-deadline' => Warren::AMQP::typed(l => $number) }
        );
    }

    for my $number ('9223372036854775807', '9223372036854775806') {
        my $reply = $echo->answer($ask{$number}) // {};
        is($reply->{status}, 200, "a deadline of $number is no hindrance");
        ok(!$reply->{json}{has_deadline}, 'and none at all');
    }

    ok(wait_for(sub {
        $echo->worker()->metric($late) == $before + 3
    }, 30, 'the count'), 'one long before our time has passed');
    is($echo->answer($ask{$_}, 1), undef, "and a call until $_ is dropped")
        for '-9223372036854775808', '-9223372036854775807', '0';
}
