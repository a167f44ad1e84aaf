#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for what a broker writes: frames in pieces, frames that must not be.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::AMQP qw(
    frame encode_method encode_header typed
    FRAME_METHOD FRAME_HEADER FRAME_BODY
);
use Warren::FakeBroker qw(gateway ask outcome);
use Warren::Test;


my $broker = Warren::FakeBroker->new();
my $nginx = gateway(url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
                    broker => 'connect_timeout 30s;', timeout => '30s',
                    location => 'gateway_arg big $http_x_big;');


# pieces

$broker->accept()->split_writes(1)->handshake();
pass('a handshake that comes byte by byte is understood');

my $client = ask($nginx, 'hello');
my $call = $broker->expect('basic.publish');

$broker->ack($call)->reply($call, 200, 'one two');
is(outcome($client), '200 one two', 'a reply that comes byte by byte is whole');

$broker->split_writes(0);

$client = ask($nginx);
$call = $broker->expect('basic.publish');

is($call->{body}, '', 'an empty body is published');
is($call->{body_frames}, 0, 'an empty body has no body frame');

$broker->reply($call, 204, '');
is($client->answer()->{status}, 204, 'a reply without a body is passed on');

my $large = join '', map { chr 33 + $_ * 7 % 90 } 1 .. 300_000;

$client = ask($nginx, $large);
$call = $broker->expect('basic.publish');

ok($call->{body} eq $large, 'a large body arrives as it is');
is($call->{body_frames}, 3, 'a body larger than frame_max is split');

$broker->reply($call, 200, $large);
ok($client->answer()->{body} eq $large,
   'a reply in many frames is put together');


# memory

sub resident {
    my ($worker) = $nginx->workers();

    return slurp("/proc/$worker/statm") =~ /\A\d+ (\d+)/ ? $1 * 4 : die;
}


sub answered {
    my ($name) = @_;

    my $client = ask($nginx);
    my $call = $broker->expect('basic.publish');

    $broker->reply($call, 200, '{}');
    is(outcome($client), '200 {}', $name);
}


answered('the connection works before the flood');

my $before = resident();
my $deliver = frame(FRAME_METHOD, 1, encode_method('basic.deliver',
    consumer_tag => 'x', delivery_tag => 1, exchange => 'replies',
    routing_key => 'q'));
my $unknown = $deliver
    . frame(FRAME_HEADER, 1, encode_header(20000,
        correlation_id => '0000000000000000'))
    . frame(FRAME_BODY, 1, 'x' x 20000);

# every write but the last ends in the middle of a frame

my $stream = $unknown x 500;

for (my $pos = 0; $pos < length $stream; $pos += 20011) {
    $broker->raw(substr $stream, $pos, 20011);
}

answered('writes that always end inside a frame do no harm');

my $grown = resident() - $before;
cmp_ok($grown, '<', 4000, 'and take no memory') or diag("grown by $grown kB");


# frames that must not be

sub again {
    my (%with) = @_;

    $broker->renew($nginx)->accept()->handshake(with => \%with);
}


sub refused {
    my ($name, $bytes, $log) = @_;

    $broker->raw($bytes);
    ok($broker->is_left(), $name);
    again();
    like($nginx->log_text(), $log, "$name: is told");
}


$before = resident();

refused('frames on every channel number are refused',
        join('', map { frame(FRAME_METHOD, $_, pack 'nn', 60, 80) } 2 .. 8000),
        qr/frame on a channel that was not opened/);

$grown = resident() - $before;
cmp_ok($grown, '<', 2000, 'and take no memory') or diag("grown by $grown kB");

refused('a frame larger than agreed is refused before its bytes come',
        pack('CnN', FRAME_METHOD, 1, 131072 - 7),
        qr/frame larger than agreed/);

refused('a frame of four gigabytes is refused',
        pack('CnN', FRAME_BODY, 1, 0xffffffff), qr/frame larger than agreed/);

refused('a frame without its end mark is refused',
        pack('CnN', 8, 0, 0) . "\xCD", qr/frame without its end mark/);

refused('a frame of unknown type is refused',
        pack('CnN', 5, 0, 0) . "\xCE", qr/unknown frame type/);

refused('a heartbeat with a payload is refused',
        frame(8, 0, 'x'), qr/malformed heartbeat/);

for my $length (0 .. 3) {
    refused("a method of $length bytes is refused",
            frame(FRAME_METHOD, 1, "\0" x $length), qr/malformed method/);
}

refused('a method that ends too early is refused',
        frame(FRAME_METHOD, 1, pack 'nnN', 60, 80, 0), qr/malformed method/);

refused('an unknown method is refused',
        frame(FRAME_METHOD, 1, pack 'nn', 90, 10),
        qr/broker sent method 90\.10 on channel 1/);

refused('a method of the connection on a channel is refused',
        frame(FRAME_METHOD, 1, encode_method('connection.unblocked')),
        qr/broker sent method 10\.61 on channel 1/);

refused('a header that nothing announced is refused',
        frame(FRAME_HEADER, 1, encode_header(0)),
        qr/content where none was due/);

refused('a body before its header is refused',
        $deliver . frame(FRAME_BODY, 1, 'x'), qr/content where none was due/);

refused('a header shorter than 14 bytes is refused',
        $deliver . frame(FRAME_HEADER, 1, substr encode_header(0), 0, 13),
        qr/malformed content header/);

refused('a body longer than announced is refused',
        $deliver . frame(FRAME_HEADER, 1, encode_header(3))
        . frame(FRAME_BODY, 1, 'four'), qr/body longer than announced/);

refused('a method inside of a content is refused',
        $deliver . frame(FRAME_HEADER, 1, encode_header(3)) . $deliver,
        qr/inside of a content/);

refused('a confirm of what was not published is refused',
        frame(FRAME_METHOD, 1, encode_method('basic.ack', delivery_tag => 7)),
        qr/confirmed publish 7, which was not made/);


# tables

sub nested {
    my ($depth) = @_;

    my $table = { end => 'x' };
    $table = { t => $table } for 2 .. $depth;

    return $table;
}


$client = ask($nginx);
$call = $broker->expect('basic.publish');
$broker->reply($call, 200, 'x', headers => { deep => nested(7) });
is(outcome($client), '200 x', 'headers nested eight deep are read');

$client = ask($nginx);
$call = $broker->expect('basic.publish');
$broker->reply($call, 200, 'x', headers => { deep => nested(8) });
is(outcome($client), '502 bad_reply', 'headers nested deeper are refused');

$client = ask($nginx);
$call = $broker->expect('basic.publish');

my $pit = '';
$pit = "\1tF" . pack('N/a*', $pit) for 1 .. 5000;

$broker->raw(
    $deliver
    . frame(FRAME_HEADER, 1, pack('nnQ>n', 60, 0, 0, 1 << 13 | 1 << 10 | 1 << 4)
        . pack('N/a* C/a* C/a*', $pit, $call->{properties}{correlation_id},
               'echo'))
);
is(outcome($client), '502 bad_reply', 'headers nested 5000 deep are refused');

answered('the connection outlives deep headers');

$broker->renew($nginx)->accept();
$broker->send('connection.start', version_minor => 9, mechanisms => 'PLAIN',
              server_properties => nested(9));
ok($broker->is_left(), 'server properties nested too deep are refused');

again('connection.start' => { server_properties => {
    product => 'fake', depth => nested(6), list => [1, 2, [3]],
    number => typed(l => 5), nothing => undef
} });
answered('other server properties are read');


# frame_max

again('connection.tune' => { frame_max => 0 });
is($broker->said('connection.tune-ok')->{frame_max}, 131072,
   'no limit of the broker is our limit');

again('connection.tune' => { frame_max => 1 << 30 });
is($broker->said('connection.tune-ok')->{frame_max}, 131072,
   'a limit above ours is ours');

again('connection.tune' => { frame_max => 4096 });
is($broker->said('connection.tune-ok')->{frame_max}, 4096,
   'a limit below ours is taken');

$client = ask($nginx, 'y' x 10_000);
$call = $broker->expect('basic.publish');
is($call->{body_frames}, 3, 'and bodies are split by it');
$broker->reply($call, 200, 'z' x 10_000);
is(length outcome($client), 10_004, 'both ways');

my $large_args = $nginx->get('/echo', 'X-Big' => 'x' x 5000);

is($large_args->{status}, 500,
   'properties that do not fit a frame are refused');
like($nginx->log_text(), qr/call to "echo" cannot be sent/, 'which is told');
answered('and nothing of such a call is sent');

refused('a frame above the limit agreed on is refused',
        pack('CnN', FRAME_BODY, 1, 4096 - 7), qr/frame larger than agreed/);

$broker->renew($nginx)->accept()->handshake(until => 'tune');
$broker->send('connection.tune', channel_max => 0, frame_max => 100);
ok($broker->is_left(), 'a limit below that of the protocol is refused');

done_testing();
