#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for how calls end: replies, returns, confirms, and what is none of them.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::Test;


my $broker = Warren::FakeBroker->new();
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    location => 'gateway_max_reply 64k;'
);

$broker->accept()->handshake();


# Requests that were published, as pairs of client and call.
sub asked {
    my ($count) = @_;

    my @clients = map { ask($nginx, "body $_") } 1 .. $count;
    my %by_body;

    for (@clients) {
        my $call = $broker->expect('basic.publish');
        $by_body{ $call->{body} } = $call;
    }

    my @pairs = map { [$clients[$_ - 1], $by_body{"body $_"}] } 1 .. $count;

    # in the order in which they were published

    return sort { $a->[1]{tag} <=> $b->[1]{tag} } @pairs;
}


sub still_works {
    my ($name) = @_;

    my ($pair) = asked(1);

    $broker->ack($pair->[1])->reply($pair->[1], 200, 'fine');
    is(outcome($pair->[0]), '200 fine', $name);
}


# what is published

my ($pair) = asked(1);
my ($client, $call) = @$pair;
my $properties = $call->{properties};

is($call->{exchange}, 'rpc', 'a call goes to the exchange of calls');
is($call->{routing_key}, 'echo', 'its routing key is the service');
ok($call->{mandatory}, 'it is mandatory');
is($properties->{type}, 'echo', 'its type is the method');
is($properties->{reply_to}, Warren::FakeBroker::QUEUE,
   'it names the reply queue');
is($properties->{user_id}, 'gateway', 'its user is that of the connection');
is($properties->{delivery_mode}, 1, 'it is transient');
ok($properties->{app_id}, 'it names the application');
like($properties->{correlation_id}, qr/\A[0-9a-f]{16}\z/,
     'its correlation id has 16 hex digits');
like($properties->{expiration}, qr/\A[1-9]\d*\z/, 'it expires');
cmp_ok($properties->{expiration}, '<=', 5000, 'when its deadline has passed');
cmp_ok(abs($properties->{timestamp} - time()), '<', 5, 'it has a time');


# replies

$broker->reply($call, 200, 'early');
is(outcome($client), '200 early', 'a reply may come before its confirm');
$broker->ack($call);
still_works('the confirm that comes after its reply does no harm');

my $late = counter($nginx, 'late');

$broker->reply($call, 200, 'again')->wait_read();
is(counter($nginx, 'late'), ++$late, 'a doubled reply is dropped and counted');

($pair) = asked(1);
$pair->[0]->close();
Warren::Test::wait_for(sub { counter($nginx, 'published') >= 3 }, 5, 'it');
still_works('a client that leaves does no harm');
$broker->reply($pair->[1], 200, 'too late')->wait_read();
is(counter($nginx, 'late'), ++$late,
   'the reply to a client that left is dropped and counted');

for my $id ('', 'x', '0' x 16, 'f' x 16, '0' x 15, '0' x 17, 'A' x 16,
            '0' x 255)
{
    $broker->reply({ routing_key => 'echo',
                     properties => { correlation_id => $id } }, 200, 'x' x 50)
        ->wait_read();
    is(counter($nginx, 'late'), ++$late,
       "a reply to the unknown id \"$id\" is dropped and counted");
}

($pair) = asked(1);
($client, $call) = @$pair;

my $other = $call->{properties}{correlation_id};
substr($other, 15, 1) =~ tr/0-9a-f/1-9a-f0/;

$broker->reply({ routing_key => 'echo',
                 properties => { correlation_id => $other } }, 200, 'guessed')
    ->wait_read();
is(counter($nginx, 'late'), ++$late, 'a guessed id meets nobody');

for (1 .. 2000) {
    my $id = join '', map { sprintf '%04x', rand 65536 } 1 .. 4;
    $broker->reply({ routing_key => 'echo',
                     properties => { correlation_id => $id } }, 200, 'guessed');
}
$broker->wait_read();
is(counter($nginx, 'late'), $late += 2000, 'nor do two thousand');

my $foreign = counter($nginx, 'foreign');

$broker->reply($call, 200, 'forged', user_id => 'mallory')->wait_read();
is(counter($nginx, 'foreign'), ++$foreign,
   'a reply of another user is dropped and counted');

$broker->reply($call, 200, 'forged', user_id => undef)->wait_read();
is(counter($nginx, 'foreign'), ++$foreign,
   'a reply without a user is dropped and counted');

$broker->reply($call, 200, 'forged', user_id => 'echoo')->wait_read();
is(counter($nginx, 'foreign'), ++$foreign,
   'a reply of a user with a similar name is dropped and counted');

$broker->reply($call, 200, 'x' x 100_000, user_id => 'mallory')->wait_read();
is(counter($nginx, 'foreign'), ++$foreign,
   'a large reply of another user does not end the call');

$broker->reply($call, 200, 'true');
is(outcome($client), '200 true', 'the true reply is taken after forged ones');

($pair) = asked(1);
$broker->reply($pair->[1], 200, 'x' x 65537);
is(outcome($pair->[0]), '502 bad_reply', 'a reply too large is refused');

($pair) = asked(1);
$broker->reply($pair->[1], 200, 'x' x 65536);
is(length outcome($pair->[0]), 65540, 'one just not too large is taken');

($pair) = asked(1);
$broker->reply($pair->[1], 200, 'x' x 5_000_000);
is(outcome($pair->[0]), '502 bad_reply',
   'one of many frames is refused at its header');
still_works('and its bytes are passed over');


# returns

my $returned = counter($nginx, 'returned');

($pair) = asked(1);
$broker->return_call($pair->[1])->ack($pair->[1]);
is(outcome($pair->[0]), '503 no_route', 'a returned call has no route');
is(counter($nginx, 'returned'), $returned + 1, 'and is counted');
still_works('the ack after a return does no harm');

($pair) = asked(1);
$pair->[1]{body} = 'x' x 300_000;
$broker->return_call($pair->[1])->ack($pair->[1]);
is(outcome($pair->[0]), '503 no_route', 'a large call is returned as well');


# nacks

my $nacked = counter($nginx, 'nacked');

($pair) = asked(1);
$broker->nack($pair->[1]);
is(outcome($pair->[0]), '503 overloaded', 'a nacked call met a full queue');
is(counter($nginx, 'nacked'), $nacked + 1, 'and is counted');

my @pairs = asked(5);

$broker->nack($pairs[3][1], multiple => 1);
is(outcome($pairs[$_][0]), '503 overloaded', "nack of four: number $_ ends")
    for 0 .. 3;

$broker->reply($pairs[4][1], 200, 'fine');
is(outcome($pairs[4][0]), '200 fine', 'nack of four: the fifth goes on');
is(counter($nginx, 'nacked'), $nacked + 5, 'each is counted');

@pairs = asked(4);
$broker->ack($pairs[1][1]);
$broker->reply($pairs[0][1], 200, 'first');
is(outcome($pairs[0][0]), '200 first', 'a reply ends one of four');
$broker->nack($pairs[3][1], multiple => 1);
is(outcome($pairs[2][0]), '503 overloaded', 'nack of all ends the third');
is(outcome($pairs[3][0]), '503 overloaded', 'and the fourth');
$broker->reply($pairs[1][1], 200, 'second');
is(outcome($pairs[1][0]), '200 second', 'but not the second, which was acked');
is(counter($nginx, 'nacked'), $nacked + 7, 'and only those are counted');

@pairs = asked(2);
$broker->send('basic.nack', delivery_tag => 0, multiple => 1);
is(outcome($_->[0]), '503 overloaded', 'nack of number 0 means all')
    for @pairs;


# acks

@pairs = asked(6);
$broker->ack($pairs[4][1], multiple => 1)->wait_read();
$broker->nack($pairs[4][1], multiple => 1)->wait_read();
$broker->nack($pairs[5][1]);
is(outcome($pairs[5][0]), '503 overloaded', 'ack of five: the sixth is open');

for my $i (reverse 0 .. 4) {
    $broker->reply($pairs[$i][1], 200, "reply $i");
    is(outcome($pairs[$i][0]), "200 reply $i",
       "ack of five: number $i has its own reply, though out of order");
}

@pairs = asked(3);
$broker->ack($pairs[$_][1]) for 2, 0, 1;
$broker->ack($pairs[2][1])->wait_read();
$broker->reply($_->[1], 200, $_->[1]{body}) for @pairs;
is(outcome($_->[0]), "200 $_->[1]{body}", 'acks may be out of order, and twice')
    for @pairs;


# a slot that is used again

my %slots;

for (1 .. 20) {
    ($pair) = asked(1);
    $slots{ substr $pair->[1]{properties}{correlation_id}, 0, 4 }++;
    $broker->reply($pair->[1], 200, 'x');
    outcome($pair->[0]);
}

is(scalar keys %slots, 1, 'slots are used again');

($pair) = asked(1);
$broker->reply($pair->[1], 200, 'x');
outcome($pair->[0]);
my ($next) = asked(1);
$broker->reply($pair->[1], 200, 'for the one before')->wait_read();
$broker->nack($pair->[1])->wait_read();
$broker->reply($next->[1], 200, 'mine');
is(outcome($next->[0]), '200 mine',
   'what is late never meets the next user of its slot');

done_testing();
