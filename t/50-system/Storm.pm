package Storm;

# Copyright (C) the Warren authors
#
# The audit across services: money, stock, notifications and events of all
# orders add up.
#
#     my @wrong = Storm::wrong($system, \@events);
#
# events are all that the exchange has seen, parsed.  A thing that is wrong is
# a line; none may be.

use strict;
use warnings;

use JSON::PP ();


my $json = JSON::PP->new();

# of an order that is over: its payment, its reservation
my %ends = (
    confirmed => qr/\Acaptured sold\z/,
    # paid back is what was captured; held is nothing
    cancelled => qr/\A(?:captured|declined|cancelled|none)
                    \ (?:released|rejected|cancelled)\z/x
);


sub wrong {
    my ($system, $events) = @_;

    my %order = orders($system);
    my @wrong;

    for my $id (sort keys %order) {
        push @wrong, map { "$id: $_" } wrong_end($order{$id});
    }

    return (@wrong, wrong_stock($system, \%order),
            wrong_told($system, \%order),
            wrong_events($events, \%order));
}


# All that is known of each order.
sub orders {
    my ($system) = @_;

    my %order = map { $_->{id} => $_ } rows($system, 'orders', <<'END');
select id, user_id, status, coalesce(reason, '') as reason, total_cents,
    (select json_object_agg(product_id, quantity) from (
        select product_id, sum(quantity) as quantity
        from order_lines where order_id = orders.id group by 1) as l) as pieces
from orders
END
    for my $row (rows($system, 'payments', <<'END')) {
select order_id, user_id, state, amount_cents, refunded_cents,
    (select count(*) from refunds where payment_id = payments.id) as refunds
from payments
END
        $order{ $row->{order_id} }{payment} = $row;
    }

    for my $row (rows($system, 'catalog', <<'END')) {
select order_id, state, coalesce(reason, '') as reason,
    (select json_object_agg(product_id, quantity)
     from unnest(product_ids, quantities) as l (product_id, quantity))
        as pieces
from reservations
END
        $order{ $row->{order_id} }{stock} = $row;
    }

    return %order;
}


sub rows {
    my ($system, $service, $sql) = @_;

    return @{ $json->decode($system->psql($service, <<"END")) };
select coalesce(json_agg(t), '[]') from ($sql) as t
END
}


sub wrong_end {
    my ($order) = @_;

    return 'of nobody' if !defined $order->{status};

    my $payment = $order->{payment} // { state => 'none' };
    my $stock = $order->{stock} // { state => 'none' };
    my $ends = $ends{ $order->{status} };
    my $end = "$payment->{state} $stock->{state}";
    my $net = $payment->{state} eq 'captured'
              ? $payment->{amount_cents} - $payment->{refunded_cents} : 0;
    my @wrong;

    return "is $order->{status} with $end" if !$ends || $end !~ $ends;

    push @wrong, "is $order->{status}, $net of $order->{total_cents} are paid"
        if $net != ($order->{status} eq 'confirmed' ? $order->{total_cents}
                                                    : 0);
    push @wrong, 'is paid by another'
        if $payment->{user_id} && $payment->{user_id} ne $order->{user_id};
    push @wrong, 'other pieces were sold than ordered'
        if $order->{status} eq 'confirmed'
           && pieces($stock) ne pieces($order);
    push @wrong, "is cancelled for $order->{reason} with $end"
        if ($order->{reason} eq 'out_of_stock')
               != ($stock->{state} eq 'rejected')
           && $order->{reason} ne 'requested' || ($order->{reason}
               eq 'payment_declined') > ($payment->{state} eq 'declined');

    return @wrong;
}


sub pieces {
    my ($of) = @_;

    return join ' ', map { "$_ $of->{pieces}{$_}" }
                     sort keys %{ $of->{pieces} // {} };
}


# Pieces that were there at first are there, or were sold to confirmed orders.
sub wrong_stock {
    my ($system, $orders) = @_;

    my %sold;

    for my $order (grep { ($_->{status} // '') eq 'confirmed' }
                   values %$orders)
    {
        $sold{$_} += $order->{pieces}{$_} for keys %{ $order->{pieces} };
    }

    return map {
        my $gone = $system->{shelved}{ $_->{product_id} } - $_->{available};
        my $sold = $sold{ $_->{product_id} } // 0;

        ($_->{reserved} ? "$_->{product_id}: $_->{reserved} are held" : (),
         $gone != $sold ? "$_->{product_id}: $gone are gone, $sold sold" : ())
    } grep { defined $system->{shelved}{ $_->{product_id} } }
      rows($system, 'catalog', 'select * from stock');
}


# What must have been told of an order: kind => how often.
sub facts {
    my ($order) = @_;

    my $payment = $order->{payment} // { state => 'none', refunds => 0 };
    my $stock = ($order->{stock} // { state => 'none' })->{state};
    my %facts = ('order.placed' => 1, "order.$order->{status}" => 1);

    $facts{'stock.reserved'} = 1 if $stock =~ /^(?:sold|released)$/;
    $facts{'payment.captured'} = 1 if $payment->{state} eq 'captured';
    $facts{'payment.declined'} = 1 if $payment->{state} eq 'declined';
    $facts{'payment.refunded'} = $payment->{refunds} if $payment->{refunds};

    return ($stock, %facts);
}


sub differences {
    my ($what, $got, %wanted) = @_;

    return map { "$what: $_ " . ($got->{$_} // 0) . ' times' }
           grep { ($got->{$_} // 0) != ($wanted{$_} // 0) }
           sort keys %{ { %wanted, %$got } };
}


sub wrong_told {
    my ($system, $orders) = @_;

    my (%told, @wrong);

    for my $row (rows($system, 'notifications', <<'END')) {
select kind, user_id, data->>'order_id' as id
from notifications
where data->>'order_id' is not null
END
        my $order = $orders->{ $row->{id} };

        push @wrong, "$row->{id}: told somebody else"
            if !$order || $row->{user_id} ne ($order->{user_id} // '');
        $told{ $row->{id} }{ $row->{kind} }++;
    }

    for my $id (sort grep { defined $orders->{$_}{status} } keys %$orders) {
        my (undef, %facts) = facts($orders->{$id});
        push @wrong, differences("$id: notified of", $told{$id} // {}, %facts);
    }

    return @wrong;
}


# An event may come twice, as the same one; but it is one thing that happened.
sub wrong_events {
    my ($events, $orders) = @_;

    my (%happened, @wrong);

    for my $event (values %{ { map { $_->{id} => $_ } @$events } }) {
        $happened{ $event->{subject} }{ $event->{type} }++
            if $event->{type} !~ /^user\./;
    }

    for my $id (sort grep { defined $orders->{$_}{status} } keys %$orders) {
        my ($stock, %facts) = facts($orders->{$id});

        $facts{'stock.released'} = 1 if $stock eq 'released';
        $facts{'stock.rejected'} = 1 if $stock eq 'rejected';
        push @wrong, differences("$id: the event", $happened{$id} // {},
                                 %facts);
    }

    push @wrong, map { "$_: events of no order" }
                 grep { !defined $orders->{$_}{status} } sort keys %happened;

    return @wrong;
}


1;
