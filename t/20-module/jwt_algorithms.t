#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Every algorithm, with tokens that OpenSSL and libjwt have signed; and that a
# key is never used for an algorithm that is not its own.

use strict;
use warnings;

use lib 't/lib';

use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $secret = join '', map { chr(33 + $_) } 0 .. 63;
my $rsa = Warren::JWT->rsa(kid => 'rsa');

my %key = (
    (map { $_ => $rsa->with($_) } map { ("RS$_", "PS$_") } 256, 384, 512),
    (map { $_ => Warren::JWT->secret(kid => 'oct', bytes => $secret,
                                     alg => $_) }
         map { "HS$_" } 256, 384, 512),
    ES256 => Warren::JWT->ec(kid => 'p256'),
    ES384 => Warren::JWT->ec(kid => 'p384', curve => 'P-384'),
    ES512 => Warren::JWT->ec(kid => 'p521', curve => 'P-521'),
    EdDSA => Warren::JWT->ed(kid => 'ed25519'),
);
my $ed448 = Warren::JWT->ed(kid => 'ed448', curve => 'Ed448');
my @all = sort keys %key;

my $locations = join '', map {
    my $set = /\AHS/ ? 'secret' : 'public';
    "location = /$_ { gateway_jwt_algorithms $_;"
    . " gateway_jwt_key_file $set.json; }\n"
} @all;

my $nginx = Warren::Nginx->new(conf => <<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt on;
        gateway_jwt_key_file public.json;
        gateway_jwt_algorithms @all;
        add_header X-Error "\$gateway_jwt_error" always;
        $locations
        location = /any { gateway_jwt_key_file all.json; }
        location = /usual { gateway_jwt_algorithms ES256 RS256; }
        location = /pinned {
            gateway_jwt_key_file pinned.json;
            gateway_jwt_algorithms PS256 RS256 PS384;
        }
        location = /pss {
            gateway_jwt_key_file pss.pem;
            gateway_jwt_algorithms PS256 PS384 RS256;
        }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for @all, qw(any usual pinned pss);

my @public = ($rsa, @key{qw(ES256 ES384 ES512 EdDSA)}, $ed448);
spew("$dir/public.json", Warren::JWT::jwks(@public));
spew("$dir/secret.json", Warren::JWT::jwks($key{HS256}));
spew("$dir/all.json", Warren::JWT::jwks(@public, $key{HS256}));
spew("$dir/pinned.json", Warren::JWT::jwks($rsa->jwk(alg => 'PS256')));

# a key that is for PSS with SHA-256 alone, by its own parameters
Warren::JWT::openssl(
    'genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048',
    '-pkeyopt', 'rsa_pss_keygen_md:sha256',
    '-pkeyopt', 'rsa_pss_keygen_mgf1_md:sha256',
    '-pkeyopt', 'rsa_pss_keygen_saltlen:32', '-out', "$dir/pss.key.pem"
);
Warren::JWT::openssl('pkey', '-in', "$dir/pss.key.pem", '-pubout', '-out',
                     "$dir/pss.pem");
$nginx->start();


sub ask {
    my ($path, $token) = @_;

    my $answer = $nginx->get($path, Warren::JWT::bearer($token));
    return join ' ', $answer->{status}, $answer->{headers}{'x-error'} // '';
}

my $wrong = '401 the signature of the token is wrong';
my $not_here = '401 the algorithm of the token is not allowed here';
my $no_key = '401 no key fits the token';


for my $alg (@all) {
    my $key = $key{$alg};
    my $token = $key->token({ sub => 'anna' });

    is(ask("/$alg", $token), '200 ', "a token of $alg is accepted");
    is(ask("/$alg", $key->token({}, kid => undef)), '200 ',
       'and without a kid');

    my ($head, $body, $sig) = split /\./, $token;
    my $other = encode_base64url('{"sub":"root","exp":9999999999}');
    is(ask("/$alg", "$head.$other.$sig"), $wrong,
       "other claims under a signature of $alg are refused");

    my $bytes = decode_base64url($sig);
    my $flipped = $bytes ^ ("\0" x (length($bytes) - 1) . "\1");
    is(ask("/$alg", "$head.$body." . encode_base64url($flipped)), $wrong,
       "one bit more in a signature of $alg is refused");
    is(ask("/$alg", "$head.$body." . encode_base64url(substr $bytes, 1)),
       $wrong, "a signature of $alg that is a byte short is refused");

    is(ask("/$alg", $key->token({ sub => 'berta' })), '200 ',
       "a good token of $alg is accepted after those");

    is(ask($alg eq 'ES256' ? '/RS256' : '/ES256', $token), $not_here,
       "$alg is refused where it is not named");
}

is(ask('/EdDSA', $ed448->token({})), '200 ', 'a token of Ed448 is accepted');


# a key has its algorithms, whatever the token says

for my $pair (['RS256', 'PS256'], ['PS384', 'RS384'], ['RS512', 'RS256'],
              ['ES384', 'ES256'], ['ES256', 'ES512'], ['HS512', 'HS256'])
{
    my ($is, $says) = @$pair;
    is(ask('/any', $key{$is}->token({}, alg => $says, kid => undef)), $wrong,
       "a signature of $is that says it is $says is refused");
}

is(ask('/any', $key{ES384}->token({}, alg => 'ES256')), $no_key,
   'a key on P-384 is not for ES256');
is(ask('/any', $key{EdDSA}->token({}, alg => 'ES256')), $no_key,
   'a key of Ed25519 is not for ES256');

for my $alg (qw(HS256 HS384 HS512)) {
    my $forged = Warren::JWT->secret(kid => 'rsa', alg => $alg,
                                     bytes => $rsa->public_pem());
    is(ask('/any', $forged->token({ sub => 'root' })), $no_key,
       "$alg with the public RSA key as secret is refused");
}

is(ask('/pinned', $rsa->with('PS256')->token({})), '200 ',
   'a key with an alg is for that one');
is(ask('/pinned', $rsa->with($_)->token({})), $no_key,
   "and not for $_, though the location names it") for qw(RS256 PS384);
is(ask('/usual', $rsa->with('PS256')->token({})), $not_here,
   'an RSA key without one is for what the location names');


# PSS: the salt is as long as the digest

sub pss {
    my (@options) = @_;

    my $content = join '.', map { encode_base64url($_) }
                  '{"alg":"PS256","kid":"rsa"}',
                  '{"sub":"anna","exp":9999999999}';
    return $content . '.' . encode_base64url(
        $rsa->with('PS256')->signature_der($content, @options)
    );
}

is(ask('/any', pss()), '200 ', 'PSS with a salt as long as its digest');
is(ask('/any', pss('rsa_pss_saltlen:0')), $wrong, 'without a salt is refused');
is(ask('/any', pss('rsa_pss_saltlen:20')), $wrong,
   'with a shorter salt is refused');
is(ask('/any', pss('rsa_pss_saltlen:digest', 'rsa_mgf1_md:sha1')), $wrong,
   'with another digest in its mask is refused');

my $pss = bless { %{ $rsa->with('PS256') }, path => "$dir/pss.key",
                  kid => undef }, 'Warren::JWT';
is(ask('/pss', $pss->token({})), '200 ', 'a key of RSASSA-PSS is for PSS');
is(ask('/pss', $rsa->with('PS384')->token({})), $wrong,
   'a digest that its parameters do not allow is refused');
is(ask('/pss', $rsa->token({})), $no_key, 'and so is RS256');


# a signature of Ed25519 has one form: S plus the group's order is no other

{
    my ($head, $body, $sig) = split /\./, $key{EdDSA}->token({});
    my $bytes = decode_base64url($sig);
    my @order = reverse unpack 'C*', pack 'H*', '10' . '0' x 30
                . '14def9dea2f79cd65812631a5cf5d3ed';
    my @s = unpack 'C*', substr $bytes, 32;
    my $carry = 0;

    for my $i (0 .. 31) {
        my $sum = $s[$i] + $order[$i] + $carry;
        $s[$i] = $sum & 255;
        $carry = $sum >> 8;
    }

    my $twin = substr($bytes, 0, 32) . pack 'C*', @s;
    is(ask('/any', "$head.$body." . encode_base64url($twin)), $wrong,
       'the twin of a signature of Ed25519 is refused');
}


# a second opinion

my $claims = '{"sub":"anna","exp":9999999999}';
spew("$dir/secret", $secret);

for my $alg (grep { !/\A(?:PS|Ed)/ } @all) {
    my $file = $alg =~ /\AHS/ ? "$dir/secret" : $key{$alg}->path();
    my ($status, $token) = run_command([
        build_dir() . '/t/20-module/sign_token', $alg, $file, $claims,
        $key{$alg}->kid()
    ]);

    chomp $token;
    is($status, 0, "libjwt signs with $alg") or diag($token);
    is(ask("/$alg", $token), '200 ', 'and is believed');
}

done_testing();
