package Warren::Bench::Machine;

# Copyright (C) the Warren authors
#
# What was measured on what: the machine, the versions of the programs, the
# commit.

use strict;
use warnings;

use Exporter qw(import);
use POSIX qw(uname);

use Warren::Nginx;
use Warren::PostgreSQL;
use Warren::Test qw(slurp source_dir);

our @EXPORT_OK = qw(machine versions commit);


sub machine {
    my ($kernel, $architecture) = (uname())[2, 4];
    my $cpu = slurp('/proc/cpuinfo');
    my ($memory) = slurp('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
    my $system = eval { slurp('/etc/os-release') } // '';
    my @cores = $cpu =~ /^processor\s*:/mg;

    return {
        cores => scalar @cores,
        cpu => ($cpu =~ /^model name\s*:\s*(.*)/m)[0] // $architecture,
        memory_mb => int($memory / 1024),
        kernel => $kernel,
        system => ($system =~ /^PRETTY_NAME="(.*)"/m)[0] // 'unknown',
        load => (split ' ', slurp('/proc/loadavg'))[0] + 0,
    };
}


# name => version, of what there is.
sub versions {
    my %version = (
        nginx => said(Warren::Nginx::program(), '-v'),
        PostgreSQL => said(Warren::PostgreSQL::program('postgres'),
                           '--version'),
        RabbitMQ => (map { m{rabbitmq_server-([\d.]+)} ? $1 : () }
                     sort glob '/usr/lib/rabbitmq/lib/rabbitmq_server-*')[-1],
        Erlang => (map { m{/(\d+)\z} ? $1 : () }
                   sort glob '/usr/lib/erlang/releases/[0-9]*')[-1],
        HAProxy => said('haproxy', '-v'),
        node => said('node', '--version'),
        gcc => said('gcc', '-dumpfullversion'),
    );

    delete @version{ grep { !defined $version{$_} } keys %version };

    return \%version;
}


# The first thing like a version in what a program says.
sub said {
    my ($program, $word) = @_;

    local $ENV{PATH} = "$ENV{PATH}:/usr/sbin:/usr/local/sbin";
    my $output = `'$program' $word 2>&1`;

    return undef if $? != 0;
    return $output =~ /(\d+(?:\.\d+)+)/ ? $1 : undef;
}


# Its name, with "+" if the tree has more than that; "unknown" outside of git.
sub commit {
    my $root = source_dir();
    my $name = `git -C '$root' rev-parse --short=10 HEAD 2> /dev/null`;

    chomp $name;
    return 'unknown' if $name eq '';

    my $more = `git -C '$root' status --porcelain -uno 2> /dev/null`;

    return $more eq '' ? $name : "$name+";
}


1;
