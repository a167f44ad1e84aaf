#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Rates over several worker processes and through reloads: not one request
# more than the quota, nor one less.

use strict;
use warnings;

use lib 't/lib';

use POSIX qw(_exit);
use Test::More;

use Warren::HTTP;
use Warren::Nginx;
use Warren::Test;


my $conf = <<'END';
%%GLOBALS%%
events { accept_mutex off; }
http {
    %%HTTP%%
    gateway_limit_zone $arg_k zone=first:1m rate=1r/m burst=99;
    gateway_limit_zone $arg_j zone=second:1m rate=1r/m burst=149;

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        root %%DIR%%/html;
        location = /one { gateway_limit zone=first; }
        location = /ab { gateway_limit zone=first; gateway_limit zone=second; }
        location = /ba { gateway_limit zone=second; gateway_limit zone=first; }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf, workers => 4);
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(one ab ba);
$nginx->start();


# Clients ask at the same time, each over connections of its own; returns how
# many answers had each status.
sub ask {
    my ($n, $times, @paths) = @_;

    my (@readers, @pids);

    for my $client (1 .. $n) {
        pipe my $reader, my $writer or die "pipe: $!\n";

        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            for my $time (1 .. $times) {
                my $path = $paths[$time % @paths];
                my $answer = eval { $nginx->get($path) };
                syswrite $writer, ($answer ? $answer->{status} : 0) . "\n";
            }

            _exit(0);
        }

        close $writer;
        push @readers, $reader;
        push @pids, $pid;
    }

    my %count;

    for my $reader (@readers) {
        while (my $line = <$reader>) {
            chomp $line;
            $count{$line}++;
        }
    }

    waitpid $_, 0 for @pids;

    return join ' ', map { "$_:$count{$_}" } sort keys %count;
}


is(ask(6, 30, '/one?k=a'), '200:100 429:80',
   'a quota of 100 is that for four processes together');
is(ask(6, 20, '/ab?k=b&j=b', '/ba?k=b&j=b'), '200:100 429:20',
   'two zones in either order are charged as often as both allow');
is(ask(4, 20, '/ab?k=c&j=b', '/ba?k=d&j=b'), '200:50 429:30',
   'the second zone has what the first did not refuse');

# with reloads in between

is(ask(2, 20, '/one?k=r'), '200:40', 'some of a quota is used');
$nginx->reload();
is(ask(2, 20, '/one?k=r'), '200:40', 'some more after a reload');
$nginx->reload();
is(ask(2, 20, '/one?k=r'), '200:20 429:20',
   'and the rest after another one');


# Processes of two configurations work side by side after a reload.  A process
# holds all zones of a request while it charges them, and tells them in the
# order in which it took them: that must be one for all processes.

sub order {
    return join ' ', $nginx->get($_[0])->{headers}{ratelimit} =~ /"(\w+)"/g;
}

my $before = order('/ab?k=o&j=o');
is(order('/ba?k=o&j=o'), $before, 'zones are taken in one order');

$conf =~ s/^( +gateway_limit_zone .* zone=first.*\n)(.*\n)/$2$1/m
    or die "no zones in the configuration\n";
$nginx->write_conf($conf)->reload();
is(order('/ab?k=o&j=o'), $before,
   'and in the same when the configuration has them in another');

done_testing();
