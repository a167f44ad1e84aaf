#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Which headers of a request a worker sees, and which of an answer it may set.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::FakeBroker;
use Warren::HTTP2 qw(is_http2);
use Warren::Nginx;
use Warren::Test qw(wait_for slurp spew tempdir);


my $broker = Warren::FakeBroker->new();
my $password = spew(tempdir() . '/password', 'secret', 0644);

my $nginx = Warren::Nginx->new(conf => <<"END")->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    large_client_header_buffers 4 16k;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway\@127.0.0.1:@{[ $broker->port() ]}/;
        password_file $password;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_cors https://shop.example.com;
        gateway_request_header  Accept-Language X-Tenant;
        gateway_response_header X-Served-By Set-Cookie;

        location = /echo { gateway_route GET,POST call echo echo; }
        location = /send { gateway_route POST send echo note; }
        location = /none {
            gateway_request_header off;
            gateway_response_header off;
            gateway_route call echo echo;
        }
        location = /other {
            gateway_request_header User-Agent;
            gateway_route call echo echo;
        }
        location = /packed {
            gzip on;
            gzip_types application/json;
            gzip_min_length 1;
            gateway_response_header Content-Encoding;
            gateway_route call echo echo;
        }
        location = /metrics { gateway_metrics; }
    }
}
END

$broker->accept()->handshake();


# Asks; returns the client and the call.
sub ask {
    my ($path, @lines) = @_;

    my $method = $path eq '/send' ? 'POST' : 'GET';
    my $client = $nginx->http()->open()->send(
        join "\r\n", "$method $path HTTP/1.1", 'Host: a', 'Connection: close',
                     'Content-Length: 0', @lines, '', ''
    );

    return ($client, $broker->expect('basic.publish', 40));
}


# The headers of HTTP in a call, which is answered.
sub seen {
    my ($client, $call) = ask(@_);

    if ($_[0] eq '/send') {
        $broker->ack($call);

    } else {
        $broker->reply($call, 200, '{}');
    }

    $client->answer();

    my $headers = $call->{properties}{headers};

    return { map { /\Ax-http-(.*)/ ? ($1 => $headers->{$_}) : () }
             keys %$headers };
}


# requests

is_deeply(seen('/echo', 'Accept-Language: de', 'X-Tenant: north'),
          { 'accept-language' => 'de', 'x-tenant' => 'north' },
          'headers that are named travel');
is_deeply(seen('/send', 'x-tenant: south'), { 'x-tenant' => 'south' },
          'with commands as well, whatever their case');
is_deeply(seen('/echo', 'X-Secret: a', 'Cookie: b=c', 'X-Tenants: d',
               'Authorization: Basic YTpi'), {}, 'and no others');
is_deeply(seen('/echo', 'X-Tenant:'), { 'x-tenant' => '' },
          'an empty one is empty');
is_deeply(seen('/echo', 'X-Tenant: a', 'X-Other: x', 'X-Tenant: b, c'),
          { 'x-tenant' => 'a, b, c' }, 'several of a name are one list');
is_deeply(seen('/echo', 'x-http-x-tenant: forged', 'x-sub: forged'), {},
          'nobody writes into the message itself');
is_deeply(seen('/none', 'X-Tenant: a'), {}, 'they may be off');
is_deeply(seen('/other', 'X-Tenant: a', 'User-Agent: test'),
          { 'user-agent' => 'test' }, 'or others');

my $long = 'x' x 4094;
is_deeply(seen('/echo', "X-Tenant: $long"), { 'x-tenant' => $long },
          'a long value travels');

# a proxy between refuses what is binary itself
my @binary = is_http2() ? () : ("X-Tenant: a\x01b", "X-Tenant: a\x7f");

for my $bad ("X-Tenant: x$long", "X-Tenant: a\r\nX-Tenant: $long", @binary)
{
    my $text = $nginx->raw("GET /echo HTTP/1.1\r\nHost: a\r\n"
                           . "Connection: close\r\n$bad\r\n\r\n");
    like($text, qr{\AHTTP/1.1 400 }, 'one that is longer, or binary, does not');
    like($text, qr/the header X-Tenant is too long or has control/,
         'and the client is told');
}


# answers

sub answer {
    my ($path, %headers) = @_;

    my ($client, $call) = ask($path, 'Origin: https://shop.example.com');
    $broker->reply($call, 200, '{}', headers => \%headers);

    return $client->answer();
}


my $r = answer('/echo', 'http-x-served-by' => 'one', 'http-etag' => '"a"',
               'http-x-other' => 'no', 'http-set-cookie' => 'a=b; Secure');
is($r->{headers}{'x-served-by'}, 'one', 'a worker may set what is named');
is($r->{headers}{'set-cookie'}, 'a=b; Secure', 'a cookie as well');
is($r->{headers}{etag}, '"a"', 'and what is usual');
is($r->{headers}{'x-other'}, undef, 'but nothing else');
like($r->{headers}{'access-control-expose-headers'},
     qr/X-Request-Id, X-Served-By, Set-Cookie\z/, 'which pages may read');

$r = answer('/none', 'http-x-served-by' => 'one', 'http-link' => '<a>');
is($r->{headers}{'x-served-by'}, undef, 'nothing where it is off');
is($r->{headers}{link}, '<a>', 'but what is usual');

my ($packer, $packed) = ask('/packed', 'Accept-Encoding: gzip');
$broker->reply($packed, 200, 'packed', headers => {
    'http-content-encoding' => 'gzip'
});
my $text = $packer->answer()->{raw};
is(() = $text =~ /^Content-Encoding:/gmi, 1, 'what a worker has packed');
like($text, qr/\r\n\r\npacked\z/, 'is not packed again');

for my $name (qw(content-length transfer-encoding x-accel-redirect connection))
{
    $r = answer('/echo', "http-$name" => '0');
    is($r->{status}, 200, "an answer with $name");
    is($r->{body}, '{}', 'is as it was');
}

$r = answer('/echo', 'http-x-served-by' => "a\r\nSet-Cookie: b=c");
is($r->{status}, 502, 'what would split an answer is refused');
like($nginx->log_text(), qr/headers has control characters/, 'and logged');

$r = $nginx->request('OPTIONS', '/echo', undef,
                     Origin => 'https://shop.example.com',
                     'Access-Control-Request-Method' => 'GET');
like($r->{headers}{'access-control-allow-headers'},
     qr/tracestate, Accept-Language, X-Tenant\z/,
     'pages may send what is named');


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

my %mend = (
    Authorization => qr/is a secret .*use claims/,
    'Proxy-Authorization' => qr/is a secret/,
    Cookie => qr/pass what is needed as "gateway_arg NAME \$cookie_NAME"/,
    Host => qr/is passed as "gateway_arg host \$host"/,
    (map { $_ => qr/travels already/ } qw(Content-Type Idempotency-Key
         X-Request-Id Traceparent tracestate)),
    (map { $_ => qr/is about the connection to nginx/ } qw(Connection TE Expect
         Content-Length Keep-Alive Trailer Transfer-Encoding Upgrade)),
);

my @cases = (
    (map { ["gateway_request_header $_;", $mend{$_}, $_] } sort keys %mend),
    (map { ["gateway_response_header $_;",
            qr/is the gateway's or nginx's own, leave it out/, "$_ of answers"]
     } qw(Content-Length Content-Type Date Server X-Request-Id X-Accel-Expires
          RateLimit-Policy Access-Control-Allow-Origin Proxy-Authenticate)),
    ['gateway_request_header X_Y;',
     qr/invalid name of a header "X_Y", use at most 64 letters/,
     'a name with an underscore'],
    ['gateway_request_header -a;', qr/invalid name of a header "-a"/,
     'one that begins so'],
    ['gateway_request_header ' . 'x' x 65 . ';', qr/invalid name/,
     'a long name'],
    ['gateway_request_header A a;', qr/duplicate header "a"/,
     'a name given twice'],
    ['gateway_response_header A; gateway_response_header B;',
     qr/is duplicate, list all names in one/, 'two directives'],
    ['gateway_request_header ' . join(' ', map { "x$_" } 1 .. 17) . ';',
     qr/names more than 16 headers/, 'more than a worker reads'],
);

for my $case (@cases) {
    my ($line, $expected, $what) = @$case;

    my ($is_valid, $output) = $nginx->test($frame =~ s/LINE/$line/r);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/in \S+test\.conf:5\b/, 'and its place');
}

done_testing();
