#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# How fast the whole path is, beside the same in NestJS: nginx with the module,
# RabbitMQ, the workers and PostgreSQL with its durable settings; one user, an
# order with all that comes of it, and a page of both.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/path.pl
#
# WARREN_BENCH_LANES (2, of each service that is called).

use strict;
use warnings;

use Time::HiRes qw(time);

use Warren::Bench;
use Warren::Bench::NestJS;
use Warren::Bench::Shop;
use Warren::Test qw(spew tempdir wait_for);


my $people = 64;
my $lanes = $ENV{WARREN_BENCH_LANES} // 2;

my %request = (
    get_user => { path => '/users/me' },
    create_order => { Warren::Bench::Shop::order(), expect => 201 },
    aggregate => { path => '/me/overview' },
);

# node compiles as it runs: what it is asked this long is fast by then
my %warm_up = (Warren => 1, NestJS => 4);

my @routes = qw(get_user create_order aggregate);

my $bench = Warren::Bench->new(name => 'path', title => 'The whole path');

$bench->note("An order is of two products: a call that asks another service"
             . " what they cost, a transaction, an event, and a notification"
             . " stored by its listener. Nothing is held or paid. Its rate is"
             . " of orders whose notifications are stored: after the load the"
             . " bench waits for those, and counts that time as well.");
$bench->note("Each request has one of $people people's tokens, is verified and"
             . " charged on two rates. Open loop: requests fall due at a fixed"
             . " rate, and their time counts from when they were due.");

my $dir = tempdir('bench');
my %system = (Warren => warren(), nest());

add_closed($_) for @routes;
$bench->run();

add_open($_) for @routes;
$bench->run();
$bench->print();


# ---- the systems: port, tokens, processes, and stored: how many orders and
# notifications there are

sub warren {
    # nobody is refused when many come at once: the other system refuses
    # nobody, and a refusal is no answer
    my $system = Warren::Bench::Shop->new(
        postgresql => $bench->postgresql(), broker => $bench->rabbitmq(),
        lanes => $lanes
    )->start();

    my @tokens = map {
        my ($id) = $system->person("person$_");
        $system->token($id, undef, '--ttl', 28800)
    } 1 .. $people;

    return prepared({
        name => 'Warren', port => $system->port(),
        tokens => spew("$dir/warren.tokens", join "\n", @tokens, ''),
        processes => sub { Warren::Bench::system_processes($system) },
        stored => sub { $system->stored() }
    });
}


# Nothing if there is no NestJS here.
sub nest {
    my ($is_there, $why) = Warren::Bench::NestJS->available();

    my $nest = $is_there && eval {
        Warren::Bench::NestJS->new(
            postgresql => $bench->postgresql(), broker => $bench->rabbitmq()
        )->start()
    };

    if (!$nest) {
        $bench->absent('NestJS', $why // $@);
        return ();
    }

    # what answers otherwise is nothing to compare with
    if (my @wrong = $nest->check()) {
        $nest->stop();
        $bench->absent('NestJS', "it is not as it should be: $wrong[0]");
        return ();
    }

    my @tokens = map { $nest->token(sub => $nest->person()) } 1 .. $people;

    return (NestJS => prepared({
        name => 'NestJS', port => $nest->port(),
        tokens => spew("$dir/nest.tokens", join "\n", @tokens, ''),
        processes => sub { %{ $nest->pids() } },
        stored => sub {
            map { $nest->psql($_, "select count(*) from $_") }
                qw(orders notifications)
        }
    }));
}


# It is warm, and everybody has a page of orders to look at, whatever is
# measured first.
sub prepared {
    my ($system) = @_;

    wait_for(sub {
        load_orders($system, 1, connections => 16);
        ($system->{stored}->())[0] > 20 * $people;
    }, 120, "orders in $system->{name}");

    for my $route (@routes) {
        my $run = $route eq 'create_order' ? \&load_orders
                : sub { request($_[0], $route, @_[1 .. $#_]) };
        my $seconds = $bench->{seconds} < 1 ? $bench->{seconds}
                                            : $warm_up{ $system->{name} };

        $run->($system, $seconds, connections => 64);
    }

    return $system;
}


# ---- the loads

sub request {
    my ($system, $route, $seconds, %option) = @_;

    return Warren::Bench::load(
        port => $system->{port}, tokens => $system->{tokens},
        seconds => $seconds, %{ $request{$route} }, %option
    );
}


# The time until the last notification is stored belongs to the orders.
sub load_orders {
    my ($system, $seconds, %option) = @_;

    my $sample = request($system, 'create_order', $seconds, %option);
    my $begin = time();

    wait_for(sub {
        my ($orders, $notifications) = $system->{stored}->();
        $notifications >= $orders;
    }, 120, "notifications of $system->{name}");

    $sample->{drain_seconds} = time() - $begin;
    $sample->{load_rate} = $sample->{rate};
    $sample->{rate} = $sample->{requests}
                      / ($sample->{seconds} + $sample->{drain_seconds});

    return $sample;
}


# What was given up on is out of the way before the next row.
sub settle {
    my ($system) = @_;

    wait_for(sub {
        my $sample = request($system, 'get_user', 0.1);
        $sample->{requests} > 0 && $sample->{max_us} < 100_000;
    }, 60, "$system->{name} to come to rest");
}


sub add {
    my ($system, $route, %option) = @_;

    $bench->row(
        system => $system->{name}, what => $route,
        processes => $system->{processes}, seconds => 2,
        after => sub { settle($system) },
        run => sub {
            my ($seconds, $row) = @_;

            my %how = (connections => $row->{connections},
                       rate => $row->{rate});
            return $route eq 'create_order'
                   ? load_orders($system, $seconds, %how)
                   : request($system, $route, $seconds, %how);
        },
        %option
    );
}


sub id {
    my ($name, $route, $place) = @_;

    return lc "$name-$route-$place";
}


sub add_closed {
    my ($route) = @_;

    for my $connections (1, 64, 512) {
        for my $name (sort { $b cmp $a } keys %system) {
            add($system{$name}, $route, connections => $connections,
                warm_up => 0, id => id($name, $route, $connections));
        }
    }

    my %pair = (of => id('Warren', $route, 64),
                over => id('NestJS', $route, 64));

    $bench->goal(
        name => $route, text => 'rate at 64 connections', field => 'rate',
        at_least => $route eq 'create_order' ? 8 : 5, %pair
    );

    $bench->goal(
        name => 'memory', text => 'after the orders of 512 connections',
        of => id('Warren', $route, 512), over => id('NestJS', $route, 512),
        field => 'pss', but => [qw(RabbitMQ PostgreSQL)], at_most => 0.1
    ) if $route eq 'create_order';
}


# In shares of what each did at 64 connections; and Warren at the rates that
# the other one is offered, to compare times at the same offer.  The other way
# round nothing would be answered in time.
sub add_open {
    my ($route) = @_;

    my %capacity = map {
        ($_ => $bench->median_of(id($_, $route, 64), 'rate') // 0)
    } keys %system;

    for my $share (10, 50, 70, 90, 120) {
        for my $name (sort { $b cmp $a } keys %system) {
            add_offered($name, $route, $share, $capacity{$name} * $share / 100)
                if $capacity{$name};
        }

        next if $share < 50 || $share > 90;

        add_offered('Warren', $route, "at-$share",
                    $capacity{NestJS} * $share / 100) if $capacity{NestJS};

        $bench->goal(
            name => $route, field => 'p99_us', at_most => 0.2,
            text => "p99 at $share % of what NestJS can do",
            of => id('Warren', $route, "at-$share"),
            over => id('NestJS', $route, "open-$share")
        ) if $route ne 'aggregate';
    }
}


sub add_offered {
    my ($name, $route, $place, $rate) = @_;

    $place = "open-$place" if $place =~ /^\d/;

    add($system{$name}, $route, connections => 256, rate => int($rate) || 1,
        seconds => 1.5, warm_up => 0, system_calls => 0,
        id => id($name, $route, $place));
}
