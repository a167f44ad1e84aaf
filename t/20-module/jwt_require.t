#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a location requires of claims: each operator, for each kind of claim,
# and with which status it is refused.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $key = Warren::JWT->ec(kid => 'key');
my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_jwt_key_file keys.json;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        add_header X-Error "$gateway_jwt_error" always;
        %%SERVER%%
    }
}
END

my $nginx = Warren::Nginx->new(conf => $frame, vars => { SERVER => '' });
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/keys.json", Warren::JWT::jwks($key));


# each operator: the rule, then claims that meet it and claims that do not

my $true = JSON::PP::true();
my $false = JSON::PP::false();

my @rules = (
    ['plan is gold',
     [{ plan => 'gold' }],
     [{}, { plan => 'Gold' }, { plan => 'gold ' }, { plan => 'gol' },
      { plan => ['gold'] }, { plan => undef }, { plan => '' },
      { plan => { gold => 1 } }]],
    ['n is 5',
     [{ n => 5 }, { n => '5' }, { n => 5.0 }],
     [{ n => 6 }, { n => 5.5 }, { n => '5.0' }, { n => '05' }, {}]],
    ['n is -5', [{ n => -5 }], [{ n => 5 }]],
    ['n is 9007199254740993',
     [{ n => 9007199254740993 }], [{ n => 9007199254740992 }]],
    ['verified is true',
     [{ verified => $true }, { verified => 'true' }],
     [{ verified => $false }, { verified => 1 }, { verified => undef }, {}]],
    ['verified is false', [{ verified => $false }], [{ verified => $true }]],
    ['plan in gold silver',
     [{ plan => 'gold' }, { plan => 'silver' }],
     [{ plan => 'gold silver' }, { plan => 'iron' }, {}]],
    ['scope has a:read',
     [{ scope => 'a:read' }, { scope => 'x a:read y' },
      { scope => '  a:read ' }, { scope => ['a:read', 'b'] }],
     [{ scope => 'a:reading' }, { scope => 'xa:read' }, { scope => '' },
      { scope => [] }, { scope => ['a:read b'] }, { scope => 'A:READ' },
      { scope => { 'a:read' => 1 } }, { scope => "a:read\tb" }, {}]],
    ['scope has a:read a:write',
     [{ scope => 'a:write a:read' }, { scope => ['a:read', 'a:write'] }],
     [{ scope => 'a:read' }, { scope => ['a:write'] }, {}]],
    ['roles has_any admin editor',
     [{ roles => ['editor'] }, { roles => 'x admin' }],
     [{ roles => ['reader'] }, { roles => [] }, {}]],
    ['groups has 7', [{ groups => [6, 7] }], [{ groups => [77] }]],
    ['email prefix anna@ bob@',
     [{ email => 'anna@example.com' }, { email => 'bob@' }],
     [{ email => 'xanna@' }, { email => 'ann' }, { email => ['anna@x'] }, {}]],
    ['level >= 3',
     [{ level => 3 }, { level => 3.5 }, { level => 1e9 }],
     [{ level => 2 }, { level => 2.999 }, { level => '9' },
      { level => -4 }, { level => $true }, { level => [4] }, {}]],
    ['level > 3', [{ level => 4 }], [{ level => 3 }]],
    ['level < 3', [{ level => 2 }], [{ level => 3 }, {}]],
    ['level <= 3.5', [{ level => 3.5 }], [{ level => 3.6 }]],
    ['level > -2', [{ level => -1 }], [{ level => -2 }]],
    ['tenant present',
     [{ tenant => 'x' }, { tenant => '' }, { tenant => 0 },
      { tenant => $false }, { tenant => [] }],
     [{ tenant => undef }, {}]],
    ['/realm_access/roles has admin',
     [{ realm_access => { roles => ['x', 'admin'] } }],
     [{ realm_access => { roles => ['x'] } }, { realm_access => [] },
      { realm_access => 'roles' }, { '/realm_access/roles' => ['admin'] },
      {}]],
    ['/a~1b/c~0d is 1', [{ 'a/b' => { 'c~d' => 1 } }], [{ 'a~1b' => 1 }]],
    ['/list/1/name is anna',
     [{ list => [0, { name => 'anna' }] }],
     [{ list => [{ name => 'anna' }] }, { list => { 1 => 'anna' } }]],
    ['/list/01 is x', [], [{ list => ['w', 'x'] }]],
    ['/list/-1 is x', [], [{ list => ['w', 'x'] }]],
    ['https://example.com/roles has admin',
     [{ 'https://example.com/roles' => ['admin'] }],
     [{ https => 1 }]],
    ['a.b is c', [{ 'a.b' => 'c' }], [{ a => { b => 'c' } }]],
    ['tenant is $arg_t', [{ tenant => 'shop' }], [{ tenant => 'bank' }, {}]],
    ['tenant is $arg_none', [], [{ tenant => '' }, { tenant => 'shop' }, {}]],
    ['tenant is x$arg_t', [{ tenant => 'xshop' }], [{ tenant => 'shop' }]],
    ['level > $arg_n', [{ level => 6 }], [{ level => 5 }]],
    ['level > $arg_t', [], [{ level => 6 }]],
    ['azp is $gateway_jwt_sub', [{ azp => 'anna' }], [{ azp => 'bob' }, {}]],
);

my $i = 0;
my $server = join '', map {
    "location = /" . ++$i . " { gateway_jwt on; gateway_require $_->[0]; }\n"
} @rules;

$server .= <<'END';
    location = /methods {
        gateway_jwt on;
        gateway_require POST,PUT scope has write;
        gateway_require GET scope has read;
    }
    location = /says_401 { gateway_jwt on; gateway_require a is 1 status=401; }
    location = /says_403 { gateway_jwt on; gateway_require a is 1; }
    location = /several {
        gateway_jwt on;
        gateway_require a is 1;
        gateway_require b is 2 status=401;
        gateway_require c is 3 status=403;
    }
    location = /optional {
        gateway_jwt optional;
        gateway_require POST scope has write;
    }
    location = /scope {
        gateway_jwt on;
        gateway_jwt_realm shop;
        gateway_require scope has orders:read orders:write;
    }
    location = /limit_except {
        gateway_jwt on;
        limit_except GET { gateway_require scope has write; }
    }
    location /inherited {
        gateway_jwt on;
        gateway_require a is 1;
        location = /inherited/as_is { }
        location = /inherited/other { gateway_require b is 2; }
        location = /inherited/off { gateway_require off; }
    }
    location = /any {
        satisfy any;
        allow 127.0.0.1;
        deny all;
        gateway_jwt on;
        gateway_require a is 1;
    }
    location = /deny {
        satisfy any;
        deny all;
        gateway_jwt on;
        gateway_require a is 1;
    }
    location = /type { gateway_jwt on; gateway_jwt_type at+jwt; }
    location = /no_type { gateway_jwt on; gateway_jwt_type ""; }
    location = /own_type {
        gateway_jwt on;
        gateway_jwt_type application/secevent+jwt session+jwt;
    }
    location = /short { gateway_jwt on; gateway_jwt_max_lifetime 10m; }
END

mkdir "$dir/html/inherited";
spew("$dir/html/$_", "the page\n")
    for 1 .. @rules, qw(methods several optional scope limit_except any deny
                        inherited/as_is inherited/other inherited/off
                        type no_type own_type short);

$nginx->{vars}{SERVER} = $server;
$nginx->write_conf($frame);
$nginx->start();


sub ask {
    my ($path, $claims, %option) = @_;

    return $nginx->request(
        $option{method} // 'GET', $path, undef, Warren::JWT::bearer(
            $key->token({ sub => 'anna', %$claims },
                        %{ $option{header} // {} })
        )
    );
}

# a file that is there is not for POST, which is found out after admission
sub status {
    my $status = ask(@_)->{status};
    return $status == 405 ? 200 : $status;
}

$i = 0;

for my $rule (@rules) {
    my ($text, $met, $unmet) = @$rule;
    my $path = '/' . ++$i . '?t=shop&n=5';
    my @wrong;

    for my $expected (200, 403) {
        for my $claims (@{ $expected == 200 ? $met : $unmet }) {
            my $status = status($path, $claims);
            push @wrong, JSON::PP->new()->canonical()->encode($claims)
                         . ": $status" if $status != $expected;
        }
    }

    is("@wrong", '', $text);
}


# methods

is(status('/methods', {}), 403, 'what GET requires is asked of GET');
is(status('/methods', {}, method => 'HEAD'), 403, 'and of HEAD');
is(status('/methods', { scope => 'read' }), 200, 'and opens it');
is(status('/methods', { scope => 'read' }, method => 'POST'), 403,
   'POST requires something else');
is(status('/methods', { scope => 'write' }, method => 'PUT'), 200,
   'and so does PUT, which has it');
is(status('/methods', {}, method => 'DELETE'), 200,
   'a method that no rule names is free of them');
is(status('/limit_except', {}), 200, 'limit_except: the methods are free');
is(status('/limit_except', {}, method => 'POST'), 403, 'the others are not');
is(status('/limit_except', { scope => 'write' }, method => 'POST'), 200,
   'but for the claim');


# several, their status and what is told

my $answer = ask('/several', { b => 2, c => 3 });
is($answer->{status}, 403, 'the first that is not met decides');
is($answer->{headers}{'x-error'}, 'the claim a is not as required',
   'and says which claim');
is($answer->{json}{type}, 'urn:warren:error:forbidden', 'as a problem');
is($answer->{json}{detail}, 'the claim a is not as required', 'in its detail');
like($answer->{headers}{'www-authenticate'},
     qr/\ABearer realm="gateway", error="insufficient_scope", error_descr/,
     'and in a challenge');
$answer = ask('/several', { a => 1, c => 3 });
is($answer->{status}, 401, 'a rule may say 401');
is($answer->{json}{type}, 'urn:warren:error:unauthenticated', 'as a problem');
like($answer->{headers}{'www-authenticate'}, qr/error="invalid_token"/,
     'of an invalid token');
is(status('/several', { a => 1, b => 2 }), 403, 'the next rule says 403');
is(status('/several', { a => 1, b => 2, c => 3 }), 200, 'all of them open');

is(join(' ', map { status($_, { a => 2 }) } (qw(/says_401 /says_403)) x 3),
   '401 403 401 403 401 403', 'a status is that of its location alone');

like(ask('/scope', { scope => 'orders:read' })->{headers}{'www-authenticate'},
     qr/\ABearer\ realm="shop",\ error="insufficient_scope",\ error_description
        ="the\ claim\ scope\ is\ not\ as\ required",\ scope=
        "orders:read\ orders:write"\z/x, 'a scope that is missing is named');

my $log = $nginx->log_text();
like($log, qr/\[info\].*token refused: the claim a is not as required/,
     'the reason is logged');


# optional

is($nginx->get('/optional')->{status}, 200,
   'what is required of POST is not asked of GET');
is($nginx->request('POST', '/optional')->{status}, 401,
   'a POST without a token does not meet it');
is(status('/optional', {}, method => 'POST'), 403, 'nor with a poor one');
is(status('/optional', { scope => 'write' }, method => 'POST'), 200,
   'with a good one it does');


# levels

is(status('/inherited/as_is', {}), 403, 'rules are inherited');
is(status('/inherited/other', { a => 1 }), 403, 'by levels without any');
is(status('/inherited/other', { b => 2 }), 200, 'others take their place');
is(status('/inherited/off', {}), 200, 'and off takes them away');


# satisfy

$answer = ask('/any', {});
is($answer->{status}, 200, 'satisfy any: an address opens all the same');
is($answer->{headers}{'www-authenticate'}, undef, 'and nothing is asked for');
is(status('/deny', {}), 403, 'a claim that is missing opens nothing');
is(status('/deny', { a => 1 }), 200, 'one that is there does');


# types

sub typ { return status($_[0], {}, header => { typ => $_[1] }) }

is(typ('/type', 'at+jwt'), 200, 'the type that is named is accepted');
is(typ('/type', 'application/AT+JWT'), 200, 'in its long form, too');
is(typ('/type', 'JWT'), 401, 'another one is not');
is(typ('/type', undef), 401, 'nor none');
is(typ('/no_type', undef), 200, 'none, where none is named');
is(typ('/no_type', 'JWT'), 401, 'and nothing else');
is(typ('/no_type', ''), 401, 'an empty type is not none');
is(typ('/own_type', 'secevent+jwt'), 200, 'a type of one\'s own');
is(typ('/own_type', 'session+jwt'), 200, 'or two');
is(typ('/own_type', 'at+jwt'), 401, 'instead of the usual ones');


# lifetime

my $now = time();
is(status('/short', { exp => $now + 600 }), 200, 'a token that ends soon');
is(status('/short', { exp => $now + 3600 }), 401, 'is demanded');
is(ask('/short', { exp => $now + 3600 })->{headers}{'x-error'},
   'the token is valid for too long', 'with that reason');


# what nginx -t refuses

sub is_refused {
    my ($text, $pattern, $name) = @_;

    $nginx->{vars}{SERVER} = $text;
    my ($is_valid, $output) = $nginx->test($frame);
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and the mend is told');
}

sub require_refused {
    my ($text, $pattern, $name) = @_;
    is_refused("gateway_jwt on; gateway_require $text;", $pattern, $name);
}

require_refused('scope', qr/no operator in .*write \[METHOD.*conf:11$/m,
                'a claim alone');
require_refused('scope like x', qr/no operator .* is, in, has/,
                'an unknown operator');
require_refused('PSOT scope has x', qr/unknown method "PSOT" in "PSOT", use/,
                'an unknown method');
require_refused('GET, scope has x', qr/unknown method "" in "GET,"/,
                'an empty method');
require_refused('scope has', qr/needs 1 to 16 values/, 'no value');
require_refused('scope is a b', qr/needs one value .* "in" takes several/,
                'a value too many');
require_refused('scope has ' . join(' ', 1 .. 17), qr/needs 1 to 16 values/,
                'seventeen values');
require_refused('plan is ""', qr/an empty value, which no claim meets/,
                'an empty value');
require_refused('plan present x', qr/which takes none/,
                'a value after present');
require_refused('level > high', qr/"high" is not a number/, 'a word as number');
require_refused('level > 1.', qr/"1\." is not a number/, 'half a number');
require_refused('level > 1e3', qr/"1e3" is not a number/, 'an exponent');
require_refused('a is 1 status=404', qr/must be status=401 or status=403/,
                'another status');
require_refused('"" is 1', qr/invalid claim "", it must be a name, or a JSON/,
                'an empty claim');
require_refused('/a~2 is 1', qr/invalid claim/, 'a broken pointer');
require_refused('/a/b/c/d/e/f/g/h/i is 1', qr/at most 8 names/,
                'a pointer of nine names');
require_refused(q{'a"b' is 1}, qr/without quotes/, 'a claim with a quote');
require_refused('$x is 1', qr/variables/, 'a claim out of a variable');
require_refused('a is $nope', qr/unknown "nope" variable/,
                'an unknown variable');
require_refused(q{scope has 'a"b'}, qr/no scope can be/,
                'a scope with a quote');
is_refused('location / { gateway_require a is 1; }',
           qr/has no token to ask, add "gateway_jwt on", in \S+conf:11$/m,
           'a requirement without a token');
is_refused('gateway_require a is 1; gateway_require off;',
           qr/which "off" contradicts/, 'off beside others');
is_refused('gateway_require off; gateway_require a is 1;', qr/is off already/,
           'others beside off');

done_testing();
