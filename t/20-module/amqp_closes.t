#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for a broker that closes: the channel, the connection, the socket, in
# each state and with calls in flight.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::Test;


my $broker = Warren::FakeBroker->new();
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v'
);

$broker->accept()->handshake();


sub still_works {
    my ($name) = @_;

    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->ack($call)->reply($call, 200, 'fine');
    is(outcome($client), '200 fine', $name);
}


# Waits for this line; it must have come exactly so often.
sub told {
    my ($pattern, $name) = @_;

    ok(eval { wait_for(sub { $nginx->log_text() =~ $pattern }, 5, 'a line') },
       $name) or diag($@);
}


# who we are

my $start = $broker->said('connection.start-ok');
my ($pid) = $nginx->workers();
my $name = $start->{client_properties}{connection_name};

is($start->{mechanism}, 'PLAIN', 'the mechanism is PLAIN');
is($start->{response}, "\0gateway\0secret", 'user and password are sent');
like($name, qr/\Agateway\..+\.$pid\z/, 'the connection has a name');
is_deeply(
    $start->{client_properties}{capabilities},
    {
        map { $_ => 1 } qw(
            consumer_cancel_notify connection.blocked basic.nack
            publisher_confirms authentication_failure_close
            exchange_exchange_bindings
        )
    },
    'capabilities are told'
);
is($broker->said('connection.open')->{virtual_host}, 'v',
   'the virtual host is opened');

my $declare = $broker->said('queue.declare');

is($declare->{queue}, '', 'the reply queue is named by the broker');
ok($declare->{exclusive}, 'it is exclusive');
is_deeply($declare->{arguments},
          { 'x-max-length' => 100000, 'x-overflow' => 'drop-head' },
          'it is bounded');

my $bind = $broker->said('queue.bind');

is("$bind->{queue} $bind->{exchange} $bind->{routing_key}",
   'amq.gen-fake replies amq.gen-fake',
   'it is bound to the exchange of replies by its name');

my $consume = $broker->said('basic.consume');

is($consume->{queue}, 'amq.gen-fake', 'it is consumed');
is($consume->{consumer_tag}, $name, "the consumer has the connection's name");
ok($consume->{no_ack}, 'without acks');


# the channel

my $client = ask($nginx);
$broker->expect('basic.publish');
$broker->send('channel.close', reply_code => 404,
              reply_text => "NOT_FOUND - no exchange 'rpc'");
$broker->expect('channel.close-ok');
is(outcome($client), '502 interrupted', 'channel.close ends calls in flight');
told(qr/broker closed the channel: 404 NOT_FOUND/, 'and is told');

is(outcome(ask($nginx)), '503 unavailable',
   'no call is taken while the channel is opened again');

$broker->expect('channel.open');
$broker->send('channel.open-ok');
$broker->expect('confirm.select');
$broker->send('confirm.select-ok');
$broker->expect('queue.declare');
$broker->send('queue.declare-ok', queue => 'amq.gen-second');
is($broker->expect('queue.bind')->{routing_key}, 'amq.gen-second',
   'a new reply queue is bound');
$broker->send('queue.bind-ok');
$broker->expect('basic.consume');
$broker->send('basic.consume-ok')->wait_read();
$broker->{tag} = 0;

$client = ask($nginx);
my $call = $broker->expect('basic.publish');
is($call->{properties}{reply_to}, 'amq.gen-second', 'and used');
$broker->ack($call);
$broker->reply($call, 200, 'fine');
is(outcome($client), '200 fine', 'calls work on the new channel');
is(counter($nginx, 'disconnects'), 0, 'the connection was not lost');


# the connection

$client = ask($nginx);
$broker->expect('basic.publish');
$broker->send('connection.close', reply_code => 320,
              reply_text => 'CONNECTION_FORCED - admin');
$broker->expect('connection.close-ok');
ok($broker->is_left(), 'connection.close is answered and obeyed');
is(outcome($client), '502 interrupted', 'it ends calls in flight');
told(qr/broker closed the connection: 320 CONNECTION_FORCED - admin /,
     'and is told');
told(qr/ while exchanging messages with broker, broker: shop 127\.0\.0\.1:/,
     'with what was done and the broker');
is(outcome(ask($nginx)), '503 unavailable',
   'no call is taken without a connection');

$broker->accept()->handshake();
still_works('the next connection works');
is(counter($nginx, 'disconnects'), 1, 'the loss was counted');
is(counter($nginx, 'connects'), 2, 'both connections were counted');


# many calls

sub lost {
    my ($name, $lose) = @_;

    my @clients = map { ask($nginx) } 1 .. 100;

    $broker->expect('basic.publish') for @clients;
    $lose->();

    my %seen;
    $seen{ outcome($_) }++ for @clients;

    is_deeply(\%seen, { '502 interrupted' => 100 }, $name);

    $broker->accept()->handshake();
    still_works("$name: the next connection works");
}


lost('a closed socket ends a hundred calls', sub { $broker->drop() });
lost('so does a reset one', sub { $broker->drop(reset => 1) });

lost('so does a cancelled consumer', sub {
    $broker->send('basic.cancel', consumer_tag => $name, nowait => 1);
    ok($broker->is_left(), 'the connection is left without its consumer');
});
told(qr/broker cancelled the consumer of replies/, 'and is told');


# each state

for my $state ($broker->states()) {
    $broker->renew($nginx)->accept()->handshake(until => $state);
    $broker->send('connection.close', reply_code => 541,
                  reply_text => "INTERNAL_ERROR - $state");
    ok($broker->is_left(), "connection.close in state $state is obeyed");
    told(qr/541 INTERNAL_ERROR - $state/, 'and told');
    $broker->accept()->handshake();
    still_works('and the next connection works');

    $broker->renew($nginx)->accept()->handshake(until => $state);
    $broker->drop();
    $broker->accept()->handshake();
    still_works("a socket closed in state $state is followed by another");

    $broker->renew($nginx)->accept()->handshake(until => $state);
    $broker->send('basic.get-empty');
    ok($broker->is_left(), "another method in state $state is refused");
}

for my $state (qw(channel confirm queue bind consume)) {
    $broker->renew($nginx)->accept()->handshake(until => $state);
    $broker->send('channel.close', reply_code => 403,
                  reply_text => "ACCESS_REFUSED - $state");
    $broker->expect('channel.close-ok');
    ok($broker->is_left(), "channel.close in state $state ends the attempt");
    told(qr/broker closed the channel: 403 ACCESS_REFUSED - $state/,
         'and is told');
    $broker->accept()->handshake();
    still_works('and the next connection works');
}


# who is refused

$broker->renew($nginx)->accept()->handshake(until => 'tune');
$broker->send('connection.close', reply_code => 403,
              reply_text => 'ACCESS_REFUSED - Login was refused');
$broker->expect('connection.close-ok');
told(qr/broker refused user "gateway" or its password: 403 ACCESS_REFUSED/,
     'a wrong password is told');
told(qr/Login was refused while authenticating to broker/,
     'with what was done');

$broker->accept()->handshake(until => 'tune');
$broker->drop();
told(qr/broker closed the socket, as some do when user or password is wrong/,
     'a socket closed after the password is told');

$broker->accept()->handshake(until => 'open');
$broker->send('connection.close', reply_code => 530,
              reply_text => 'NOT_ALLOWED - vhost v not found');
told(qr/broker refused virtual host "v": 530 NOT_ALLOWED/,
     'a missing virtual host is told');

$broker->renew($nginx)->accept();
$broker->send('connection.start', version_minor => 9,
              mechanisms => 'EXTERNAL', locales => 'en_US');
ok($broker->is_left(), 'a broker without PLAIN is left');
told(qr/broker does not take PLAIN, but "EXTERNAL"/, 'and that is told');

$broker->accept();
$broker->send('connection.start', version_minor => 9,
              mechanisms => 'AMQPLAIN X-PLAIN', locales => 'en_US');
ok($broker->is_left(), 'what only sounds like PLAIN is another mechanism');

$broker->accept();
$broker->raw("AMQP\0\1\0\0");
ok($broker->is_left(), 'another version of the protocol is refused');
told(qr/broker sent garbage: other version of the protocol/, 'and told');

$broker->accept()->handshake();
still_works('after all of that the right password works');
unlike($nginx->log_text(), qr/secret[^s]/, 'no password is in the log');


# exit

$client = ask($nginx);
$call = $broker->expect('basic.publish');
kill 'QUIT', $nginx->pid();
wait_for(sub { $nginx->log_text() =~ /gracefully shutting down/ }, 5, 'exit');
$broker->reply($call, 200, 'at last');
is(outcome($client), '200 at last', 'a call in flight ends before the exit');
is($broker->expect('channel.close')->{reply_code}, 200,
   'at exit the channel is closed');
is($broker->expect('connection.close')->{reply_code}, 200,
   'and the connection');
ok($broker->is_left(), 'and nothing is waited for');

$nginx->quit();
$broker->deaf()->drop()->listen();
$nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    main => 'worker_shutdown_timeout 1s;', timeout => '30s'
);
$broker->accept()->handshake();
$client = ask($nginx);
$broker->expect('basic.publish');
kill 'QUIT', $nginx->pid();
$broker->expect('channel.close');
$broker->expect('connection.close');
ok($broker->is_left(), 'worker_shutdown_timeout closes the connection');
ok(!$broker->is_called(1), 'which is not made again');
is($nginx->quit(), 0, 'and ends nginx in order');

done_testing();
