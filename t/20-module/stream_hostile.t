#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Streams and a broker that says what it was not asked for, or in another
# order: it is left, and no stream shows what is not meant for it.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::EventStream;
use Warren::FakeBroker qw(gateway);
use Warren::HTTP2 qw(not_over_http2);
use Warren::Test;


use constant PATIENCE => 40;

not_over_http2('what a broker says');

my $broker = Warren::FakeBroker->new(timeout => PATIENCE);
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    broker => 'connect_timeout 30s; heartbeat off;',
    location => '} location = /stream {'
                . ' gateway_timeout 40s; gateway_stream_drain 0;'
                . ' gateway_stream_heartbeat 1h;'
                . ' gateway_stream notifications news.all;'
);

# the connection of calls, which is left alone
$broker->accept()->handshake(
    with => { 'connection.tune' => { heartbeat => 0 } }
);
my $calls = delete $broker->{socket};

my $tag;

# The connection of streams up to ready, or to the state that is named.
sub subscribe {
    my ($until) = @_;

    $broker->accept()->handshake(
        with => { 'connection.tune' => { heartbeat => 0 } }
    );
    return $broker->expect('queue.declare') if $until && $until eq 'feed';

    my $declare = $broker->expect('queue.declare');
    $broker->send('queue.declare-ok', queue => 'amq.gen-feed');
    my $bind = $broker->expect('queue.bind');
    $broker->send('queue.bind-ok');
    my $consume = $broker->expect('basic.consume');
    $tag = $consume->{consumer_tag};
    $broker->send('basic.consume-ok', consumer_tag => $tag);

    return ($declare, $bind, $consume);
}

sub say_news {
    my ($body, %props) = @_;

    my $key = delete $props{key} // 'news.all';
    my $from = delete $props{from} // $tag;

    $broker->send_content('basic.deliver', {
        consumer_tag => $from, delivery_tag => 1, exchange => 'notifications',
        routing_key => $key
    }, $body, user_id => 'notifications', %props);
}

sub header {
    my ($stream) = @_;
    wait_for(sub { $stream->pump(0.1); defined $stream->{status} }, PATIENCE,
             'a header');
    return $stream;
}


# how it should be

my $stream = Warren::EventStream->ask($nginx, '/stream');
my ($declare, $bind, $consume) = subscribe();
is($declare->{queue}, '', 'the broker names the queue');
is($declare->{arguments}{'x-max-length'}, 10000, 'which is bounded');
is($declare->{arguments}{'x-overflow'}, 'drop-head', 'drops its oldest');
is($declare->{arguments}{'x-dead-letter-exchange'}, 'dropped', 'and tells');
is($declare->{arguments}{'x-dead-letter-routing-key'}, 'amq.gen-fake',
   'the queue of what was dropped');
is($bind->{queue}, 'amq.gen-feed', 'its right to bind is tried');
ok($consume->{no_ack}, 'nothing is acknowledged');

$bind = $broker->expect('queue.bind');
is("$bind->{queue} $bind->{exchange} $bind->{routing_key}",
   'amq.gen-feed notifications news.all', 'the key of a stream is bound');
$stream->pump(0.2);
is($stream->{status}, undef, 'the stream waits until it is');
$broker->send('queue.bind-ok');
is(header($stream)->{status}, 200, 'and then is begun');

say_news('not yours', key => 'news.other');
say_news('not yours', key => '');
say_news('not yours', key => 'news.all.too');
say_news('yours');
is_deeply([$stream->wait_events(1)->data()], ['yours'],
          'what has another key goes to nobody');

my $second = Warren::EventStream->ask($nginx, '/stream');
is(header($second)->{status}, 200, 'a second stream needs no binding');
say_news('both');
is_deeply([$second->wait_events(1)->data()], ['both'], 'and has the same');
$second->close();


# what it drops

say_news('whatever', from => 'amq.ctag-dropped', user_id => 'anybody');
$stream->wait_end();
is($stream->{comments}[-1], 'dropped', 'what was dropped ends streams');

my $nested = {};
$nested = { n => $nested } for 1 .. 20;
$stream = header(Warren::EventStream->ask($nginx, '/stream'));
say_news('deep', headers => $nested);
$stream->wait_end();
is($stream->{comments}[-1], 'dropped', 'as does what cannot be read');


# what it must not say

my @hostile = (
    ['a bind-ok that was not asked for',
     sub { $broker->send('queue.bind-ok') }],
    ['an unbind-ok that was not asked for',
     sub { $broker->send('queue.unbind-ok') }],
    ['the end of its consumer',
     sub { $broker->send('basic.cancel', consumer_tag => $tag) }],
    ['another consume-ok',
     sub { $broker->send('basic.consume-ok', consumer_tag => $tag) }],
);

for my $case (@hostile) {
    my ($what, $say) = @$case;

    $stream = Warren::EventStream->ask($nginx, '/stream');
    header($stream);
    $say->();
    ok($broker->is_left(PATIENCE), "a broker that says $what is left");
    $stream->pump(0.1);
    ok(!$stream->{is_ended}, 'the stream stays meanwhile');

    subscribe();
    $stream->wait_end();
    is($stream->{comments}[-1], 'lost', 'and ends when there is a new queue');

    # the next one is bound there
    $stream = Warren::EventStream->ask($nginx, '/stream');
    $broker->expect('queue.bind');
    $broker->send('queue.bind-ok');
    header($stream);
    say_news('again');
    is_deeply([$stream->wait_events(1)->data()], ['again'], 'as is the next');
    $stream->close();
}

$broker->drop();
$stream = Warren::EventStream->ask($nginx, '/stream');
subscribe();
$broker->expect('queue.bind');
$broker->send('queue.unbind-ok');
ok($broker->is_left(PATIENCE), 'an unbind-ok for a bind is no answer');

subscribe('feed');
$broker->send('queue.declare-ok', queue => '');
ok($broker->is_left(PATIENCE), 'a queue without a name is none');

subscribe();
$broker->expect('queue.bind');
$broker->send('queue.bind-ok');
is(header($stream)->{status}, 200, 'who waited all the while is served');
close $calls;


# a person who leaves and comes back while the broker is asked

$nginx->stop();
$broker = Warren::FakeBroker->new(timeout => PATIENCE);
$nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    broker => 'connect_timeout 30s; heartbeat off;',
    http => 'gateway_stream_linger 0;',
    location => '} location = /stream {'
                . ' gateway_timeout 40s; gateway_stream_drain 0;'
                . ' gateway_stream_heartbeat 1h;'
                . ' gateway_stream notifications news.all;'
);
$broker->accept()->handshake(
    with => { 'connection.tune' => { heartbeat => 0 } }
);
$calls = delete $broker->{socket};

sub is_waiting {
    my ($stream, $what) = @_;
    $stream->pump(0.2);
    is($stream->{status}, undef, $what);
}

$stream = Warren::EventStream->ask($nginx, '/stream');
subscribe();
$broker->expect('queue.bind');
$broker->send('queue.bind-ok');
header($stream)->close();
is($broker->expect('queue.unbind')->{routing_key}, 'news.all',
   'a key that nobody wants is unbound');

$stream = Warren::EventStream->ask($nginx, '/stream');
is($broker->expect('queue.bind')->{routing_key}, 'news.all',
   'who comes back meanwhile has it bound again');
is_waiting($stream, 'and waits');
$broker->send('queue.unbind-ok');
is_waiting($stream, 'also when it is unbound');
$broker->send('queue.bind-ok');
is(header($stream)->{status}, 200, 'until it is bound');
say_news('welcome back');
is_deeply([$stream->wait_events(1)->data()], ['welcome back'],
          'and has what comes');

$stream->close();
$broker->expect('queue.unbind');
$stream = Warren::EventStream->ask($nginx, '/stream');
$broker->expect('queue.bind');
$stream->close();
wait_for(sub {
    $nginx->get('/metrics')->{body} =~ /^gateway_streams\{[^}]+\} 0$/m
}, PATIENCE, 'its end');
$broker->send('queue.unbind-ok');
$broker->send('queue.bind-ok');
$broker->expect('queue.unbind');
pass('who leaves again before that is unbound again');

$stream = Warren::EventStream->ask($nginx, '/stream');
$second = Warren::EventStream->ask($nginx, '/stream');
$broker->expect('queue.bind');
$broker->send('queue.unbind-ok');
$broker->send('queue.bind-ok');
is(header($_)->{status}, 200, 'and comes back once more') for $stream, $second;
say_news('both');
is_deeply([$_->wait_events(1)->data()], ['both'], 'two by one binding')
    for $stream, $second;
close $calls;

done_testing();
