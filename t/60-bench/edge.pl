#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a request costs that is answered without a broker: its token verified, a
# rate charged, a fixed answer.  nginx with the gateway against HAProxy, each
# with as many workers (threads) as the machine has processors.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/edge.pl
#
# "one" is a token used again and again, "thousand" that many in turn, and of
# "fresh" each is new to the server: so many that the gateway, which remembers
# tokens, has forgotten one when it comes again.  That is checked.
# Tokens are signed once and kept in var/bench/tokens.

use strict;
use warnings;

use lib 't/lib';

use File::Path qw(make_path);
use MIME::Base64 qw(encode_base64url);

use Warren::Bench;
use Warren::HTTP;
use Warren::Nginx;
use Warren::Test qw(
    at_exit build_dir free_port run_command slurp spawn spew stop_process
    tempdir wait_for
);


my %all = (HS256 => 200_000, RS256 => 60_000);
my $subjects = 10_000;

# what fits into the cache of a process is far less than any of those; the
# share of fresh tokens that may be found in it all the same, at most
my $found_max = 0.001;

my $days = 30;
my $secret = 'known-to-everybody-of-this-bench';
my $body = 'x' x 43;
my ($issuer, $audience) = ('https://auth.example.com', 'shop');
my $rate = 100_000;

my $workers = grep { /^processor\s/ } split /^/, slurp('/proc/cpuinfo');
my $dir = tempdir('edge');

my $bench = Warren::Bench->new(
    name => 'edge', title => 'Token and limit, without a broker'
);
my $keep = $bench->dir() . '/tokens';
my $key = "$keep/rsa.pem";
my %tokens = tokens();
my $nginx = nginx();
my %port;
my $haproxy = haproxy();

rows('HS256', $_, 64) for qw(one thousand fresh);
rows('RS256', $_, 64) for qw(one thousand fresh);
rows('HS256', 'thousand', $_) for 1, 512;
ceilings();

$bench->note(
    "$workers processes of nginx, as many threads of HAProxy, no access logs;"
    . ' the load program has one thread on the same processors. nginx answers'
    . ' with empty_gif, a content handler, since return comes before the token'
    . ' is looked at; HAProxy with http-request return, and as many bytes of'
    . ' body. nginx also tells RateLimit and RateLimit-Policy, HAProxy nothing'
    . ' of its table.'
);
$bench->run();
$bench->print();


# The same of both, and that the one is no slower.
sub rows {
    my ($alg, $which, $connections) = @_;

    my %run = (
        warren => sub { nginx_load($alg, $which, $connections, @_) },
        haproxy => sub {
            my ($seconds) = @_;
            return load($port{$alg}, '/', $tokens{"$alg-$which"}, $connections,
                        $seconds);
        },
    );

    for my $name (qw(warren haproxy)) {
        my $is_ours = $name eq 'warren';

        $bench->row(
            id => lc("$name-$alg-$which-$connections"),
            system => $is_ours ? 'nginx with Warren' : 'HAProxy',
            what => "$alg, $which", connections => $connections,
            seconds => 1,
            processes => sub {
                $is_ours ? (nginx => [$nginx->pid()]) : (haproxy => [$haproxy])
            },
            run => $run{$name}
        );
    }

    my ($ours, $theirs) = map { lc("$_-$alg-$which-$connections") }
                          qw(warren haproxy);

    $bench->goal(
        name => 'edge', of => $ours, over => $theirs, field => 'rate',
        text => "$alg, $which, $connections at once: rate over HAProxy's",
        at_least => 1
    );
}


# What both do without a token or a rate.
sub ceilings {
    my %path = (return => '/return', empty_gif => '/gif');

    for my $name (sort keys %path) {
        $bench->row(
            id => "nginx-$name", system => 'nginx', connections => 64,
            what => "$name, no token", seconds => 1,
            processes => sub { (nginx => [$nginx->pid()]) },
            run => sub { load($nginx->port(), $path{$name}, undef, 64, $_[0]) }
        );
    }

    $bench->row(
        id => 'haproxy-return', system => 'HAProxy', connections => 64,
        what => 'return, no token', seconds => 1,
        processes => sub { (haproxy => [$haproxy]) },
        run => sub { load($port{PLAIN}, '/', undef, 64, $_[0]) }
    );
}


sub load {
    my ($port, $path, $tokens, $connections, $seconds) = @_;

    return Warren::Bench::load(
        port => $port, path => $path, tokens => $tokens,
        connections => $connections, seconds => $seconds
    );
}


# A fresh token that was known is none.
sub nginx_load {
    my ($alg, $which, $connections, $seconds) = @_;

    my $before = cache_hits();
    my $sample = load($nginx->port(), '/' . lc $alg, $tokens{"$alg-$which"},
                      $connections, $seconds);

    $sample->{cache_hits} = cache_hits() - $before;

    die "$sample->{cache_hits} of $sample->{requests} fresh tokens were known\n"
        if $which eq 'fresh'
           && $sample->{cache_hits} > $found_max * $sample->{requests};

    return $sample;
}


sub cache_hits {
    my $text = $nginx->get('/metrics')->{body};
    my ($hits) = $text =~ /^gateway_jwt_cache_hits_total (\d+)$/m;

    return $hits // die "nginx does not count what its cache does\n";
}


# Files of tokens by "ALGORITHM-WHICH".  They are signed anew before they could
# expire, or when they are for other claims.
sub tokens {
    my %files;

    make_path($keep);
    spew("$dir/secret", $secret, 0600);

    if (!-f $key) {
        command('openssl', 'genpkey', '-algorithm', 'RSA', '-pkeyopt',
                'rsa_keygen_bits:2048', '-out', $key);
    }

    command('openssl', 'pkey', '-in', $key, '-pubout', '-out', "$dir/rsa.pub");

    for my $alg (sort keys %all) {
        my $file = "$keep/$alg-$all{$alg}-$subjects";

        sign($alg, $file) if !-f $file || -M $file > $days / 2
                             || -M $file > -M $key;
        $files{"$alg-fresh"} = $file;

        open my $all, '<', $file or die "$file: $!\n";
        my @lines = (readline $all)[-1000 .. -1];

        # none of those that the fresh ones begin with in each run

        $files{"$alg-one"} = "$dir/$alg-one";
        spew($files{"$alg-one"}, $lines[0]);
        $files{"$alg-thousand"} = "$dir/$alg-thousand";
        spew($files{"$alg-thousand"}, join '', @lines);
    }

    return %files;
}


sub sign {
    my ($alg, $file) = @_;

    my $now = time();
    my $claims = qq("iss":"$issuer","aud":"$audience",)
                 . '"scope":"orders:read orders:write users:read",'
                 . qq("iat":$now,"exp":) . ($now + $days * 86400);

    $bench->tell("signing $all{$alg} tokens with $alg");

    my @words = (
        build_dir() . '/t/60-bench/sign_tokens', $alg,
        $alg eq 'HS256' ? "$dir/secret" : $key, $all{$alg}, $subjects, $claims
    );

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        open STDOUT, '>', "$file.new" or die "$file.new: $!\n";
        exec { $words[0] } @words or die "$words[0]: $!\n";
    }

    waitpid $pid, 0;
    die "$words[0] failed\n" if $? != 0;
    rename "$file.new", $file or die "$file: $!\n";
}


sub command {
    my ($status, $output) = run_command(command => [@_]);

    die "$_[0]: $output\n" if $status != 0;
}


sub nginx {
    spew("$dir/secret.json", '{"keys":[{"kty":"oct","alg":"HS256","k":"'
                             . encode_base64url($secret) . '"}]}');

    return Warren::Nginx->new(
        workers => $workers, log_level => 'notice', conf => <<"END")->start();
%%GLOBALS%%
events { worker_connections 4096; }
http {
    %%HTTP%%
    keepalive_requests   1000000000;
    keepalive_timeout    60s;

    gateway_zone         gateway:1m;
    gateway_limit_zone   \$gateway_jwt_sub zone=per_user:10m
                         rate=${rate}r/s burst=$rate;

    gateway_jwt_issuer   $issuer;
    gateway_jwt_audience $audience;

    server {
        listen 127.0.0.1:%%PORT%%;

        location = /hs256 {
            gateway_jwt             on;
            gateway_jwt_key_file    $dir/secret.json;
            gateway_jwt_algorithms  HS256;
            gateway_limit           zone=per_user;
            empty_gif;
        }

        location = /rs256 {
            gateway_jwt             on;
            gateway_jwt_key_file    $dir/rsa.pub;
            gateway_jwt_algorithms  RS256;
            gateway_limit           zone=per_user;
            empty_gif;
        }

        location = /gif     { empty_gif; }
        location = /return  { return 200 $body; }
        location = /metrics { gateway_metrics; }
    }
}
END
}


sub haproxy {
    my $text = slurp('t/60-bench/haproxy.cfg');

    %port = map { ($_ => free_port()) } qw(HS256 RS256 PLAIN);

    my %known = (
        %port, WORKERS => $workers, BODY => $body, RATE => $rate,
        ISSUER => $issuer, AUDIENCE => $audience, SECRET => $secret,
        PUBLIC => "$dir/rsa.pub"
    );

    $text =~ s/%%(\w+)%%/$known{$1} \/\/ die "haproxy.cfg: %%$1%%?\n"/ge;
    spew("$dir/haproxy.cfg", $text);

    my $pid = spawn(command => ['haproxy', '-db', '-f', "$dir/haproxy.cfg"],
                    log => "$dir/haproxy.log");

    at_exit(sub { stop_process($pid) });
    wait_for(
        sub { Warren::HTTP->new(port => $port{PLAIN})->open()->close(); 1 },
        20, 'HAProxy'
    );

    return $pid;
}
