package Orders;

# Copyright (C) the Warren authors
#
# The worker of orders under test beside a catalog that knows prices and holds
# nothing, and the events around them.
#
#     my $orders = Orders->new(settings => { lanes => 2 });
#     $orders->product('tea', price_cents => 450);
#     my $order = $orders->place($person, { tea => 2 });
#     $orders->announce('stock.reserved', $order);
#     is($orders->status($order), 'reserved');

use strict;
use warnings;

use JSON::PP ();

use Warren::AMQP;
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(wait_for);
use Warren::Worker;


my $json = JSON::PP->new()->utf8()->canonical();


# settings are the worker's.
sub new {
    my ($class, %option) = @_;

    my $broker = Warren::RabbitMQ->shared();
    my %common = (broker => $broker, vhost => $broker->vhost('orders'),
                  topology => 0);

    my $catalog = Warren::Worker->new(
        %common, service => 'catalog', settings => { queues => 'rpc' }
    );
    my $worker = Warren::Worker->new(
        %common, service => 'orders', settings => $option{settings} // {}
    );

    Warren::Worker::apply_topology($broker, $common{vhost}, $catalog, $worker);
    $_->start() for $catalog, $worker;

    my $self = bless {
        worker => $worker, catalog => $catalog, heard => {}, told => {},
        sent => []
    }, $class;
    my $url = $broker->url('guest', $common{vhost});

    $self->{caller} = Warren::Caller->new(broker => $broker,
                                          vhost => $common{vhost});
    $self->{amqp} = Warren::AMQP->connect(url => $url);
    $self->{amqp}->confirm_select();

    $self->{ear} = Warren::AMQP->connect(url => $url);
    my $queue = $self->{ear}->declare_queue('', exclusive => 1);
    $self->{ear}->bind($queue, 'events', 'order.#');
    $self->{ear}->consume($queue, no_ack => 1);

    return $self;
}


sub worker { return $_[0]{worker} }
sub catalog { return $_[0]{catalog} }


# What the administrator sees in its database.
sub sql {
    my ($self, $sql) = @_;

    my $postgresql = Warren::PostgreSQL->shared();

    return $postgresql->psql(
        $postgresql->admin_uri($self->{worker}->database()), $sql
    );
}


sub call {
    my ($self, $method, %option) = @_;

    return $self->{caller}->call('orders', $method, seconds => 40, %option);
}


# Makes or replaces a product of catalog; the body's members may be told.
sub product {
    my ($self, $id, %member) = @_;

    my $answer = $self->{caller}->call(
        'catalog', 'put_product', seconds => 40, sub => 'clerk',
        scope => 'catalog:write', args => { id => $id }, body => {
            name => "The $id", description => '', category => 'things',
            price_cents => 100, currency => 'EUR', %member
        }
    );
    die "put_product: $answer->{body}\n" if $answer->{status} !~ /\A20[01]\z/;
}


# The answer to create_order.
sub create {
    my ($self, $person, $body, %option) = @_;

    return $self->call('create_order', body => $body, sub => $person,
                       scope => 'orders:write', %option);
}


# An order of so many pieces; returns its id.
sub place {
    my ($self, $person, $lines) = @_;

    my $answer = $self->create($person, {
        payment_method => 'tok_success', lines => [map { {
            product_id => $_, quantity => $lines->{$_}
        } } sort keys %$lines]
    });
    die "create_order: $answer->{body}\n" if $answer->{status} != 201;

    return $answer->{json}{id};
}


# Announces an event as catalog or payments would; returns its message id.
# data is beside the order's id; no_wait leaves out the broker's word.
sub announce {
    my ($self, $type, $order, %option) = @_;

    my $id = $option{id} // Warren::Caller::uuid();

    $self->{amqp}->publish('events', $type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $order, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json',
        defined $option{version}
            ? (aggregateversion => $option{version}) : (),
        data => { order_id => $order, %{ $option{data} // {} } }
    }), type => $type, message_id => $id, user_id => 'guest',
       content_type => 'application/cloudevents+json', delivery_mode => 2,
       timestamp => time());
    push @{ $self->{sent} }, $id;
    $self->{amqp}->wait_confirm() or die "the broker refused $type\n"
        if !$option{no_wait};

    return $id;
}


# "status", or "status(reason)".
sub status {
    my ($self, $order) = @_;

    $self->settle();

    return $self->sql("select status || coalesce('(' || reason || ')', '')"
                      . " from orders where id = '$order'");
}


# What was announced of an order so far, as events.
sub heard {
    my ($self, $order) = @_;

    $self->settle();
    $self->listen();

    return $self->{heard}{$order} // [];
}


# What was announced so far, by orders.
sub listen {
    my ($self) = @_;

    while (my $message = $self->{ear}->next_delivery(0.05)) {
        my $event = $json->decode($message->{body});
        my $id = $message->{properties}{message_id};

        next if $self->{told}{$id}++;
        push @{ $self->{heard}{ $event->{subject} } }, $event;
    }

    return $self->{heard};
}


# All that was announced has acted or is a dead letter, and what came of it has
# left.
sub settle {
    my ($self) = @_;

    while (my @ids = splice @{ $self->{sent} }, 0, 1000) {
        my $ids = join ', ', map { "('$_')" } @ids;

        wait_for(sub {
            $self->sql("select count(*) from (values $ids) as s (id)"
                       . ' where not exists (select from inbox where'
                       . ' message_id = s.id::uuid) and not exists (select'
                       . ' from dead_letter where message_id = s.id)') == 0
        }, 120, 'what was announced to act');
    }

    wait_for(sub { $self->sql('select count(*) from outbox') == 0 }, 120,
             'an empty outbox');
}


1;
