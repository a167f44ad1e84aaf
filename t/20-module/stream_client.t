#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Streams and clients that are odd or hostile: with bodies that come late, with
# more requests behind, half closed, with no window of HTTP/2, with the headers
# of caches; each is noticed when it leaves, and none takes more than its place.

use strict;
use warnings;

use lib 't/lib';

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SHUT_WR);
use Test::More;

use Warren::EventStream;
use Warren::HTTP2 qw(not_over_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


use constant PATIENCE => 60;

# of HTTP/2
use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4,
    WINDOW_UPDATE => 8, CONTINUATION => 9,
};

not_over_http2('what a client says');

my $stage = Warren::EventStream::stage('stream-client');
my $publish = $stage->{publish};
my $key = Warren::JWT->secret(kid => 'key');

my $nginx = Warren::Nginx->new(vars => $stage->{vars}, conf => <<'END');
%%GLOBALS%%
events { worker_connections 512; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    %%BROKER%%
    gateway_jwt_key_file keys.json;
    gateway_jwt_algorithms HS256;
    gzip on;
    gzip_types *;
    gzip_min_length 1;
    etag on;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2 sndbuf=16k;
        gateway_jwt on;
        gateway_timeout 40s;
        gateway_stream_heartbeat 1h;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_stream_limit 3;
        }
        location = /part {
            ssi on;
            ssi_types *;
            gateway_jwt off;
            default_type text/html;
            return 200 '[<!--# include virtual="/stream" -->]';
        }
        location = /metrics { gateway_jwt off; gateway_metrics; }
    }
}
END
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();


sub bearer {
    my ($who) = @_;
    return Warren::JWT::bearer($key->token({ sub => $who }));
}

sub open_as {
    my ($who, @headers) = @_;
    return Warren::EventStream->open($nginx, '/stream', bearer($who),
                                     @headers);
}

sub counter {
    my ($name) = @_;
    return $nginx->get('/metrics')->{body} =~ /^gateway_${name}_total (\d+)$/m
           ? $1 : undef;
}

sub streams {
    return $nginx->get('/metrics')->{body} =~ /^gateway_streams\{.*?\} (\d+)$/m
           ? $1 : undef;
}

sub wait_streams {
    my ($n, $what) = @_;
    wait_for(sub { streams() == $n }, PATIENCE, "$n streams");
    pass($what);
}


# what a client sends too much

for my $case (
    ['nothing', [], ''],
    ['a body that is late', ['Content-Length' => 5], 'hello'],
    ['a body with more behind', ['Content-Length' => 5], "helloGET / HTTP"],
    ['a body that never comes', ['Content-Length' => 5], ''],
    ['half of a body', ['Content-Length' => 5], 'he'],
    ['a large body', ['Content-Length' => 300_000], 'x' x 300_000],
    ['chunks', ['Transfer-Encoding' => 'chunked'], "5\r\nhello\r\n0\r\n\r\n"],
    ['half of a chunk', ['Transfer-Encoding' => 'chunked'], "5\r\nhe"],
    ['another request', [], "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"],
    ['what is none', [], "\0" x 2000],
) {
    my ($what, $headers, $more) = @$case;

    my $stream = open_as('anna', @$headers);
    is($stream->{status}, 200, "a stream is begun before $what");
    syswrite $stream->{socket}, $more if length $more;
    $publish->('inapp.anna', $what);
    is_deeply([$stream->wait_events(1)->data()], [$what], 'and goes on');
    $stream->close();
    wait_streams(0, 'who leaves then is noticed');
}

my $stream = open_as('anna', 'Transfer-Encoding' => 'chunked');
syswrite $stream->{socket}, "zz\r\n";
$stream->wait_end();
wait_streams(0, 'chunks that are none end a stream');


# how a client leaves

$stream = open_as('anna');
shutdown $stream->{socket}, SHUT_WR;
$stream->wait_end();
wait_streams(0, 'who closes one half has left');

$stream = open_as('anna');
setsockopt $stream->{socket}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
$stream->close();
wait_streams(0, 'so has who resets');


# headers

$stream = open_as('anna', 'Range' => 'bytes=0-1', 'If-None-Match' => '*',
                  'If-Modified-Since' => 'Fri, 01 Jan 2100 00:00:00 GMT',
                  'Accept-Encoding' => 'gzip, br', 'Accept' => 'text/html',
                  'Connection' => 'close');
is($stream->{status}, 200, 'conditions and ranges are not of streams');
is($stream->{headers}{$_}, undef, "nor is $_")
    for qw(content-encoding content-range etag last-modified content-length);
$stream->close();

is(open_as('anna', 'Last-Event-ID' => 'x' x 65)->{status}, 400,
   'a long id is refused');
is(open_as('anna', 'Last-Event-ID' => 'x' x 7000)->{status}, 400,
   'and a very long one');
is(open_as('anna', 'Last-Event-ID' => 'x' x 9000)->{status}, 400,
   'one that is larger than a header may be, too');
is(open_as('anna', 'Last-Event-ID' => 'a', 'last-event-id' => 'b')->{status},
   400, 'there is one id');
is(open_as('anna', 'Last-Event-ID' => "a\tb")->{status}, 400,
   'which is one word');
wait_streams(0, 'none of them has a place');

my $old = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                PeerPort => $nginx->port());
my %bearer = bearer('anna');
syswrite $old, "GET /stream HTTP/1.0\r\n"
               . join('', map { "$_: $bearer{$_}\r\n" } keys %bearer) . "\r\n";
my $text = '';
wait_for(sub {
    sysread $old, $text, 65536, length $text
        if IO::Select->new($old)->can_read(0.1);
    $text =~ /retry: \d+\n\n/;
}, PATIENCE, 'the beginning');
$publish->('inapp.anna', 'for HTTP/1.0');
wait_for(sub {
    sysread $old, $text, 65536, length $text
        if IO::Select->new($old)->can_read(0.1);
    $text =~ /\ndata: for HTTP\/1\.0\n\n\z/;
}, PATIENCE, 'an event');
unlike($text, qr/transfer-encoding/i, 'HTTP/1.0 has a stream without chunks');
close $old;

# no place is taken by HEAD
is($nginx->head('/stream', bearer('anna'))->{status}, 200, 'HEAD has a header')
    for 1 .. 5;
wait_streams(0, 'and no place');

$stream = $nginx->get('/part', bearer('anna'));
is($stream->{status}, 200, 'a stream is no part of a page');
unlike($stream->{body}, qr/retry:/, 'and nothing of it is there');

my @streams = map { open_as('bob') } 1 .. 3;
is(open_as('bob')->{status}, 429, 'a person has so many') for 1 .. 3;
$streams[0]->close();
wait_streams(2, 'and gives them back');
$_->close() for @streams;
wait_streams(0, 'all of them');


# HTTP/2, and a client that opens no window

my $h2 = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                               PeerPort => $nginx->port_of('PORT_1'))
    or die "connect: $!\n";
my ($buffer, %seen) = ('');

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}

# a string of HPACK, without Huffman's code
sub hpack {
    my ($text) = @_;

    my $length = length $text;
    return chr($length) . $text if $length < 127;

    my $bytes = chr 127;
    $length -= 127;
    for (; $length >= 128; $length >>= 7) {
        $bytes .= chr($length & 127 | 128);
    }
    return $bytes . chr($length) . $text;
}

sub ask_h2 {
    my ($stream, $who) = @_;

    my %token = bearer($who);
    my @fields = (':method' => 'GET', ':scheme' => 'http', ':path' => '/stream',
                  ':authority' => 'a',
                  map { lc($_) => $token{$_} } keys %token);
    my $block = '';
    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . hpack($name) . hpack($value);
    }
    syswrite $h2, frame(HEADERS, 5, $stream, $block);
}

# notes what has come, by stream and type
sub read_h2 {
    return if !IO::Select->new($h2)->can_read(0.1);
    sysread $h2, $buffer, 65536, length $buffer or die "it was closed\n";

    while (length $buffer >= 9) {
        my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $buffer;
        my $length = $high << 16 | $low;
        last if length $buffer < 9 + $length;

        $seen{$stream}{$type} .= substr $buffer, 9, $length;
        substr $buffer, 0, 9 + $length, '';
        syswrite $h2, frame(SETTINGS, 1, 0, '')
            if $type == SETTINGS && !($flags & 1);
    }
}

sub wait_h2 {
    my ($stream, $type, $what) = @_;
    wait_for(sub { read_h2(); defined $seen{$stream}{$type} }, PATIENCE,
             $what);
}

syswrite $h2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
              . frame(SETTINGS, 0, 0, pack 'nN', 4, 0);
ask_h2(1, 'anna');
wait_h2(1, HEADERS, 'a header');
ask_h2(3, 'bob');
syswrite $h2, frame(WINDOW_UPDATE, 0, 3, pack 'N', 65535);
wait_h2(3, DATA, 'the beginning');
is(streams(), 2, 'two streams in one connection');

my $slow = counter('stream_slow');
wait_for(sub {
    $publish->('inapp.anna', 'x' x 20_000);
    read_h2();
    counter('stream_slow') == $slow + 1;
}, PATIENCE, 'its end');
wait_h2(1, RST_STREAM, 'a reset');
pass('a client that takes nothing is cut off');
is($seen{1}{+DATA}, undef, 'and had nothing');
wait_streams(1, 'its place is free');

$publish->('inapp.bob', 'still here');
wait_for(sub { read_h2(); $seen{3}{+DATA} =~ /\ndata: still here\n\n\z/ },
         PATIENCE, 'an event');
pass('its neighbour in the connection goes on');
syswrite $h2, frame(RST_STREAM, 0, 3, pack 'N', 8);
wait_streams(0, 'and who resets a stream has left it');

ask_h2(5, 'bob');
wait_h2(5, HEADERS, 'a header');
close $h2;
wait_streams(0, 'as has who closes the connection');

done_testing();
