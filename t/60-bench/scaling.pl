#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a request costs as there are more connections, more stored orders, more
# lanes, more routes.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/scaling.pl
#
# One thing grows at a time, the others stay: 64 connections, 100 orders, two
# lanes of each service that is called, the routes that ./dev up serves.

use strict;
use warnings;

use Warren::Bench;
use Warren::Bench::Shop;
use Warren::Test qw(spew tempdir wait_for);


# the people who order; what is stored belongs to all of them in turn
my $people = 64;

my $bench = Warren::Bench->new(
    name => 'scaling', title => 'What a request costs as things grow'
);
my $system = Scaled->new(
    broker => $bench->rabbitmq(), postgresql => $bench->postgresql()
)->start();

my $stored = 0;
my $tokens = make_people();
my %what = (
    get_user => { path => '/users/me', expect => 200 },
    list_orders => { path => '/orders?limit=10', expect => 200 },
    create_order => { Warren::Bench::Shop::order(), expect => 201 },
);

store(100);

for my $connections (1, 8, 64, 512) {
    row($_, 'connections', $connections) for sort keys %what;
}

$bench->run();

for my $count (100, 10_000, 1_000_000) {
    store($count);
    row($_, 'orders', $count) for sort keys %what;
    $bench->run();
}

for my $lanes (1, 4, 16, 64) {
    $system->worker($_)->restart(lanes => $lanes) for qw(users catalog orders);
    row($_, 'lanes', $lanes) for sort keys %what;
    $bench->run();
}

$system->worker($_)->restart(lanes => 2) for qw(users catalog orders);

for my $routes (1, 8, 64) {
    $system->nginx()->stop();
    $system->{routes} = $routes;
    $system->start_nginx();
    row('get_user', 'routes', $routes);
    $bench->run();
}

flat("512 connections over $$_[0]", "connections-512",
     "connections-$$_[0]", @$_[1 .. $#$_])
    for [1, sort keys %what], [64, sort keys %what];
flat('1,000,000 orders over 100', 'orders-1000000', 'orders-100',
     sort keys %what);
flat('64 lanes over 1', 'lanes-64', 'lanes-1', sort keys %what);
flat('64 routes over 1', 'routes-64', 'routes-1', 'get_user');

$bench->note(
    "Orders are those of $people people; what is placed while this runs is"
    . ' stored beside what was there. Routes are beside those of ./dev up.'
);
$bench->print();


# Accounts, and a file of their tokens, used in turn.
sub make_people {
    my $person = person('n');

    $system->psql('users', "insert into users"
        . " (id, email, name, password_hash, created_at)"
        . " select $person, 'p' || n || '\@example.com', 'Person ' || n, '-',"
        . " now() from generate_series(1, $people) as n");
    $system->psql('users', 'analyze users');

    return spew(tempdir('scaling') . '/tokens', join '', map {
        $system->token(sprintf '018f0000-0000-7000-8000-%012x', $_) . "\n"
    } 1 .. $people);
}


# The id of a person, as SQL.
sub person {
    my ($n) = @_;

    return "('018f0000-0000-7000-8000-' || lpad(to_hex($n), 12, '0'))::uuid";
}


# Orders of the past, which are over, until there are so many, each with two
# lines.
sub store {
    my ($count) = @_;

    return if $count <= $stored;

    my $series = 'generate_series(' . ($stored + 1) . "::bigint, $count) as n";
    my $order = "(lpad(to_hex(1600000000000 + n), 12, '0')"
                . " || '70008000000000000000')::uuid";
    my $person = person("n % $people + 1");

    $system->psql('orders', "insert into orders"
        . " (id, user_id, currency, total_cents, created_at, status)"
        . " select $order, $person, 'EUR', 1800, now(), 'confirmed'"
        . " from $series");
    $system->psql('orders', "insert into order_lines (order_id, position,"
        . " product_id, quantity, unit_price_cents)"
        . " select $order, position, 'tea-100', 2, 450 from $series,"
        . " generate_series(1, 2) as position");
    $system->psql('orders', 'vacuum analyze');

    $stored = $count;
}


# What a request costs in processor time is the same, within a fifth, or less.
sub flat {
    my ($text, $of, $over, @whats) = @_;

    $bench->goal(
        name => 'scaling', text => "processor time of $_, $text",
        of => "$_-$of", over => "$_-$over", field => 'cpu', at_most => 1.2
    ) for @whats;
}


sub row {
    my ($what, $axis, $x) = @_;

    my $connections = $axis eq 'connections' ? $x : 64;

    $bench->row(
        id => "$what-$axis-$x", system => 'Warren', what => $what,
        connections => $connections, seconds => 1,
        system_calls => 0,
        $axis eq 'connections' ? () : (axis => $axis, x => $x),
        processes => sub { Warren::Bench::system_processes($system) },
        run => sub {
            my ($seconds) = @_;

            return Warren::Bench::load(
                %{ $what{$what} }, port => $system->port(),
                tokens => $tokens, connections => $connections,
                seconds => $seconds
            );
        },
        # what the planner knows is of now, not of when there were 100
        prepare => sub { $system->psql('orders', 'analyze') },
        after => \&settle
    );
}


# What was ordered is announced and told before something else is measured.
sub settle {
    wait_for(sub {
        $system->psql('orders', 'select count(*) from outbox') == 0
            && $bench->rabbitmq()->queue_depth($system->vhost(),
                                               'events.notifications') == 0
    }, 60, 'the last events');
}


package Scaled;

BEGIN { our @ISA = ('Warren::Bench::Shop') }


# With more routes.
sub nginx_conf {
    my ($self) = @_;

    my $text = $self->SUPER::nginx_conf();
    my $more = join '', map {
        "location = /more/$_ { gateway_route call users get_user; }\n"
    } 2 .. $self->{routes} // 1;

    $text =~ s/(location = \/users \{)/$more$1/;
    $text =~ s/^http \{$/http {\n    keepalive_requests 100000000;/m;

    return $text;
}
