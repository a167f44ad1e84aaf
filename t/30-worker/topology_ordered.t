# Copyright (C) the Warren authors
#
# warren topology makes what events in order need, and says so where a node
# cannot have it.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;
use Warren::AMQP;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(at_exit run_command sanitizer_environment test_id);

my $broker = Warren::RabbitMQ->shared();
my $dir = tempdir();
my $vhost = 'ordered-' . test_id();
my $json = JSON::PP->new()->utf8()->canonical();

at_exit(sub { eval { $broker->api('DELETE', "/api/vhosts/$vhost") } });
spew("$dir/admin.secret", "guest\n", 0600);

objects();
divided();
fewer();
mistakes();
no_plugin();

done_testing();


sub worker {
    my (%about) = @_;

    return spew("$dir/cat.json", $json->encode({
        service => 'cat', events => ['dog.gone'], ordered => ['dog.*'],
        ordered_queues => 3, %about
    }));
}


sub topology {
    my ($verb, $which, $from) = @_;
    my ($status, $output) = run_command(
        command => [
            build_dir() . '/warren', 'topology', $verb, '--vhost', $vhost,
            '--url', 'http://guest@127.0.0.1:' . $which->management_port(),
            '--password-file', "$dir/admin.secret", '--from', $from
        ],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


sub objects {
    my ($status, $output) = topology('apply', $broker, worker());
    is($status, 0, 'a service with events in order is made') or diag($output);

    my $exchange = $broker->api('GET', "/api/exchanges/$vhost/ordered.cat");
    is_deeply([ @$exchange{qw(type durable arguments)} ],
              [ 'x-consistent-hash', JSON::PP::true,
                { 'hash-header' => 'x-subject' } ],
              'with an exchange that divides by the subject');

    for my $i (1 .. 3) {
        my $queue = $broker->api('GET', "/api/queues/$vhost/events.cat.$i");

        is_deeply($queue->{arguments}, {
            'x-queue-type' => 'quorum', 'x-delivery-limit' => 1000,
            'x-single-active-consumer' => JSON::PP::true,
            'x-dead-letter-exchange' => 'park',
            'x-dead-letter-routing-key' => 'cat',
            'x-dead-letter-strategy' => 'at-least-once',
            'x-overflow' => 'reject-publish'
        }, "and queue $i, of which one lane at a time gets messages");
    }

    is_deeply([ bindings() ], [
        'events dog.* exchange ordered.cat', 'events dog.gone queue events.cat',
        map { "ordered.cat 1 queue events.cat.$_" } 1 .. 3
    ], 'and the bindings');

    ($status, $output) = topology('plan', $broker, worker());
    is($status, 0, 'and nothing is left to be made') or diag($output);

    my ($shown, $text) = run_command(
        command => [build_dir() . '/warren', 'topology', 'show', '--from',
                    worker()],
        environment => { sanitizer_environment() }
    );
    my ($right) = grep { $_->{user} eq 'cat' }
                  @{ $json->decode($text)->{rights} };
    is($right->{read}, '^(amq\.gen-.*|replies|(rpc|commands|events|again|park)'
                       . '\.cat|events\.cat\.[0-9]+)$',
       'the service may read them');
}


sub bindings {
    return sort map { join ' ', @$_{qw(source routing_key destination_type
                                       destination)} }
                grep { $_->{source} =~ /^(?:events|ordered\.cat)$/ }
                @{ $broker->api('GET', "/api/bindings/$vhost") };
}


# Many subjects use all queues, and one has one.
sub divided {
    my $amqp = Warren::AMQP->connect(port => $broker->port(), vhost => $vhost);

    $amqp->confirm_select();

    for my $round (1 .. 3) {
        for my $subject (1 .. 60) {
            $amqp->publish('events', 'dog.fed', '{}', delivery_mode => 2,
                           headers => { 'x-subject' => "dog-$subject" });
            $amqp->wait_confirm();
        }
    }

    my (%where, %used);

    for my $i (1 .. 3) {
        my $reader = Warren::AMQP->connect(port => $broker->port(),
                                           vhost => $vhost);
        $reader->consume("events.cat.$i", no_ack => 1);

        while (my $message = $reader->next_delivery(3)) {
            my $headers = $message->{properties}{headers};
            $where{ $headers->{'x-subject'} }{$i}++;
            $used{$i}++;
        }
    }

    is(scalar keys %used, 3, 'subjects are divided among the queues');
    is(scalar(grep { keys %$_ == 1 && (values %$_)[0] == 3 } values %where),
       60, 'and all messages of one are in one queue');
}


sub fewer {
    my ($status, $output) = topology('apply', $broker,
                                     worker(ordered_queues => 2));
    is($status, 0, 'fewer queues are no error');
    like($output, qr/^kept binding ordered\.cat to events\.cat\.3 by "1", w/m,
         'the one that still gets its share is told');

    ($status, $output) = topology('apply', $broker,
                                  worker(events => [], ordered => ['dog.fed']));
    like($output, qr/^kept binding events to ordered\.cat by "dog\.\*", which/m,
         'as is a pattern that was in order once');
}


sub mistakes {
    for my $n (0, 17) {
        my ($status, $output) = topology('plan', $broker,
                                         worker(ordered_queues => $n));
        is($status, 1, "$n queues are refused");
        like($output, qr/"ordered_queues" must be within 1 and 16$/m,
             'with the bounds');
    }
}


sub no_plugin {
    my $plain = Warren::RabbitMQ->private(plugins => ['rabbitmq_management']);

    for my $verb ('plan', 'apply') {
        my ($status, $output) = topology($verb, $plain, worker());
        is($status, 1, "$verb refuses a node without the plugin");
        like($output, qr/ordered\.cat is .* x-consistent-hash, which the node/,
             'and says for which exchange');
        like($output, qr/rabbitmq-plugins enable rabbitmq_consistent_hash_e/,
             'and the cure');
    }

    ok(!eval { $plain->api('GET', "/api/vhosts/$vhost") },
       'and makes nothing');

    my ($status, $output) = topology('apply', $plain, worker(ordered => []));
    is($status, 0, 'a service without events in order does not need it')
        or diag($output);
}
