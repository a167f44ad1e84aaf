#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Who a call is for: what travels of a verified token, and whose a key is.

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use lib 't/lib';
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(spew tempdir);


my $json = JSON::PP->new()->utf8()->canonical();
my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-identity');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $key = Warren::JWT->ec(kid => 'one');
my $other = Warren::JWT->ec(kid => 'one');
my $jwks = spew(tempdir() . '/jwks.json', Warren::JWT::jwks($key));
my $html = tempdir('html');
spew("$html/page.html", 'a<!--# include virtual="/on" -->b');

my $tell = sub {
    my ($call) = @_;
    return { body => $json->encode({
        headers => $call->{properties}{headers},
        id => $call->{properties}{message_id},
    }) };
};

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => { tell => $tell, also => $tell },
);

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
        KEY => $jwks, HTML => $html
    },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%HTML%%;
        gateway_jwt_key_file %%KEY%%;
        gateway_jwt_algorithms ES256;

        location = /on {
            gateway_jwt on;
            gateway_route GET,POST call echo tell;
            gateway_arg me $gateway_jwt_sub;
        }
        location = /optional {
            gateway_jwt optional;
            gateway_route call echo tell;
            gateway_arg me $gateway_jwt_sub;
        }
        location = /off {
            gateway_jwt off;
            gateway_idempotency on anonymous;
            gateway_route GET,POST call echo tell;
            gateway_arg me $gateway_jwt_sub;
        }
        location = /also {
            gateway_jwt on;
            gateway_route POST call echo also;
        }
        location = /any {
            satisfy any;
            allow 127.0.0.1;
            gateway_jwt on;
            gateway_route call echo tell;
        }
        location = /page.html { default_type text/html; ssi on; }
    }
}
END


sub bearer {
    my ($signer, %claims) = @_;
    return (Authorization => 'Bearer ' . $signer->token(\%claims));
}


my @anna = bearer($key, sub => 'anna', scope => 'orders:read orders:write');
my @bert = bearer($key, sub => 'bert');

my $h = $nginx->get('/on', @anna)->{json}{headers};
is($h->{'x-sub'}, 'anna', 'the subject of a verified token travels');
is($h->{'x-scope'}, 'orders:read orders:write', 'and its scope');
is($h->{'x-arg-me'}, 'anna', 'it may be an argument');

$h = $nginx->get('/on', @bert)->{json}{headers};
is($h->{'x-sub'}, 'bert', 'another token, another subject');
ok(!exists $h->{'x-scope'}, 'a claim that is not there does not travel');

is($nginx->get('/on')->{status}, 401, 'without a token there is no call');
is($nginx->get('/on', bearer($other, sub => 'anna'))->{status}, 401,
   'nor with one that is forged');

$h = $nginx->get('/optional')->{json}{headers};
ok(!exists $h->{'x-sub'} && !exists $h->{'x-arg-me'},
   'without an optional token there is no identity');
is($nginx->get('/optional', @anna)->{json}{headers}{'x-sub'}, 'anna',
   'with one there is');

for my $path ('/off', '/any') {
    my $r = $nginx->get($path, bearer($other, sub => 'anna'), 'x-sub' => 'eve');
    is($r->{status}, 200, "$path asks for no token");
    ok(!exists $r->{json}{headers}{'x-sub'},
       'and believes none that was not verified') or diag($r->{body});
}

my $r = $nginx->get('/off', @anna);
ok(!exists $r->{json}{headers}{'x-sub'},
   'where tokens are off, a good one says nothing');


# subrequests

$r = $nginx->get('/page.html');
unlike($r->{body}, qr/x-sub/, 'a page without a token reaches no route');
like($r->{body}, qr/forbidden|unauthenticated/, 'but its refusal');
$r = $nginx->get('/page.html', @anna);
like($r->{body}, qr/"x-sub":"anna"/, 'with a token it does');


# what is drawn at random

my %drawn;

for (1 .. 50) {
    $h = $nginx->get('/off')->{json}{headers};
    my ($trace, $parent) = (split /-/, $h->{traceparent})[1, 2];
    $drawn{$_}++ for $h->{'x-request-id'}, $trace, $parent;
}

is(keys %drawn, 150, 'ids of requests, traces and spans never come twice');


# keys

sub id {
    my ($path, @headers) = @_;
    return $nginx->post($path, '{}', 'Idempotency-Key' => 'k', @headers)
               ->{json}{id};
}

my $id = id('/on', @anna);
like($id, qr/^[0-9a-f-]{36}$/, 'a key makes an id');
is(id('/on', @anna), $id, 'the same for the same person');
isnt(id('/on', @bert), $id, 'equal keys of two people never meet');
isnt(id('/also', @anna), $id, 'nor those of two methods');
isnt(id('/off', @anna), $id, 'nor that of a person and of nobody');

done_testing();
