#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for the connection with a real RabbitMQ.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::AMQP;
use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(spawn at_exit stop_process);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('amqp');
my $user = "gateway-$vhost";

my $password = $rabbit->user(
    $user, $vhost, configure => '^amq\.gen-',
    write => '^(rpc|commands|amq\.gen-.*)$', read => '^(amq\.gen-.*|replies)$'
);

$rabbit->user('echo', $vhost);
at_exit(sub { eval { $rabbit->api('DELETE', "/api/users/$user") } });

my $admin = Warren::AMQP->connect(url => $rabbit->url('guest', $vhost));
my $nginx = gateway(
    url => $rabbit->url_without_password($user, $vhost), password => 'wrong',
    location => 'client_max_body_size 2m; gateway_max_body 2m;'
                . ' gateway_max_reply 2m;',
    nginx => { log_level => 'info' }
);


sub told {
    my ($pattern, $name) = @_;

    ok(eval { wait_for(sub { $nginx->log_text() =~ $pattern }, 10, 'a line') },
       $name) or diag($@);
}


sub wait_ready {
    wait_for(sub { outcome(ask($nginx)) !~ /^503 unavailable/ }, 40,
             'a connection');
}


# A service that answers with what it is asked.
sub start_echo {
    my $url = $rabbit->url('echo', $vhost);
    my $program = <<'END';
        use Warren::AMQP;
        my $amqp = Warren::AMQP->connect(url => $ARGV[0]);
        $amqp->serve('echo', sub {
            $_[0]->reply($_[1], 200, $_[1]{body});
        }, 120);
END

    return spawn(
        command => [$^X, '-It/lib', '-e', $program, $url],
        log => tempdir('echo') . '/log'
    );
}


# not let in, then not ready, then

told(qr/broker refused user "\Q$user\E" or its password: 403 ACCESS_REFUSED/,
     'RabbitMQ refuses a wrong password');
is(outcome(ask($nginx)), '503 unavailable', 'so routes are unavailable');

$rabbit->api('PUT', "/api/users/$user", { password => 'wrong', tags => '' });
told(qr/closed the channel: 404 NOT_FOUND - no exchange 'replies' .*while bind/,
     'a missing exchange of replies is told');

$admin->declare_exchange('replies', 'direct');
wait_for(sub { $nginx->log_text() =~ /broker is ready/ }, 40, 'ready');
pass('both are got over');


# a call without its exchange

is(outcome(ask($nginx)), '502 interrupted',
   'a call without its exchange is interrupted');
told(qr/broker closed the channel: 404 NOT_FOUND - no exchange 'rpc'/,
     'which is told');

$admin->declare_exchange('rpc', 'direct');
wait_ready();
is(outcome(ask($nginx)), '503 no_route', 'a service without a queue: no route');


# a full queue

$admin->declare_service('echo', 'x-max-length' => 2);

my @clients = map { ask($nginx, $_) } 1 .. 2;

wait_for(sub { counter($nginx, 'published') >= 4 }, 5, 'two calls');
is(outcome(ask($nginx, 3)), '503 overloaded', 'a full queue is overloaded');


# a service

my $echo = start_echo();

is(outcome($clients[$_ - 1]), "200 $_", 'calls that waited are answered')
    for 1 .. 2;

$admin->rpc('queue.delete', queue => 'rpc.echo');
stop_process($echo, 'TERM', 5, 'echo');
$admin->declare_service('echo');
$echo = start_echo();

is(outcome(ask($nginx, 'hello')), '200 hello', 'a call is answered');
is(outcome(ask($nginx)), '200 ', 'so is an empty one');

my $bytes = join '', map { chr } 0 .. 255;

is(outcome(ask($nginx, $bytes)), "200 $bytes", 'any bytes come back');

for my $size (131063, 131064, 131065, 262128, 1_500_000) {
    my $body = substr 'abcdefghijklm' x 120_000, 0, $size;

    ok(outcome(ask($nginx, $body)) eq "200 $body",
       "a body of $size bytes comes back");
}

my %clients = map { $_ => ask($nginx, "number $_") } 1 .. 200;
my $right = grep { outcome($clients{$_}) eq "200 number $_" } keys %clients;

is($right, 200, 'of 200 calls at a time each has its own reply');

is(counter($nginx, 'late'), 0, 'no reply was late');
is(counter($nginx, 'foreign'), 0, 'none was foreign');


# what the broker knows of us

my ($pid) = $nginx->workers();
my $consumers = wait_for(sub {
    my $found = $rabbit->api('GET', "/api/consumers/$vhost");
    my @ours = grep { $_->{consumer_tag} =~ /^gateway\./ } @$found;

    return @ours ? \@ours : 0;
}, 10, 'the consumer');

is(scalar @$consumers, 1, 'there is one consumer of replies');
like($consumers->[0]{consumer_tag}, qr/\Agateway\..+\.$pid\z/,
     'its tag tells whose it is');


# losses

my $lost = counter($nginx, 'disconnects');

wait_for(sub { $rabbit->close_connections($user) }, 10, 'the connection');
wait_for(sub { counter($nginx, 'disconnects') > $lost }, 10, 'the loss');
told(qr/broker closed the connection: 320 CONNECTION_FORCED/,
     'a connection closed by an operator is told');
wait_ready();
is(outcome(ask($nginx, 'back')), '200 back', 'and made anew');


# a reload with a request that is half sent

my $body = 'half and half';
my $client = $nginx->http();

$client->open()->send("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                      . 'Content-Length: ' . length($body) . "\r\n\r\nhalf ");
is(outcome(ask($nginx, 'x')), '200 x', 'a request is half sent');
$nginx->reload();
$client->send('and half');
is(outcome($client), "200 $body",
   'a request whose body was half sent at a reload is answered');
$nginx->wait_for_old(20);
wait_ready();
is(outcome(ask($nginx, 'new')), '200 new', 'the new worker works');

stop_process($echo, 'TERM', 5, 'echo');

my $waiting = ask($nginx, 'slow');

wait_for(sub { $admin->rpc('queue.declare', queue => 'rpc.echo',
                           passive => 1)->{message_count} == 1 }, 5, 'a call');
$nginx->reload();
$echo = start_echo();
is(outcome($waiting), '200 slow', 'a call in flight at a reload is answered');
$nginx->wait_for_old(20);
stop_process($echo, 'TERM', 5, 'echo');

is($nginx->quit(), 0, 'nginx ends in order');

done_testing();
