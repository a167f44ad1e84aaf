# Copyright (C) the Warren authors
#
# Many orders for few pieces, over four lanes: what there is goes to as many as
# it can, and no piece is lost, doubled, or sold that never was.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use List::Util qw(shuffle);
use Test::More;

use Catalog;
use Warren::Caller;
use Warren::Test;

my $catalog = Catalog->new(settings => { lanes => 4 });
my @products = map { "hot-$_" } 1 .. 8;

crowd();
to_and_fro();
orderly();

done_testing();


# "available|reserved" of all, and whether any was below zero: the checks of the
# table would have made dead letters.
sub sums {
    return $catalog->sql('select sum(available), sum(reserved) from stock');
}


sub orders {
    my ($state) = @_;

    return $catalog->sql('select count(*) from reservations'
                         . " where state = '$state'");
}


# More orders than pieces, one piece each: exactly as many are served.
sub crowd {
    $catalog->stock('rare', 40);
    $catalog->worker()->stop();
    $catalog->place({ rare => 1 }) for 1 .. 200;
    $catalog->worker()->start();
    $catalog->settle();

    is($catalog->pieces('rare'), '0|40', 'the last piece is given away once');
    is(orders('held'), 40, 'as many orders as pieces are served');
    is(orders('rejected'), 160, 'and all others are told');

    $catalog->listen();
    my %type;
    $type{ $_->{type} }++ for map { @$_ } values %{ $catalog->{heard} };
    is_deeply(\%type, { 'stock.reserved' => 40, 'stock.rejected' => 160 },
              'each once');
}


# Orders of several products in any order, cancelled, confirmed, doubled, with
# changes of stock between: what came in is there, held, or sold.
sub to_and_fro {
    $catalog->sql('delete from reservations;'
                  . ' update stock set available = 0, reserved = 0');
    $catalog->stock($_, 30) for @products;
    $catalog->worker()->stop();

    my @orders;

    for my $n (1 .. 300) {
        my @some = (shuffle @products)[0 .. 2];
        my $order = Warren::Caller::uuid();
        my @events = (
            sub {
                $catalog->place([map { [$_, 1 + int rand 2] } @some],
                                order => $order)
            }
        );

        push @orders, $order;

        # some before they came, some twice
        push @events, map { my $type = $_; sub {
            $catalog->announce($type, $order, { id => $order })
        } } ('order.cancelled') x (1 + $n % 2) if $n % 3 == 0;
        push @events, sub {
            $catalog->announce('order.confirmed', $order, { id => $order })
        } if $n % 3 == 1;
        @events = shuffle @events if $n % 3 == 0;

        $_->() for @events;
    }

    $catalog->worker()->start();

    for my $n (1 .. 40) {
        my $answer = $catalog->write(
            'adjust_stock', args => { id => $products[$n % 8] },
            body => { delta => $n % 2 ? 3 : -3 }
        );
        $catalog->{added} += ($n % 2 ? 3 : -3) if $answer->{status} == 200;
    }

    # those confirmed first wait on a rung
    wait_for(sub {
        $catalog->settle();
        $catalog->sql(<<'SQL') == 0;
select count(*) from reservations where state in ('releasing', 'selling')
SQL
    }, 120, 'all reservations to be settled');

    wait_for(sub {
        my $waits = 0;
        for my $rung (qw(1s 5s 15s)) {
            my $about = $catalog->worker()->broker()->api(
                'GET', '/api/queues/' . $catalog->worker()->vhost()
                       . "/retry.catalog.$rung");
            $waits += $about->{messages} // 1;
        }
        $waits == 0;
    }, 120, 'empty rungs');
    $catalog->settle();

    my ($available, $reserved) = split /\|/, sums();
    my $held = $catalog->sql(<<'SQL');
select coalesce(sum(q), 0)
from reservations, unnest(quantities) as q
where state = 'held'
SQL
    my $sold = $catalog->sql(<<'SQL');
select coalesce(sum(q), 0)
from reservations, unnest(quantities) as q
where state = 'sold'
SQL

    is($reserved, $held, 'what is held is what orders hold');
    is($available + $reserved + $sold, 8 * 30 + $catalog->{added},
       'every piece is there, held or sold');
    cmp_ok($sold, '>', 0, 'some were sold');
    is($catalog->sql('select count(*) from stock'
                     . ' where available < 0 or reserved < 0'), 0,
       'nothing is below zero');
    is($catalog->sql('select count(*) from reservations'), scalar @orders,
       'each order was seen');
    is($catalog->sql("select count(*) from dead_letter"
                     . " where reason not like '%there was too little%'"), 0,
       'nothing is dead but what was confirmed in vain');
}


# Rows were locked in one order.
sub orderly {
    is($catalog->worker()->stop(), 0, 'the worker ends well');
    wait_for(sub {
        $catalog->sql("select count(*) from pg_stat_activity where usename ="
                      . " 'catalog' and datname = current_database()") == 0
    }, 40, 'the lanes to leave the database');

    is($catalog->sql('select deadlocks from pg_stat_database'
                     . ' where datname = current_database()'), 0,
       'PostgreSQL has seen no deadlock');
}
