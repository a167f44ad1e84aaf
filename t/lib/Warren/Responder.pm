package Warren::Responder;

# Copyright (C) the Warren authors
#
# A service for tests of the gateway: a process that answers calls by what the
# test says, on time, late, twice, wrongly or never.
#
#     my $echo = Warren::Responder->new(
#         rabbit => $rabbit, vhost => $vhost, service => 'echo',
#         methods => {
#             hello => sub { return { status => 200, body => '{}' } },
#         },
#     );
#
# A method gets the call and returns answers, none or several: status, body,
# content_type, headers (added to the reply's), delay in seconds; or raw, sent
# with exactly these properties.

use strict;
use warnings;

use POSIX qw(_exit);
use Time::HiRes qw(time);

use Warren::AMQP;
use Warren::Test qw(wait_for at_exit test_id);


# rabbit; vhost; service; methods; user (the service's name); arguments of the
# queue.  The service is there when this returns.
sub new {
    my ($class, %option) = @_;

    my $self = bless { user => $option{service}, %option }, $class;
    my $rabbit = $self->{rabbit};

    $rabbit->user($self->{user}, $self->{vhost});
    $self->{url} = $rabbit->url($self->{user}, $self->{vhost});

    my $amqp = Warren::AMQP->connect(url => $self->{url});
    $amqp->declare_service($self->{service}, %{ $option{arguments} // {} });
    $amqp->close();

    $self->start();
    at_exit(sub { $self->stop() });

    return $self;
}


sub start {
    my ($self) = @_;

    pipe my $ready, my $write or die "pipe: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
        close $ready;
        eval { $self->run($write); 1 } or print STDERR "responder: $@";
        _exit(0);
    }

    close $write;
    $self->{pid} = $pid;

    sysread $ready, my $byte, 1 or die "the responder did not start\n";
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    kill 'KILL', $pid;
    waitpid $pid, 0;
}


sub run {
    my ($self, $write) = @_;

    my $amqp = Warren::AMQP->connect(url => $self->{url});
    my @due;

    $amqp->consume("rpc.$self->{service}", no_ack => 1);
    syswrite $write, '.';
    close $write;

    while (1) {
        @due = sort { $a->{at} <=> $b->{at} } @due;

        while (@due && $due[0]{at} <= time()) {
            my $next = shift @due;
            $self->answer($amqp, $next->{call}, $next->{answer});
        }

        my $left = @due ? $due[0]{at} - time() : 3600;
        my $call = $amqp->next_delivery($left > 0 ? $left : 0) or next;

        my $method = $self->{methods}{ $call->{properties}{type} // '' }
            or next;

        for my $answer ($method->($call)) {
            push @due, {
                at => time() + ($answer->{delay} // 0),
                call => $call, answer => $answer
            };
        }
    }
}


sub answer {
    my ($self, $amqp, $call, $answer) = @_;

    if ($answer->{raw}) {
        $amqp->publish(
            'replies', $call->{properties}{reply_to}, $answer->{body} // '',
            correlation_id => $call->{properties}{correlation_id},
            %{ $answer->{raw} }
        );
        return;
    }

    $amqp->reply(
        $call, $answer->{status} // 200, $answer->{body} // '',
        exists $answer->{content_type}
            ? (content_type => $answer->{content_type}) : (),
        headers => $answer->{headers} // {},
    );
}


1;
