# Copyright (C) the Warren authors
#
# The golden calls, as the gateway writes them, are understood by a worker, and
# its replies have the shape of the golden replies.

use strict;
use warnings;

use lib 't/lib';

use Encode ();
use JSON::PP ();
use Test::More;
use Time::HiRes ();

use Warren::AMQP;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Worker;

my $broker = Warren::RabbitMQ->shared();
my $vhost = $broker->vhost('golden');
my $orders = Warren::Worker->new(
    broker => $broker, vhost => $vhost, service => 'orders', topology => 0
);

Warren::Worker::apply_topology($broker, $vhost, $orders);
$orders->start();

my $amqp = Warren::AMQP->connect(
    port => $broker->port(), user => 'gateway', vhost => $vhost,
    password => $broker->user('gateway'), timeout => 20
);
my $queue = $amqp->declare_queue('', exclusive => 1);
$queue = $queue->{queue} if ref $queue;
$amqp->bind($queue, 'replies', $queue);
$amqp->consume($queue, no_ack => 1);

my $reply = call('call_get');
is($reply->{properties}{headers}{status}, 400,
   'an argument that cannot be used is refused, after who asks was believed');
is(JSON::PP::decode_json($reply->{body})->{detail},
   'cursor must be the next_cursor of a page', 'and the argument is named');
like_golden($reply, 'reply_problem');
is(JSON::PP::decode_json($reply->{body})->{instance},
   golden('call_get')->{headers}{'x-request-id'},
   'the instance is the request id');

$reply = call('call_post');
is($reply->{properties}{headers}{status}, 400,
   'a body with a zero in a text is refused');
like_golden($reply, 'reply_problem');

done_testing();


sub golden {
    my ($name) = @_;

    return JSON::PP::decode_json(slurp("t/data/$name.json"));
}


# Publishes it as it stands, but for what varies with time and connection.
sub call {
    my ($name) = @_;

    my $golden = golden($name);
    my %properties = %{ $golden->{properties} };
    my %headers = %{ $golden->{headers} };

    $headers{'x-deadline'} = Warren::AMQP::typed(
        l => int(Time::HiRes::time() * 1000) + 9000
    );

    $amqp->publish(
        $golden->{exchange}, $golden->{routing_key},
        Encode::encode_utf8($golden->{body}), %properties,
        reply_to => $queue, expiration => '9000', timestamp => time(),
        headers => \%headers
    );

    my $got = $amqp->next_delivery(15) or die "$name: no reply\n";

    is($got->{properties}{correlation_id}, $properties{correlation_id},
       "$name: the correlation id is copied");

    return $got;
}


# The same properties and kinds of values, and no others.
sub like_golden {
    my ($got, $name) = @_;

    my $golden = golden($name);
    my %properties = %{ $got->{properties} };
    delete $properties{headers};

    is_deeply([sort keys %properties], [sort keys %{ $golden->{properties} }],
              "the reply has the properties of $name");

    for my $key (qw(content_type delivery_mode user_id app_id)) {
        is($properties{$key}, $golden->{properties}{$key}, "its $key too");
    }

    for my $path (grep { /^properties\./ } sort keys %{ $golden->{patterns} }) {
        my ($key) = $path =~ /\.(.+)/;
        like($properties{$key}, qr/$golden->{patterns}{$path}/,
             "and its $key is as it should be");
    }
}
