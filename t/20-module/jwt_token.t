#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What is read as a token, and what is not: each way to cheat by its name.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;

use Warren::HTTP;
use Warren::HTTP2 qw(is_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $ec = Warren::JWT->ec(kid => 'ec-1');
my $rsa = Warren::JWT->rsa(kid => 'rsa-1');
my $secret = Warren::JWT->secret(kid => 'secret-1');
my $stranger = Warren::JWT->ec(kid => 'ec-1');

my $nginx = Warren::Nginx->new(conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    large_client_header_buffers 4 16k;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;

        gateway_jwt_key_file %%DIR%%/keys.json;
        add_header X-Sub "[$gateway_jwt_sub]" always;
        add_header X-Error "[$gateway_jwt_error]" always;

        location = /on { gateway_jwt on; }
        location = /any {
            gateway_jwt on;
            gateway_jwt_key_file %%DIR%%/all.json;
            gateway_jwt_algorithms ES256 RS256 HS256;
        }
        location = /hmac {
            gateway_jwt on;
            gateway_jwt_key_file %%DIR%%/all.json;
            gateway_jwt_algorithms HS256;
        }
        location = /optional { gateway_jwt optional; }
        location = /off { }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(on any hmac optional off);
spew("$dir/keys.json", Warren::JWT::jwks($ec, $rsa));
spew("$dir/all.json", Warren::JWT::jwks($ec, $rsa, $secret));
$nginx->start();


# status, and what the location says of subject and error
sub ask {
    my ($path, @headers) = @_;

    my $answer = $nginx->get($path, @headers);
    return join ' ', map { $_ // '' } $answer->{status},
                     @{ $answer->{headers} }{qw(x-sub x-error)};
}

sub ask_with {
    my ($path, $token) = @_;
    return ask($path, authorization => "Bearer $token");
}

sub is_refused {
    my ($token, $reason, $name, $path) = @_;
    is(ask_with($path // '/on', $token), "401 [] [$reason]", $name);
}

sub is_accepted {
    my ($token, $name, $path) = @_;
    is(ask_with($path // '/on', $token), '200 [anna] []', $name);
}

my %anna = (sub => 'anna');
my $good = $ec->token(\%anna);
my ($head, $body, $sig) = split /\./, $good;


is_accepted($good, 'a token of ES256 is accepted');
is_accepted($rsa->token(\%anna), 'a token of RS256 is accepted');
is_accepted($secret->token(\%anna), 'a token of HS256 is accepted where it is '
            . 'named', '/hmac');
is_accepted($ec->token(\%anna, kid => undef), 'without a kid the keys that '
            . 'fit are tried');
is_accepted($ec->token(\%anna, typ => undef), 'without a type it is a token');
is_accepted($ec->token(\%anna, typ => $_), "a token of the type $_ is accepted")
    for 'at+jwt', 'AT+JWT', 'jwt', 'application/at+jwt';

is(ask('/on', authorization => "bEaReR   $good"), '200 [anna] []',
   'the scheme has no case, and may be followed by several blanks');
is(ask('/off', authorization => "Bearer $good"), '200 [] []',
   'claims are empty where tokens are off, however good the token is');


# no token, or nearly none

is(ask('/on'), '401 [] []', 'no token is refused without naming an error');
is(ask('/on', authorization => 'X'), '401 [] []', 'one letter is no token');
is(ask('/on', authorization => 'Basic YTpi'), '401 [] []',
   'another scheme is no token');
is(ask('/on', authorization => "Bearer$good"), '401 [] []',
   'the scheme must be followed by a blank');
is(ask('/on', authorization => 'Bearer'), '401 [] [the token is empty]',
   'the scheme alone is an empty token');
is(ask('/on', authorization => 'Bearer '), '401 [] [the token is empty]',
   'the scheme and a blank are an empty token');

my $twice = $nginx->get('/on', authorization => "Bearer $good",
                        authorization => "Bearer $good");
like($twice->{status}, qr/\A40[01]\z/, 'two Authorization headers are refused');

is(ask('/optional'), '200 [] []', 'no token passes where it is optional');
is(ask('/optional', authorization => 'Basic YTpi'), '200 [] []',
   'another scheme passes where a token is optional');
is(ask_with('/optional', $good), '200 [anna] []',
   'an optional token gives claims');
like(ask_with('/optional', "$head.$body.AAAA"), qr/\A401 /,
     'a bad token is refused even where it is optional');


# challenges

my $answer = $nginx->get('/on');
is($answer->{headers}{'www-authenticate'}, 'Bearer realm="gateway"',
   'who sends no token is asked for one');
$answer = $nginx->get('/on', authorization => 'Bearer x');
is($answer->{headers}{'www-authenticate'}, 'Bearer realm="gateway", '
   . 'error="invalid_token", '
   . 'error_description="the token has not three segments"',
   'who sends a bad token is told what is wrong');
unlike($answer->{raw}, qr/\r\nAuthorization/i, 'the token is not sent back');


# segments and base64url

my $segments = 'the token has not three segments';
is_refused('x', $segments, 'one segment is refused');
is_refused("$head.$body", $segments, 'two segments are refused');
is_refused("$good.", $segments, 'a fourth, empty segment is refused');
is_refused("$good.$sig", $segments, 'four segments are refused');
is_refused("$good.$head.$body", $segments, 'five segments are refused');

my $empty = 'a segment of the token is empty';
is_refused("$head.$body.", $empty, 'a token without a signature is refused');
is_refused("$head..$sig", $empty, 'a token without claims is refused');
is_refused(".$body.$sig", $empty, 'a token without a header is refused');
is_refused('..x', $empty, 'two dots and a letter are refused');
is_refused('..', $empty, 'two dots are refused');

my $invalid = 'the header of the token is not valid';
my $not_base64 = 'the signature of the token is not base64url';
is_refused("$head=.$body.$sig", $invalid, 'padding of the header is refused');
is_refused("$head.$body.$sig==", $not_base64,
           'padding of the signature is refused');
is_refused("!$head.$body.$sig", $invalid, 'a foreign letter is refused');
is_refused("$head.$body.$sig\t", $not_base64, 'a tab at the end is refused')
    if !is_http2();
is_refused("$head.$body. $sig", $not_base64, 'a blank inside is refused');
is_refused("$head.$body.$sig" . 'AAA', $not_base64,
           'a signature of an impossible length is refused');

my $standard = $sig;
$standard =~ tr{-_}{+/};
$standard .= '+' if $standard eq $sig;
is_refused("$head.$body.$standard", $not_base64,
           'the ordinary alphabet of base64 is refused');

# 64 bytes leave four bits over in the last letter
my $last = substr $sig, -1;
my $alphabet = join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-', '_';
my $other = substr $alphabet, index($alphabet, $last) + 1, 1;
is_refused("$head.$body." . substr($sig, 0, -1) . $other, $not_base64,
           'a second spelling of the same signature is refused');


# sizes

is_accepted($ec->token({ %anna, pad => 'x' x 5400 }),
            'a token of nearly 8 kB is accepted');
is_refused($ec->token({ %anna, pad => 'x' x 6100 }), 'the token is too long',
           'a token of more than 8 kB is refused');
is_refused($ec->token(\%anna, pad => 'x' x 1024), $invalid,
           'a header of more than 1 kB is refused');
is_refused($ec->token(\%anna, kid => 'k' x 900), 'no key fits the token',
           'a huge kid finds no key');


# the algorithm

my $unsupported = 'the algorithm of the token is not supported';

for my $name (qw(none None NONE nOnE es256 eddsa ES256K), 'ES256 ', '') {
    is_refused($ec->token(\%anna, alg => $name), $unsupported,
               "the algorithm \"$name\" is refused");
}

my $none = encode_base64url('{"alg":"none"}');
is_refused("$none.$body.", $empty, 'an unsigned token is refused');
is_refused("$none.$body.$sig", $unsupported,
           'an unsigned token with a signature is refused');
is_accepted($good, 'tokens are verified still after one with alg=none');
is_refused($stranger->token(\%anna), 'the signature of the token is wrong',
           'a forged token is refused still after one with alg=none');

is_refused($ec->token(\%anna, alg => undef), 'the token names no algorithm',
           'a token without an algorithm is refused');
is_refused($ec->token(\%anna, alg => ['ES256']),
           'the token names no algorithm',
           'an algorithm that is a list is refused');
is_refused($ec->token(\%anna, alg => "ES256\0"), $invalid,
           'a zero byte after the algorithm is refused');

# the well-known confusion: the public key as secret of an HMAC

my $not_allowed = 'the algorithm of the token is not allowed here';

for my $pem ($rsa->public_pem(), $ec->public_pem()) {
    my $forger = Warren::JWT->secret(bytes => $pem, kid => 'rsa-1');

    is_refused($forger->token(\%anna), $not_allowed,
               'HS256 with the public key as secret is refused');
    is_refused($forger->token(\%anna), 'no key fits the token',
               'so it is where HS256 is allowed, with its kid', '/any');
    is_refused($forger->token(\%anna, kid => undef),
               'the signature of the token is wrong',
               'so it is where HS256 is allowed, without a kid', '/any');
}

is_refused($rsa->token(\%anna, kid => 'ec-1'), 'no key fits the token',
           'RS256 with the kid of an EC key is refused');
is_refused($ec->token(\%anna, alg => 'RS256'), 'no key fits the token',
           'a token of an EC key that claims RS256 is refused');
is_refused($ec->token(\%anna, alg => 'RS256', kid => 'rsa-1'),
           'the signature of the token is wrong',
           'the same with the kid of the RSA key is refused');
is_refused($good, $not_allowed, 'an algorithm the location does not name is '
           . 'refused', '/hmac');


# signatures

my $wrong = 'the signature of the token is wrong';
my $der = $ec->signature_der("$head.$body");
is_refused("$head.$body." . encode_base64url($der), $wrong,
           'a signature in DER is refused');
is_refused("$head.$body." . encode_base64url("\0" x 64), $wrong,
           'a signature of zeros is refused');
is_refused("$head.$body." . encode_base64url("\0" . decode_base64url($sig)),
           $wrong, 'a signature of 65 bytes is refused');
is_refused("$head.$body." . encode_base64url(substr decode_base64url($sig), 1),
           $wrong, 'a signature of 63 bytes is refused');
is_refused("$head.$body." . encode_base64url("\0" x 1100), $not_base64,
           'a huge signature is refused');
is_refused("$head." . encode_base64url('{"sub":"root"}') . ".$sig", $wrong,
           'other claims with the same signature are refused');
is_refused($ec->token(\%anna, kid => 'ec-2'), 'no key fits the token',
           'an unknown kid is refused');


# the header

is_refused($ec->token(\%anna, crit => ['b64'], b64 => JSON::PP::false()),
           'the token demands an extension (crit)', 'crit is refused');
is_refused($ec->token(\%anna, crit => []),
           'the token demands an extension (crit)', 'an empty crit is refused');

my $typ = 'the type of the token is not accepted here';
is_refused($ec->token(\%anna, typ => $_), $typ, "the type \"$_\" is refused")
    for 'JWS', 'dpop+jwt', 'JWT ', 'application/application/jwt', '';
is_refused($ec->token(\%anna, typ => 1),
           'the type of the token is not a string',
           'a type that is no string is refused');
is_refused($ec->token(\%anna, kid => 7),
           'the kid of the token is not a string',
           'a kid that is no string is refused');

my $claims = '{"sub":"anna","exp":9999999999}';
is_refused($ec->token_of('{"alg":"ES256","alg":"ES256"}', $claims), $invalid,
           'a header with a member twice is refused');
is_refused($ec->token_of('["ES256"]', $claims), $invalid,
           'a header that is a list is refused');
is_refused($ec->token_of('{"alg":"ES256"} {}', $claims), $invalid,
           'anything after the header is refused');
is_refused($ec->token_of("{'alg':'ES256'}", $claims), $invalid,
           'a header that is not JSON is refused');


# the claims

sub signed { return $ec->token_of('{"alg":"ES256"}', $_[0]) }

my $bad_claims = 'the claims of the token are not valid';
my %bad = (
    'claims with a member twice' => '{"sub":"anna","sub":"root","exp":9e9}',
    'claims with a hidden double'
        => '{"sub":"anna","s\u0075b":"root","exp":9999999999}',
    'claims that are a list' => '["anna"]',
    'claims that are a string' => '"anna"',
    'claims with a zero byte' => '{"sub":"admin\u0000x","exp":9999999999}',
    'claims with a raw control character'
        => "{\"sub\":\"anna\n\",\"exp\":9999999999}",
    'claims that are not UTF-8' => "{\"sub\":\"\xff\",\"exp\":9999999999}",
    'claims with a lone surrogate' => '{"sub":"\ud800","exp":9999999999}',
    'claims with text after them' => "$claims x",
    'claims that are cut short' => '{"sub":"anna","exp":9999999999',
    'claims with a comma too many' => '{"sub":"anna","exp":9999999999,}',
    'an exp beyond 64 bits' => '{"sub":"anna","exp":99999999999999999999}',
    'an exp beyond any number' => '{"sub":"anna","exp":1e999}',
    'an exp with a leading zero' => '{"sub":"anna","exp":09999999999}',
    'claims nine levels deep'
        => '{"exp":9999999999,"a":' . '[' x 8 . ']' x 8 . '}',
    'claims thousands of levels deep'
        => '{"exp":9999999999,"a":' . '[' x 2900 . ']' x 2900 . '}',
    'claims with 65 members'
        => '{"exp":9999999999,' . join(',', map { "\"m$_\":1" } 1 .. 64) . '}',
    'claims with thousands of values'
        => '{"exp":9999999999,"a":[' . join(',', (1) x 1100) . ']}',
);

is_refused(signed($bad{$_}), $bad_claims, "$_ are refused") for sort keys %bad;

is_accepted(signed('{"sub":"anna","exp":9999999999,"a":' . '[' x 7 . ']' x 7
                   . '}'), 'claims eight levels deep are accepted');
is_accepted(signed('{"sub":"anna","exp":9999999999,'
                   . join(',', map { "\"m$_\":1" } 1 .. 62) . '}'),
            'claims with 64 members are accepted');


# times

is_refused(signed('{"sub":"anna"}'), 'the token has no exp',
           'a token that never expires is refused');

for my $bad ('"9999999999"', '9999999999.5', '9007199254740992', '1e300',
             '-1e300', 'null', 'true', '[9999999999]', '{}',
             '9223372036854775807')
{
    is_refused(signed("{\"sub\":\"anna\",\"exp\":$bad}"), 'exp is not a time',
               "an exp of $bad is refused");
    is_refused(signed("{\"sub\":\"anna\",\"exp\":9999999999,\"nbf\":$bad}"),
               'nbf is not a time', "an nbf of $bad is refused");
    is_refused(signed("{\"sub\":\"anna\",\"exp\":9999999999,\"iat\":$bad}"),
               'iat is not a time', "an iat of $bad is refused");
}

is_accepted(signed('{"sub":"anna","exp":9.999999999e9}'),
            'an exp that is written as a real but is whole is accepted');
is_accepted(signed('{"sub":"anna","exp":9007199254740991}'),
            'the last exact number is an exp');
is_refused(signed('{"sub":"anna","exp":-1}'), 'the token has expired',
           'a negative exp is long past');


# what claims do outside

my $evil = $ec->token({ sub => "anna\r\nX-Admin: 1" });
my $split = $nginx->get('/on', authorization => "Bearer $evil");
is($split->{status}, 200, 'a subject with a line break is a subject');
is($split->{headers}{'x-admin'}, undef, 'it does not split the answer');
is($split->{headers}{'x-sub'}, '[]', 'its variable is empty');

is(ask_with('/on', $ec->token({ sub => 42 })), '200 [42] []',
   'a number is a variable');
is(ask_with('/on', $ec->token({ sub => ['a', 'b'] })), '200 [a b] []',
   'a list of strings is joined by blanks');
is(ask_with('/on', $ec->token({ sub => ['a', 'b c'] })), '200 [] []',
   'a list with a blank in an element has no variable');
is(ask_with('/on', $ec->token({ sub => ['a', 1] })), '200 [] []',
   'a mixed list has no variable');
is(ask_with('/on', $ec->token({ sub => {} })), '200 [] []',
   'an object has no variable');
is(ask_with('/on', $ec->token({})), '200 [] []',
   'a token may do without a subject');


# what is told

my $log = $nginx->log_text();
like($log, qr/\[info\].*token refused: the token has expired/,
     'the reason is logged');
# nginx itself logs a header that it refuses
my @lines = grep { !/client sent duplicate header line/ } split /\n/, $log;
is(scalar(grep { /[\w-]{20,}\.[\w-]{20,}\./ } @lines), 0,
   'no token is in the log');

done_testing();
