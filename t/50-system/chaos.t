# Copyright (C) the Warren authors
#
# 500 orders from 20 clients while lanes are killed again and again and the
# broker is restarted: each order that was confirmed is stored once, and told
# once.

use strict;
use warnings;

use lib 't/lib';

use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time);
use Warren::HTTP;
use Warren::System;
use Warren::Test;
use Warren::Test qw(alive spawn);

my $clients = 20;
my $orders = 25;
my $patience = 150;

my $system = Warren::System->new(
    private => 1, settings => { orders => { lanes => 3 } }
)->start();
my $worker = $system->worker('orders');
my $dir = tempdir('clients');

$system->products({ map { ("tea-$_" => 100) } 1 .. $orders });

my @tokens = map { ($system->person("client$_"))[1] } 1 .. $clients;
my @pids = map { client($_) } 1 .. $clients;

my ($kills, $restarts) = trouble();

cmp_ok($kills, '>=', 8, "lanes were killed again and again: $kills times");
is($restarts, 1, 'the broker was restarted once');

my %confirmed;
my $failed = 0;

for my $n (1 .. $clients) {
    for my $line (split /\n/, slurp("$dir/$n")) {
        my ($status, $id) = split / /, $line;
        $status == 201 ? $confirmed{$id}++ : $failed++ && diag($line);
    }
}

is($failed, 0, 'every client got every order placed in the end');
is(scalar keys %confirmed, $clients * $orders,
   'each confirmation is of an order of its own');

my $stored = $system->psql('orders', 'select id from orders order by id');
is($stored, join("\n", sort keys %confirmed),
   'every order that was confirmed is stored exactly once, and no other');
is($system->psql('orders', <<'END'), '0', 'none has lost its lines');
    select count(*)
    from orders
    where 1 <> (
        select count(*)
        from order_lines
        where order_id = orders.id)
END

# what waits on a rung or in an outbox comes in its own time
my $told = q{from notifications where kind = 'order.placed'};

wait_for(
    sub {
        $system->psql('notifications', "select count(*) $told")
            >= $clients * $orders;
    },
    90, 'all notifications'
);

is($system->psql('notifications',
                 "select data->>'order_id' $told order by 1"),
   $stored, 'each order has exactly one notification');

for my $service ('orders', 'notifications') {
    is($system->psql($service, 'select count(*) from outbox'), 0,
       "$service: nothing is left to be announced")
        if wait_for(sub {
            $system->psql($service, 'select count(*) from outbox') == 0;
        }, 60, "an empty outbox of $service");
    is($system->psql($service, 'select count(*) from dead_letter'), 0,
       "$service: nobody was buried");
}

done_testing();


# A client places its orders one after the other, each with a key of its own;
# what may or may not have happened it sends again.
sub client {
    my ($n) = @_;

    my $pid = fork() // die "fork: $!\n";
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

    my $deadline = time() + $patience;
    open my $log, '>', "$dir/$n.part" or _exit(1);

    for my $order (1 .. $orders) {
        my $answer = place($n, $order, $deadline);
        print $log "$answer->{status} ",
                   $answer->{json}{id} // $answer->{body}, "\n";

        # as people do; else all is over before there was any trouble
        select undef, undef, undef, rand 0.4;
    }

    close $log;
    rename "$dir/$n.part", "$dir/$n";
    _exit(0);
}


sub place {
    my ($n, $order, $deadline) = @_;

    my $answer = { status => 0, body => 'no answer' };

    while (time() < $deadline) {
        $answer = eval {
            $system->post(
                '/orders',
                {
                    payment_method => 'tok_success', lines => [{
                        product_id => "tea-$order", quantity => 1
                    }]
                },
                authorization => "Bearer $tokens[$n - 1]",
                'idempotency-key' => "client-$n-order-$order"
            );
        } // { status => 0, body => "$@" };

        # 409: the first request with this key is still running
        last if $answer->{status} !~ /^(?:0|409|502|503|504)$/;

        # a moment, as Retry-After asks for
        select undef, undef, undef, 0.05 + rand 0.1;
    }

    return $answer;
}


# Kills a lane, waits for its successor, kills that, until the clients are
# done; when a third of the orders is stored, the broker is restarted.
sub trouble {
    my ($kills, $restarts) = (0, 0);

    while (!are_done()) {
        my @lanes = $worker->lanes();
        my $victim = $lanes[rand @lanes];

        if (defined $victim && kill 'KILL', $victim) {
            $kills++;
            wait_for(sub { !grep { $_ == $victim } $worker->lanes() }, 10,
                     'the end of a lane');
        }

        if (!$restarts && stored() >= $clients * $orders / 3) {
            $system->broker()->restart();
            $restarts++;
        }

        # the next one, when orders go on; or when it is clear that they do not
        my $before = stored();
        eval {
            wait_for(sub {
                are_done()
                    || $worker->lanes() >= 2 && stored() > $before;
            }, 10, 'more orders');
        };
    }

    return ($kills, $restarts);
}


sub are_done { return scalar(my @done = grep { -f "$dir/$_" } 1 .. $clients)
                      == $clients }


sub stored { return $system->psql('orders', 'select count(*) from orders') }
