package Warren::EventStream;

# Copyright (C) the Warren authors
#
# A client of Server-Sent Events, and what streams of a gateway need: a virtual
# host with the exchanges and rights of topology, and somebody who publishes.
#
#     my $stage = Warren::EventStream::stage('live');
#     my $nginx = Warren::Nginx->new(conf => …, vars => $stage->{vars});
#     my $stream = Warren::EventStream->open($nginx, '/stream', …headers…);
#     $stage->{publish}->('inapp.anna', '{"a":1}', id => …, type => 'note');
#     $stream->wait_events(1);
#     is($stream->{events}[0]{data}, '{"a":1}');
#
# status and headers are there after open(); events are hashes of id, event and
# data, comments and retry what was said else, is_ended whether the answer is
# over, and ended_well whether it came to its end.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_RCVBUF inet_aton pack_sockaddr_in);
use Time::HiRes qw(time);

use Warren::AMQP;
use Warren::RabbitMQ;
use Warren::Test qw(wait_for at_exit spew tempdir);


use constant PATIENCE => 40;


# name; rabbit (the shared one).  vars: BROKER, of a gateway_broker block.
sub stage {
    my ($name, %option) = @_;

    my $rabbit = $option{rabbit} // Warren::RabbitMQ->shared();
    my $vhost = $rabbit->vhost($name);
    my $user = "gateway-$vhost";

    my $password = $rabbit->user(
        $user, $vhost, configure => '^amq\.gen-',
        write => '^(rpc|commands|limits|dropped|amq\.gen-.*)$',
        read => '^(amq\.gen-.*|replies|limits|notifications|dropped)$'
    );
    at_exit(sub { eval { $rabbit->api('DELETE', "/api/users/$user") } });
    $rabbit->user('notifications', $vhost);

    # with what tests stream besides
    $rabbit->api('PUT', "/api/topic-permissions/$vhost/$user", {
        exchange => 'notifications', write => '^$',
        read => '^((inapp|news|other)\.[A-Za-z0-9_~%-]+'
                . '|amq\.gen-[A-Za-z0-9_-]+)$'
    });

    for (['rpc', 'direct'], ['replies', 'direct'], ['dropped', 'direct'],
         ['notifications', 'topic'])
    {
        $rabbit->api('PUT', "/api/exchanges/$vhost/$_->[0]",
                     { type => $_->[1], durable => \1 });
    }

    my $secret = spew(tempdir() . "/secret-$vhost", "$password\n");
    my $url = $rabbit->url_without_password($user, $vhost);
    my $from;

    return {
        rabbit => $rabbit, vhost => $vhost, user => $user,
        vars => {
            BROKER => "gateway_broker shop { url $url; "
                      . "password_file $secret; }"
        },
        publish => sub {
            my ($key, $body, %props) = @_;

            my $exchange = delete $props{exchange} // 'notifications';
            $props{message_id} = delete $props{id} if exists $props{id};

            $from //= Warren::AMQP->connect(
                url => $rabbit->url('notifications', $vhost)
            );
            $from->publish($exchange, $key, $body,
                           content_type => 'application/json',
                           user_id => 'notifications', %props);
        },
    };
}


# What the server says after a GET; returns when the header is there.
sub open {
    my ($class, $nginx, $path, @headers) = @_;

    my $self = $class->ask($nginx, $path, @headers);
    wait_for(sub { $self->pump(0.2); defined $self->{status} }, PATIENCE,
             "the header of $path");

    return $self;
}


# The same without waiting.  rcvbuf: of the socket, in bytes.
sub ask {
    my ($class, $nginx, $path, @headers) = @_;

    my %option = ref $path ? (path => @$path) : (path => $path);
    my $self = bless {
        buffer => '', text => '', events => [], comments => [], headers => {},
    }, $class;

    my $socket = IO::Socket::INET->new(Proto => 'tcp')
        or die "socket: $!\n";
    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, $option{rcvbuf}
        if $option{rcvbuf};
    connect $socket, pack_sockaddr_in($nginx->port(), inet_aton('127.0.0.1'))
        or die "connect: $!\n";
    binmode $socket;

    my $text = "GET $option{path} HTTP/1.1\r\nHost: localhost\r\n";
    while (my ($name, $value) = splice @headers, 0, 2) {
        $text .= "$name: $value\r\n";
    }
    syswrite $socket, "$text\r\n";

    $self->{socket} = $socket;
    return $self;
}


# Reads what is there, waiting so many seconds for it.
sub pump {
    my ($self, $seconds) = @_;

    return if $self->{is_ended};

    if (IO::Select->new($self->{socket})->can_read($seconds // 0)) {
        my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                        length $self->{buffer};
        $self->{is_ended} = 1 if !$n;
    }

    $self->read_header() if !defined $self->{status};
    $self->read_chunks() if defined $self->{status};
}


sub read_header {
    my ($self) = @_;

    $self->{buffer} =~ s/\A(.*?)\r\n\r\n//s or return;
    my ($line, @fields) = split /\r\n/, $1;
    ($self->{status}) = $line =~ /\AHTTP\/1\.1 (\d+)/ or die "not HTTP: $line";

    for (@fields) {
        my ($name, $value) = /\A([^:]+): ?(.*)\z/ or die "bad field: $_\n";
        $self->{headers}{ lc $name } = $value;
    }

    my $length = $self->{headers}{'content-length'};
    $self->{is_plain} = defined $length;
}


sub read_chunks {
    my ($self) = @_;

    if ($self->{is_plain}) {
        $self->{text} .= $self->{buffer};
        $self->{buffer} = '';
        $self->{is_ended} = 1 if length $self->{text}
                                 >= $self->{headers}{'content-length'};
        return;
    }

    while ($self->{buffer} =~ /\A([0-9a-fA-F]+)\r\n/) {
        my ($size, $head) = (hex $1, length $&);

        if ($size == 0) {
            $self->{is_ended} = 1;
            $self->{ended_well} = 1;
            last;
        }

        last if length $self->{buffer} < $head + $size + 2;
        $self->{text} .= substr $self->{buffer}, $head, $size;
        substr $self->{buffer}, 0, $head + $size + 2, '';
    }

    $self->read_event($1) while $self->{text} =~ s/\A(.*?)\n\n//s;
}


sub read_event {
    my ($self, $text) = @_;

    my (%event, @data);

    for (split /\n/, $text, -1) {
        my ($name, $value) = /\A([a-z]*): ?(.*)\z/s ? ($1, $2) : ('', $_);

        if ($name eq 'data') {
            push @data, $value;

        } elsif ($name eq 'retry') {
            $self->{retry} = $value;

        } elsif ($name eq '') {
            push @{ $self->{comments} }, $value;

        } else {
            $event{$name} = $value;
        }
    }

    $event{data} = join "\n", @data if @data;
    push @{ $self->{events} }, \%event if %event;
}


# Waits until there are so many events; dies if there are not.
sub wait_events {
    my ($self, $n, $seconds) = @_;

    wait_for(sub { $self->pump(0.1); @{ $self->{events} } >= $n },
             $seconds // PATIENCE, "$n events");
    return $self;
}


sub wait_comment {
    my ($self, $n, $seconds) = @_;

    wait_for(sub { $self->pump(0.1); @{ $self->{comments} } >= $n },
             $seconds // PATIENCE, "$n comments");
    return $self;
}


sub wait_end {
    my ($self, $seconds) = @_;

    wait_for(sub { $self->pump(0.1); $self->{is_ended} },
             $seconds // PATIENCE, 'the end of a stream');
    return $self;
}


sub data { return map { $_->{data} } @{ $_[0]{events} } }
sub ids { return map { $_->{id} } @{ $_[0]{events} } }


sub close {
    my ($self) = @_;

    CORE::close(delete $self->{socket}) if $self->{socket};
    $self->{is_ended} = 1;
}


1;
