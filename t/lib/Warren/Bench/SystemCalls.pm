package Warren::Bench::SystemCalls;

# Copyright (C) the Warren authors
#
# Counts the system calls of running processes with perf.
#
#     my $counter = Warren::Bench::SystemCalls->start(nginx => [$pid, …]);
#     …
#     my $count = $counter->stop();       # { nginx => 1234 }
#
# Where perf is missing or may not, nothing is counted and nothing fails.

use strict;
use warnings;

use IPC::Open2 qw(open2);

use Warren::Test qw(slurp tempdir);

my $event = 'raw_syscalls:sys_enter';
my $can;


# Whether perf is here and may.
sub is_available {
    if (!defined $can) {
        my $log = tempdir() . '/perf.log';
        my $status = system "perf stat -x, -e $event -o $log -- true"
                            . ' > /dev/null 2>&1';

        $can = $status == 0 && slurp($log) =~ /^\d+,/m ? 1 : 0;
        unlink $log;
    }

    return $can;
}


# (name => [pids], …), children included by whoever asks.
sub start {
    my ($class, %processes) = @_;

    my $self = bless { counters => {} }, $class;

    return $self if !is_available();

    for my $name (sort keys %processes) {
        my @pids = grep { -e "/proc/$_" } @{ $processes{$name} };
        next if !@pids;

        my $log = tempdir() . "/perf-$name.log";
        $log =~ tr/ /-/;

        # perf counts while its command runs: from the word that this one says
        # to the end of what it reads
        my $pid = open2(
            my $from, my $to, 'sh', '-c', 'exec "$@" 2> /dev/null', 'sh',
            'perf', 'stat', '-x,', '-e', $event, '-o', $log, '-p',
            join(',', @pids), '--', 'sh', '-c', 'echo counting; exec cat'
        );

        my $word = <$from>;
        $self->{counters}{$name} = {
            pid => $pid, from => $from, to => $to, log => $log,
            is_counting => defined $word
        };
    }

    return $self;
}


# { name => calls }; a name that could not be counted is not there.
sub stop {
    my ($self) = @_;

    my %count;

    for my $counter (values %{ $self->{counters} }) {
        close $counter->{to};
    }

    for my $name (keys %{ $self->{counters} }) {
        my $counter = delete $self->{counters}{$name};

        waitpid $counter->{pid}, 0;
        next if !$counter->{is_counting} || !-f $counter->{log};

        my ($calls) = slurp($counter->{log}) =~ /^(\d+),/m;
        $count{$name} = $calls + 0 if defined $calls;
        unlink $counter->{log};
    }

    return \%count;
}


1;
