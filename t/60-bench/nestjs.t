#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests the peer of the benches: it answers as Warren does, and what it is
# compared by is really done.  Not part of a check, since npm must fetch what it
# is made of.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Bench::NestJS;
use Warren::Bench::Shop;
use Warren::HTTP;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(alive);


my ($is_there, $why) = Warren::Bench::NestJS->available();
plan skip_all => $why if !$is_there;

my %server = (
    broker => Warren::RabbitMQ->shared(),
    postgresql => Warren::PostgreSQL->shared()
);

my $nest = Warren::Bench::NestJS->new(%server)->start();

is(join("\n", $nest->check()), '', 'it answers as it should');
is_deeply([sort keys %{ $nest->pids() }],
          [map { "nest $_" } qw(catalog gateway notifications orders users)],
          'its processes are known');

my $http = Warren::HTTP->new(port => $nest->port(), keep_alive => 1);
my $order = Warren::Bench::Shop::order_body();
my @headers = (authorization => 'Bearer ' . $nest->token(),
               'content-type' => 'application/json');
my ($before) = $nest->settle();
my $placed = grep { $http->post('/orders', $order, @headers)->{status} == 201 }
             1 .. 50;

is($placed, 50, 'orders are placed');
is_deeply([$nest->settle()], [$before + 50, $before + 50],
          'each order is stored, and a notification of it');

my $newest = 'order by id desc limit 1';
my $cents = 2 * price('tea-100') + price('coffee-101');

is($nest->psql('orders', "select total_cents from orders $newest"), $cents,
   'an order costs what the catalog says');
is($nest->psql('notifications', "select body from notifications $newest"),
   sprintf('Your order over %.2f EUR was placed.', $cents / 100),
   'a notification tells its order');

my $first = $http->get('/orders?limit=2', @headers)->{json};
my $second = $http->get("/orders?limit=2&cursor=$first->{next_cursor}",
                        @headers)->{json};
my @ids = map { $_->{id} } @{ $first->{orders} }, @{ $second->{orders} };

is_deeply([scalar(@ids), @ids], [4, reverse sort @ids],
          'pages follow one another, the newest order first');

my @pids = map { @$_ } values %{ $nest->pids() };
$nest->stop();
is(scalar(grep { alive($_) } @pids), 0, 'its processes end');

$nest = Warren::Bench::NestJS->new(%server, limit => 3)->start();
$http = Warren::HTTP->new(port => $nest->port(), keep_alive => 1);
@headers = (authorization => 'Bearer ' . $nest->token());

my %statuses;
my $refused;

for (1 .. 60) {
    my $answer = $http->get('/users/me', @headers);
    $statuses{ $answer->{status} }++;
    $refused = $answer if $answer->{status} == 429;
}

ok($statuses{429}, 'who asks too often is refused');
is($refused->{headers}{'retry-after'}, 1, 'and is told when to try again');
is_deeply([sort keys %statuses], [200, 429], 'others are answered');

done_testing();


sub price {
    my ($id) = @_;

    return $nest->psql('catalog',
                       "select price_cents from products where id = '$id'");
}
