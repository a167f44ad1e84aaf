package Warren::Bench::Shop;

# Copyright (C) the Warren authors
#
# Warren::System as the benches load it: what a route of users and orders needs,
# a thousand products, and nobody refused for being one too many.
#
#     my $shop = Warren::Bench::Shop->new(
#         broker => $bench->rabbitmq(), postgresql => $bench->postgresql()
#     )->start();
#     Warren::Bench::load(port => $shop->port(), expect => 201, …,
#                         Warren::Bench::Shop::order());
#
# An order is priced, placed, announced, and told to who placed it, and there it
# rests: catalog answers calls and hears no event, so nothing is held or paid.
# lanes (2): of each service that is called; is_bounded: requests in flight are,
# as ./dev up has it; settings as those of Warren::System.

use strict;
use warnings;

use Warren::Test qw(slurp source_dir);

use parent 'Warren::System';


our @SERVICES = qw(users catalog orders notifications);


sub new {
    my ($class, %option) = @_;

    my $lanes = delete $option{lanes} // 2;
    my %settings = (
        'log.level' => 'info', %{ delete $option{settings} // {} },
        users => { lanes => $lanes }, catalog => { lanes => $lanes },
        # nothing is held in time, and yet no order is over
        orders => { lanes => $lanes, 'reservation.timeout' => '30d' }
    );

    return $class->SUPER::new(services => \@SERVICES, settings => \%settings,
                              %option);
}


sub start {
    my ($self) = @_;

    $self->SUPER::start();
    $self->psql('catalog', products());
    deafen($self->broker(), $self->vhost());

    return $self;
}


# How many orders there are, and how many of them were told to who placed them.
sub stored {
    my ($self) = @_;

    return ($self->psql('orders', 'select count(*) from orders'),
            $self->psql('notifications', 'select count(*) from notifications'
                                         . " where kind = 'order.placed'"));
}


# A thousand products, as SQL for the database of catalog.
sub products {
    # psql -c knows no commands of its own
    return slurp(source_dir() . '/sql/catalog/seed.sql') =~ s/^\\.*\n//mgr;
}


# Nothing is put into the queue of events of catalog any more.
sub deafen {
    my ($broker, $vhost) = @_;

    my $path = "/api/bindings/$vhost/e/events/q/events.catalog";

    for my $binding (@{ $broker->api('GET', $path) }) {
        $broker->api('DELETE', "$path/$binding->{properties_key}");
    }
}


# What to send to place an order of two products.
sub order {
    return (
        path => '/orders', method => 'POST', body => order_body(),
        headers => { 'Content-Type' => 'application/json' }
    );
}


sub order_body {
    return '{"payment_method":"tok_success","lines":['
           . '{"product_id":"tea-100","quantity":2},'
           . '{"product_id":"coffee-101","quantity":1}]}';
}


sub nginx_conf {
    my ($self) = @_;

    my $text = $self->SUPER::nginx_conf();

    $text =~ s/gateway_max_inflight .*;//g if !$self->{is_bounded};

    return $text;
}


1;
