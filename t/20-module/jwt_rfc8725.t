#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What RFC 8725 (JSON Web Token Best Current Practices) warns of, section by
# section.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use MIME::Base64 qw(encode_base64url decode_base64url);
use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $ec = Warren::JWT->ec(kid => 'ec');
my $rsa = Warren::JWT->rsa(kid => 'rsa');
my $evil = Warren::JWT->ec(kid => 'ec');

# whoever connects here was sent by a token
my $trap = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
    or die "listen: $!\n";
my $trap_url = 'http://127.0.0.1:' . $trap->sockport() . '/keys.json';

my $nginx = Warren::Nginx->new(conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_jwt_key_file keys.json;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt on;
        gateway_jwt_issuer https://auth.example.com;
        gateway_jwt_audience shop;
        add_header X-Sub "$gateway_jwt_sub" always;
        add_header X-Error "$gateway_jwt_error" always;

        location = /page { }
        location = /es256 { gateway_jwt_algorithms ES256; }
        location = /bank { gateway_jwt_audience bank; }
        location = /partner {
            gateway_jwt_issuer https://partner.example.com;
            gateway_jwt_key_file partner.json;
        }
        location = /access { gateway_jwt_type at+jwt; }
        location = /session { gateway_jwt_type session+jwt; }
        location = /own { gateway_require sub is $arg_id; }
    }
}
END

my $dir = $nginx->dir();
my $partner = Warren::JWT->ec(kid => 'partner');
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(page es256 bank partner access session own);
spew("$dir/keys.json", Warren::JWT::jwks($ec, $rsa));
spew("$dir/partner.json", Warren::JWT::jwks($partner));
$nginx->start();

my %claims = (sub => 'anna', iss => 'https://auth.example.com', aud => 'shop');

sub ask {
    my ($token, $path) = @_;

    my $answer = $nginx->get($path // '/page', Warren::JWT::bearer($token));
    return join ' ', grep { length } $answer->{status},
                $answer->{headers}{'x-sub'} // '',
                $answer->{headers}{'x-error'} // '';
}

sub is_accepted {
    my ($token, $name, $path) = @_;
    is(ask($token, $path), '200 anna', $name);
}

sub is_refused {
    my ($token, $name, $path) = @_;
    like(ask($token, $path), qr/\A40[13] (?!anna)/, $name);
}

sub unsigned {
    my ($alg, $signature) = @_;
    return join '.', encode_base64url("{\"alg\":\"$alg\"}"),
                encode_base64url('{"sub":"anna","exp":9999999999,"aud":"shop",'
                                 . '"iss":"https://auth.example.com"}'),
                $signature;
}

my $good = $ec->token(\%claims);
my ($head, $body, $sig) = split /\./, $good;

is_accepted($good, 'a good token is accepted');


# 2.1, 3.1: weak signatures, insufficient validation, algorithm verification

is_refused(unsigned($_, ''), "3.1: \"$_\" without a signature")
    for qw(none None nOnE NONE ES256);
is_refused(unsigned('none', 'AAAA'), '3.1: "none" with a signature');
is_refused($ec->token(\%claims, alg => 'none'), '3.1: "none" that is signed');

for my $text ($rsa->public_pem(), slurp($rsa->path() =~ s/pem\z/der/r),
              decode_base64url($rsa->jwk()->{n}), $ec->public_pem())
{
    my $forger = Warren::JWT->secret(bytes => $text, kid => 'rsa');
    is_refused($forger->token(\%claims, kid => $_),
               '3.1: HS256 with a public key as secret')
        for 'rsa', 'ec', undef;
}

is_refused($rsa->token(\%claims), '3.1: an algorithm that is not listed',
           '/es256');
is_refused($rsa->token(\%claims, alg => 'ES256'),
           '3.1: a key with the algorithm of another');
is_refused($ec->token(\%claims, alg => 'RS256', kid => 'rsa'),
           '3.1: the other way round');
is_refused($rsa->with('PS256')->token(\%claims),
           '3.1: a sound algorithm that nobody listed');


# 3.2: appropriate algorithms; what nginx -t refuses

sub test_keys {
    my ($text, $algorithms) = @_;

    spew("$dir/test.json", $text);
    my ($is_valid, $output) = $nginx->test(<<"END_OF_TEXT");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_jwt on;
    gateway_jwt_key_file test.json;
    gateway_jwt_algorithms $algorithms;
}
END_OF_TEXT
    return $is_valid ? 'taken' : $output;
}

my $set = Warren::JWT::jwks($ec);
like(test_keys($set, 'none'), qr/must not name "none"/,
     '3.2: "none" cannot be configured');
like(test_keys($set, 'RSA1_5'), qr/unknown algorithm/,
     '3.2: nor can an algorithm of encryption');
like(test_keys(Warren::JWT::jwks(Warren::JWT->rsa(bits => 1024)), 'RS256'),
     qr/too weak/, '3.2: nor a small RSA key');


# 3.3: all cryptographic operations

is_refused("$head.$body." . encode_base64url("\0" x 64),
           '3.3: a signature of r = s = 0');
is_refused("$head.$body." . encode_base64url(
               pack('H*', 'ffffffff00000000ffffffffffffffff'
                          . 'bce6faada7179e84f3b9cac2fc632551') x 2),
           '3.3: a signature of r = s = the order of the group');
is_refused("$head.$body", '3.3: two segments');
is_refused("$head.$body.$sig.$sig", '3.3: four segments');
is_refused("$head.$body.", '3.3: an empty signature');


# 3.4: cryptographic inputs: points on the curve

like(test_keys(Warren::JWT::jwks($ec->jwk(y => $ec->jwk()->{x})), 'ES256'),
     qr/do not make a public key/, '3.4: a point off the curve is no key');


# 3.5: keys with enough entropy

like(test_keys(Warren::JWT::jwks(Warren::JWT->secret(bytes => 'password')),
               'HS256'),
     qr/k must be 32 to 1024 bytes/, '3.5: a password is no secret');


# 3.6: no compression; 2.2, 3.7: one encoding

is_refused($ec->token(\%claims, zip => 'DEF', crit => ['zip']),
           '3.6: a compressed token');
is_refused($ec->token_of('{"alg":"ES256"}', "\x1f\x8b\x08\0"),
           '3.6: claims that are compressed');
is_refused($ec->token_of("\xff\xfe{\0}\0", '{"sub":"anna"}'),
           '3.7: a header in UTF-16');
is_refused($ec->token_of('{"alg":"ES256"}', "{\"sub\":\"\xe9\"}"),
           '3.7: claims in Latin-1');
is_refused($ec->token_of('{"alg":"ES256"}',
                         '{"sub":"x","sub":"anna","exp":9999999999}'),
           '3.7: a claim that is there twice');


# 3.8: issuer and subject

is_refused($ec->token({ %claims, iss => 'https://evil.example.com' }),
           '3.8: another issuer');
is_refused($ec->token({ %claims, iss => undef }), '3.8: no issuer');
is_refused($ec->token({ %claims, iss => 'https://partner.example.com' }),
           '3.8: a key of one issuer for the name of another', '/partner');
is_accepted($partner->token({
    %claims, iss => 'https://partner.example.com' }),
    '3.8: an issuer with his own keys', '/partner');
is_refused($partner->token(\%claims), '3.8: a key of another issuer');
is_accepted($good, '3.8: the subject that is meant', '/own?id=anna');
like(ask($good, '/own?id=bob'), qr/\A403 /, '3.8: another subject');


# 3.9: audience

is_refused($good, '3.9: a token for somebody else', '/bank');
is_refused($ec->token({ %claims, aud => undef }), '3.9: no audience');
is_refused($ec->token({ %claims, aud => 'shop2' }), '3.9: a longer audience');


# 3.10: do not trust received claims

is_refused($evil->token(\%claims, jku => $trap_url), '3.10: jku');
is_refused($evil->token(\%claims, x5u => $trap_url), '3.10: x5u');
is_refused($evil->token(\%claims, jwk => $evil->jwk()), '3.10: jwk');
is_refused($evil->token(\%claims, x5c => ['MIIB']), '3.10: x5c');
is_refused($ec->token(\%claims, kid => $_), "3.10: the kid \"$_\"")
    for '../' x 4 . 'dev/null', "x' or '1'='1", '/etc/passwd', $trap_url;

$trap->blocking(0);
ok(!$trap->accept(), '3.10: nobody follows an address in a token');


# 3.11, 3.12: explicit types, rules that exclude one another

is_accepted($ec->token(\%claims, typ => 'at+jwt'), '3.11: an access token',
            '/access');
is_refused($good, '3.11: a token of another type', '/access');
is_refused($ec->token(\%claims, typ => 'logout+jwt'),
           '3.11: a type that nobody expects');
is_refused($ec->token(\%claims, typ => 'at+jwt'),
           '3.12: one kind of token for another', '/session');
is_refused($ec->token(\%claims, cty => 'JWT', typ => 'JWS'),
           '3.11: a nested token');
is_refused($ec->token_of('{"alg":"ES256","cty":"JWT"}', $good),
           '3.3: a token within a token');

# of the wider field: RFC 7515, 4.1.11 and RFC 7519, 4.1.4

is_refused($ec->token(\%claims, crit => ['exp'], exp => 1), 'crit');
is_refused($ec->token({ %claims, exp => undef }), 'no exp');
is_refused($ec->token({ %claims, exp => time() - 3600 }), 'an exp in the past');

done_testing();
