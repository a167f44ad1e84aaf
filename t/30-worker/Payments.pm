package Payments;

# Copyright (C) the Warren authors
#
# The worker of payments under test, and the events around it.
#
#     my $payments = Payments->new(settings => { lanes => 2 });
#     my $order = $payments->pay('tok_success', cents => 700);
#     is($payments->heard($order)->[0]{type}, 'payment.captured');

use strict;
use warnings;

use JSON::PP ();

use Warren::AMQP;
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::Test qw(wait_for);
use Warren::Worker;


my $json = JSON::PP->new()->utf8()->canonical();


# settings and environment are the worker's.
sub new {
    my ($class, %option) = @_;

    my $worker = Warren::Worker->new(
        service => 'payments', settings => $option{settings} // {},
        environment => $option{environment} // {}, allow => $option{allow}
    )->start();

    my $self = bless { worker => $worker, heard => {}, told => {} }, $class;
    my ($broker, $vhost) = ($worker->broker(), $worker->vhost());

    $self->{caller} = Warren::Caller->new(broker => $broker, vhost => $vhost);
    $self->{amqp} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
    $self->{amqp}->confirm_select();

    $self->{ear} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
    my $queue = $self->{ear}->declare_queue('', exclusive => 1);
    $self->{ear}->bind($queue, 'events', 'payment.#');
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

    return $self->{caller}->call('payments', $method, seconds => 40, %option);
}


# A refund by somebody who may; without an amount of all that is left.
sub refund {
    my ($self, $order, $cents, %option) = @_;

    return $self->call('refund', sub => 'clerk', scope => 'payments:refund',
                       args => { id => $order },
                       body => { defined $cents ? (amount_cents => $cents)
                                                : () }, %option);
}


sub state {
    my ($self, $order) = @_;

    return $self->sql("select state from payments where order_id = '$order'");
}


sub wait_state {
    my ($self, $order, $state) = @_;

    wait_for(sub { $self->state($order) eq $state }, 60,
             "a payment that is $state");
}


# Announces an event as orders or catalog would; returns its message id.
sub announce {
    my ($self, $type, $order, $data, $id) = @_;

    $id //= Warren::Caller::uuid();

    $self->publish($type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $order, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json', data => $data
    }), $id);

    return $id;
}


# An event with this body, whatever that is.
sub publish {
    my ($self, $type, $body, $id) = @_;

    $self->{amqp}->publish('events', $type, $body, type => $type,
                           message_id => $id, user_id => 'guest',
                           content_type => 'application/cloudevents+json',
                           delivery_mode => 2, timestamp => time());
    $self->{amqp}->wait_confirm() or die "the broker refused $type\n";
}


# Starts the worker with a setting that will not do; what it says of it, once it
# has ended or said so.
sub start_with {
    my ($self, $key, $value, $said) = @_;

    my $worker = $self->{worker};
    my $had = exists $worker->{settings}{$key};
    my $kept = $worker->{settings}{$key};

    $worker->{settings}{$key} = $value;
    $worker->start(wait => 0);

    my $is_said = eval {
        wait_for(sub {
            substr($worker->log(), $worker->{log_offset}) =~ $said
        }, 30, "a word on $key");
    };

    my $is_ready = eval {
        $worker->http()->get('/ready')->{status} == 200;
    };
    $worker->stop();
    $had ? ($worker->{settings}{$key} = $kept)
         : delete $worker->{settings}{$key};

    return $is_said && !$is_ready;
}


# order.placed with a token; returns the order.
sub place {
    my ($self, $token, %option) = @_;

    my $order = $option{order} // Warren::Caller::uuid();

    $self->announce('order.placed', $order, {
        id => $order, user_id => $option{user} // Warren::Caller::uuid(),
        total_cents => $option{cents} // 700, currency => 'EUR',
        payment_method => $token, lines => [{
            product_id => 'tea', name => 'Tea', quantity => 1,
            unit_price_cents => $option{cents} // 700
        }]
    }, $option{id});

    return $order;
}


sub reserve {
    my ($self, $order, $id) = @_;

    return $self->announce('stock.reserved', $order, {
        order_id => $order, user_id => $order, total_cents => 700,
        currency => 'EUR', lines => []
    }, $id);
}


sub cancel {
    my ($self, $order, $id) = @_;

    return $self->announce('order.cancelled', $order,
                           { id => $order, reason => 'requested' }, $id);
}


# An order that is placed, and whose goods are there.
sub pay {
    my ($self, $token, %option) = @_;

    my $order = $self->place($token, %option);
    $self->reserve($order);

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


# The types of what was announced, when all that came has acted.
sub types {
    my ($self, $order) = @_;

    $self->settle();
    $self->listen();

    return join ' ', map { $_->{type} } @{ $self->{heard}{$order} // [] };
}


# All that the worker has, has acted, and so has what came of it.
sub settle {
    my ($self) = @_;

    my ($broker, $vhost) = ($self->{worker}->broker(),
                            $self->{worker}->vhost());

    wait_for(sub {
        for my $queue ('events.payments', 'again.payments') {
            my $about = $broker->api('GET', "/api/queues/$vhost/$queue");
            return 0 if ($about->{messages} // 1) != 0;
        }

        $self->sql("select (select count(*) from payments"
                   . "    where state = 'capturing')"
                   . " + (select count(*) from refunds"
                   . "    where state = 'refunding')"
                   . " + (select count(*) from outbox)") == 0;
    }, 120, 'empty queues, an empty outbox and nothing under way');
}


# Every dead letter there is, after so many of them.
sub dead {
    my ($self, $count) = @_;

    wait_for(sub {
        $self->sql('select count(*) from dead_letter') >= $count
    }, 60, "$count dead letters");

    return $self->sql('select reason from dead_letter'
                      . ' order by id desc limit 1');
}


1;
