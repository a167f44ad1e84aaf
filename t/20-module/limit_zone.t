#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What shared memory goes through: processes that are killed while they charge
# a zone, and zones that come back with another size.

use strict;
use warnings;

use POSIX qw(_exit);
use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::Test;

use constant { PATIENCE => 60, KILLS => 30, CLIENTS => 4 };


my $conf = <<'END';
%%GLOBALS%%
events { accept_mutex off; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_limit_zone $arg_k zone=some:%%SIZE%% rate=1r/m burst=99;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        location = /one { gateway_limit zone=some; }
        location = /metrics { gateway_metrics; }
    }
}
END

my $nginx = Warren::Nginx->new(
    conf => $conf, workers => 3, vars => { SIZE => '1m' },
    allow => [qr/exited on signal 9/]
);
mkdir $nginx->dir() . '/html';
spew($nginx->dir() . '/html/one', "the page\n");
$nginx->start();


sub passed {
    my ($key, $times) = @_;

    return scalar grep { $_ == 200 }
           map { $nginx->get("/one?k=$key")->{status} } 1 .. $times;
}


# Clients without a pause, so that a process dies while it charges.

my $until = tempdir() . '/end';
my @clients = map {
    my $n = $_;
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $k = 0;

        while (!-e $until) {
            $k++;
            eval { $nginx->get("/one?k=$n-" . $k % 500) };
        }

        _exit(0);
    }

    $pid
} 1 .. CLIENTS;

my $before = passed('before', 60);

for (1 .. KILLS) {
    my ($victim) = grep { !Warren::Nginx::is_exiting($_) } $nginx->workers();

    kill 'KILL', $victim;
    wait_for(
        sub { !-e "/proc/$victim" && $nginx->workers() == 3 }, PATIENCE,
        'another worker'
    );
}

spew($until, '');
waitpid $_, 0 for @clients;

is($before, 60, 'some of a quota was used');
is(passed('before', 60), 40, 'the rest is there when ' . KILLS
                             . ' processes were killed while they charged');
is(passed('after', 120), 100, 'and new keys have theirs');


# another size

is(passed('size', 60), 60, 'some of a quota is used');

for my $size (qw(2m 64k 1m)) {
    my $told = $nginx->get('/metrics')->{body};

    $nginx->{vars}{SIZE} = $size;
    $nginx->write_conf($conf)->reload();
    $nginx->wait_for_old(PATIENCE);

    is(passed('size', 120), 100, "a zone that is now of $size begins anew");
    cmp_ok(count($nginx->get('/metrics')->{body}), '>', count($told),
           'while counters, of the same size, go on');
}

$nginx->write_conf($conf =~ s/gateway:1m/gateway:2m/r)->reload();
$nginx->wait_for_old(PATIENCE);
is(count($nginx->get('/metrics')->{body}), 0,
   'with another size counters begin anew');
is(passed('size', 1), 0, 'and the zone, of the same size, goes on');


sub count {
    my ($text) = @_;

    return $text =~ /^gateway_limit_passed_total (\d+)$/m
           ? $1 : die "no counter\n";
}

done_testing();
