#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Idempotency-Key: where it must be given, whose it is, and that a worker
# answers a repeated request as it did the first one.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/30-worker';
use Echo;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(spew tempdir);


my $echo = Echo->new()->start();
my $rabbit = $echo->broker();
my $signer = Warren::JWT->ec(kid => 'one');
my $jwks = spew(tempdir() . '/jwks.json', Warren::JWT::jwks($signer));
my $secret = spew(tempdir() . '/secret',
                  $rabbit->user('gateway', $echo->vhost()));

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $echo->vhost(),
        SECRET => $secret, JWKS => $jwks
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
        gateway_timeout 20s;
        gateway_jwt optional;
        gateway_jwt_key_file %%JWKS%%;

        location = /on { gateway_route POST,DELETE call echo write; }
        location = /off {
            gateway_idempotency off;
            gateway_route POST call echo write;
        }
        location = /required {
            gateway_idempotency required;
            gateway_route GET call echo echo;
            gateway_route POST call echo write;
        }
        location = /strangers {
            gateway_idempotency required anonymous;
            gateway_route POST call echo write;
        }
    }
}
END

my @anna = (Authorization => 'Bearer ' . $signer->token({ sub => 'anna' }));
my @bert = (Authorization => 'Bearer ' . $signer->token({ sub => 'bert' }));
my @nameless = (Authorization => 'Bearer ' . $signer->token({}));


sub told {
    my ($path, $id, $key, @headers) = @_;

    my $r = $nginx->post($path, { id => $id, text => 'x' },
                         defined $key ? ('Idempotency-Key' => $key) : (),
                         @headers);
    my ($error) = ($r->{json}{type} // '') =~ /([a-z_]+)\z/;

    return "$r->{status} " . ($error // $r->{json}{id});
}


sub rows { return $echo->sql("select count(*) from echo where id = '$_[0]'") }


# the same request again

is(told('/on', 'a', 'k1', @anna), '201 a', 'a request with a key is acted on');
is(told('/on', 'a', 'k1', @anna), '201 a',
   'the same again is answered as the first');
is(told('/on', 'a', '"k1"', @anna), '201 a', 'in quotes, too');
is(told('/on', 'b', 'k1', @anna), '422 idempotency_mismatch',
   'another request with this key is refused');
is(rows('b'), 0, 'and not acted on');
is(told('/on', 'c', 'k1', @bert), '201 c', 'somebody else has keys of his own');
is(told('/off', 'd', 'k1', @anna), '201 d',
   'where keys are off they are not looked at');
is(told('/off', 'e', "bad\tkey", @anna), '201 e', 'whatever they are');


# missing and malformed

is(told('/required', 'f', undef, @anna), '400 idempotency_required',
   'a key that is required and missing is told');
is(rows('f'), 0, 'and nothing happens');
is(told('/required', 'f', 'k2', @anna), '201 f', 'with it, it happens');
is($nginx->get('/required', @anna)->{status}, 400,
   'what only reads needs none, and is judged by the worker');
is($nginx->get('/required', @anna)->{json}{type}, 'urn:warren:error:invalid',
   'as what it is');

my %bad = (
    empty => '', 'empty in quotes' => '""', 'too long' => 'x' x 256,
    'with a control character' => "a\tb", 'beyond ASCII' => "\xc3\xbc",
);

for my $what (sort keys %bad) {
    is(told('/on', 'g', $bad{$what}, @anna), '400 invalid',
       "a key $what is refused");
}

is($nginx->post('/on', '{"id":"g","text":""}', 'Idempotency-Key' => 'a',
                'Idempotency-Key' => 'b', @anna)->{status}, 400,
   'and so are two of them');
is(rows('g'), 0, 'and nothing happens');

my $begun = $nginx->http(timeout => 20)->open();
$begun->send("POST /required HTTP/1.1\r\nHost: a\r\n$anna[0]: $anna[1]\r\n"
             . "Content-Length: 1000\r\nConnection: close\r\n\r\n");
is($begun->answer()->{json}{type}, 'urn:warren:error:idempotency_required',
   'nobody sends a body in vain');


# strangers

is(told('/on', 'h', 'k3'), '400 invalid', 'the key of a stranger is refused');
like($nginx->post('/on', '{}', 'Idempotency-Key' => 'k3')->{json}{detail},
     qr/needs a token that tells whose it is/, 'with the reason');
is(told('/on', 'h', 'k3', @nameless), '400 invalid',
   'so is that of a token without a subject');
is(told('/on', 'h', undef), '201 h', 'who has none may come in');
is(told('/required', 'i', undef), '400 idempotency_required',
   'but not where one is required');
is(told('/strangers', 'j', 'k4'), '201 j',
   'strangers share their keys where they may');
is(told('/strangers', 'j', 'k4'), '201 j', 'and are known by them');
is(told('/strangers', 'k', 'k4', @anna), '201 k',
   'but never for somebody with a name');
is(told('/strangers', 'l', undef), '400 idempotency_required',
   'and may be required to have one');

done_testing();
