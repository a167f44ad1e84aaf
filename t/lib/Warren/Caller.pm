package Warren::Caller;

# Copyright (C) the Warren authors
#
# Calls a service as the gateway does, over a real broker.
#
#     my $caller = Warren::Caller->new(broker => $broker, vhost => $vhost);
#     my $answer = $caller->call('orders', 'get_order', args => { id => $id },
#                                sub => $person, scope => 'orders:read');
#
# An answer: status, headers (without "http-"), body, json.

use strict;
use warnings;

use JSON::PP ();
use Time::HiRes qw(time);

use Warren::AMQP qw(typed);


my $json = JSON::PP->new()->utf8()->canonical()->allow_nonref();
my $count = 0;


# broker; vhost; user (gateway): the one whose identity headers count.
sub new {
    my ($class, %option) = @_;

    my $self = bless { user => 'gateway', %option }, $class;
    my $broker = $self->{broker};

    $broker->user($self->{user});
    $self->{amqp} = Warren::AMQP->connect(
        url => $broker->url($self->{user}, $self->{vhost})
    );

    $self->{queue} = $self->{amqp}->declare_queue('', exclusive => 1);
    $self->{amqp}->bind($self->{queue}, 'replies', $self->{queue});
    $self->{amqp}->consume($self->{queue}, no_ack => 1);

    return $self;
}


# body (a reference is sent as JSON, else the bytes), args, sub, scope, id
# (message_id), seconds.
sub call {
    my ($self, $service, $method, %option) = @_;

    my $correlation = sprintf '%016x', ++$count;
    my $seconds = $option{seconds} // 10;
    my $args = $option{args} // {};
    my $body = $option{body} // '';
    $body = $json->encode($body) if ref $body;

    my %headers = (
        'x-deadline' => typed(l => int(1000 * (time() + $seconds))),
        map { ("x-arg-$_" => "$args->{$_}") } keys %$args
    );
    $headers{'x-sub'} = $option{sub} if defined $option{sub};
    $headers{'x-scope'} = $option{scope} if defined $option{scope};

    $self->{amqp}->publish(
        'rpc', $service, $body,
        type => $method, content_type => 'application/json',
        correlation_id => $correlation, reply_to => $self->{queue},
        message_id => $option{id} // uuid(), user_id => $self->{user},
        expiration => 1000 * $seconds, delivery_mode => 1,
        timestamp => int(time()), app_id => 'test', headers => \%headers
    );

    my $deadline = time() + $seconds;

    while ((my $left = $deadline - time()) > 0) {
        my $reply = $self->{amqp}->next_delivery($left) or last;
        my $properties = $reply->{properties};

        return answer($reply)
            if ($properties->{correlation_id} // '') eq $correlation;
    }

    die "$service.$method did not answer within $seconds s\n";
}


sub answer {
    my ($reply) = @_;

    my $headers = $reply->{properties}{headers};
    my %http = map { /^http-(.*)/ ? ($1 => $headers->{$_}) : () }
               keys %$headers;

    return {
        status => $headers->{status}, headers => \%http,
        body => $reply->{body},
        json => scalar eval { $json->decode($reply->{body}) }
    };
}


# A UUID of version 7, of its kind at least.
sub uuid {
    my $ms = int(1000 * time());

    return sprintf "%08x-%04x-7%03x-%04x-%04x%08x", $ms >> 16, $ms & 0xffff,
                   rand 0x1000, 0x8000 + rand 0x4000, rand 0x10000,
                   rand 0xffffffff;
}


1;
