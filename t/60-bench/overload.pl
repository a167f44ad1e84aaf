#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Twice as much as the system can do, for a while: how much of it is still done,
# and how soon the rest hears that it is not.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/overload.pl
#
# The routes are those that ./dev up serves, with the limits of that
# configuration.  WARREN_BENCH_INFLIGHT puts a number, or "off", in the place of
# its gateway_max_inflight, to see what that is good for.

use strict;
use warnings;

use Warren::Bench;
use Warren::System;
use Warren::Test qw(spew tempdir);


# as many clients as come when a service is slow: more than are let in
my $clients = 1500;

# and as many as keep it busy, none of whom is refused
my $peak_connections = $ENV{WARREN_BENCH_PEAK} // 64;

my $bench = Warren::Bench->new(
    name => 'overload', title => 'Twice the capacity is offered'
);
my $system = Overloaded->new(
    broker => $bench->rabbitmq(), postgresql => $bench->postgresql(),
    services => [qw(users orders notifications)],
    settings => {
        'log.level' => 'info', users => { lanes => 2 }, orders => { lanes => 2 }
    }
)->start();

my ($id, $token) = $system->person('ada');
my $tokens = spew(tempdir('overload') . '/token', "$token\n");
my $order = '{"currency":"EUR","lines":[{"product_id":"tea-100",'
            . '"quantity":2,"unit_price_cents":450}]}';
my %what = (
    get_user => { path => '/users/me', expect => 200 },
    create_order => {
        path => '/orders', method => 'POST', body => $order, expect => 201,
        headers => { 'Content-Type' => 'application/json' }
    },
);

# first what it can do, then that again in turn with twice as much
for my $what (sort keys %what) {
    row("first-$what", $what, $peak_connections, undef, rounds => 3,
        system_calls => 0, label => 'first');
}

$bench->run();

for my $what (sort keys %what) {
    row("peak-$what", $what, $peak_connections, undef, system_calls => 0);
    row("overload-$what", $what, $clients,
        sub { int(2 * $bench->median_of("first-$what", 'rate')) },
        system_calls => 0);

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
    printf "%s: refused, median of p50 %.1f ms, of p99 %.1f ms\n", $what,
           map { ($bench->median_of("overload-$what", $_) // 0) / 1000 }
               qw(refused_p50_us refused_p99_us);
}


sub row {
    my ($id, $what, $connections, $rate, %option) = @_;

    $bench->row(
        id => $id, system => 'Warren', what => $what,
        connections => $connections, rate => $rate, %option,
        processes => sub { Warren::Bench::system_processes($system) },
        run => sub {
            my ($seconds, $row) = @_;

            my $got = Warren::Bench::load(
                port => $system->port(), tokens => $tokens,
                connections => $connections, rate => $row->{rate},
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


package Overloaded;

use parent -norequire, 'Warren::System';


# All clients may connect, whichever process takes them.
sub nginx_conf {
    my ($self) = @_;

    my $text = $self->SUPER::nginx_conf();
    my $inflight = $ENV{WARREN_BENCH_INFLIGHT};

    $text =~ s/(worker_connections +)\d+/${1}4096/;
    $text =~ s/(gateway_max_inflight +)\w+/$1$inflight/g if defined $inflight;

    return $text;
}
