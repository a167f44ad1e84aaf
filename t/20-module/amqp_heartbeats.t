#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for signs of life in both directions, and for a broker in alarm.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::Test;


my $broker = Warren::FakeBroker->new();
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    broker => 'heartbeat 15s;'
);


sub tuned {
    my ($seconds) = @_;

    $broker->renew($nginx)->accept();
    $broker->handshake(with => { 'connection.tune' => {
        frame_max => 131072, heartbeat => $seconds
    } });

    return $broker->said('connection.tune-ok')->{heartbeat};
}


# A call that the broker answers.
sub works {
    my ($name) = @_;

    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->ack($call)->reply($call, 200, 'fine');
    is(outcome($client), '200 fine', $name);
}


is(tuned(60), 15, 'our heartbeat is taken when it is shorter');
is(tuned(5), 5, "the broker's is taken when it is shorter");
is(tuned(0), 15, 'ours is taken when the broker wants none');
is(tuned(1), 1, 'a heartbeat may be as short as a second');

ok($broker->wait_heartbeat(1.9), 'a heartbeat is sent when nothing else is');
$broker->heartbeat();
ok($broker->wait_heartbeat(1.9), 'and another');
$broker->heartbeat();
works('heartbeats do not disturb calls');


# anything counts

for (1 .. 8) {
    $broker->reply({ routing_key => 'echo',
                     properties => { correlation_id => 'none' } }, 200, '');
    ok(!$broker->is_called(0.4), 'anything that comes is a sign of life');
}

works('so the connection is kept');


# silence

my $client = ask($nginx);
$broker->expect('basic.publish');

ok($broker->is_left(4), 'a broker that is silent for two heartbeats is left');
like($nginx->log_text(), qr/broker missed two heartbeats/, 'which is told');
is(outcome($client), '502 interrupted', 'and ends calls in flight');

$broker->accept()->handshake(with => { 'connection.tune' => {
    frame_max => 131072, heartbeat => 1
} });
works('the next connection works');


# half a frame is no frame, but it is life

for (1 .. 7) {
    $broker->raw(substr "\x08\0\0\0\0\0\0", $_ - 1, 1);
    ok(!$broker->is_called(0.4), 'a byte is a sign of life');
}

$broker->raw("\xCE");
works('a heartbeat may take its time');


# none

$nginx->stop();
$broker->deaf()->listen();
$nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    broker => 'heartbeat off;'
);
$broker->accept()->handshake();
is($broker->said('connection.tune-ok')->{heartbeat}, 0,
   'heartbeats can be turned off');


# alarm

my $waiting = ask($nginx);
my $call = $broker->expect('basic.publish');

$broker->send('connection.blocked', reason => 'low on memory')->wait_read();
is(outcome(ask($nginx)), '503 unavailable',
   'a blocked connection takes no calls');
is(counter($nginx, 'blocked'), 1, 'which is counted');
like($nginx->log_text(), qr/broker takes no messages: low on memory/,
     'and told');

$broker->send('connection.blocked', reason => 'low on disk')->wait_read();
is(counter($nginx, 'blocked'), 1, 'a second alarm is the same blocking');

$broker->reply($call, 200, 'in flight');
is(outcome($waiting), '200 in flight', 'calls in flight may still end well');

$broker->send('connection.unblocked')->wait_read();
works('an unblocked connection takes calls');

$broker->send('connection.blocked', reason => 'low on memory')->wait_read();
$broker->renew($nginx)->accept()->handshake();
works('a new connection is not blocked');

$broker->renew($nginx)->accept()->handshake(until => 'channel');
$broker->send('connection.blocked', reason => 'low on memory');
$broker->send('channel.open-ok');
$broker->expect('confirm.select');
$broker->send('confirm.select-ok');
$broker->expect('queue.declare');
$broker->send('queue.declare-ok', queue => 'q');
$broker->expect('queue.bind');
$broker->send('queue.bind-ok');
$broker->expect('basic.consume');
$broker->send('basic.consume-ok')->wait_read();
is(outcome(ask($nginx)), '503 unavailable',
   'an alarm during the handshake is remembered');
$broker->send('connection.unblocked')->wait_read();
works('until it is over');


# flow

$broker->send('channel.flow', active => 0);
is($broker->expect('channel.flow-ok')->{active}, 0, 'a stop is confirmed');
is(outcome(ask($nginx)), '503 unavailable', 'and obeyed');
$broker->send('channel.flow', active => 1);
is($broker->expect('channel.flow-ok')->{active}, 1, 'so is its end');
works('after which calls are taken');

done_testing();
