#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Five thousand idle streams in one process: how much memory they take, and that
# each of them is alive.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::EventStream;
use Warren::HTTP2 qw(not_over_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


use constant {
    STREAMS => 5000,
    MEGABYTES => 100,
    PATIENCE => 120,
};

not_over_http2('many connections');

# both ends of each have a file here or there
plan(skip_all => 'needs ' . (STREAMS + 200) . ' open files')
    if `sh -c 'ulimit -n'` =~ /^(\d+)/ && $1 < STREAMS + 200;

my $stage = Warren::EventStream::stage('stream-idle');
my $key = Warren::JWT->secret(kid => 'key');

my $nginx = Warren::Nginx->new(vars => $stage->{vars}, conf => <<'END');
%%GLOBALS%%
worker_rlimit_nofile 6000;
events { worker_connections 6000; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    %%BROKER%%
    gateway_jwt_key_file keys.json;
    gateway_jwt_algorithms HS256;

    server {
        listen 127.0.0.1:%%PORT%% backlog=1024;
        gateway_jwt on;
        gateway_timeout 60s;
        gateway_stream_heartbeat 1h;
        gateway_stream_limit 8;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
        }
        location = /metrics { gateway_jwt off; gateway_metrics; }
    }
}
END
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();

my ($pid) = $nginx->workers();

sub megabytes {
    my ($kilobytes) = slurp("/proc/$pid/smaps_rollup") =~ /^Pss: +(\d+) kB/m;
    return $kilobytes / 1024;
}

# as long as tokens of large issuers are
my $padding = 'x' x 900;
my $before = megabytes();
my @streams;

for my $n (1 .. STREAMS) {
    push @streams, Warren::EventStream->ask(
        $nginx, '/stream', Warren::JWT::bearer(
            $key->token({ sub => "person-$n", padding => $padding })
        )
    );

    next if $n % 500 && $n != STREAMS;

    for my $stream (@streams) {
        next if defined $stream->{status};
        wait_for(sub { $stream->pump(0.1); defined $stream->{status} },
                 PATIENCE, 'a header');
    }
}

is(scalar(grep { $_->{status} == 200 } @streams), STREAMS,
   STREAMS . ' streams in one process');

my $after = megabytes();
diag(sprintf '%d idle streams: %.1f MB, %.1f of them without, %.1f kB each',
     STREAMS, $after, $before, ($after - $before) * 1024 / STREAMS);

SKIP: {
    skip 'a sanitizer takes more', 1 if Warren::Test::is_sanitized();
    cmp_ok($after, '<', MEGABYTES, 'in less than ' . MEGABYTES . ' MB');
}

for my $n (1, 1234, 2500, STREAMS) {
    $stage->{publish}->("inapp.person-$n", "for $n");
    is(($streams[$n - 1]->wait_events(1)->data())[0], "for $n",
       "stream $n is alive");
}

$_->close() for @streams;
wait_for(sub {
    $nginx->get('/metrics')->{body} =~ /^gateway_streams\{[^}]+\} 0$/m
}, PATIENCE, 'their end');
pass('all of them end');

my $empty = megabytes();
diag(sprintf 'when they have ended: %.1f MB', $empty);

done_testing();
