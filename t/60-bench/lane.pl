#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How fast one lane is, without a gateway; what it holds, how soon it ends and
# comes back.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/lane.pl
#
# A queue is filled before its worker starts, so that nothing but the servers
# runs beside it; a sample is from the first tenth to the last message.
# WARREN_BENCH_SCALE (1): of the messages in a queue.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use POSIX qw(_exit);
use Time::HiRes qw(sleep time);

use Echo;
use Warren::AMQP qw(typed);
use Warren::Bench;
use Warren::Bench::Process qw(families pss_kb);
use Warren::Bench::Shop;
use Warren::Caller;
use Warren::Test qw(wait_for);
use Warren::Worker;


my $scale = $ENV{WARREN_BENCH_SCALE} // 1;
my $count = 0;

my $bench = Warren::Bench->new(name => 'lane', title => 'One lane');
my $broker = $bench->rabbitmq();
my $postgresql = $bench->postgresql();

my $echo = Echo->new(program => 'step_worker', broker => $broker,
                     postgresql => $postgresql,
                     settings => { 'log.level' => 'info' });
$echo->sql('create table step (key text primary key, n int, wrong int);'
           . ' create table mail (id text primary key, type text);'
           . ' grant select, insert, update on step, mail to echo');
$echo->start();

my $events = $echo->worker();
my $vhost = $broker->vhost('orders');
my %common = (broker => $broker, postgresql => $postgresql, vhost => $vhost,
              topology => 0);
my $catalog = Warren::Worker->new(%common, service => 'catalog',
                                  settings => { 'log.level' => 'info' });
my $orders = Warren::Worker->new(%common, service => 'orders', settings => {
    'reservation.timeout' => '30d', 'log.level' => 'info'
});

Warren::Worker::apply_topology($broker, $vhost, $catalog, $orders);
$_->start() for $catalog, $orders;
Warren::Bench::Shop::deafen($broker, $vhost);
$postgresql->psql($postgresql->admin_uri($catalog->database()),
                  Warren::Bench::Shop::products());

# queues of calls are short on purpose, and filled here
for my $where ($echo->vhost(), $vhost) {
    $broker->api('PUT', "/api/policies/$where/warren-rpc", {
        pattern => '^rpc\.', 'apply-to' => 'queues',
        definition => { 'max-length' => 90000 }
    });
}

# who orders
my $ada = Warren::Caller::uuid();

$_->stop() for $events, $orders;

flow('events', 'no-op events', $events, 'echo.flood', @$_)
    for [32, 30000], [256, 30000], [1, 1500];
flow('calls', 'read-only calls', $events, 'ping', @$_)
    for [32, 15000], [1, 4000];
flow('orders', 'create_order', $orders, 'create_order', @$_)
    for [32, 3000], [1, 400];

once('idle', 'memory, idle', 3, sub { $events->start() }, sub { undef });
once('drain', 'told to end in the middle of a queue', 5, sub {
    fill($events, 'echo.flood', 8000 * $scale);
    begin($events, 32, 96);
    handled_from($events, 'echo.flood', 2000 * $scale);
}, sub {
    my $start = time();

    kill 'TERM', $events->{pid};
    waitpid delete $events->{pid}, 0;

    return time() - $start;
}, \&run_empty);
once('database', 'ready after the database', 3,
     sub { $events->start(); $postgresql->stop(); is_away(); },
     sub { $postgresql->start(); seconds_of(\&is_back) });
once('broker', 'ready after the broker', 1,
     sub { $events->start(); $broker->kill9(); is_away(); },
     sub { broker_is_back() });

$bench->goal(
    name => 'lane', text => 'no-op events a second, batches of 32, the default',
    of => 'events-32', field => 'rate', at_least => 20000
);
$bench->goal(
    name => 'lane', text => 'orders a second, batches of 32 against 1',
    of => 'orders-32', over => 'orders-1', field => 'rate', at_least => 2
);
$bench->note('One lane, and a prefetch of three batches, 96 at least. A no-op'
             . ' event has its inbox row, a call that only reads has none, and'
             . ' an order asks another service what its two products cost'
             . ' before it is stored; its event has no listener.'
             . ' What is done once, to end and to come'
             . ' back, is told as a latency, and memory is what the lane holds'
             . ' before.');
$bench->run()->print();


# Messages a second, when a queue is full.
sub flow {
    my ($id, $what, $worker, $type, $batch, $n) = @_;

    $n = int($n * $scale);

    $bench->row(
        id => "$id-$batch", system => 'Warren', what => $what,
        axis => 'batch', x => $batch, group => $id,
        processes => sub { (lane => [$worker->{pid}]) },
        prepare => sub {
            fill($worker, $type, $n);
            begin($worker, $batch, $batch < 32 ? 96 : 3 * $batch);
            handled_from($worker, $type, $n / 10);
        },
        run => sub {
            my @first = handled_from($worker, $type, 0);
            my @last = handled_from($worker, $type, $n);

            return { requests => $last[0] - $first[0],
                     seconds => $last[1] - $first[1] };
        },
        after => sub { $worker->stop() }
    );
}


# How long something takes that is done once, and what the lane holds before.
# There is no rate of it, and no processor time: whose it is ends or begins in
# between.
sub once {
    my ($id, $what, $times, $prepare, $run, $after) = @_;

    my $held;

    $bench->row(
        id => $id, system => 'Warren', what => $what, rounds => $times,
        system_calls => 0, warm_up => 0,
        processes => sub { (lane => [$events->{pid} // ()]) },
        prepare => sub {
            $prepare->();

            my %pids = families(lane => [$events->{pid}]);
            $held = pss_kb(@{ $pids{lane} });
        },
        run => sub {
            my $seconds = $run->();

            return {
                requests => 1, seconds => $seconds // 0, rate => undef,
                cpu => { lane => undef }, pss_kb => { lane => $held },
                client_cpu => undef,
                defined $seconds ? (p50_us => 1e6 * $seconds) : ()
            };
        },
        after => sub { $after->() if $after; $events->stop() }
    );
}


sub seconds_of {
    my ($sub) = @_;

    my $start = time();
    $sub->();

    return time() - $start;
}


sub begin {
    my ($worker, $batch, $prefetch) = @_;

    @{ $worker->{settings} }{qw(batch prefetch)} = ($batch, $prefetch);
    $worker->start(wait => 0);
}


# How many there are, and when, once there are that many.
sub handled_from {
    my ($worker, $type, $n) = @_;

    return @{ wait_for(sub {
        my $metrics = eval { $worker->http()->get('/metrics')->{body} } // '';
        my ($handled) = $metrics
            =~ /^warren_messages_handled_total\{[^}]*handler="\Q$type\E"
                ,outcome="done"\}\ (\d+)/mx or return;
        $handled >= $n && [$handled, time()];
    }, 120, "$n of $type") };
}


sub fill {
    my ($worker, $type, $n) = @_;

    my ($exchange, $key, $user, $body) =
        $type eq 'echo.flood' ? ('events', $type, 'echo', undef)
        : $type eq 'ping' ? ('rpc', 'echo', 'gateway', '{}')
        : ('rpc', 'orders', 'gateway', Warren::Bench::Shop::order_body());
    my $queue = $type eq 'echo.flood' ? 'events.echo' : "rpc.$key";

    $broker->user($user, $worker->vhost()) if $user eq 'gateway';

    my $amqp = Warren::AMQP->connect(
        url => $broker->url($user, $worker->vhost()), timeout => 60
    );
    my $reply_to = $amqp->declare_queue('', exclusive => 1, arguments => {
        'x-max-length' => 10, 'x-overflow' => 'drop-head' });

    $amqp->bind($reply_to, 'replies', $reply_to);

    for (1 .. $n) {
        my $id = Echo::uuid();

        $amqp->publish($exchange, $key, $body // event($id, $type),
            type => $type, user_id => $user, message_id => $id,
            timestamp => int(time()), content_type => 'application/json',
            defined $body ? call_properties($reply_to) : (delivery_mode => 2)
        );
    }

    # stays open: the reply queue is its
    $worker->{bench} = $amqp;
    wait_for(sub {
        $amqp->rpc('queue.declare', queue => $queue, passive => 1)
             ->{message_count} >= $n
    }, 60, "$n messages in $queue");
}


sub event {
    my ($id, $type) = @_;

    return qq({"specversion":"1.0","id":"$id","source":"/warren/echo",)
           . qq("type":"$type","subject":"s","data":{"ms":0}});
}


sub call_properties {
    my ($reply_to) = @_;

    return (
        correlation_id => sprintf('%016x', ++$count), reply_to => $reply_to,
        expiration => '55000', delivery_mode => 1, headers => {
            'x-deadline' => typed(l => int(1000 * (time() + 55))),
            'x-sub' => $ada, 'x-scope' => 'orders:write'
        }
    );
}


# What the drain has left is done, so that the next row begins with none.
sub run_empty {
    $events->start();

    my $amqp = $events->{bench};

    wait_for(sub {
        $amqp->rpc('queue.declare', queue => 'events.echo', passive => 1)
             ->{message_count} == 0
    }, 60, 'the rest');
}


sub is_away { answers(503) }
sub is_back { answers(200); return }


sub answers {
    my ($status) = @_;

    wait_for(sub {
        my $reply = eval { $events->http()->get('/ready') };
        $reply && $reply->{status} == $status;
    }, 60, "$status");
}


# AMQP is there before the management API that start() waits for: a process of
# our own looks for it.  Returns the seconds from then until all lanes consume.
sub broker_is_back {
    pipe my $read, my $write or die "pipe: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        wait_for(sub {
            Warren::AMQP->connect(port => $broker->port(), timeout => 5,
                                  vhost => $echo->vhost());
        }, 120, 'AMQP');

        my $since = time();

        is_back();
        printf $write "%.6f\n", time() - $since;
        close $write;
        _exit(0);
    }

    close $write;
    $broker->start();

    my $seconds = <$read>;
    waitpid $pid, 0;
    is_back();
    $catalog->wait_until_ready(60);

    return $seconds + 0;
}
