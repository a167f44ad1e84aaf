#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Replies at random from a worker.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;
use Warren::AMQP qw(encode_header typed);


# a body of so many words of four bytes, then the content header
sub reply {
    my ($body, %properties) = @_;

    $body .= ' ' x (-length($body) % 4);

    return pack('C', length($body) / 4 << 1) . $body
           . encode_header(length $body, %properties);
}


my %status = (status => typed(l => 200));

Fuzz::run(
    target => 'reply', nginx => 1, libs => ['rabbitmq'], max => 16384,
    sources => ['ngx_gateway_module/amqp/ngx_amqp_frame.c',
                'ngx_gateway_module/http/ngx_http_gateway_reply.c'],
    seeds => {
        plain => reply('{"a":1}', content_type => 'application/json',
                       headers => { %status }),
        typed => reply('ok', content_type => 'text/plain; charset=utf-8',
                       headers => { %status }),
        created => reply('{}', headers => {
            status => typed(I => 201), 'http-location' => '/orders/7',
            'http-etag' => 'W/"1"', 'http-cache-control' => 'no-store',
            'http-link' => '</next>; rel="next"',
            'http-retry-after' => typed(l => -9223372036854775808)
        }),
        empty => reply('', headers => { status => typed(s => 204) }),
        unchanged => reply('x', headers => { status => typed(u => 304) }),
        problem => reply('{"type":"urn:warren:error:conflict"}',
                         content_type => 'application/problem+json',
                         headers => { status => typed(l => 409) }),
        splitting => reply('{}', content_type => "a/b\r\nX: y", headers => {
            %status, 'http-location' => "/a\r\nSet-Cookie: a=b",
            "http-a\r\nb" => 'c'
        }),
        smuggling => reply('{}', headers => {
            %status, 'http-content-length' => '3', 'http-connection' => 'x',
            'http-transfer-encoding' => 'chunked', 'http-' => '', http => '',
            'http-x-total' => '7', 'http-X-Total' => '8'
        }),
        statuses => reply('{}', headers => {
            status => typed(l => 99), 'http-status' => '200'
        }),
        long => reply('{}', headers => { %status, 'http-link' => 'x' x 8200 }),
        large => reply('x' x 400, headers => { %status }),
        nested => reply('{}', headers => { %status, a => { b => ['c'] } }),
        none => reply('{}'),

        # a pointer to no type was computed with
        untyped => reply('', headers => { status => typed(s => 255) }),
    },
);

done_testing();
