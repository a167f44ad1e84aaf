#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Errors as problem documents: who wrote them, what they keep, who wins.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::HTTP;
use Warren::HTTP2 qw(is_http2);
use Warren::Nginx;
use Warren::Test qw(spew tempdir);


my $secret = spew(tempdir() . '/secret', "guest\n");
my $key = spew(tempdir() . '/jwks.json',
               '{"keys":[{"kty":"EC","crv":"P-256","kid":"1","alg":"ES256",'
               . '"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",'
               . '"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}');
my $html = tempdir('html');
spew("$html/index.html", "hello\n");
spew("$html/oops.html", "oops\n");

my $nginx = Warren::Nginx->new(
    vars => { SECRET => $secret, KEY => $key, HTML => $html },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    charset utf-8;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:1/;
        password_file %%SECRET%%;
        connect_timeout 10ms;
    }
    limit_req_zone $binary_remote_addr zone=tight:64k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%HTML%%;
        gateway_jwt_key_file %%KEY%%;
        gateway_jwt_algorithms ES256;

        location = /call { gateway_route GET,POST call orders get; }
        location = /token { gateway_jwt on; gateway_route call orders get; }
        location = /token_page {
            gateway_jwt on;
            gateway_route call orders get;
            error_page 401 /oops.html;
        }
        location = /token_named {
            gateway_jwt on;
            gateway_route call orders get;
            error_page 401 = @login;
        }
        location @login { return 200 "log in\n"; }
        location = /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            gateway_jwt on;
            try_files /oops.html =404;
        }
        location = /any_denied {
            satisfy any;
            deny all;
            gateway_jwt on;
            try_files /oops.html =404;
        }
        location = /file_token { gateway_jwt on; try_files /oops.html =404; }
        location = /call_page {
            error_page 503 /oops.html;
            gateway_route call orders get;
        }
        location = /call_call {
            error_page 503 = /call;
            gateway_route call orders get;
        }
        location = /call_named {
            error_page 503 = @login;
            gateway_route call orders get;
        }
        location = /denied { deny all; gateway_route call orders get; }
        location = /tight {
            limit_req zone=tight;
            gateway_route call orders get;
        }
        location = /gone { return 410; gateway_route call orders get; }
        location = /moved { return 302 /x; gateway_route call orders get; }
        location = /header {
            add_header X-Mine yes always;
            gateway_route call orders get;
        }
        location = /zip {
            gzip on;
            gzip_min_length 1;
            gzip_types application/problem+json;
            deny all;
            gateway_route call orders get;
        }
        location = /metrics { gateway_metrics; }
        location = /plain { deny all; }
        location /none {
            gateway_problem on;
            return 404;
            location = /none/of/yours { return 404; deny all; }
            location = /none/denied { deny all; }
            location = /none/there { return 200 "there\n"; }
            location = /none/page {
                error_page 404 /oops.html;
                return 404;
            }
            location = /none/off { gateway_problem off; deny all; }
        }
        location / { }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        gateway_problem on;
        gateway_jwt_key_file %%KEY%%;
        gateway_jwt_algorithms ES256;
        gateway_jwt on;
        location / { gateway_route call orders get; }
    }
}
END


sub problem_is {
    my ($r, $status, $error, $what) = @_;

    is($r->{status}, $status, "$what is $status") or diag($r->{raw});
    is($r->{headers}{'content-type'}, 'application/problem+json',
       'its type is that of problems, without a charset');
    is($r->{headers}{'content-length'}, length $r->{body},
       'its length is right');
    is_deeply([sort keys %{ $r->{json} // {} }],
              [sort qw(type title status instance),
               exists $r->{json}{detail} ? 'detail' : ()],
              'it has the members of a problem');
    is($r->{json}{type}, "urn:warren:error:$error", 'its type names it');
    is($r->{json}{status}, $status, 'its status is in it');
    is($r->{json}{instance}, $r->{headers}{'x-request-id'},
       'the request is named alike in header and document');
}


my $r = $nginx->get('/call', 'X-Request-Id' => 'r-1');
problem_is($r, 503, 'unavailable', 'an error of the gateway');
is($r->{json}{instance}, 'r-1', 'the request id is the client\'s');

$r = $nginx->request('PUT', '/call', 'x' x 100000);
problem_is($r, 405, 'method_not_allowed', 'a refusal before the body is read');
is($r->{headers}{allow}, 'GET, HEAD, POST, OPTIONS', 'with Allow');

$r = $nginx->head('/call');
is($r->{status}, 503, 'HEAD has the status');
cmp_ok($r->{headers}{'content-length'}, '>', 80, 'and the length');

my $raw = $nginx->raw("HEAD /call HTTP/1.1\r\nHost: a\r\n"
                      . "Connection: close\r\n\r\n");
like($raw, qr/\r\n\r\n\z/, 'and no body');

$r = $nginx->get('/token');
problem_is($r, 401, 'unauthenticated', 'a missing token');
like($r->{headers}{'www-authenticate'}, qr/^Bearer/, 'with WWW-Authenticate');

$r = $nginx->get('/file_token');
problem_is($r, 401, 'unauthenticated', 'a missing token for a file');

problem_is($nginx->get('/denied'), 403, 'forbidden',
           'what nginx refuses in a routed location');

$nginx->get('/tight');
$r = $nginx->get('/tight');
problem_is($r, 503, 'overloaded', 'a rate of nginx in a routed location');
is($r->{headers}{'retry-after'}, 1, 'and it says when to come again');

problem_is($nginx->post('/call', 'x' x 1048577), 413, 'too_large',
           'a body that nginx refuses');

problem_is($nginx->post('/call', "zz\r\n", 'Transfer-Encoding' => 'chunked'),
           400, 'invalid', 'a chunked body that is none')
    if !is_http2();

$r = $nginx->post('/metrics', '');
problem_is($r, 405, 'method_not_allowed', 'a method of metrics');

problem_is($nginx->get("/none$_"), 404, 'not_found',
           'where nothing is routed, if told so, what nginx refuses')
    for '', '/of/yours', '/%23?a=b';
problem_is($nginx->get('/none/denied'), 403, 'forbidden', 'and denies');
problem_is($nginx->post('/none/at/all', 'x' x 1000), 404, 'not_found',
           'with a body, too');
problem_is($nginx->post('/none/at/all', 'x' x 1048577), 413, 'too_large',
           'and one that is too large');
is($nginx->get('/none/there')->{body}, "there\n", 'an answer is left alone');
is($nginx->get('/none/page')->{body}, "oops\n", 'as is an error_page');
like($nginx->get('/none/off')->{headers}{'content-type'}, qr{^text/html},
     'and it may be off again');
like($nginx->get('/plain')->{headers}{'content-type'}, qr{^text/html},
     'as it is unless told');

# what is refused before there is a location

for my $bytes (
    "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "nonsense\r\n\r\n", "\0\xff\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\nHost: b\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
) {
    next if is_http2();

    my $http = Warren::HTTP->new(port => $nginx->port_of('PORT_2'));
    my $text = $http->raw($bytes);

    like($text, qr{\r\ncontent-type:\ application/problem\+json\r\n
                   .*:error:(?:invalid|method_not_allowed)"}isx,
         'a request that is none is a problem');
}


# who wins

$r = $nginx->get('/token_page');
is($r->{body}, "oops\n", 'error_page wins over the problem');
is($r->{status}, 401, 'with the status');
like($r->{headers}{'www-authenticate'} // '', qr/^Bearer/,
     'and the header that belongs to it');
is($nginx->get('/token_named')->{body}, "log in\n",
   'a named error_page wins, too');

$r = $nginx->get('/call_page');
is($r->{body}, "oops\n", 'error_page wins over an absent broker');
is($r->{headers}{'retry-after'}, 1, 'with the time to come again');
$r = $nginx->get('/call_named');
is($r->{body}, "log in\n", 'a named one answers in its place');
is($r->{status}, 200, 'with its own status');
is($r->{headers}{'retry-after'}, undef,
   'and nothing is left of what it replaces');

$raw = $nginx->raw("GET /call_call HTTP/1.1\r\nHost: a\r\n"
                   . "Connection: close\r\n\r\n");
like($raw, qr/^HTTP\/1.1 503 /, 'a call in the place of another may fail, too');
is(() = $raw =~ /^retry-after:/img, 1, 'which is told once');

$r = $nginx->get('/any');
is($r->{status}, 200, 'who is admitted otherwise is admitted');
is($r->{body}, "oops\n", 'and gets what was asked for');
problem_is($nginx->get('/any_denied'), 401, 'unauthenticated',
           'who is not, sees why');

$r = $nginx->get('/gone');
is($r->{status}, 410, 'other statuses of nginx are kept');
like($r->{body}, qr/<html>/, 'with its page');
is($nginx->get('/moved')->{status}, 302, 'redirects are kept');

$r = $nginx->get('/plain');
like($r->{body}, qr/<html>/, 'elsewhere nginx has its own pages');
is($r->{headers}{'x-request-id'}, undef, 'and no request id');
is($nginx->get('/')->{body}, "hello\n", 'and its files');


# beside other filters

is($nginx->get('/header')->{headers}{'x-mine'}, 'yes',
   'headers of the configuration are added');
$r = $nginx->get('/zip', 'Accept-Encoding' => 'gzip');
is($r->{headers}{'content-encoding'}, 'gzip', 'a problem may be compressed');
is($r->{status}, 403, 'as nginx does with this status');
is($nginx->get('/call', Range => 'bytes=0-3')->{status}, 503,
   'a problem has no ranges');

my $http = $nginx->http(keep_alive => 1);
for my $path ('/call', '/denied', '/token', '/call') {
    like($http->get($path)->{json}{type}, qr/^urn:warren:error:/,
         "the connection goes on after $path");
}
$http->close();

done_testing();
