#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Streams of events: each person gets their own, at once, as text that no event
# can break out of; heartbeats; and who gets no stream at all.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::AMQP;
use Warren::EventStream;
use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


use constant PATIENCE => 40;

my $stage = Warren::EventStream::stage('stream-live');
my ($rabbit, $vhost, $publish) = @{$stage}{qw(rabbit vhost publish)};
my $key = Warren::JWT->ec(kid => 'key');

my $nginx = Warren::Nginx->new(workers => 2, vars => $stage->{vars},
                               conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    log_format stream '$gateway_route|$gateway_outcome|$gateway_stream_events';
    gateway_zone gateway:1m;
    %%BROKER%%
    gateway_jwt_key_file keys.json;
    gzip on;
    gzip_types *;

    server {
        listen 127.0.0.1:%%PORT%%;
        access_log access.log stream;
        gateway_jwt on;
        gateway_jwt_token bearer cookie=token;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_stream_heartbeat 1s;
        }
        location = /quiet {
            gateway_stream notifications inapp.${gateway_jwt_sub};
            gateway_stream_heartbeat 1h;
            gateway_stream_limit 2;
        }
        location = /news {
            gateway_jwt off;
            gateway_stream notifications news.all from=notifications;
        }
        location = /metrics { gateway_jwt off; gateway_metrics; }
    }
}
END
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();


sub open_as {
    my ($who, $path, @headers) = @_;
    return Warren::EventStream->open(
        $nginx, $path // '/stream',
        Warren::JWT::bearer($key->token({ sub => $who })), @headers
    );
}

# For both processes; each connection may meet another.
sub bound {
    my ($key) = @_;
    return grep { $_->{routing_key} eq $key }
           @{ $rabbit->api('GET', "/api/exchanges/$vhost/notifications"
                                  . '/bindings/source') };
}


# an event

my $anna = open_as('anna');
is($anna->{status}, 200, 'a stream is begun');
is($anna->{headers}{'content-type'}, 'text/event-stream', 'of events');
is($anna->{headers}{'cache-control'}, 'no-store', 'that nobody stores');
is($anna->{headers}{'x-accel-buffering'}, 'no', 'or keeps back');
ok($anna->{headers}{'x-request-id'}, 'with an id of the request');

my $bob = open_as('bob');
$publish->('inapp.anna', '{"title":"hello"}', id => 'e1', type => 'note');
$publish->('inapp.bob', '{"title":"you"}', id => 'e2', type => 'note');
$anna->wait_events(1);
$bob->wait_events(1);

is_deeply($anna->{events},
          [{ id => 'e1', event => 'note', data => '{"title":"hello"}' }],
          'an event has its id, its type and its body');
is_deeply([$bob->ids()], ['e2'], 'and everybody gets their own');
like($anna->{retry}, qr/\A[234]\d\d\d\z/, 'clients come back after a while');

# plain text and Accept-Encoding
my $zipped = open_as('anna', '/stream', 'Accept-Encoding' => 'gzip');
is($zipped->{headers}{'content-encoding'}, undef, 'nothing is compressed');
$publish->('inapp.anna', 'both', id => 'e3');
is(($zipped->wait_events(1)->data())[0], 'both', 'two streams of a person');
is(($anna->wait_events(2)->data())[1], 'both', 'get the same');


# text that tries to break out

$publish->('inapp.bob', "one\ntwo\r\nthree\rfour\n\nid: evil\n", id => 'e4');
$publish->('inapp.bob', '', id => 'e5');
$publish->('inapp.bob', 'x', id => "e6\nevent: evil");
$publish->('inapp.bob', 'x', id => 'e7', type => "a\rb");
$publish->('inapp.bob', "\0\xff", type => 'odd');
$bob->wait_events(4);
is_deeply([@{ $bob->{events} }[1 .. 3]], [
    { id => 'e4', data => "one\ntwo\nthree\nfour\n\nid: evil\n" },
    { id => 'e5', data => '' },
    { event => 'odd', data => "\0\xff" },
], 'lines of a body stay data, and an id with a line end is dropped');


# whose messages are believed

my $guest = Warren::AMQP->connect(url => $rabbit->url('guest', $vhost));
$guest->publish('notifications', 'inapp.anna', 'forged', user_id => 'guest');
$guest->publish('notifications', 'inapp.anna', 'forged');
wait_for(sub {
    $nginx->get('/metrics')->{body} =~ /^gateway_stream_foreign_total [24]$/m
}, PATIENCE, 'the forged ones');
$publish->('inapp.anna', 'genuine', id => 'e8');
is(($anna->wait_events(3)->data())[2], 'genuine',
   'what another user publishes is dropped and counted');


# a heartbeat

$anna->wait_comment(2);
is_deeply([grep { $_ ne '' } @{ $anna->{comments} }], [],
          'a quiet stream gets empty comments');


# subjects that look like patterns

for my $who ('#', '*', 'anna.#', 'an.na', 'a b', '%23') {
    my $stream = open_as($who, '/quiet');
    is($stream->{status}, 200, 'a stream of an odd subject');

    my $word = join '', map { /[A-Za-z0-9_~-]/ ? $_ : sprintf '%%%02X', ord }
                        split //, $who;
    $publish->('inapp.anna', 'not yours', id => 'x1');
    $publish->("inapp.$word", 'yours', id => 'x2');
    $stream->wait_events(1);
    is_deeply([$stream->data()], ['yours'], 'is that of one word');
    $stream->close();
}

is(open_as('a' x 201, '/quiet')->{status}, 403, 'one too long is refused');
is(open_as('', '/quiet')->{status}, 403, 'an empty one as well');
is(Warren::EventStream->open(
       $nginx, '/quiet', Warren::JWT::bearer($key->token({ }))
   )->{status}, 403, 'and none');


# who gets no stream

is($nginx->get('/stream')->{status}, 401, 'no token, no stream');
my $answer = $nginx->post('/stream', '', Warren::JWT::bearer(
    $key->token({ sub => 'anna' })));
is($answer->{status}, 405, 'POST is no stream');
is($answer->{headers}{allow}, 'GET, HEAD, OPTIONS', 'and told so');
$answer = $nginx->head('/stream', Warren::JWT::bearer(
    $key->token({ sub => 'anna' })));
is($answer->{status}, 200, 'HEAD tells the header');
is($answer->{headers}{'content-type'}, 'text/event-stream', 'of a stream');
is(open_as('anna', '/stream', 'Last-Event-ID' => 'a b')->{status}, 400,
   'an id that is none is refused');
is(open_as('anna', '/stream?last_event_id=' . 'x' x 65)->{status}, 400,
   'as an argument, too');
is(Warren::EventStream->open(
       $nginx, '/stream', Cookie => 'token=' . $key->token({ sub => 'carl' })
   )->{status}, 200, 'a cookie will do, since browsers cannot set headers');

my $news = Warren::EventStream->open($nginx, '/news');
$publish->('news.all', 'for everybody', type => 'news');
is(($news->wait_events(1)->data())[0], 'for everybody', 'a key may be fixed');


# no more than so many of a person

my @streams;
my $refused;
wait_for(sub {
    my $stream = open_as('dora', '/quiet');
    $stream->{status} == 200 ? push @streams, $stream : ($refused = $stream);
    $refused;
}, PATIENCE, 'a refusal');
is($refused->{status}, 429, 'too many streams of a person are refused');
like($refused->{headers}{'retry-after'}, qr/\A[1-6]\z/, 'to come back later');
is(scalar @streams, 2, 'not one more than told, and no fewer');
is(open_as('emil', '/quiet')->{status}, 200, 'others get theirs');
$_->close() for @streams;
wait_for(sub { open_as('dora', '/quiet')->{status} == 200 }, PATIENCE,
         'a place');
pass('places are given back');


# one binding for a person and process, kept for a while

cmp_ok(scalar bound('inapp.anna'), '<=', 2, 'a key is bound once a process');
$bob->close();
wait_for(sub {
    slurp($nginx->dir() . '/access.log')
        =~ m{^/stream \(stream\)\|client_gone\|4$}m
}, PATIENCE, 'the log');
pass('the log tells how a stream ended, and its events');
cmp_ok(scalar bound('inapp.bob'), '>=', 1, 'who left may come back soon');

like($nginx->get('/metrics')->{body}, qr/^gateway_stream_events_total \d\d/m,
     'events are counted');
like($nginx->get('/metrics')->{body}, qr/^gateway_streams\{[^}]+\} \d+$/m,
     'and streams');

done_testing();
