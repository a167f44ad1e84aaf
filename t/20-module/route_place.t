#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Routes among nginx's own ways to choose and to change an answer: if,
# limit_except, error_page, redirects, subrequests.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test;


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-place');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));
my $tell = sub {
    my ($call) = @_;
    my $props = $call->{properties};
    my $arg = $props->{headers}{'x-arg-a'} // '-';
    return { body => "[$props->{type} $arg " . length($call->{body}) . ']',
             content_type => 'text/plain' };
};

my $dir = tempdir('html');

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        one => $tell, two => $tell,
        none => sub { return { status => 204, content_type => undef } },
        no => sub { return { status => 403, body => '[no]' } },
        empty => sub { return { status => 200 } },
        slow => sub { return { %{ $tell->(@_) }, delay => 0.2 } },
        seen => sub {
            my ($call) = @_;
            spew("$dir/seen", $call->{body});
            return { body => 'seen', delay => 0.1 };
        },
    },
);

spew("$dir/oops.html", "oops\n");
spew("$dir/page.shtml", 'a<!--# include virtual="/one" -->'
                        . 'b<!--# include virtual="/slow" -->'
                        . 'c<!--# include virtual="/empty" -->'
                        . 'd<!--# include virtual="/nobody" -->e');
spew("$dir/var.shtml", '<!--# include virtual="/one" set="x" -->'
                       . '<!--# echo var="x" encoding="none" -->!');

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret,
        HTML => $dir
    },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%HTML%%;

        location = /one { gateway_route GET,POST call echo one; }
        location = /slow { gateway_route call echo slow; }
        location = /empty { gateway_route call echo empty; }
        location = /nobody { gateway_route call nobody one; }

        location /if {
            gateway_route call echo one;
            gateway_arg a $arg_a;
            set $b 0;

            if ($arg_x) {
                set $b 1;
            }
            if ($arg_y) {
                gateway_route call echo two;
            }
            if ($arg_z) {
                return 204;
            }
        }

        location /except {
            gateway_route GET,POST call echo one;
            gateway_arg a $arg_a;

            limit_except GET {
                allow 127.0.0.1;
                deny all;
            }
        }
        location /denied {
            gateway_route GET,POST call echo one;
            limit_except GET { deny all; }
        }
        location /split {
            gateway_route GET call echo one;
            limit_except GET { gateway_route POST call echo two; }
        }

        location /page {
            gateway_route call nobody one;
            error_page 503 /oops.html;
        }
        location /page_to_call {
            gateway_route call nobody one;
            error_page 503 = /one;
        }
        location /page_keeps {
            gateway_route call nobody one;
            error_page 503 /one;
        }
        location /page_named {
            gateway_route call nobody one;
            error_page 503 = @named;
        }
        location @named { gateway_route call echo two; }
        location /reply_error {
            gateway_route call echo no;
            error_page 403 /oops.html;
        }
        location /rewrite { rewrite ^ /one last; }
        location /outer {
            gateway_arg a outer;
            gateway_timeout 1s;
            gateway_route call echo one;

            location /outer/inner { gateway_route call echo two; }
            location /outer/none { return 200 "plain\n"; }
        }

        location ~ shtml$ { default_type text/html; ssi on; }
        location = /allowed {
            auth_request /none;
            try_files /oops.html =404;
        }
        location = /forbidden {
            auth_request /no;
            try_files /oops.html =404;
        }
        location = /allowed_call {
            auth_request /none;
            gateway_route POST call echo one;
        }
        location = /none { gateway_route GET,POST call echo none; }
        location = /no { gateway_route GET,POST call echo no; }

        location = /mirrored {
            mirror /seen;
            gateway_route POST call echo one;
        }
        location = /seen { internal; gateway_route POST call echo seen; }

        location = /returned { return 403; gateway_route call echo one; }
        location = /text { return 403 "mine\n"; gateway_route call echo one; }
    }
}
END


sub body_is {
    my ($path, $body, $what, @more) = @_;
    my $r = $nginx->request($more[0] // 'GET', $path, $more[1]);
    is($r->{body}, $body, $what) or diag($r->{raw});
    return $r;
}


# if and limit_except

body_is('/if?a=1', '[one 1 0]', 'a route works beside "if"');
body_is('/if?a=1&x=1', '[one 1 0]', 'a route works inside "if"');
body_is('/if?a=1&y=1', '[two 1 0]', '"if" may have a route of its own');
is($nginx->get('/if?z=1')->{status}, 204, '"if" may answer itself');

body_is('/except?a=1', '[one 1 0]', 'a route works beside limit_except');
body_is('/except?a=1', '[one 1 2]', 'a route works inside limit_except',
        'POST', '{}');
is($nginx->get('/denied')->{status}, 200, 'limit_except lets through');

my $r = $nginx->post('/denied', '{}');
is($r->{status}, 403, 'limit_except refuses');
is($r->{json}{type}, 'urn:warren:error:forbidden', 'with a problem');

body_is('/split', '[one - 0]', 'limit_except leaves its methods');
body_is('/split', '[two - 2]', 'limit_except may have a route of its own',
        'POST', '{}');


# error_page and redirects

$r = body_is('/page', "oops\n", 'error_page wins over the problem');
is($r->{status}, 503, 'and keeps the status');
like($r->{headers}{'x-request-id'}, qr/./, 'and the request id');

$r = body_is('/page_to_call', '[one - 0]', 'an error_page may be a call');
is($r->{status}, 200, 'with its status');
$r = body_is('/page_keeps', '[one - 0]', 'it may keep the status');
is($r->{status}, 503, 'which is the first one');
$r = body_is('/page_named', '[two - 0]', 'an error_page may be named');
is($r->{status}, 200, 'with its status');
$r = body_is('/reply_error', '[no]', 'a reply is no error of the gateway');
is($r->{status}, 403, 'and has its own status');

body_is('/rewrite', '[one - 0]', 'a rewrite leads to a route');
body_is('/outer', '[one outer 0]', 'an outer location has its route');
body_is('/outer/inner', '[two outer 0]',
        'an inner one its own, with what it inherits');
body_is('/outer/none', "plain\n", 'routes are not inherited');

$r = $nginx->get('/returned');
is($r->{status}, 403, 'a status of the configuration is kept');
is($r->{json}{type}, 'urn:warren:error:forbidden', 'and told as a problem');
body_is('/text', "mine\n", 'a text of the configuration is kept');


# subrequests

$r = $nginx->get('/page.shtml');
is($r->{status}, 200, 'a page may include calls');
like($r->{body}, qr/^a\[one - 0\]b\[slow - 0\]cd\{.*no_route.*\}e$/,
     'in their places, empty and failed ones too') or diag($r->{raw});
is(() = $r->{raw} =~ /x-request-id/ig, 0,
   'a page that is no route has no request id');
body_is('/var.shtml', '[one - 0]!', 'a call may be read into a variable');

body_is('/allowed', "oops\n", 'a call may admit a request');
body_is('/allowed_call', "[one - $_]", "one with a body of $_ bytes, too",
        'POST', 'x' x $_) for 0, 5, 100_000;
is($nginx->get('/forbidden')->{status}, 403, 'a call may refuse a request');

body_is('/mirrored', '[one - 5]', 'a call may be mirrored', 'POST', 'hello');
ok(wait_for(sub { slurp("$dir/seen") eq 'hello' }, 5, 'the mirrored call'),
   'with its body');

my $http = $nginx->http(keep_alive => 1);
for my $path (qw(/page.shtml /allowed /forbidden /one /page)) {
    like($http->get($path)->{status}, qr/^(?:200|403|503)$/,
         "the connection goes on after $path");
}
$http->close();

my $left = $nginx->http()->open();
$left->send("GET /page.shtml HTTP/1.1\r\nHost: a\r\n\r\n");
$left->close();
is($nginx->get('/page.shtml')->{status}, 200,
   'a client that leaves amid subrequests harms nobody');

done_testing();
