package Echo;

# Copyright (C) the Warren authors
#
# The worker of echo_worker.c under test, with everything it needs, and the
# gateway's side of a conversation with it.
#
#     my $echo = Echo->new()->start();
#     my $reply = $echo->call('echo', '{"text":"hi"}');
#     is($reply->{status}, 200);
#
# broker and postgresql are instances of the test's own if given; settings are
# the worker's.  program is another worker's that stands in its place.

use strict;
use warnings;

use JSON::PP ();
use Time::HiRes ();

use Warren::AMQP;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(
    wait_for build_dir source_dir run_command test_id at_exit
);
use Warren::Worker;


my $count = 0;


sub new {
    my ($class, %option) = @_;

    my $self = bless {
        broker => $option{broker} // Warren::RabbitMQ->shared(),
        postgresql => $option{postgresql} // Warren::PostgreSQL->shared()
    }, $class;

    $self->{vhost} = $self->{broker}->vhost('echo');
    $self->{database} = $self->make_database();
    $self->{worker} = Warren::Worker->new(
        service => 'echo',
        program => build_dir() . '/t/30-worker/'
                   . ($option{program} // 'echo_worker'),
        broker => $self->{broker}, vhost => $self->{vhost},
        database => $self->{database}, settings => $option{settings} // {},
        allow => $option{allow}, topology => $option{topology} // 1
    );

    return $self;
}


sub worker { return $_[0]{worker} }
sub broker { return $_[0]{broker} }
sub vhost { return $_[0]{vhost} }


sub start {
    my ($self, %option) = @_;

    $self->{worker}->start(%option);

    return $self;
}


# Migrations as a service outside of this tree would have them; for another role
# than echo if that is told.
sub make_database {
    my ($self, $role) = @_;

    $role //= 'echo';

    my $pg = $self->{postgresql};
    my $name = "t_${role}_" . test_id() . '_' . ++$count;
    $name =~ s/\W/_/g;

    $pg->bootstrap($role, $name);
    $pg->forget_later($name);

    my ($status, $output) = run_command(
        command => ['sqitch', 'deploy', '--verify', '--set', "role=$role",
                    'db:pg:' . ($pg->uri('postgres', $name) =~ s/^\w+://r)],
        directory => source_dir() . '/t/30-worker/echo',
        environment => {
            SQITCH_USER_CONFIG => '/dev/null',
            SQITCH_SYSTEM_CONFIG => '/dev/null',
            SQITCH_FULLNAME => 'The Warren tests',
            SQITCH_EMAIL => 'warren@localhost', LC_ALL => 'C.UTF-8'
        },
        seconds => 60
    );
    die "sqitch: $output\n" if $status != 0;

    return $pg->uri($role, $name);
}


# What the administrator sees in the worker's database.
sub sql {
    my ($self, $sql) = @_;

    my $pg = $self->{postgresql};

    return $pg->psql($pg->admin_uri($self->{database}), $sql);
}


# A connection as a broker user; one a user is kept.
sub amqp {
    my ($self, $user) = @_;

    $user //= 'gateway';

    return $self->{amqp}{$user} //= $self->connect($user);
}


sub connect {
    my ($self, $user) = @_;

    # users belong to the whole server: another test's may have been first
    my $password = $self->{broker}->user($user);
    my $amqp = Warren::AMQP->connect(
        port => $self->{broker}->port(), user => $user,
        password => $password, vhost => $self->{vhost}, timeout => 20
    );

    my $reply = $amqp->declare_queue('', exclusive => 1);
    $amqp->{reply_queue} = ref $reply ? $reply->{queue} : $reply;
    $amqp->bind($amqp->{reply_queue}, 'replies', $amqp->{reply_queue});
    $amqp->consume($amqp->{reply_queue}, no_ack => 1);

    return $amqp;
}


# After the broker went away.
sub forget { delete $_[0]{amqp} }


# Publishes a call and returns its correlation id.  id, user, headers, ms and
# to, another service, are options.
sub ask {
    my ($self, $method, $body, %option) = @_;

    my $user = $option{user} // 'gateway';
    my $amqp = $self->amqp($user);
    my $correlation = sprintf '%04x%012x', $$ & 0xffff, ++$count;

    my $ms = $option{ms} // 15000;
    my %headers = ('x-request-id' => "request-$count",
                   %{ $option{headers} // {} });

    $amqp->publish(
        'rpc', $option{to} // 'echo', $body // '{}', type => $method,
        content_type => 'application/json', correlation_id => $correlation,
        reply_to => $amqp->{reply_queue}, message_id => $option{id} // uuid(),
        user_id => $user, expiration => "$ms", delivery_mode => 1,
        timestamp => time(), headers => {
            'x-deadline' => Warren::AMQP::typed(
                l => int(Time::HiRes::time() * 1000) + $ms
            ),
            %headers
        }
    );

    return $correlation;
}


# The reply with this correlation id: {status, headers, body, json}; undef
# after so many seconds.
sub answer {
    my ($self, $correlation, $seconds, $user) = @_;

    my $amqp = $self->amqp($user);
    my $deadline = time() + ($seconds // 15);

    while (1) {
        my $kept = delete $self->{answers}{$correlation};
        return $kept if $kept;

        my $left = $deadline - time();
        return if $left <= 0;

        my $message = $amqp->next_delivery($left) or return;
        my $properties = $message->{properties};
        my $headers = $properties->{headers};

        $self->{answers}{ $properties->{correlation_id} } = {
            status => $headers->{status}, headers => $headers,
            body => $message->{body}, properties => $properties,
            json => scalar eval { JSON::PP::decode_json($message->{body}) }
        };
    }
}


sub call {
    my ($self, $method, $body, %option) = @_;

    my $correlation = $self->ask($method, $body, %option);

    return $self->answer($correlation, $option{seconds}, $option{user});
}


# Publishes a command; dies unless the broker has it.
sub command {
    my ($self, $method, $body, %option) = @_;

    my $user = $option{user} // 'gateway';

    return $self->send('commands', 'echo', $body // '{}',
                       type => $method, user_id => $user, %option);
}


# Publishes an event as echo's own, or another user's.
sub event {
    my ($self, $type, $subject, %option) = @_;

    my $id = $option{id} //= uuid();
    my $user = $option{user} //= 'echo';
    my $source = delete $option{source} // '/warren/echo';
    my $body = delete $option{body} // JSON::PP::encode_json({
        specversion => '1.0', id => $id, source => $source, type => $type,
        subject => $subject, data => delete $option{data} // { id => $subject }
    });
    my $headers = delete $option{headers} // { 'x-subject' => $subject };

    return $self->send('events', $type, $body, type => $type,
                       content_type => 'application/cloudevents+json',
                       headers => $headers, %option);
}


sub send {
    my ($self, $exchange, $key, $body, %option) = @_;

    my $user = delete $option{user} // 'gateway';
    my $id = delete $option{id} // uuid();
    my $amqp = $self->{confirming}{$user} //= do {
        my $new = $self->connect($user);
        $new->confirm_select();
        $new;
    };

    $amqp->publish($exchange, $key, $body, message_id => $id,
                   user_id => $user, delivery_mode => 2,
                   content_type => 'application/json', timestamp => time(),
                   %option);
    $amqp->wait_confirm() or die "the broker refused $id\n";

    return $id;
}


# Another process of the same worker, with settings of its own; not started.
sub second {
    my ($self, %settings) = @_;

    my $worker = $self->{worker};

    return Warren::Worker->new(
        %$worker{qw(service program broker vhost database allow)},
        settings => { %{ $worker->{settings} }, %settings }
    );
}


# A UUID of version 7.
sub uuid {
    my $ms = int(Time::HiRes::time() * 1000);
    my $hex = sprintf '%012x7%03x%04x%012x', $ms, rand 0x1000,
                      0x8000 | rand 0x4000, ++$count << 20 | rand 0x100000;

    return join '-', unpack 'A8 A4 A4 A4 A12', $hex;
}


1;
