#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tokens at random.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;
use MIME::Base64 qw(encode_base64url);


# a line with the header, then the claims
sub pair { return "$_[0]\n$_[1]" }

my $header = '{"alg":"ES256","kid":"one","typ":"at+jwt"}';

Fuzz::run(
    target => 'jwt_token', libs => ['jansson'], max => 9000,
    sources => [map { "ngx_gateway_module/http/ngx_http_gateway_jwt_$_.c" }
                    qw(claim document token)],
    seeds => {
        sent => join('.', map { encode_base64url($_) } $header,
                     '{"exp":1}', 'x' x 64),
        dots => '..x',
        empty => '',
        usual => pair($header, '{"sub":"anna","aud":["shop","x"],"exp":'
                               . '1700000100,"nbf":1,"iat":1.0,"scope":"a b"}'),
        lists => pair('{"alg":"EdDSA"}',
                      '{"scope":["a","5"],"n":5,"a":[{"b":5}]}'),
        kinds => pair('{"alg":"PS512","typ":"application/JWT"}',
                      '{"sub":true,"n":-5.5e0,"a":{"b":null},"scope":""}'),
        doubled => pair('{"alg":"RS256","alg":"none"}', '{}'),
        escapes => pair('{"alg":"HS384"}', '{"s\u0075b":"\u0000\ud83d\ude00"}'),
        deep => pair($header, '{"a":' . '[' x 7 . ']' x 7 . '}'),
        deeper => pair($header, '{"a":' . '[' x 3000),
        crit => pair('{"alg":"ES384","crit":["b64"],"b64":false}', '{}'),
        times => pair($header, '{"exp":9007199254740992,"nbf":1e300}'),
    },
);

done_testing();
