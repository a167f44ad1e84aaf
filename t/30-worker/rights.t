# Copyright (C) the Warren authors
#
# With the rights that warren topology apply gives, a service reaches what is
# its own and the gateway asks; what must fail does.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::AMQP;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(at_exit run_command sanitizer_environment test_id);

my $broker = Warren::RabbitMQ->shared();
my $dir = tempdir();
my $vhost = 'rights-' . test_id();

# users belong to the whole server; the gateway's has one name
my $own = "own$$";
my $other = "other$$";
my %password = (
    $own => 'secret of own', $other => 'secret of other',
    gateway => $broker->user('gateway')
);

at_exit(sub {
    eval { $broker->api('DELETE', "/api/vhosts/$vhost") };
    eval { $broker->api('DELETE', "/api/users/$_") } for $own, $other;
});

apply();
own_service();
gateway();

done_testing();


sub apply {
    my @words;

    spew("$dir/admin.secret", "guest\n", 0600);

    for my $name ($own, $other) {
        spew("$dir/$name.json", qq({"service":"$name","entities":["$name"],)
                                . qq("events":["$other.happened"],)
                                . qq("channels":["channel-of-$name"],)
                                . qq("ordered":["$other.moved"],)
                                . qq("ordered_queues":2}));
        push @words, '--from', "$dir/$name.json";
    }

    for my $name (keys %password) {
        spew("$dir/$name.secret", "$password{$name}\n", 0600);
        push @words, '--user', "$name=$dir/$name.secret";
    }

    my ($status, $output) = run_command(
        command => [
            build_dir() . '/warren', 'topology', 'apply', '--vhost', $vhost,
            '--url', 'http://guest@127.0.0.1:' . $broker->management_port(),
            '--password-file', "$dir/admin.secret", @words
        ],
        environment => { sanitizer_environment() }
    );
    is($status, 0, 'topology and rights are made') or diag($output);
}


sub own_service {
    my $amqp = client($own);
    my $reply_queue = reply_queue($amqp);

    for my $queue ("rpc.$own", "commands.$own", "events.$own", "again.$own",
                   "park.$own", "channel.channel-of-$own")
    {
        may("a service consumes $queue",
            sub { $amqp->get($queue, no_ack => 1); 1 });
    }

    may('a service consumes its events in order',
        sub { client($own)->consume("events.$own.2") });
    may("a service publishes to $_->[0] by $_->[1]",
        sub { published($amqp, @$_) })
        for ['rpc', $other], ['commands', $other], ['events', "$own.happened"],
            ['notifications', 'inapp.somebody'], ["retry.$own", '1s'],
            ['replies', $reply_queue];

    for my $queue ("rpc.$other", "commands.$other", "events.$other",
                   "again.$other", "park.$other", "retry.$own.1s",
                   "retry.$other.1s", 'events.unrouted',
                   "channel.channel-of-$other", "events.$other.2")
    {
        must_not("a service does not read $queue",
                 sub { $amqp->get($queue, no_ack => 1) });
        must_not("a service does not consume $queue",
                 sub { $amqp->consume($queue) });
    }

    must_not("a service does not publish to $_->[0] by $_->[1]",
             sub { published($amqp, @$_) })
        for ['', "commands.$other"], ['', "rpc.$own"], ["retry.$other", '1s'],
            ['events', "$other.happened"], ['events', "x$own.happened"],
            ['events', $own], ['again', $own], ['again', $other],
            ['park', $own], ['amq.direct', 'x'], ['amq.topic', 'x'],
            ['events.unrouted', 'x'], ["ordered.$own", 'x'],
            ['limits', ''], ['dropped', 'x'];

    must_not("a service does not $_->[0]", $_->[1]) for (
        ['make a queue with a name of its choice', sub {
            $amqp->declare_queue("rpc.$own.2", durable => 1);
        }],
        ['make an exchange', sub {
            $amqp->declare_exchange('mine', 'topic');
        }],
        ['delete its own queue', sub {
            $amqp->rpc('queue.delete', queue => "rpc.$own");
        }],
        ['purge the queue of another', sub {
            $amqp->rpc('queue.purge', queue => "commands.$other");
        }],
        ['listen to all events', sub {
            $amqp->bind($reply_queue, 'events', '#');
        }],
        ['listen to what people should see', sub {
            $amqp->bind($reply_queue, 'notifications', '#');
        }],
        ['listen to the calls of another', sub {
            $amqp->bind($reply_queue, 'rpc', $other);
        }],
        ['listen to what gateways tell one another', sub {
            $amqp->bind($reply_queue, 'limits', '');
        }],
        ['bind its queue to more events', sub {
            $amqp->bind("events.$own", 'events', '#');
        }],
        ['make a queue that dead-letters to the default exchange', sub {
            $amqp->declare_queue('', exclusive => 1, arguments => {
                'x-dead-letter-exchange' => '',
                'x-dead-letter-routing-key' => "commands.$other"
            });
        }],
        ['make a queue that dead-letters into the commands of another', sub {
            $amqp->declare_queue('', exclusive => 1, arguments => {
                'x-dead-letter-exchange' => "retry.$other",
                'x-dead-letter-routing-key' => '1s'
            });
        }],
        ['speak as another', sub {
            published($amqp, 'rpc', $other, user_id => 'gateway');
        }],
    );

    may('a service may look whether a queue is there', sub {
        $amqp->declare_queue("rpc.$other", passive => 1);
    });
}


sub gateway {
    my $amqp = client('gateway');

    my $reply_queue = reply_queue($amqp);

    may("the gateway publishes to $_->[0]", sub { published($amqp, @$_) })
        for ['rpc', $own], ['commands', $own], ['limits', ''];

    may('the gateway listens to what others tell of limits', sub {
        $amqp->bind($reply_queue, 'limits', '');
    });

    may("the gateway listens to what a person should see by $_", sub {
        $amqp->bind($reply_queue, 'notifications', $_);
    }) for 'inapp.0190b0c6-7a54-7e6d-9c55-3a4f1e6d7c8b', 'inapp.a%2Fb~_',
           $reply_queue;

    may('the gateway learns what its queue has dropped', sub {
        $amqp->bind($reply_queue, 'dropped', $reply_queue);
        $amqp->declare_queue('', exclusive => 1, arguments => {
            'x-dead-letter-exchange' => 'dropped',
            'x-dead-letter-routing-key' => $reply_queue
        });
    });

    must_not("the gateway does not publish to \"$_->[0]\"",
             sub { published($amqp, @$_) })
        for ['', "commands.$own"], ['events', "$own.happened"],
            ['replies', 'x'], ["retry.$own", '1s'], ['again', $own],
            ['park', $own], ['notifications', 'inapp.x'];

    must_not("the gateway does not read $_",
             sub { $amqp->get($_, no_ack => 1) })
        for "rpc.$own", "commands.$own", "events.$own", "park.$own";

    must_not('the gateway does not listen to calls', sub {
        $amqp->bind($reply_queue, 'rpc', $own);
    });
    must_not('the gateway does not listen to events', sub {
        $amqp->bind($reply_queue, 'events', '#');
    });
    must_not("the gateway does not listen to people by $_", sub {
        $amqp->bind($reply_queue, 'notifications', $_);
    }) for '#', 'inapp.#', 'inapp.*', 'inapp.x.#', '*.x', 'email.#', 'email.x',
           'inapp', 'inapp.', 'xinapp.x', 'inapp.x.y', '', 'amq.#', 'amq.*';
    must_not('the gateway does not make a queue with a name', sub {
        $amqp->declare_queue('mine', durable => 1);
    });
}


sub client {
    my ($name) = @_;

    return Warren::AMQP->connect(
        port => $broker->port(), vhost => $vhost, user => $name,
        password => $password{$name}
    );
}


# What every requester does.
sub reply_queue {
    my ($amqp) = @_;

    my $queue;

    may("$amqp->{user} makes a reply queue, binds and consumes it", sub {
        $queue = $amqp->declare_queue('', exclusive => 1, arguments => {
            'x-max-length' => 100000, 'x-overflow' => 'drop-head'
        });
        $amqp->bind($queue, 'replies', $queue);
        $amqp->consume($queue, no_ack => 1);
    });

    return $queue;
}


# The broker's word on a message: rights are looked at before it is routed.
sub published {
    my ($amqp, $exchange, $key, @properties) = @_;

    # a refusal closes the channel, and the next one is new
    $amqp->confirm_select() if $amqp->{published} == 0;
    $amqp->publish($exchange, $key, '{}', @properties);

    return $amqp->wait_confirm();
}


sub may {
    my ($what, $sub) = @_;

    ok(eval { $sub->(); 1 }, $what) or diag($@);
}


sub must_not {
    my ($what, $sub) = @_;

    my $done = eval { $sub->(); 1 };
    ok(!$done && $@ =~ /^(?:403|405|406) /, $what)
        or diag($done ? 'it did' : $@);
}
