package Catalog;

# Copyright (C) the Warren authors
#
# The worker of catalog under test, its products, and the events around it.
#
#     my $catalog = Catalog->new(settings => { lanes => 4 });
#     $catalog->stock('tea-1', 5);
#     my $order = $catalog->place({ 'tea-1' => 2 });
#     is($catalog->heard($order)->[0]{type}, 'stock.reserved');

use strict;
use warnings;

use JSON::PP ();
use Time::HiRes ();

use Warren::AMQP;
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::Test qw(wait_for);
use Warren::Worker;


my $json = JSON::PP->new()->utf8()->canonical();


# settings are the worker's.
sub new {
    my ($class, %option) = @_;

    my $worker = Warren::Worker->new(
        service => 'catalog', settings => $option{settings} // {}
    )->start();

    my $self = bless { worker => $worker, heard => {}, told => {} }, $class;
    my ($broker, $vhost) = ($worker->broker(), $worker->vhost());

    $self->{caller} = Warren::Caller->new(broker => $broker, vhost => $vhost);
    $self->{amqp} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
    $self->{amqp}->confirm_select();

    $self->{ear} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
    my $queue = $self->{ear}->declare_queue('', exclusive => 1);
    $self->{ear}->bind($queue, 'events', 'stock.#');
    $self->{ear}->consume($queue, no_ack => 1);

    return $self;
}


sub worker { return $_[0]{worker} }


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

    return $self->{caller}->call('catalog', $method, seconds => 40, %option);
}


# A call of somebody who may change things.
sub write {
    my ($self, $method, %option) = @_;

    return $self->call($method, sub => 'clerk', scope => 'catalog:write',
                       %option);
}


# Makes or replaces a product; the body's members may be told.
sub put {
    my ($self, $id, %member) = @_;

    return $self->write('put_product', args => { id => $id }, body => {
        name => "The $id", description => '', category => 'things',
        price_cents => 100, currency => 'EUR', %member
    });
}


# A product with so many pieces.
sub stock {
    my ($self, $id, $pieces) = @_;

    my $answer = $self->put($id);
    die "put_product: $answer->{body}\n" if $answer->{status} !~ /\A20[01]\z/;

    return if $pieces == 0;

    $answer = $self->write('adjust_stock', args => { id => $id },
                           body => { delta => $pieces });
    die "adjust_stock: $answer->{body}\n" if $answer->{status} != 200;
}


# "available|reserved" of a product.
sub pieces {
    my ($self, $id) = @_;

    return $self->sql("select available, reserved from stock"
                      . " where product_id = '$id'");
}


sub state {
    my ($self, $order) = @_;

    return $self->sql("select state from reservations"
                      . " where order_id = '$order'");
}


# Announces an event as orders or payments would; returns its message id.
sub announce {
    my ($self, $type, $order, $data, $id) = @_;

    $id //= Warren::Caller::uuid();

    $self->{amqp}->publish('events', $type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $order, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json', data => $data
    }), type => $type, message_id => $id, user_id => 'guest',
       content_type => 'application/cloudevents+json', delivery_mode => 2,
       timestamp => time());
    $self->{amqp}->wait_confirm() or die "the broker refused $type\n";

    return $id;
}


# order.placed for lines, a hash or pairs in an array; returns the order.
sub place {
    my ($self, $lines, %option) = @_;

    my $order = $option{order} // Warren::Caller::uuid();
    my @pairs = ref $lines eq 'HASH'
                ? map { [$_, $lines->{$_}] } sort keys %$lines : @$lines;

    $self->announce('order.placed', $order, {
        id => $order, user_id => Warren::Caller::uuid(), total_cents => 700,
        currency => 'EUR', lines => [map { {
            product_id => $_->[0], quantity => $_->[1], unit_price_cents => 100
        } } @pairs]
    }, $option{id});

    return $order;
}


# What was announced of an order so far; waits until there are so many.
sub heard {
    my ($self, $order, $count) = @_;

    wait_for(sub {
        $self->listen();
        @{ $self->{heard}{$order} // [] } >= ($count // 1);
    }, 60, "an event about $order");

    return $self->{heard}{$order};
}


sub listen {
    my ($self) = @_;

    while (my $message = $self->{ear}->next_delivery(0.05)) {
        my $event = $json->decode($message->{body});
        my $id = $message->{properties}{message_id};

        next if $self->{told}{$id}++;
        push @{ $self->{heard}{ $event->{subject} } }, $event;
    }
}


# All events that the worker has, have acted, and so has what came of them.
sub settle {
    my ($self) = @_;

    my ($broker, $vhost) = ($self->{worker}->broker(),
                            $self->{worker}->vhost());

    wait_for(sub {
        my @queues = qw(events.catalog commands.catalog again.catalog);

        for my $queue (@queues) {
            my $about = $broker->api('GET', "/api/queues/$vhost/$queue");
            return 0 if ($about->{messages} // 1) != 0;
        }

        $self->sql('select count(*) from outbox') == 0;
    }, 120, 'empty queues and an empty outbox');
}


1;
