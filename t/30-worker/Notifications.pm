package Notifications;

# Copyright (C) the Warren authors
#
# The worker of notifications under test, and the events around it.
#
#     my $told = Notifications->new(settings => { lanes => 2 });
#     my $ann = $told->person(language => 'de');
#     $told->announce('order.placed', $order, {...});
#     $told->rows(2);

use strict;
use warnings;

use JSON::PP ();

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
        service => 'notifications', settings => $option{settings} // {},
        exists $option{allow} ? (allow => $option{allow}) : ()
    )->start();

    my $self = bless { worker => $worker }, $class;
    my ($broker, $vhost) = ($worker->broker(), $worker->vhost());

    $self->{caller} = Warren::Caller->new(broker => $broker, vhost => $vhost);
    $self->{amqp} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
    $self->{amqp}->confirm_select();

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

    return $self->{caller}->call('notifications', $method, seconds => 40,
                                 %option);
}


# What a person sees, the newest first.
sub list {
    my ($self, $person) = @_;

    return @{ $self->call('list_notifications', sub => $person,
                          args => { limit => 100 })->{json}{notifications} };
}


# Announces an event; returns its message id.
sub announce {
    my ($self, $type, $subject, $data, %option) = @_;

    my $id = $option{id} // Warren::Caller::uuid();

    $self->{amqp}->publish('events', $type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $subject, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json', data => $data,
        defined $option{version} ? (aggregateversion => $option{version}) : ()
    }), type => $type, message_id => $id, user_id => 'guest',
       content_type => 'application/cloudevents+json', delivery_mode => 2);
    $self->{amqp}->wait_confirm() or die "the broker refused $type\n";

    return $id;
}


# Announces what users knows of a person; the data's members may be told.
sub tell_person {
    my ($self, $type, $person, $version, %member) = @_;

    return $self->announce($type, $person, {
        id => $person, email => 'ann@example.com', name => 'Ann Lee',
        language => 'en', email_verified => JSON::PP::true, %member
    }, version => $version);
}


# Somebody new; returns their id when they are known.
sub person {
    my ($self, %member) = @_;

    my $person = Warren::Caller::uuid();

    $self->tell_person('user.registered', $person, 1, %member);
    $self->wait_for_rows("recipients where user_id = '$person'", 1);

    return $person;
}


# Announces what happened to an order or its payment; returns the order.
sub happened {
    my ($self, $type, $person, %member) = @_;

    my $order = delete $member{order} // Warren::Caller::uuid();
    my %data = (user_id => $person, currency => 'EUR', %member);

    if ($type =~ /\Apayment\./) {
        $data{order_id} = $order;
        $data{payment_id} = Warren::Caller::uuid();
        $data{amount_cents} //= 12305;

    } else {
        $data{$type =~ /\Aorder\./ ? 'id' : 'order_id'} = $order;
        $data{total_cents} //= 12305;
    }

    $self->announce($type, $order, \%data);

    return $order;
}


sub wait_for_rows {
    my ($self, $what, $count) = @_;

    wait_for(sub { $self->sql("select count(*) from $what") == $count }, 60,
             "$count $what");
}


# Messages of a queue of the service, none of which is at work.
sub settle {
    my ($self, @queues) = @_;

    my ($broker, $vhost) = ($self->{worker}->broker(),
                            $self->{worker}->vhost());

    wait_for(sub {
        for my $queue ('events.notifications', 'commands.notifications',
                       'again.notifications', @queues)
        {
            my $about = $broker->api('GET', "/api/queues/$vhost/$queue");
            return 0 if ($about->{messages} // 1) != 0;
        }

        return 1;
    }, 120, 'empty queues');
}


1;
