#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Who gets in where nginx has several ways in: "satisfy", error pages,
# redirects, and requests that are made by requests.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $key = Warren::JWT->ec(kid => 'key');

my $nginx = Warren::Nginx->new(conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_limit_zone $arg_k zone=all:1m rate=1r/m burst=9;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt_key_file keys.json;
        gateway_jwt_audience shop;
        add_header X-Sub "[$gateway_jwt_sub]" always;

        # another way in, or none

        location = /any_deny { satisfy any; deny all; gateway_jwt on; }
        location = /any_optional {
            satisfy any;
            deny all;
            gateway_jwt optional;
        }
        location = /any_limit { satisfy any; deny all; gateway_limit zone=all; }
        location = /any_off { satisfy any; deny all; gateway_jwt off; }
        location = /any_allow {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            gateway_jwt on;
            gateway_limit zone=all;
        }
        location = /any_basic {
            satisfy any;
            auth_basic "shop";
            auth_basic_user_file users;
            gateway_jwt on;
        }
        location = /all_deny { deny all; gateway_jwt on; }
        location = /all_allow { allow 127.0.0.1; deny all; gateway_jwt on; }

        # requests made by requests

        location = /public.html { ssi on; }
        location = /added { add_after_body /secret; default_type text/html; }
        location = /mirrored { mirror /copy; try_files /page =500; }
        location = /copy {
            internal;
            gateway_jwt on;
            proxy_pass http://127.0.0.1:%%PORT_2%%/copy;
        }
        location = /secret {
            gateway_jwt on;
            proxy_pass http://127.0.0.1:%%PORT_2%%/secret;
        }
        location = /bank {
            gateway_jwt on;
            gateway_jwt_audience bank;
            proxy_pass http://127.0.0.1:%%PORT_2%%/bank;
        }
        location = /optional {
            gateway_jwt optional;
            proxy_pass http://127.0.0.1:%%PORT_2%%/optional;
        }
        location = /members.html { ssi on; gateway_jwt on; }

        location = /asked { auth_request /ask; try_files /page =500; }
        location = /asked_on {
            auth_request /ask;
            gateway_jwt on;
            try_files /page =500;
        }
        location = /ask {
            internal;
            gateway_jwt on;
            proxy_pass http://127.0.0.1:%%PORT_2%%/ask;
        }

        # error pages and redirects

        location = /login { gateway_jwt on; error_page 401 /login.html; }
        location = /named { gateway_jwt on; error_page 401 = @login; }
        location @login { try_files /login.html =500; }
        location = /loop { gateway_jwt on; error_page 401 /loop; }
        location = /gone { error_page 404 = @strict; }
        location @strict { gateway_jwt on; try_files /page =500; }
        location = /moved { gateway_jwt on; error_page 404 /strict_bank; }
        location = /strict_bank {
            gateway_jwt on;
            gateway_jwt_audience bank;
            try_files /page =500;
        }
        location = /free { gateway_jwt on; error_page 404 /off; }
        location = /off { try_files /page =500; }

        location = /plain { gateway_jwt on; try_files /page =500; }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / {
            access_log %%DIR%%/reached.log;
            return 200 "reached $uri";
        }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(any_deny any_optional any_limit any_off any_allow any_basic all_deny
           all_allow page added);
spew("$dir/html/login.html", "log in, please\n");
spew("$dir/html/public.html",
     join '', map { "<!--# include virtual=\"$_\" -->" }
              qw(/secret /bank /optional));
spew("$dir/html/members.html",
     join '', map { "<!--# include virtual=\"$_\" -->" }
              qw(/secret /bank /optional));
spew("$dir/users", "anna:{PLAIN}secret\n");
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

my @good = Warren::JWT::bearer($key->token({ sub => 'anna', aud => 'shop' }));
my @bad = Warren::JWT::bearer(
    Warren::JWT->ec(kid => 'key')->token({ sub => 'anna', aud => 'shop' })
);

sub status { return $nginx->get(@_)->{status} }
sub body { return $nginx->get(@_)->{body} }

# how often the other server was asked for that
sub reached {
    my ($path) = @_;

    my $text = -f "$dir/reached.log" ? slurp("$dir/reached.log") : '';
    my $n = () = $text =~ /"GET \Q$path\E[ ?]/g;
    return $n;
}


# satisfy

is(status('/any_deny'), 401, 'satisfy any, deny all: no token is refused');
is(status('/any_deny', @bad), 401, 'so is a bad one');
is(status('/any_deny', @good), 200, 'a good one opens');
is(status('/any_optional'), 403,
   'an optional token that is not there does not open what is denied');
is(status('/any_optional', @good), 200, 'one that is there does');
like(status('/any_optional', @bad), qr/\A40[13]\z/, 'a bad one does not');
is(status('/any_limit?k=1'), 403,
   'a limit that is kept does not open what is denied');
is(status('/any_off', @good), 403,
   'nor does a good token where nobody looks at it');
is(status('/all_deny', @good), 403,
   'without satisfy any, a good token does not open what is denied');
is(status('/all_allow'), 401, 'nor does an address replace a token');
is(status('/all_allow', @good), 200, 'both together open');

my $answer = $nginx->get('/any_allow?k=any', @bad);
is($answer->{status}, 200, 'an address opens although the token is bad');
is($answer->{body}, "the page\n", 'the page is the page');
is($answer->{headers}{'x-sub'}, '[]', 'there are no claims');
is($answer->{headers}{'www-authenticate'}, undef, 'nothing is asked for');
like($answer->{headers}{ratelimit}, qr/\A"all";r=9;/, 'it was charged');
like($nginx->get('/any_allow?k=any')->{headers}{ratelimit}, qr/;r=8;/,
     'as was the one without a token');
$answer = $nginx->get('/any_allow?k=any', @good);
like($answer->{headers}{ratelimit}, qr/;r=7;/, 'and the one with a good one');
is($answer->{headers}{'x-sub'}, '[anna]', 'which has claims');

$answer = $nginx->get('/any_basic');
is($answer->{status}, 401, 'neither password nor token');
like($answer->{headers}{'www-authenticate'}, qr/Bearer realm="gateway"/,
     'asks for a token');
like($answer->{headers}{'www-authenticate'}, qr/Basic realm="shop"/,
     'and for a password');
is(status('/any_basic', @good), 200, 'a token is enough');

$answer = $nginx->get('/any_basic',
                      authorization => 'Basic YW5uYTpzZWNyZXQ=');
is($answer->{status}, 200, 'so is a password');
is($answer->{headers}{'www-authenticate'}, undef, 'and nothing is asked for');


# the answer

$answer = $nginx->get('/plain');
is($answer->{status}, 401, 'no token');
is($answer->{headers}{'content-type'}, 'application/problem+json',
   'a refusal is a problem');
is($answer->{json}{type}, 'urn:warren:error:unauthenticated', 'of that type');
is($answer->{headers}{'www-authenticate'}, 'Bearer realm="gateway"',
   'with a challenge');
$answer = $nginx->get('/plain', @bad);
is($answer->{json}{detail}, 'the signature of the token is wrong',
   'and says what is wrong');
is($nginx->head('/plain')->{status}, 401, 'HEAD is refused as well');
is($nginx->post('/plain', 'x' x 100_000)->{status}, 401,
   'so is a request with a body');

my $http = $nginx->http(keep_alive => 1);
is($http->get('/plain')->{status}, 401, 'a connection that was refused');
is($http->get('/plain', @good)->{body}, "the page\n", 'goes on');
is($http->get('/plain')->{status}, 401, 'and keeps no verdict');
$http->close();


# requests made by requests

my $public = body('/public.html');
is(reached('/secret'), 0, 'a public page does not reach a protected location');
unlike($public, qr{reached /secret}, 'nor show it');
is(reached('/optional'), 1, 'it reaches one where a token is optional');

$public = body('/public.html', @good);
is(reached('/secret'), 1, 'with the token of its caller it does');
like($public, qr{reached /secret}, 'and shows it');
is(reached('/bank'), 0,
   'one that demands another token is not reached');
like($public, qr{reached /optional}, 'the optional one is');

my $optional = reached('/optional');
body('/public.html', @bad);
is(reached('/secret'), 1, 'with a bad token nothing protected is reached');
is(reached('/optional'), $optional, 'nor what would take no token');

is(status('/members.html'), 401, 'a protected page is refused');
my $members = body('/members.html', @good);
is(reached('/secret'), 2, 'a protected page reaches what its token opens');
is(reached('/bank'), 0, 'and nothing else');

SKIP: {
    my ($status, $output) = run_command(['/usr/sbin/nginx', '-V']);
    skip 'nginx has no addition module', 2
        if $output !~ /http_addition_module/;

    body('/added');
    is(reached('/secret'), 2, 'addition does not reach a protected location');
    body('/added', @good);
    is(reached('/secret'), 3, 'with a token it does');
}

is(body('/mirrored'), "the page\n", 'a page is served');
is(body('/mirrored', @bad), "the page\n", 'and with a bad token');
is(body('/mirrored', @good), "the page\n", 'and with a good one');
ok(wait_for(sub { reached('/copy') }, 5, 'the mirror'), 'which is mirrored');
is(reached('/copy'), 1, 'as the only one');

is(status('/asked'), 403, 'auth_request without a token is refused');
is(status('/asked', @bad), 403, 'with a bad one as well');
is(reached('/ask'), 0, 'and the other server is not asked');
is(status('/asked', @good), 200, 'with a good one it passes');
is(reached('/ask'), 1, 'and the other server was asked');
is(status('/asked_on', @good), 200, 'both may be asked');
is(status('/asked_on'), 401, 'the token first');


# error pages and redirects

$answer = $nginx->get('/login');
is($answer->{status}, 401, 'an error page keeps the status');
is($answer->{body}, "log in, please\n", 'and has its own body');
is($answer->{headers}{'www-authenticate'}, 'Bearer realm="gateway"',
   'and the challenge');

$answer = $nginx->get('/named');
is($answer->{status}, 200, 'a named location may change the status');
is($answer->{body}, "log in, please\n", 'and the body');

is(status('/loop'), 401, 'an error page that is refused itself ends');

is(status('/gone'), 401, 'a named location demands the token it names');
is(status('/gone', @good), 200, 'and takes it');
is($nginx->get('/gone', @good)->{headers}{'x-sub'}, '[anna]',
   'and has its claims');
is(status('/moved', @good), 401,
   'after a redirect the verdict is that of the new location');
is($nginx->get('/free', @good)->{headers}{'x-sub'}, '[]',
   'and so are the claims');


# HTTP/2

sub h2 {
    my ($path, @arguments) = @_;

    my (undef, $text) = run_command([
        'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 10,
        @arguments, 'http://127.0.0.1:' . $nginx->port_of('PORT_1') . $path
    ]);
    return $text;
}

like(h2('/plain'), qr/\AHTTP\/2 401.*^www-authenticate: Bearer realm/ms,
     'HTTP/2 without a token is refused');
like(h2('/plain'), qr/urn:warren:error:unauthenticated/,
     'with the problem as body');
like(h2('/plain', '-H', "$good[0]: $good[1]"),
     qr/\AHTTP\/2 200.*^x-sub: \[anna\].*the page/ms, 'with one it passes');

done_testing();
