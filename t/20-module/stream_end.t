#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What ends a stream: its token, a client that does not read, a reload, a
# broker that was lost, a queue that was full; and that an alarm does not.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::EventStream;
use Warren::HTTP2 qw(not_over_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Test;


use constant PATIENCE => 40;

not_over_http2('how much is between nginx and a client');

my $rabbit = Warren::RabbitMQ->private();
my $stage = Warren::EventStream::stage('stream-end', rabbit => $rabbit);
my $publish = $stage->{publish};
my $key = Warren::JWT->ec(kid => 'key');

my $nginx = Warren::Nginx->new(vars => $stage->{vars}, conf => <<'END');
%%GLOBALS%%
events { worker_connections 512; }
http {
    %%HTTP%%
    log_format stream '$gateway_outcome';
    gateway_zone gateway:1m;
    %%BROKER%%
    gateway_jwt_key_file keys.json;
    gateway_jwt_leeway 0;
    gateway_jwt_revoked revoked;
    gateway_stream_queue 10;
    gateway_stream_linger 1s;
    gateway_stream_max 100;

    server {
        listen 127.0.0.1:%%PORT%% sndbuf=16k;
        access_log access.log stream;
        gateway_jwt on;
        gateway_timeout 20s;
        gateway_stream_drain 2s;
        gateway_stream_heartbeat 1h;

        location = /stream {
            gateway_stream notifications inapp.$gateway_jwt_sub;
        }
        location = /hasty {
            gateway_stream notifications inapp.$gateway_jwt_sub;
            gateway_timeout 500ms;
        }
        location = /metrics { gateway_jwt off; gateway_metrics; }
    }
}
END
my $dir = $nginx->dir();
spew("$dir/keys.json", Warren::JWT::jwks($key));
spew("$dir/revoked", "# nobody\n");
$nginx->start();


sub open_as {
    my ($who, %claims) = @_;
    return Warren::EventStream->open(
        $nginx, '/stream',
        Warren::JWT::bearer($key->token({ sub => $who, %claims }))
    );
}

sub counter {
    my ($name) = @_;
    return $nginx->get('/metrics')->{body} =~ /^gateway_${name}_total (\d+)$/m
           ? $1 : undef;
}

sub streams {
    my $text = $nginx->get('/metrics')->{body};
    my $sum = 0;
    $sum += $_ for $text =~ /^gateway_streams\{.*?\} (\d+)$/mg;
    return $sum;
}


# tokens

my $short = open_as('anna', exp => time() + 3);
my $long = open_as('anna');
is($short->{status}, 200, 'a stream of a token that is good for 3 s');
$short->wait_end();
ok($short->{ended_well}, 'ends when it is good no longer');
is($short->{comments}[-1], 'lapsed', 'and says why');

my $jti = open_as('anna', jti => 'lost-phone');
spew("$dir/revoked.new", "jti lost-phone\n");
rename "$dir/revoked.new", "$dir/revoked" or die "rename: $!\n";
$jti->wait_end();
is($jti->{comments}[-1], 'lapsed', 'a stream ends when its token is revoked');

$publish->('inapp.anna', 'still here');
is(($long->wait_events(1)->data())[0], 'still here', 'others go on');


# a client that does not read

my $slow = Warren::EventStream->ask(
    $nginx, ['/stream', rcvbuf => 4096],
    Warren::JWT::bearer($key->token({ sub => 'anna' }))
);
wait_for(sub { streams() == 2 }, PATIENCE, 'the slow one');
my $sent = 1;
wait_for(sub {
    $publish->('inapp.anna', 'x' x 20_000);
    $long->wait_events(++$sent);
    counter('stream_slow') == 1;
}, PATIENCE, 'its end');
is(scalar @{ $long->{events} }, $sent, 'who reads gets all there is');
wait_for(sub { streams() == 1 }, PATIENCE, 'its end');
$slow->wait_end();
ok(!$slow->{ended_well}, 'who does not is cut off');
cmp_ok(scalar @{ $slow->{events} }, '<', $sent, 'within bounds');

$publish->('inapp.anna', 'y' x 70_000);
$long->wait_end();
is($long->{comments}[-1], 'dropped',
   'an event beyond the buffer ends streams, since it is missing');


# a full queue

my $bob = open_as('bob');
$publish->('inapp.bob', 'one');
$bob->wait_events(1);
my $carl = open_as('carl');
my ($pid) = $nginx->workers();
kill 'STOP', $pid;
$bob->close();
$publish->('inapp.bob', 'z' x 60_000) for 1 .. 400;
wait_for(sub {
    my ($bytes) = map { $_->{message_bytes} // 0 }
                  grep { ($_->{messages} // 0) >= 10 }
                  @{ $rabbit->api('GET', "/api/queues/$stage->{vhost}") };
    $bytes;
}, PATIENCE, 'a full queue');
kill 'CONT', $pid;
$carl->wait_end();
is($carl->{comments}[-1], 'dropped',
   'when the queue drops something all streams end');
cmp_ok(counter('stream_dropped'), '>=', 1, 'and it is counted');

$carl = open_as('carl');
$publish->('inapp.carl', 'again');
is(($carl->wait_events(1)->data())[0], 'again', 'those who come back go on');


# a person who left

sub is_bound {
    my ($who) = @_;
    return scalar grep { $_->{routing_key} eq "inapp.$who" }
           @{ $rabbit->api('GET', "/api/exchanges/$stage->{vhost}"
                                  . '/notifications/bindings/source') };
}

my @gone = map { open_as('gone') } 1 .. 2;
is(is_bound('gone'), 1, 'two streams of a person need one binding');
$gone[0]->close();
wait_for(sub { !is_bound('bob') }, PATIENCE, 'the end of a binding');
pass('who left is unbound after a while');
ok(is_bound('gone') && is_bound('carl'), 'whoever has a stream stays bound');
$gone[1]->close();
wait_for(sub { !is_bound('gone') }, PATIENCE, 'the end of a binding');
@gone = (open_as('gone'));
is(is_bound('gone'), 1, 'who comes back is bound again');
$publish->('inapp.gone', 'here I am');
is(($gone[0]->wait_events(1)->data())[0], 'here I am', 'and has what comes');
$_->close() for @gone;


# an alarm

$rabbit->ctl('set_vm_memory_high_watermark', '0.000001');
my $dora = open_as('dora');
is($dora->{status}, 200, 'a stream is begun while the broker is in alarm');
$rabbit->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
$publish->('inapp.dora', 'after the alarm');
is(($dora->wait_events(1)->data())[0], 'after the alarm', 'and goes on');


# a broker that is lost

my $connects = counter('stream_connects');
wait_for(sub {
    $rabbit->close_connections($stage->{user});
    counter('stream_connects') > $connects;
}, PATIENCE, 'a new connection');
$_->wait_end() for $carl, $dora;
is_deeply([map { $_->{comments}[-1] } $carl, $dora], ['lost', 'lost'],
          'streams end when the broker is back, having missed something');

$carl = open_as('carl');
$publish->('inapp.carl', 'back');
is(($carl->wait_events(1)->data())[0], 'back', 'new ones are bound again');

# now it may not come back
$rabbit->grant($stage->{user}, $stage->{vhost}, configure => '^$',
               write => '^$', read => '^$');
wait_for(sub {
    $rabbit->close_connections($stage->{user});
    my $stream = Warren::EventStream->open(
        $nginx, '/hasty', Warren::JWT::bearer($key->token({ sub => 'emil' }))
    );
    $stream->{status} == 503;
}, PATIENCE, 'a refusal');
pass('while it is away new streams are refused');
$carl->pump(0.1);
ok(!$carl->{is_ended}, 'and those that are there stay');
$rabbit->grant($stage->{user}, $stage->{vhost});
$carl->wait_end();
is($carl->{comments}[-1], 'lost', 'until it is back');


# a broker whose topology is older than the gateway

my $dropped = "/api/exchanges/$stage->{vhost}/dropped";
$rabbit->api('DELETE', $dropped);
wait_for(sub {
    $rabbit->close_connections($stage->{user});
    my $stream = Warren::EventStream->open(
        $nginx, '/hasty', Warren::JWT::bearer($key->token({ sub => 'emil' }))
    );
    $stream->{status} == 503;
}, PATIENCE, 'a refusal');
wait_for(sub { $nginx->log_text() =~ /no exchange 'dropped'/ }, PATIENCE,
         'the log');
pass('without an exchange there are no streams, and the log names it');
$rabbit->api('PUT', $dropped, { type => 'direct', durable => \1 });
wait_for(sub { open_as('emil')->{status} == 200 }, PATIENCE, 'a stream');
pass('once it is there they go on, with no reload');


# a reload

my @streams = map { open_as("person-$_") } 1 .. 20;
$nginx->reload();
$_->wait_end() for @streams;
is(scalar(grep { $_->{ended_well} && $_->{comments}[-1] eq 'reload' }
          @streams), 20, 'at a reload streams end by themselves');
$nginx->wait_for_old(PATIENCE);
pass('and the old process leaves');

$carl = open_as('carl');
$publish->('inapp.carl', 'new');
is(($carl->wait_events(1)->data())[0], 'new', 'the new one has streams');


# too many of them

my ($last, @many);
wait_for(sub {
    my $stream = open_as('many-' . @many);
    push @many, $stream if $stream->{status} == 200;
    $last = $stream->{status};
    $last != 200;
}, PATIENCE, 'a refusal');
is($last, 503, 'a process has so many streams and no more');
is(scalar @many, 99, 'as told');

my $log = slurp("$dir/access.log");
like($log, qr/^$_$/m, "the log knows \"$_\"")
    for qw(lapsed slow dropped lost reload);


# what nginx -t refuses

for my $case (
    ['gateway_stream notifications inapp.#;', qr/a stream has one key/],
    ['gateway_stream notifications inapp.$;', qr/invalid variable name/],
    ['gateway_stream notifications inapp.${sub;', qr/invalid variable name/],
    ['gateway_stream notifications inapp.$nothing;', qr/unknown "nothing"/],
    ['gateway_stream notifications a by=b;', qr/use "from=USER"/],
    ['gateway_stream a.b c;', qr/invalid name "a\.b"/],
    ['gateway_stream a b; gateway_route call a b;', qr/the same method/],
    ['gateway_stream_resume on;', qr/a service and its method, or "off"/],
    ['gateway_stream_heartbeat 10ms;', qr/at least 1s/],
    ['gateway_stream_buffer 1k;', qr/from 4k to 16m/],
) {
    my ($text, $pattern) = @$case;

    my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    %%BROKER%%
    server { location / { $text } }
}
END
    ok(!$is_valid, "$text is refused");
    like($output, $pattern, 'and told');
}

done_testing();
