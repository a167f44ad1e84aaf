#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# The cache of verified tokens, seen by its counters: what is found in it, and
# what never gets in.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $key = Warren::JWT->ec(kid => 'key');
my $other = Warren::JWT->ec(kid => 'key');

my $nginx = Warren::Nginx->new(conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_jwt_cache 64k;
    gateway_limit_zone $arg_k zone=small:32k rate=1r/m;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt_key_file one.json;

        location = /one { gateway_jwt on; }
        location = /copy { gateway_jwt on; gateway_jwt_key_file copy.json; }
        location = /two { gateway_jwt on; gateway_jwt_key_file two.json; }
        location = /shop { gateway_jwt on; gateway_jwt_audience shop; }
        location = /small { gateway_limit zone=small; }
        location = /metrics { gateway_metrics; }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(one copy two shop small);
spew("$dir/one.json", Warren::JWT::jwks($key));
spew("$dir/copy.json", Warren::JWT::jwks($key));
spew("$dir/two.json", Warren::JWT::jwks($other));
$nginx->start();


sub counter {
    my ($name) = @_;

    my $text = $nginx->get('/metrics')->{body};
    return $text =~ /^gateway_${name}_total (\d+)/m ? $1 : "no $name";
}

# what a request adds to verified, refused, hits and misses
sub added_by {
    my ($path, $token) = @_;

    my @names = qw(jwt_verified jwt_refused jwt_cache_hits jwt_cache_misses);
    my @before = map { counter($_) } @names;
    $nginx->get($path, defined $token ? Warren::JWT::bearer($token) : ());
    my @after = map { counter($_) } @names;

    return join ' ', map { $after[$_] - $before[$_] } 0 .. $#names;
}

my $token = $key->token({ sub => 'anna' });

is(added_by('/one', $token), '1 0 0 1', 'a token is not there at first');
is(added_by('/one', $token), '1 0 1 0', 'then it is');
is(added_by('/copy', $token), '1 0 1 0',
   'also where another file has the same keys');
is(added_by('/two', $token), '0 1 0 1', 'but not where the keys are others');
is(added_by('/two', $token), '0 1 0 1', 'and a failure is not remembered');
is(added_by('/shop', $token), '0 1 1 0',
   'what is found may still be refused by the location');
is(added_by('/one', substr($token, 0, -4) . 'AAAA'), '0 1 0 1',
   'a forged twin is not found');
is(added_by('/one'), '0 1 0 0', 'no token is not looked for');

my $expired = $key->token({ exp => time() - 100 });
is(added_by('/one', $expired), '0 1 0 1', 'an expired token is refused');

# more than the cache holds, so that the first ones go
my @many = map { $key->token({ n => $_, pad => 'x' x 4000 }) } 1 .. 30;
$nginx->get('/one', Warren::JWT::bearer($_)) for @many;

is(added_by('/one', $many[-1]), '1 0 1 0', 'the last of many is there');
is(added_by('/one', $many[0]), '1 0 0 1', 'the first is not');
is(added_by('/one', $many[0]), '1 0 1 0', 'until it comes again');

$nginx->reload();
$nginx->wait_for_old();
is(added_by('/one', $many[0]), '1 0 0 1', 'a new worker begins without any');


# counters of limits stand beside them

my $http = $nginx->http(keep_alive => 1);
$http->get("/small?k=$_") for 1 .. 400;
$http->get('/small?k=400');
$http->close();

is(counter('limit_passed'), 400, 'requests that pass a limit are counted');
is(counter('limit_refused'), 1, 'and those that do not');
cmp_ok(counter('limit_evicted'), '>', 100, 'and keys that had to go');

done_testing();
