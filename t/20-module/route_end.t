#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How calls end other than well: each request is answered once, and what comes
# too late harms nobody.

use strict;
use warnings;

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Warren::AMQP qw(typed);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for free_port slurp spew tempdir run_command);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-end');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my %bad = (
    none => [{ }, 'it has no status'],
    text => [{ status => '200' }, 'its status is not a number'],
    low => [{ status => typed(l => 199) }, 'its status is not from 200'],
    zero => [{ status => typed(l => 0) }, 'its status is not from 200'],
    high => [{ status => typed(l => 600) }, 'its status is not from 200'],
    below => [{ status => typed(l => -200) }, 'its status is not from 200'],
    crlf => [{ status => typed(l => 200),
               'http-location' => "/a\r\nSet-Cookie: a=b" },
             'control characters'],
    lf => [{ status => typed(l => 200), 'http-etag' => "a\nb" },
           'control characters'],
    nul => [{ status => typed(l => 200), 'http-link' => "a\0b" },
            'control characters'],
    unknown => [{ status => typed(l => 200), 'http-x' => "a\r\nb" },
                'control characters'],
    name => [{ status => typed(l => 200), "http-a\r\nb" => 'a' },
             'control characters'],
);

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub { return { body => '{}' } },
        bad => sub {
            my ($call) = @_;
            my $kind = $call->{properties}{headers}{'x-arg-kind'};
            return { raw => {
                content_type => $kind eq 'type' ? "a/b\r\nX: y" : 'text/plain',
                user_id => 'echo',
                headers => $kind eq 'type' ? { status => typed(l => 200) }
                                           : $bad{$kind}[0],
            } };
        },
        large => sub {
            my ($call) = @_;
            return { body => 'x' x $call->{properties}{headers}{'x-arg-size'} };
        },
        late => sub { return { delay => 0.6, body => '{"late":1}' } },
        never => sub { return },
        twice => sub { return ({ body => '{"n":1}' }, { body => '{"n":2}' }) },
    },
);

$rabbit->user('mallory', $vhost);

my $mallory = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'forged',
    user => 'mallory',
    methods => { fine => sub { return { body => '{}' } } },
);

$mallory->{rabbit}->api('PUT', "/api/queues/$vhost/rpc.full", {
    durable => JSON::PP::true(), arguments => {
        'x-max-length' => 1, 'x-overflow' => 'reject-publish'
    }
});
$rabbit->api('POST', "/api/bindings/$vhost/e/rpc/q/rpc.full",
             { routing_key => 'full' });

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
    },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    gateway_broker small {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
        max_inflight 1;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        gateway_timeout 300ms;
        gateway_use shop;

        location = /fine { gateway_route call echo fine; }
        location = /bad {
            gateway_route call echo bad;
            gateway_arg kind $arg_k;
        }
        location = /large {
            gateway_route call echo large;
            gateway_arg size $arg_s;
            gateway_max_reply 64k;
        }
        location = /late { gateway_route call echo late; }
        location = /slow { gateway_route call echo late; gateway_timeout 9s; }
        location = /never { gateway_route call echo never; }
        location = /long { gateway_route call echo never; gateway_timeout 9s; }
        location = /twice { gateway_route call echo twice; }
        location = /nobody { gateway_route call nobody fine; }
        location = /full { gateway_route call full fine; }
        location = /forged { gateway_route call forged fine; }
        location = /one {
            gateway_use small;
            gateway_route call echo never;
            gateway_timeout 9s;
        }
        location = /metrics { gateway_metrics; }
    }
}
END


sub metric {
    my ($name) = @_;

    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


sub problem_is {
    my ($r, $status, $error, $what) = @_;

    is($r->{status}, $status, "$what is $status") or diag($r->{raw});
    is($r->{json}{type}, "urn:warren:error:$error", "and called $error");
    is($r->{json}{status}, $status, 'the document has the status');
    is($r->{json}{instance}, $r->{headers}{'x-request-id'},
       'and names the request');
    is($r->{headers}{'content-type'}, 'application/problem+json',
       'it is a problem document');
}


# replies that cannot be passed on

for my $kind (sort keys %bad) {
    problem_is($nginx->get("/bad?k=$kind"), 502, 'bad_reply',
               "a reply that is bad ($kind)");
    like($nginx->log_text(), qr/reply of "echo" refused: .*$bad{$kind}[1]/,
         'and the log says why');
}

problem_is($nginx->get('/bad?k=type'), 502, 'bad_reply',
           'a reply of a type that splits the answer');

is($nginx->get('/large?s=65536')->{status}, 200,
   'a reply of the largest size passes');
problem_is($nginx->get('/large?s=65537'), 502, 'bad_reply',
           'a reply over gateway_max_reply');
problem_is($nginx->get('/large?s=1048577'), 502, 'bad_reply',
           'a reply over all limits');
is($nginx->get('/fine')->{status}, 200, 'the next call is well');


# deadline

my $late = metric('gateway_amqp_late_total');
my $begun = time();
problem_is($nginx->get('/late'), 504, 'timeout', 'a late reply');
my $took = time() - $begun;
cmp_ok($took, '>=', 0.28, 'after the timeout');
cmp_ok($took, '<', 0.6, 'and before the reply');
ok(wait_for(sub { metric('gateway_amqp_late_total') == $late + 1 }, 5,
            'the late reply'), 'the late reply is dropped and counted');
is(metric('gateway_inflight'), 0, 'nothing is in flight then');

$late = metric('gateway_amqp_late_total');
is($nginx->get('/twice')->{json}{n}, 1, 'the first of two replies counts');
ok(wait_for(sub { metric('gateway_amqp_late_total') == $late + 1 }, 5,
            'the second reply'), 'the second one is dropped');


# refusals of the broker

problem_is($nginx->get('/nobody'), 503, 'no_route',
           'a call that nobody serves');
is(metric('gateway_amqp_returned_total'), 1, 'which is counted as returned');

$rabbit->api('POST', "/api/exchanges/$vhost/rpc/publish", {
    routing_key => 'full', payload => '', payload_encoding => 'string',
    properties => {}
});
my $r = $nginx->get('/full');
problem_is($r, 503, 'overloaded', 'a call to a full queue');
is($r->{headers}{'retry-after'}, 1, 'with Retry-After');
cmp_ok(metric('gateway_amqp_nacked_total'), '>=', 1,
       'which is counted as nacked');

problem_is($nginx->get('/forged'), 504, 'timeout',
           'a reply of another than the service');
is(metric('gateway_amqp_foreign_total'), 1, 'is dropped and counted');


# clients that leave

my $gone = metric('gateway_clients_gone_total');
my $http = $nginx->http()->open();
$http->send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
ok(wait_for(sub { metric('gateway_inflight') == 1 }, 5, 'the call'),
   'a call is in flight');
$http->close();
ok(wait_for(sub { metric('gateway_inflight') == 0 }, 5, 'its end'),
   'a client that leaves ends its call');
is(metric('gateway_clients_gone_total'), $gone + 1, 'which is counted');

$http = $nginx->http()->open();
$http->send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
wait_for(sub { metric('gateway_inflight') == 1 }, 5, 'the call');
$http->close();
$late = metric('gateway_amqp_late_total');
ok(wait_for(sub { metric('gateway_amqp_late_total') == $late + 1 }, 5,
            'the reply'), 'the reply after client abort is dropped');
is($nginx->get('/fine')->{status}, 200, 'and the next call is well');

SKIP: {
    my ($curl) = grep { -x } '/usr/bin/curl', '/usr/local/bin/curl';
    skip 'no curl for HTTP/2', 3 if !$curl;

    my $port = $nginx->port_of('PORT_1');
    my @h2 = ($curl, '-s', '--http2-prior-knowledge', '-o', '/dev/null', '-w',
              '%{http_code} %{http_version} %header{x-request-id}');

    my (undef, $text) = run_command([@h2,
                                   "http://127.0.0.1:$port/fine"]);
    like($text, qr/^200 2/, 'a call over HTTP/2 is answered');

    $gone = metric('gateway_clients_gone_total');
    run_command([@h2, "-m", "0.2",
                 "http://127.0.0.1:$port/long"]);
    ok(wait_for(sub { metric('gateway_clients_gone_total') == $gone + 1 }, 5,
                'the end'), 'a client that leaves over HTTP/2 ends its call');
    is(metric('gateway_inflight'), 0, 'and its slot is free');
}

$http = $nginx->http()->open();
$http->send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
wait_for(sub { metric('gateway_inflight') == 1 }, 5, 'the call');
$r = $nginx->get('/one');
problem_is($r, 503, 'overloaded', 'a call over max_inflight');
is($r->{headers}{'retry-after'}, 1, 'with Retry-After');
$http->close();
wait_for(sub { metric('gateway_inflight') == 0 }, 5, 'its end');
my $second = $nginx->http()->open();
$second->send("GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
ok(wait_for(sub { metric('gateway_inflight') == 1 }, 5, 'the call'),
   'the slot of a client that left is used again');
$second->close();


# connections that are lost

$http = $nginx->http()->open();
$http->send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n");
wait_for(sub {
    grep { $_->{user} eq 'gateway' && $_->{vhost} eq $vhost }
         @{ $rabbit->api('GET', '/api/connections') }
}, 10, 'the connection in management');
wait_for(sub { metric('gateway_inflight') >= 1 }, 5, 'the call');

for my $connection (@{ $rabbit->api('GET', '/api/connections') }) {
    next if $connection->{vhost} ne $vhost || $connection->{user} ne 'gateway';

    my $name = $connection->{name};
    $name =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ge;
    $rabbit->api('DELETE', "/api/connections/$name");
}

problem_is($http->answer('GET'), 502, 'interrupted',
           'a call whose connection is lost');
ok(wait_for(sub { $nginx->get('/fine')->{status} == 200 }, 10, 'a new one'),
   'calls are well again when it is back');
cmp_ok(metric('gateway_amqp_disconnects_total'), '>=', 1,
       'the loss is counted');

done_testing();
