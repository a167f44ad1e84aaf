#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How many streams a person may have: in all processes together, through
# reloads, and whatever becomes of a process.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::EventStream;
use Warren::HTTP2 qw(not_over_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


use constant {
    LIMIT => 4,
    PATIENCE => 60,
};

not_over_http2('which process a connection meets');

my $stage = Warren::EventStream::stage('stream-limit');
my $key = Warren::JWT->secret(kid => 'key');
my $conf = <<'END';
%%GLOBALS%%
worker_rlimit_nofile 4096;
events { accept_mutex off; worker_connections 2048; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    %%BROKER%%
    %%ZONE%%
    gateway_jwt_key_file keys.json;
    gateway_jwt_algorithms HS256;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        gateway_jwt on;
        gateway_timeout 40s;
        gateway_stream_heartbeat 1h;
        gateway_stream_drain 1h;
        add_header X-Process $pid;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_stream_limit 4;
        }
        location = /other {
            gateway_stream notifications other.$gateway_jwt_sub;
            gateway_stream_limit 4;
        }
    }
}
END
my $nginx = Warren::Nginx->new(
    workers => 3, vars => { %{ $stage->{vars} }, ZONE => '' }, conf => $conf,
    allow => [qr/exited on signal 9/]
);
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();


sub open_as {
    my ($who, $path) = @_;
    return Warren::EventStream->open(
        $nginx, $path // '/stream',
        Warren::JWT::bearer($key->token({ sub => $who }))
    );
}

# As many as are given, and a refusal.
sub fill {
    my ($who) = @_;

    my @streams;

    while (@streams < 3 * LIMIT) {
        my $stream = open_as($who);
        return ($stream->{status}, @streams) if $stream->{status} != 200;
        push @streams, $stream;
    }

    return (200, @streams);
}

# Somebody with streams in several processes, and those.
my $people = 0;

sub somebody {
    for (1 .. 50) {
        my $who = 'person-' . ++$people;
        my ($status, @streams) = fill($who);
        my %process = map { $_->{headers}{'x-process'} => 1 } @streams;

        return ($who, $status, @streams) if keys %process > 1;
        $_->close() for @streams;
    }

    die "all connections meet one process\n";
}

sub places {
    my ($who, $n) = @_;

    my @streams;

    wait_for(sub {
        my $stream = open_as($who);
        push @streams, $stream if $stream->{status} == 200;
        @streams == $n;
    }, PATIENCE, "$n places");

    is(open_as($who)->{status}, 429, "and not one more than $n");
    return @streams;
}


# all processes together

my ($anna, $status, @streams) = somebody();
is($status, 429, 'there is a stream too many');
is(scalar @streams, LIMIT, 'all processes together give as many as told');
is(open_as($anna)->{status}, 429, 'again and again') for 1 .. 6;
is(open_as("$anna.other")->{status}, 200, 'others have their own');
is(open_as($anna, '/other')->{status}, 200, 'as has another key');

pop(@streams)->close();
push @streams, places($anna, 1);
pass('who closes one may have another');


# a process that is killed

my $victim = $streams[0]{headers}{'x-process'};
my @lost = grep { $_->{headers}{'x-process'} == $victim } @streams;
my @kept = grep { $_->{headers}{'x-process'} != $victim } @streams;

kill 'KILL', $victim;
$_->wait_end() for @lost;
ok(!$lost[0]{ended_well}, 'a killed process ends its streams');
@streams = (@kept, places($anna, scalar @lost));
pass('and its places are given back');
is(scalar(grep { $_->{is_ended} } @kept), 0, 'others keep theirs');


# a reload

my @old = $nginx->workers();
$nginx->reload();
wait_for(sub {
    my %is_old = map { $_ => 1 } @old;
    (grep { !$is_old{$_} } $nginx->workers()) >= 3;
}, PATIENCE, 'new processes');
is(open_as($anna)->{status}, 429, 'streams of old processes count')
    for 1 .. 6;

my $first = shift @streams;
$first->close();
push @streams, places($anna, 1);
pass('until they end');

$victim = $streams[0]{headers}{'x-process'};
ok((grep { $_ == $victim } @old), 'an old process still has some');
@lost = grep { $_->{headers}{'x-process'} == $victim } @streams;
@kept = grep { $_->{headers}{'x-process'} != $victim } @streams;
kill 'KILL', $victim;
$_->wait_end() for @lost;
@streams = (@kept, places($anna, scalar @lost));
pass('nobody takes its place, and yet what it had is given back');

$_->close() for @streams;
@streams = places($anna, LIMIT);
$_->close() for @streams;


# a zone of its own

$nginx->stop();

my %vars = (%{ $stage->{vars} }, ZONE => 'gateway_stream_zone people:64k;');
$nginx = Warren::Nginx->new(workers => 1, vars => \%vars, conf => $conf);
spew($nginx->dir() . '/keys.json', Warren::JWT::jwks($key));
$nginx->start();

my @crowd;
wait_for(sub {
    push @crowd, open_as('one-of-' . @crowd) for 1 .. 50;
    $nginx->log_text() =~ /gateway_stream_zone "people" is full/;
}, PATIENCE, 'a full zone');
cmp_ok(scalar @crowd, '>', 300, 'a zone has room for some people');
is(scalar(grep { $_->{status} != 200 } @crowd), 0,
   'and no stream is refused for want of it');
($status, @streams) = fill('late');
is($status . ' ' . @streams, '429 ' . LIMIT,
   'beyond it each process counts for itself');
$_->close() for splice(@crowd), @streams;

for my $case (
    ['people', qr/write it as NAME:SIZE/], [':1m', qr/NAME:SIZE/],
    ['people:4k', qr/use at least 64k/], ['people:x', qr/use at least 64k/],
    ['people:1m; gateway_stream_zone p:1m', qr/is duplicate/],
) {
    my ($text, $pattern) = @$case;

    $conf =~ s/(?<=events \{).*?(?=\})/ /;
    (my $wrong = $conf) =~ s/%%ZONE%%/gateway_stream_zone $text;/;
    my ($is_valid, $output) = $nginx->test($wrong);
    ok(!$is_valid, "gateway_stream_zone $text is refused");
    like($output, $pattern, 'and told');
}

done_testing();
