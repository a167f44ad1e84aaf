# Copyright (C) the Warren authors
#
# What an order holds: all of it or nothing, until it is sold, given up, or too
# old; whatever comes late, twice, or in the wrong order.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Catalog;
use Warren::Caller;
use Warren::Test;

my $catalog = Catalog->new(settings => { lanes => 2 });

$catalog->stock('tea', 10);
$catalog->stock('cup', 3);
$catalog->stock('pot', 0);

reserved();
rejected();
doubled();
cancelled();
declined();
cancelled_first();
confirmed();
confirmed_late();
confirmed_first();
bad_events();
expired();

done_testing();


sub cancel {
    my ($order, $id) = @_;

    return $catalog->announce('order.cancelled', $order, { id => $order }, $id);
}


sub confirm {
    my ($order, $id) = @_;

    return $catalog->announce('order.confirmed', $order, { id => $order }, $id);
}


sub types {
    my ($order) = @_;

    $catalog->settle();
    $catalog->listen();

    return join ' ', map { $_->{type} } @{ $catalog->{heard}{$order} // [] };
}


# A dead letter whose reason matches.
sub dead {
    my ($count) = @_;

    wait_for(sub {
        $catalog->sql('select count(*) from dead_letter') >= $count
    }, 60, "$count dead letters");

    return $catalog->sql('select reason from dead_letter'
                         . ' order by id desc limit 1');
}


sub reserved {
    my $order = $catalog->place([['tea', 2], ['cup', 1], ['tea', 1]]);
    my ($event) = @{ $catalog->heard($order) };

    is($event->{type}, 'stock.reserved', 'what there is, is held');
    is($event->{aggregateversion}, 1, 'as the first that happens to an order');
    is_deeply($event->{data}{lines},
              [{ product_id => 'cup', quantity => 1 },
               { product_id => 'tea', quantity => 3 }],
              'all lines of a product as one');
    is($event->{data}{order_id}, $order, 'with the order');
    is($event->{data}{total_cents}, 700, 'and what is to be paid');
    is($event->{data}{currency}, 'EUR', 'in which currency');
    like($event->{data}{user_id}, qr/\A[0-9a-f-]{36}\z/, 'by whom');
    like($event->{data}{expires_at}, qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/,
         'and until when');
    is($catalog->pieces('tea'), '7|3', 'the pieces have moved');
    is($catalog->pieces('cup'), '2|1', 'of each product');
    is($catalog->sql("select expires_at - created_at from reservations"
                     . " where order_id = '$order'"), '00:15:00',
       'for a quarter of an hour');
    is($catalog->call('get_product', args => { id => 'tea' })
       ->{json}{available}, 7, 'and others see what is left');

    cancel($order);
    $catalog->heard($order, 2);
}


sub rejected {
    my $order = $catalog->place({ tea => 1, cup => 4, pot => 1, cap => 2 });
    my ($event) = @{ $catalog->heard($order) };

    is($event->{type}, 'stock.rejected', 'what there is not, is not held');
    is_deeply($event->{data}{lines},
              [{ product_id => 'cap', quantity => 2, available => undef },
               { product_id => 'cup', quantity => 4, available => 3 },
               { product_id => 'pot', quantity => 1, available => 0 }],
              'and which lines are short, and by how much');
    is($catalog->pieces('tea'), '10|0', 'nor is the rest of the order');

    $order = $catalog->place([['cup', 2], ['cup', 2]]);
    is($catalog->heard($order)->[0]{type}, 'stock.rejected',
       'two lines of a product need the sum of both');

    $order = $catalog->place({ cup => 3, tea => 10 });
    is($catalog->heard($order)->[0]{type}, 'stock.reserved',
       'the last piece can be had');
    is($catalog->pieces('tea'), '0|10', 'and then there is none');
    cancel($order);
    $catalog->heard($order, 2);
    is($catalog->pieces('tea'), '10|0', 'until it comes back');
}


sub doubled {
    my $id = Warren::Caller::uuid();
    my $order = $catalog->place({ tea => 2 }, id => $id);

    $catalog->place({ tea => 2 }, order => $order, id => $id);
    is(types($order), 'stock.reserved', 'an event that comes twice acts once');
    is($catalog->pieces('tea'), '8|2', 'and holds once');

    $catalog->place({ tea => 2 }, order => $order);
    is(types($order), 'stock.reserved',
       'so does an order that is announced twice, by two messages');
    is($catalog->pieces('tea'), '8|2', 'which hold once');

    cancel($order);
    $catalog->heard($order, 2);
    $catalog->place({ tea => 2 }, order => $order);
    is(types($order), 'stock.reserved stock.released',
       'also after it was cancelled');
    is($catalog->pieces('tea'), '10|0', 'nothing is held then');
}


sub cancelled {
    my $order = $catalog->place({ tea => 2, cup => 1 });

    $catalog->heard($order);
    my $id = cancel($order);
    my $event = $catalog->heard($order, 2)->[1];

    is($event->{type}, 'stock.released', 'what was cancelled is released');
    is($event->{aggregateversion}, 2, 'as the second that happens');
    is_deeply($event->{data}, {
        order_id => $order, reason => 'cancelled', lines => [
            { product_id => 'cup', quantity => 1 },
            { product_id => 'tea', quantity => 2 }
        ]
    }, 'with what it was, and why');
    is($catalog->pieces('tea'), '10|0', 'the pieces are back');

    cancel($order, $id);
    cancel($order);
    $catalog->announce('payment.declined', $order, { order_id => $order });
    is(types($order), 'stock.reserved stock.released',
       'once, however often that is told');
    is($catalog->pieces('tea'), '10|0', 'and no piece too many');

    $order = $catalog->place({ pot => 1 });
    $catalog->heard($order);
    cancel($order);
    is(types($order), 'stock.rejected', 'what held nothing releases nothing');
}


sub declined {
    my $order = $catalog->place({ tea => 1 });
    my $payment = Warren::Caller::uuid();

    $catalog->heard($order);
    $catalog->announce('payment.declined', $payment,
                       { id => $payment, order_id => $order });

    my $event = $catalog->heard($order, 2)->[1];
    is($event->{type}, 'stock.released', 'what was not paid is released');
    is($event->{data}{reason}, 'declined', 'for that reason');
    is($event->{subject}, $order, 'and is about the order');
    is($catalog->pieces('tea'), '10|0', 'the piece is back');
}


sub cancelled_first {
    my $order = Warren::Caller::uuid();

    cancel($order);
    $catalog->settle();
    is($catalog->state($order), 'cancelled',
       'an order may be cancelled before it came');
    $catalog->place({ tea => 1 }, order => $order);
    is(types($order), '', 'and nothing is announced when it does');
    is($catalog->pieces('tea'), '10|0', 'and nothing held');
    confirm($order);
    is(types($order), '', 'nor sold');
    is($catalog->sql('select count(*) from dead_letter'), 0,
       'and all of that is in order');
}


sub confirmed {
    my $order = $catalog->place({ tea => 2 });

    $catalog->heard($order);
    my $id = confirm($order);
    confirm($order, $id);
    confirm($order);
    wait_for(sub { $catalog->state($order) eq 'sold' }, 60, 'a sale');
    is(types($order), 'stock.reserved', 'what was confirmed is sold');
    is($catalog->pieces('tea'), '8|0', 'and gone for good');

    cancel($order);
    $catalog->settle();
    is($catalog->state($order), 'sold', 'what is sold stays so');
    is($catalog->pieces('tea'), '8|0', 'whoever says otherwise later');

    $catalog->write('adjust_stock', args => { id => 'tea' },
                    body => { delta => 2 });
}


# Confirmed, and holding nothing.
sub confirmed_late {
    my $order = $catalog->place({ tea => 1 });

    $catalog->heard($order);
    cancel($order);
    $catalog->heard($order, 2);
    confirm($order);
    is(types($order), 'stock.reserved stock.released',
       'what was cancelled since is not sold');
    is($catalog->sql('select count(*) from dead_letter'), 0,
       'and nobody is troubled');

    $order = $catalog->place({ pot => 1 });
    $catalog->heard($order);
    confirm($order);
    like(dead(1), qr/holds nothing: there was too little/,
         'an order of what there was not must not be confirmed');
}


sub confirmed_first {
    my $order = Warren::Caller::uuid();

    confirm($order);
    wait_for(sub {
        ($catalog->worker()->metric(
            'warren_retries_total{service="catalog",rung="1s"}') // 0) > 0
    }, 60, 'a first try');
    $catalog->place({ tea => 1 }, order => $order);
    wait_for(sub { $catalog->state($order) eq 'sold' }, 60, 'a sale');
    is($catalog->pieces('tea'), '9|0',
       'confirmed before it came, an order is sold when it has');
    $catalog->write('adjust_stock', args => { id => 'tea' },
                    body => { delta => 1 });
}


sub bad_events {
    my $order = Warren::Caller::uuid();
    my $dead = $catalog->sql('select count(*) from dead_letter');
    my %placed = (
        id => $order, user_id => $order, total_cents => 1, currency => 'EUR',
        lines => [{ product_id => 'tea', quantity => 1 }]
    );

    my @bad = (
        { lines => [] }, { lines => undef }, { id => 'x' }, { user_id => 1 },
        { lines => [{ product_id => 'te a', quantity => 1 }] },
        { lines => [{ product_id => 'tea', quantity => 0 }] },
        { lines => [{ product_id => 'tea', quantity => -1 }] },
        { total_cents => -1 }, { currency => '' }
    );

    for my $change (@bad) {
        $catalog->announce('order.placed', $order, { %placed, %$change });
        dead(++$dead);
    }

    for my $type ('order.cancelled', 'payment.declined', 'order.confirmed') {
        $catalog->announce($type, $order, { id => 'x' });
        dead(++$dead);
        $catalog->announce($type, $order, {});
        dead(++$dead);
    }

    is($catalog->sql('select count(*) from dead_letter'), $dead,
       'an event that is not what was promised is a dead letter');
    is($catalog->state($order), '', 'and leaves no trace');
    is($catalog->pieces('tea'), '10|0', 'nor takes a piece');
}


sub expired {
    my $held = $catalog->place({ tea => 1 });
    $catalog->heard($held);

    $catalog->worker()->restart('reservation.lifetime' => '1s');

    my $order = $catalog->place({ tea => 2, cup => 1 });
    my $sold = $catalog->place({ tea => 3 });
    $catalog->heard($_) for $order, $sold;
    confirm($sold);

    my $event = $catalog->heard($order, 2)->[1];
    is($event->{type}, 'stock.released', 'what is held too long is released');
    is($event->{data}{reason}, 'expired', 'for that reason');
    is(scalar @{ $event->{data}{lines} }, 2, 'all of it');
    is($catalog->pieces('cup'), '3|0', 'and is there for others');

    wait_for(sub { $catalog->pieces('tea') eq '6|1' }, 60,
             'what was sold, and what expires later, to be left alone');
    is(types($sold), 'stock.reserved', 'but not what was sold');
    is(types($held), 'stock.reserved', 'nor what may be held for longer');

    cancel($order);
    is(types($order), 'stock.reserved stock.released', 'it is released once');

    my $dead = $catalog->sql('select count(*) from dead_letter');
    confirm($order);
    is(types($order), 'stock.reserved stock.released',
       'and confirmed then, it is not sold');
    is($catalog->state($order), 'released', 'but stays released');
    is($catalog->sql('select count(*) from dead_letter'), $dead,
       'which orders hears and sees to');

    # more than one message has room for
    my @orders = map { $catalog->place({ tea => 1 }) } 1 .. 6;
    $catalog->sql(<<'SQL');
insert into reservations (order_id, state, product_ids, quantities, expires_at)
select gen_random_uuid(), 'held', '{cup}', '{1}', now() from
    generate_series(1, 450);
update stock set available = 0, reserved = 450 where product_id = 'cup';
SQL
    wait_for(sub { $catalog->pieces('cup') eq '450|0' }, 90,
             'hundreds of reservations to expire');
    wait_for(sub { $catalog->pieces('tea') eq '6|1' }, 90, 'the others, too');
    is($catalog->sql("select count(*) from reservations where state in"
                     . " ('releasing', 'selling')"), 0,
       'hundreds that expire at once do');

    for my $bad ('500ms', '31d') {
        my $worker = $catalog->worker();
        $worker->stop();
        $worker->{settings}{'reservation.lifetime'} = $bad;
        ok(!eval { $worker->start(); 1 }, "a lifetime of $bad: does not start");
        like($worker->log(), qr/reservation\.lifetime is not within 1s and 30d/,
             'and tells why');
        delete $worker->{pid};
    }
}
