# Copyright (C) the Warren authors
#
# notifications makes of events what a person should see, once.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;
use Warren::AMQP;
use Warren::Caller;
use Warren::Test;
use Warren::Worker;

my $worker = Warren::Worker->new(service => 'notifications')->start();
my $broker = $worker->broker();
my $vhost = $worker->vhost();
my $caller = Warren::Caller->new(broker => $broker, vhost => $vhost);
my $admin = Warren::PostgreSQL->shared()->admin_uri($worker->database());
my $amqp = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
my $json = JSON::PP->new()->utf8()->canonical();
my $ann = Warren::Caller::uuid();
my $bob = Warren::Caller::uuid();

tells();
tells_once();
bad_event();
pages();

done_testing();


sub rows { return Warren::PostgreSQL->shared()->psql($admin, $_[0]) }


sub announce {
    my ($type, $subject, $data, $id) = @_;

    $id //= Warren::Caller::uuid();

    $amqp->confirm_select() if $amqp->{published} == 0;
    $amqp->publish('events', $type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $subject, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json', data => $data
    }), type => $type, message_id => $id, user_id => 'guest',
       content_type => 'application/cloudevents+json', delivery_mode => 2);

    ok($amqp->wait_confirm(), "$type is announced");

    return $id;
}


sub placed {
    my ($user, $id) = @_;

    my $order = Warren::Caller::uuid();

    return announce('order.placed', $order, {
        id => $order, user_id => $user, total_cents => 12305,
        currency => 'EUR', lines => []
    }, $id);
}


sub list {
    my ($sub, %args) = @_;

    return $caller->call('notifications', 'list_notifications', sub => $sub,
                         args => \%args);
}


sub wait_for_rows {
    my ($count) = @_;

    wait_for(sub { rows('select count(*) from notifications') == $count }, 10,
             "$count notifications");
}


sub tells {
    announce('user.registered', $ann, {
        id => $ann, email => 'ann@example.com', name => 'Ann "A" Lee'
    });
    wait_for_rows(1);
    placed($ann);
    wait_for_rows(2);

    my $answer = list($ann);
    is($answer->{status}, 200, 'people see what they should')
        or diag($answer->{body});

    my ($order, $welcome) = @{ $answer->{json}{notifications} };

    is($welcome->{kind}, 'user.registered', 'a welcome');
    is($welcome->{title}, 'Welcome, Ann "A" Lee', 'by name');
    is($order->{kind}, 'order.placed', 'and that an order was placed');
    is($order->{body}, 'Your order over 123.05 EUR was placed.',
       'over how much');
    is($order->{data}{total_cents}, 12305, 'for programs, too');
    ok(exists $order->{read_at} && !defined $order->{read_at},
       'which nobody has read yet');

    is_deeply(list($bob)->{json}, { notifications => [],
                                    next_cursor => undef },
              "nobody sees another's");
    is(list(undef)->{status}, 401, 'who did not log in sees none');
}


sub tells_once {
    my $id = placed($bob);
    placed($bob, $id);
    placed($bob);
    wait_for_rows(4);

    wait_for(
        sub { $broker->queue_depth($vhost, 'events.notifications') == 0 }, 20,
        'an empty queue'
    );
    is(rows("select count(*) from notifications where event_id = '$id'"), 1,
       'an event that comes twice tells once');
}


sub bad_event {
    my $before = rows('select count(*) from notifications');

    announce('order.placed', 'x', { id => 'x', user_id => 'y' });

    wait_for(sub { rows('select count(*) from dead_letter') == 1 }, 10,
             'a dead letter');
    is(rows('select count(*) from notifications'), $before,
       'an event that is not what was promised becomes a dead letter');
    placed($ann);
    wait_for_rows($before + 1);
}


sub pages {
    my $answer = list($ann, limit => 2);
    is(scalar @{ $answer->{json}{notifications} }, 2, 'a page is shown');

    my $cursor = $answer->{json}{next_cursor};
    my $next = list($ann, limit => 2, cursor => $cursor);
    is(scalar @{ $next->{json}{notifications} }, 1, 'and the next one');
    is($next->{json}{next_cursor}, undef, 'which is the last');

    my %seen = map { $_->{id} => 1 } map { @{ $_->{json}{notifications} } }
               $answer, $next;
    is(scalar keys %seen, 3, 'each is seen once');

    is(list($ann, limit => 0)->{status}, 400, 'a limit of 0 is refused');
    is(list($ann, cursor => 'x')->{status}, 400, 'a bad cursor, too');
}
