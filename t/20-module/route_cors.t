#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Which sites a browser may let call: preflights are answered before the token,
# every other answer tells its reader, errors too, and nobody is let in whom the
# configuration does not name.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::JWT;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(spew tempdir);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-cors');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $key = Warren::JWT->ec(kid => 'key');
my $keys = spew(tempdir() . '/keys.json', Warren::JWT::jwks($key), 0644);

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub { return { body => '{}' } },
        no => sub { return { status => 404, body => '{}' } },
    },
);

my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    gateway_limit_zone $binary_remote_addr zone=few:1m rate=1r/m burst=1;
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_jwt on;
        gateway_jwt_key_file %%KEYS%%;
        gateway_cors https://shop.example.com https://*.example.org:8443
                     credentials max_age=10m headers=X-Mine expose=X-Theirs;

        location = /fine {
            gateway_route GET,POST call echo fine;
            gateway_route DELETE call echo no;
        }
        location = /open {
            gateway_jwt off;
            gateway_cors *;
            gateway_route call echo no;
        }
        location = /off {
            gateway_jwt off;
            gateway_cors off;
            gateway_route call echo fine;
        }
        location = /nobody { gateway_jwt off; gateway_route call nobody a; }
        location = /few {
            gateway_jwt off;
            gateway_limit zone=few;
            gateway_route call echo fine;
        }
        location = /closed {
            satisfy any;
            deny all;
            gateway_route call echo fine;
        }
        location = /denied {
            deny all;
            gateway_route call echo fine;
        }
        location = /page {
            gateway_cors https://other.example.com;
            error_page 401 @page;
            gateway_route call echo fine;
        }
        location @page { gateway_jwt off; return 418; }
        location = /proxied {
            gateway_cors https://shop.example.com methods=PUT;
            proxy_pass http://127.0.0.1:%%PORT%%/behind;
        }
        location = /plain {
            gateway_cors https://shop.example.com;
            proxy_pass http://127.0.0.1:%%PORT%%/behind;
        }
        location = /own {
            gateway_jwt off;
            proxy_pass http://127.0.0.1:%%PORT%%/behind;
        }
        location = /behind {
            gateway_jwt off;
            gateway_cors off;
            add_header Access-Control-Allow-Origin https://own.example.com;
            return 200 behind;
        }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf, vars => {
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
    KEYS => $keys
})->start();

my $shop = 'https://shop.example.com';
my @token = (Authorization => 'Bearer ' . $key->token({ sub => 'a' }));


sub preflight {
    my ($path, $origin, $method) = @_;

    return $nginx->request('OPTIONS', $path, undef, Origin => $origin,
                           'Access-Control-Request-Method' => $method // 'GET');
}


sub allowed { return $_[0]{headers}{'access-control-allow-origin'} }


# preflights

my $r = preflight('/fine', $shop, 'DELETE');
is($r->{status}, 204, 'a preflight is answered without a token');
is(allowed($r), $shop, 'it names the origin');
is($r->{headers}{'access-control-allow-methods'},
   'GET, HEAD, POST, DELETE, OPTIONS', 'the methods of the location');
like($r->{headers}{'access-control-allow-headers'},
     qr/\AAuthorization, Content-Type, Idempotency-Key, .*, X-Mine\z/,
     'the headers that a client sends and those added');
is($r->{headers}{'access-control-allow-credentials'}, 'true',
   'that credentials may come');
is($r->{headers}{'access-control-max-age'}, 600, 'how long it holds');
like($r->{headers}{vary}, qr/\bOrigin\b/, 'and whom it depends on');
is($r->{body}, '', 'it has no body');

$r = preflight('/fine', 'https://evil.example.com');
is($r->{status}, 403, 'a preflight of another origin is refused');
is($r->{json}{type}, 'urn:warren:error:forbidden', 'as a problem');
is(allowed($r), undef, 'and not reflected');
like($r->{headers}{vary}, qr/\bOrigin\b/, 'but told apart by caches');

for my $origin ('null', 'https://shop.example.com.evil.com', "$shop:443",
                'http://shop.example.com', 'https://SHOP.example.com',
                "$shop/", 'https://shop.example.co', 'shop.example.com',
                'https://example.org:8443', 'https://.example.org:8443',
                'https://a.example.org', 'https://evil.com/.example.org:8443',
                'https://evil.com:1.example.org:8443',
                'http://a.example.org:8443', "$shop https://evil.com")
{
    $r = preflight('/fine', $origin);
    is($r->{status}, 403, "$origin is another origin");
    is(allowed($r), undef, 'that is not reflected');
}

for my $origin ('https://a.example.org:8443', 'https://a-1.b.example.org:8443')
{
    is(allowed(preflight('/fine', $origin)), $origin,
       "$origin is one of the names below");
}

$r = $nginx->request('OPTIONS', '/fine', undef, @token);
is($r->{status}, 204, 'OPTIONS without an origin is no preflight');
is($r->{headers}{allow}, 'GET, HEAD, POST, DELETE, OPTIONS', 'and gets Allow');
is(allowed($r), undef, 'and no origin');

$r = $nginx->request('OPTIONS', '/fine', undef, @token, Origin => $shop);
is($r->{status}, 204, 'nor is one that asks for no method');
is(allowed($r), $shop, 'though its reader may read it');

is($nginx->request('OPTIONS', '/fine', undef, Origin => $shop)->{status}, 401,
   'and it needs a token as any other');

is(preflight('/off', $shop)->{status}, 405,
   'where it is off a preflight is refused');

$r = $nginx->request('OPTIONS', '/fine', 'x' x 100, Origin => $shop,
                     'Access-Control-Request-Method' => 'GET');
is($r->{status}, 204, 'a preflight with a body is answered');


# answers

$r = $nginx->get('/fine', Origin => $shop, @token);
is($r->{status}, 200, 'a call from the origin is served');
is(allowed($r), $shop, 'and its answer may be read');
like($r->{headers}{'access-control-expose-headers'},
     qr/\bRetry-After\b.*, X-Theirs\z/, 'with what is of use');
is($r->{headers}{'access-control-allow-methods'}, undef,
   'and without what only a preflight has');

$r = $nginx->get('/fine', Origin => 'https://evil.example.com', @token);
is($r->{status}, 200, 'a call from another origin is served, as from curl');
is(allowed($r), undef, 'but no browser lets it be read');
like($r->{headers}{vary}, qr/\bOrigin\b/, 'and caches know');

$r = $nginx->get('/fine', @token);
is(allowed($r), undef, 'without an origin none is named');
like($r->{headers}{vary}, qr/\bOrigin\b/, 'but caches know as well');

for my $case (['/fine', 401], ['/nobody', 503], ['/few', 200], ['/few', 200],
              ['/few', 429], ['/denied', 401])
{
    my ($path, $status) = @$case;

    $r = $nginx->get($path, Origin => $shop);
    is($r->{status}, $status, "$path answers $status");
    is(allowed($r), $shop, 'which may be read');
}

$r = $nginx->request('PUT', '/fine', '', Origin => $shop, @token);
is($r->{status}, 405, 'a method that is not routed is refused');
is(allowed($r), $shop, 'which may be read');

is(preflight('/few', $shop)->{status}, 429,
   'preflights are charged where no token is needed for it');

$r = preflight('/open', 'https://anybody.example.com');
is($r->{status}, 204, 'with a star everybody may ask');
is(allowed($r), '*', 'and is told so');
is($r->{headers}{'access-control-allow-credentials'}, undef,
   'without credentials');
is($r->{headers}{'access-control-max-age'}, undef, 'or a time not set');

$r = $nginx->get('/open', Origin => 'https://anybody.example.com');
is(allowed($r), '*', 'an answer for everybody says so');
is($r->{headers}{vary}, undef, 'and is the same for all');

$r = $nginx->get('/off', Origin => $shop);
is(allowed($r), undef, 'where it is off nothing is said');


# beside other access rules

is(preflight('/closed', $shop)->{status}, 204,
   'what a token would open answers a preflight');
is($nginx->get('/closed', Origin => $shop)->{status}, 401,
   'and still wants the token');
is(preflight('/denied', $shop)->{status}, 403,
   'what an address closes does not');


# redirects and proxied answers

$r = $nginx->get('/page', Origin => 'https://other.example.com');
is($r->{status}, 418, 'an error page is somewhere else');
is(allowed($r), undef, 'where another policy holds');

$r = preflight('/proxied', $shop, 'PUT');
is($r->{status}, 204, 'preflights of a proxied location are answered here');
is($r->{headers}{'access-control-allow-methods'}, 'PUT', 'as told');
is(preflight('/plain', $shop)->{headers}{'access-control-allow-methods'},
   'GET, HEAD, POST', 'or with the simple methods');

$r = $nginx->get('/own', Origin => $shop);
is($r->{body}, 'behind', 'a proxied answer');
is(allowed($r), 'https://own.example.com', 'keeps a field of its own');


# redirects to where nothing is said

my $bare = $conf;
$bare =~ s/^        gateway_cors https.*?;//ms;
$nginx->write_conf($bare)->reload();

$r = $nginx->get('/page', Origin => 'https://other.example.com');
is($r->{status}, 418, 'an error page where no policy is');
is(allowed($r), 'https://other.example.com',
   'has that of the place where the request came in');


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
    ['gateway_cors * credentials;',
     qr/must not have "\*" with "credentials".*list the origins/,
     'a star with credentials'],
    ["gateway_cors * $shop;", qr/"\*" beside other origins/,
     'a star beside an origin'],
    ['gateway_cors max_age=1m;', qr/names no origin, write at least one as/,
     'no origin'],
    ["gateway_cors $shop $shop;", qr/duplicate origin "https:/,
     'an origin named twice'],
    ["gateway_cors $shop; gateway_cors off;", qr/is duplicate, list all/,
     'two directives'],
    ['gateway_cors null;', qr/"null": every sandboxed page/, 'null'],
    ['gateway_cors shop.example.com;', qr/it has no scheme; write it as/,
     'an origin without scheme'],
    ['gateway_cors ://a;', qr/it has no scheme/, 'an empty scheme'],
    ['gateway_cors https://;', qr/it has no host/, 'an origin without host'],
    ['gateway_cors https://:81;', qr/it has no host/, 'one with a port alone'],
    ['gateway_cors https://a/;', qr/it has a path/, 'an origin with a path'],
    ['gateway_cors https://A;', qr/it has capital letters/,
     'an origin in capitals'],
    ['gateway_cors https://a@b;', qr/characters that no host has/,
     'an origin with a user'],
    ['gateway_cors https://a:443;', qr/the default port is left out/,
     'a default port'],
    ['gateway_cors http://a:80;', qr/the default port is left out/,
     'that of http as well'],
    ['gateway_cors https://*;', qr/a star stands for the first labels/,
     'all hosts of a scheme'],
    ['gateway_cors https://*a.com;', qr/a star stands for the first labels/,
     'a part of a label'],
    ['gateway_cors https://a.*.com;', qr/characters that no host has/,
     'a star in the middle'],
    ["gateway_cors $shop max_age=2d;",
     qr/invalid "max_age=2d", use whole seconds up to 86400s/,
     'a time that no browser keeps'],
    ["gateway_cors $shop max_age=soon;", qr/invalid "max_age=soon"/,
     'a time that is none'],
    ["gateway_cors $shop headers=;", qr/invalid list "", write names/,
     'an empty list'],
    ["gateway_cors $shop \"expose=A B\";", qr/invalid list "A B"/,
     'a list with blanks'],
    ["gateway_cors $shop methods=GET,;", qr/invalid list "GET,"/,
     'a list that ends in a comma'],
) {
    my ($line, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:7\b/, 'and its place');
}

for my $line ("gateway_cors $shop;", 'gateway_cors http://localhost:3000;',
              'gateway_cors https://[::1]:8080 capacitor://localhost;',
              'gateway_cors off;', 'gateway_cors * max_age=0;')
{
    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok($is_valid, "$line is valid") or diag($output);
}

done_testing();
