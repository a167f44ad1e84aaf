#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Streams that are resumed: what was missed comes first, page by page, and
# whatever comes meanwhile behind it, nothing twice.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;

use Warren::EventStream;
use Warren::JWT;
use Warren::Nginx;
use Warren::Responder;
use Warren::Test;


use constant PATIENCE => 40;

my $stage = Warren::EventStream::stage('stream-resume');
my $publish = $stage->{publish};
my $key = Warren::JWT->ec(kid => 'key');

sub id { return sprintf '0190b0c6-7a54-7e6d-9c55-%012d', $_[0] }

sub page {
    my ($more, @n) = @_;
    return sprintf '{"notifications":[%s],"more":%s}',
        join(',', map { my $id = id($_); qq({"id":"$id","kind":"k$_","n":$_}) }
                  @n),
        $more ? 'true' : 'false';
}

# What is answered depends on the event that the client has.
my %answers = (
    id(1) => { body => page(1, 2, 3) },
    id(3) => { body => page(1, 4, 5, 6) },
    id(6) => { body => page(0, 7) },
    id(10) => { body => page(0, 11, 12), delay => 2 },
    id(20) => { body => page(0) },
    id(30) => { body => qq({ "more" : false, "total": {"a":[1,"]}"]},
        "notifications" : [ { "title": "a \\"quoted\\" }]", "x": [{"id": 1}],
        "id" :"@{[ id(31) ]}" ,"kind":"odd" , "n":1e3 } ] }\n) },
    id(40) => { status => 500, body => '{}' },
    id(42) => { body => '{"notifications":[{"id":"a\\nb"}],"more":false}' },
    id(43) => { body => '{"notifications":[1],"more":false}' },
    id(44) => { body => '{"notifications":{},"more":false}' },
    id(45) => { body => '[]' },
    id(46) => { body => '{"notifications":[' },
    id(47) => { body => '' },
    id(48) => { body => page(1) },
    id(70) => { status => 400, body => '{}', delay => 1 },
    id(71) => { status => 404, body => '{}' },
    id(72) => { status => 422, body => '{}' },
);

my $service = Warren::Responder->new(
    rabbit => $stage->{rabbit}, vhost => $stage->{vhost},
    service => 'notifications',
    methods => {
        list_since => sub {
            my ($call) = @_;
            my $headers = $call->{properties}{headers};
            my $since = $headers->{'x-arg-since'};

            return { body => '{"notifications":[{"id":"who","kind":"'
                             . "$headers->{'x-sub'} $headers->{'x-scope'}"
                             . '"}],"more":false}' } if $since eq 'me';
            return $answers{$since} ? $answers{$since} : ();
        },
    },
);

my $nginx = Warren::Nginx->new(vars => $stage->{vars}, conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    %%BROKER%%
    gateway_jwt_key_file keys.json;
    gateway_stream_resume notifications list_since;

    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_jwt on;
        gateway_stream_heartbeat 1h;
        gateway_timeout 20s;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
        }
        location = /hasty {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_timeout 1s;
        }
        location = /bare {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_stream_resume off;
        }
        location = /metrics { gateway_jwt off; gateway_metrics; }
    }
}
END
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();


sub open_since {
    my ($n, $path, $who) = @_;
    my $token = $key->token({ sub => $who // 'anna', scope => 'a b' });
    return Warren::EventStream->open(
        $nginx, $path // '/stream', Warren::JWT::bearer($token),
        defined $n ? ('Last-Event-ID' => $n =~ /^\d+$/ ? id($n) : $n) : ()
    );
}

sub counter {
    my ($name) = @_;
    return $nginx->get('/metrics')->{body} =~ /^gateway_${name}_total (\d+)$/m
           ? $1 : undef;
}


# pages

my $stream = open_since(1);
$stream->wait_events(6);
is_deeply([$stream->ids()], [map { id($_) } 2 .. 7],
          'what was missed comes in order, over several pages');
is_deeply($stream->{events}[0], {
    id => id(2), event => 'k2', data => '{"id":"' . id(2) . '","kind":"k2",'
                                        . '"n":2}'
}, 'each as it would have come by itself');

$publish->('inapp.anna', '{"n":7}', id => id(7), type => 'k7');
$publish->('inapp.anna', '{"n":8}', id => id(8), type => 'k8');
$stream->wait_events(7);
is(($stream->ids())[6], id(8), 'what was in a page is not sent again later');
is(counter('stream_doubles'), 1, 'and counted');
is(counter('stream_resumed'), 1, 'as is what was resumed');
is(counter('stream_events'), 7, 'and what was sent');
$stream->close();


# what comes while the service is asked

$stream = open_since(10);
$publish->('inapp.anna', '{"n":12}', id => id(12), type => 'k12');
$publish->('inapp.anna', '{"n":13}', id => id(13), type => 'k13');
$publish->('inapp.anna', '{"n":9}', id => id(9), type => 'late');
$publish->('inapp.anna', '{"n":0}', type => 'none');
$stream->wait_events(5);
is_deeply([$stream->ids()], [id(11), id(12), id(13), id(9), undef],
          'what comes meanwhile follows, and nothing twice');
$stream->close();

$stream = open_since(20);
$publish->('inapp.anna', 'x', id => id(21));
is_deeply([$stream->wait_events(1)->ids()], [id(21)], 'nothing was missed');
$stream->close();


# who is asked for, and how it is told

$stream = open_since('me');
is($stream->wait_events(1)->{events}[0]{event}, 'anna a b',
   'the service is asked as the person of the token');
$stream->close();

my $argument = Warren::EventStream->open(
    $nginx, '/stream?last_event_id=' . id(6),
    Warren::JWT::bearer($key->token({ sub => 'anna' }))
);
is_deeply([$argument->wait_events(1)->ids()], [id(7)],
          'the last event may be told as an argument');
$argument->close();

$stream = open_since(30);
$stream->wait_events(1);
is($stream->{events}[0]{id}, id(31), 'an element may be written in any way');
is($stream->{events}[0]{event}, 'odd', 'and has its kind');
is(JSON::PP->new()->decode($stream->{events}[0]{data})->{title},
   'a "quoted" }]', 'and stays as it was');
$stream->close();

$stream = open_since(1, '/bare');
$publish->('inapp.anna', 'live', id => id(50));
is_deeply([$stream->wait_events(1)->ids()], [id(50)],
          'where nobody can be asked a stream begins with what comes');
$stream->close();


# a service that fails

for my $case ([40, 'fails'], [42, 'has an id with a line end'],
              [43, 'has no objects'], [44, 'has no list'],
              [45, 'has no object'], [46, 'is cut'], [47, 'is empty'])
{
    my ($n, $what) = @$case;

    $stream = open_since($n);
    is($stream->{status}, 200, "where an answer $what a stream is begun");
    $stream->wait_end();
    ok($stream->{ended_well}, 'and ends');
    is_deeply([$stream->ids()], [], 'with nothing');
    is($stream->{comments}[-1], 'unavailable', 'so its client tries again');
}

for my $n (70 .. 72) {
    $stream = open_since($n);
    $publish->('inapp.anna', "live $n", id => id(80 + $n));
    is_deeply([$stream->wait_events(1)->ids()], [id(80 + $n)],
              'who tells what is no event has what comes');
    is($stream->{comments}[0], 'unknown', 'and is told that it is none');
    $stream->close();
}

$stream = open_since(41, '/hasty');
$stream->wait_end();
is($stream->{comments}[-1], 'unavailable',
   'where no answer comes in time it ends as well');

$stream = open_since(48);
$publish->('inapp.anna', 'live', id => id(49));
is_deeply([$stream->wait_events(1)->ids()], [id(49)],
          'a service with nothing and yet more is not asked for ever');
$stream->close();

$service->stop();
$stream = open_since(1, '/hasty');
$stream->wait_end();
is($stream->{comments}[-1], 'unavailable', 'one that is away ends it, too');

$stream = open_since(undef);
$publish->('inapp.anna', 'live', id => id(60));
is_deeply([$stream->wait_events(1)->ids()], [id(60)],
          'who has missed nothing needs no service');

done_testing();
