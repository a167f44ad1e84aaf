#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a configuration holds outside of nginx's pools, such as keys, lists of
# tokens and certificates, is given back when the next one takes its place:
# after reloads the master has no more memory and no more files open.  Where a
# sanitizer looks on, it looks for what nobody can find any more.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::HTTP2 qw(not_over_http2);
use Warren::JWT;
use Warren::Nginx;
use Warren::TLS;
use Warren::Test qw(:DEFAULT is_sanitized sanitizer_environment);

use constant { PATIENCE => 60, KEYS => 60, REVOKED => 30_000 };

not_over_http2('a master speaks no HTTP');

my $reloads = is_sanitized() ? 5 : 16;
my $dir = tempdir();
my @keys = map { Warren::JWT->ec(kid => "key-$_") } 1 .. KEYS;
my $ca = Warren::TLS->new();
my $client = $ca->certificate('client');

spew("$dir/jwks.json", Warren::JWT::jwks(@keys));
spew("$dir/revoked", join '', map { "jti token-$_\n" } 1 .. REVOKED);
spew("$dir/secret", "secret\n");

my $nginx = Warren::Nginx->new(
    vars => { FILES => $dir, CA => $ca->file(), CERT => $client->{file},
              KEY => $client->{key} },
    log_level => 'error',
    environment => { is_sanitized() ? sanitizer_environment() : () },
    conf => <<'END')->start();
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_limit_zone $gateway_jwt_sub zone=users:1m rate=100r/s burst=200;
    gateway_breaker * failures=5;
    gateway_broker plain {
        url amqp://g@127.0.0.1:%%PORT_1%%/;
        password_file %%FILES%%/secret;
    }
    gateway_broker safe {
        url amqps://g@127.0.0.1:%%PORT_1%%/;
        ssl_trusted_certificate %%CA%%;
        ssl_certificate %%CERT%%;
        ssl_certificate_key %%KEY%%;
        sasl external;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%;
        gateway_jwt_algorithms ES256;
        gateway_jwt_key_file %%FILES%%/jwks.json;
        gateway_jwt_revoked %%FILES%%/revoked;
        gateway_require /realm/roles has_any admin;
        gateway_use safe;
        location = /one { gateway_jwt on; gateway_limit zone=users;
                          gateway_route call echo one; }
        location /two {
            gateway_jwt on;
            gateway_jwt_key_file %%FILES%%/jwks.json;
            location /two/off { gateway_jwt off; gateway_require off; }
            location /two/url {
                gateway_jwt_key_url http://127.0.0.1:%%PORT_1%%/jwks.json;
            }
        }
    }
}
END

my $token = $keys[-1]->token(
    { sub => 'anna', realm => { roles => ['admin'] } }
);


sub status {
    return $nginx->http()->request('GET', $_[0], undef, Authorization =>
                                   "Bearer $token")->{status};
}

sub memory {
    return slurp('/proc/' . $nginx->pid() . '/smaps_rollup')
               =~ /^Pss_Anon:\s+(\d+) kB/m ? $1 : die;
}

sub files {
    return scalar(() = glob '/proc/' . $nginx->pid() . '/fd/*');
}

sub least { return (sort { $a <=> $b } @_)[0] }


my (@memory, @files);

for (1 .. $reloads) {
    is(status('/one'), 503, 'a token is verified') if $_ == 1;
    $nginx->reload();
    $nginx->wait_for_old(PATIENCE);
    push @memory, memory();
    push @files, files();
}

is(status('/one'), 503, "it is after $reloads reloads");

# a pair of sockets for each process comes and goes
cmp_ok($files[-1], '<=', $files[1] + 2, 'no more files are open')
    or diag("@files");

SKIP: {
    skip 'a sanitizer keeps what is freed', 1 if is_sanitized();

    # it comes and goes, so the smallest of some are compared
    cmp_ok(least(@memory[-4 .. -1]) - least(@memory[3 .. 6]), '<', 512,
           'no more memory is taken') or diag("kB: @memory");
}

note("kB: @memory; files: @files");
is($nginx->quit() // 'nothing', 0, 'and nginx ends in order');

done_testing();
