#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Which processes have a connection to the broker: each worker one, the master
# and those that keep nginx's cache none; and that no packet of it waits for
# another.

use strict;
use warnings;

use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;

use lib 't/lib';
use Warren::FakeBroker qw(gateway ask outcome);
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test;

use constant PATIENCE => 60;

# of every machine alike
use constant { SYS_PIDFD_OPEN => 434, SYS_PIDFD_GETFD => 438 };


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('processes');

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => { echo => sub { return { status => 200, body => '"here"' } } }
);

my $cache = tempdir('cache');
chmod 0777, $cache;

my $nginx = gateway(
    url => $rabbit->url_without_password('gateway', $vhost),
    password => $rabbit->user('gateway', $vhost),
    http => "proxy_cache_path $cache keys_zone=cache:1m;",
    nginx => { workers => 3 }
);


sub title { return eval { slurp("/proc/$_[0]/cmdline") } // '' }

sub children {
    my ($pattern) = @_;
    return grep { title($_) =~ $pattern && !Warren::Nginx::is_exiting($_) }
           $nginx->workers();
}

# the descriptors of a process that are connections to the broker
sub connections {
    my ($pid) = @_;

    my $port = sprintf ':%04X', $rabbit->port();
    my %inode = map { (split)[9] => 1 }
                grep { (split)[2] =~ /\Q$port\E\z/ && (split)[3] eq '01' }
                split /\n/, slurp("/proc/$pid/net/tcp");

    return grep {
        (readlink("/proc/$pid/fd/$_") // '') =~ /\Asocket:\[(\d+)\]\z/
        && $inode{$1}
    } map { m{([0-9]+)\z} } glob "/proc/$pid/fd/*";
}

sub all_connected {
    my @workers = children(qr/worker process/);
    return @workers == 3 && 3 == grep { connections($_) == 1 } @workers;
}


ok(eval { wait_for(\&all_connected, PATIENCE, 'all connections'); 1 },
   'each worker process has one connection');
is(outcome(ask($nginx)), '200 "here"', 'by which calls pass');

is(scalar(children(qr/cache (?:manager|loader)/)), 2,
   'processes for the cache are there');
is_deeply([map { connections($_) } children(qr/cache/), $nginx->pid()], [],
          'and have none, nor has the master');


# whether the kernel waits with small packets for larger ones: 40 ms a call

my ($worker) = children(qr/worker process/);
my ($connection) = connections($worker);

SKIP: {
    my $process = syscall SYS_PIDFD_OPEN, $worker + 0, 0;
    my $fd = $process < 0 ? -1
             : syscall SYS_PIDFD_GETFD, $process, $connection + 0, 0;

    skip "descriptors cannot be looked at: $!", 1 if $fd < 0;

    open my $socket, '+<&=', $fd or die "socket: $!\n";
    is(unpack('i', getsockopt $socket, IPPROTO_TCP, TCP_NODELAY), 1,
       'a call is sent at once');
    close $socket;
    POSIX::close($process);
}


# reloads

for (1 .. 3) {
    $nginx->reload();
    $nginx->wait_for_old(PATIENCE);
}

ok(eval { wait_for(\&all_connected, PATIENCE, 'all connections'); 1 },
   'after reloads each has one again');
is_deeply([map { connections($_) } children(qr/cache/), $nginx->pid()], [],
          'and others have none');

ok(eval {
       wait_for(sub {
           3 == grep {
               ($_->{client_properties}{product} // '') eq 'Warren gateway'
           } @{ $rabbit->api('GET', "/api/vhosts/$vhost/connections") }
       }, PATIENCE, 'three'); 1
   }, 'which is what the broker sees');

done_testing();
