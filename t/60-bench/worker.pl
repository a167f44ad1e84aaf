#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How fast a lane is, how much it holds, how soon it ends and comes back:
# workers, RabbitMQ and PostgreSQL with its durable settings.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/worker.pl
#
# A queue is filled before the worker starts, so that nothing but the servers
# runs beside it.  Rounds are interleaved, and a row is the median of its rounds
# with the least and the most.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use POSIX qw(_exit);
use Time::HiRes qw(time);

use Echo;
use Warren::AMQP qw(typed);
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(slurp wait_for);
use Warren::Worker;


my $rounds = $ENV{WARREN_BENCH_ROUNDS} // 5;
my $scale = $ENV{WARREN_BENCH_SCALE} // 1;
my $count = 0;

my $broker = Warren::RabbitMQ->private();
my $postgresql = Warren::PostgreSQL->private(settings => [
    map { ('-c', $_) } qw(
        fsync=on synchronous_commit=on full_page_writes=on
        shared_buffers=256MB
    )
]);

my $echo = Echo->new(program => 'step_worker', broker => $broker,
                     postgresql => $postgresql,
                     settings => { 'log.level' => 'info', prefetch => 96 });
$echo->sql('create table step (key text primary key, n int, wrong int);'
           . ' create table mail (id text primary key, type text);'
           . ' grant select, insert, update on step, mail to echo');
$echo->start();

my $vhost = $broker->vhost('orders');
my %common = (broker => $broker, postgresql => $postgresql, vhost => $vhost,
              topology => 0);
my $users = Warren::Worker->new(%common, service => 'users', settings => {
    trusted_users => 'gateway orders', 'log.level' => 'info'
});
my $orders = Warren::Worker->new(%common, service => 'orders', settings => {
    'log.level' => 'info', prefetch => 96
});

Warren::Worker::apply_topology($broker, $vhost, $users, $orders);
$_->start() for $users, $orders;

# queues of calls are short on purpose, and filled here
for my $where ($echo->vhost(), $vhost) {
    $broker->api('PUT', "/api/policies/$where/warren-rpc", {
        pattern => '^rpc\.', 'apply-to' => 'queues',
        definition => { 'max-length' => 90000 }
    });
}

my $ada = Warren::Caller->new(broker => $broker, vhost => $vhost)
    ->call('users', 'register', body => {
        name => 'ada', email => 'ada@example.com', password => 'secret12'
    })->{json}{id};

my $order = '{"currency":"EUR","lines":[{"product_id":"tea-100",'
            . '"quantity":2,"unit_price_cents":450}]}';

my @rows = (
    ['no-op events, batch 32', 30000, $echo->worker(), 'echo.flood', 32],
    ['no-op events, batch 1', 3000, $echo->worker(), 'echo.flood', 1],
    ['read-only calls, batch 32', 30000, $echo->worker(), 'ping', 32],
    ['read-only calls, batch 1', 15000, $echo->worker(), 'ping', 1],
    ['create_order, batch 32', 6000, $orders, 'create_order', 32],
    ['create_order, batch 1', 2000, $orders, 'create_order', 1],
);

my (@rates, %figure);

for my $round (0 .. $rounds) {
    for my $i (0 .. $#rows) {
        my $rate = measure(@{ $rows[$i] }[1 .. 4]);

        # the first round warms up
        push @{ $rates[$i] }, $rate if $round;
    }

    my %once = (idle(), busy(), came_back());

    if ($round) {
        push @{ $figure{$_} }, $once{$_} for keys %once;
    }
}

printf "%-32s %10s %s\n", 'one lane', 'a second', '(least, most)';
row($rows[$_][0], '%.0f', @{ $rates[$_] }) for 0 .. $#rows;

print "\npaired, in one round\n";
for my $pair (0 .. 2) {
    my ($more, $less) = @rates[2 * $pair, 2 * $pair + 1];

    row("batch 32 over 1: $rows[2 * $pair][3]", '%.1f',
        map { $more->[$_] / $less->[$_] } 0 .. $#$more);
}

print "\n";
row($_, $_ =~ /MB/ ? '%.1f' : '%.2f', @{ $figure{$_} })
    for sort keys %figure;


sub row {
    my ($name, $format, @values) = @_;

    my @sorted = sort { $a <=> $b } @values;

    printf "%-32s %10s ($format, $format)\n", $name,
           sprintf($format, $sorted[@sorted / 2]), $sorted[0], $sorted[-1];
}


# Messages a second, from a tenth of them on.
sub measure {
    my ($n, $worker, $type, $batch) = @_;

    $n = int($n * $scale);
    $worker->stop();
    fill($worker, $type, $n);
    $worker->{settings}{batch} = $batch;
    $worker->start(wait => 0);

    my @first = handled_from($worker, $type, $n / 10);
    my @last = handled_from($worker, $type, $n);

    return ($last[0] - $first[0]) / ($last[1] - $first[1]);
}


# How many there are, and when, once there are that many.
sub handled_from {
    my ($worker, $type, $n) = @_;

    return @{ wait_for(sub {
        my ($handled) = $worker->http()->get('/metrics')->{body}
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
        : ('rpc', 'orders', 'gateway', $order);
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
    wait_for(sub { $broker->queue_depth($worker->vhost(), $queue) == $n }, 60,
             "$n messages in $queue");
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
            'x-sub' => $ada // '', 'x-scope' => 'orders:write'
        }
    );
}


# Megabytes of supervisor and lane: resident, and in proportional shares.
sub resident {
    my ($worker) = @_;

    my ($rss, $pss) = (0, 0);

    for my $pid ($worker->pid(), $worker->lanes()) {
        my $text = slurp("/proc/$pid/smaps_rollup");
        $rss += ($text =~ /^Rss:\s+(\d+)/m)[0];
        $pss += ($text =~ /^Pss:\s+(\d+)/m)[0];
    }

    return ($rss / 1024, $pss / 1024);
}


sub idle {
    my $worker = $echo->worker();

    $worker->restart(batch => 32);

    my ($rss, $pss) = resident($worker);

    return ('idle, RSS MB' => $rss, 'idle, PSS MB' => $pss);
}


# In the middle of a queue; then it is told to end.
sub busy {
    my $worker = $echo->worker();

    $worker->stop();
    fill($worker, 'echo.flood', int(30000 * $scale));
    $worker->start(wait => 0);
    handled_from($worker, 'echo.flood', 5000 * $scale);

    my ($rss, $pss) = resident($worker);
    my $start = time();

    kill 'TERM', $worker->{pid};
    waitpid(delete $worker->{pid}, 0);

    my $seconds = time() - $start;

    $worker->start();
    wait_for(sub {
        $broker->queue_depth($echo->vhost(), 'events.echo') == 0
    }, 60, 'the rest');

    return ('busy, RSS MB' => $rss, 'busy, PSS MB' => $pss,
            'SIGTERM under load to exit, s' => $seconds);
}


# From the moment that the server takes connections until all lanes consume.
sub came_back {
    my $worker = $echo->worker();
    my %seconds;

    $postgresql->stop();
    wait_for(sub { $worker->http()->get('/ready')->{status} == 503 }, 40,
             'the outage');
    $postgresql->start();
    $seconds{'ready after the database, s'} = ready($worker);

    # AMQP is there before the management API that start() waits for: a pid
    # of our own looks for it
    $broker->kill9();
    wait_for(sub { $worker->http()->get('/ready')->{status} == 503 }, 40,
             'the outage');

    my $log = length $worker->log();
    my $since = amqp_since(sub { $broker->start() });

    wait_for(sub { $worker->http()->get('/ready')->{status} == 200 }, 60,
             'the lanes');
    wait_for(sub { substr($worker->log(), $log) =~ /starting -> ready/ }, 10,
             'the log');

    my ($stamp) = substr($worker->log(), $log)
        =~ /"\@timestamp":"[^"]*?(\d+):(\d+\.\d+)Z"[^\n]*starting -> ready/
        ? $1 * 60 + $2 : undef;
    my (undef, $minute) = gmtime $since;
    my $seconds = $stamp - ($minute * 60 + $since - 60 * int($since / 60));
    $seconds{'ready after the broker, s'} = $seconds < -1800
                                            ? $seconds + 3600 : $seconds;

    $_->wait_until_ready(60) for $users, $orders;

    return %seconds;
}


# When the broker first took an AMQP connection, while sub runs.
sub amqp_since {
    my ($sub) = @_;

    pipe my $read, my $write or die "pipe: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        $SIG{TERM} = 'DEFAULT';
        wait_for(sub {
            Warren::AMQP->connect(port => $broker->port(), timeout => 5,
                                  vhost => $echo->vhost());
        }, 120, 'AMQP');
        printf $write "%.3f\n", time();
        close $write;
        _exit(0);
    }

    close $write;
    $sub->();

    my $since = <$read>;
    waitpid $pid, 0;

    return $since + 0;
}


sub ready {
    my ($worker) = @_;

    my $start = time();

    wait_for(sub { $worker->http()->get('/ready')->{status} == 200 }, 60,
             'the lanes');

    return time() - $start;
}
