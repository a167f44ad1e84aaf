#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Answers in parts: several calls, one answer; what is optional may be missing
# and is named, what is not decides.

use strict;
use warnings;

use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Warren::AMQP qw(typed);
use Warren::FakeBroker;
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for spew tempdir);


my $json = JSON::PP->new()->utf8()->canonical();
my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-part');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $signer = Warren::JWT->ec(kid => 'one');
my $jwks = spew(tempdir() . '/jwks.json', Warren::JWT::jwks($signer));

my $tell = sub {
    my ($call) = @_;
    return { body => $json->encode({
        body => $call->{body}, headers => $call->{properties}{headers},
        type => $call->{properties}{content_type},
        id => $call->{properties}{message_id},
        expires => $call->{properties}{expiration}
    }) };
};

# what a test asks for in the argument "as"
my %replies = (
    not_found => {
        status => 404, content_type => 'application/problem+json',
        body => '{"type":"urn:warren:error:not_found","status":404}'
    },
    plain_500 => { status => 500, body => 'oh', content_type => 'text/plain' },
    not_json => { body => '{}', content_type => 'text/html' },
    injection => { body => '1},"role":"admin","x":{"a":1' },
    truncated => { body => '{"a":' },
    two => { body => '{}{}' },
    empty => { body => '' },
    none => { status => 204 },
    moved => { status => 301, headers => { 'http-location' => '/x' } },
    typed => { body => '1', content_type => 'application/json; charset=utf-8' },
    bad_problem => {
        status => 409, content_type => 'application/problem+json',
        body => '{"a":1},"b":{}'
    },
    number => { body => ' 1.5 ' },
    private => { body => '{}', headers => { 'http-cache-control' =>
                                            'Private, No-Store' } },
    cached => { body => '{}', headers => { 'http-cache-control' =>
                                           'max-age=60',
                                           'http-etag' => '"part"' } },
    status_199 => { raw => {
        user_id => 'orders', headers => { status => typed(l => 199) }
    } },
    later => {
        status => 503, content_type => 'application/problem+json',
        body => '{"type":"urn:warren:error:unavailable"}',
        headers => { 'http-retry-after' => '7' }
    },
);

my $as = sub {
    my ($call) = @_;
    my $headers = $call->{properties}{headers};
    my $name = $headers->{'x-arg-as'} // 'number';

    return if $name eq 'never';
    return { body => '"' . 'x' x ($1 - 2) . '"' } if $name =~ /\A(\d+)\z/;
    return $replies{$name};
};

my @responders = map {
    Warren::Responder->new(rabbit => $rabbit, vhost => $vhost, service => $_,
                           methods => { tell => $tell, as => $as })
} qw(users orders);

my $frame = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
        max_inflight %%INFLIGHT%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 10s;
        gateway_jwt_key_file %%JWKS%%;
        gateway_max_reply 64k;

        location = /me {
            gateway_jwt   on;
            gateway_arg   limit $arg_limit;
            gateway_arg   who everybody;
            gateway_part  user   users  tell arg=id:$gateway_jwt_sub
                                             arg=who:one;
            gateway_part  orders orders tell optional
                                             arg=mixed:a:$request_method;
            gateway_route POST call users tell;
        }
        location = /both {
            gateway_part  a users  as arg=as:$arg_a;
            gateway_part  b orders as arg=as:$arg_b optional;
            gateway_timeout 20s;
        }
        location = /short {
            gateway_part  a users  as arg=as:$arg_a;
            gateway_part  b orders as optional arg=as:$arg_b;
            gateway_timeout 800ms;
        }
        location = /all {
            gateway_part  a users  as optional arg=as:$arg_a;
            gateway_part  b orders as optional arg=as:$arg_b;
        }
        location = /nobody {
            gateway_part  a users as;
            gateway_part  b nobody as optional;
        }
        location = /required {
            gateway_part  a users as;
            gateway_part  b nobody as;
        }
        location = /metrics { gateway_metrics; }
        location = /page.html {
            default_type text/html;
            ssi on;
            root %%DIR%%;
        }
    }
}
END

my %vars = (BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
            JWKS => $jwks, INFLIGHT => 4096);
my $nginx = Warren::Nginx->new(conf => $frame, vars => \%vars)->start();
spew($nginx->dir() . '/page.html', '<!--#include virtual="/both" -->');
my @anna = (Authorization => 'Bearer ' . $signer->token({ sub => 'anna' }));


# the whole of it

my $r = $nginx->get('/me?limit=5', @anna, 'X-Request-Id' => 'mine');
is($r->{status}, 200, 'two calls make one answer') or diag($r->{raw});
is($r->{headers}{'content-type'}, 'application/json', 'of JSON');
is(join(' ', sort keys %{ $r->{json} }), 'orders user', 'with all its parts');
like($r->{body}, qr/\A\{"user":.*,"orders":/, 'in their order');

my ($user, $orders) = @{ $r->{json} }{qw(user orders)};
is($user->{headers}{'x-arg-id'}, 'anna', 'a part has arguments of its own');
is($orders->{headers}{'x-arg-id'}, undef, 'which others do not have');
is($orders->{headers}{'x-arg-mixed'}, 'a:GET', 'with colons and variables');
is($user->{headers}{'x-arg-limit'}, 5, 'those of the location are for all');
is($orders->{headers}{'x-arg-who'}, 'everybody', 'each of them');
is($user->{headers}{'x-arg-who'}, 'one', 'but for parts that have their own');
is($_->{headers}{'x-sub'}, 'anna', 'every part is told who asks')
    for $user, $orders;
is($_->{headers}{'x-request-id'}, 'mine', 'and which request it is')
    for $user, $orders;
isnt($user->{id}, $orders->{id}, 'each message has an id of its own');
is($user->{headers}{'x-deadline'}, $orders->{headers}{'x-deadline'},
   'all have one deadline');
is($r->{headers}{'x-request-id'}, 'mine', 'the answer names the request');
is($r->{headers}{'cache-control'}, 'private, no-cache', 'and is for one');

is($nginx->get('/me')->{status}, 401, 'without a token there is no part');
is($nginx->get('/me?limit=%', @anna)->{status}, 400,
   'an argument that is not well encoded is refused');
is($nginx->post('/me', '{}', @anna)->{json}{body}, '{}',
   'another method may have a route beside the parts');
is($nginx->request('DELETE', '/me', undef, @anna)->{headers}{allow},
   'GET, HEAD, POST, OPTIONS', 'and those that may be used are told');

$r = $nginx->request('GET', '/me', 'a body', @anna);
is($r->{json}{user}{body}, '', 'a body is not passed to parts');
is($r->{json}{user}{type}, 'application/json', 'nor is its type');

$r = $nginx->head('/both?a=number&b=number');
is($r->{status}, 200, 'HEAD goes with it');
is($r->{headers}{'content-length'}, length '{"a": 1.5 ,"b": 1.5 }',
   'with its length');
is($nginx->raw("HEAD /both HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
       =~ s/.*?\r\n\r\n//sr, '', 'and no body');


# what is a part

sub both { return $nginx->get("/both?a=$_[0]&b=$_[1]") }
sub bad { return qr/"missing":\{"b":\{"type":"urn:warren:error:bad_reply",/ }

is(both('number', 'number')->{body}, '{"a": 1.5 ,"b": 1.5 }',
   'a value is passed as it is');
is(both('none', 'none')->{body}, '{"a":null,"b":null}', 'no content is null');
is(both('typed', 'number')->{status}, 200, 'a type may have parameters');

for my $case (
    [injection => 'is not valid JSON'], [truncated => 'is not valid JSON'],
    [two => 'is not valid JSON'], [empty => 'is not valid JSON'],
    [not_json => 'is not JSON'], [moved => 'status is not one of a part'],
    [status_199 => 'status is not from 200 to 599']
)
{
    my ($name, $reason) = @$case;

    $r = both('number', $name);
    is($r->{status}, 200, "an optional part like $name leaves the others");
    like($r->{body}, bad(), 'and is named as a reply of no use');
    is($r->{json}{b}, undef, 'there is no value');
    ok(!exists $r->{json}{role}, 'and no member of its own making');
    like($nginx->log_text(), qr/reply of "orders" refused: .*$reason/,
         'why is in the log');

    next if $name eq 'status_199';

    $r = both($name, 'number');
    is($r->{status}, 502, 'a required one decides');
    is($r->{json}{type}, 'urn:warren:error:bad_reply', 'as what it is');
    is($r->{json}{detail}, 'it concerns the part a', 'and says which one');
}

is_deeply(both('number', 'not_found')->{json},
          { a => 1.5, b => undef, missing => { b => {
              type => 'urn:warren:error:not_found', status => 404
          } } }, 'a worker tells itself why a part is missing');
is(both('number', 'plain_500')->{body}, '{"a": 1.5 ,"b":null,"missing":{"b":'
   . '{"type":"about:blank","status":500}}}', 'or its status does');
is(both('number', 'bad_problem')->{body}, '{"a": 1.5 ,"b":null,"missing":{"b":'
   . '{"type":"about:blank","status":409}}}',
   'also if what it says is no document');

$r = both('not_found', 'number');
is($r->{status}, 404, 'the problem of a required part is that of the answer');
is($r->{body}, $replies{not_found}{body}, 'as the worker tells it');
is($r->{headers}{'content-type'}, 'application/problem+json', 'with its type');
is(both('later', 'number')->{headers}{'retry-after'}, 7, 'and its headers');

my $begun = time();
is(both('not_found', 'never')->{status}, 404, 'nobody waits for others then');
cmp_ok(time() - $begun, '<', 19, 'they are forgotten');

$r = $nginx->get('/all?a=not_found&b=later');
is($r->{status}, 404, 'if all is missing, the first problem is the answer');


# caches

is(both('cached', 'cached')->{headers}{'cache-control'}, 'private, no-cache',
   'what a part allows caches is not for the whole');
is(both('cached', 'cached')->{headers}{etag}, undef, 'nor is its ETag');
is(both('number', 'private')->{headers}{'cache-control'}, 'no-store',
   'a part that must not be kept makes the whole so');
is(both('number', 'not_found')->{headers}{'cache-control'}, 'no-store',
   'and so does one that is missing');


# size

is(both(32768, 32768)->{status}, 200, 'parts may be as large as a reply');
$r = both(32768, 32769);
is($r->{status}, 200, 'and no larger');
is($r->{json}{missing}{b}{type} // $r->{json}{missing}{a}{type},
   'urn:warren:error:bad_reply', 'the one that is too much is missing')
    if $r->{status} == 200;
is(both(70000, 10)->{status}, 502, 'a required one that is too large decides');


# time

$begun = time();
$r = $nginx->get('/short?a=number&b=never');
is($r->{status}, 200, 'an optional part that does not come in time is missing');
is($r->{json}{a}, 1.5, 'and the other is there');
is($r->{json}{missing}{b}{type}, 'urn:warren:error:timeout', 'by that name');
is($r->{json}{missing}{b}{status}, 504, 'with its status');
cmp_ok(time() - $begun, '>=', 0.75, 'when the time of the request is over');

$r = $nginx->get('/short?a=never&b=number');
is($r->{status}, 504, 'a required part that does not come in time decides');
is($r->{json}{detail}, 'it concerns the part a', 'and is named');

$r = $nginx->get('/nobody');
is($r->{json}{missing}{b}{type}, 'urn:warren:error:no_route',
   'a service that nobody serves is missing');
$r = $nginx->get('/required');
is($r->{json}{type}, 'urn:warren:error:no_route', 'or decides');
is($r->{status}, 503, 'as it would alone');


# within pages, and counters

like($nginx->get('/page.html')->{body}, qr/\A\{"a": 1\.5 ,"b": 1\.5 \}/,
     'it may be included in a page');

my $metrics = $nginx->get('/metrics')->{body};
like($metrics, qr/route="\/me \(parts\)",outcome="2xx"\} 2$/m,
     'an answer in parts is counted');
like($metrics, qr/route="\/me users\.tell",outcome="2xx"\} 3$/m,
     'and so is each of them');
like($metrics, qr/route="\/short orders\.as",outcome="timeout"\} 1$/m,
     'by how it ended');
like($metrics, qr/^gateway_inflight 0$/m, 'none is left in flight');
$nginx->stop();


# places for all, or for none

$nginx = Warren::Nginx->new(conf => $frame, vars => {
    %vars, INFLIGHT => 2
})->start();

is($nginx->get('/both')->{status}, 200, 'parts fit if all of them do');
my $client = $nginx->http()->open();
$client->send("GET /both?a=never&b=never HTTP/1.1\r\nHost: a\r\n"
              . "Connection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body}
                   =~ /^gateway_inflight 1$/m }, 10, 'the parts');
$r = $nginx->get('/both');
is($r->{status}, 503, 'without a place for each of them');
is($r->{json}{type}, 'urn:warren:error:overloaded', 'none is sent');
ok(!$client->is_closed(0), 'those before are not harmed');
$client->close();
ok(wait_for(sub { $nginx->get('/both')->{status} == 200 }, 20, 'an answer'),
   'when their client leaves their places are free again');
$nginx->stop();


# one write, a broker that is lost, a client that leaves

my $broker = Warren::FakeBroker->new();

$nginx = Warren::Nginx->new(
    vars => { %vars, BROKER => $broker->port(), VHOST => 'v' },
    conf => $frame
)->start();
$broker->accept()->handshake();


sub asked {
    my $client = $nginx->http()->open();
    $client->send("GET $_[0] HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

    my %calls = map { $_->{routing_key} => $_ }
                map { $broker->expect('basic.publish') } 1 .. 2;

    return ($client, \%calls);
}


my $calls;
($client, $calls) = asked('/both');
$broker->reply($calls->{orders}, 200, '2')->reply($calls->{users}, 200, '1');
is($client->answer()->{body}, '{"a":1,"b":2}', 'replies come in any order');

($client, $calls) = asked('/both');
$broker->reply($calls->{users}, 200, '1', user_id => 'orders');
$broker->reply($calls->{orders}, 200, '2')->reply($calls->{orders}, 200, '3');
ok(!$client->is_closed(0.2), 'one worker does not answer for another');
$broker->reply($calls->{users}, 200, '1');
is($client->answer()->{body}, '{"a":1,"b":2}', 'nor twice');

($client, $calls) = asked('/both');
$broker->nack($calls->{orders})->reply($calls->{users}, 200, '1');
is($client->answer()->{json}{missing}{b}{type}, 'urn:warren:error:overloaded',
   'a part whose queue is full is missing');

($client, $calls) = asked('/both');
$client->close();
wait_for(sub { $nginx->get('/metrics')->{body}
                   =~ /^gateway_inflight 0$/m }, 10,
         'the client to be gone');
$broker->reply($calls->{users}, 200, '1')->reply($calls->{orders}, 200, '2');
($client, $calls) = asked('/both');
$broker->reply($calls->{orders}, 200, '2')->reply($calls->{users}, 200, '1');
is($client->answer()->{body}, '{"a":1,"b":2}',
   'replies for a client that left harm nobody');

my ($first, $second);
($first, $calls) = asked('/both');
$broker->reply($calls->{users}, 200, '1');
($second) = asked('/both');
$broker->drop(reset => 1);
$r = $first->answer();
is($r->{json}{missing}{b}{type}, 'urn:warren:error:interrupted',
   'what came before the broker was lost is told');
$r = $second->answer();
is($r->{status}, 502, 'what did not come decides');
is($r->{json}{type}, 'urn:warren:error:interrupted', 'as interrupted');
$nginx->stop();

done_testing();
