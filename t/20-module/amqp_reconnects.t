#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for brokers that are not there, and for the bounds of a connection.

use strict;
use warnings;

use lib 't/lib';

use IO::Select;
use Test::More;
use Time::HiRes qw(time);

use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::Test;


my $broker = Warren::FakeBroker->new();
my $dead = free_port();


sub url {
    my ($port) = @_;

    return "amqp://gateway\@127.0.0.1:$port/v";
}


sub works {
    my ($nginx, $name) = @_;

    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->ack($call)->reply($call, 200, 'fine');
    is(outcome($client), '200 fine', $name);
}


# the second url

my $nginx = gateway(url => [url($dead), url($broker->port())]);

$broker->accept()->handshake();
works($nginx, 'the second url is tried when the first is dead');
like($nginx->log_text(),
     qr/\[error\] .*connect\(\) .*failed \(111: .*, broker: shop \S+:$dead/,
     'the first is told as an error');

$broker->drop();
$broker->accept()->handshake();
works($nginx, 'and again after a loss');
$nginx->stop();


# both are alive

my $second = Warren::FakeBroker->new();

$broker->drop();
$nginx = gateway(url => [url($broker->port()), url($second->port())]);
$broker->accept()->handshake();
$broker->deaf()->drop();
$second->accept()->handshake();
pass('the next url is tried when the first is lost');
$nginx->stop();


# a broker that comes late

$broker->listen()->deaf();
$nginx = gateway(url => url($broker->port()), broker => 'connect_timeout 1s;');
is(outcome(ask($nginx)), '503 unavailable',
   'nginx starts without its broker and says so');
wait_for(sub { () = $nginx->log_text() =~ /connect\(\) .*failed/g }, 5,
         'an attempt');

$broker->listen();
$broker->accept(15)->handshake();
works($nginx, 'a broker that comes late is found');

is(scalar(grep { /broker: shop/ && !/connect\(\) .*failed|broker is ready/ }
              split /\n/, $nginx->log_text()), 0,
   'an attempt that fails is one line');


# a broker that is there and says nothing

$broker->renew($nginx)->accept();
ok($broker->is_left(4), 'a broker that says nothing is left');
like($nginx->log_text(), qr/broker timed out .*while greeting broker/,
     'which is told');

$broker->renew($nginx)->accept()->handshake(until => 'queue');
ok($broker->is_left(4), 'so is one that stops halfway');
like($nginx->log_text(), qr/broker timed out .*while declaring reply queue/,
     'which is told');


# pauses

$broker->renew($nginx);

my $attempts = 0;
my $end = time() + 3;

while ((my $left = $end - time()) > 0) {
    eval { $broker->accept($left) } or last;
    $broker->drop();
    $attempts++;
}

cmp_ok($attempts, '>=', 3, 'it is tried again soon');
cmp_ok($attempts, '<', 40, 'but not without pause');

$broker->renew($nginx)->accept()->handshake();
works($nginx, 'a broker that recovers is used');
$nginx->stop();
$broker->drop();


# calls in flight are bounded

$broker->deaf()->listen();
$nginx = gateway(url => url($broker->port()), broker => 'max_inflight 3;');
$broker->accept()->handshake();

my @clients = map { ask($nginx) } 1 .. 3;
my @calls = map { $broker->expect('basic.publish') } 1 .. 3;

is(outcome(ask($nginx)), '503 overloaded', 'calls in flight are bounded');
$broker->reply($_, 200, 'x') for @calls;
is(outcome($_), '200 x', 'those in flight end') for @clients;
works($nginx, 'after which others are taken');

for my $round (1 .. 3000) {
    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->reply($call, 200, 'x');

    if (outcome($client) ne '200 x') {
        fail("call $round without a confirm");
        last;
    }
}

works($nginx, 'a broker that confirms nothing does not stop calls');
$nginx->stop();
$broker->drop();


# output is bounded

$broker->deaf()->listen();
$nginx = gateway(
    url => url($broker->port()), broker => 'max_output 1m;',
    timeout => '30s',
    location => 'client_max_body_size 1m; client_body_buffer_size 16k;'
);
$broker->accept()->handshake();

my $body = join '', map { chr 32 + $_ % 95 } 1 .. 700_000;
my $refused;

@clients = ();

for (1 .. 60) {
    my $client = ask($nginx, $body);

    if (IO::Select->new($client->{socket})->can_read(0.2)) {
        $refused = $client;
        last;
    }

    push @clients, $client;
}

ok($refused, 'a call is refused when too much waits for the socket');
is(outcome($refused), '503 overloaded', 'as overloaded');
cmp_ok(scalar @clients, '>=', 2, 'after others were taken');

my $whole = 0;

for my $client (@clients) {
    my $call = $broker->expect('basic.publish');

    $whole++ if $call->{body} eq $body;
    $broker->reply($call, 200, 'x');
}

is($whole, scalar @clients, 'bodies from files arrive as they are');
is(outcome($_), '200 x', 'what was taken is answered') for @clients;
works($nginx, 'when the broker reads again calls are taken');

done_testing();
