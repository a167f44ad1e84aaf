package Warren::FakeBroker;

# Copyright (C) the Warren authors
#
# A broker that does what the test says, for what a real one never does.
#
#     my $broker = Warren::FakeBroker->new();
#     ... start nginx with a gateway_broker at $broker->port() ...
#     $broker->accept()->handshake();
#
#     my $client = $nginx->http();
#     $client->open()->send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
#
#     my $call = $broker->expect('basic.publish');
#     $broker->ack($call);
#     $broker->reply($call, 200, '{}');
#     is($client->answer()->{status}, 200, 'a reply is passed on');
#
# It lives in the test's own process and holds one connection: accept() takes
# the next one and forgets the last.  Whatever waits dies when it lasts too
# long.

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER SOMAXCONN);
use Time::HiRes qw(time);

use Warren::AMQP qw(
    frame take_frame encode_method decode_method decode_header encode_content
    method_number typed FRAME_METHOD FRAME_HEARTBEAT
);
use Warren::Nginx;
use Warren::Test qw(slurp spew tempdir wait_for);


our @EXPORT_OK = qw(gateway ask outcome counter);


use constant QUEUE => 'amq.gen-fake';


# An nginx that calls the service "echo" at /echo, started.  url: one or
# several; main, http, broker, location: further lines of the configuration;
# timeout (5s); password, undef for none; nginx: what Warren::Nginx takes.
sub gateway {
    my (%option) = @_;

    my $url = ref $option{url} ? join ' ', @{ $option{url} } : $option{url};
    my $secret = tempdir('secrets') . '/gateway';

    spew($secret, $option{password} // 'secret', 0644);
    my $password_file = exists $option{password} && !defined $option{password}
                        ? '' : "password_file   $secret;";

    return Warren::Nginx->new(conf => <<"END", %{ $option{nginx} // {} })
%%GLOBALS%%
@{[ $option{main} // '' ]}
events { worker_connections 512; }
http {
    %%HTTP%%
    @{[ $option{http} // '' ]}
    gateway_zone    gateway:1m;
    gateway_broker  shop {
        url             $url;
        $password_file
        @{[ $option{broker} // '' ]}
    }

    server {
        listen  127.0.0.1:%%PORT%%;

        location = /echo {
            gateway_route    GET,POST call echo echo;
            gateway_timeout  @{[ $option{timeout} // '5s' ]};
            @{[ $option{location} // '' ]}
        }

        location = /metrics { gateway_metrics; }
    }
}
END
        ->start();
}


# Sends a request that will be a call; outcome() waits for its answer.
sub ask {
    my ($nginx, $body) = @_;

    my $client = $nginx->http();
    my $method = defined $body ? 'POST' : 'GET';
    my $length = defined $body ? 'Content-Length: ' . length($body) . "\r\n"
                               : '';

    return $client->open()->send("$method /echo HTTP/1.1\r\nHost: a\r\n"
                                 . "Connection: close\r\n$length\r\n"
                                 . ($body // ''));
}


# "200 body" of a reply, "503 overloaded" of an error.
sub outcome {
    my ($client) = @_;

    my $answer = $client->answer();
    my $type = eval { $answer->{json}{type} } // '';

    return "$answer->{status} "
           . ($type =~ /\Aurn:warren:error:(.*)/ ? $1 : $answer->{body});
}


# What the gateway has counted of its connection.
sub counter {
    my ($nginx, $name) = @_;

    my $text = $nginx->get('/metrics')->{body};

    $text =~ /^gateway_amqp_$name(?:_total)?(?:\{[^}]*\})? (\d+)/m
        or die "no counter gateway_amqp_$name\n";

    return $1;
}


# What a gateway waits for, state by state, and what it says then.
my @steps = (
    [start => 'connection.start', 'connection.start-ok'],
    [tune => 'connection.tune', 'connection.tune-ok', 'connection.open'],
    [open => 'connection.open-ok', 'channel.open'],
    [channel => 'channel.open-ok', 'confirm.select'],
    [confirm => 'confirm.select-ok', 'queue.declare'],
    [queue => 'queue.declare-ok', 'queue.bind'],
    [bind => 'queue.bind-ok', 'basic.consume'],
    [consume => 'basic.consume-ok'],
);


# port (a free one); address (127.0.0.1); timeout in seconds (10).
sub new {
    my ($class, %option) = @_;

    my $self = bless { address => '127.0.0.1', timeout => 10, %option }, $class;

    $self->listen();

    return $self;
}


sub port { return $_[0]{port} }


# The states a gateway passes through on its way to ready.
sub states { return map { $_->[0] } @steps }


# Takes connections again, after deaf().
sub listen {
    my ($self) = @_;

    $self->{listener} = IO::Socket::INET->new(
        LocalAddr => $self->{address}, LocalPort => $self->{port} // 0,
        Listen => SOMAXCONN, ReuseAddr => 1
    ) or die "listen: $!\n";

    $self->{port} = $self->{listener}->sockport();

    return $self;
}


# Refuses connections from now on.
sub deaf {
    my ($self) = @_;

    close delete $self->{listener};

    return $self;
}


# Gives the gateway a new worker process, which does not remember how often it
# had to connect and so does not pause long.
sub renew {
    my ($self, $nginx) = @_;

    my @old = $nginx->workers();

    $self->deaf()->drop();
    kill 'TERM', @old;
    wait_for(sub { !grep { -e "/proc/$_" } @old }, 10, 'the worker to end');

    return $self->listen();
}


# Waits for the next connection and its protocol header.  One that was given
# up meanwhile is passed over.
sub accept {
    my ($self, $seconds) = @_;

    my $deadline = $self->deadline($seconds);

    $self->drop();

    while (!$self->greeting($deadline)) {
        $self->drop();
    }

    return $self;
}


sub greeting {
    my ($self, $deadline) = @_;

    my $left = $deadline - time();

    die "nobody connects\n"
        if $left <= 0 || !IO::Select->new($self->{listener})->can_read($left);

    $self->{socket} = $self->{listener}->accept() or die "accept: $!\n";
    setsockopt $self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1;

    $self->{buffer} = '';
    $self->{heartbeats} = 0;
    $self->{tag} = 0;
    $self->{frame_max} = 131072;

    while (length $self->{buffer} < 8) {
        eval { $self->fill($deadline) } or return 0;
    }

    my $header = substr $self->{buffer}, 0, 8, '';
    die "no protocol header\n" if $header ne "AMQP\0\0\x09\x01";

    return 1;
}


# Whether somebody connects within the time; the connection is left waiting.
sub is_called {
    my ($self, $seconds) = @_;

    return scalar IO::Select->new($self->{listener})->can_read($seconds);
}


# Leads the gateway to ready, or until it waits in a state: until => 'tune'.
# with => { 'connection.tune' => { frame_max => 0 } } changes what is said.
sub handshake {
    my ($self, %option) = @_;

    my %with = %{ $option{with} // {} };

    for my $step (@steps) {
        my ($state, $method, @answers) = @$step;

        last if $state eq ($option{until} // '');

        $self->send($method, $self->defaults($method),
                    %{ $with{$method} // {} });
        $self->{said}{$_} = $self->expect($_) for @answers;

        if ($method eq 'connection.tune') {
            $self->{frame_max} = $self->{said}{'connection.tune-ok'}{frame_max};
        }
    }

    return $self->wait_read();
}


# What the gateway said in the handshake: said('connection.tune-ok').
sub said { return $_[0]{said}{ $_[1] } }


sub defaults {
    my ($self, $method) = @_;

    my %defaults = (
        'connection.start' => {
            version_major => 0, version_minor => 9,
            mechanisms => 'PLAIN AMQPLAIN', locales => 'en_US',
            server_properties => { product => 'fake' }
        },
        'connection.tune' => {
            channel_max => 2047, frame_max => 131072, heartbeat => 60
        },
        'queue.declare-ok' => { queue => QUEUE },
        'basic.consume-ok' => {
            consumer_tag => $self->{said}{'basic.consume'}{consumer_tag}
        },
    );

    return %{ $defaults{$method} // {} };
}


# The next method, which must be this one.  A basic.publish comes with its
# properties, its body, and the number that confirms use.
sub expect {
    my ($self, $name, $seconds) = @_;

    my $method = $self->next_method($seconds)
        or die "$name did not come\n";

    die "$method->{name} came instead of $name\n" if $method->{name} ne $name;

    return $method;
}


# The next method, or undef when the time is over.  Heartbeats are counted.
sub next_method {
    my ($self, $seconds) = @_;

    my $deadline = $self->deadline($seconds);

    while (my $frame = $self->next_frame($deadline)) {
        if ($frame->{type} == FRAME_HEARTBEAT) {
            $self->{heartbeats}++;
            next;
        }

        die "frame of type $frame->{type} came instead of a method\n"
            if $frame->{type} != FRAME_METHOD;

        my $method = decode_method($frame->{payload});

        return $method->{name} eq 'basic.publish' ? $self->content($method)
                                                  : $method;
    }

    return undef;
}


sub content {
    my ($self, $method) = @_;

    my $deadline = $self->deadline();
    my $frame = $self->next_frame($deadline) or die "header did not come\n";

    my ($size, $properties) = decode_header($frame->{payload});

    $method->{properties} = $properties;
    $method->{body} = '';
    $method->{body_frames} = 0;
    $method->{tag} = ++$self->{tag};

    while (length $method->{body} < $size) {
        $frame = $self->next_frame($deadline) or die "body did not come\n";
        $method->{body} .= $frame->{payload};
        $method->{body_frames}++;
    }

    return $method;
}


# Heartbeats that came since the connection was accepted; waits for one more
# so long.
sub wait_heartbeat {
    my ($self, $seconds) = @_;

    my $deadline = $self->deadline($seconds);
    my $frame = $self->next_frame($deadline) or return 0;

    die "no heartbeat, but a frame of type $frame->{type}\n"
        if $frame->{type} != FRAME_HEARTBEAT;

    return ++$self->{heartbeats};
}


# Whether the gateway closes the connection within the time.
sub is_left {
    my ($self, $seconds) = @_;

    my $deadline = $self->deadline($seconds);

    while (eval { $self->next_frame($deadline) // die "time is over\n" }) {
        # what it still says is of no interest
    }

    return $@ eq "the gateway closed the connection\n";
}


sub send {
    my ($self, $name, %args) = @_;

    my ($class) = method_number($name);

    return $self->raw(frame(FRAME_METHOD, $class == 10 ? 0 : 1,
                            encode_method($name, %args)));
}


# basic.deliver or basic.return with its content.
sub send_content {
    my ($self, $name, $args, $body, %properties) = @_;

    return $self->raw(
        frame(FRAME_METHOD, 1, encode_method($name, %$args))
        . encode_content(1, $self->{frame_max}, $body, %properties)
    );
}


# What a worker's reply is when it arrives here.
sub reply {
    my ($self, $call, $status, $body, %properties) = @_;

    my $headers = delete $properties{headers} // {};

    return $self->send_content(
        'basic.deliver',
        {
            consumer_tag => $self->{said}{'basic.consume'}{consumer_tag},
            delivery_tag => ++$self->{deliveries},
            exchange => 'replies', routing_key => QUEUE
        },
        $body,
        correlation_id => $call->{properties}{correlation_id},
        content_type => 'application/json', user_id => $call->{routing_key},
        headers => { status => typed(l => $status), %$headers }, %properties
    );
}


sub ack {
    my ($self, $call, %args) = @_;

    return $self->send('basic.ack', delivery_tag => $call->{tag}, %args);
}


sub nack {
    my ($self, $call, %args) = @_;

    return $self->send('basic.nack', delivery_tag => $call->{tag}, %args);
}


# basic.return, which a real broker follows by an ack.
sub return_call {
    my ($self, $call) = @_;

    return $self->send_content(
        'basic.return',
        {
            reply_code => 312, reply_text => 'NO_ROUTE',
            exchange => $call->{exchange},
            routing_key => $call->{routing_key}
        },
        $call->{body}, %{ $call->{properties} }
    );
}


sub heartbeat { return $_[0]->raw(frame(FRAME_HEARTBEAT, 0, '')) }


# Bytes as they are.  With split set, one by one, each after the gateway has
# read the one before.
sub raw {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    if ($self->{split}) {
        for my $byte (split //, $bytes) {
            syswrite($self->{socket}, $byte) or die "write: $!\n";
            $self->wait_read();
        }

        return $self;
    }

    my $offset = 0;

    while ($offset < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $offset,
                         $offset;
        die "write: $!\n" if !defined $n;
        $offset += $n;
    }

    return $self;
}


sub split_writes {
    my ($self, $is_split) = @_;

    $self->{split} = $is_split;

    return $self;
}


# Waits until the gateway has read all that was written.
sub wait_read {
    my ($self) = @_;

    my $deadline = $self->deadline();
    my $pair = sprintf '%08X:%04X %08X:%04X',
                       unpack('V', $self->{socket}->peeraddr()),
                       $self->{socket}->peerport(),
                       unpack('V', $self->{socket}->sockaddr()),
                       $self->{socket}->sockport();

    while (time() < $deadline) {
        return $self if slurp('/proc/net/tcp') !~ /\Q$pair\E/;
        return $self
            if slurp('/proc/net/tcp') =~ /\Q$pair\E \w\w \w+:00000000 /;
    }

    die "the gateway does not read\n";
}


# Closes the connection; with reset, as after a crash.
sub drop {
    my ($self, %option) = @_;

    my $socket = delete $self->{socket} or return $self;

    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0)
        if $option{reset};
    close $socket;

    return $self;
}


sub deadline { return time() + ($_[1] // $_[0]{timeout}) }


sub next_frame {
    my ($self, $deadline) = @_;

    for ( ;; ) {
        my $frame = take_frame(\$self->{buffer});

        return $frame if $frame;
        return undef if !$self->fill($deadline);
    }
}


sub fill {
    my ($self, $deadline) = @_;

    my $left = $deadline - time();

    return 0
        if $left <= 0 || !IO::Select->new($self->{socket})->can_read($left);

    my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                    length $self->{buffer};

    die "the gateway closed the connection\n" if !$n;

    return $n;
}


1;
