#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What the gateway tells of itself: counters, and whether it is ready.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for free_port slurp spew tempdir run_command);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('metrics');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub { return { body => '{}' } },
        no => sub { return { status => 404, body => '{}' } },
    },
);

my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        location = /fine { gateway_route GET,POST call echo fine; }
        location = /no { gateway_route call echo no; }
        location = /nobody { gateway_route call nobody fine; }
        location ~ "^/q\"uo\\te/(\d+)$" { gateway_route call echo fine; }
        location = /metrics { gateway_metrics; }
        location = /ready { gateway_ready; }
    }
}
END

my $nginx = Warren::Nginx->new(
    conf => $conf, workers => 2,
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
    },
    allow => [qr/worker process \d+ exited on signal 9/]
)->start();


sub metrics { return $nginx->get('/metrics')->{body} }

sub metric {
    my ($name) = @_;
    my ($value) = metrics() =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


# readiness

my $r;
ok(wait_for(sub { ($r = $nginx->get('/ready'))->{status} == 200 }, 10,
            'readiness'), 'it is ready when all workers are connected');
is($r->{json}{status}, 'ready', 'and says so');
is($r->{json}{connections}, 2, 'for each worker process');
is($r->{headers}{'cache-control'}, 'no-store', 'for now only');
is($nginx->head('/ready')->{status}, 200, 'HEAD is answered');
is($nginx->post('/ready', '')->{status}, 405, 'POST is not');
is($nginx->post('/metrics', '')->{headers}{allow}, 'GET, HEAD',
   'and told what is');


# counters

$nginx->get('/fine?x=<secret>"') for 1 .. 3;
$nginx->post('/fine', '{}');
$nginx->get('/no');
$nginx->get('/nobody') for 1 .. 2;
$nginx->request('PUT', '/fine', '{}');

$r = $nginx->get('/metrics');
is($r->{status}, 200, 'counters are told');
is($r->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8',
   'in the form of Prometheus');

my $text = $r->{body};
unlike($text, qr/secret/, 'nothing of a client is in them');
is(length $text, $r->{headers}{'content-length'}, 'in full');

sub is_in {
    my ($line, $what) = @_;
    like($text, qr/^\Q$line\E$/m, $what);
}

my $route = 'route="/fine echo.fine"';
is_in('gateway_requests_total 8', 'requests are counted by all workers');
is_in('gateway_replies_total 5', 'so are replies');
is_in("gateway_route_requests_total{$route,outcome=\"2xx\"} 4",
      'a route counts what it answered');
is_in('gateway_route_requests_total{route="/no echo.no",outcome="4xx"} 1',
      'by class');
is_in('gateway_route_requests_total{route="/nobody nobody.fine",'
      . 'outcome="no_route"} 2', 'and by error');
is_in('gateway_errors_total{error="no_route"} 2', 'errors are counted');
is_in('gateway_errors_total{error="method_not_allowed"} 3',
      'those before a route, too');
is_in('gateway_amqp_returned_total 2', 'what the broker did is counted');
is_in('gateway_amqp_connects_total 2', 'and how often it was connected');
is_in("gateway_route_duration_seconds_count{$route} 4",
      'durations are counted');
is_in("gateway_route_duration_seconds_bucket{$route,le=\"+Inf\"} 4",
      'in steps up to infinity');
is_in('gateway_inflight 0', 'nothing is in flight');
is_in("gateway_connection_ready{broker=\"shop\",worker=\"$_\"} 1",
      "worker $_ is ready") for 0, 1;
is_in("gateway_connection_blocked{broker=\"shop\",worker=\"$_\"} 0",
      "worker $_ is not blocked") for 0, 1;


# the form, as a strict reader wants it

my (%type, %seen, @wrong);

for my $line (split /\n/, $text) {
    if ($line =~ /^# TYPE (\w+) (counter|gauge|histogram)$/) {
        push @wrong, "$line: twice" if $type{$1};
        $type{$1} = $2;
        next;
    }

    next if $line =~ /^# HELP \w+ \S.*\.$/;

    my $label = qr/\w+="(?:[^"\\\n]|\\["\\n])*"/;
    my ($name, $labels, $value) =
        $line =~ /^(\w+)(\{$label(?:,$label)*\})? ([0-9.]+)$/
        or push @wrong, $line;
    next if !defined $name;

    push @wrong, "$line: doubled" if $seen{ $name . ($labels // '') }++;

    my $family = $name;
    $family =~ s/_(?:bucket|sum|count)$// if !$type{$name};
    push @wrong, "$line: no type" if !$type{$family};
    push @wrong, "$line: a counter is called _total"
        if ($type{$family} // '') eq 'counter' && $name !~ /_total$/;
}

is_deeply(\@wrong, [], 'every line is well formed');

my $last = -1;
my $is_rising = 1;

my $step = qr{gateway_route_duration_seconds_bucket\{\Q$route\E,.*\}};

while ($text =~ /^$step (\d+)$/mg) {
    $is_rising = 0 if $1 < $last;
    $last = $1;
}

ok($is_rising, 'steps of a histogram rise');

SKIP: {
    my ($promtool) = grep { -x } '/usr/bin/promtool', '/usr/local/bin/promtool';
    skip 'no promtool', 1 if !$promtool;

    my $file = spew(tempdir() . '/metrics.txt', $text);
    my ($status, $output) = run_command(
        ['/bin/sh', '-c', "$promtool check metrics < $file"]
    );
    is($status, 0, 'promtool agrees') or diag($output);
}


# a reload

$nginx->reload();
ok(wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 10, 'readiness'),
   'it is ready after a reload');
$text = metrics();
is_in("gateway_route_requests_total{$route,outcome=\"2xx\"} 4",
      'counters survive a reload');
$nginx->wait_for_old();
$text = metrics();
is(() = $text =~ /^gateway_connection_ready\{/mg, 2,
   'only workers of the new configuration are told');

my $more = $conf;
$more =~ s{location = /no }{location = /new { gateway_route call echo no; }
           location = /no };
$nginx->write_conf($more)->reload();
wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 10, 'readiness');
$nginx->get('/new');
$text = metrics();
is_in('gateway_route_requests_total{route="/new echo.no",outcome="4xx"} 1',
      'a new route counts from nothing');
is_in("gateway_route_requests_total{$route,outcome=\"2xx\"} 4",
      'and the others go on');


# a worker that is killed

my ($victim) = $nginx->workers();
kill 'KILL', $victim;
ok(wait_for(
       sub {
           2 == grep({ $_ != $victim } $nginx->workers())
               && $nginx->get('/ready')->{status} == 200;
       },
       10, 'readiness'
   ), 'the place of a killed worker is taken');
is($nginx->get('/ready')->{json}{connections}, 2, 'by one');


# a broker that is away

my $port = free_port();
my $lonely = Warren::Nginx->new(conf => $conf, vars => {
    BROKER => $port, VHOST => $vhost, SECRET => $secret
})->start();

$r = $lonely->get('/ready');
is($r->{status}, 503, 'without its broker it is not ready');
is($r->{json}{type}, 'urn:warren:error:unavailable', 'as a problem');
like($r->{json}{detail}, qr/^0 of 1 connections are ready, "shop" of worker 0/,
     'that tells whose connection is not');
is($r->{headers}{'retry-after'}, 1, 'with Retry-After');

$r = $lonely->get('/fine');
is($r->{status}, 503, 'and a call is refused');
is($r->{json}{type}, 'urn:warren:error:unavailable', 'as unavailable');
is($r->{headers}{'retry-after'}, 1, 'with Retry-After');
$lonely->stop();

done_testing();
