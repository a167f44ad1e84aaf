#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What the access log can tell of a request: which call it was, how it ended and
# how long it waited.

use strict;
use warnings;

use Test::More;
use Time::Local qw(timegm);

use lib 't/lib';
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for slurp spew tempdir);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('log-variables');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $key = Warren::JWT->ec(kid => 'key');
my $keys = spew(tempdir() . '/keys.json', Warren::JWT::jwks($key), 0644);

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub { return { body => '{}' } },
        slow => sub { return { delay => 0.3, body => '{}' } },
        no => sub { return { status => 404, body => '{}' } },
        never => sub { return },
    },
);

my $nginx = Warren::Nginx->new(conf => <<'END', vars => {
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    log_format calls '$uri|$status|$gateway_outcome|$gateway_route'
                     '|$gateway_service|$gateway_method|$gateway_wait_time'
                     '|$gateway_attempts|$gateway_canary|$gateway_fallback'
                     '|$gateway_request_id|$gateway_trace_id'
                     '|$gateway_started_at|$msec|';
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/calls.log calls;
        gateway_jwt_key_file %%KEYS%%;
        location = /fine { gateway_route call echo fine; }
        location = /only { gateway_route call echo fine; }
        location = /slow { gateway_route call echo slow; }
        location = /no { gateway_route POST call echo no; }
        location = /nobody { gateway_route call nobody fine; }
        location = /late { gateway_route call echo never; gateway_timeout 1ms; }
        location = /never { gateway_route call echo never; }
        location = /me { gateway_jwt on; gateway_route call echo fine; }
        location = /large {
            gateway_route POST call echo fine;
            gateway_max_body 10;
        }
        location = /opened {
            satisfy any; allow all; gateway_jwt on;
            alias %%DIR%%/nginx.conf;
        }
        location = /gone { error_page 503 = @else; gateway_route call no a; }
        location @else { return 200 else; }
        location = /metrics { gateway_metrics; }
        location / { return 204; }
    }
}
END
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
    KEYS => $keys
})->start();

my $log = $nginx->dir() . '/calls.log';
my @names = qw(
    uri status outcome route service method wait attempts canary fallback id
    trace started ended
);


# The line of the log that is about this path.
sub line {
    my ($path) = @_;

    my $line = wait_for(
        sub { (grep { /\A\Q$path\E\|/ } split /\n/, slurp($log))[-1] }, 40,
        "the line of $path"
    );

    my %value;
    @value{@names} = split /\|/, $line;

    return \%value;
}


my $r = $nginx->get('/fine');
my $line = line('/fine');
is($line->{outcome}, '2xx', 'a reply is told by its class');
is($line->{route}, '/fine echo.fine', 'with the route, as in metrics');
is($line->{service}, 'echo', 'the service');
is($line->{method}, 'fine', 'and its method');
like($line->{wait}, qr/\A0\.\d\d\d\z/, 'it tells how long it waited');
is($line->{attempts}, 1, 'and that it was sent once');
is($line->{canary}, '-', 'no canary');
is($line->{fallback}, '-', 'and no fallback was there');
is($line->{id}, $r->{headers}{'x-request-id'}, 'the id is that of the answer');

like($line->{trace}, qr/\A[0-9a-f]{32}\z/, 'a trace begins');
like($line->{started}, qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/,
     'and it tells when, to the millisecond');

my @time = $line->{started} =~ /(\d+)/g;
my $started = timegm(@time[5, 4, 3, 2], $time[1] - 1, $time[0])
              + "0.$time[6]";
cmp_ok($started, '<=', $line->{ended}, 'which was before it ended');
cmp_ok($started, '>', $line->{ended} - 60, 'and not long before');

my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
$nginx->get('/seen', traceparent => "00-$trace-00f067aa0ba902b7-01");
is(line('/seen')->{trace}, $trace, 'a trace that was begun goes on');

$nginx->get('/slow');
cmp_ok(line('/slow')->{wait}, '>=', 0.29, 'a slow worker is seen');

$nginx->post('/no', '{}');
is(line('/no')->{outcome}, '4xx', 'a refusal by a worker is told by its class');

$nginx->get('/nobody');
is(line('/nobody')->{outcome}, 'no_route', 'an error is told by its name');

$nginx->get('/late');
is(line('/late')->{outcome}, 'timeout', 'so is a deadline');

$nginx->request('PUT', '/only', '');
$line = line('/only');
is($line->{outcome}, 'method_not_allowed', 'and what never became a call');
is($line->{wait}, '-', 'which did not wait');
is($line->{attempts}, '-', 'and was not sent');

$nginx->get('/me');
is(line('/me')->{outcome}, 'unauthenticated', 'a missing token is told');

$nginx->post('/large', 'x' x 100);
is(line('/large')->{outcome}, 'too_large', 'what nginx refused, too');

$nginx->get('/opened');
is(line('/opened')->{outcome}, '-',
   'a refusal that did not keep it out is not');

$r = $nginx->get('/gone');
is($r->{body}, 'else', 'an error page may answer');
is(line('/gone')->{outcome}, 'no_route', 'and the log tells why');

$nginx->get('/static');
$line = line('/static');
is($line->{outcome}, '-', 'what is no call has no outcome');
like($line->{id}, qr/\A[0-9a-f-]{36}\z/, 'but an id if the log wants one');

my $http = $nginx->http()->open();
$http->send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
wait_for(sub {
    $nginx->get('/metrics')->{body} =~ /^gateway_inflight 1$/m
}, 40, 'the call');
$http->close();
is(line('/never')->{outcome}, 'client_gone', 'a client that left is told');

done_testing();
