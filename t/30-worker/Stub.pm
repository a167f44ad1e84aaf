package Stub;

# Copyright (C) the Warren authors
#
# The worker of stub_worker.c under test: a supervisor whose lanes need neither
# broker nor database.
#
#     my $stub = Stub->new('lanes' => 2)->start();
#     $stub->wait_until_ready();

use strict;
use warnings;

use Warren::HTTP;
use Warren::Test qw(
    wait_for slurp spew tempdir spawn alive stop_process at_exit build_dir
    run_command sanitizer_environment watch_log
);


my $count = 0;


# Settings over those that make it work.
sub new {
    my ($class, %settings) = @_;

    my $dir = tempdir('stub-' . ++$count);
    my $self = bless {
        dir => $dir, log => "$dir/worker.log", conf => "$dir/worker.conf",
        settings => {
            'broker.url' => 'amqp://stub@127.0.0.1:1/stub',
            'database.url' => 'postgresql://stub@127.0.0.1:1/stub',
            'drain_timeout' => '10s',
            %settings
        }
    }, $class;

    $self->write_conf();
    watch_log(path => $self->{log});
    at_exit(sub { $self->stop() });

    return $self;
}


sub program { return build_dir() . '/t/30-worker/stub_worker' }
sub conf { return $_[0]{conf} }
sub dir { return $_[0]{dir} }
sub pid { return $_[0]{pid} }


# Settings changed, and written for the next start or SIGHUP.
sub write_conf {
    my ($self, %settings) = @_;

    my $all = $self->{settings};
    %$all = (%$all, %settings);

    spew("$self->{conf}.new",
         join('', map { "$_ = $all->{$_}\n" } sort keys %$all), 0600);
    rename "$self->{conf}.new", $self->{conf} or die "rename: $!\n";
}


sub start {
    my ($self) = @_;

    $self->{pid} = spawn(
        command => [program(), '-c', $self->{conf}], log => $self->{log},
        environment => { sanitizer_environment(), $self->environment() }
    );

    return $self;
}


# Runs it with options to its end: (exit status, output).
sub run {
    my ($self, @options) = @_;

    my ($status, $output) = run_command(
        command => [program(), @options],
        environment => { sanitizer_environment(), $self->environment() }
    );

    return ($status >> 8, $output);
}


sub environment {
    my ($self, %set) = @_;

    %{ $self->{environment} } = %set if %set;

    return %{ $self->{environment} // {} };
}


sub signal {
    my ($self, $signal) = @_;

    kill $signal, $self->{pid};
}


sub is_alive { return alive($_[0]{pid}) }


# SIGTERM, or another signal; returns the exit status, or "signal N".
sub stop {
    my ($self, $signal) = @_;

    return if !$self->{pid};

    my $status = stop_process(delete $self->{pid}, $signal // 'TERM', 20,
                              'the stub worker');
    return if !defined $status;

    return $status & 127 ? 'signal ' . ($status & 127) : $status >> 8;
}


# Lines of the log as they are, and their messages.
sub log { return -f $_[0]{log} ? slurp($_[0]{log}) : '' }


sub messages {
    my ($self) = @_;

    return map { /"message":"((?:[^"\\]|\\.)*)"/ ? $1 : () }
           split /\n/, $self->log();
}


sub wait_for_message {
    my ($self, $pattern, $seconds, $times) = @_;

    $times //= 1;

    my $found = wait_for(
        sub {
            my @found = grep { /$pattern/ } $self->messages();
            @found >= $times ? \@found : undef;
        },
        $seconds // 10, "\"$pattern\" in the log"
    );

    return $found->[-1];
}


sub http {
    my ($self) = @_;

    my $message = $self->wait_for_message(qr/^serving http on /);
    my ($port) = $message =~ /:(\d+)\z/;

    return Warren::HTTP->new(port => $port);
}


sub wait_until_ready {
    my ($self) = @_;

    wait_for(sub { $self->http()->get('/ready')->{status} == 200 }, 10,
             'the stub worker to be ready');

    return $self;
}


# Pids of its lanes, as the kernel knows them.
sub lanes {
    my ($self, $pid) = @_;

    $pid //= $self->{pid};

    return grep {
        my $stat = eval { slurp("/proc/$_/stat") } // '';
        $stat =~ /\) [^ZX] \Q$pid\E /
    } map { m{(\d+)} ? $1 : () } glob '/proc/[0-9]*';
}


sub wait_for_lanes {
    my ($self, $n) = @_;

    my $lanes = wait_for(
        sub { my @lanes = $self->lanes(); @lanes == $n ? \@lanes : undef; },
        10, "$n lanes"
    );

    return @$lanes;
}


1;
