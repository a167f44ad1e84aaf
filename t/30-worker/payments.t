# Copyright (C) the Warren authors
#
# How an order is paid in the sandbox: what each token does, whatever comes
# late, twice, or in the wrong order, and what is paid back.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Payments;
use Warren::Caller;
use Warren::Test;
use Warren::Test qw(wait_for);

my $payments = Payments->new(settings => {
    lanes => 2, 'sandbox.delay' => '1s', 'capture.attempts' => 2,
    'capture.last_look' => '1s'
});

captured();
either_first();
doubled();
declined();
slow();
timed_out();
failing();
nothing_to_pay();
cancelled();
cancelled_meanwhile();
bad_events();
settings();

done_testing();


sub captured {
    my $user = Warren::Caller::uuid();
    my $order = $payments->pay('tok_success', user => $user, cents => 1250);
    my ($event) = @{ $payments->heard($order) };

    is($event->{type}, 'payment.captured', 'what is reserved is paid');
    is($event->{subject}, $order, 'which is about the order');
    is($event->{aggregateversion}, 1, 'as the first that happens');
    like(delete $event->{data}{payment_id}, qr/\A[0-9a-f-]{36}\z/,
         'with an id of the payment');
    is_deeply($event->{data}, {
        order_id => $order, user_id => $user, amount_cents => 1250,
        currency => 'EUR'
    }, 'who has paid how much for what');

    my $answer = $payments->call('get_payment', args => { id => $order },
                                 sub => $user);
    is($answer->{status}, 200, 'its owner sees it');
    is($answer->{json}{state}, 'captured', 'with its state');
    is($answer->{json}{amount_cents}, 1250, 'and the amount');
    is_deeply($answer->{json}{refunds}, [], 'and that nothing was paid back');
    unlike($answer->{body}, qr/tok_/, 'and no token');

    $answer = $payments->call('get_payment', args => { id => $order },
                              sub => Warren::Caller::uuid());
    is($answer->{status}, 404, 'nobody else does');
    $answer = $payments->call('get_payment', args => { id => $order });
    is($answer->{status}, 401, 'and who is nobody is told so');
    $answer = $payments->call('get_payment', args => { id => 'x' },
                              sub => $user);
    is($answer->{status}, 404, 'there is no payment of what is no order');
}


sub either_first {
    my $order = Warren::Caller::uuid();

    $payments->reserve($order);
    wait_for(sub { $payments->state($order) eq 'waiting' }, 60, 'the goods');
    is($payments->call('get_payment', args => { id => $order },
                       sub => Warren::Caller::uuid())->{status}, 404,
       'goods alone are no payment that anybody sees');
    $payments->place('tok_success', order => $order);
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'goods may be reserved before the order comes');

    $order = $payments->place('tok_success');
    is($payments->types($order), '', 'without goods nothing is captured');
    is($payments->state($order), 'waiting', 'it waits');
    $payments->reserve($order);
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'until they are there');
}


sub doubled {
    my ($placed, $reserved) = map { Warren::Caller::uuid() } 1, 2;
    my $order = $payments->place('tok_success', id => $placed);

    $payments->reserve($order, $reserved);

    # two lanes take what comes at once in any order
    wait_for(sub {
        $payments->sql("select count(amount_cents) from payments"
                       . " where order_id = '$order'") == 1
    }, 60, 'the first of them');

    for (1 .. 3) {
        $payments->place('tok_success', order => $order, id => $placed);
        $payments->place('tok_declined', order => $order, cents => 9);
        $payments->reserve($order, $reserved);
        $payments->reserve($order);
    }

    $payments->heard($order);
    is($payments->types($order), 'payment.captured',
       'whatever comes twice is paid once');
    is($payments->sql("select amount_cents from payments"
                      . " where order_id = '$order'"), 700,
       'and as it came first');
}


sub declined {
    my %reason = (
        tok_declined => 'declined', tok_expired => 'expired_card',
        tok_nothing => 'invalid_method'
    );

    for my $token (sort keys %reason) {
        my $order = $payments->pay($token);
        my ($event) = @{ $payments->heard($order) };

        is($event->{type}, 'payment.declined', "$token is declined");
        is($event->{data}{reason}, $reason{$token}, 'with the reason');
        is($event->{data}{amount_cents}, 700, 'and what it was about');
        $payments->reserve($order);
        $payments->cancel($order);
        is($payments->types($order), 'payment.declined',
           'which is the end of it');
    }
}


sub slow {
    my $slow = $payments->pay('tok_slow');
    $payments->wait_state($slow, 'capturing');

    my @quick = map { $payments->pay('tok_success') } 1 .. 20;
    $payments->heard($_) for @quick;
    is($payments->heard($slow)->[0]{type}, 'payment.captured',
       'what is slow is paid as well');
    my @late = grep {
        $payments->sql("select p.updated_at > s.updated_at from payments as p,"
                       . " payments as s where p.order_id = '$_'"
                       . " and s.order_id = '$slow'") eq 't'
    } @quick;
    cmp_ok(scalar @late, '<', 20, 'and others have not waited for it');
}


sub timed_out {
    my $order = $payments->pay('tok_timeout');

    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'what was not answered is asked about, and has succeeded');
    is($payments->sql("select attempts from payments"
                      . " where order_id = '$order'"), 1, 'the second time');
    is($payments->types($order), 'payment.captured', 'once');
}


sub failing {
    my $order = $payments->pay('tok_error');
    my ($event) = @{ $payments->heard($order) };

    is($event->{type}, 'payment.declined', 'a provider that fails is given up');
    is($event->{data}{reason}, 'error', 'with the reason');
    wait_for(sub {
        $payments->sql("select next_at is null from payments where order_id ="
                       . " '$order'") eq 't'
    }, 60, 'a last look');
    is($payments->types($order), 'payment.declined', 'for good');
    like($payments->worker()->log(), qr/the provider is out of order/,
         'and the log tells what it said');
}


sub nothing_to_pay {
    my $order = $payments->pay('tok_declined', cents => 0);

    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'nothing is paid without asking anybody');
    $payments->cancel($order);
    is($payments->types($order), 'payment.captured', 'and not paid back');
}


sub cancelled {
    my $order = Warren::Caller::uuid();

    $payments->cancel($order);
    $payments->wait_state($order, 'cancelled');
    $payments->pay('tok_success', order => $order);
    is($payments->types($order), '', 'what was cancelled is not captured');
    is($payments->state($order), 'cancelled', 'and stays so');

    $order = $payments->place('tok_success');
    $payments->cancel($order);
    $payments->reserve($order);
    is($payments->types($order), '', 'nor while it waits for its goods');

    $order = $payments->pay('tok_success', cents => 990);
    $payments->heard($order);
    my $id = $payments->cancel($order);
    $payments->cancel($order, $id);
    $payments->cancel($order);
    my $event = $payments->heard($order, 2)->[1];
    is($event->{type}, 'payment.refunded', 'what was captured is paid back');
    is($event->{data}{amount_cents}, 990, 'all of it');
    is($event->{aggregateversion}, 2, 'as the second that happens');
    is($payments->types($order), 'payment.captured payment.refunded',
       'once, however often that is told');
}


sub cancelled_meanwhile {
    my $order = $payments->pay('tok_slow');

    $payments->wait_state($order, 'capturing');
    $payments->cancel($order);
    $payments->heard($order, 2);
    is($payments->types($order), 'payment.captured payment.refunded',
       'cancelled while it is captured, it is paid back at once');

    $order = $payments->pay('tok_error');
    $payments->wait_state($order, 'capturing');
    $payments->cancel($order);
    $payments->settle();
    ok($payments->state($order) =~ /\A(?:cancelled|declined)\z/,
       'and what could not be captured is not tried for ever');

    $order = $payments->pay('tok_timeout');
    $payments->wait_state($order, 'capturing');
    $payments->cancel($order);
    $payments->heard($order, 2);
    is($payments->types($order), 'payment.captured payment.refunded',
       'nor is what was not answered forgotten');
}


sub bad_events {
    my $order = Warren::Caller::uuid();
    my $dead = $payments->sql('select count(*) from dead_letter');
    my %placed = (
        id => $order, user_id => $order, total_cents => 1, currency => 'EUR',
        payment_method => 'tok_success', lines => []
    );

    my @bad = (
        { id => 'x' }, { user_id => 'x' }, { user_id => 1 },
        { total_cents => -1 }, { total_cents => undef }, { currency => 'eur' },
        { currency => '' }, { payment_method => undef },
        { payment_method => '' }, { payment_method => 'x' x 256 }
    );

    for my $change (@bad) {
        $payments->announce('order.placed', $order, { %placed, %$change });
        $payments->dead(++$dead);
    }

    for my $type ('stock.reserved', 'order.cancelled') {
        $payments->announce($type, $order, { order_id => 'x' });
        $payments->dead(++$dead);
        $payments->announce($type, $order, {});
        $payments->dead(++$dead);
    }

    is($payments->sql('select count(*) from dead_letter'), $dead,
       'an event that is not what was promised is a dead letter');
    is($payments->state($order), '', 'and leaves no trace');
}


sub settings {
    my %bad = (
        'provider' => ['paper', qr/provider is neither sandbox nor http/],
        'sandbox.delay' => ['61s', qr/sandbox\.delay is above 60s/],
        'capture.last_look' => ['0s', qr/capture\.last_look is not within/],
        'capture.attempts' => [0, qr/capture\.attempts is not within 1 and/],
        'provider.timeout' => ['61s', qr/provider\.timeout is not within/],
    );
    my $worker = $payments->worker();

    $worker->stop();

    for my $key (sort keys %bad) {
        ok($payments->start_with($key, @{ $bad{$key} }),
           "$key = $bad{$key}[0]: it does not start, and tells why");
    }
}
