# Copyright (C) the Warren authors
#
# An order's whole story is in the logs, a line for each step, by the trace id
# that its client chose.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::System;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my $system = Warren::System->new()->start();
my ($id, $token) = $system->person('ada');

$system->products({ 'tea-100' => 450 });
story('tok_success', 'of an order');
story('tok_success', 'of another one, by itself');

done_testing();


sub story {
    my ($payment, $whose) = @_;

    my $trace = join '', map { sprintf '%08x', 1 + int rand 0xfffffffe } 1 .. 4;
    my $answer = $system->post('/orders', {
        payment_method => $payment,
        lines => [{ product_id => 'tea-100', quantity => 1 }]
    }, authorization => "Bearer $token",
       traceparent => "00-$trace-00f067aa0ba902b7-01");

    is($answer->{status}, 201, 'an order is placed') or diag($answer->{body});

    my $order = $answer->{json}{id};
    my %steps = steps($order);
    my @wanted = sort 'nginx: POST /orders: 201', keys %steps;
    my @lines;

    # more than there should be comes in its own time, too
    wait_for(sub { @lines = lines($trace); @lines >= @wanted }, 40,
             "the story's end");
    is_deeply([sort @lines], \@wanted, "the logs tell the story $whose");
    is($lines[0], 'nginx: POST /orders: 201', 'from its beginning');

    my %place = map { ($lines[$_] => $_) } 0 .. $#lines;
    my @early = grep { $place{$_} < $place{ $steps{$_} } } keys %steps;
    is_deeply(\@early, [], 'and nothing before what it came of');
}


# Each step, and the one that led to it.
sub steps {
    my ($order) = @_;

    my @steps = (['orders', 'order.placed'], ['catalog', 'stock.reserved']);

    # as far as there is somebody who does it
    if ($system->worker('payments')) {
        push @steps, ['payments', 'payment.captured'];
        push @steps, ['orders', 'order.confirmed'] if confirms();
    }

    my $before = 'nginx: POST /orders: 201';
    my %steps;

    for my $step (@steps) {
        my ($service, $event) = @$step;
        my $told = "$service: announced $event: $order";

        $steps{$told} = $before;
        $steps{"notifications: notified of $event: inapp.$id"} = $told;
        $before = $told;
    }

    return %steps;
}


sub confirms {
    my ($status, $text) = run_command(
        command => [build_dir() . '/warren-orders', '--topology'],
        environment => { sanitizer_environment() }
    );

    return $text =~ /"payment\.captured"/;
}


sub lines {
    my ($trace) = @_;

    return map { "$_->{'service.name'}: $_->{message}" }
           $system->story($trace);
}
