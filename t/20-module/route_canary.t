#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A part of the requests is served elsewhere: the right part, always the same,
# decided after the token was verified.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(slurp spew tempdir wait_for);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-canary');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $key = Warren::JWT->ec(kid => 'key');
my $keys = spew(tempdir() . '/keys.json', Warren::JWT::jwks($key), 0644);

my @services = map {
    my $name = $_;
    Warren::Responder->new(
        rabbit => $rabbit, vhost => $vhost, service => $name,
        methods => {
            map {
                my $method = $_;
                $method => sub { return { body => "\"$name.$method\"" } }
            } qw(get put)
        },
    )
} qw(old new);

my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    map $http_x_beta $is_beta { default 0; yes 1; }
    log_format calls '$uri|$gateway_canary|$gateway_service|$status';
    server {
        listen 127.0.0.1:%%PORT%%;
        access_log %%DIR%%/calls.log calls;
        gateway_jwt optional;
        gateway_jwt_key_file %%KEYS%%;

        location = /third {
            gateway_route GET call old get;
            gateway_route PUT call old put;
            gateway_canary GET PERCENT call new get;
        }
        location = /also {
            gateway_route call old get;
            gateway_canary PERCENT call new get;
        }
        location = /salted {
            gateway_route call old get;
            gateway_canary PERCENT salt=other call new get;
        }
        location = /all {
            gateway_route GET,PUT call old get;
            gateway_canary 100% @monolith;
        }
        location = /none {
            gateway_route call old get;
            gateway_canary 0% call new get;
        }
        location = /list {
            gateway_route GET,PUT call old get;
            gateway_canary PUT list=alice,bob call new put;
            gateway_canary GET list=alice @monolith;
        }
        location = /if {
            gateway_route call old get;
            gateway_canary if=$is_beta call new get;
        }
        location = /key {
            gateway_route call old get;
            gateway_canary list=a-b key=$arg_a-$arg_b call new get;
        }
        location = /anybody {
            gateway_route call old get;
            gateway_canary 50% key=$gateway_request_id call new get;
        }
        location = /must {
            gateway_jwt on;
            gateway_route call old get;
            gateway_canary 100% key=$remote_addr call new get;
        }
        location = /nested {
            if ($arg_x) { gateway_timeout 4s; }
            gateway_route call old get;
            gateway_canary list=alice call new get;
        }
        location = /own {
            gateway_route GET,PUT call old get;
            gateway_canary 100% key=$remote_addr call new get;
            gateway_fallback @monolith no_route;
            if ($arg_x) { gateway_route call old put; }
            limit_except GET { gateway_route PUT call old put; }
        }
        location @monolith { return 200 "\"monolith $request_method\""; }
        location = /metrics { gateway_metrics; }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf =~ s/PERCENT/30%/gr, vars => {
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
    KEYS => $keys
})->start();

my %token;


sub ask {
    my ($path, $sub, $method, @headers) = @_;

    push @headers, Authorization => 'Bearer '
                                    . ($token{$sub}
                                       //= $key->token({ sub => $sub }))
        if defined $sub;

    my $r = $nginx->request($method // 'GET', $path,
                            ($method // '') eq 'PUT' ? '{}' : undef, @headers);

    return $r->{status} == 200 ? $r->{json} // 'none' : $r->{status};
}


sub taken {
    my ($path) = @_;

    return { map { ("p$_" => ask($path, "p$_") eq 'new.get' ? 1 : 0) }
             1 .. 200 };
}


sub count { return scalar grep { $_ } values %{ $_[0] } }


# by percentage

my $first = taken('/third');
cmp_ok(count($first), '>=', 40, 'about a third of the people is taken');
cmp_ok(count($first), '<=', 80, 'and no more');
is_deeply(taken('/third'), $first, 'always the same');
is_deeply(taken('/also'), $first, 'on every route to the same service');

my $salted = taken('/salted');
my $both = grep { $first->{$_} && $salted->{$_} } keys %$first;
cmp_ok(count($salted), '>=', 40, 'another salt takes as many');
cmp_ok($both, '<', count($first), 'but others');

is(ask('/third', undef), 'old.get', 'nobody in particular is not taken');
is(ask('/third', $_, 'PUT'), 'old.put', "nor is another method of $_")
    for grep { $first->{$_} } qw(p1 p2 p3 p4 p5 p6 p7 p8 p9 p10);

my ($someone) = grep { $first->{$_} } sort keys %$first;
my $r = $nginx->head('/third',
                     Authorization => "Bearer $token{$someone}");
is($r->{headers}{'content-length'}, length '"new.get"', 'HEAD goes with GET');

is(ask('/all', 'p1'), 'monolith GET', 'all may be sent to a location');
is(ask('/all', 'p1', 'PUT'), 'monolith PUT', 'with every method');
is(ask('/none', $someone), 'old.get', 'or none');

my %seen;
$seen{ ask('/anybody') }++ for 1 .. 60;
ok($seen{'new.get'} && $seen{'old.get'}, 'a share of requests can be taken');


# by list and by variable

is(ask('/list', 'alice', 'PUT'), 'new.put', 'who is in the list is taken');
is(ask('/list', 'bob', 'PUT'), 'new.put', 'to the last');
is(ask('/list', 'bobby', 'PUT'), 'old.get', 'by the whole name');
is(ask('/list', 'alice'), 'monolith GET', 'for each method on its own');
is(ask('/list', 'bob'), 'old.get', 'with a list on its own');
is(ask('/list', ''), 'old.get', 'an empty name is nobody');
is(ask('/if', undef, 'GET', 'X-Beta' => 'yes'), 'new.get',
   'a variable may decide');
is(ask('/if'), 'old.get', 'and 0 is no');
is(ask('/key?a=a&b=b'), 'new.get', 'a key may have several parts');
is(ask('/key?a=a&b=c'), 'old.get', 'which all count');
is(ask('/nested?x=1', 'alice'), 'new.get', '"if" takes over the canary');
is(ask('/own', 'alice'), 'new.get', 'a canary takes the route beside it');
is(ask('/own?x=1', 'alice'), 'old.put', 'and none that "if" has of its own');
is(ask('/own', 'alice', 'PUT'), 'old.put', 'nor one of limit_except');


# after admission

is(ask('/must'), 401, 'a canary lets nobody in');
is(ask('/must', 'p1'), 'new.get', 'whom the token does not');
is($nginx->get('/list', Authorization => 'Bearer a.b.c')->{status}, 401,
   'and a bad token has no subject');


# what is told

my $text = $nginx->get('/metrics')->{body};
like($text,
     qr/^gateway_route_requests_total\{route="\/list\ new\.put",
        outcome="2xx"\}\ 2$/mx, 'a canary counts as a route');
like($text, qr/^gateway_route_canaries_total\{route="\/list old.get"\} 3$/m,
     'and its route counts what it took');
like($text, qr/^gateway_route_canaries_total\{route="\/none old.get"\} 0$/m,
     'or did not');
my $log = wait_for(
    sub {
        my $lines = slurp($nginx->dir() . '/calls.log');
        $lines =~ m{^/must\|new.get\|new\|200$}m ? $lines : undef
    }, 40, 'the log'
);
like($log, qr{^/all\|\@monolith\|-\|200$}m, 'the log tells where to');
like($log, qr{^/none\|-\|old\|200$}m, 'and that nothing was taken');


# more of them

$nginx->write_conf($conf =~ s/PERCENT/60%/gr)->reload();
my $second = taken('/third');
cmp_ok(count($second), '>=', 95, 'a larger share is larger');
is_deeply([grep { $first->{$_} && !$second->{$_} } keys %$first], [],
          'and has all who were taken before');


# what is refused

my $frame = <<"END";
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop { url amqp://g\@127.0.0.1/; password_file $secret; }
    server {
        listen 127.0.0.1:%%PORT%%;
        location / {
            LINES
        }
        location \@a { return 204; }
    }
}
END

my $get = 'gateway_route call a b;';

for my $case (
    ["$get gateway_canary 101% call a c;",
     qr/invalid percentage "101%", use one from 0% to 100%/,
     'a percentage above all'],
    ["$get gateway_canary 1.234% call a c;", qr/invalid percentage "1.234%"/,
     'one that is too exact'],
    ["$get gateway_canary x% call a c;", qr/invalid percentage "x%"/,
     'one that is none'],
    ["$get gateway_canary 1% 2% call a c;", qr/has two percentages/, 'two'],
    ["$get gateway_canary call a c;", qr/says nobody, add a percentage/,
     'a canary without anybody'],
    ["$get gateway_canary key=\$remote_addr call a c;", qr/says nobody/,
     'or with a key alone'],
    ["$get gateway_canary 5% key=me call a c;",
     qr/"me" has no variable and is the same for everybody/,
     'a key without a variable'],
    ["$get gateway_canary if=1 call a c;", qr/"1" has no variable/,
     'a condition without one'],
    ["$get gateway_canary 5% key=\$uri key=\$uri call a c;",
     qr/has a parameter twice/, 'two keys'],
    ["$get gateway_canary list=a,,b call a c;", qr/empty word in its list/,
     'an empty word'],
    ["$get gateway_canary 5% colour=red call a c;",
     qr/unknown parameter "colour=red" of gateway_canary, there are N%/,
     'an unknown parameter'],
    ["$get gateway_canary 5% a;", qr/unknown parameter "a"/, 'no place'],
    ["$get gateway_canary 5% list=a;", qr/does not say where to, end it/,
     'two people and no place'],
    ["$get gateway_canary 5% ask a c;", qr/unknown kind of route "ask"/,
     'an unknown kind'],
    ["$get gateway_canary 5% call a c/d;", qr/invalid name "c\/d"/,
     'a name that is none'],
    ["$get gateway_canary 5% \@b;", qr/there is no "location \@b"/,
     'a location that is not there'],
    ["$get gateway_canary POST 5% call a c;", qr/a method that is not routed/,
     'a method that is not routed'],
    ["$get gateway_canary 5% send a c;", qr/GET and HEAD must not send/,
     'a command for GET'],
    ['gateway_canary 5% call a c;', qr/there is no gateway_route for the oth/,
     'a canary without a route'],
    ["$get gateway_route POST call a c; gateway_canary 5% call a d;",
     qr/there are 2 routes, tell which of them gateway_canary is for/,
     'one that does not say for which route'],
) {
    my ($lines, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINES/$lines/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:9\b/, 'and its place');
}

done_testing();
