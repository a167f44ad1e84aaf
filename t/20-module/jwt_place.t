#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Where a token is looked for, and that a cookie is not taken from requests
# that another site may have sent.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::HTTP2 qw(is_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $key = Warren::JWT->ec(kid => 'key');
my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_jwt_key_file keys.json;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt on;
        add_header X-Sub "$gateway_jwt_sub" always;
        add_header X-Error "$gateway_jwt_error" always;

        location = /header { }
        location = /bearer { gateway_jwt_token bearer; }
        location = /cookie { gateway_jwt_token cookie=session; }
        location = /listed {
            gateway_jwt_token cookie=session origin=https://app.example.com
                              origin=http://localhost:3000;
        }
        location = /both { gateway_jwt_token bearer cookie=session; }
        location = /variable { gateway_jwt_token $arg_token; }
        location = /optional {
            gateway_jwt optional;
            gateway_jwt_token cookie=session;
        }
        location = /any {
            satisfy any;
            allow 127.0.0.1;
            deny all;
            gateway_jwt_token cookie=session;
        }
        %%MORE%%
    }
}
END

my $nginx = Warren::Nginx->new(conf => $frame, vars => { MORE => '' });
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(header bearer cookie listed both variable optional any);
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

my $anna = $key->token({ sub => 'anna' });
my $bob = $key->token({ sub => 'bob' });
my @bearer = Warren::JWT::bearer($anna);
my $host = 'localhost';


sub told {
    my ($method, $path, @headers) = @_;

    my $answer = $nginx->request($method, $path, undef, @headers);
    my $status = $answer->{status};

    # a file that is there is not for POST, which is found out after admission
    $status = 200 if $status == 405;

    return join ' ', grep { length } $status,
                $answer->{headers}{'x-sub'} // '',
                $answer->{headers}{'x-error'} // '';
}

sub got { return told('GET', @_) }


# places

is(got('/header', @bearer), '200 anna', 'a token is in a header');
is(got('/bearer', @bearer), '200 anna', 'which can be said');
is(got('/header', cookie => "session=$anna"), '401', 'a cookie is not taken');
is(got('/cookie', cookie => "session=$anna"), '200 anna',
   'where a cookie is named it is');
is(got('/cookie', @bearer), '401', 'and the header is not');
is(got('/both', cookie => "session=$anna"), '200 anna', 'of two places');
is(got('/both', cookie => "session=$bob", @bearer), '200 anna',
   'the first that has one counts');
is(got('/both', cookie => "session=$bob", authorization => 'Basic YTpi'),
   '200 bob', 'another scheme is none');
is(got('/both', cookie => "session=$anna", authorization => 'Bearer x'),
   '401 the token has not three segments',
   'a bad one is not made good by the next');
is(got("/variable?token=$anna"), '200 anna', 'a variable may have it');
is(got('/variable?token='), '401', 'an empty one has none');
is(got('/variable', @bearer), '401', 'nor has one that is not there');


# cookies

is(got('/cookie', cookie => "a=b; session=$anna; c=d"), '200 anna',
   'among others');
is(got('/cookie', cookie => "a=b;session=$anna;c"), '200 anna',
   'without blanks');
is(got('/cookie', cookie => "session=\"$anna\""), '200 anna', 'in quotes');
is(got('/cookie', cookie => 'a=b', cookie => "session=$anna"), '200 anna',
   'in a second header');
is(got('/cookie', cookie => "xsession=$anna"), '401',
   'a longer name is another');
is(got('/cookie', cookie => "Session=$anna"), '401', 'names have case');
is(got('/cookie', cookie => "session =$anna"), '401', 'and no blanks');
is(got('/cookie', cookie => "x=session=$anna"), '401',
   'a value is not a name');
is(got('/cookie', cookie => 'session'), '401', 'a name alone is none');
is(got('/cookie', cookie => 'session='), '401', 'an empty one is none');
is(got('/cookie', cookie => 'session=""'), '401', 'nor are two quotes');
is(got('/cookie', cookie => 'session="'),
   '401 the token has not three segments', 'one quote is no token');
is(got('/cookie', cookie => "session=$anna; session=$bob"),
   '401 there are several cookies of that name',
   'a cookie that is there twice is refused');
is(got('/cookie', cookie => "session=$anna", cookie => "session=$bob"),
   '401 there are several cookies of that name', 'in two headers as well');
is(got('/optional', cookie => 'session='), '200',
   'an emptied cookie passes where a token is optional');
is(got('/optional', cookie => 'session=x'),
   '401 the token has not three segments', 'a bad one does not');


# other sites

my @cookie = (cookie => "session=$anna");
my $elsewhere = '403 the cookie may have been sent by another site';

sub posted { return told('POST', @_) }

is(posted('/cookie', @cookie), $elsewhere,
   'a POST of which nobody knows whence is refused');
is(posted('/cookie', @cookie, origin => "http://$host"), '200 anna',
   'one of a page of this host is not');
is(posted('/cookie', @cookie, origin => "https://$host"), '200 anna',
   'also where TLS ends before');
is(posted('/cookie', @cookie, origin => "HTTP://$host"), '200 anna',
   'without regard to case');

for my $origin ('http://evil.example.com', "http://$host.evil.example.com",
                "http://evil.example.com/$host", "http://x$host", 'null', '',
                'http://', "ftp://$host", 'http://127.0.0.1', "$host",
                "http://$host/", "http://user\@$host")
{
    is(posted('/cookie', @cookie, origin => $origin), $elsewhere,
       "the origin \"$origin\" is another");
}

is(posted('/cookie', @cookie, origin => 'http://evil.example.com',
          'sec-fetch-site' => 'same-origin'), $elsewhere,
   'the origin comes first');
is(posted('/cookie', @cookie, origin => "http://$host",
          origin => 'http://evil.example.com'), $elsewhere,
   'two origins are none');
is(posted('/cookie', @cookie, 'sec-fetch-site' => 'same-origin'), '200 anna',
   'a browser that says same-origin is believed');
is(posted('/cookie', @cookie, 'sec-fetch-site' => $_), $elsewhere,
   "one that says $_ is refused") for qw(cross-site same-site none);

is(told($_, '/cookie', @cookie), $elsewhere, "$_ is refused like POST")
    for qw(PUT PATCH DELETE), is_http2() ? () : 'FOO';
is(told('HEAD', '/cookie', @cookie), '200 anna', 'HEAD changes nothing');

# nothing is upgraded over HTTP/2
if (!is_http2()) {
    my @socket = (@cookie, upgrade => 'websocket', connection => 'upgrade');

    is(got('/cookie', @socket, origin => 'http://evil.example.com'),
       $elsewhere, 'a WebSocket of another site is refused');
    is(got('/cookie', @socket, origin => "http://$host"), '200 anna',
       'one of this site is not');
}

is(posted('/listed', @cookie, origin => 'https://app.example.com'),
   '200 anna', 'an origin that is listed is taken');
is(posted('/listed', @cookie, origin => 'http://localhost:3000'),
   '200 anna', 'with its port');
is(posted('/listed', @cookie, origin => 'http://app.example.com'),
   $elsewhere, 'not with another scheme');
is(posted('/listed', @cookie, origin => 'https://app.example.com.evil.org'),
   $elsewhere, 'nor with more behind it');
is(posted('/listed', @cookie, origin => "http://$host"), '200 anna',
   'and this host still is');

is(posted('/both', @bearer), '200 anna', 'a header needs no origin');
is(posted('/both', @bearer, origin => 'http://evil.example.com'),
   '200 anna', 'no browser sends it by itself');
is(posted('/optional', @cookie), $elsewhere,
   'a cookie from elsewhere is refused where it is optional, too');

my $answer = $nginx->request('POST', '/cookie', undef, @cookie);
is($answer->{json}{type}, 'urn:warren:error:forbidden', 'it is a problem');
is($answer->{headers}{'www-authenticate'}, undef, 'no token is asked for');
$answer = $nginx->request('POST', '/any', undef, @cookie);
is($answer->{status}, 405, 'satisfy any: an address opens all the same');
is($answer->{headers}{'x-sub'} // '', '', 'without claims');


# HTTP/2: each cookie in a header of its own

my $port = $nginx->port_of('PORT_1');

sub h2 {
    my (@arguments) = @_;

    my (undef, $text) = run_command([
        'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 10,
        @arguments, "http://127.0.0.1:$port/cookie"
    ]);
    return $text;
}

like(h2('-H', "Cookie: a=b; session=$anna"), qr/\AHTTP\/2 200.*x-sub: anna/s,
     'HTTP/2: a cookie is found');
like(h2('-H', "Cookie: session=$anna", '-X', 'POST'), qr/\AHTTP\/2 403/,
     'HTTP/2: a POST without an origin is refused');
like(h2('-H', "Cookie: session=$anna", '-X', 'POST', '-H',
        "Origin: http://127.0.0.1:$port"), qr/\AHTTP\/2 405.*x-sub: anna/s,
     'HTTP/2: one with this host as origin is not');


# what nginx -t refuses

sub is_refused {
    my ($text, $pattern, $name) = @_;

    $nginx->{vars}{MORE} = "location = /x { gateway_jwt_token $text; }";
    my ($is_valid, $output) = $nginx->test($frame);
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and the mend is told');
}

is_refused('header', qr/"header" is no place of a token, it must be bearer/,
           'an unknown place');
is_refused('cookie=', qr/"cookie=" is no place/, 'a cookie without a name');
is_refused('"cookie=a b"', qr/a name that cookies cannot have/,
           'a cookie with a blank');
is_refused('$cookie_session', qr/must name a cookie as cookie=NAME/,
           'a cookie as a variable');
is_refused('$http_cookie', qr/must name a cookie as cookie=NAME/,
           'all cookies as a variable');
is_refused('$gateway_jwt_sub', qr/cannot take the token from the token/,
           'a claim');
is_refused('$nope', qr/unknown "nope" variable/, 'an unknown variable');
is_refused('origin=https://a.example.com', qr/names no place/,
           'an origin alone');
is_refused('bearer origin=https://a.example.com',
           qr/has an origin without a cookie/, 'an origin without a cookie');
is_refused("cookie=s origin=$_", qr/invalid origin "\Q$_\E", write it as/,
           "the origin $_")
    for qw(a.example.com https:// https://a.example.com/ https://*.example.com);
is_refused('cookie=a; gateway_jwt_token bearer', qr/is duplicate, name all/,
           'a second directive');

done_testing();
