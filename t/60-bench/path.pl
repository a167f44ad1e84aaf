#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How fast the path is: nginx with the module, RabbitMQ, the workers and
# PostgreSQL with its durable settings, with the load generator beside them.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/path.pl
#
# Rounds are interleaved, and a row is the median of its rounds with the least
# and the most.  Answers other than the expected status are counted and shown.

use strict;
use warnings;

use Warren::PostgreSQL;
use Warren::System;
use Warren::Test qw(spew slurp tempdir);


my $rounds = $ENV{WARREN_BENCH_ROUNDS} // 5;
my $seconds = $ENV{WARREN_BENCH_SECONDS} // 5;
my $lanes = $ENV{WARREN_BENCH_LANES} // 2;

die "wrk is missing (Debian: wrk)\n" if system('command -v wrk > /dev/null');

my $postgresql = Warren::PostgreSQL->private(settings => [
    map { ('-c', $_) } qw(
        fsync=on synchronous_commit=on full_page_writes=on
        shared_buffers=256MB
    )
]);

my $system = Warren::System->new(
    postgresql => $postgresql,
    # those that the other system has, too
    services => [qw(users orders notifications)],
    settings => {
        orders => { lanes => $lanes }, users => { lanes => $lanes },
    }
)->start();

my ($id, $token) = $system->person('ada');
my $dir = tempdir('bench');

my $order = '{"currency":"EUR","lines":[{"product_id":"tea-100",'
            . '"quantity":2,"unit_price_cents":450}]}';

# name, method, path, body, connections, expected status
my @rows = (
    ['refused by the token', 'GET', '/orders', '', 64, 401, ''],
    ['get_user', 'GET', '/users/me', '', 1, 200, $token],
    ['get_user', 'GET', '/users/me', '', 64, 200, $token],
    ['list_orders', 'GET', '/orders?limit=10', '', 64, 200, $token],
    ['create_order', 'POST', '/orders', $order, 1, 201, $token],
    ['create_order', 'POST', '/orders', $order, 64, 201, $token],
);

my @results = map { [] } @rows;

for my $round (0 .. $rounds) {
    for my $i (0 .. $#rows) {
        my $figure = measure(@{ $rows[$i] });

        # the first round warms up
        push @{ $results[$i] }, $figure if $round;
    }
}

printf "%-22s %5s %24s %10s %10s %7s\n",
       'what', 'conns', 'requests/s (least, most)', 'p50 ms', 'p99 ms',
       'others';

for my $i (0 .. $#rows) {
    my ($name, undef, undef, undef, $connections) = @{ $rows[$i] };
    my @rate = sort { $a <=> $b } map { $_->{rate} } @{ $results[$i] };
    my $others = 0;
    $others += $_->{others} for @{ $results[$i] };

    printf "%-22s %5d %8.0f (%.0f, %.0f) %10.2f %10.2f %7d\n",
           $name, $connections, $rate[@rate / 2], $rate[0], $rate[-1],
           median(map { $_->{p50} } @{ $results[$i] }),
           median(map { $_->{p99} } @{ $results[$i] }), $others;
}

print "resident MB: ", join(', ', resident()), "\n";


sub measure {
    my (undef, $method, $path, $body, $connections, $status, $with) = @_;

    my $authorization = $with ? "wrk.headers['Authorization'] = 'Bearer $with'"
                              : '';

    spew("$dir/wrk.lua", <<"END");
wrk.method = '$method'
wrk.body = [[$body]]
wrk.headers['Content-Type'] = 'application/json'
$authorization

local threads = {}

function setup(thread)
    thread:set('others', 0)
    table.insert(threads, thread)
end

function response(status)
    if status ~= $status then
        others = others + 1
    end
end

function done(summary, latency)
    local n = summary.errors.timeout + summary.errors.read
              + summary.errors.write + summary.errors.connect
    for _, thread in ipairs(threads) do
        n = n + thread:get('others')
    end
    io.write(string.format('figures %d %d %d %d %d\\n', summary.requests,
             summary.duration, latency:percentile(50),
             latency:percentile(99), n))
end
END

    my $text = `wrk -t1 -c$connections -d${seconds}s --timeout 10s \\
                -s $dir/wrk.lua http://127.0.0.1:@{[ $system->port() ]}$path`;

    my ($requests, $us, $p50, $p99, $others)
        = $text =~ /^figures (\d+) (\d+) (\d+) (\d+) (\d+)$/m
        or die "wrk said: $text\n";

    return {
        rate => $requests / $us * 1e6, p50 => $p50 / 1000,
        p99 => $p99 / 1000, others => $others
    };
}


sub median {
    my @sorted = sort { $a <=> $b } @_;
    return $sorted[@sorted / 2];
}


# nginx and each worker with its lanes, in proportional shares
sub resident {
    my %sum;

    for my $proc (glob '/proc/[0-9]*') {
        my $command = eval { slurp("$proc/cmdline") } // next;
        my ($name) = $command =~ m{^(?:\S*/)?(nginx|warren-\w+)(?:[\0:]|$)}
            or next;
        my ($kb) = (eval { slurp("$proc/smaps_rollup") } // '')
                   =~ /^Pss:\s+(\d+)/m or next;
        $sum{$name} += $kb;
    }

    return map { sprintf '%s %.1f', $_, $sum{$_} / 1024 } sort keys %sum;
}
