#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# More requests at once than the shipped configuration lets in: some are
# answered, the others hear at once that they are not, and nothing waits for
# its deadline.

use strict;
use warnings;

use Test::More;

use Warren::Bench::Load;
use Warren::System;
use Warren::Test qw(spew tempdir);


my $system = Warren::System->new()->start();
my (undef, $token) = $system->person('ada');
my $tokens = spew(tempdir('overload') . '/token', "$token\n");
my $order = '{"payment_method":"tok_success","lines":[{"product_id":'
            . '"tea-100","quantity":2}]}';

$system->products({ 'tea-100' => 450 });

my $got = load(path => '/users/me', expect => 200);

is(join(' ', sort keys %{ $got->{statuses} }), '200 503',
   'what is not done is refused, and nothing else happens');
cmp_ok($got->{requests}, '>', 0, 'much is done');
cmp_ok($got->{others}{p50_us}, '<', $got->{p50_us},
       'a refusal takes less than an answer');

$got = load(path => '/orders', method => 'POST', body => $order, expect => 201,
            headers => { 'Content-Type' => 'application/json' });

is(join(' ', sort keys %{ $got->{statuses} }), '201 503',
   'so it is with what writes');

my $stored = $system->psql('orders', 'select count(*) from orders');
cmp_ok($stored, '>=', $got->{requests}, 'each that was accepted is stored');
cmp_ok($stored, '<=', $got->{requests} + 600,
       'and none that was refused: only some whose answer nobody awaited');

$got = $system->get('/users/me', authorization => "Bearer $token");
is($got->{status}, 200, 'then it is as before');

done_testing();


sub load {
    my (%option) = @_;

    return Warren::Bench::Load::load(
        port => $system->port(), tokens => $tokens, connections => 600,
        seconds => 1, timeout => 40, %option
    );
}
