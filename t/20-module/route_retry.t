#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Calls that are sent again: only those that read and did not happen, a bounded
# number of times, within the deadline.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::Nginx;
use Warren::Test qw(wait_for slurp spew tempdir);


my $broker = Warren::FakeBroker->new();
my $password = spew(tempdir() . '/password', 'secret', 0644);

my $nginx = Warren::Nginx->new(conf => <<"END")->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway\@127.0.0.1:@{[ $broker->port() ]}/;
        password_file $password;
    }
    log_format calls '\$uri|\$status|\$gateway_outcome|\$gateway_attempts';
    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/calls.log calls;
        gateway_retry 2 pause=10ms;
        gateway_timeout 20s;

        location = /echo { gateway_route GET,POST call echo echo; }
        location = /once { gateway_retry off; gateway_route call echo echo; }
        location = /full {
            gateway_retry 1 on=overloaded pause=1ms;
            gateway_route call echo echo;
        }
        location = /long {
            gateway_retry 10 pause=2s;
            gateway_timeout 300ms;
            gateway_route call echo echo;
        }
        location = /away {
            gateway_retry 10 pause=2s on=unavailable;
            gateway_timeout 30s;
            gateway_route call echo echo;
        }
        location = /else {
            gateway_retry 1 pause=1ms;
            gateway_route call echo echo;
            gateway_fallback \@else no_route;
        }
        location \@else { return 200 else; }
        location = /metrics { gateway_metrics; }
    }
}
END

$broker->accept()->handshake();


sub ask {
    my ($path, $body) = @_;

    my $method = defined $body ? 'POST' : 'GET';
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n"
                               : '';

    return $nginx->http()->open()->send(
        "$method $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n$length\r\n"
        . ($body // '')
    );
}


sub metric {
    my ($name) = @_;

    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


sub publish { return $broker->expect('basic.publish', 40) }
sub return_call { $broker->return_call($_[0])->ack($_[0]) }


# what is sent again

my $client = ask('/echo');
return_call(publish());
$broker->nack(publish());
my $call = publish();
$broker->reply($call, 200, '{"n":3}');
is($client->answer()->{json}{n}, 3, 'a third attempt is answered');
is(metric('gateway_route_retries_total{route="/echo echo.echo"}'), 2,
   'retries are counted');
is(metric('gateway_route_requests_total{route="/echo echo.echo",'
          . 'outcome="2xx"}'), 1, 'and the request once');
is(metric('gateway_inflight'), 0, 'nothing is in flight then');
cmp_ok($call->{properties}{expiration}, '<=', 20_000, 'within its deadline');

$client = ask('/echo');
return_call(publish()) for 1 .. 3;
my $r = $client->answer();
is($r->{status}, 503, 'after the last attempt it is told');
is($r->{json}{type}, 'urn:warren:error:no_route', 'how that one ended');

$client = ask('/else');
return_call(publish()) for 1, 2;
is($client->answer()->{body}, 'else', 'a fallback comes after the attempts');


# what is not

$client = ask('/echo', '{}');
return_call(publish());
is($client->answer()->{status}, 503, 'what writes is not sent again');

$client = ask('/once');
return_call(publish());
is($client->answer()->{status}, 503, 'nor where it is off');

$client = ask('/full');
return_call(publish());
is($client->answer()->{status}, 503, 'nor for an outcome that is not named');

$client = ask('/full');
$broker->nack(publish());
$call = publish();
$broker->reply($call, 500, '{}');
is($client->answer()->{status}, 500, 'a worker that fails is believed');

$client = ask('/echo');
$broker->reply(publish(), 99, '{}');
is($client->answer()->{status}, 502, 'what may have happened is not repeated');

$client = ask('/long');
my $tries = 0;

while (my $method = $broker->next_method(0.5)) {
    return_call($method);
    $tries++;
}

$r = $client->answer();
is($r->{status}, 503, 'the deadline ends the attempts');
is($r->{json}{type}, 'urn:warren:error:no_route',
   'and what is told says that nothing happened');
cmp_ok($tries, '<=', 11, 'which are bounded as well');

my $log = slurp($nginx->dir() . '/calls.log');
like($log, qr{^/echo\|200\|2xx\|3$}m, 'the log tells the attempts');
like($log, qr{^/else\|200\|no_route\|2$}m, 'and those before a fallback');
like($nginx->log_text(), qr/call of "echo.echo" failed: no_route, again in \d/,
     'the error log tells why');


# a client that leaves between two attempts

$client = ask('/away');
$call = publish();
$broker->deaf()->drop();
$client->close();

$client = ask('/away');
wait_for(sub { $nginx->log_text() =~ /failed: unavailable, again in/ }, 40,
         'the pause');
my $gone = metric('gateway_clients_gone_total');
is(metric('gateway_inflight'), 1, 'a call that pauses is in flight');
$client->close();
ok(wait_for(sub { metric('gateway_clients_gone_total') == $gone + 1 }, 40,
            'the end'), 'and ends when its client leaves');
is(metric('gateway_inflight'), 0, 'then nothing is in flight');


# a broker that comes back

my $count = () = $nginx->log_text() =~ /failed: unavailable, again in/g;
$client = ask('/away');
wait_for(
    sub {
        $count < (() = $nginx->log_text() =~ /failed: unavailable, again/g)
    }, 40, 'the first pause'
);
$broker->listen()->accept(60)->handshake();

$broker->reply(publish(), 200, '{"back":1}');
is($client->answer()->{json}{back}, 1,
   'a call waits for a broker that comes back');


# what is refused

my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { LINE return 204; }
    }
}
END

for my $case (
    ['gateway_retry 0;', qr/invalid number of retries "0", use one from 1/,
     'none'],
    ['gateway_retry 11;', qr/invalid number of retries "11"/, 'too many'],
    ['gateway_retry often;', qr/invalid number of retries "often"/,
     'no number'],
    ['gateway_retry off pause=1s;', qr/has more than "off"/, 'off and more'],
    ['gateway_retry 1 on=timeout;',
     qr/unknown outcome "timeout", there are no_route, overloaded, unavail/,
     'an outcome that may have happened'],
    ['gateway_retry 1 on=;', qr/unknown outcome ""/, 'no outcome'],
    ['gateway_retry 1 on=no_route,no_route;', qr/duplicate outcome "no_route"/,
     'an outcome named twice'],
    ['gateway_retry 1 pause=0;', qr/invalid "pause=0", use a time from 1ms to/,
     'no pause'],
    ['gateway_retry 1 pause=3s;', qr/invalid "pause=3s"/, 'a long pause'],
    ['gateway_retry 1 delay=1s;', qr/unknown parameter "delay=1s" of/,
     'an unknown parameter'],
    ['gateway_retry 1; gateway_retry 2;', qr/is duplicate/,
     'two directives'],
) {
    my ($line, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:7\b/, 'and its place');
}

done_testing();
