#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Where a request goes whose call failed: with its method, its body and its
# token, once, and never where it might be done twice.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for slurp spew tempdir run_command);


# every outcome, from a broker that does as it is told

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
    log_format calls '\$uri|\$status|\$gateway_outcome|\$gateway_fallback';
    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/calls.log calls;
        gateway_cors https://shop.example.com;

        location = /echo {
            gateway_route GET,POST call echo echo;
            gateway_fallback \@monolith no_route unavailable overloaded;
            gateway_fallback GET,HEAD \@reader timeout interrupted bad_reply
                                              internal;
            gateway_timeout 5s;
        }
        location = /soon {
            gateway_route call echo echo;
            gateway_fallback \@reader timeout;
            gateway_timeout 1ms;
        }
        location = /few {
            gateway_route call echo echo;
            gateway_fallback \@monolith no_route;
        }
        location = /round {
            gateway_route call echo echo;
            gateway_fallback \@round no_route;
        }
        location = /if {
            if (\$arg_a) { gateway_timeout 4s; }
            gateway_route call echo echo;
            gateway_fallback \@monolith no_route;
        }
        location \@round {
            gateway_route call echo again;
            gateway_fallback \@monolith no_route;
        }
        location \@monolith {
            add_header X-Method \$request_method;
            return 200 "monolith \$request_uri";
        }
        location \@reader { return 200 reader; }
        location = /metrics { gateway_metrics; }
    }
}
END

$broker->accept()->handshake();


sub ask {
    my ($path, $method, $body) = @_;

    $method //= 'GET';
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n"
                               : '';

    return $nginx->http()->open()->send(
        "$method $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        . "Origin: https://shop.example.com\r\n$length\r\n" . ($body // '')
    );
}


sub metric {
    my ($name) = @_;

    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


my %ends = (
    no_route => sub { $broker->return_call($_[0])->ack($_[0]) },
    overloaded => sub { $broker->nack($_[0]) },
    bad_reply => sub { $broker->reply($_[0], 99, '{}') },
    internal => sub { $broker->reply($_[0], 500, '{"type":"x"}') },
);

for my $end (sort keys %ends) {
    my $client = ask('/echo?a=b');
    $ends{$end}->($broker->expect('basic.publish'));

    my $r = $client->answer();
    my $is_sure = $end eq 'no_route' || $end eq 'overloaded';

    is($r->{status}, 200, "$end of GET falls back");
    is($r->{body}, $is_sure ? 'monolith /echo?a=b' : 'reader',
       'to its location');
    is($r->{headers}{'retry-after'}, undef, 'with nothing of ours');
    is($r->{headers}{'access-control-allow-origin'},
       'https://shop.example.com', 'but for whom it is');

    $client = ask('/echo', 'POST', '{}');
    $ends{$end}->($broker->expect('basic.publish'));
    $r = $client->answer();

    if ($is_sure) {
        is($r->{headers}{'x-method'}, 'POST', "$end of POST falls back");

    } else {
        cmp_ok($r->{status}, '>=', 500, "$end of POST does not");
    }
}

my $client = ask('/soon');
$broker->expect('basic.publish');
is($client->answer()->{body}, 'reader', 'timeout of GET falls back');

$client = ask('/few');
$broker->nack($broker->expect('basic.publish'));
is($client->answer()->{status}, 503, 'an outcome that is not named does not');

$client = ask('/echo', 'HEAD');
$broker->nack($broker->expect('basic.publish'));
my $r = $client->answer('HEAD');
is($r->{headers}{'x-method'}, 'HEAD', 'HEAD falls back as HEAD');

$client = ask('/echo');
my $call = $broker->expect('basic.publish');
$broker->reply($call, 404, '{}');
is($client->answer()->{status}, 404, 'what a worker refuses is its answer');

$client = ask('/round');
$ends{no_route}->($broker->expect('basic.publish'));
$call = $broker->expect('basic.publish');
is($call->{properties}{type}, 'again', 'a fallback may be a call');
$ends{no_route}->($call);
is($client->answer()->{body}, 'monolith /round', 'that falls back as well');

$client = ask('/if?a=1');
$ends{no_route}->($broker->expect('basic.publish'));
is($client->answer()->{body}, 'monolith /if?a=1',
   '"if" takes over the fallback with the routes');

is(metric('gateway_route_fallbacks_total{route="/echo echo.echo"}'), 7,
   'fallbacks are counted by route');
is(metric('gateway_route_requests_total{route="/echo echo.echo",'
          . 'outcome="overloaded"}'), 3, 'and calls by how they ended');
is(metric('gateway_inflight'), 0, 'nothing is left in flight');

$client = ask('/echo');
$call = $broker->expect('basic.publish');
$broker->deaf()->drop();
is($client->answer()->{body}, 'reader', 'interrupted of GET falls back');

is(ask('/echo')->answer()->{body}, 'monolith /echo',
   'unavailable falls back at once');
is(metric('gateway_inflight'), 0, 'nothing is in flight then');

my $log = slurp($nginx->dir() . '/calls.log');
like($log, qr{^/echo\|200\|no_route\|\@monolith$}m,
     'the log tells why and where to');
like($log, qr{^/echo\|200\|5xx\|\@reader$}m, 'of a worker that failed, too');
like($nginx->log_text(),
     qr/call of "echo.echo" failed: overloaded, falling back to "\@monolith"/,
     'and so does the error log');


# the request goes along

my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-fallback');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $key = Warren::JWT->ec(kid => 'key');
my $keys = spew(tempdir() . '/keys.json', Warren::JWT::jwks($key), 0644);

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        echo => sub {
            my ($call) = @_;
            return { body => $call->{body}, content_type => 'text/plain' };
        },
        who => sub {
            my ($call) = @_;
            return { body => $call->{properties}{headers}{'x-sub'} // '' };
        },
    },
);

my $real = Warren::Nginx->new(conf => <<'END', vars => {
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    client_max_body_size 16m;
    client_body_buffer_size 16k;
    gateway_max_body 16m;
    gateway_max_reply 16m;
    gateway_timeout 30s;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    gateway_jwt_key_file %%KEYS%%;
    gateway_limit_zone $binary_remote_addr zone=all:1m rate=1r/m burst=100;
    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_2%% http2;
        location = /moved {
            gateway_limit zone=all;
            gateway_jwt optional;
            gateway_route GET,POST call nobody echo;
            gateway_fallback @monolith no_route;
        }
        location @monolith {
            gateway_limit zone=all;
            proxy_pass http://127.0.0.1:%%PORT_1%%;
        }
        location = /metrics { gateway_metrics; }
    }
    server {
        listen 127.0.0.1:%%PORT_1%%;
        location = /moved {
            if ($http_authorization) { gateway_timeout 29s; }
            gateway_route POST call echo echo;
            gateway_route GET call echo who;
            gateway_jwt optional;
        }
    }
}
END
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
    KEYS => $keys
})->start();

for my $size (0, 5, 20_000, 5_000_000) {
    my $body = join '', map { chr 33 + $_ % 90 } 1 .. $size;

    $r = $real->post('/moved', $body);
    is($r->{status}, 200, "a body of $size bytes falls back");
    is(sha256_hex($r->{body}), sha256_hex($body), 'as it was');

    next if !$size;

    my $chunked = sprintf "%x\r\n%s\r\n0\r\n\r\n", $size, $body;
    $r = $real->post('/moved', $chunked, 'Transfer-Encoding' => 'chunked');
    is(sha256_hex($r->{body}), sha256_hex($body), 'in chunks as well');
}

my $http = $real->http(keep_alive => 1);
is($http->post('/moved', 'one')->{body}, 'one', 'a connection that is kept');
is($http->post('/moved', 'two')->{body}, 'two', 'serves the next one');
$http->close();

$r = $real->get('/moved', Authorization => 'Bearer '
                                           . $key->token({ sub => 'me' }));
is($r->{body}, 'me', 'the token goes along');

my ($left) = $r->{headers}{ratelimit} =~ /r=(\d+)/;
$r = $real->get('/moved');
my ($next) = $r->{headers}{ratelimit} =~ /r=(\d+)/;
is($next, $left - 1, 'a request that falls back is charged once');

SKIP: {
    my ($curl) = grep { -x } '/usr/bin/curl', '/usr/local/bin/curl';
    skip 'no curl for HTTP/2', 1 if !$curl;

    my $file = spew(tempdir() . '/body', 'x' x 100_000);
    my (undef, $text) = run_command([
        $curl, '-s', '--http2-prior-knowledge', '--data-binary', "\@$file",
        '-w', '%{http_code} %{http_version}',
        'http://127.0.0.1:' . $real->port_of('PORT_2') . '/moved'
    ]);
    is($text, 'x' x 100_000 . '200 2', 'over HTTP/2 as well');
}

like($real->get('/metrics')->{body}, qr/^gateway_inflight 0$/m,
     'and nothing is left in flight');


# what is refused

my $frame = <<"END";
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop { url amqp://g\@127.0.0.1/; password_file $password; }
    server {
        listen 127.0.0.1:%%PORT%%;
        location / {
            LINES
        }
        location \@a { return 204; }
        location \@b { return 204; }
    }
    server { location \@other { return 204; } }
}
END

my $get = 'gateway_route call a b;';
my $post = 'gateway_route GET,POST call a b;';

for my $case (
    ["$post gateway_fallback \@a timeout;",
     qr/on "timeout" could do twice .*write "gateway_fallback GET,HEAD \@a/,
     'a fallback of POST after a deadline'],
    ["$post gateway_fallback \@a no_route internal;",
     qr/on "internal" could do twice/, 'or after a failure'],
    ["$post gateway_fallback POST \@a interrupted;",
     qr/on "interrupted" could do twice/, 'or a loss, for POST alone'],
    ["$post gateway_fallback \@a bad_reply;", qr/on "bad_reply" could do twice/,
     'or a reply that cannot be read'],
    ["gateway_fallback \@a no_route;",
     qr/is about calls and there is none, add a gateway_route/,
     'a fallback without a route'],
    ["$get gateway_fallback PUT \@a no_route;",
     qr/names a method that is not routed here, leave it out or route it/,
     'one of a method that is not routed'],
    ["$get gateway_fallback \@c no_route;",
     qr/there is no "location \@c" in its server, add one or name another/,
     'a location that is not there'],
    ["$get gateway_fallback \@other no_route;",
     qr/there is no "location \@other" in its server/, 'one of another server'],
    ["$get gateway_fallback GET b no_route;",
     qr/invalid location "b", name one as \@monolith/, 'one without a sign'],
    ["$get gateway_fallback \@a lunch;",
     qr/unknown outcome "lunch", there are internal, interrupted, bad_reply,/,
     'an unknown outcome'],
    ["$get gateway_fallback \@a rate_limited;",
     qr/unknown outcome "rate_limited"/, 'one that is not of a call'],
    ["$get gateway_fallback \@a no_route no_route;",
     qr/duplicate outcome "no_route"/, 'one named twice'],
    ["$get gateway_fallback GET \@a;", qr/names no outcome, add those/,
     'none'],
    ["$get gateway_fallback BREW \@a no_route;", qr/unknown method "BREW"/,
     'an unknown method'],
    ["$get gateway_fallback \@a no_route; gateway_fallback GET \@b no_route;",
     qr/an outcome of the same method is in \S+:9, keep one/,
     'two ways for one outcome'],
) {
    my ($lines, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINES/$lines/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:9\b/,
         'and its place');
}

for my $lines (
    "$post gateway_fallback GET,HEAD \@a timeout; "
        . 'gateway_fallback POST @b no_route;',
    "$get gateway_fallback \@a timeout interrupted bad_reply internal "
        . 'no_route unavailable overloaded;',
) {
    my ($is_valid, $output) = $nginx->test($frame =~ s/LINES/$lines/r);
    ok($is_valid, "valid: $lines") or diag($output);
}

done_testing();
