package Warren::HTTP;

# Copyright (C) the Warren authors
#
# A small HTTP/1.1 client: what a test needs to see of an answer, and to send
# what a decent client never would.
#
#     my $http = Warren::HTTP->new(port => $port);
#     my $answer = $http->post('/orders', { lines => [] },
#                              authorization => "Bearer $token");
#     is($answer->{status}, 201);
#
# An answer: status, reason, headers (names in lower case; repeated ones joined
# by ", "), body, json (undef if the body is none), raw.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Time::HiRes qw(time);


my $json = JSON::PP->new()->utf8()->canonical()->allow_nonref();


# port; host (127.0.0.1); timeout in seconds (20); keep_alive.
sub new {
    my ($class, %option) = @_;

    return bless {
        host => '127.0.0.1', timeout => 20, %option, buffer => ''
    }, $class;
}


sub get { my $self = shift; return $self->request('GET', shift, undef, @_) }
sub head { my $self = shift; return $self->request('HEAD', shift, undef, @_) }
sub post { my $self = shift; return $self->request('POST', @_) }


# A body that is a reference is sent as JSON.  Header names may repeat.
sub request {
    my ($self, $method, $path, $body, @headers) = @_;

    my $has_length = 0;
    my $has_type = 0;
    my $text = "$method $path HTTP/1.1\r\nHost: localhost\r\n";

    while (my ($name, $value) = splice @headers, 0, 2) {
        $has_length = 1 if lc $name eq 'content-length'
                           || lc $name eq 'transfer-encoding';
        $has_type = 1 if lc $name eq 'content-type';
        $text .= "$name: $value\r\n";
    }

    if (ref $body) {
        $body = $json->encode($body);
        $text .= "Content-Type: application/json\r\n" if !$has_type;
    }

    if (defined $body && !$has_length) {
        $text .= 'Content-Length: ' . length($body) . "\r\n";
    }

    $text .= "Connection: close\r\n" if !$self->{keep_alive};
    $text .= "\r\n";
    $text .= $body if defined $body;

    $self->open() if !$self->{socket} || !$self->{keep_alive};
    $self->send($text);

    my $answer = $self->answer($method);

    my $connection = $answer->{headers}{connection} // '';
    $self->close() if !$self->{keep_alive} || lc $connection eq 'close';

    return $answer;
}


# Opens the connection anew; the calls below use it.
sub open {
    my ($self) = @_;

    $self->close();
    $self->{socket} = IO::Socket::INET->new(
        PeerAddr => $self->{host}, PeerPort => $self->{port}, Proto => 'tcp',
        Timeout => $self->{timeout}
    ) or die "connect to $self->{host}:$self->{port}: $!\n";

    return $self;
}


sub close {
    my ($self) = @_;

    close delete $self->{socket} if $self->{socket};
    $self->{buffer} = '';
    $self->{is_closed} = 0;
}


# Writes bytes as they are.
sub send {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    my $offset = 0;

    while ($offset < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $offset,
                         $offset;
        # the server may refuse early: its answer is still to be read
        last if !defined $n;
        $offset += $n;
    }

    return $self;
}


# One answer from the open connection.
sub answer {
    my ($self, $method) = @_;

    my $deadline = time() + $self->{timeout};
    my ($head, %headers);

    while (1) {
        $self->fill($deadline, 'the head of an answer')
            while $self->{buffer} !~ /\r\n\r\n/ && !$self->{is_closed};

        if ($self->{buffer} !~ s/\A(.*?)\r\n\r\n//s) {
            die "connection closed without an answer\n";
        }

        $head = $1;
        last if $head !~ m{\AHTTP/1\.\d 1\d\d};
    }

    my ($first, @lines) = split /\r\n/, $head;
    my ($status, $reason) = $first =~ m{\AHTTP/1\.\d (\d\d\d) ?(.*)\z}
        or die "no status line: $first\n";

    for my $line (@lines) {
        my ($name, $value) = $line =~ /\A([^:]+):\s*(.*?)\s*\z/
            or die "no header: $line\n";
        $name = lc $name;
        $headers{$name} = exists $headers{$name} ? "$headers{$name}, $value"
                                                 : $value;
    }

    my $body = '';

    if (($method // '') eq 'HEAD' || $status == 204 || $status == 304) {
        # none

    } elsif (lc($headers{'transfer-encoding'} // '') eq 'chunked') {
        $body = $self->chunks($deadline);

    } elsif (defined $headers{'content-length'}) {
        my $length = $headers{'content-length'};
        $self->fill($deadline, 'a body')
            while length $self->{buffer} < $length && !$self->{is_closed};

        die "body is cut short\n" if length $self->{buffer} < $length;
        $body = substr $self->{buffer}, 0, $length, '';

    } else {
        $self->fill($deadline, 'the end of a body') while !$self->{is_closed};
        $body = $self->{buffer};
        $self->{buffer} = '';
    }

    return {
        status => $status + 0, reason => $reason, headers => \%headers,
        body => $body, json => scalar eval { $json->decode($body) },
        raw => "$head\r\n\r\n$body"
    };
}


# Sends bytes over a new connection and returns all that comes until the server
# closes it or the time is over.
sub raw {
    my ($self, $bytes, $seconds) = @_;

    my $deadline = time() + ($seconds // $self->{timeout});

    $self->open()->send($bytes);
    eval {
        $self->fill($deadline, 'the end') while !$self->{is_closed};
    };

    my $text = $self->{buffer};
    $self->close();

    return $text;
}


# Whether the server has closed the open connection, within the time.
sub is_closed {
    my ($self, $seconds) = @_;

    my $deadline = time() + ($seconds // 5);
    eval { $self->fill($deadline, 'the end') while !$self->{is_closed} };

    return $self->{is_closed};
}


sub chunks {
    my ($self, $deadline) = @_;

    my $body = '';

    while (1) {
        $self->fill($deadline, 'a chunk')
            while $self->{buffer} !~ /\r\n/ && !$self->{is_closed};

        $self->{buffer} =~ s/\A([0-9a-fA-F]+)[^\r\n]*\r\n//
            or die "bad chunk\n";
        my $size = hex $1;

        $self->fill($deadline, 'a chunk')
            while length $self->{buffer} < $size + 2 && !$self->{is_closed};

        die "chunk is cut short\n" if length $self->{buffer} < $size + 2;

        $body .= substr $self->{buffer}, 0, $size, '';
        substr $self->{buffer}, 0, 2, '';

        return $body if $size == 0;
    }
}


sub fill {
    my ($self, $deadline, $what) = @_;

    my $left = $deadline - time();
    die "waited for $what\n" if $left <= 0;

    my @ready = IO::Select->new($self->{socket})->can_read($left);
    die "waited for $what\n" if !@ready;

    my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                    length $self->{buffer};

    # a reset ends the connection as a close does
    $self->{is_closed} = 1 if !$n;
}


1;
