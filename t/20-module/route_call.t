#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A request as a call and its reply as the answer, with a real broker.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use lib 't/lib';
use Warren::AMQP qw(typed);
use Warren::HTTP2 qw(is_http2);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test;


my $json = JSON::PP->new()->utf8()->canonical();
my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-call');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));


# tells what it was sent

sub tell {
    my ($call) = @_;

    return {
        status => 200,
        body => $json->encode({
            properties => { %{ $call->{properties} }, headers => undef },
            headers => $call->{properties}{headers},
            exchange => $call->{exchange}, key => $call->{routing_key},
            size => length $call->{body}, sha => sha256_hex($call->{body}),
        }),
    };
}


my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        tell => \&tell,
        same => sub {
            my ($call) = @_;
            return {
                status => 200, body => $call->{body},
                content_type => $call->{properties}{content_type},
            };
        },
        status => sub {
            my ($call) = @_;
            my $status = $call->{properties}{headers}{'x-arg-status'};
            return {
                status => $status, body => '{"a":1}',
                headers => {
                    'http-location' => '/orders/7', 'http-etag' => 'W/"1"',
                    'http-cache-control' => 'no-store',
                    'http-retry-after' => typed(l => 9),
                    'http-link' => '</next>; rel="next"',
                    'http-set-cookie' => 'a=b', 'http-connection' => 'close',
                    'http-content-length' => '3', other => 'x',
                },
            };
        },
        strong => sub {
            return { body => '{"a":1}', headers => { 'http-etag' => '"7"' } };
        },
        problem => sub {
            my ($call) = @_;
            my $id = $call->{properties}{headers}{'x-request-id'};
            return {
                status => 409, content_type => 'application/problem+json',
                body => qq({"type":"urn:warren:error:conflict",)
                        . qq("instance":"$id"}),
            };
        },
        empty => sub { return { status => 200, content_type => undef } },
    },
);


my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    client_body_buffer_size 16k;
    client_max_body_size 16m;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_max_body 2m;
        gateway_max_reply 2m;
        gateway_timeout 5s;

        location = /tell {
            gateway_route GET,POST call echo tell;
            gateway_route DELETE call echo tell;
            gateway_arg limit $arg_limit;
            gateway_arg mixed "<$request_method>";
            gateway_idempotency on anonymous;
        }
        location ~ "^/orders/(?<id>[^/]+)$" {
            gateway_route call echo tell;
            gateway_arg id $id;
        }
        location = /same { gateway_route POST,PUT,PATCH call echo same; }
        location = /status {
            gateway_route GET,POST call echo status;
            gateway_arg status $arg_s;
        }
        location = /strong { gateway_route GET,POST call echo strong; }
        location = /problem { gateway_route call echo problem; }
        location = /empty { gateway_route call echo empty; }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf, vars => {
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
})->start();


# what travels

my $now = time();
my $r = $nginx->get('/tell');
my $told = $r->{json};
is($r->{status}, 200, 'a call is answered by its reply') or diag($r->{raw});
is($r->{headers}{'content-type'}, 'application/json', 'its type is kept');
is($told->{exchange}, 'rpc', 'a call goes to the exchange of calls');
is($told->{key}, 'echo', 'its routing key is the service');

my $props = $told->{properties};
is($props->{type}, 'tell', 'its type is the method');
is($props->{content_type}, 'application/json', 'its content is JSON');
is($props->{user_id}, 'gateway', 'it names the broker user');
is($props->{delivery_mode}, 1, 'it is transient');
like($props->{correlation_id}, qr/^[0-9a-f]{16}$/, 'correlation id');
like($props->{message_id},
     qr/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
     'its id is a UUID in the order of time');
cmp_ok(abs($props->{timestamp} - $now), '<=', 3, 'it tells when it was sent');
cmp_ok($props->{expiration}, '<=', 5000, 'it expires with its deadline');
cmp_ok($props->{expiration}, '>', 4000, 'and not before');

my $headers = $told->{headers};
cmp_ok(abs($headers->{'x-deadline'} / 1000 - $now - 5), '<=', 3,
       'its deadline is told in milliseconds of the epoch');
ok(!exists $headers->{'x-sub'} && !exists $headers->{'x-scope'},
   'without a token there is no identity');
ok(!exists $headers->{'x-keyed'}, 'without a key it is not keyed');
is($headers->{'x-arg-mixed'}, '<GET>', 'a composed argument is passed');
ok(!exists $headers->{'x-arg-limit'}, 'an absent argument stays absent');


# request id and trace

is($headers->{'x-request-id'}, $r->{headers}{'x-request-id'},
   'the answer names the request as the call does');

for my $good ('abc-DEF_1.2', 'x' x 64) {
    $r = $nginx->get('/tell', 'X-Request-Id' => $good);
    is($r->{headers}{'x-request-id'}, $good, 'a good request id is kept');
    is($r->{json}{headers}{'x-request-id'}, $good, 'and passed on');
}

for my $bad ('a b', 'a"b', 'x' x 65, 'ü') {
    $r = $nginx->get('/tell', 'X-Request-Id' => $bad);
    like($r->{headers}{'x-request-id'}, qr/^[0-9a-f-]{36}$/,
         'a bad request id is replaced');
}

$r = $nginx->get('/tell', 'X-Request-Id' => 'one', 'X-Request-Id' => 'two');
like($r->{headers}{'x-request-id'}, qr/^[0-9a-f-]{36}$/,
     'two request ids are replaced by one');

like($headers->{traceparent}, qr/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/,
     'a trace is begun');

my $trace = '4bf92f3577b34da6a3ce929d0e0e4736';
$r = $nginx->get('/tell', traceparent => "00-$trace-00f067aa0ba902b7-01",
                 tracestate => 'vendor=1');
like($r->{json}{headers}{traceparent}, qr/^00-$trace-[0-9a-f]{16}-01$/,
     'a trace is passed on');
unlike($r->{json}{headers}{traceparent}, qr/00f067aa0ba902b7/,
       'with a parent of our own');
is($r->{json}{headers}{tracestate}, 'vendor=1', 'and with its state');

$r = $nginx->get('/tell', traceparent => '00-' . '0' x 32 . '-00f067aa0ba902b7'
                 . '-01', tracestate => 'vendor=1');
like($r->{json}{headers}{traceparent}, qr/^00-(?!0{32})[0-9a-f]{32}-/,
     'a malformed trace is begun anew');
ok(!exists $r->{json}{headers}{tracestate}, 'without the state of another');

$r = $nginx->get('/tell', 'x-sub' => 'root', 'x-scope' => 'all',
                 'x-arg-limit' => '7', 'x-keyed' => '1');
is_deeply([grep { exists $r->{json}{headers}{$_} }
           qw(x-sub x-scope x-arg-limit x-keyed)], [],
          'headers of the client are not taken for ours');


# arguments

sub limit { return $nginx->get("/tell?$_[0]")->{json}{headers}{'x-arg-limit'} }

is(limit('limit=10'), '10', 'an argument is passed');
is(limit('limit='), '', 'an empty argument stays empty');
is(limit('other=1'), undef, 'an argument that is not asked for is not passed');
is(limit('limit=%31+%30%26'), '1 0&', 'an argument is decoded');

for my $bad ('%', '%4', '%zz', 'a%00b') {
    $r = $nginx->get("/tell?limit=$bad");
    is($r->{status}, 400, "the argument $bad is refused");
    is($r->{json}{type}, 'urn:warren:error:invalid', 'as invalid');
    is($r->{json}{detail}, 'the argument limit is not well encoded',
       'and named');
}

$r = $nginx->get('/orders/a%20b%2541');
is($r->{json}{headers}{'x-arg-id'}, 'a b%41', 'a capture is decoded once');


# methods

is($nginx->post('/tell', '{}')->{status}, 200, 'POST is routed by name');
is($nginx->request('DELETE', '/tell')->{status}, 200,
   'another method has its own route');

$r = $nginx->head('/tell');
is($r->{status}, 200, 'HEAD goes with GET');
cmp_ok($r->{headers}{'content-length'}, '>', 100, 'and has its length');
is($nginx->raw("HEAD /tell HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
       =~ s/.*?\r\n\r\n//sr, '', 'and no body');

# a proxy between knows its methods and no others
my @methods = (qw(PUT PATCH TRACE PROPFIND), is_http2() ? () : 'BREW');

for my $method (@methods) {
    $r = $nginx->request($method, '/tell', $method eq 'PUT' ? '{}' : undef);

    # nginx itself answers TRACE
    next if $method eq 'TRACE';

    is($r->{status}, 405, "$method is not allowed");
    is($r->{headers}{allow}, 'GET, HEAD, POST, DELETE, OPTIONS',
       'and those that are, are told');
    is($r->{json}{type}, 'urn:warren:error:method_not_allowed',
       'as a problem');
}

is($nginx->head('/same')->{status}, 405, 'HEAD without GET is not allowed');

$r = $nginx->request('OPTIONS', '/same');
is($r->{status}, 204, 'OPTIONS is answered by the gateway');
is($r->{headers}{allow}, 'POST, PUT, PATCH, OPTIONS', 'with what is allowed');
like($r->{headers}{'x-request-id'}, qr/./, 'and a request id');
is($nginx->request('OPTIONS', '/same', undef,
                   Origin => 'http://a.example')->{status}, 405,
   'OPTIONS of another site is refused');


# bodies

my %bodies = (
    'an empty body' => '',
    'a body of one byte' => "\0",
    'a body of 64 kB' => join('', map { chr(rand 256) } 1 .. 65536),
    'a body of a frame' => 'f' x (131072 - 8),
    'a body of 1 MB in a file' => join('', map { chr(rand 256) } 1 .. 1048576),
    'a body at the limit' => 'z' x 2097152,
);

for my $what (sort keys %bodies) {
    my $body = $bodies{$what};

    $r = $nginx->post('/tell', $body, 'Content-Type' => 'text/plain');
    is($r->{json}{size}, length $body, "$what arrives whole")
        or diag($r->{raw});
    is($r->{json}{sha}, sha256_hex($body), 'byte for byte');
    is($r->{json}{properties}{content_type}, 'text/plain', 'with its type');
}

$r = $nginx->post('/same', $bodies{'a body of 1 MB in a file'},
                  'Content-Type' => 'image/png');
is(sha256_hex($r->{body}), sha256_hex($bodies{'a body of 1 MB in a file'}),
   'a large reply comes back byte for byte');
is($r->{headers}{'content-type'}, 'image/png', 'with its type');

my $chunked = join '', map { sprintf "%x\r\n%s\r\n", length, $_ }
    'a' x 10, 'b' x 40000, 'c';
$r = $nginx->post('/tell', $chunked . "0\r\n\r\n",
                  'Transfer-Encoding' => 'chunked');
is($r->{json}{size}, 40011, 'a chunked body arrives whole');
is($r->{json}{sha}, sha256_hex('a' x 10 . 'b' x 40000 . 'c'), 'unchunked');

$r = $nginx->post('/tell', 'x' x 2097153);
is($r->{status}, 413, 'a body over the limit is refused');
is($r->{json}{type}, 'urn:warren:error:too_large', 'as a problem');
is($r->{headers}{'content-type'}, 'application/problem+json',
   'with its type');
is($r->{json}{instance}, $r->{headers}{'x-request-id'}, 'that names it');

$r = $nginx->post('/tell', sprintf("%x\r\n%s\r\n0\r\n\r\n", 3000000,
                                   'x' x 3000000),
                  'Transfer-Encoding' => 'chunked');
is($r->{status}, 413, 'a chunked body over the limit is refused');
is($r->{json}{type}, 'urn:warren:error:too_large', 'as a problem, too');

is($nginx->post('/tell', 'x', 'Content-Type' => 'a/' . 'b' x 300)->{status},
   415, 'a content type that does not fit is refused');


# replies

for my $status (200, 201, 202, 301, 400, 401, 404, 409, 418, 422, 500, 503,
                599)
{
    $r = $nginx->get("/status?s=$status");
    is($r->{status}, $status, "status $status passes");
    is($r->{body}, '{"a":1}', 'with its body');
}

is($r->{headers}{location}, '/orders/7', 'Location passes as it is');
is($r->{headers}{etag}, 'W/"1"', 'a weak ETag passes');
is($r->{headers}{'cache-control'}, 'no-store', 'Cache-Control passes');
is($r->{headers}{'retry-after'}, '9', 'Retry-After passes');
is($r->{headers}{link}, '</next>; rel="next"', 'Link passes');
is($r->{headers}{'set-cookie'}, undef, 'no other header passes');
is($r->{headers}{connection}, 'close', 'hop-by-hop headers do not');
is($r->{headers}{'content-length'}, 7, 'the length is nginx\'s');

for my $status (204, 304) {
    $r = $nginx->http()->raw("GET /status?s=$status HTTP/1.1\r\nHost: a\r\n"
                             . "Connection: close\r\n\r\n");
    like($r, qr{^HTTP/1.1 $status }, "status $status passes");
    unlike($r, qr/content-length|content-type/i, 'without length or type');
    like($r, qr/\r\n\r\n\z/, 'without a body');
}

is($nginx->get('/strong')->{headers}{etag}, '"7"', 'a strong ETag passes');

$r = $nginx->get('/strong', 'If-None-Match' => '"7"');
is($r->{status}, 304, 'what the client has is not sent again');
is($nginx->post('/strong', '', 'If-None-Match' => '"7"')->{status}, 200,
   'but for what was done, not read');
is($nginx->post('/strong', '', 'If-Match' => '"8"')->{status}, 200,
   'and it is not denied afterwards');
is($nginx->get('/strong', 'If-Match' => '"7"')->{status}, 200,
   'what matches is sent');
is($nginx->get('/strong', 'If-Match' => '"8"')->{status}, 412,
   'what does not is not');

my $past = 'Mon, 01 Jan 2024 00:00:00 GMT';
is($nginx->get('/strong', 'If-Unmodified-Since' => $past)->{status}, 200,
   'a condition on a date is void, since replies have none');
is($nginx->get('/strong', 'If-Modified-Since' => $past)->{status}, 200,
   'in either sense');

$r = $nginx->get('/problem', 'X-Request-Id' => 'mine');
is($r->{status}, 409, 'a problem of a worker passes');
is($r->{body}, '{"type":"urn:warren:error:conflict","instance":"mine"}',
   'as it is');
is($r->{headers}{'content-type'}, 'application/problem+json', 'with its type');

$r = $nginx->get('/empty');
is($r->{status}, 200, 'an empty reply is an answer');
is($r->{headers}{'content-length'}, 0, 'of no length');


# keys

sub keyed {
    my ($key, @more) = @_;
    return $nginx->post('/tell', '{}', 'Idempotency-Key' => $key, @more);
}

my $first = keyed('order-1')->{json};
like($first->{properties}{message_id},
     qr/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
     'a key makes the id of the message');
is($first->{headers}{'x-keyed'}, '1', 'which says so');
is(keyed('order-1')->{json}{properties}{message_id},
   $first->{properties}{message_id}, 'an equal key makes an equal id');
is(keyed('"order-1"')->{json}{properties}{message_id},
   $first->{properties}{message_id}, 'in quotes, too');
isnt(keyed('order-2')->{json}{properties}{message_id},
     $first->{properties}{message_id}, 'another key another one');

for my $bad ('', '""', 'x' x 256, "a\tb") {
    is(keyed($bad)->{status}, 400, 'a bad key is refused');
}

is(keyed('a', 'Idempotency-Key' => 'b')->{status}, 400,
   'two keys are refused');
is($nginx->get('/tell', 'Idempotency-Key' => '')->{status}, 200,
   'what is only read needs no key');


# connections

my $http = $nginx->http(keep_alive => 1);
is($http->get('/tell')->{status}, 200, 'a connection is kept') for 1 .. 3;
is($http->post('/tell', 'x' x 40000)->{json}{size}, 40000,
   'for a body as well');
is($http->get('/status?s=404')->{status}, 404, 'after an error, too');
is($http->get('/tell')->{status}, 200, 'and is used again');
$http->close();

$http->open()->send(join '', map {
    "GET /status?s=$_ HTTP/1.1\r\nHost: a\r\n\r\n"
} 200, 404, 201);
is_deeply([map { $http->answer()->{status} } 1 .. 3], [200, 404, 201],
          'pipelined requests are answered in order');
$http->close();

done_testing();
