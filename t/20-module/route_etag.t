#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# ETags of workers and those made of a body; who has it is not sent it again.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(spew tempdir);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-etag');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        plain => sub {
            my ($call) = @_;
            my $arg = $call->{properties}{headers}{'x-arg-text'} // '1';
            return { body => "{\"text\":\"$arg\"}", headers => {
                'http-cache-control' => 'private, max-age=5'
            } };
        },
        own => sub {
            return { body => '{}', headers => { 'http-etag' => 'W/"own"' } };
        },
        blank => sub {
            return { body => '{}', headers => { 'http-etag' => '' } };
        },
        created => sub { return { status => 201, body => '{}' } },
        missing => sub { return { status => 404, body => '{}' } },
        none => sub { return { status => 204 } },
        nothing => sub { return { body => '' } },
        large => sub { return { body => '"' . 'x' x 300_000 . '"' } },
    },
);

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
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
        gateway_etag on;
        gateway_timeout 20s;

        location = /plain {
            gateway_route GET,POST call echo plain;
            gateway_arg text $arg_text;
        }
        location = /weak { gateway_etag weak; gateway_route call echo plain; }
        location = /off { gateway_etag off; gateway_route call echo plain; }
        location = /own { gateway_route call echo own; }
        location = /blank { gateway_route call echo blank; }
        location = /created { gateway_route call echo created; }
        location = /missing { gateway_route call echo missing; }
        location = /none { gateway_route call echo none; }
        location = /nothing { gateway_route call echo nothing; }
        location = /large { gateway_route call echo large; }
        location = /zipped {
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            gateway_route call echo plain;
        }
        location = /parts {
            gateway_part a echo plain;
            gateway_part b echo own optional;
        }
        location = /partial {
            gateway_part a echo plain;
            gateway_part b echo missing optional;
        }
    }
}
END


sub etag { return $nginx->get(@_)->{headers}{etag} }


# made of the body

my $etag = etag('/plain');
like($etag, qr/\A"[0-9a-f]{32}"\z/, 'an answer has an ETag of its body');
is(etag('/plain'), $etag, 'the same for the same');
isnt(etag('/plain?text=2'), $etag, 'and another one for another');
is(etag('/weak'), "W/$etag", 'or a weak one');
is(etag('/off'), undef, 'or none');
is($nginx->head('/plain')->{headers}{etag}, $etag, 'HEAD tells the same');
like(etag('/large'), qr/\A"[0-9a-f]{32}"\z/, 'of many frames, too');
like(etag('/nothing'), qr/\A"[0-9a-f]{32}"\z/, 'and of nothing');
is(etag('/zipped', 'Accept-Encoding' => 'gzip'), "W/$etag",
   'what nginx packs is weakly the same');

is(etag("/$_"), undef, "what is $_ has none") for qw(created missing none);
is($nginx->post('/plain', '{}')->{headers}{etag}, undef,
   'nor has the answer to what was done');
is(etag('/own'), 'W/"own"', 'that of the worker stays');
like(etag('/blank'), qr/\A"[0-9a-f]{32}"\z/, 'unless it is empty');


# who has it already

for my $case (
    [$etag, 304], ["W/$etag", 304], ["\"a\", $etag", 304], ['*', 304],
    ['"a"', 200], [$etag =~ s/"//gr, 200], ['', 200]
)
{
    my ($value, $status) = @$case;

    is($nginx->get('/plain', 'If-None-Match' => $value)->{status}, $status,
       "If-None-Match: $value is answered $status");
}

my $r = $nginx->get('/plain', 'If-None-Match' => $etag);
is($r->{headers}{etag}, $etag, 'the answer repeats it');
is($r->{headers}{'cache-control'}, 'private, max-age=5',
   'and how long it may be kept');
is($r->{headers}{'content-length'}, undef, 'without a length');
like($r->{headers}{'x-request-id'}, qr/./, 'it names the request');
is($nginx->raw("GET /plain HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
               . "If-None-Match: $etag\r\n\r\n") =~ s/.*?\r\n\r\n//sr, '',
   'and there is no body');

is($nginx->head('/plain', 'If-None-Match' => $etag)->{status}, 304,
   'HEAD is answered alike');
is($nginx->get('/own', 'If-None-Match' => 'W/"own"')->{status}, 304,
   'so is that of a worker');
is($nginx->get('/weak', 'If-None-Match' => $etag)->{status}, 304,
   'weak and strong ones are compared weakly');
is($nginx->post('/plain', '{}', 'If-None-Match' => '*')->{status}, 200,
   'what was done is told in any case');
is($nginx->get('/missing', 'If-None-Match' => '*')->{status}, 404,
   'and so are errors');
is($nginx->get('/plain', 'If-Match' => $etag)->{status}, 200,
   'what must be the same is sent if it is');
is($nginx->get('/plain', 'If-Match' => '"other"')->{status}, 412,
   'and not if it is not');


# in parts

$etag = etag('/parts');
like($etag, qr/\A"[0-9a-f]{32}"\z/, 'an answer in parts has one for all');
is($nginx->get('/parts', 'If-None-Match' => $etag)->{status}, 304,
   'and is not sent again');
is(etag('/partial'), undef, 'one that lacks a part has none');
is($nginx->get('/partial', 'If-None-Match' => '*')->{status}, 200,
   'and is sent');

done_testing();
