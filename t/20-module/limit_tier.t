#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Rates and costs that are another for each request: plans by a claim, prices
# by what is asked for.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $key = Warren::JWT->ec(kid => 'key');

my $conf = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%

    map $gateway_jwt_claim_plan $plan {
        volatile;
        gold    1r/m:9;
        silver  1r/m:4;
        plain   2r/m;
        odd     fast;
        default "";
    }

    map $request_method $price {
        POST    5;
        HEAD    0;
        PUT     much;
        default "";
    }

    gateway_limit_zone $gateway_jwt_sub zone=tier:32k rate=$plan
                       default=1r/m:1;
    gateway_limit_zone $arg_k zone=claim:32k rate=$gateway_jwt_claim_rate
                       default=1r/m;
    gateway_limit_zone $arg_k zone=priced:32k rate=1r/m burst=9;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt_key_file keys.json;

        location = /tier { gateway_jwt optional; gateway_limit zone=tier; }
        location = /claim { gateway_jwt optional; gateway_limit zone=claim; }
        location = /priced {
            gateway_limit zone=priced cost=$price;
            error_page 405 =200 /priced;
        }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf);
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(tier claim priced);
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

sub told {
    my ($method, $path, @headers) = @_;

    my $answer = $nginx->request($method, $path, undef, @headers);
    my $headers = $answer->{headers};
    my $text = join ' ', $answer->{status}, $headers->{ratelimit} // '-',
                    $headers->{'ratelimit-policy'} // '-';
    $text =~ s/;t=\d+//g;
    return $text;
}

sub bearer { return Warren::JWT::bearer($key->token({ @_ })) }


# plans

is(told('GET', '/tier', bearer(sub => 'anna', plan => 'gold')),
   '200 "tier";r=9 "tier";q=10;w=600', 'a plan has its rate and burst');
is(told('GET', '/tier', bearer(sub => 'bert', plan => 'silver')),
   '200 "tier";r=4 "tier";q=5;w=300', 'and another has others');
is(told('GET', '/tier', bearer(sub => 'cora', plan => 'plain')),
   '200 "tier";r=1 "tier";q=2;w=60', 'a rate alone has the burst of the zone');
is(told('GET', '/tier', bearer(sub => 'dora')),
   '200 "tier";r=1 "tier";q=2;w=120', 'without a plan it is the default');
is(told('GET', '/tier', bearer(sub => 'egon', plan => 'odd')),
   '200 "tier";r=1 "tier";q=2;w=120', 'as with one that is no rate');
like($nginx->log_text(), qr/invalid rate "fast" for zone "tier", its default/,
     'which the log tells');

my @silver = bearer(sub => 'bert', plan => 'silver');
told('GET', '/tier', @silver) for 1 .. 4;
like(told('GET', '/tier', @silver), qr/\A429 "tier";r=0 "tier";q=5;w=300\z/,
     'a plan is held');
like(told('GET', '/tier', bearer(sub => 'bert', plan => 'gold')),
     qr/\A200 "tier";r=4 /, 'who buys a larger one has the rest of that');
like(told('GET', '/tier', bearer(sub => 'bert', plan => 'plain')),
     qr/\A429 "tier";r=0 /, 'who buys a smaller one has spent it');

is(told('GET', '/claim?k=a', bearer(sub => 'x', rate => '1r/m:7')),
   '200 "claim";r=7 "claim";q=8;w=480',
   'a rate that names a claim is looked at after the token');


# prices

is(told('GET', '/priced?k=a'), '200 "priced";r=9 "priced";q=10;w=600',
   'an empty cost is one');
like(told('POST', '/priced?k=a'), qr/ "priced";r=4 /, 'a cost may be more');
like(told('HEAD', '/priced?k=a'), qr/ "priced";r=4 /, 'or nothing');
like(told('POST', '/priced?k=a'), qr/\A429 "priced";r=4 /,
     'what costs more than is left is refused');
like(told('GET', '/priced?k=a'), qr/\A200 "priced";r=3 /,
     'while there is enough for less');
my $answer = $nginx->request('PUT', '/priced?k=b');
is($answer->{status}, 429, 'a cost that is no number is over any limit');
ok(!exists $answer->{headers}{'retry-after'}, 'today and tomorrow');
like($nginx->log_text(), qr/invalid cost "much" for zone "priced"/,
     'which the log tells');


# what nginx -t refuses

sub is_invalid {
    my ($zone, $limit, $pattern, $name) = @_;

    my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_limit_zone $zone;
    server {
        listen 127.0.0.1:%%PORT%%;
        $limit
    }
}
END
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and told');
}

is_invalid('$arg_k zone=z:1m rate=$arg_r', '',
           qr/must have "default=", the rate where the variable is empty/,
           'a variable without a default');
is_invalid('$arg_k zone=z:1m rate=$arg_r default=fast', '',
           qr/invalid rate "default=fast", .* 10r\/s:20/,
           'a default that is no rate');
is_invalid('$arg_k zone=z:1m rate=1r/s default=1r/s', '',
           qr/has two rates/, 'a default without a variable');
is_invalid('$arg_k zone=z:1m rate=1r/s:4 burst=4', '', qr/has two bursts/,
           'two bursts');
is_invalid('$arg_k zone=z:1m burst=4 rate=1r/s:4', '', qr/has two bursts/,
           'in whatever order');
is_invalid('$arg_k zone=z:1m rate=$nothing default=1r/s', '',
           qr/unknown "nothing" variable/, 'an unknown variable');
is_invalid('$arg_k zone=z:1m rate=1r/s:1000000', '', qr/invalid rate/,
           'a burst too large');
is_invalid('$arg_k zone=z:1m rate=$gateway_jwt_claim_rate default=1r/s '
           . 'before=jwt', '', qr/before the token that its key or rate/,
           'a rate by a claim before the token');
is_invalid('$arg_k zone=z:1m rate=1r/s',
           'gateway_limit zone=z cost=$gateway_jwt_claim_price;',
           qr/add "after=jwt" to the zone, in \S+:8$/m,
           'a cost by a claim before the token');

done_testing();
