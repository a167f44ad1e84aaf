#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Bodies large and small, in memory and in files, and replies of many frames:
# each arrives byte for byte, or is refused before it costs much.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::HTTP2 qw(is_http2);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for run_command slurp spew tempdir);


use constant MB => 1048576;

my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-body');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        same => sub {
            my ($call) = @_;
            return { body => $call->{body}, content_type => 'a/b' };
        },
        told => sub {
            my ($call) = @_;
            return { body => length($call->{body}) . ' '
                             . sha256_hex($call->{body}) };
        },
        large => sub {
            my ($call) = @_;
            my $size = $call->{properties}{headers}{'x-arg-size'};
            return { body => 'abcdefg' x ($size / 7) . 'h' x ($size % 7) };
        },
    },
);

my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    client_max_body_size 16m;
    client_body_buffer_size 8k;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        gateway_max_body 6m;
        gateway_max_reply 6m;
        gateway_timeout 40s;

        location = /same { gateway_route POST call echo same; }
        location = /told { gateway_route POST,PUT call echo told; }
        location = /file {
            client_body_in_file_only clean;
            gateway_route POST call echo same;
        }
        location = /single {
            client_body_in_single_buffer on;
            client_body_buffer_size 1m;
            gateway_route POST call echo same;
        }
        location = /large {
            gateway_route call echo large;
            gateway_arg size $arg_size;
        }
        location = /small {
            gateway_max_body 1k;
            gateway_route POST call echo same;
        }
        location = /little {
            gateway_max_reply 1k;
            gateway_route call echo large;
            gateway_arg size $arg_size;
        }
        location = /early {
            mirror /sink;
            try_files /nothing =404;
            error_page 404 = @early;
        }
        location = /sink { return 204; }
        location @early {
            gateway_max_body 1k;
            gateway_route POST call echo same;
        }
        location = /metrics { gateway_metrics; }
    }
}
END
my $nginx = Warren::Nginx->new(conf => $conf, vars => {
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
})->start();


sub bytes {
    my ($size) = @_;

    my $block = join '', map { chr($_ * 7 % 251) } 1 .. 1009;
    return substr $block x ($size / 1009 + 1), 0, $size;
}


sub files { return grep { -f } glob $nginx->dir() . '/body/*' }


# every size around a border, wherever it lies

my $frame = 131072 - 8;

for my $size (0, 1, 8191, 8192, 8193, 16384, $frame - 1, $frame, $frame + 1,
              2 * $frame, 2 * $frame + 1, MB, 5 * MB, 6 * MB)
{
    my $body = bytes($size);

    for my $path (qw(/same /file /single)) {
        next if $path eq '/single' && $size > MB;

        my $r = $nginx->post($path, $body, 'Content-Type' => 'a/b');
        ok($r->{status} == 200 && $r->{body} eq $body,
           "$size bytes come back from $path as they were")
            or diag("$r->{status}, ", length $r->{body});
    }
}

# nginx may still be at it when the client has the whole answer
ok(wait_for(sub { !files() }, 10, 'the end of files'),
   'no file is left of them');


# in pieces

for my $size (1, 16, 8192, 70_000, 3 * MB) {
    my $body = bytes($size);
    my $text = '';

    for (my $pos = 0; $pos < $size; $pos += 65521) {
        my $piece = substr $body, $pos, 65521;
        $text .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
    }

    my $r = $nginx->post('/same', "${text}0\r\n\r\n",
                         'Transfer-Encoding' => 'chunked');
    ok($r->{body} eq $body, "$size bytes without a length are put together");
}

my $client = $nginx->http(timeout => 40)->open();
$client->send("POST /told HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n"
              . "Connection: close\r\n\r\n");
$client->send(bytes(10_000)) for 1 .. 3;
is($client->answer()->{body}, '30000 ' . sha256_hex(bytes(10_000) x 3),
   'a body that comes bit by bit is whole');

$client = $nginx->http(timeout => 40)->open();
$client->send("POST /told HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
              . "Expect: 100-continue\r\nConnection: close\r\n\r\n");
$client->send('12345');
is($client->answer()->{status}, 200, 'who waits for a go-ahead gets it');

SKIP: {
    my ($curl) = grep { -x } map { "$_/curl" } split /:/, $ENV{PATH};
    skip 'no curl on this machine', 3 if !$curl;

    for my $size (0, 100_000, 3 * MB) {
        my $body = spew(tempdir() . '/body', bytes($size));
        my $answer = tempdir() . '/answer';

        unlink $answer;
        run_command(command => [
            $curl, '-sS', '--http2-prior-knowledge', '--data-binary',
            "\@$body", '-o', $answer,
            'http://127.0.0.1:' . $nginx->port_of('PORT_1') . '/same'
        ]);
        ok((-f $answer ? slurp($answer) : '') eq bytes($size),
           "$size bytes come back by HTTP/2");
    }
}


# too large

sub is_too_large {
    my ($r, $what) = @_;

    is($r->{status}, 413, "$what is refused");
    is($r->{json}{type}, 'urn:warren:error:too_large', 'as too large');
}


is_too_large($nginx->post('/same', bytes(6 * MB + 1)),
             'a body beyond gateway_max_body');
is_too_large($nginx->post('/small', bytes(1025)), 'one beyond a smaller one');
is($nginx->post('/small', bytes(1024))->{status}, 200, 'and no other');


# nginx may have read a body before it came to a route

my $early = bytes(1024);
is($nginx->post('/early', $early)->{body}, $early,
   'a body that was read before is passed on');
is($nginx->post('/early', '')->{body}, '', 'as is none');
is_too_large($nginx->post('/early', bytes(1025)),
             'one that was read before, and is beyond the limit here,');
is_too_large($nginx->post('/early', bytes(2 * MB)), 'one in a file');

SKIP: {
    skip 'these are words of HTTP/1.1', 11 if is_http2();
    refused_words();
}


# replies

for my $size ($frame - 1, $frame, $frame + 1, 3 * $frame, 5 * MB, 6 * MB) {
    my $r = $nginx->get("/large?size=$size");
    is(length $r->{body}, $size, "a reply of $size bytes is passed on");
    is(sha256_hex($r->{body}),
       sha256_hex('abcdefg' x ($size / 7) . 'h' x ($size % 7)),
       'byte for byte');
}

my $r = $nginx->get('/large?size=' . (6 * MB + 1));
is($r->{status}, 502, 'one beyond gateway_max_reply is not');
is($r->{json}{type}, 'urn:warren:error:bad_reply', 'and told as such');
is($nginx->get('/little?size=1024')->{status}, 200, 'locations have their own');
is($nginx->get('/little?size=1025')->{status}, 502, 'and no other');

$r = $nginx->head('/large?size=' . 2 * MB);
is($r->{headers}{'content-length'}, 2 * MB, 'HEAD tells the length');
is($nginx->get('/large?size=7', Range => 'bytes=1-2')->{status}, 200,
   'a part of a reply is not made of it');

# who reads slowly holds nobody up

my $slow = $nginx->http(timeout => 40)->open();
$slow->send("GET /large?size=" . 5 * MB . " HTTP/1.1\r\nHost: a\r\n"
            . "Connection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body} =~ /^gateway_inflight 0$/m },
         40, 'the reply to be there');
is($nginx->get('/large?size=7')->{body}, 'abcdefg',
   'a client that does not read holds nobody up');
is(length $slow->answer()->{body}, 5 * MB, 'and gets all of it when it does');

is(scalar files(), 0, 'no file is left of all that');
$nginx->stop();


# announced and not sent

my $broker = Warren::FakeBroker->new();

$nginx = Warren::FakeBroker::gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    location => 'gateway_max_reply 64k;'
);
$broker->accept()->handshake();

my $asking = Warren::FakeBroker::ask($nginx);
my $call = $broker->expect('basic.publish');
$broker->send('basic.deliver', consumer_tag => 'x', delivery_tag => 1,
              exchange => 'replies', routing_key => 'q');
$broker->raw(Warren::AMQP::frame(
    Warren::AMQP::FRAME_HEADER(), 1, Warren::AMQP::encode_header(
        1 << 40, correlation_id => $call->{properties}{correlation_id},
        user_id => 'echo',
        headers => { status => Warren::AMQP::typed(l => 200) }
    )
));
is(Warren::FakeBroker::outcome($asking), '502 bad_reply',
   'a reply of a terabyte is refused when it is announced');
$nginx->stop();

done_testing();


# what is refused before it is there, or cannot be understood

sub refused_words {
    $client = $nginx->http(timeout => 40)->open();
    $client->send("POST /same HTTP/1.1\r\nHost: a\r\n"
                  . "Content-Length: 9000000000\r\nConnection: close\r\n\r\n");
    is_too_large($client->answer(), 'nine gigabytes that are only announced');

    $client = $nginx->http(timeout => 40)->open();
    $client->send("POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  . "Transfer-Encoding: chunked\r\n\r\n");
    $client->send(sprintf "%x\r\n%s\r\n", 2000, bytes(2000));
    is_too_large($client->answer(), 'one without a length, before its end');

    $client = $nginx->http(timeout => 40)->open();
    $client->send("POST /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                  . "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n");
    like($client->answer()->{status}, qr/\A4(?:00|13)\z/,
         'a piece that no number can count is refused');

    for my $request (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        "Content-Length: -1\r\n\r\n", "Content-Length: 1x\r\n\r\n1",
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    )
    {
        my $raw = $nginx->raw("POST /same HTTP/1.1\r\nHost: a\r\n"
                              . "Connection: close\r\n$request", 20);
        my ($what) = $request =~ /\A(.*?)\r\n\r\n/s;
        $what =~ s/\r\n/, /g;
        like($raw, qr{\AHTTP/1\.1 (?:4\d\d|501) }, "$what is refused")
            or diag($raw);
    }
}
