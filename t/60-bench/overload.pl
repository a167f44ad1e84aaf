#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Twice as much as the system can do, for a while: how much of it is still done,
# and how soon the rest hears that it is not.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/overload.pl
#
# The routes are those that ./dev up serves.  What it can do is measured at as
# many connections as are best for it, without a bound; twice that is offered
# with the bound of that configuration.  WARREN_BENCH_INFLIGHT puts a number, or
# "off", in the place of its gateway_max_inflight, to see what that is good for.

use strict;
use warnings;

use Warren::Bench;
use Warren::Bench::Shop;
use Warren::Test qw(spew tempdir);


# as many clients as come when a service is slow: more than are let in
my $clients = 1500;

# and so many keep it busy, as it turns out
my @peak_connections = (64, 128, 256, 384);

my $bench = Warren::Bench->new(
    name => 'overload', title => 'Twice the capacity is offered'
);
my $system = Overloaded->new(
    broker => $bench->rabbitmq(), postgresql => $bench->postgresql(),
    is_bounded => 1
)->start();

my ($id, $token) = $system->person('ada');
my $tokens = spew(tempdir('overload') . '/token', "$token\n");
my %what = (
    get_user => { path => '/users/me', expect => 200 },
    create_order => { Warren::Bench::Shop::order(), expect => 201 },
);

# first what it can do, then that again in turn with twice as much
for my $connections (@peak_connections) {
    for my $what (sort keys %what) {
        row("first-$what-$connections", $what, $connections, undef,
            seconds => 1, label => 'first');
    }
}

$bench->run();

for my $what (sort keys %what) {
    my ($peak, $connections) = peak($what);

    row("peak-$what", $what, $connections, undef);
    row("overload-$what", $what, $clients, int(2 * $peak),
        after => sub { refusals($what, @_) });

    $bench->goal(
        name => 'overload', of => "overload-$what", over => "peak-$what",
        text => "share of its peak that $what still does", field => 'rate',
        at_least => 0.9
    );
    $bench->goal(
        name => 'overload', of => "overload-$what", field => 'refused_p99_us',
        text => "ms until $what is refused, 99 of 100", scale => 0.001,
        at_most => 50
    );
}

$bench->note(
    "Offered to $clients connections on a schedule, whatever the answers;"
    . ' latency counts from when a request was due. What was done is told as'
    . ' the rate, what was refused as errors.'
);
$bench->run()->print();

for my $what (sort keys %what) {
    printf "%s: refused, median of p50 %.1f ms, of p99 %.1f ms; a refusal costs"
           . " nginx %.0f us, the client %.0f us; share of what could be done"
           . " beside that: %.2f\n", $what,
           map { ($bench->median_of("overload-$what", $_->[0]) // 0)
                 * $_->[1] }
               ['refused_p50_us', 0.001], ['refused_p99_us', 0.001],
               ['refusal_nginx_us', 1], ['refusal_client_us', 1],
               ['share_beside', 1];
}


sub row {
    my ($id, $what, $connections, $rate, %option) = @_;

    my $port = $system->nginx()->port_of($rate ? 'PORT' : 'PORT_1');

    $bench->row(
        id => $id, system => 'Warren', what => $what, system_calls => 0,
        connections => $connections, rate => $rate, %option,
        processes => sub { Warren::Bench::system_processes($system) },
        run => sub {
            my ($seconds, $row) = @_;

            my $got = Warren::Bench::load(
                port => $port, tokens => $tokens,
                connections => $connections, rate => $rate,
                seconds => $seconds, %{ $what{$what} }
            );

            # what it may answer; all else would be a failure of another kind
            my @other = grep { !/^(?:200|201|429|503)$/ }
                        keys %{ $got->{statuses} };
            die "answers of status @other\n" if @other && $rate;

            $got->{"refused_$_"} = $got->{others}{$_} for qw(p50_us p99_us);

            return $got;
        }
    );
}


# The most of it that was done a second, none refused, and by how many.
sub peak {
    my ($what) = @_;

    my @best = (0, 0);

    for my $connections (@peak_connections) {
        my $id = "first-$what-$connections";
        my $rate = $bench->median_of($id, 'rate') // 0;

        next if grep { $_->{failed} || grep { $_ } values %{ $_->{errors} } }
                     @{ $bench->find($id)->{samples} };

        @best = ($rate, $connections) if $rate > $best[0];
    }

    die "$what was refused without a bound\n" if !$best[1];

    return @best;
}


# What a refusal costs, as processor time beyond that of what was done; and the
# goodput as a share of what the rest of the machine can do.
sub refusals {
    my ($what, $row, $sample) = @_;

    my $peak = $bench->find("peak-$what")->{samples}[-1];
    my $refused = $sample->{others}{requests};

    return if !$refused || !$peak || !$peak->{requests};

    my $each = sub {
        my ($seconds, $at_peak) = @_;

        return ($seconds - $at_peak * $sample->{requests} / $peak->{requests})
               / $refused;
    };
    my $nginx = $each->($sample->{cpu}{nginx}, $peak->{cpu}{nginx});
    my $client = $each->($sample->{client_cpu}, $peak->{client_cpu});
    my $machine = $peak->{busy} + $peak->{idle};
    my $left = 1 - ($nginx + $client) * $refused / $sample->{seconds}
                   / ($machine / $peak->{seconds});

    $sample->{refusal_nginx_us} = $nginx * 1e6;
    $sample->{refusal_client_us} = $client * 1e6;
    $sample->{share_beside} = $sample->{rate} / ($peak->{rate} * $left);
}


package Overloaded;

use parent -norequire, 'Warren::Bench::Shop';


# All clients may connect, whichever process takes them.  A second server has
# the same routes without a bound.
sub nginx_conf {
    my ($self) = @_;

    my $text = $self->SUPER::nginx_conf();
    my $inflight = $ENV{WARREN_BENCH_INFLIGHT};

    $text =~ s/(worker_connections +)\d+/${1}4096/;
    $text =~ s/(gateway_max_inflight +)\w+/$1$inflight/g if defined $inflight;

    my ($server) = $text =~ /^(    server \{\n.*?^    \}\n)/ms
        or die "dev.conf.in has no server\n";
    my $unbounded = $server =~ s/%%PORT%%/%%PORT_1%%/r;

    $unbounded =~ s/(gateway_max_inflight +)\w+/$1off/g;
    $text =~ s/\Q$server\E/$server$unbounded/;

    return $text;
}
