#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What is to go says so in every answer: Deprecation (RFC 9745), Sunset
# (RFC 8594), and where to read more.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(spew tempdir);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-deprecated');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub {
            return { body => '{}', headers => { 'http-link' => '</a>' } };
        },
    },
);

my $nginx = Warren::Nginx->new(conf => <<'END', vars => {
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
        gateway_deprecated 2025-12-31 link=https://example.com/news?a=b;

        location = /old {
            gateway_sunset 2030-06-30T23:59:59Z link=/sunset;
            gateway_route call echo fine;
            gateway_fallback @else no_route;
        }
        location = /moved {
            gateway_sunset @1900000000;
            gateway_route call nobody fine;
            gateway_fallback @else no_route;
        }
        location @else {
            gateway_deprecated off;
            return 200 else;
        }
        location = /new {
            gateway_deprecated off;
            gateway_route call echo fine;
        }
        location = /soon {
            gateway_deprecated @4102444800;
            gateway_route call nobody fine;
        }
        location = /page.html {
            root %%DIR%%;
            set $id $gateway_request_id;
        }
        location = /both {
            gateway_deprecated 2024-01-01;
            proxy_pass http://127.0.0.1:%%PORT%%/old;
        }
        location = /proxied { proxy_pass http://127.0.0.1:%%PORT%%/new; }
    }
}
END
    BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
})->start();

my $r = $nginx->get('/old');
is($r->{status}, 200, 'what is deprecated still answers');
is($r->{headers}{deprecation}, '@1767139200', 'and says since when');
is($r->{headers}{sunset}, 'Sun, 30 Jun 2030 23:59:59 GMT', 'and until when');
my @links = sort split /, /, $r->{headers}{link};
is_deeply(\@links, ['</a>', '</sunset>; rel="sunset"',
                    '<https://example.com/news?a=b>; rel="deprecation"'],
          'and where to read more, beside links of the worker');

$r = $nginx->post('/old', '');
is($r->{status}, 405, 'an error');
is($r->{headers}{deprecation}, '@1767139200', 'says so, too');

$r = $nginx->head('/old');
is($r->{headers}{deprecation}, '@1767139200', 'and HEAD');

$r = $nginx->get('/moved');
is($r->{body}, 'else', 'a fallback');
is($r->{headers}{deprecation}, '@1767139200',
   'says what the place says where the request came in');
is($r->{headers}{sunset}, 'Sun, 17 Mar 2030 17:46:40 GMT',
   'in full');

$r = $nginx->get('/new');
is($r->{headers}{deprecation}, undef, 'what stays says nothing');
is($r->{headers}{sunset}, undef, 'of an end');
is($r->{headers}{link}, '</a>', 'and has its own links');

$r = $nginx->get('/soon');
is($r->{status}, 503, 'one that will be');
is($r->{headers}{deprecation}, '@4102444800', 'says when');
is($nginx->get('/proxied')->{headers}{deprecation}, '@1767139200',
   'it is not for routes alone');

is($nginx->get('/both')->{headers}{deprecation}, '@1767139200',
   'and what proxy_pass brings is not said again');

spew($nginx->dir() . '/page.html', 'page');
$r = $nginx->get('/page.html', Range => 'bytes=9-');
is($r->{status}, 416, 'an answer whose headers are made twice');
is($r->{headers}{deprecation}, '@1767139200', 'says it once');
is($r->{headers}{link}, '<https://example.com/news?a=b>; rel="deprecation"',
   'with one link');
like($r->{headers}{'x-request-id'}, qr/\A[^,]+\z/, 'and one id');


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
    (map {
        ["gateway_deprecated $_;", qr/invalid time "\Q$_\E", write it as 2026/,
         $_]
    } qw(soon 2026-1-1 2026-13-01 2026-02-29 2026-04-31 2026-00-10 2026-01-00
         1969-12-31 2026-01-01T24:00:00Z 2026-01-01T00:60:00Z
         2026-01-01T00:00:00 2026-01-01T00:00:00X @ @x @-1 @253402300800
         1767225600)),
    ['gateway_sunset never;', qr/invalid time "never"/, 'no end'],
    ['gateway_deprecated 2026-01-02; gateway_sunset 2026-01-01;',
     qr/gateway_sunset is before gateway_deprecated of \S+:5, move one/,
     'an end before its beginning'],
    ['gateway_sunset 2026-01-01 href=/a;',
     qr/invalid parameter "href=\/a", there is link=URL/,
     'an unknown parameter'],
    ['gateway_sunset 2026-01-01 link=;', qr/invalid parameter "link="/,
     'an empty link'],
    ['gateway_sunset 2026-01-01 "link=/a b";', qr/invalid URL in "link=\/a b"/,
     'a link with a blank'],
    ['gateway_sunset 2026-01-01 link=/a>b;', qr/invalid URL in/,
     'a link that ends early'],
    ['gateway_sunset off; gateway_sunset off;', qr/is duplicate/,
     'two directives'],
) {
    my ($line, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:5\b/, 'and its place');
}

for my $line ('gateway_deprecated 2024-02-29;', 'gateway_sunset @0;',
              'gateway_deprecated 2026-01-01; gateway_sunset 2026-01-01;')
{
    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok($is_valid, "$line is valid") or diag($output);
}

done_testing();
