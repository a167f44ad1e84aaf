package Users;

# Copyright (C) the Warren authors
#
# The worker of users under test, its people, and the letters that it has sent.
#
#     my $users = Users->new(settings => { 'login.failures' => 3 });
#     my $ann = $users->person('ann@example.com');
#     my $letter = $users->letter('verify_email', 'ann@example.com');

use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 qw(decode_base64url);

use Warren::AMQP;
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::Test qw(wait_for);
use Warren::Worker;


our $PASSWORD = 'correct horse battery staple';

my $json = JSON::PP->new()->utf8()->canonical();


# settings are the worker's.
sub new {
    my ($class, %option) = @_;

    my $worker = Warren::Worker->new(
        service => 'users', settings => {
            'link.base' => 'https://shop.test', 'mail.pause' => '0s',
            %{ $option{settings} // {} }
        }, %{ $option{worker} // {} }
    );
    my ($broker, $vhost) = ($worker->broker(), $worker->vhost());

    Warren::Worker::apply_topology($broker, $vhost, $worker);

    my $self = bless { worker => $worker, letters => [], events => [] },
               $class;

    $self->{caller} = Warren::Caller->new(broker => $broker, vhost => $vhost);
    $self->{ear} = Warren::AMQP->connect(url => $broker->url('guest', $vhost));

    # notifications is not there: its letters, and what is announced
    my $queue = $self->{ear}->declare_queue('', exclusive => 1);
    $self->{ear}->bind($queue, 'commands', 'notifications');
    $self->{ear}->bind($queue, 'events', 'user.#');
    $self->{ear}->consume($queue, no_ack => 1);

    $worker->start();

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

    return $self->{caller}->call('users', $method, seconds => 40, %option);
}


# A call of a person who may change the own account.
sub call_as {
    my ($self, $id, $method, %option) = @_;

    return $self->call($method, sub => $id, scope => 'users:read users:write',
                       %option);
}


# Registers somebody; returns the id.
sub person {
    my ($self, $email, %member) = @_;

    my $answer = $self->call('register', body => {
        email => $email, name => 'Somebody', password => $PASSWORD, %member
    });
    die "register: $answer->{body}\n" if $answer->{status} != 201;

    return $answer->{json}{id};
}


sub login {
    my ($self, $email, %option) = @_;

    return $self->call('login', args => $option{args} // {}, body => {
        email => $email, password => $option{password} // $PASSWORD
    });
}


# The refresh token of somebody who has just logged in.
sub token {
    my ($self, $email) = @_;

    my $answer = $self->login($email);
    die "login: $answer->{body}\n" if $answer->{status} != 200;

    return $answer->{json}{refresh_token};
}


sub refresh {
    my ($self, $token, %option) = @_;

    return $self->call('refresh', body => { refresh_token => $token },
                       %option);
}


# What a token says.
sub claims {
    my ($token) = @_;

    return $json->decode(decode_base64url((split /\./, $token)[1]));
}


sub listen {
    my ($self) = @_;

    while (my $message = $self->{ear}->next_delivery(0.05)) {
        my $list = $message->{properties}{type} eq 'send_message'
                   ? 'letters' : 'events';
        push @{ $self->{$list} }, $json->decode($message->{body});
    }
}


# The next letter of a template to an address; waits for it.
sub letter {
    my ($self, $template, $email) = @_;

    my $found;

    wait_for(sub {
        $self->listen();

        my $letters = $self->{letters};
        my ($i) = grep {
            $letters->[$_]{template} eq $template
            && $letters->[$_]{email} eq $email
        } 0 .. $#$letters;

        $found = splice @$letters, $i, 1 if defined $i;
        defined $found;
    }, 60, "the letter $template");

    return $found;
}


# All letters that are there once nothing is on its way any more.
sub letters {
    my ($self) = @_;

    $self->settle();
    $self->listen();

    my @letters = splice @{ $self->{letters} };

    return @letters;
}


# The next event of a type about somebody; waits for it.
sub event {
    my ($self, $type, $id) = @_;

    my $found;

    wait_for(sub {
        $self->listen();

        my $events = $self->{events};
        my ($i) = grep {
            $events->[$_]{type} eq $type && $events->[$_]{subject} eq $id
        } 0 .. $#$events;

        $found = splice @$events, $i, 1 if defined $i;
        defined $found;
    }, 60, "the event $type");

    return $found;
}


# The secret in a letter's link.
sub secret {
    my ($letter) = @_;

    my ($secret) = $letter->{link} =~ m{\Ahttps://shop\.test/#\w+=([\w-]{43})\z}
        or die "no secret in $letter->{link}\n";

    return $secret;
}


# A command that the service sends itself now and then: now.
sub tick {
    my ($self, $method) = @_;

    my ($broker, $vhost) = ($self->{worker}->broker(),
                            $self->{worker}->vhost());
    my $amqp = Warren::AMQP->connect(url => $broker->url('users', $vhost));

    $amqp->confirm_select();
    $amqp->publish('commands', 'users', '{}', type => $method,
                   content_type => 'application/json', user_id => 'users',
                   message_id => Warren::Caller::uuid(), delivery_mode => 2,
                   timestamp => time());
    $amqp->wait_confirm() or die "the broker refused $method\n";
}


# What the service told itself has acted, and what came of it has left.
sub settle {
    my ($self) = @_;

    my ($broker, $vhost) = ($self->{worker}->broker(),
                            $self->{worker}->vhost());

    wait_for(sub {
        for my $queue (qw(commands.users again.users)) {
            my $about = $broker->api('GET', "/api/queues/$vhost/$queue");
            return 0 if ($about->{messages} // 1) != 0;
        }

        $self->sql('select count(*) from outbox') == 0;
    }, 120, 'an empty queue and an empty outbox');
}


1;
