#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Files of keys: what nginx -t takes, what it refuses, and what it says.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $ec = Warren::JWT->ec(kid => 'ec-1');
my $rsa = Warren::JWT->rsa(kid => 'rsa-1');
my $secret = Warren::JWT->secret(kid => 'secret-1');

my $nginx = Warren::Nginx->new(conf => conf(''));
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/page", "the page\n");


sub conf {
    my ($directives) = @_;

    return <<"END";
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt on;
        $directives
        add_header X-Error "\$gateway_jwt_error" always;
    }
}
END
}

# nginx -t with that file of keys
sub check {
    my ($text, $more) = @_;

    spew("$dir/keys", $text);
    return $nginx->test(conf("gateway_jwt_key_file keys; " . ($more // '')));
}

sub is_taken {
    my ($text, $name, $more) = @_;

    my ($is_valid, $output) = check($text, $more);
    ok($is_valid, "$name is taken") or diag($output);
}

sub is_refused {
    my ($text, $pattern, $name, $more) = @_;

    my ($is_valid, $output) = check($text, $more);
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and the mend is told');
}


# a public key of a kind that no token is signed with
sub dsa {
    Warren::JWT::openssl('genpkey', '-genparam', '-algorithm', 'DSA',
                         '-pkeyopt', 'dsa_paramgen_bits:1024', '-out',
                         "$dir/dsa.param");
    Warren::JWT::openssl('genpkey', '-paramfile', "$dir/dsa.param", '-out',
                         "$dir/dsa.pem");
    Warren::JWT::openssl('pkey', '-in', "$dir/dsa.pem", '-pubout', '-out',
                         "$dir/dsa.pub");
    return "$dir/dsa.pub";
}


# sets

is_taken(Warren::JWT::jwks($ec, $rsa), 'a set of two public keys');
is_taken("\n\t {\"keys\": [" . JSON::PP::encode_json($ec->jwk()) . "]}\n",
         'a set with blanks around it');
is_taken(Warren::JWT::jwks($ec->jwk(use => undef)), 'a key without a use');
is_taken(Warren::JWT::jwks($ec->jwk(key_ops => ['verify'])),
         'a key that is there to verify');
is_taken(Warren::JWT::jwks($ec, { kty => 'OKP', crv => 'X25519', x => 'AA' },
                           { kty => 'quantum' }), 'a set with unknown kinds');

my $none = qr/holds no key that can be used.*test\.conf:9$/m;
is_refused('{"keys":[]}', $none, 'an empty set');
is_refused(Warren::JWT::jwks({ kty => 'quantum' }), $none,
           'a set of unknown kinds only');
is_refused(Warren::JWT::jwks($ec->jwk(use => 'enc')), $none,
           'a key to encrypt with');
is_refused(Warren::JWT::jwks($ec->jwk(key_ops => ['sign'])), $none,
           'a key to sign with');
is_refused(Warren::JWT::jwks($rsa->jwk(alg => 'RSA-OAEP')), $none,
           'a key of another algorithm');
is_refused(Warren::JWT::jwks($rsa->jwk(alg => 'ES256')), $none,
           'an RSA key of the algorithm of EC');
is_refused(Warren::JWT::jwks($ec->jwk(crv => 'secp256k1')), $none,
           'a key on a curve of others');
is_refused(Warren::JWT::jwks($ec->jwk(alg => 'ES384')), $none,
           'a key of the algorithm of another curve');
is_refused(Warren::JWT::jwks({ kty => 'OKP', crv => 'X25519', x => 'AA' }),
           $none, 'a key to agree upon keys');

is_refused('{"keys":[', qr/is not valid JSON, line 1/, 'a set cut short');
is_refused('{"keys":[],"keys":[]}', qr/is not valid JSON.*duplicate/,
           'a set with keys twice');
is_refused('{"kty":"EC"}', qr/is not a JWK Set: \{"keys"/, 'a single JWK');
is_refused('hello', qr/is neither a JWK Set nor PEM/, 'a file of words');
is_refused('', qr/is neither a JWK Set nor PEM/, 'an empty file');
is_refused("\0" x 100, qr/is neither a JWK Set nor PEM/, 'a file of zeros');
is_refused(' ' x 262145, qr/is not a file of at most 262144 bytes/,
           'a huge file');
is_refused(Warren::JWT::jwks(map { { %{ $ec->jwk() }, kid => "k$_" } }
                             1 .. 257),
           qr/key 257 in .* one key too many/, 'a set of 257 keys');


# keys that are not what they should be

is_refused(Warren::JWT::jwks($ec, $rsa->jwk(d => 'AQAB')),
           qr/key 2 in ".*keys" is refused: it is a private key/,
           'a private RSA key');
is_refused(Warren::JWT::jwks($ec->jwk(d => 'AQAB')),
           qr/it is a private key; give the gateway the public part only/,
           'a private EC key');
is_refused(Warren::JWT::jwks($ec, $secret),
           qr/an HMAC secret where public keys are .* name HS256 .*conf:8$/m,
           'an HMAC secret beside public keys');
is_taken(Warren::JWT::jwks($ec, $secret), 'an HMAC secret with HS256 named',
         'gateway_jwt_algorithms ES256 HS256;');
is_refused(Warren::JWT::jwks(Warren::JWT->secret(bytes => 'x' x 31)),
           qr/k must be 32 to 1024 bytes/, 'a short secret',
           'gateway_jwt_algorithms HS256;');
is_refused(Warren::JWT::jwks(Warren::JWT->rsa(bits => 1024)),
           qr/less than 2048 bits/, 'a small RSA key');
is_refused(Warren::JWT::jwks({ kty => 'RSA', n => 'AQAB' }),
           qr/n and e must be base64url/, 'an RSA key without an exponent');
is_refused(Warren::JWT::jwks($rsa->jwk(n => $rsa->jwk()->{n} . '=')),
           qr/n and e must be base64url/, 'an RSA key with padding');
is_refused(Warren::JWT::jwks($rsa->jwk(e => 'AA')),
           qr/do not make a public key/, 'an RSA key with an exponent of zero');
is_refused(Warren::JWT::jwks($rsa->jwk(e => 'Ag')),
           qr/do not make a public key/, 'an RSA key with an even exponent');
is_refused(Warren::JWT::jwks($ec->jwk(x => encode_base64url('x' x 32))),
           qr/do not make a public key/, 'a point that is not on the curve');
is_refused(Warren::JWT::jwks($ec->jwk(x => 'AAAA')),
           qr/x and y must be 32 bytes/, 'a point that is cut short');
is_refused(Warren::JWT::jwks($ec->jwk(kty => undef)), qr/it has no kty/,
           'a key without a kind');
is_refused(Warren::JWT::jwks($ec->jwk(crv => undef)), qr/it has no crv/,
           'an EC key without a curve');
is_refused(Warren::JWT::jwks($ec->jwk(kid => [1])),
           qr/its kid is not a string/, 'a kid that is a list');
is_refused('{"keys":["x"]}', qr/it has no kty/, 'a key that is a string');
is_refused(Warren::JWT::jwks(Warren::JWT->ed()->jwk(x => 'AAAA')),
           qr/x must be 32 bytes/, 'an Ed25519 key that is cut short');
is_refused(Warren::JWT::jwks(Warren::JWT->ed()->jwk(d => 'AAAA')),
           qr/it is a private key/, 'a private Ed25519 key');
is_refused(Warren::JWT::jwks({ %{ $secret->jwk() }, alg => 'HS512' }),
           qr/k must be 32 to 1024 bytes in base64url, .* 64 for HS512/,
           'a secret that is too short for its algorithm',
           'gateway_jwt_algorithms HS512;');
is_refused('{"keys":' . '[' x 9 . ']' x 9 . '}', qr/is nested too deeply/,
           'a set nine levels deep');


# PEM

is_taken($ec->public_pem(), 'an EC key in PEM');
is_taken("some words\n" . $rsa->public_pem() . $ec->public_pem(),
         'a file of two keys in PEM with words before them');
is_refused($rsa->private_pem(),
           qr/it is a private key; .*openssl pkey -pubout/,
           'a private key in PEM');
is_refused($rsa->public_pem() . $ec->private_pem(),
           qr/key 2 in .* it is a private key/,
           'a private key after a public one');
is_refused(Warren::JWT->ec(curve => 'secp256k1')->public_pem(),
           qr/its curve is none of P-256/, 'a key on a curve of others in PEM');
is_taken(Warren::JWT->ec(curve => 'P-384')->public_pem(), 'a key on P-384',
         'gateway_jwt_algorithms ES384;');
is_refused(Warren::JWT->ec(curve => 'P-384')->public_pem(),
           qr/no key in .* is of a type that "gateway_jwt_algorithms" allows/,
           'a key on P-384 where ES256 is listed');
is_taken(Warren::JWT->ed()->public_pem(), 'an Ed25519 key in PEM',
         'gateway_jwt_algorithms EdDSA;');
is_refused(slurp(dsa()), qr/it is none of RSA, EC, Ed25519, Ed448/,
           'a key of DSA');

is_refused(Warren::JWT->rsa(bits => 1024)->public_pem(),
           qr/less than 2048 bits/, 'a small RSA key in PEM');
is_refused("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
           qr/it cannot be read/, 'a PEM block with something else in it');

my $short = $rsa->public_pem();
$short =~ s/-----END.*//s;
is_refused($short, qr/it is broken PEM/, 'a PEM block that is cut short');

my $certificate = "$dir/cert.pem";
Warren::JWT::openssl('req', '-new', '-x509', '-key', "$ec->{path}.pem",
                     '-subj', '/CN=keys', '-days', 2, '-out', $certificate);
is_taken(slurp($certificate), 'a certificate');


# directives

my ($is_valid, $output)
    = $nginx->test(conf('gateway_jwt_key_file missing.json;'));
ok(!$is_valid, 'a file that is not there is refused');
like($output, qr/open\(\) "\S+missing\.json" failed .*test\.conf:9$/m,
     'and the file is told with the line');

($is_valid, $output) = $nginx->test(conf(''));
ok(!$is_valid, 'gateway_jwt without keys is refused');
like($output, qr/add "gateway_jwt_key_file" or "\S+", in \S+test\.conf:8$/m,
     'and its own line is told');

my $set = Warren::JWT::jwks($ec);
is_refused($set, qr/must not name "none"/, 'the algorithm none',
           'gateway_jwt_algorithms ES256 none;');
is_refused($set, qr/unknown algorithm "ES256K", it must be one of ES256, ES384/,
           'an unknown algorithm', 'gateway_jwt_algorithms ES256K;');
is_refused($set, qr/unknown algorithm "es256"/, 'an algorithm in lower case',
           'gateway_jwt_algorithms es256;');
is_refused($set, qr/duplicate algorithm "ES256"/, 'an algorithm twice',
           'gateway_jwt_algorithms ES256 ES256;');
is_refused($set, qr/no key in "\S+" is of a type that/,
           'a list that no key fits', 'gateway_jwt_algorithms RS256;');
is_refused($set, qr/cannot have variables/, 'an issuer with a variable',
           'gateway_jwt_issuer $host;');
is_refused($set, qr/must not be empty/, 'an empty audience',
           'gateway_jwt_audience "";');
is_refused($set, qr/without quotes/, 'a realm with a quote',
           q{gateway_jwt_realm 'a"b';});
is_refused($set, qr/"gateway_jwt_leeway" directive/, 'a leeway of words',
           'gateway_jwt_leeway soon;');


# keys at work

spew("$dir/keys", Warren::JWT::jwks(
    (map { Warren::JWT->ec(kid => "old-$_") } 1 .. 4), $ec
));
$nginx->write_conf(conf('gateway_jwt_key_file keys;'));
$nginx->start();

sub ask {
    my ($token) = @_;
    my $answer = $nginx->get('/page', authorization => "Bearer $token");
    return join ' ', $answer->{status}, $answer->{headers}{'x-error'} // '';
}

is(ask($ec->token({})), '200 ', 'a kid finds the fifth key');
is(ask($ec->token({}, kid => undef)),
   '401 the signature of the token is wrong',
   'without a kid four keys are tried and no more');

spew("$dir/keys", $rsa->public_pem() . slurp($certificate));
$nginx->reload();

is(ask($ec->token({})), '200 ',
   'a token with a kid is verified with keys that have none');
is(ask($rsa->token({}, kid => undef)), '200 ', 'a second key in PEM is used');

spew("$dir/keys", Warren::JWT::jwks(Warren::JWT->ec(kid => 'ec-1')));
$nginx->reload();

is(ask($ec->token({})), '401 the signature of the token is wrong',
   'a token of a key that was replaced is refused after a reload');

done_testing();
