#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What nginx -t refuses of brokers and routes, and how it says so; and that
# the annotated example loads.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::Test qw(slurp spew tempdir source_dir);


my $secret = spew(tempdir() . '/secret', "guest\n");
my $empty = spew(tempdir() . '/empty', "\n");
my $two = spew(tempdir() . '/two', "a\nb\n");

my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    %%TOP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        %%SERVER%%
    }
}
END

my $nginx = Warren::Nginx->new(conf => "%%GLOBALS%%\nevents {}\n");
my $broker = "gateway_broker shop { url amqp://g\@127.0.0.1/shop;"
             . " password_file $secret; }";


sub try {
    my ($top, $server) = @_;

    my $text = $frame;
    $text =~ s/%%TOP%%/$top/;
    $text =~ s/%%SERVER%%/$server/;

    return $nginx->test($text);
}


sub block { return "gateway_broker shop { $_[0] }" }
sub location { return "location / { $_[0] }" }

my $url = 'url amqp://g@127.0.0.1/shop;';
my $password = "password_file $secret;";
my $route = 'gateway_route call orders get_order;';


# brokers

my @refused_brokers = (
    [$password, qr/has no "url", add one as amqp:\/\/USER\@HOST/,
     'a broker without address'],
    [$url, qr/has no "password_file", name a file/,
     'a broker without password'],
    ["url amqps://g\@mq1.invalid/ amqp://g\@127.0.0.1/; $password",
     qr/mixes "amqps" and "amqp"/, 'amqps beside amqp'],
    ["url amqp://127.0.0.1/; $password",
     qr/no user in url .*, write it as/, 'an address without user'],
    ["url http://g\@127.0.0.1/; $password", qr/invalid url "http:/,
     'an address of another protocol'],
    ["url amqp://g\@:5672/; $password", qr/no host in url/,
     'an address without host'],
    ["url amqp://g\@/; $password", qr/no host in url/, 'an empty host'],
    ["url amqp://g\@127.0.0.1:99999/; $password", qr/invalid port in url/,
     'a port out of range'],
    ["url amqp://g\@127.0.0.1/a/b; $password", qr/invalid user or vhost/,
     'a vhost with a slash'],
    ["url amqp://g\@127.0.0.1/%zz; $password", qr/invalid user or vhost/,
     'a vhost that is not well encoded'],
    ["url amqp://g:guessme\@127.0.0.1/; $password",
     qr/a password in "url" can be read by everyone, put it into the file/,
     'a password in the address'],
    ["$url $url $password", qr/"url" is duplicate, list all/,
     'two directives of addresses'],
    ["$url password_file /nonexistent/secret;",
     qr/"\/nonexistent\/secret" failed, "password_file" must name .*No such/,
     'a missing password file'],
    ["$url password_file $empty;",
     qr/must hold the password and nothing else, in one line/,
     'an empty password file'],
    ["$url password_file $two;", qr/must hold the password and nothing else/,
     'a password file of two lines'],
    ["$url $password heartbeat 0;", qr/invalid heartbeat "0", use whole/,
     'a heartbeat of nothing'],
    ["$url $password heartbeat 70000s;", qr/invalid heartbeat/,
     'a heartbeat out of range'],
    ["$url $password heartbeat 500ms;", qr/invalid heartbeat/,
     'a heartbeat of less than a second'],
    ["$url $password heartbeat often;", qr/invalid heartbeat "often"/,
     'a heartbeat that is no time'],
    ["$url $password connect_timeout 0;", qr/invalid connect_timeout "0"/,
     'a timeout of nothing'],
    ["$url $password max_inflight 0;",
     qr/invalid max_inflight "0", use a number from 1 to 65535/,
     'no calls in flight'],
    ["$url $password max_inflight 65536;", qr/invalid max_inflight/,
     'too many calls in flight'],
    ["$url $password max_output 1k;",
     qr/invalid max_output "1k", use a size of at least 64k/,
     'too little output'],
    ["$url $password colour red;",
     qr/unknown setting "colour" of gateway_broker, there are url,/,
     'an unknown setting'],
    ["$url $password heartbeat 5s 6s;",
     qr/invalid number of arguments in "heartbeat"/, 'too many arguments'],
    ["$url $password heartbeat { }", qr/unexpected "\{"/, 'a block inside'],
);

for my $case (@refused_brokers) {
    my ($text, $expected, $what) = @$case;

    my ($is_valid, $output) = try(block($text), '');
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:5\b/, 'and its place');
    unlike($output, qr/guessme/, 'no password is repeated');
}

my ($is_valid, $output) = try("$broker $broker", '');
ok(!$is_valid, 'two brokers of one name are refused');
like($output, qr/duplicate gateway_broker "shop", list all its addresses/,
     'with the mend');

for my $good (
    $url, 'url amqp://g@[::1]:5673/%2F amqp://g@localhost;',
    'url amqp://a%40b@127.0.0.1:1/; heartbeat off; connect_timeout 500ms;'
        . ' max_inflight 65535; max_output 64k;')
{
    ($is_valid, $output) = try(block("$good $password"), '');
    ok($is_valid, "a broker with $good is valid") or diag($output);
}

my $include = spew(tempdir() . '/broker.conf', "$url $password");
($is_valid, $output) = try(block("include $include;"), '');
ok($is_valid, 'settings may be included') or diag($output);

($is_valid, $output) = try(block("url amqp://g\@no.such.host.invalid/; "
                                 . $password), location($route));
ok($is_valid, 'a name that does not resolve is no error') or diag($output);
like($output, qr/\[warn\].*host not found.*is not tried until a reload/,
     'but told');


# a limit of the body that another one makes void

my $small = 'client_max_body_size 2m;';

($is_valid, $output) = try($broker, location("$small gateway_max_body 4m;"
                                             . $route));
ok($is_valid, 'a limit above that of nginx is no error') or diag($output);
like($output,
     qr/\[warn\].*gateway_max_body is above client_max_body_size, which/,
     'but told');

for my $lines ("$small $route", "$small gateway_max_body 2m; $route",
               "client_max_body_size 0; gateway_max_body 4m; $route",
               "client_max_body_size 64k; $route")
{
    (undef, $output) = try($broker, location($lines));
    unlike($output, qr/\[warn\]/, "and what works is not: $lines");
}


# routes

my @refused = (
    ['', $route, qr/no broker is defined, add "gateway_broker NAME/,
     'a route without broker'],
    [$broker, "gateway_use other; $route",
     qr/unknown broker "other", define it with "gateway_broker other \{/,
     'a route to an unknown broker'],
    [$broker . ' ' . $broker =~ s/shop/mall/r, $route,
     qr/there are 2 brokers, choose one with "gateway_use NAME"/,
     'a route that does not choose among brokers'],
    [$broker, 'gateway_use shop; gateway_use shop;',
     qr/"gateway_use" directive is duplicate/, 'two choices'],
    [$broker, 'gateway_route get call orders get_order;',
     qr/unknown method "get" in "get", use GET, HEAD, POST/,
     'a method in lower case'],
    [$broker, 'gateway_route GET,BREW call orders get_order;',
     qr/unknown method "BREW" in "GET,BREW"/, 'an unknown method'],
    [$broker, 'gateway_route GET, call orders get_order;',
     qr/unknown method "" in "GET,"/, 'an empty method'],
    [$broker, 'gateway_route GET,GET call orders get_order;',
     qr/duplicate method "GET"/, 'a method named twice'],
    [$broker, 'gateway_route OPTIONS call orders get_order;',
     qr/OPTIONS is answered by the gateway, leave it out/, 'OPTIONS'],
    [$broker, "$route gateway_route POST,GET call orders other;",
     qr/a route of the same method is in \S+:\d+, keep one of them/,
     'a doubled route'],
    [$broker, 'gateway_route ask orders get_order;',
     qr/unknown kind of route "ask", write "gateway_route/,
     'an unknown kind of route'],
    [$broker, 'gateway_route call orders;',
     qr/invalid number of arguments in "gateway_route"/,
     'a route without method'],
    [$broker, 'gateway_route call or.ders get_order;',
     qr/invalid name "or\.ders", use at most 100 letters/,
     'a service with a dot'],
    [$broker, 'gateway_route call orders ' . 'x' x 101 . ';',
     qr/invalid name "x+"/, 'a name that is too long'],
    [$broker, "$route gateway_timeout 0;", qr/must be above zero/,
     'no time at all'],
    [$broker, "$route gateway_timeout soon;", qr/invalid value/,
     'a timeout that is no time'],
    [$broker, "$route gateway_max_body 17m;",
     qr/must be from 1 to 16m, the largest message/,
     'a body limit above 16 MB'],
    [$broker, "$route gateway_max_body 0;", qr/must be from 1 to 16m/,
     'no body limit'],
    [$broker, "$route gateway_max_reply 17m;", qr/must be from 1 to 16m/,
     'a reply limit above 16 MB'],
    [block("$url $password max_output 64k;"), "$route gateway_max_body 65k;",
     qr/gateway_max_body is above "max_output" of broker "shop"/,
     'a body that could never be sent'],
    [$broker, "$route gateway_arg Limit \$arg_limit;",
     qr/invalid name of an argument "Limit", use at most 64 lower case/,
     'an argument in upper case'],
    [$broker, "$route gateway_arg a\$b 1;", qr/invalid name of an argument/,
     'an argument with a variable in its name'],
    [$broker, "$route gateway_arg a 1; gateway_arg a 2;",
     qr/duplicate argument "a"/, 'an argument named twice'],
    [$broker, "$route gateway_arg a x\$arg_a;",
     qr/"\$arg_..." must be the whole value, since it has to be decoded/,
     'a part of a value that is encoded'],
    [$broker, "$route gateway_arg a x\${arg_a};",
     qr/"\$arg_..." must be the whole value/, 'in braces as well'],
    [$broker, "$route gateway_arg a \$no_such_variable;",
     qr/unknown "no_such_variable" variable/, 'an unknown variable'],
    ["$broker gateway_zone gateway;", $route,
     qr/invalid zone "gateway", write it as NAME:SIZE/,
     'a zone without size'],
    ["$broker gateway_zone gateway:1k;", $route,
     qr/invalid size of zone "gateway:1k", use at least 64k/,
     'a zone that is too small'],
    ["$broker gateway_zone gateway:1m; gateway_zone b:1m;", $route,
     qr/is duplicate, one zone counts for all/, 'two zones'],
);

for my $case (@refused) {
    my ($top, $text, $expected, $what) = @$case;

    ($is_valid, $output) = try($top, location($text));
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/(?:in \S+test\.conf:\d+|unknown ".*" variable)/,
         'and its place');
}

($is_valid, $output) = try("$broker $route", '');
ok(!$is_valid, 'a route outside of a location is refused');
like($output, qr/"gateway_route" directive is not allowed here in/,
     'with its place');

($is_valid, $output) = try($broker, location("$route gateway_timeout 61s;"));
ok($is_valid, 'a timeout above the time in the queue is allowed');
like($output, qr/\[warn\].*gateway_timeout is above 60s/, 'with a warning');

($is_valid, $output) = try('', location($route) . " $broker");
ok(!$is_valid, 'a broker belongs to "http"');

my $later = $frame;
$later =~ s/%%TOP%%//;
$later =~ s/%%SERVER%%/location($route)/e;
$later =~ s/\}\s*\z/$broker }/;
($is_valid, $output) = $nginx->test($later);
ok($is_valid, 'a broker may be defined after its use') or diag($output);

my $many = join ' ', map { "location /$_ { $route }" } 1 .. 500;
($is_valid, $output) = try("$broker gateway_zone gateway:64k;", $many);
ok(!$is_valid, 'a zone too small for its routes is refused');
like($output, qr/zone "gateway" is too small for the counters of 500 routes/,
     'with the reason');

($is_valid, $output) = try("$broker gateway_zone gateway:1m;", $many);
ok($is_valid, 'and a larger one taken') or diag($output);


# the example

my $example = slurp(source_dir() . '/ngx_gateway_module/conf/nginx.conf');
my $dir = tempdir('example');
spew("$dir/gateway.secret", "guest\n");

my $jwks = '{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256",'
           . '"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
           . '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}';
spew("$dir/jwks.json", $jwks);
spew("$dir/revoked", "# nobody\n");

$example =~ s{^load_module .*;$}{%%GLOBALS%%}m;
$example =~ s{^(?:user|pid|error_log|worker_processes) .*;$}{}mg;
$example =~ s{/etc/warren/}{$dir/}g;
$example =~ s{^    access_log .*;$}{}mg;
$example =~ s{^http \{$}{http \{ %%HTTP%%}m;
$example =~ s{listen +8080}{listen 127.0.0.1:%%PORT%%}g;

($is_valid, $output) = $nginx->test($example);
ok($is_valid, 'the annotated example loads') or diag($output);

$nginx->write_conf($example)->start();

for my $path (qw(/users /login)) {
    like($nginx->get($path)->{headers}{'ratelimit-policy'},
         qr/\A"per_address";[^,]+\z/, "its $path is limited by address");
}

for my $path (qw(/users/me /orders /notifications),
              map { "$_/01234567-89ab-cdef-0123-456789abcdef" }
                  qw(/users /orders))
{
    my $r = $nginx->get($path);
    is($r->{status}, 401, "its $path wants a token");
    like($r->{headers}{'ratelimit-policy'}, qr/"per_address".*"per_user"/,
         'and is limited by address as well as by person');
}

done_testing();
