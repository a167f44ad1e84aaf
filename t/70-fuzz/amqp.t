#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Frames at random from a broker.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;
use Warren::AMQP qw(
    frame encode_method encode_header typed
    FRAME_METHOD FRAME_HEADER FRAME_BODY FRAME_HEARTBEAT
);


sub method { return frame(FRAME_METHOD, shift, encode_method(@_)) }
sub header { return frame(FRAME_HEADER, 1, encode_header(@_)) }


my $nested = { end => 'x' };
$nested = { t => $nested } for 2 .. 8;

my $array = ['x'];
$array = [$array] for 2 .. 7;

my $deliver = method(1, 'basic.deliver', consumer_tag => 'gateway.a.1',
                     delivery_tag => 1, exchange => 'replies',
                     routing_key => 'amq.gen-x');

my %frames = (
    start => method(0, 'connection.start', version_major => 0,
                    version_minor => 9, mechanisms => 'PLAIN AMQPLAIN',
                    locales => 'en_US', server_properties => {
                        product => 'RabbitMQ',
                        capabilities => { 'basic.nack' => typed(t => 1) }
                    }),
    tune => method(0, 'connection.tune', channel_max => 2047,
                   frame_max => 131072, heartbeat => 60),
    ok => method(0, 'connection.open-ok') . method(1, 'channel.open-ok')
          . method(1, 'confirm.select-ok')
          . method(1, 'queue.declare-ok', queue => 'amq.gen-x')
          . method(1, 'queue.bind-ok')
          . method(1, 'basic.consume-ok', consumer_tag => 'gateway.a.1'),
    blocked => method(0, 'connection.blocked', reason => 'low on memory')
               . method(0, 'connection.unblocked'),
    confirms => method(1, 'basic.ack', delivery_tag => 1, multiple => 1)
                . method(1, 'basic.nack', delivery_tag => 2),
    heartbeat => frame(FRAME_HEARTBEAT, 0, ''),
    closed => method(0, 'connection.close', reply_code => 320,
                     reply_text => 'CONNECTION_FORCED', class_id => 0,
                     method_id => 0)
              . method(1, 'channel.close', reply_code => 404,
                       reply_text => 'NOT_FOUND', class_id => 60,
                       method_id => 40),
    returned => method(1, 'basic.return', reply_code => 312,
                       reply_text => 'NO_ROUTE', exchange => 'rpc',
                       routing_key => 'orders')
                . header(2, correlation_id => '0' x 16)
                . frame(FRAME_BODY, 1, '{}'),
    reply => $deliver
             . header(2, correlation_id => '0007a41fbb02c9d1',
                      user_id => 'orders', message_id => 'm',
                      content_type => 'application/json', headers => {
                          status => typed(l => 201),
                          'http-location' => '/orders/7'
                      })
             . frame(FRAME_BODY, 1, '{}'),
    kinds => header(0, headers => {
        map { ("k$_" => typed($_ => 1)) } qw(t b B s u I i l L T)
    }),
    nested => header(0, headers => $nested, user_id => 'orders'),
    deeper => header(0, headers => { t => $nested }, user_id => 'orders'),
    arrays => header(0, headers => { a => $array }),
);

# the insides of the first frame of each, too
my %insides = map {
    my $length = unpack 'x3N', $frames{$_};
    ("$_ inside" => substr $frames{$_}, 7, $length)
} keys %frames;

Fuzz::run(
    target => 'amqp', nginx => 1, libs => ['rabbitmq'], max => 16384,
    sources => ['ngx_gateway_module/amqp/ngx_amqp_frame.c'],
    seeds => { %frames, %insides },
);

done_testing();
