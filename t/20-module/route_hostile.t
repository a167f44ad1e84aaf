#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Replies that are meant to do harm: headers twice or without end, tables in
# tables, and frames with some bytes wrong in the middle of a conversation.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::AMQP qw(
    frame encode_method encode_header encode_content typed
    FRAME_METHOD FRAME_HEADER FRAME_BODY
);
use Warren::FakeBroker qw(gateway ask outcome);
use Warren::Test;


use constant ROUNDS => 40;

my $broker = Warren::FakeBroker->new();
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    timeout => '1s', broker => 'connect_timeout 10s;'
);

$broker->accept()->handshake();


# the bytes of a reply; names that differ in case are made the same, which no
# table of ours can be
sub reply {
    my ($call, $headers, $body) = @_;

    my $bytes = frame(FRAME_METHOD, 1, encode_method(
        'basic.deliver', consumer_tag => 'x', delivery_tag => 1,
        exchange => 'replies', routing_key => 'q'
    )) . encode_content(
        1, 131072, $body // '{}', user_id => 'echo',
        content_type => 'application/json', headers => $headers,
        correlation_id => $call->{properties}{correlation_id}
    );

    $bytes =~ s/http-LOCATION/http-location/g;
    $bytes =~ s/STATUS/status/g;

    return $bytes;
}


sub answered {
    my ($headers, $body) = @_;

    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->raw(reply($call, $headers, $body));

    return $client->answer();
}


my %status = (status => typed(l => 200));

my %refused = (
    'a header twice' => [{ %status, 'http-location' => '/a',
                           'http-LOCATION' => '/b' },
                         'one of its headers comes twice'],
    'a header twice, once as a number' => [
        { %status, 'http-location' => '/a', 'http-LOCATION' => typed(l => 1) },
        'one of its headers comes twice'
    ],
    'two statuses' => [{ %status, STATUS => typed(l => 500) },
                       'it has two statuses'],
    'a header of 9 kB' => [{ %status, 'http-link' => 'x' x 9000 },
                           'its headers are too long'],
    'headers of 9 kB' => [{ %status, 'http-link' => 'x' x 4500,
                            'http-location' => 'x' x 4500 },
                          'its headers are too long'],
    'a header of 100 kB' => [{ %status, 'http-link' => 'x' x 100_000 },
                             'its headers are too long'],
    'a delete character' => [{ %status, 'http-location' => "/\x7f" },
                             'control characters'],
    'a line end in a name that is not allowed' => [
        { %status, "http-x\r\nset-cookie" => 'a' }, 'control characters'
    ],
    'a status beyond all' => [{ status => typed(l => 1 << 62) },
                              'its status is not from 200 to 599'],
    'a status below all' => [{ status => typed(l => -1) },
                             'its status is not from 200 to 599'],
    'a status that is a table' => [{ status => { a => 1 } },
                                   'it has no status'],
);

for my $what (sort keys %refused) {
    my ($headers, $reason) = @{ $refused{$what} };
    my $r = answered($headers);

    is($r->{status}, 502, "$what is refused");
    is($r->{json}{type}, 'urn:warren:error:bad_reply', 'as a bad reply');
    like($nginx->log_text(), qr/reply of "echo" refused: .*$reason/,
         'with the reason');
    unlike($r->{raw}, qr/set-cookie|location/i, 'and nothing of it passes');
}

my $r = answered({ %status, 'http-link' => 'x' x 8000,
                   'http-location' => 'y' x 192 });
is(length $r->{headers}{link}, 8000, 'headers of 8 kB pass');

$r = answered({ %status, 'http-location' => '', 'http-etag' => '' });
is($r->{status}, 200, 'empty headers are');
unlike($r->{raw}, qr/^(?:location|etag):/im, 'left out');

$r = answered({
    %status, 'http-content-length' => '1',
    'http-transfer-encoding' => 'chunked', 'http-connection' => 'upgrade',
    'http-upgrade' => 'h2c', 'http-te' => 'a', 'http-trailer' => 'a',
    'http-keep-alive' => 'a', 'http-set-cookie' => 'a=b',
    'http-www-authenticate' => 'Basic', 'http-x-accel-redirect' => '/etc',
    'http-content-encoding' => 'gzip', 'http-status' => '500', 'http-' => 'a'
}, '{"a":1}');
is($r->{status}, 200, 'headers that frame a message are not a worker\'s');
is($r->{body}, '{"a":1}', 'the body is what it is');
is(join(' ', grep { !/^(?:date|server|x-request-id|connection|content-type)$/ }
             sort keys %{ $r->{headers} }), 'content-length',
   'and none of them passes');

my %many = map { ("http-x$_" => $_) } 1 .. 2000;
is(answered({ %status, %many })->{status}, 200,
   'two thousand unknown headers are overlooked');

my $table = "\1tS" . pack 'N/a*', 'x';
$table = "\1tF" . pack 'N/a*', $table for 1 .. 5000;
is(answered({ %status, deep => typed(F => $table) })->{status}, 502,
   'a table five thousand deep is refused');
my $array = 'S' . pack 'N/a*', 'x';
$array = 'A' . pack 'N/a*', $array for 1 .. 5000;
is(answered({ %status, deep => typed(A => $array) })->{status}, 502,
   'and so is an array');


# some bytes wrong, in a conversation that goes on

srand(7);
my %ends;

for my $round (1 .. ROUNDS) {
    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');
    my $bytes = reply($call, { %status, 'http-etag' => '"1"' }, '{"a":"b"}');

    for (0 .. rand 4) {
        my $at = int rand length $bytes;
        my $what = int rand 4;

        substr($bytes, $at, 1) = $what == 0 ? '' : $what == 1 ? "\0"
                                 : $what == 2 ? "\xff" : chr rand 256;
    }

    eval { $broker->raw($bytes . reply($call, { %status })); 1 };

    my $answer = eval { $client->answer() };
    $ends{ $answer ? $answer->{status} : 'none' }++;

    $broker->renew($nginx)->accept()->handshake();
}

ok(!$ends{none}, 'each request has an answer, whatever the broker says')
    or diag(explain(\%ends));
note(explain(\%ends));
unlike($nginx->log_text(), qr/exited on signal/, 'and no worker dies of it');
is(answered({ %status }, '"well"')->{body}, '"well"', 'all is well after it');

done_testing();
