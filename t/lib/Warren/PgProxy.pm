package Warren::PgProxy;

# Copyright (C) the Warren authors
#
# Stands between a program and PostgreSQL, understands what travels, and cuts
# the connection where a test says.
#
#     my $proxy = Warren::PgProxy->new(port => $postgresql->port());
#     ... a program connects to $proxy->port() ...
#     $proxy->order('cut_after');
#     ... it commits ...
#     $proxy->wait_for_cut();
#
# An order holds for the next COMMIT that a client sends as a prepared
# statement, and once:
#
#     cut_before   the server never hears of it, both connections end
#     cut_after    the server has committed, its answer is lost
#     hold         the client's connection ends, and the server's stays as it
#                  is: COMMIT is on its way until deliver or drop
#     …_shut       one of these, and shut with it
#
# At any time:
#
#     shut, open   new connections are refused, those that are there end; and
#                  accepted again
#     forget       counts begin anew

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX qw(_exit);
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);

use Warren::Test qw(wait_for at_exit);


# port: the server's.
sub new {
    my ($class, %option) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp', Listen => 50
    ) or die "no port for a proxy: $!\n";

    socketpair(my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
        or die "socketpair: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        close $ours;
        $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP ALRM);
        $SIG{PIPE} = 'IGNORE';

        my $proxy = bless {
            listener => $listener, control => $theirs, server => $option{port},
            select => IO::Select->new($listener, $theirs), order => '',
            is_open => 1, pairs => {}, count => {}
        }, $class;

        eval { $proxy->run() };
        print STDERR "proxy: $@" if $@;
        _exit(0);
    }

    close $theirs;
    $ours->autoflush(1);

    my $self = bless {
        pid => $pid, control => $ours, port => $listener->sockport()
    }, $class;

    close $listener;
    at_exit(sub {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    });

    return $self;
}


sub port { return $_[0]{port} }


# Gives an order; returns when it holds.
sub order {
    my ($self, $order) = @_;

    return $self->say($order);
}


# How often something happened since the beginning, or "forget": "cut" (orders
# that were carried out), "flush" (the client asked for answers and waited),
# "commit" (that a server has answered).
sub count {
    my ($self, $what) = @_;

    return $self->say("count $what");
}


sub wait_for_cut {
    my ($self, $seconds) = @_;

    my $want = ++$self->{cuts};

    wait_for(sub { $self->count('cut') >= $want }, $seconds // 30, 'the cut');
}


sub say {
    my ($self, $text) = @_;

    my $control = $self->{control};

    print $control "$text\n";

    my $answer = <$control> // die "the proxy has ended\n";
    chomp $answer;

    return $answer;
}


# The proxy's own process.

sub run {
    my ($self) = @_;

    while (1) {
        for my $socket ($self->{select}->can_read()) {
            if ($socket == $self->{listener}) {
                $self->take_client();

            } elsif ($socket == $self->{control}) {
                $self->obey();

            } elsif (my $pair = $self->{pairs}{$socket}) {
                $self->pass($pair, $socket);
            }
        }
    }
}


sub obey {
    my ($self) = @_;

    my $text = '';

    while ($text !~ /\n/) {
        sysread $self->{control}, $text, 1, length $text or _exit(0);
    }

    chomp $text;
    my $answer = 'ok';

    if ($text =~ /\Acount (\w+)\z/) {
        $answer = $self->{count}{$1} // 0;

    } elsif ($text eq 'forget') {
        delete @{ $self->{count} }{ grep { $_ ne 'cut' }
                                    keys %{ $self->{count} } };

    } elsif ($text eq 'shut' || $text eq 'open') {
        $self->{is_open} = $text eq 'open';
        $self->end($_) for $text eq 'shut' ? $self->pairs() : ();

    } elsif ($text eq 'deliver' || $text eq 'drop') {
        $self->release($text eq 'deliver');

    } else {
        $self->{order} = $text;
    }

    syswrite $self->{control}, "$answer\n";
}


sub pairs {
    my ($self) = @_;

    my %seen;

    return grep { !$seen{$_}++ } values %{ $self->{pairs} };
}


sub take_client {
    my ($self) = @_;

    my $client = $self->{listener}->accept() or return;

    return $client->close() if !$self->{is_open};

    my $server = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $self->{server}, Proto => 'tcp'
    ) or return $client->close();

    my $pair = { client => $client, server => $server, is_begun => 0,
                 from_client => '', from_server => '', statements => {} };

    $self->{pairs}{$_} = $pair for $client, $server;
    $self->{select}->add($client, $server);
}


sub end {
    my ($self, $pair, @which) = @_;

    for my $side (@which ? @which : qw(client server)) {
        my $socket = delete $pair->{$side} or next;

        delete $self->{pairs}{$socket};
        $self->{select}->remove($socket);
        $socket->close();
    }
}


sub pass {
    my ($self, $pair, $socket) = @_;

    my $is_client = defined $pair->{client} && $socket == $pair->{client};
    my $buffer = $is_client ? \$pair->{from_client} : \$pair->{from_server};

    if (!sysread $socket, $$buffer, 65536, length $$buffer) {
        return $self->end($pair);
    }

    while (defined(my $message = take($pair, $buffer, $is_client))) {
        my $goes_on = $is_client ? $self->from_client($pair, $message)
                                 : $self->from_server($pair, $message);
        last if !$goes_on;
    }
}


# A whole message, undef if it is not there yet.  The first of a client has no
# letter, and a server answers one for encryption with a letter alone.
sub take {
    my ($pair, $buffer, $is_client) = @_;

    my $has_letter = !$is_client || $pair->{is_begun};
    my $head = $has_letter ? 5 : 4;

    if (!$is_client && delete $pair->{is_asking}) {
        return substr $$buffer, 0, 1, '';
    }

    return undef if length $$buffer < $head;

    my $len = unpack('N', substr $$buffer, $head - 4, 4) + $head - 4;

    return undef if length $$buffer < $len;

    my $message = substr $$buffer, 0, $len, '';

    if (!$has_letter) {
        my $code = unpack 'N', substr $message, 4, 4;

        $pair->{is_asking} = $code == 80877103 || $code == 80877104;
        $pair->{is_begun} = !$pair->{is_asking};
    }

    return $message;
}


sub give {
    my ($self, $pair, $side, $message) = @_;

    my $socket = $pair->{$side} or return 0;
    my $done = 0;

    while ($done < length $message) {
        my $n = syswrite $socket, $message, length($message) - $done, $done;

        if (!$n) {
            $self->end($pair);
            return 0;
        }

        $done += $n;
    }

    return 1;
}


sub from_client {
    my ($self, $pair, $message) = @_;

    my $letter = substr $message, 0, 1;
    my $text = substr $message, 5 if length $message > 5;

    if ($pair->{is_begun} && $letter eq 'P') {
        my ($name, $sql) = split /\0/, $text;
        $pair->{statements}{$name} = $sql;

    } elsif ($letter eq 'B') {
        my (undef, $name) = split /\0/, $text;
        my $sql = $pair->{statements}{$name} // '';

        if ($sql =~ /\Acommit\z/i) {
            $pair->{shuts} = $self->{order} =~ s/_shut\z//;
            $pair->{order} = $self->{order};
            $self->{order} = '';
        }

    } elsif ($letter eq 'H' || $letter eq 'S') {
        $self->{count}{flush}++;
    }

    my $order = $pair->{order} // '';

    if ($order eq 'cut_before') {
        return $self->cut($pair);
    }

    if ($order eq 'hold') {
        $pair->{held} .= $message;

        if ($letter eq 'S') {
            $self->{held} = $pair;
            $self->cut($pair, 'client');
        }

        return 1;
    }

    return $self->give($pair, 'server', $message);
}


sub from_server {
    my ($self, $pair, $message) = @_;

    if ($message =~ /\AC.{4}COMMIT\0/s) {
        $self->{count}{commit}++;

        if (($pair->{order} // '') eq 'cut_after') {
            return $self->cut($pair);
        }

        if (!$pair->{client}) {
            $self->end($pair);
            return 0;
        }
    }

    # nobody is there to read it
    return 1 if !$pair->{client};

    return $self->give($pair, 'client', $message);
}


sub cut {
    my ($self, $pair, @which) = @_;

    $self->{is_open} = 0 if $pair->{shuts};
    $self->{count}{cut}++;
    $self->end($pair, @which);

    return 0;
}


# What was held arrives, or is lost with its connection.
sub release {
    my ($self, $is_delivered) = @_;

    my $pair = delete $self->{held} or return;

    if ($is_delivered) {
        delete $pair->{order};
        $self->give($pair, 'server', $pair->{held});

    } else {
        $self->end($pair);
    }
}


1;
