#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How many requests a location may have in flight: those beyond are refused,
# and whoever ends, however that is, makes room.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::Nginx;
use Warren::Test qw(wait_for spew tempdir);


my $secret = spew(tempdir() . '/secret', "guest\n");
my $broker = Warren::FakeBroker->new();
my $nginx = Warren::Nginx->new(
    vars => { BROKER => $broker->port(), SECRET => $secret },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/v;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 20s;
        gateway_max_inflight 2;

        location = /two { gateway_route GET,POST call echo echo; }
        location = /also { gateway_route call echo echo; }
        location = /free {
            gateway_max_inflight off;
            gateway_route call echo echo;
        }
        location = /if {
            gateway_max_inflight 1;
            gateway_route call echo echo;
            if ($arg_a) { set $b 1; }
        }
        location = /short {
            gateway_max_inflight 1;
            gateway_route call echo echo;
            gateway_timeout 300ms;
        }
        location = /parts {
            gateway_max_inflight 1;
            gateway_part a echo echo;
            gateway_part b echo echo;
        }
        location = /again {
            gateway_max_inflight 1;
            gateway_route call echo echo;
            gateway_retry 9 on=overloaded pause=50ms;
        }
        location = /parts/again {
            gateway_part a echo echo;
            gateway_part b echo echo;
            gateway_retry 1 on=overloaded pause=20ms;
        }
        location = /metrics { gateway_metrics; }
    }
}
END

$broker->accept()->handshake();


sub ask {
    my ($path) = @_;

    my $client = $nginx->http()->open();
    return $client->send("GET $path HTTP/1.1\r\nHost: a\r\n"
                         . "Connection: close\r\n\r\n");
}


sub call { return $broker->expect('basic.publish') }


sub ended {
    my ($client, $call) = @_;

    $broker->reply($call, 200, '1');
    return $client->answer()->{status};
}


sub inflight {
    my ($n) = @_;

    return wait_for(sub { $nginx->get('/metrics')->{body}
                              =~ /^gateway_inflight $n$/m },
                    20, "$n requests in flight");
}


# beyond

my (@clients, @calls);

for (0 .. 1) {
    $clients[$_] = ask('/two');
    $calls[$_] = call();
}

my $r = $nginx->get('/two');
is($r->{status}, 503, 'one request more than there may be is refused');
is($r->{json}{type}, 'urn:warren:error:overloaded', 'as too many');
like($r->{json}{detail}, qr/this route has as many requests in flight as/,
     'and says of what');
is($r->{headers}{'retry-after'}, 1, 'for later');
is($nginx->post('/two', '{}')->{status}, 503, 'methods share their location');

my $other = ask('/also');
is(ended($other, call()), 200, 'another location has its own');
my @free = map { ask('/free') } 1 .. 3;
my @more = map { call() } 1 .. 3;
$broker->reply($_, 200, '1') for @more;
is($_->answer()->{status}, 200, 'or none') for @free;

is(ended($clients[0], $calls[0]), 200, 'those before are answered');
my $next = ask('/two');
is(ended($next, call()), 200, 'and make room');
is(ended($clients[1], $calls[1]), 200, 'for others');


# every end makes room

my %ends = (
    'a return' => sub { $broker->return_call($_[1]); $_[0]->answer() },
    'a nack' => sub { $broker->nack($_[1]); $_[0]->answer() },
    'a bad reply' => sub { $broker->reply($_[1], 99, ''); $_[0]->answer() },
    'a client that leaves' => sub { $_[0]->close(); inflight(1) },
);

for my $end (sort keys %ends) {
    my $first = ask('/two');
    my $ending = call();
    my $stays = ask('/two');
    my $staying = call();

    $ends{$end}->($first, $ending);
    $next = ask('/two');
    is(ended($next, call()), 200, "$end makes room");
    is(ended($stays, $staying), 200, 'and harms nobody');
    inflight(0);
}

my $short = ask('/short');
call();
is($nginx->get('/short')->{status}, 503, 'a request that waits takes a place');
is($short->answer()->{status}, 504, 'until its time is over');
$short = ask('/short');
is(ended($short, call()), 200, 'and then it is free');

my $half = $nginx->http()->open();
$half->send("POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
            . "Connection: close\r\n\r\n12");
@clients = map { ask('/two') } 1 .. 2;
@calls = map { call() } 1 .. 2;
pass('who is still sending a body has no place yet');
$broker->reply($_, 200, '1') for @calls;
is($_->answer()->{status}, 200, 'nor takes one') for @clients;
$half->send('345');
is(ended($half, call()), 200, 'until it is there');

my $inner = ask('/if?a=1');
my $held = call();
is($nginx->get('/if')->{status}, 503, 'an "if" shares its location\'s places');
is(ended($inner, $held), 200, 'as it shares its routes');

my $parts = ask('/parts');
@calls = map { call() } 1 .. 2;
is($nginx->get('/parts')->{status}, 503, 'an answer in parts has one place');
$broker->reply($_, 200, '1') for @calls;
is($parts->answer()->{body}, '{"a":1,"b":1}', 'for all of them');

my $first = ask('/again');
my $call = call();
my $second = ask('/again');
ok(!$second->is_closed(0.1), 'who may try again waits for a place');
is(ended($first, $call), 200, 'and when there is one');
is(ended($second, call()), 200, 'has it');

$parts = ask('/parts/again');
@calls = map { call() } 1 .. 2;
$broker->reply($calls[0], 200, '1')->nack($calls[1]);
@calls = map { call() } 1 .. 2;
pass('an answer in parts is tried again as a whole');
$broker->reply($_, 200, '2') for @calls;
is($parts->answer()->{body}, '{"a":2,"b":2}', 'and is that of the last time');

@clients = map { ask('/two') } 1 .. 2;
call() for 1 .. 2;
$broker->drop(reset => 1);
is($_->answer()->{status}, 502, 'a broker that is lost') for @clients;
$broker->accept()->handshake();
@clients = map { ask('/two') } 1 .. 2;
@calls = map { call() } 1 .. 2;
$broker->reply($_, 200, '1') for @calls;
is($_->answer()->{status}, 200, 'makes room for all') for @clients;
inflight(0);

done_testing();
