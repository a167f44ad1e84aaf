package Warren::Bench::Process;

# Copyright (C) the Warren authors
#
# What processes cost, as /proc tells it: processor time, memory in proportional
# shares, bytes over the loopback.  Children count with their parents.

use strict;
use warnings;

use Exporter qw(import);
use POSIX ();

our @EXPORT_OK = qw(families cpu_seconds pss_kb machine_cpu loopback_bytes);

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());


sub text {
    my ($path) = @_;

    # a process may end between the look and the next
    open my $file, '<:raw', $path or return undef;
    local $/;

    return scalar <$file>;
}


# (name => [pids], …) with all descendants of those pids, that live now.  A
# process that is named itself is not counted with its parent.
sub families {
    my (%processes) = @_;

    my %children;
    my %named = map { $_ => 1 } map { @$_ } values %processes;

    for my $path (glob '/proc/[0-9]*/stat') {
        my ($pid, $parent) = (text($path) // '')
                             =~ /\A(\d+) \(.*\) [^Z] (\d+) /s or next;
        push @{ $children{$parent} }, $pid;
    }

    return map {
        my @pids = grep { defined } @{ $processes{$_} };
        my @left = @pids;

        while (defined(my $pid = shift @left)) {
            my @more = grep { !$named{$_} } @{ $children{$pid} // [] };
            push @pids, @more;
            push @left, @more;
        }

        ($_ => \@pids)
    } keys %processes;
}


# Of processes and of those of their children that have ended, so that the
# difference of two looks is what all of them used.
sub cpu_seconds {
    my (@pids) = @_;

    my $sum = 0;

    for my $pid (@pids) {
        my ($rest) = (text("/proc/$pid/stat") // '') =~ /\A.*\) (.*)/s or next;
        my @field = split ' ', $rest;

        # utime, stime, cutime, cstime
        $sum += $_ for @field[11 .. 14];
    }

    return $sum / $ticks;
}


# undef where it may not be read.
sub pss_kb {
    my (@pids) = @_;

    my $sum;

    for my $pid (@pids) {
        my ($kb) = (text("/proc/$pid/smaps_rollup") // '') =~ /^Pss:\s+(\d+)/m
            or next;
        $sum += $kb;
    }

    return $sum;
}


# Seconds of all processors together: (busy, idle).
sub machine_cpu {
    my ($line) = text('/proc/stat') =~ /^cpu (.*)/m;
    my ($user, $nice, $system, $idle, $wait, @other) = split ' ', $line;

    # irq, softirq, steal; guests are in user already
    my $busy = $user + $nice + $system;
    $busy += $_ // 0 for @other[0 .. 2];

    return ($busy / $ticks, ($idle + $wait) / $ticks);
}


# What went through "lo", each byte once.
sub loopback_bytes {
    my ($bytes) = text('/proc/net/dev') =~ /^\s*lo:\s*(\d+)/m;

    return $bytes;
}


1;
