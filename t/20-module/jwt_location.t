#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a location demands of a token, however often another location has
# accepted it, and what the cache of verified tokens must not remember.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $one = Warren::JWT->ec(kid => 'key');
my $two = Warren::JWT->ec(kid => 'key');
my $rsa = Warren::JWT->rsa(kid => 'rsa');

my $conf = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    %%CACHE%%
    gateway_jwt_key_file one.json;
    gateway_jwt_leeway 0;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt on;
        add_header X-Error "$gateway_jwt_error" always;
        add_header X-Claims "${gateway_jwt_claim_plan},%%MORE%%" always;

        location /one { }
        location /two { gateway_jwt_key_file two.json; }
        location /shop { gateway_jwt_audience shop; }
        location /bank { gateway_jwt_audience bank vault; }
        location /ours { gateway_jwt_issuer https://auth.example.com; }
        location /both {
            gateway_jwt_issuer https://b.example.com https://auth.example.com;
        }
        location /rsa { gateway_jwt_algorithms RS256; }
        location /lenient { gateway_jwt_leeway 1h; }
        location /usual { gateway_jwt_leeway 30s; }
        location /optional { gateway_jwt optional; gateway_jwt_realm shop; }
        location /off { gateway_jwt off; }
        location /same { gateway_jwt_key_file copy.json; }

        location = /methods {
            gateway_jwt off;
            limit_except GET { gateway_jwt on; }
        }
        location = /if {
            if ($arg_x) { add_header X-If yes always; }
        }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf, vars => {
    CACHE => '', MORE => '$gateway_jwt_claim_n,$gateway_jwt_claim_scope,'
                        . '$gateway_jwt_claim_none'
});

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(one two shop bank ours both rsa lenient usual optional off same
           methods if);
spew("$dir/one.json", Warren::JWT::jwks($one, $rsa));
spew("$dir/copy.json", Warren::JWT::jwks($one, $rsa));
spew("$dir/two.json", Warren::JWT::jwks($two));


sub ask {
    my ($path, $token) = @_;

    my $answer = $nginx->get($path,
                             defined $token ? Warren::JWT::bearer($token) : ());
    return "$answer->{status} " . ($answer->{headers}{'x-error'} // '');
}

my $wrong = '401 the signature of the token is wrong';
my $audience = '401 the token is for another audience';
my $issuer = '401 the token is from another issuer';


# all of it without the cache, and then with it, each question twice: the first
# fills it, the second must not be answered out of it alone

for my $cache ('gateway_jwt_cache off;', '') {
    my $name = $cache ? 'without a cache' : 'with a cache';

    $nginx->{vars}{CACHE} = $cache;
    $nginx->write_conf($conf);
    $nginx->{pid} ? $nginx->reload() : $nginx->start();

    my $token = $one->token({ sub => 'anna', aud => 'shop',
                              iss => 'https://auth.example.com' });

    for my $time ('first', 'again') {
        my $told = "$name, $time";

        is(ask('/one', $token), '200 ', "a token passes here, $told");
        is(ask('/same', $token), '200 ',
           "it passes with a copy of the keys, $told");
        is(ask('/two', $token), $wrong,
           "it does not pass where the keys are others, $told");
        is(ask('/shop', $token), '200 ', "it passes its audience, $told");
        is(ask('/bank', $token), $audience,
           "it does not pass another audience, $told");
        is(ask('/ours', $token), '200 ', "it passes its issuer, $told");
        is(ask('/both', $token), '200 ', "it passes one of two issuers, $told");
        is(ask('/rsa', $token),
           '401 the algorithm of the token is not allowed here',
           "it does not pass where its algorithm is not named, $told");
        is(ask('/two', $two->token({})), '200 ',
           "the other key passes there, $told");
        is(ask('/off'), '200 ', "nothing is asked where it is off, $told");
        is(ask('/one', substr($token, 0, -4) . 'AAAA'), $wrong,
           "a forged twin of the token is refused, $told");
    }
}


# audiences and issuers

is(ask('/bank', $one->token({ aud => ['shop', 'vault'] })), '200 ',
   'one of several audiences of a token is enough');
is(ask('/bank', $one->token({ aud => ['shop'] })), $audience,
   'a list without ours is not');
is(ask('/bank', $one->token({ aud => [] })), $audience,
   'an empty list is not');
is(ask('/bank', $one->token({})), $audience,
   'a token without an audience is for nobody');
is(ask('/bank', $one->token({ aud => 'bank ' })), $audience,
   'audiences are compared to the byte');
is(ask('/bank', $one->token({ aud => { bank => 1 } })), $audience,
   'an audience that is an object is none');
is(ask('/ours', $one->token({ iss => 'https://auth.example.com/' })), $issuer,
   'issuers are compared to the byte');
is(ask('/ours', $one->token({})), $issuer,
   'a token without an issuer is from nobody');


# time

my $now = time();

is(ask('/one', $one->token({ exp => $now - 1 })),
   '401 the token has expired', 'a token that has expired is refused');
is(ask('/usual', $one->token({ exp => $now - 20 })), '200 ',
   'one that expired within the leeway passes');
is(ask('/usual', $one->token({ exp => $now - 31 })),
   '401 the token has expired', 'one that expired before it does not');
is(ask('/one', $one->token({ nbf => $now + 60 })),
   '401 the token is not valid yet', 'a token of the future is refused');
is(ask('/lenient', $one->token({ nbf => $now + 60 })), '200 ',
   'one within the leeway passes');
is(ask('/one', $one->token({ nbf => $now - 60 })), '200 ',
   'a token that has become valid passes');

my $brief = $one->token({ exp => time() + 2 });
is(ask('/one', $brief), '200 ', 'a token passes while it lives');
ok(wait_for(sub { ask('/one', $brief) eq '401 the token has expired' }, 10,
            'the end of a token'), 'it is refused once it has expired, '
                                   . 'although it is cached');
is(ask('/lenient', $brief), '200 ',
   'it still passes where there is more leeway');


# optional

is(ask('/optional'), '200 ', 'no token passes where it is optional');
my $answer = $nginx->get('/optional', Warren::JWT::bearer('a.b.c'));
is($answer->{status}, 401, 'a bad one does not');
like($answer->{headers}{'www-authenticate'}, qr/\ABearer realm="shop", error=/,
     'and is told the realm of the location');


# claims

sub claims {
    my ($path, $token) = @_;
    return $nginx->get($path, Warren::JWT::bearer($token))->{headers}{
        'x-claims'};
}

my $rich = $one->token({ plan => 'gold', n => -7,
                         scope => ['orders:read', 'orders:write'],
                         none => { a => 1 } });
is(claims('/one', $rich), 'gold,-7,orders:read orders:write,',
   'claims are variables');
is(claims('/bank', $rich), ',,,', 'claims of a token that is refused are not');
is(claims('/off', $rich), ',,,', 'nor are those nobody looked at');
is(claims('/one', $one->token({ plan => "a\tb" })), ',,,',
   'a claim with a control character is not');


# where nginx makes other locations of one

is(ask('/methods'), '200 ', 'a method of limit_except is free');
is($nginx->request('DELETE', '/methods')->{status}, 401,
   'the others need a token');
is(ask('/if?x=1'), '401 ', 'a block "if" demands the token as well');
is(ask('/if?x=1', $rich), '200 ', 'and takes it');


# how much the cache holds

$nginx->{vars}{CACHE} = 'gateway_jwt_cache 64k;';
$nginx->write_conf($conf);
$nginx->reload();

my @many = map { $one->token({ n => $_, pad => 'x' x 3000 }) } 1 .. 40;
my @bad;

for (1 .. 3) {
    push @bad, grep { claims('/one', $many[$_]) ne ',' . ($_ + 1) . ',,' }
               0 .. $#many;
}

is("@bad", '', 'more tokens than the cache holds are told apart');

# several workers, each with a cache of its own, while they are replaced

$nginx->reload() for 1 .. 3;
is(ask('/one', $rich), '200 ', 'a token passes after reloads');

done_testing();
