#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Sets of keys at random.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;
use Warren::JWT;


my $ec = Warren::JWT->ec(kid => 'ec');
my $rsa = Warren::JWT->rsa(kid => 'rsa');
my $ed = Warren::JWT->ed(kid => 'ed');

Fuzz::run(
    target => 'jwt_key', libs => ['jansson', 'crypto'], max => 8192,
    sources => [map { "ngx_gateway_module/http/ngx_http_gateway_jwt_$_.c" }
                    qw(document key signature token)],
    seeds => {
        ec => Warren::JWT::jwks($ec),
        curves => Warren::JWT::jwks(
            Warren::JWT->ec(curve => 'P-384'), Warren::JWT->ec(curve => 'P-521')
        ),
        rsa => Warren::JWT::jwks($rsa->jwk(alg => 'PS256')),
        ed => Warren::JWT::jwks($ed, Warren::JWT->ed(curve => 'Ed448')),
        secret => Warren::JWT::jwks(Warren::JWT->secret(kid => 's')),
        private => Warren::JWT::jwks($ec->jwk(d => 'AQAB')),
        others => Warren::JWT::jwks(
            { kty => 'quantum' }, $ec->jwk(use => 'enc'),
            $ec->jwk(key_ops => ['verify', 1]), $ec->jwk(crv => 'x')
        ),
        exponent => Warren::JWT::jwks($rsa->jwk(e => 'AA')),
        point => Warren::JWT::jwks($ec->jwk(x => $ec->jwk()->{y})),
        pem => $ec->public_pem() . $rsa->public_pem() . $ed->public_pem(),
        'private pem' => $ec->private_pem(),
        half => '{"keys":[{"kty":"EC","crv":"P-256",',
        deep => '{"keys":' . '[' x 3000,
        empty => '{"keys":[]}',
        none => '',
    },
);

done_testing();
