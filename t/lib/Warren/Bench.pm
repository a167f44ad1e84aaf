package Warren::Bench;

# Copyright (C) the Warren authors
#
# One bench: rows that are measured in turn, round by round, by the same means.
#
#     my $bench = Warren::Bench->new(name => 'echo', title => 'An echo call');
#     $bench->row(
#         id => 'warren-64', system => 'Warren', what => 'echo',
#         connections => 64,
#         processes => sub { (nginx => [$nginx->pid()]) },
#         run => sub {
#             my ($seconds) = @_;
#             return Warren::Bench::load(port => $port, path => '/echo',
#                                        connections => 64,
#                                        seconds => $seconds);
#         },
#     );
#     $bench->goal(name => 'echo', text => 'a share of the limit',
#                  of => 'warren-64', over => 'limit-64', field => 'rate',
#                  at_least => 0.65);
#     $bench->run();
#     $bench->print();
#
# A round runs every row once; the first one warms up and is not counted.  What
# went wrong is counted and shown, never dropped.  All samples of all rounds are
# kept in var/bench/NAME.json (WARREN_BENCH_DIR), after each round.
#
# WARREN_BENCH_ROUNDS (5) and WARREN_BENCH_SECONDS (2, of a row in a round).

use strict;
use warnings;

use File::Path qw(make_path);
use JSON::PP ();
use POSIX qw(strftime);
use Time::HiRes qw(time);

use Warren::Bench::Goals;
use Warren::Bench::Load;
use Warren::Bench::Machine qw(commit machine versions);
use Warren::Bench::Process qw(
    cpu_seconds families loopback_bytes machine_cpu pss_kb
);
use Warren::Bench::Statistics;
use Warren::Bench::Summary;
use Warren::Bench::SystemCalls;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(is_sanitized source_dir spew);


my $json = JSON::PP->new()->utf8()->canonical()->pretty()->allow_nonref();


# name, title.
sub new {
    my ($class, %option) = @_;

    die "a build with sanitizers is not measured\n" if is_sanitized();

    # a bench is longer than a test
    alarm($ENV{WARREN_TEST_SECONDS} // 3600);
    $| = 1;

    return bless {
        rounds => 0 + ($ENV{WARREN_BENCH_ROUNDS} // 5),
        seconds => 0 + ($ENV{WARREN_BENCH_SECONDS} // 2),
        rows => [], goals => [], notes => [], absent => [],
        started => time(), %option
    }, $class;
}


sub rounds { return $_[0]{rounds} }
sub seconds { return $_[0]{seconds} }


# Where results are.
sub dir {
    return $ENV{WARREN_BENCH_DIR} // source_dir() . '/var/bench';
}


# A cluster of one's own that keeps what it has said that it keeps.
sub postgresql {
    my ($self) = @_;

    return $self->{postgresql} //= Warren::PostgreSQL->private(settings => [
        map { ('-c', $_) } qw(
            fsync=on synchronous_commit=on full_page_writes=on
            shared_buffers=256MB
        )
    ]);
}


# A broker of one's own; its statistics are as often as where nobody says.
sub rabbitmq {
    my ($self) = @_;

    return $self->{rabbitmq} //= Warren::RabbitMQ->private(
        statistics_ms => 5000
    );
}


# (name => [pids]) of the servers that the bench has started.
sub servers {
    my ($self) = @_;

    return map { ($_->[0] => [$_->[1]{pid}]) }
           grep { $_->[1] && $_->[1]{pid} }
           ['RabbitMQ', $self->{rabbitmq}],
           ['PostgreSQL', $self->{postgresql}];
}


# (name => [pids]) of a Warren::System: nginx and each service.
sub system_processes {
    my ($system) = @_;

    return (
        nginx => [$system->nginx()->pid()],
        map { ($_ => [$system->worker($_)->pid()]) }
            sort keys %{ $system->{workers} }
    );
}


# id (unique in the bench), system, what; connections; rate: what is offered a
# second, or a sub that knows it by then.  processes: a sub that gives (name =>
# [pids]); children, and the servers of the bench, are counted without being
# named.  run: a sub that is given the seconds and the row and returns at least
# requests and seconds; a rate, cpu, pss_kb or client_cpu that it returns, undef
# too, stands for what would be measured: processes that end within a sample
# cannot be looked at after it.  prepare and after: subs for what a sample needs
# before and is not measured, and for what it needs after; they are given the
# row, after also the sample.  rounds, seconds: at most so many.  axis and x:
# the row's place in a chart, if it is neither connections nor rate.
# system_calls => 0: they are not counted; warm_up => 0: others have done that.
# takes: about how long a run of it is, with prepare and after, if that is not
# its seconds; the plan that run() tells is made of that.
sub row {
    my ($self, %option) = @_;

    for my $name (qw(id system what run)) {
        die "a row without $name\n" if !defined $option{$name};
    }

    die "two rows $option{id}\n" if $self->find($option{id});

    push @{ $self->{rows} }, {
        processes => sub { () }, samples => [], %option
    };

    return $self;
}


# A row by its id.
sub find {
    my ($self, $id) = @_;

    return (grep { $_->{id} eq $id } @{ $self->{rows} })[0];
}


# The median of a row's field so far: median_of('warren-64', 'rate').
sub median_of {
    my ($self, $id, $field) = @_;

    my $row = $self->find($id) // die "no row $id\n";

    return Warren::Bench::Summary::median_of($row, $field);
}


# What shall be reached: see Warren::Bench::Goals.
sub goal {
    my ($self, %goal) = @_;

    Warren::Bench::Goals::check(\%goal);
    push @{ $self->{goals} }, \%goal;

    return $self;
}


# A system that could not be measured, and why: it is said in all output.
sub absent {
    my ($self, $system, $why) = @_;

    $why =~ s/\s+\z//;
    push @{ $self->{absent} }, { system => $system, why => $why };

    return $self;
}


# A sentence for the report, about what the figures mean.
sub note {
    my ($self, $text) = @_;

    push @{ $self->{notes} }, $text;

    return $self;
}


# Measures the rows that were not measured yet, and saves.  May be called
# again after more rows.
sub run {
    my ($self) = @_;

    $self->{machine} //= machine();
    $self->{versions} //= versions();
    $self->{commit} //= commit();

    my @rows = grep { !$_->{is_measured} } @{ $self->{rows} };
    my $rounds = Warren::Bench::Statistics::most(
        map { $self->rounds_of($_) } @rows
    ) // 0;

    $self->tell($self->plan(@rows));
    $self->tell('warming up');
    $self->sample($_, 0) for grep { $_->{warm_up} // 1 } @rows;

    for my $round (1 .. $rounds) {
        $self->tell("round $round of $rounds");
        $self->sample($_, $round)
            for grep { $round <= $self->rounds_of($_) } @rows;
        $self->save();
    }

    if (Warren::Bench::SystemCalls::is_available()) {
        $self->tell('counting system calls');
        $self->count_system_calls($_)
            for grep { $_->{system_calls} // 1 } @rows;

    } elsif (!$self->{has_no_perf}++) {
        $self->tell('perf is missing or may not count: no system calls');
    }

    $_->{is_measured} = 1 for @rows;
    $self->{seconds_in_all} = time() - $self->{started};
    $self->save();

    return $self;
}


# What is about to be done, and how long that takes, as words.
sub plan {
    my ($self, @rows) = @_;

    my $counts = Warren::Bench::SystemCalls::is_available();
    my $seconds = 0;

    for my $row (@rows) {
        my $more = ($row->{warm_up} // 1)
                   + ($counts && ($row->{system_calls} // 1) ? 1 : 0);
        my $long = $self->seconds_of($row);
        my $short = smaller(1, $long);

        # half a second goes by around each
        $seconds += $self->rounds_of($row) * ($row->{takes} // $long + 0.5)
                    + $more * ($row->{takes} // $short + 0.5);
    }

    return sprintf '%d rows, about %.0f s', scalar @rows, $seconds;
}


sub rounds_of {
    my ($self, $row) = @_;

    return smaller($row->{rounds}, $self->{rounds});
}


sub seconds_of {
    my ($self, $row) = @_;

    return smaller($row->{seconds}, $self->{seconds});
}


sub smaller {
    my ($own, $common) = @_;

    return defined $own && $own < $common ? $own : $common;
}


sub tell {
    my ($self, $text) = @_;

    print STDERR "# $self->{name}: $text\n" if !$ENV{WARREN_BENCH_QUIET};
}


# One run of one row; round 0 is not kept unless it fails.
sub sample {
    my ($self, $row, $round) = @_;

    my $seconds = $self->seconds_of($row);
    $seconds = smaller(1, $seconds) if $round == 0;

    my $sample = eval {
        $row->{rate} = $row->{rate}->($row) if ref $row->{rate} eq 'CODE';
        $row->{prepare}->($row) if $row->{prepare};

        my $sample = $self->measure($row, $seconds);

        $row->{after}->($row, $sample) if $row->{after};
        $sample
    };

    if (!$sample) {
        my $root = source_dir();
        my $why = $@;
        $why =~ s/\s+\z//;
        $why =~ s{\Q$root\E/}{}g;
        $self->tell("$row->{id}: $why");
        $sample = { failed => $why };
    }

    $sample->{round} = $round;

    push @{ $row->{samples} }, $sample if $round || $sample->{failed};
}


# Between two looks at what all processes have used.
sub measure {
    my ($self, $row, $seconds) = @_;

    my $before = $self->look($row);
    my $sample = $row->{run}->($seconds, $row);
    my $after = $self->look($row);

    die "it says nothing\n" if ref $sample ne 'HASH';
    $sample->{$_} // die "it says no $_\n" for qw(requests seconds);

    $sample = { %$sample };

    my %own = %$sample;

    $sample->{rate} = $sample->{requests} / $sample->{seconds}
        if $sample->{seconds} > 0;
    $sample->{cpu} = {
        map { ($_ => $after->{cpu}{$_} - $before->{cpu}{$_}) }
        grep { defined $before->{cpu}{$_} } keys %{ $after->{cpu} }
    };
    $sample->{pss_kb} = {
        map { ($_ => pss_kb(@{ $after->{pids}{$_} })) }
            keys %{ $after->{pids} }
    };
    $sample->{client_cpu} = $after->{client} - $before->{client};
    $sample = { %$sample, %own };

    $sample->{busy} = $after->{busy} - $before->{busy};
    $sample->{idle} = $after->{idle} - $before->{idle};
    $sample->{loopback_bytes} = $after->{loopback} - $before->{loopback};

    return $sample;
}


sub look {
    my ($self, $row) = @_;

    my %pids = $self->pids($row);
    my ($busy, $idle) = machine_cpu();
    my $client = 0;
    $client += $_ for times;

    return {
        pids => \%pids, client => $client, busy => $busy, idle => $idle,
        cpu => { map { ($_ => cpu_seconds(@{ $pids{$_} })) } keys %pids },
        loopback => loopback_bytes(),
    };
}


sub pids {
    my ($self, $row) = @_;

    my @processes = $row->{processes}->($row);
    @processes = %{ $processes[0] }
        if @processes == 1 && ref $processes[0] eq 'HASH';

    return families($self->servers(), @processes);
}


sub count_system_calls {
    my ($self, $row) = @_;

    my $done = eval {
        $row->{prepare}->($row) if $row->{prepare};

        my $counter = Warren::Bench::SystemCalls->start($self->pids($row));
        my $sample = eval {
            $row->{run}->(smaller(1, $self->seconds_of($row)), $row)
        };
        my $error = $@;
        my $count = $counter->stop();

        die $error if !$sample;

        $row->{after}->($row, $sample) if $row->{after};

        if ($sample->{requests}) {
            $row->{calls} = {
                map { ($_ => $count->{$_} / $sample->{requests}) }
                    keys %$count
            };
        }

        1
    };

    $self->tell("$row->{id}: no system calls: $@") if !$done;
}


# Everything as data.
sub data {
    my ($self) = @_;

    my @fields = qw(
        id system what connections rate axis x group label samples calls
    );

    return {
        format => 1,
        map({ ($_ => $self->{$_}) } qw(
            name title rounds seconds machine versions commit goals notes
            absent seconds_in_all
        )),
        started => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $self->{started}),
        rows => [
            map {
                my $row = $_;
                +{
                    map { ($_ => $row->{$_}) }
                    grep { defined $row->{$_} && ref $row->{$_} ne 'CODE' }
                         @fields
                }
            } @{ $self->{rows} }
        ],
    };
}


sub save {
    my ($self) = @_;

    my $dir = dir();
    my $path = "$dir/$self->{name}.json";

    make_path($dir);
    spew("$path.new", $json->encode($self->data()));
    rename "$path.new", $path or die "$path: $!\n";

    return $path;
}


# The tables as text.  Goals and notes may have come after the last round.
sub print {
    my ($self) = @_;

    $self->save();

    print Warren::Bench::Summary::text($self->data());

    return $self;
}


# Runs the load program: see Warren::Bench::Load.
sub load {
    return Warren::Bench::Load::load(@_);
}


1;
