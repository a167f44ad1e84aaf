# Copyright (C) the Warren authors
#
# Commands that a service sends itself now and then: once a slot of time,
# however many workers there are.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command);
use Warren::Worker;

my $echo = Echo->new(program => 'tick_worker', settings => { lanes => 2 });
my $second = $echo->second();

once();
goes_on();
elsewhere();
wrong();

done_testing();


sub count {
    my ($type) = @_;

    return $echo->sql("select count(*) from echo where text = '$type'");
}


# Slots of a method, in milliseconds since the epoch, in their order.
sub slots {
    my ($type) = @_;

    return map { unpack 'Q>', pack 'H16', "0000$_" } split /\n/, $echo->sql(
        "select left(replace(id, '-', ''), 12) from echo"
        . " where text = '$type' order by 1"
    );
}


sub once {
    $echo->start();
    $second->{topology} = 0;
    $second->start();

    wait_for(sub { count('tick') >= 6 && count('tock') >= 3 }, 60,
             'six slots of a second and three of two');

    for my $case (['tick', 1000], ['tock', 2000]) {
        my ($type, $every) = @$case;
        my @slots = slots($type);
        my %seen = map { $_ => 1 } @slots;

        is(scalar keys %seen, scalar @slots,
           "two workers with two lanes each: $type once a slot");
        is_deeply([grep { $_ % $every } @slots], [],
                  "and its slots have $every ms");
    }

    is($echo->sql('select count(*) from dead_letter'), 0,
       'what both workers sent acted once');

    wait_for(sub {
        ($echo->worker()->metric('warren_messages_repeated_total'
                                 . '{service="echo"}') // 0)
        + ($second->metric('warren_messages_repeated_total{service="echo"}')
           // 0) > 0
    }, 60, 'a doubled one');
    pass('though it came twice');
}


sub goes_on {
    $echo->worker()->kill9();

    my $before = count('tick');

    wait_for(sub { count('tick') >= $before + 3 }, 60, 'three more slots');
    pass('without one worker the other one goes on');

    my @lanes = $second->lanes();
    kill 'KILL', @lanes;
    $before = count('tick');
    wait_for(sub { count('tick') >= $before + 3 }, 60, 'three more slots');
    pass('and with new lanes, too');
    is($second->stop(), 0, 'the last one ends');
}


# A worker that has no part in commands sends none that would only lie there.
sub elsewhere {
    my $calls = $echo->second(queues => 'rpc');
    my $before = count('tick');

    $calls->{topology} = 0;
    $calls->start();

    my $age = time() + 3;
    wait_for(sub {
        $echo->call('ping', '{}')->{status} == 204 && time() >= $age
    }, 60, 'three seconds of calls');

    is($calls->metric('warren_messages_received_total{service="echo"}') > 0, 1,
       'a worker of calls alone does calls');
    is(count('tick'), $before, 'and nothing now and then');
    is($echo->broker()->queue_depth($echo->vhost(), 'commands.echo'), 0,
       'and sends none for others');
    $calls->stop();
}


sub wrong {
    my $program = $echo->worker()->{program};
    my @cases = (
        ['a call', { TICK_KIND => 'call' }], ['too often', {
            TICK_EVERY => 999 }], ['too seldom', { TICK_EVERY => 3600001 }],
        ['before the last one', { TICK_EVERY => -1000 }]
    );

    for my $case (@cases) {
        my ($what, $environment) = @$case;
        my ($status, $output) = run_command(
            command => [$program, '--topology'], environment => $environment
        );

        isnt($status, 0, "$what: refused");
        like($output, qr/handler "tick" has an \.every_ms and is no command/,
             'with the handler and the reason');
    }
}
