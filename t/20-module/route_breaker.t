#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Circuit breakers: a service that fails too often is left alone for a while by
# all worker processes, then tried by a few calls.

use strict;
use warnings;

use IO::Select;
use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::HTTP2 qw(is_http2);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
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
    gateway_breaker echo  failures=3 window=1h open=1h;
    gateway_breaker quick failures=1 open=200ms;
    gateway_breaker brief failures=1 open=200ms;
    gateway_breaker left  failures=1 ratio=1% open=1h;
    gateway_breaker two   failures=1 open=100ms probes=2;
    gateway_breaker half  failures=2 ratio=50% window=1h open=1h;
    gateway_breaker none  failures=2 on=no_route open=1h;
    gateway_breaker free  off;
    gateway_breaker *     failures=1 open=1h;

    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 20s;
        location = /echo { gateway_route GET,POST call echo echo; }
        location = /also { gateway_route call echo other; }
        location = /soon { gateway_route call soon a; gateway_timeout 1ms; }
        location = /quick { gateway_route call quick a; }
        location = /two { gateway_route call two a; }
        location = /half { gateway_route call half a; }
        location = /none { gateway_route call none a; }
        location = /free { gateway_route call free a; }
        location = /any { gateway_route call any a; }
        location = /lost { gateway_route call lost a; }
        location = /bad { gateway_route call bad a; }
        location = /gone { gateway_route call quick a; }
        location = /retried {
            gateway_retry 5 pause=1ms;
            gateway_route call any a;
        }
        location = /moved {
            gateway_route call any a;
            gateway_fallback \@monolith unavailable;
        }
        location \@monolith { return 200 monolith; }
        location = /parts {
            gateway_part must left a;
            gateway_part may right a optional;
        }
        location = /left { gateway_route call left a; }
        location = /right { gateway_route call right a; }
        location = /maybe { gateway_part may right a optional; }
        location = /probed {
            gateway_part must brief a;
            gateway_part may right a optional;
        }
        location = /stopped {
            gateway_part may brief a optional;
            gateway_part must left a;
        }
        location = /late {
            gateway_part must slow a;
            gateway_timeout 1ms;
        }
        location = /brief { gateway_route call brief a; }
        location = /metrics { gateway_metrics; }
    }
}
END

$broker->accept()->handshake();


sub ask {
    my ($path) = @_;

    return $nginx->http()->open()->send(
        "GET $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
}


sub metric {
    my ($name) = @_;

    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


sub state { return metric("gateway_breaker_state{service=\"$_[0]\"}") }
sub publish { return $broker->expect('basic.publish', 40) }


# Asks, and lets the call end in some way.
sub end {
    my ($path, $how) = @_;

    my $client = ask($path);
    my $call = publish();

    if ($how eq 'nack') {
        $broker->nack($call);

    } elsif ($how eq 'return') {
        $broker->return_call($call)->ack($call);

    } else {
        $broker->reply($call, $how, '{}');
    }

    return $client->answer();
}


# Waits for the pause to end; returns the probe's client and its call.  One
# that is refused has its answer, one that passes has none.
sub probe {
    my ($path) = @_;

    my $both = IO::Select->new($broker->{socket});
    my $probe = wait_for(
        sub {
            my $client = ask($path);

            $both->add($client->{socket});
            my ($first) = $both->can_read(40);
            $both->remove($client->{socket});

            return $client if $first && $first == $broker->{socket};

            $client->answer();
            return;
        }, 40, 'the end of the pause'
    );

    return ($probe, publish());
}


sub is_refused {
    my ($path, $what) = @_;

    my $r = ask($path)->answer();

    is($r->{status}, 503, $what);
    is($r->{json}{type}, 'urn:warren:error:unavailable', 'as unavailable');

    return $r;
}


# it opens

is(state('echo'), 0, 'a breaker is closed at first');
is(end('/echo', 500)->{status}, 500, 'a worker that fails is passed on');
is(end('/echo', 'nack')->{status}, 503, 'so is a full queue');
is(end('/echo', 404)->{status}, 404, 'what a worker refuses is no failure');
is(end('/echo', 'return')->{status}, 503, 'nor is one that nobody serves');
is(state('echo'), 0, 'it is closed yet');
is(end('/echo', 99)->{status}, 502, 'a reply that cannot be read is a failure');
is(state('echo'), 2, 'and the last one opens it');

my $r = is_refused('/echo', 'calls are refused then');
cmp_ok($r->{headers}{'retry-after'}, '>=', 3000, 'with the time of its pause');
cmp_ok($r->{headers}{'retry-after'}, '<=', 3600, 'that is left');
like($r->{json}{detail}, qr/failed too often/, 'and the reason');
is_refused('/also', 'on all routes to the service');
is(metric('gateway_breaker_opened_total{service="echo"}'), 1,
   'how often it opened is counted');
is(metric('gateway_breaker_refused_total{service="echo"}'), 2,
   'and what it refused');
is(metric('gateway_route_requests_total{route="/echo echo.echo",'
          . 'outcome="unavailable"}'), 1, 'by route as well');
is(metric('gateway_inflight'), 0, 'nothing is left in flight');
like($nginx->log_text(),
     qr/breaker of service "echo" opened for 3600000 ms: 3 of 4 calls failed/,
     'the log tells why');


# what counts

is(end('/half', 200)->{status}, 200, 'some calls go well') for 1 .. 3;
end('/half', 500) for 1, 2;
is(state('half'), 0, 'two failures in five calls are less than a half');
end('/half', 500);
is(state('half'), 2, 'three in six are not');

end('/none', 500) for 1 .. 3;
is(state('none'), 0, 'what is not named does not count');
end('/none', 'return') for 1, 2;
is(state('none'), 2, 'what is named does');

end('/free', 500) for 1 .. 5;
is(end('/free', 200)->{status}, 200, 'a service may have none');
is(state('free'), undef, 'and is not told of');

my $client = ask('/soon');
publish();
is($client->answer()->{status}, 504, 'a deadline');
is(state('soon'), 2, 'is a failure');

is(end('/any', 500)->{status}, 500, 'services that are not named');
is(state('any'), 2, 'have one each');
is_refused('/retried', 'a refusal is not tried again');
is(metric('gateway_route_retries_total{route="/retried any.a"}'), 0,
   'not even once');
is(ask('/moved')->answer()->{body}, 'monolith', 'but it may fall back');


# it is tried again

end('/quick', 500);
is(state('quick'), 2, 'a short pause');
($client, my $call) = probe('/quick');
is(state('quick'), 1, 'ends with one call as a probe');
$r = is_refused('/quick', 'while others are still refused');
is($r->{headers}{'retry-after'}, 1, 'for a second');
$broker->reply($call, 500, '{}');
is($client->answer()->{status}, 500, 'a probe that fails');
is(state('quick'), 2, 'opens it again');
is(metric('gateway_breaker_opened_total{service="quick"}'), 2,
   'which is counted');


($client, $call) = probe('/gone');
my $gone = metric('gateway_clients_gone_total');
$client->close();
wait_for(sub { metric('gateway_clients_gone_total') > $gone }, 40, 'the end');
is(state('quick'), 1, 'a probe whose client left proves nothing');
($client, $call) = probe('/quick');
$broker->reply($call, 200, '{"well":1}');
is($client->answer()->{json}{well}, 1, 'the next one that goes well');
is(state('quick'), 0, 'closes it');
is(end('/quick', 200)->{status}, 200, 'and calls pass');
is(end('/quick', 500)->{status}, 500, 'until one fails again');
is(state('quick'), 2, 'as before');

end('/two', 500);
($client, $call) = probe('/two');
my ($second, $other) = probe('/two');
is_refused('/two', 'of two probes a third is refused');
$broker->reply($call, 200, '{}');
$client->answer();
is(state('two'), 1, 'one that went well is not enough');
$broker->reply($other, 200, '{}');
$second->answer();
is(state('two'), 0, 'two are');


# answers in parts

sub parts {
    my ($path, %how) = @_;

    my $client = ask($path);
    for (1 .. keys %how) {
        my $call = publish();
        $broker->reply($call, $how{ $call->{routing_key} }, '{}');
    }

    return $client->answer();
}

my $parts = parts('/parts', left => 200, right => 500);
is($parts->{status}, 200, 'a part that fails');
is(state('right'), 2, 'is a failure of its service');
is(state('left'), 0, 'and of no other');
is_refused('/right', 'whose breaker refuses calls of all kinds');

$parts = parts('/parts', left => 200);
is($parts->{status}, 200, 'a part of a service that has a pause');
is($parts->{json}{missing}{may}{type}, 'urn:warren:error:unavailable',
   'is missing at once');
is_deeply($parts->{json}{must}, {}, 'while the others are sent');
is($parts->{headers}{'retry-after'}, undef, 'the answer is one');
is(metric('gateway_route_requests_total{route="/parts right.a",'
          . 'outcome="unavailable"}'), 1, 'it is counted');
$r = is_refused('/maybe', 'without any part there is no answer');
cmp_ok($r->{headers}{'retry-after'}, '>', 3000, 'for as long as the pause');

is(parts('/parts', left => 500)->{status}, 500, 'one that must be there');
is(state('left'), 2, 'opens its breaker');
$r = is_refused('/parts', 'and then there is no answer');
cmp_ok($r->{headers}{'retry-after'}, '>', 3000, 'for as long');
is($r->{json}{detail}, 'it concerns the part must', 'and the part is named');

$client = ask('/late');
publish();
is($client->answer()->{status}, 504, 'the deadline of parts');
is(state('slow'), 2, 'is a failure as well');

is(end('/brief', 500)->{status}, 500, 'a short pause');
($client, $call) = probe('/probed');
is(state('brief'), 1, 'ends with a part as the probe');
is_refused('/probed', 'while other parts are refused');
$gone = metric('gateway_clients_gone_total');
$client->close();
wait_for(sub { metric('gateway_clients_gone_total') > $gone }, 40, 'the end');
is_refused('/stopped', 'a part that may pass is not sent without the others')
    for 1, 2;
is(state('brief'), 1, 'which proves nothing');
($client, $call) = probe('/probed');
$broker->reply($call, 200, '{}');
is($client->answer()->{status}, 200, 'a part that goes well');
is(state('brief'), 0, 'closes it');
is(metric('gateway_inflight'), 0, 'and nothing is left in flight');


# a lost connection

$client = ask('/lost');
publish();
$broker->drop();
is($client->answer()->{status}, 502, 'a lost connection');
is(state('lost'), 2, 'is a failure');
$broker->accept(60)->handshake();

$client = ask('/bad');
$call = publish();
$broker->deaf()->drop();
$client->answer();
is(state('bad'), 2, 'of each service that was called');
is(ask('/free')->answer()->{status}, 503, 'a broker that is away');
is(metric('gateway_breaker_opened_total{service="bad"}'), 1,
   'is the fault of nobody');


# all processes share it, and it outlives a reload

my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-breaker');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => { fail => sub { return { status => 500, body => '{}' } } },
);

my $two = Warren::Nginx->new(workers => 2, conf => <<'END', vars => {
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    gateway_breaker * failures=3 window=1h open=1h;
    log_format calls '$pid|$gateway_outcome';
    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        access_log %%DIR%%/calls.log calls;
        location = /fail { gateway_route call echo fail; }
        location = /metrics { access_log off; gateway_metrics; }
    }
}
END
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
})->start();

is($two->get('/fail')->{status}, 500, 'three calls fail') for 1 .. 3;

# the proxy that speaks HTTP/2 has one connection, and so one process
my $processes = is_http2() ? 1 : 2;
my %pid;
wait_for(
    sub {
        $two->get('/fail');
        %pid = map { /\A(\d+)\|unavailable\z/ ? ($1 => 1) : () }
               split /\n/, slurp($two->dir() . '/calls.log');
        keys %pid == $processes
    }, 40, 'both processes'
);
is(() = slurp($two->dir() . '/calls.log') =~ /5xx/g, 3,
   'and all processes refuse the next ones');

$two->reload()->wait_for_old();
is($two->get('/fail')->{status}, 503, 'a reload changes nothing of it');


# what is refused

my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    LINE
    server { listen 127.0.0.1:%%PORT%%; }
}
END

for my $case (
    ['gateway_breaker a failures=0;',
     qr/invalid "failures=0", use a number from 1 to 1000000/, 'no failures'],
    ['gateway_breaker a failures=x;', qr/invalid "failures=x"/, 'no number'],
    ['gateway_breaker a ratio=101%;',
     qr/invalid "ratio=101%", use a number from 1 to 100/, 'more than all'],
    ['gateway_breaker a ratio=50;', qr/unknown parameter "ratio=50"/,
     'a ratio without a sign'],
    ['gateway_breaker a probes=0;', qr/invalid "probes=0"/, 'no probes'],
    ['gateway_breaker a window=1ms;',
     qr/invalid "window=1ms", use a time from 1000ms to 1h/, 'a short window'],
    ['gateway_breaker a open=2h;', qr/invalid "open=2h"/, 'a long pause'],
    ['gateway_breaker a on=lunch;', qr/unknown outcome "lunch", there are/,
     'an unknown outcome'],
    ['gateway_breaker a on=unavailable;', qr/unknown outcome "unavailable"/,
     'one that is the broker\'s'],
    ['gateway_breaker a colour=red;', qr/unknown parameter "colour=red" of/,
     'an unknown parameter'],
    ['gateway_breaker "a b" off;', qr/invalid name "a b", use at most/,
     'a name that no service has'],
    ['gateway_breaker "";', qr/invalid name ""/, 'no name'],
    ['gateway_breaker a; gateway_breaker a off;',
     qr/duplicate gateway_breaker of service "a"/, 'two of one service'],
) {
    my ($line, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:5\b/, 'and its place');
}

my (undef, $output) = $nginx->test($frame =~ s/LINE/gateway_breaker a;/r);
like($output, qr/\[warn\] gateway_breaker of service "a" is for no route, /,
     'one that no route calls is worth a warning');
like($output, qr/in \S+test\.conf:5$/m, 'with its place');
(undef, $output) = $nginx->test($frame =~ s/LINE/gateway_breaker *;/r);
unlike($output, qr/\[warn\]/, 'but for the one of all services');

done_testing();
