#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Rates: what passes, what is refused, what the client is told, and what is
# charged when.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $key = Warren::JWT->ec(kid => 'key');

my $conf = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%

    gateway_limit_zone $arg_k zone=slow:32k rate=1r/m burst=2;
    gateway_limit_zone $arg_k zone=strict:32k rate=1r/m;
    gateway_limit_zone $arg_k zone=wide:32k rate=%%RATE%%r/m burst=9;
    gateway_limit_zone $arg_k zone=quick:32k rate=10r/s;
    gateway_limit_zone $arg_k zone=pass:32k rate=1r/m empty=skip;
    gateway_limit_zone $arg_k zone=must:32k rate=1r/m empty=refuse;
    gateway_limit_zone $gateway_jwt_sub zone=person:32k rate=1r/m burst=1;
    gateway_limit_zone "${gateway_jwt_sub}" zone=maybe:32k rate=1r/m empty=skip;
    gateway_limit_zone $plan$gateway_jwt_claim_plan zone=mapped:32k rate=1r/m;
    gateway_limit_zone $plan zone=late:32k rate=1r/m after=jwt empty=refuse;

    map $gateway_jwt_claim_plan $plan {
        volatile;
        default $gateway_jwt_claim_plan;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt_key_file keys.json;

        location = /slow { gateway_limit zone=slow; }
        location = /cost { gateway_limit zone=wide cost=4; }
        location = /both { gateway_limit zone=wide; gateway_limit zone=strict; }
        location = /htob { gateway_limit zone=strict; gateway_limit zone=wide; }
        location = /wide { gateway_limit zone=wide; }
        location = /quick { gateway_limit zone=quick; }
        location = /pass { gateway_limit zone=pass; }
        location = /must { gateway_limit zone=must; }

        location = /person { gateway_jwt optional; gateway_limit zone=person; }
        location = /maybe { gateway_jwt optional; gateway_limit zone=maybe; }
        location = /late { gateway_jwt on; gateway_limit zone=late; }
        location = /early {
            gateway_jwt on;
            gateway_limit zone=slow;
            gateway_limit zone=person;
        }

        location = /page { gateway_limit zone=slow; error_page 429 = @calm; }
        location @calm { gateway_limit zone=slow; try_files /calm =500; }

        location = /missing {
            gateway_limit zone=wide;
            error_page 404 = @found;
        }
        location @found {
            gateway_limit zone=wide;
            gateway_limit zone=slow;
            try_files /calm =500;
        }

        location = /accel {
            gateway_limit zone=wide;
            proxy_pass http://127.0.0.1:%%PORT_2%%;
        }
        location = /inside {
            internal;
            gateway_limit zone=wide;
            try_files /calm =500;
        }

        location = /ssi.html { ssi on; gateway_limit zone=wide; }

        location /nested {
            gateway_limit zone=slow;
            location = /nested/inherited { try_files /calm =500; }
            location = /nested/own {
                gateway_limit zone=wide;
                try_files /calm =500;
            }
            location = /nested/free { gateway_limit off; try_files /calm =500; }
        }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / { add_header X-Accel-Redirect /inside?$args; return 200; }
    }
}
END

my $nginx = Warren::Nginx->new(
    conf => $conf, vars => { RATE => 1 }, workers => 2,
    allow => [qr/gateway_limit_zone "slow" uses the key/]
);

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(slow cost both htob wide quick pass must person maybe late early
           page calm);
spew("$dir/html/ssi.html", '<!--# include virtual="/wide?k=ssi" -->'
                           . '<!--# include virtual="/wide?k=ssi" -->');
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

# status, RateLimit and Retry-After, with times of a minute written as T
sub ask {
    my ($path, @headers) = @_;

    my $answer = $nginx->get($path, @headers);
    my $text = join ' ', $answer->{status},
                    map { $_ // '-' } @{ $answer->{headers} }{
                        qw(ratelimit retry-after)};
    $text =~ s/\b(?:60|5\d)\b/60/g;
    $text =~ s/\b(?:120|11\d)\b/120/g;

    return $text;
}

sub policy {
    my ($path, @headers) = @_;
    return $nginx->get($path, @headers)->{headers}{'ratelimit-policy'};
}


# the quota and its fields

is(ask('/slow?k=a'), '200 "slow";r=2;t=60 -', 'the first of three passes');
is(ask('/slow?k=a'), '200 "slow";r=1;t=60 -', 'the second passes');
is(ask('/slow?k=a'), '200 "slow";r=0;t=60 -', 'the third passes');
is(ask('/slow?k=a'), '429 "slow";r=0;t=60 60',
   'the fourth is refused and told when to come again');
is(ask('/slow?k=b'), '200 "slow";r=2;t=60 -', 'another key has its own quota');
is(policy('/slow?k=c'), '"slow";q=3;w=180',
   'the policy names burst and one, and the time to fill it');
is(policy('/quick?k=c'), '"quick";q=1;w=1', 'a window is a second at least');
is(policy('/slow?k=a'), '"slow";q=3;w=180',
   'a refusal has the policy as well');

is(ask('/cost?k=a'), '200 "wide";r=6;t=60 -', 'a cost of four takes four');
is(ask('/cost?k=a'), '200 "wide";r=2;t=60 -', 'and four more');
is(ask('/cost?k=a'), '429 "wide";r=2;t=60 120',
   'and is refused while two remain, for as long as four take');
is(ask('/wide?k=a'), '200 "wide";r=1;t=60 -', 'a cost of one passes still');

$nginx->get('/quick?k=q');
my $refused = $nginx->get('/quick?k=q');
is($refused->{status}, 429, 'a quick rate refuses the second at once');
is($refused->{headers}{'retry-after'}, 1, 'and says a second');
ok(wait_for(sub { $nginx->get('/quick?k=q')->{status} == 200 }, 5,
            'the quota'), 'and lets one pass when its time has come');


# several zones

is(ask('/both?k=s'), '200 "strict";r=0;t=60, "wide";r=9;t=60 -',
   'two zones are charged, and both are told');
is(ask('/both?k=s'), '429 "strict";r=0;t=60, "wide";r=9;t=60 60',
   'when one refuses the other is not charged');
is(ask('/htob?k=s'), '429 "strict";r=0;t=60, "wide";r=9;t=60 60',
   'in whatever order they stand');
is(ask('/wide?k=s'), '200 "wide";r=8;t=60 -',
   'as is seen where it stands alone');
is(policy('/both?k=s'), '"strict";q=1;w=60, "wide";q=10;w=600',
   'both policies are told');


# keys

is(ask('/pass'), '200 - -', 'an empty key is not limited');
is(policy('/pass'), '"pass";q=1;w=60', 'though there is a policy');
is(ask('/must'), '429 - -', 'unless it is to be refused');
ok(wait_for(sub {
    $nginx->log_text() =~ /request without a key for zone "must"/
}, 5, 'the log'), 'and the log says that it had none');
is(ask('/must?k=1'), '200 "must";r=0;t=60 -', 'which other keys are not');

my ($long, $longer) = ('x' x 64, 'x' x 300);
is(ask("/slow?k=$long"), '200 "slow";r=2;t=60 -', 'a key of 64 bytes is kept');
is(ask("/slow?k=$long"), '200 "slow";r=1;t=60 -', 'and found');
is(ask("/slow?k=${longer}1"), '200 "slow";r=2;t=60 -',
   'a longer one is kept');
is(ask("/slow?k=${longer}1"), '200 "slow";r=1;t=60 -', 'and found');
is(ask("/slow?k=${longer}2"), '200 "slow";r=2;t=60 -',
   'and is not taken for one that differs in its last byte');


# tokens

my @anna = Warren::JWT::bearer($key->token({ sub => 'anna', plan => 'gold' }));
my @bert = Warren::JWT::bearer($key->token({ sub => 'bert' }));
my @forged = Warren::JWT::bearer(
    Warren::JWT->ec(kid => 'key')->token({ sub => 'anna' })
);

is(ask('/person', @anna), '200 "person";r=1;t=60 -',
   'a verified subject is a key');
is(ask('/person', @bert), '200 "person";r=1;t=60 -', 'and so is another');
is(ask('/person', @forged), '401 - -', 'a forged token is not charged');
is(ask('/person', @anna), '200 "person";r=0;t=60 -',
   'nor is the one it names');
is(policy('/person', @forged), '"person";q=2;w=120',
   'though it is told the policy');
is(ask('/person'), '429 - -', 'without a subject there is no key: refused');
is(ask('/maybe'), '200 - -', 'unless such requests are not to be limited');

is(ask('/late', @anna), '200 "late";r=0;t=60 -',
   'a map of a claim is a key when it is charged after the token');
is(ask('/late', @bert), '429 - -', 'which is refused when it is empty');

is(ask('/early?k=e', @forged), '401 "slow";r=2;t=60 -',
   'a key that needs no token is charged before a bad token is looked at');
is(ask('/early?k=e', @forged), '401 "slow";r=1;t=60 -', 'each time');
is(ask('/early?k=e', @forged), '401 "slow";r=0;t=60 -', 'until');
is(ask('/early?k=e', @forged), '429 "slow";r=0;t=60 60', 'it is refused');
my @cora = Warren::JWT::bearer($key->token({ sub => 'cora' }));
is(ask('/early?k=f', @cora), '200 "slow";r=2;t=60, "person";r=1;t=60 -',
   'both zones are charged for a good one');
is(ask('/early?k=e', @cora), '429 "slow";r=0;t=60 60',
   'a zone that refuses early leaves the later one alone');
is(ask('/person', @cora), '200 "person";r=0;t=60 -', 'as is seen there');


# redirects, error pages, subrequests

is(ask('/missing?k=r'), '200 "wide";r=9;t=60, "slow";r=2;t=60 -',
   'a zone is charged once although an error page has it as well, and the '
   . 'zones of the error page are charged');
is(ask('/accel?k=r'), '200 "wide";r=8;t=60 -',
   'a zone is charged once although the request is redirected');
is(ask('/wide?k=r'), '200 "wide";r=7;t=60 -', 'as is seen at the next one');

ask('/slow?k=p') for 1 .. 3;
is(ask('/page?k=p'), '200 "slow";r=0;t=60 -',
   'an error page for 429 is served although it is limited itself');

is(ask('/ssi.html?k=m'), '200 "wide";r=9;t=60 -',
   'a page is charged once, however much it includes');
is(ask('/wide?k=ssi'), '200 "wide";r=9;t=60 -',
   'and what it includes is not charged');

is(ask('/nested/inherited?k=n'), '200 "slow";r=2;t=60 -',
   'limits are inherited');
is(ask('/nested/own?k=n'), '200 "wide";r=9;t=60 -', 'or replaced');
is(ask('/nested/free?k=n'), '200 - -', 'or switched off');


# the answer

my $answer = $nginx->get('/slow?k=a');
is($answer->{headers}{'content-type'}, 'application/problem+json',
   'a refusal is a problem');
is($answer->{json}{type}, 'urn:warren:error:rate_limited', 'of that type');
is($answer->{json}{status}, 429, 'with the status');
is($answer->{json}{detail}, 'the limit slow is reached', 'and says which');

my (undef, $text) = run_command([
    'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 10,
    'http://127.0.0.1:' . $nginx->port_of('PORT_1') . '/slow?k=a'
]);
like($text, qr/\AHTTP\/2 429/, 'HTTP/2 is limited as well');
like($text, qr/^ratelimit: "slow";r=0;t=\d+\r$/m, 'with the fields');
like($text, qr/^retry-after: \d+\r$/m, 'and when to come again');


# eviction

my $http = $nginx->http(keep_alive => 1);
is(ask('/slow?k=old'), '200 "slow";r=2;t=60 -', 'a key is charged');
my @bad = grep { $http->get("/slow?k=many$_")->{status} != 200 } 1 .. 600;
is("@bad", '', 'six hundred keys pass a zone that has no room for them');
is(ask('/slow?k=many600'), '200 "slow";r=1;t=60 -', 'the last is known');
is(ask('/slow?k=old'), '200 "slow";r=2;t=60 -', 'the oldest is forgotten');
$http->close();


# reload

ask('/wide?k=reload') for 1 .. 3;
$nginx->reload();
is(ask('/wide?k=reload'), '200 "wide";r=6;t=60 -',
   'what was charged survives a reload');

$nginx->{vars}{RATE} = 60;
$nginx->write_conf($conf);
$nginx->reload();
like(ask('/wide?k=reload'), qr/\A200 "wide";r=0;t=\d+ -\z|\A429 /,
     'a rate may change, what was charged remains');

my $other = $conf;
$other =~ s/\$arg_k (zone=slow)/\$arg_other $1/;
$nginx->write_conf($other);
kill 'HUP', $nginx->pid();
ok(wait_for(sub { $nginx->log_text() =~
                  /"slow" uses the key "\$arg_other" while previously/ },
            10, 'the refusal'), 'another key for a zone is refused at reload');
is($nginx->get('/slow?k=many600')->{status}, 200, 'and nginx goes on');


# what nginx -t refuses

sub is_invalid {
    my ($zone, $limit, $pattern, $name) = @_;

    my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    $zone
    server {
        listen 127.0.0.1:%%PORT%%;
        $limit
    }
}
END
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and told');
}

my $zone = 'gateway_limit_zone $arg_k zone=z:1m rate=1r/s burst=4;';
is_invalid($zone, 'gateway_limit zone=y;',
           qr/unknown zone "y".* in \S+test\.conf:8$/m, 'an unknown zone');
is_invalid($zone, 'gateway_limit zone=z cost=6;',
           qr/cost=6 can never pass zone "z", raise its burst to 5.*:8$/m,
           'a cost above the burst');
is_invalid($zone, 'gateway_limit zone=z cost=0;', qr/"cost=0"/,
           'a cost of nothing');
is_invalid($zone, 'gateway_limit zone=z; gateway_limit zone=z cost=2;',
           qr/names a zone twice/, 'a zone twice');
is_invalid($zone, 'gateway_limit zone=z; gateway_limit off;',
           qr/cannot be "off"/, 'off beside a zone');
is_invalid($zone, 'gateway_limit;', qr/invalid number of arguments/,
           'no zone');
is_invalid("$zone $zone", '', qr/duplicate zone "z"/, 'two zones of a name');
is_invalid('gateway_limit_zone $arg_k zone=z:1m;', '',
           qr/must have "zone=" and "rate="/, 'a zone without a rate');
is_invalid('gateway_limit_zone $arg_k rate=1r/s burst=1;', '',
           qr/must have "zone=" and "rate="/, 'a zone without a name');
is_invalid('gateway_limit_zone $arg_k zone=z:1k rate=1r/s;', '',
           qr/invalid zone size/, 'a tiny zone');
is_invalid('gateway_limit_zone $arg_k zone=z rate=1r/s;', '',
           qr/zone=NAME:SIZE/, 'a zone without a size');
is_invalid(q{gateway_limit_zone $arg_k 'zone=a"b:1m' rate=1r/s;}, '',
           qr/letters, digits/, 'a name with a quote');
is_invalid('gateway_limit_zone $gateway_jwt_sub zone=z:1m rate=1r/s '
           . 'before=jwt;', '', qr/before the token/,
           'a claim before the token');

for my $rate (qw(0r/s -1r/s 1.5r/s 100001r/s r/s 1r/h 1 xr/s)) {
    is_invalid("gateway_limit_zone \$arg_k zone=z:1m rate=$rate;", '',
               qr/invalid rate/, "a rate of $rate");
}

done_testing();
