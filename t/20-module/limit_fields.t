#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Every answer of a limited location tells of the limits, whoever made it.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command free_port);


my $key = Warren::JWT->ec(kid => 'key');
my $secret = spew(tempdir() . '/secret', "guest\n");
my $nobody = free_port();

my $nginx = Warren::Nginx->new(vars => { NOBODY => $nobody }, conf => <<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%

    gateway_broker shop {
        url amqp://guest\@127.0.0.1:%%NOBODY%%/;
        password_file $secret;
        connect_timeout 100ms;
    }

    gateway_limit_zone \$arg_k zone=all:1m rate=1r/m burst=99;
    gateway_limit_zone \$gateway_jwt_sub zone=person:1m rate=1r/m burst=9;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt_key_file keys.json;
        gateway_limit zone=all;

        location / { }
        location = /proxied { proxy_pass http://127.0.0.1:%%PORT_2%%; }
        location = /down { proxy_pass http://127.0.0.1:%%NOBODY%%; }
        location = /small {
            client_max_body_size 10;
            gateway_max_body 10;
            gateway_route POST call orders create_order;
        }
        location = /route { gateway_route call orders get_order; }
        location = /person {
            gateway_jwt on;
            gateway_limit zone=all;
            gateway_limit zone=person;
        }
        location = /returned { return 204; }
        location = /moved { return 301 /page; }
        location = /paged { error_page 404 /page; }
        location = /free { gateway_limit off; }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / {
            add_header RateLimit '"theirs";r=1';
            return 200 "proxied\\n";
        }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
mkdir "$dir/html/folder";
spew("$dir/html/$_", "the page\n") for qw(page free person);
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

my $policy = '"all";q=100;w=6000';
my $fields = qr/\A(?:"theirs";r=1, )?"all";r=99;t=\d+\z/;
my $count = 0;

# Each answer has the policy; and, with a key of its own, that one is spent.
sub told {
    my ($what, $status, $method, $path, $body, @headers) = @_;

    $path .= '?k=' . ++$count;
    my $answer = $nginx->request($method, $path, $body, @headers);
    is($answer->{status}, $status, "$what is answered $status");
    is($answer->{headers}{'ratelimit-policy'}, $policy, 'with the policy');
    like($answer->{headers}{ratelimit} // '', $fields,
         'and what is left');
}

told('a file', 200, 'GET', '/page');
told('a HEAD of a file', 200, 'HEAD', '/page');
told('a file that is not there', 404, 'GET', '/missing');
told('a folder', 301, 'GET', '/folder');
told('a folder that may not be listed', 403, 'GET', '/folder/');
told('a method that files do not know', 405, 'POST', '/page', 'x');
told('a part of a file', 206, 'GET', '/page', undef, range => 'bytes=0-2');
told('a range beyond a file', 416, 'GET', '/page', undef,
     range => 'bytes=100-200');
told('a file that has not changed', 304, 'GET', '/page', undef,
     'if-modified-since' => $nginx->get('/page?k=x')->{headers}
                                  {'last-modified'});
told('a proxied answer', 200, 'GET', '/proxied');
told('a proxy to nobody', 502, 'GET', '/down');
told('an error page', 404, 'GET', '/paged');
told('a route to an absent broker', 503, 'GET', '/route');
told('a method that a route has not', 405, 'DELETE', '/route');
told('OPTIONS of a route', 204, 'OPTIONS', '/route');

my $answer = $nginx->get('/person?k=bad', Warren::JWT::bearer('a.b.c'));
is($answer->{status}, 401, 'a bad token is answered 401');
is($answer->{headers}{'ratelimit-policy'},
   "$policy, \"person\";q=10;w=600", 'with the policies');
like($answer->{headers}{ratelimit}, qr/\A"all";r=99;t=\d+\z/,
     'and what is left of the zone that needs no token');


# answers that come before anything is charged have the policy alone

sub policy_only {
    my ($what, $status, @request) = @_;

    my $answer = $nginx->request(@request);
    is($answer->{status}, $status, "$what is answered $status");
    is($answer->{headers}{'ratelimit-policy'}, $policy, 'with the policy');
    ok(!exists $answer->{headers}{ratelimit}, 'and is not charged');
}

policy_only('an empty key', 200, 'GET', '/page');
policy_only('return', 204, 'GET', '/returned?k=1');
policy_only('a redirect by return', 301, 'GET', '/moved?k=1');
policy_only('a body that is too large', 413, 'POST', '/small?k=1', 'x' x 11);

$answer = $nginx->get('/free?k=1');
ok(!exists $answer->{headers}{'ratelimit-policy'}
   && !exists $answer->{headers}{ratelimit},
   'where nothing is limited there is no field');


# HTTP/2

for my $case (['a file', 200, '/page'], ['a file that is not there', 404, '/x'],
              ['a proxy to nobody', 502, '/down'])
{
    my ($what, $status, $path) = @$case;

    my (undef, $text) = run_command([
        'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 30,
        'http://127.0.0.1:' . $nginx->port_of('PORT_1') . "$path?k=h2$path"
    ]);
    like($text, qr/\AHTTP\/2 $status /, "over HTTP/2 $what is answered too");
    like($text, qr/^ratelimit-policy: \Q$policy\E\r$/m, 'with the policy');
    like($text, qr/^ratelimit: "all";r=99;t=\d+\r$/m, 'and what is left');
}

done_testing();
