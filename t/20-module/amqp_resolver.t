#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for brokers that are called by name, with and without a resolver.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::IP;
use Test::More;
use Time::HiRes qw(time);

use Warren::DNS;
use Warren::FakeBroker qw(gateway ask outcome);
use Warren::Test qw(:DEFAULT is_sanitized);


my $dns = Warren::DNS->new();
my $broker = Warren::FakeBroker->new();
my $port = $broker->port();

# brokers at the same port of other addresses
my %at = map { $_ => Warren::FakeBroker->new(address => $_, port => $port) }
         '127.0.0.2', '127.0.0.3';


# the longest pause of a gateway between two rounds, and something for its work
use constant RETURN => 40;


sub url {
    my ($host) = @_;

    return "amqp://gateway\@$host:$port/v";
}


# An nginx with the resolver, and more for "http".
sub resolving {
    my ($hosts, $more, %option) = @_;

    return gateway(
        url => [map { url($_) } ref $hosts ? @$hosts : $hosts],
        http => 'resolver 127.0.0.1:' . $dns->port() . '; ' . ($more // ''),
        broker => 'connect_timeout 1s;', %option
    );
}


sub works {
    my ($nginx, $name, $at) = @_;

    $at //= $broker;

    my $client = ask($nginx);
    my $call = $at->expect('basic.publish');

    $at->ack($call)->reply($call, 200, 'fine');
    is(outcome($client), '200 fine', $name);
}


sub wait_log {
    my ($nginx, $pattern) = @_;

    return wait_for(sub { $nginx->log_text() =~ $pattern }, 10, "$pattern");
}


# a name that is known later

my $nginx = resolving('mq1.invalid');

wait_log($nginx, qr/\[warn\] .*broker's name "mq1.invalid" was not (?#
                   )resolved: Host not found, no address of it is known (?#
                   )while resolving broker's name, (?#
                   )broker: shop mq1.invalid:$port/);
pass('a name that is not known is told');
wait_for(sub { $dns->asked('mq1.invalid') >= 3 }, 10, 'more questions');
pass('it is asked for again and again');
ok(!$broker->is_called(0), 'and nobody connects meanwhile');
is(outcome(ask($nginx)), '503 unavailable', 'calls are refused');

$dns->set('mq1.invalid', '127.0.0.1');
$broker->accept(RETURN)->handshake();
works($nginx, 'a name that is known later works without a reload');
like($nginx->log_text(),
     qr/\[info\] .*"mq1.invalid" has other addresses now, (?#
        )the first of 1 is 127\.0\.0\.1:$port/,
     'its address is told');


# a name that changes

my $asked = $dns->asked('mq1.invalid');

$dns->set('mq1.invalid', '127.0.0.2');
works($nginx, 'a connection outlives a change of the name');
is($dns->asked('mq1.invalid'), $asked, 'which nobody has asked for');

$broker->deaf()->drop();
$at{'127.0.0.2'}->accept(RETURN)->handshake();
works($nginx, 'the next connection goes to the new address',
      $at{'127.0.0.2'});
$broker->listen();


$nginx->stop();


# no answer

# a gateway of its own, whose pauses are short yet
$nginx = resolving('mq1.invalid');
$at{'127.0.0.2'}->accept(RETURN)->handshake();
$dns->set('mq1.invalid', 'silent');
sleep_out_cache();
$at{'127.0.0.2'}->drop();
$at{'127.0.0.2'}->accept(RETURN)->handshake();
works($nginx, 'the last answer counts while there is no new one',
      $at{'127.0.0.2'});
like($nginx->log_text(),
     qr/\[warn\] .*"mq1.invalid" was not resolved: Operation timed out, (?#
        )the addresses of its last answer are used/,
     'which is told');

$dns->set('mq1.invalid');
sleep_out_cache();
$at{'127.0.0.2'}->drop();
$at{'127.0.0.2'}->accept(RETURN)->handshake();
works($nginx, 'also when the name is gone', $at{'127.0.0.2'});
$nginx->stop();


# addresses found at start

$dns->set('localhost', 'silent');
$nginx = resolving('localhost', 'resolver_timeout 300ms;');
$broker->accept()->handshake();
works($nginx, 'addresses found at start are used while there is no answer');
like($nginx->log_text(),
     qr/"localhost" was not resolved: Operation timed out, (?#
        )the addresses found at start are used/,
     'which is told');

$dns->set('localhost', '127.0.0.3');
$broker->drop();
$at{'127.0.0.3'}->accept(RETURN)->handshake();
works($nginx, 'until there is one', $at{'127.0.0.3'});
$nginx->stop();
$at{'127.0.0.3'}->drop();


# without a resolver

$asked = $dns->asked();
$nginx = gateway(url => url('localhost'));
$broker->accept()->handshake();
$broker->drop();
$broker->accept()->handshake();
works($nginx, 'without a resolver the addresses found at start are used');
$nginx->stop();

$nginx = gateway(url => url('mq1.invalid'));
wait_log($nginx, qr/\[error\] .*no address of the broker is known, (?#
                   )set "resolver", or reload when its name resolves/);
pass('and a name that was not known then is told once');
$nginx->stop();

$nginx = resolving(['127.0.0.4', '127.0.0.1']);
$broker->accept()->handshake();
works($nginx, 'addresses are not names');
is($dns->asked(), $asked, 'and not asked for');
$nginx->stop();


# several

$dns->set('mq1.invalid');
$nginx = resolving(['mq1.invalid', '127.0.0.1']);
$broker->accept()->handshake();
works($nginx, 'the second url is tried when the first has no address');
$dns->set('mq1.invalid', '127.0.0.2');
$broker->deaf()->drop();
$at{'127.0.0.2'}->accept(RETURN)->handshake();
works($nginx, 'and the first again when it has one', $at{'127.0.0.2'});
$nginx->stop();
$at{'127.0.0.2'}->drop();

$broker->listen();
$at{$_}->deaf() for keys %at;
$dns->set('mq1.invalid', '127.0.0.3', '127.0.0.1', '127.0.0.2');
$nginx = resolving('mq1.invalid');

for (1 .. 5) {
    $broker->accept(RETURN)->handshake();
    $broker->drop();
}

$broker->accept(RETURN)->handshake();
works($nginx, 'addresses of a name that are dead are passed over');
$nginx->stop();
$broker->drop();

$_->listen() for values %at;
$at{'127.0.0.1'} = $broker;
$nginx = resolving('mq1.invalid');

my @visited;
my $visited;

for (1 .. 6) {
    $at{$visited}->drop() if $visited;

    wait_for(sub { ($visited) = grep { $at{$_}->is_called(0) } keys %at },
             RETURN, 'a connection');
    $at{$visited}->accept()->handshake();
    push @visited, $visited;
}

is("@visited[0 .. 2]", "@visited[3 .. 5]",
   'addresses have their turn in an order that stays');

my %seen = map { $_ => 1 } @visited;
is(scalar keys %seen, 3, 'and each of them has one');
$nginx->stop();
$_->drop() for values %at;

my $moved = Warren::FakeBroker->new(address => '127.0.0.4', port => $port);

$nginx = resolving('mq1.invalid');
wait_for(sub { ($visited) = grep { $at{$_}->is_called(0) } keys %at }, RETURN,
         'a connection');
$at{$visited}->accept()->handshake();
$dns->set('mq1.invalid', '127.0.0.4');
sleep_out_cache();
$at{$visited}->drop();
$moved->accept(RETURN)->handshake();
works($nginx, 'a name that moves is left at once', $moved);
is(scalar(grep { $_->is_called(0) } values %at), 0,
   'and its other addresses are not tried any more');
$nginx->stop();
$moved->deaf()->drop();
$at{$_}->deaf() for '127.0.0.2', '127.0.0.3';


# IPv6

SKIP: {
    my $six = IO::Socket::IP->new(
        LocalAddr => '::1', LocalPort => $port, Listen => 5, ReuseAddr => 1,
        Timeout => 10
    ) or skip('no IPv6 here', 1);

    $dns->set('mq6.invalid', '::1');
    $nginx = resolving('mq6.invalid');

    my $socket = $six->accept() or die "nobody connects\n";
    sysread $socket, my $header, 8;
    is($header, "AMQP\0\0\x09\x01", 'a name may have an IPv6 address');
    $nginx->stop();
}


# ends with a question open

$dns->set('mute.invalid', 'silent');
$nginx = resolving('mute.invalid', 'resolver_timeout 60s;',
                   main => 'worker_shutdown_timeout 60s;');
wait_for(sub { $dns->asked('mute.invalid') == 1 }, 10, 'a question');
$nginx->reload();
ok(eval { $nginx->wait_for_old(3); 1 },
   'a question does not keep a worker that is leaving');
wait_for(sub { $dns->asked('mute.invalid') == 2 }, 10, 'the next question');

my $begun = time();
$nginx->quit();
cmp_ok(time() - $begun, '<', is_sanitized() ? 9 : 3,
       'nor nginx that quits');

$nginx->start();
wait_for(sub { $dns->asked('mute.invalid') == 3 }, 10, 'a question');
$nginx->stop();
unlike($nginx->log_text(), qr/\[alert\]/, 'and all of it is quiet');


# nobody at the resolver's address

my $closed = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'udp'
)->sockport();
$nginx = gateway(
    url => url('localhost'), http => "resolver 127.0.0.1:$closed;",
    broker => 'connect_timeout 500ms;'
);
$broker->accept(RETURN)->handshake();
works($nginx, 'a resolver that is away does not stop what is known');
$nginx->stop();

done_testing();


# nginx keeps an answer without a time to live until its second is over
sub sleep_out_cache {
    my $now = int time();

    wait_for(sub { int time() > $now + 1 }, 5, 'the end of a second');
}
