package Warren::AMQP;

# Copyright (C) the Warren authors
#
# AMQP 0-9-1 for the tests: a codec of its own, so that nothing of the code
# under test judges itself, and a blocking client with deadlines.

use warnings;
use strict;

use B ();
use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(
    frame take_frame
    encode_method decode_method
    encode_header decode_header encode_content
    encode_table decode_table
    typed method_number
    FRAME_METHOD FRAME_HEADER FRAME_BODY FRAME_HEARTBEAT
);

use constant {
    FRAME_METHOD    => 1,
    FRAME_HEADER    => 2,
    FRAME_BODY      => 3,
    FRAME_HEARTBEAT => 8,
};

my %methods = (
    'connection.start' => [ 10, 10, qw(
        octet:version_major octet:version_minor table:server_properties
        longstr:mechanisms longstr:locales) ],
    'connection.start-ok' => [ 10, 11, qw(
        table:client_properties shortstr:mechanism longstr:response
        shortstr:locale) ],
    'connection.secure' => [ 10, 20, qw(longstr:challenge) ],
    'connection.secure-ok' => [ 10, 21, qw(longstr:response) ],
    'connection.tune' => [ 10, 30, qw(
        short:channel_max long:frame_max short:heartbeat) ],
    'connection.tune-ok' => [ 10, 31, qw(
        short:channel_max long:frame_max short:heartbeat) ],
    'connection.open' => [ 10, 40, qw(
        shortstr:virtual_host shortstr:reserved1 bit:reserved2) ],
    'connection.open-ok' => [ 10, 41, qw(shortstr:reserved1) ],
    'connection.close' => [ 10, 50, qw(
        short:reply_code shortstr:reply_text short:class_id
        short:method_id) ],
    'connection.close-ok' => [ 10, 51 ],
    'connection.blocked' => [ 10, 60, qw(shortstr:reason) ],
    'connection.unblocked' => [ 10, 61 ],

    'channel.open' => [ 20, 10, qw(shortstr:reserved1) ],
    'channel.open-ok' => [ 20, 11, qw(longstr:reserved1) ],
    'channel.flow' => [ 20, 20, qw(bit:active) ],
    'channel.flow-ok' => [ 20, 21, qw(bit:active) ],
    'channel.close' => [ 20, 40, qw(
        short:reply_code shortstr:reply_text short:class_id
        short:method_id) ],
    'channel.close-ok' => [ 20, 41 ],

    'exchange.declare' => [ 40, 10, qw(
        short:reserved1 shortstr:exchange shortstr:type bit:passive
        bit:durable bit:auto_delete bit:internal bit:nowait
        table:arguments) ],
    'exchange.declare-ok' => [ 40, 11 ],
    'exchange.delete' => [ 40, 20, qw(
        short:reserved1 shortstr:exchange bit:if_unused bit:nowait) ],
    'exchange.delete-ok' => [ 40, 21 ],

    'queue.declare' => [ 50, 10, qw(
        short:reserved1 shortstr:queue bit:passive bit:durable bit:exclusive
        bit:auto_delete bit:nowait table:arguments) ],
    'queue.declare-ok' => [ 50, 11, qw(
        shortstr:queue long:message_count long:consumer_count) ],
    'queue.bind' => [ 50, 20, qw(
        short:reserved1 shortstr:queue shortstr:exchange
        shortstr:routing_key bit:nowait table:arguments) ],
    'queue.bind-ok' => [ 50, 21 ],
    'queue.unbind' => [ 50, 50, qw(
        short:reserved1 shortstr:queue shortstr:exchange
        shortstr:routing_key table:arguments) ],
    'queue.unbind-ok' => [ 50, 51 ],
    'queue.purge' => [ 50, 30, qw(
        short:reserved1 shortstr:queue bit:nowait) ],
    'queue.purge-ok' => [ 50, 31, qw(long:message_count) ],
    'queue.delete' => [ 50, 40, qw(
        short:reserved1 shortstr:queue bit:if_unused bit:if_empty
        bit:nowait) ],
    'queue.delete-ok' => [ 50, 41, qw(long:message_count) ],

    'basic.qos' => [ 60, 10, qw(
        long:prefetch_size short:prefetch_count bit:global) ],
    'basic.qos-ok' => [ 60, 11 ],
    'basic.consume' => [ 60, 20, qw(
        short:reserved1 shortstr:queue shortstr:consumer_tag bit:no_local
        bit:no_ack bit:exclusive bit:nowait table:arguments) ],
    'basic.consume-ok' => [ 60, 21, qw(shortstr:consumer_tag) ],
    'basic.cancel' => [ 60, 30, qw(shortstr:consumer_tag bit:nowait) ],
    'basic.cancel-ok' => [ 60, 31, qw(shortstr:consumer_tag) ],
    'basic.publish' => [ 60, 40, qw(
        short:reserved1 shortstr:exchange shortstr:routing_key
        bit:mandatory bit:immediate) ],
    'basic.return' => [ 60, 50, qw(
        short:reply_code shortstr:reply_text shortstr:exchange
        shortstr:routing_key) ],
    'basic.deliver' => [ 60, 60, qw(
        shortstr:consumer_tag longlong:delivery_tag bit:redelivered
        shortstr:exchange shortstr:routing_key) ],
    'basic.get' => [ 60, 70, qw(
        short:reserved1 shortstr:queue bit:no_ack) ],
    'basic.get-ok' => [ 60, 71, qw(
        longlong:delivery_tag bit:redelivered shortstr:exchange
        shortstr:routing_key long:message_count) ],
    'basic.get-empty' => [ 60, 72, qw(shortstr:reserved1) ],
    'basic.ack' => [ 60, 80, qw(longlong:delivery_tag bit:multiple) ],
    'basic.reject' => [ 60, 90, qw(longlong:delivery_tag bit:requeue) ],
    'basic.nack' => [ 60, 120, qw(
        longlong:delivery_tag bit:multiple bit:requeue) ],

    'confirm.select' => [ 85, 10, qw(bit:nowait) ],
    'confirm.select-ok' => [ 85, 11 ],
);

my %by_number = map {
    ($methods{$_}[0] << 16 | $methods{$_}[1]) => $_
} keys %methods;

my %has_content = map { $_ => 1 }
    qw(basic.publish basic.return basic.deliver basic.get-ok);

my @properties = (
    [ content_type     => 15, 'shortstr' ],
    [ content_encoding => 14, 'shortstr' ],
    [ headers          => 13, 'table' ],
    [ delivery_mode    => 12, 'octet' ],
    [ priority         => 11, 'octet' ],
    [ correlation_id   => 10, 'shortstr' ],
    [ reply_to         => 9,  'shortstr' ],
    [ expiration       => 8,  'shortstr' ],
    [ message_id       => 7,  'shortstr' ],
    [ timestamp        => 6,  'longlong' ],
    [ type             => 5,  'shortstr' ],
    [ user_id          => 4,  'shortstr' ],
    [ app_id           => 3,  'shortstr' ],
    [ cluster_id       => 2,  'shortstr' ],
);

my %integers = (
    octet    => [ 'C',  1 ],
    short    => [ 'n',  2 ],
    long     => [ 'N',  4 ],
    longlong => [ 'Q>', 8 ],
);

# a field table's fixed-size kinds

my %kinds = (
    b => [ 'c',  1 ],
    B => [ 'C',  1 ],
    s => [ 's>', 2 ],
    u => [ 'n',  2 ],
    I => [ 'l>', 4 ],
    i => [ 'N',  4 ],
    l => [ 'q>', 8 ],
    L => [ 'Q>', 8 ],
    f => [ 'f>', 4 ],
    d => [ 'd>', 8 ],
    T => [ 'Q>', 8 ],
);


# codec: frames

sub frame {
    my ($type, $channel, $payload) = @_;

    return pack('CnN', $type, $channel, length $payload) . $payload . "\xCE";
}


sub take_frame {
    my ($buffer) = @_;

    return undef if length $$buffer < 7;

    my ($type, $channel, $size) = unpack('CnN', $$buffer);

    return undef if length $$buffer < $size + 8;

    my $payload = substr($$buffer, 7, $size);

    die "bad frame end\n" if substr($$buffer, 7 + $size, 1) ne "\xCE";

    substr($$buffer, 0, $size + 8, '');

    return { type => $type, channel => $channel, payload => $payload };
}


# codec: methods

sub method_number {
    my ($name) = @_;

    my $method = $methods{$name} or die "no such method: $name\n";

    return ($method->[0], $method->[1]);
}


sub encode_method {
    my ($name, %args) = @_;

    my ($class, $id, @fields) = @{ $methods{$name}
        or die "no such method: $name\n" };

    my $out = pack('nn', $class, $id);
    my ($bits, $nbits) = (0, 0);

    for (@fields) {
        my ($type, $field) = split /:/;
        my $value = delete $args{$field};

        if ($type eq 'bit') {
            $bits |= 1 << $nbits if $value;
            $nbits++;
            next;
        }

        if ($nbits) {
            $out .= pack('C', $bits);
            ($bits, $nbits) = (0, 0);
        }

        $out .= encode_field($type, $value);
    }

    $out .= pack('C', $bits) if $nbits;

    die "$name has no field: @{[ sort keys %args ]}\n" if %args;

    return $out;
}


sub decode_method {
    my ($payload) = @_;

    my ($class, $id) = unpack('nn', $payload);
    my $name = $by_number{ $class << 16 | $id };

    return { name => "unknown $class.$id" } if !defined $name;

    my %method = (name => $name);
    my (undef, undef, @fields) = @{ $methods{$name} };
    my ($pos, $bits, $nbits) = (4, 0, 0);

    for (@fields) {
        my ($type, $field) = split /:/;

        if ($type eq 'bit') {
            $bits = unpack('C', substr($payload, $pos++, 1)) if $nbits == 0;
            $method{$field} = $bits >> $nbits & 1;
            $nbits = ($nbits + 1) % 8;
            next;
        }

        $nbits = 0;
        $method{$field} = decode_field($type, $payload, \$pos);
    }

    return \%method;
}


sub encode_field {
    my ($type, $value) = @_;

    return pack($integers{$type}[0], $value // 0) if $integers{$type};
    return pack('C/a*', $value // '') if $type eq 'shortstr';
    return pack('N/a*', $value // '') if $type eq 'longstr';

    return encode_table($value // {});
}


sub decode_field {
    my ($type, $bytes, $pos) = @_;

    if ($integers{$type}) {
        my ($template, $size) = @{ $integers{$type} };
        my $value = unpack($template, substr($bytes, $$pos, $size));

        $$pos += $size;
        return $value;
    }

    if ($type eq 'shortstr' || $type eq 'longstr') {
        my ($template, $size) = $type eq 'shortstr' ? ('C', 1) : ('N', 4);
        my $len = unpack($template, substr($bytes, $$pos, $size));
        my $value = substr($bytes, $$pos + $size, $len);

        $$pos += $size + $len;
        return $value;
    }

    return decode_table($bytes, $pos);
}


# codec: tables

sub typed {
    my ($kind, $value) = @_;

    return bless { kind => $kind, value => $value }, 'Warren::AMQP::Typed';
}


sub encode_table {
    my ($table) = @_;

    return pack('N/a*', join '', map {
        pack('C/a*', $_) . encode_value($table->{$_})
    } sort keys %$table);
}


sub encode_value {
    my ($value) = @_;

    return 'V' if !defined $value;

    my $ref = ref $value;

    return 'F' . encode_table($value) if $ref eq 'HASH';

    return 'A' . pack('N/a*', join '', map { encode_value($_) } @$value)
        if $ref eq 'ARRAY';

    if ($ref eq 'Warren::AMQP::Typed') {
        my ($kind, $inner) = @$value{qw(kind value)};

        return $kind . pack($kinds{$kind}[0], $inner) if $kinds{$kind};
        return $kind . pack('C', $inner ? 1 : 0) if $kind eq 't';
        return $kind . pack('N/a*', $inner);
    }

    my $flags = B::svref_2object(\$value)->FLAGS;

    if ($flags & B::SVf_IOK && !($flags & B::SVf_POK)) {
        return $value >= -2147483648 && $value <= 2147483647
            ? 'I' . pack('l>', $value)
            : 'l' . pack('q>', $value);
    }

    return 'S' . pack('N/a*', $value);
}


sub decode_table {
    my ($bytes, $pos) = @_;

    my $end = $$pos + 4 + unpack('N', substr($bytes, $$pos, 4));
    my %table;

    $$pos += 4;

    while ($$pos < $end) {
        my $key = decode_field('shortstr', $bytes, $pos);

        $table{$key} = decode_value($bytes, $pos);
    }

    return \%table;
}


sub decode_value {
    my ($bytes, $pos) = @_;

    my $kind = substr($bytes, $$pos++, 1);

    return undef if $kind eq 'V';
    return decode_table($bytes, $pos) if $kind eq 'F';

    if ($kind eq 'A') {
        my $end = $$pos + 4 + unpack('N', substr($bytes, $$pos, 4));
        my @values;

        $$pos += 4;
        push @values, decode_value($bytes, $pos) while $$pos < $end;

        return \@values;
    }

    return decode_field('longstr', $bytes, $pos) if $kind =~ /[Sx]/;
    return decode_field('octet', $bytes, $pos) if $kind eq 't';

    if ($kind eq 'D') {
        my ($scale, $value) = unpack('CN', substr($bytes, $$pos, 5));

        $$pos += 5;
        return $value / 10 ** $scale;
    }

    my ($template, $size) = @{ $kinds{$kind}
        or die "unknown kind in a table: $kind\n" };
    my $value = unpack($template, substr($bytes, $$pos, $size));

    $$pos += $size;

    return $value;
}


# codec: contents

sub encode_header {
    my ($size, %props) = @_;

    my ($flags, $out) = (0, '');

    for (@properties) {
        my ($name, $bit, $type) = @$_;
        my $value = delete $props{$name};

        next if !defined $value;

        $flags |= 1 << $bit;
        $out .= encode_field($type, $value);
    }

    die "no such property: @{[ sort keys %props ]}\n" if %props;

    return pack('nnQ>n', 60, 0, $size, $flags) . $out;
}


sub decode_header {
    my ($payload) = @_;

    my (undef, undef, $size, $flags) = unpack('nnQ>n', $payload);
    my $pos = 14;
    my %props;

    for (@properties) {
        my ($name, $bit, $type) = @$_;

        $props{$name} = decode_field($type, $payload, \$pos)
            if $flags & 1 << $bit;
    }

    return ($size, \%props);
}


sub encode_content {
    my ($channel, $frame_max, $body, %props) = @_;

    my $out = frame(FRAME_HEADER, $channel,
                    encode_header(length $body, %props));
    my $room = ($frame_max || 131072) - 8;

    for (my $pos = 0; $pos < length $body; $pos += $room) {
        $out .= frame(FRAME_BODY, $channel, substr($body, $pos, $room));
    }

    return $out;
}


# client

sub connect {
    my ($class, %args) = @_;

    if (defined $args{url}) {
        my ($user, $password, $host, $port, $vhost) = $args{url}
            =~ m{^amqp://(?:([^:@]+)(?::([^@]*))?@)?([^:/]+)(?::(\d+))?
                 (?:/(.*))?$}x
            or die "not an AMQP url: $args{url}\n";

        $args{user} //= $user;
        $args{password} //= $password;
        $args{host} //= $host;
        $args{port} //= $port;
        $args{vhost} //= $vhost;
    }

    for ($args{user}, $args{password}, $args{vhost}) {
        s/%([0-9A-Fa-f]{2})/chr hex $1/ge if defined;
    }

    my $self = bless {
        user       => $args{user} // 'guest',
        timeout    => $args{timeout} // 10,
        buffer     => '',
        channel    => 1,
        deliveries => [],
        returns    => [],
        confirms   => [],
        published  => 0,
        tags       => 0,
    }, $class;

    $self->{socket} = IO::Socket::INET->new(
        PeerAddr => $args{host} // '127.0.0.1',
        PeerPort => $args{port} // 5672,
        Timeout  => $self->{timeout},
    ) or die "connect: $!\n";

    setsockopt($self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1);

    $self->write("AMQP\0\0\x09\x01");
    $self->wait_method('connection.start');

    $self->send_on(0, 'connection.start-ok',
        client_properties => {
            product => 'warren tests',
            capabilities => {
                consumer_cancel_notify       => typed(t => 1),
                authentication_failure_close => typed(t => 1),
                publisher_confirms           => typed(t => 1),
                'basic.nack'                 => typed(t => 1),
                'connection.blocked'         => typed(t => 1),
            },
            %{ $args{properties} // {} },
        },
        mechanism => 'PLAIN',
        response  => "\0$self->{user}\0" . ($args{password} // 'guest'),
        locale    => 'en_US',
    );

    my $tune = $self->wait_method('connection.tune');

    $self->{frame_max} = $tune->{frame_max} || 131072;

    $self->send_on(0, 'connection.tune-ok',
        channel_max => $tune->{channel_max},
        frame_max   => $self->{frame_max},
        heartbeat   => $args{heartbeat} // 0,
    );
    $self->send_on(0, 'connection.open', virtual_host => $args{vhost} // '/');
    $self->wait_method('connection.open-ok');

    $self->open_channel();

    return $self;
}


sub open_channel {
    my ($self) = @_;

    $self->send('channel.open');
    $self->wait_method('channel.open-ok');

    $self->{published} = 0;
    $self->{confirms} = [];
}


sub write {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    while (length $bytes) {
        my $n = syswrite($self->{socket}, $bytes);

        die "write: $!\n" if !defined $n;

        substr($bytes, 0, $n, '');
    }
}


sub send_on {
    my ($self, $channel, $name, %args) = @_;

    $self->write(frame(FRAME_METHOD, $channel, encode_method($name, %args)));
}


sub send {
    my ($self, $name, %args) = @_;

    $self->send_on($self->{channel}, $name, %args);
}


sub read_frame {
    my ($self, $deadline) = @_;

    for ( ;; ) {
        my $frame = take_frame(\$self->{buffer});

        return $frame if $frame;

        my $left = $deadline - time();

        return undef
            if $left <= 0
               || !IO::Select->new($self->{socket})->can_read($left);

        my $n = sysread($self->{socket}, $self->{buffer}, 65536,
                        length $self->{buffer});

        die "the broker closed the connection\n" if !$n;
    }
}


# Reads one method with its content and keeps what is not an answer:
# deliveries, returns, confirms.  Returns the method, or nothing in time.

sub step {
    my ($self, $deadline) = @_;

    my $frame = $self->read_frame($deadline) or return undef;

    return {} if $frame->{type} == FRAME_HEARTBEAT;

    my $method = decode_method($frame->{payload});
    my $name = $method->{name};

    $self->read_content($method) if $has_content{$name};

    if ($name eq 'basic.deliver') {
        push @{ $self->{deliveries} }, $method;

    } elsif ($name eq 'basic.return') {
        push @{ $self->{returns} }, $method;

    } elsif ($name eq 'basic.ack' || $name eq 'basic.nack') {
        push @{ $self->{confirms} }, $method;

    } elsif ($name eq 'connection.blocked') {
        $self->{blocked} = 1;

    } elsif ($name eq 'connection.unblocked') {
        $self->{blocked} = 0;

    } elsif ($name eq 'channel.close') {
        $self->send('channel.close-ok');
        $self->open_channel();
        die "$method->{reply_code} $method->{reply_text}\n";

    } elsif ($name eq 'connection.close') {
        $self->send_on(0, 'connection.close-ok');
        die "$method->{reply_code} $method->{reply_text}\n";
    }

    return $method;
}


sub read_content {
    my ($self, $method) = @_;

    my $deadline = time() + $self->{timeout};
    my $frame = $self->read_frame($deadline) or die "header did not come\n";

    my ($size, $props) = decode_header($frame->{payload});

    $method->{properties} = $props;
    $method->{body} = '';

    while (length $method->{body} < $size) {
        $frame = $self->read_frame($deadline) or die "body did not come\n";
        $method->{body} .= $frame->{payload};
    }
}


sub wait_method {
    my ($self, $name) = @_;

    my $deadline = time() + $self->{timeout};

    while (my $method = $self->step($deadline)) {
        return $method if ($method->{name} // '') =~ /^(?:$name)$/;
    }

    die "no $name within $self->{timeout} s\n";
}


sub rpc {
    my ($self, $name, %args) = @_;

    $self->send($name, %args);

    return $self->wait_method("$name-ok");
}


sub declare_exchange {
    my ($self, $exchange, $type, %args) = @_;

    return $self->rpc('exchange.declare', exchange => $exchange,
                      type => $type, durable => 1, %args);
}


sub declare_queue {
    my ($self, $queue, %args) = @_;

    return $self->rpc('queue.declare', queue => $queue, %args)->{queue};
}


sub bind {
    my ($self, $queue, $exchange, $key, %args) = @_;

    return $self->rpc('queue.bind', queue => $queue, exchange => $exchange,
                      routing_key => $key, %args);
}


sub confirm_select {
    my ($self) = @_;

    $self->rpc('confirm.select');
    $self->{published} = 0;
}


sub publish {
    my ($self, $exchange, $key, $body, %props) = @_;

    my $mandatory = delete $props{mandatory};

    $self->write(
        frame(FRAME_METHOD, $self->{channel}, encode_method('basic.publish',
            exchange => $exchange, routing_key => $key,
            mandatory => $mandatory))
        . encode_content($self->{channel}, $self->{frame_max}, $body, %props)
    );

    return ++$self->{published};
}


# Waits for the broker's word on the newest publish: 1 taken, 0 refused.

sub wait_confirm {
    my ($self) = @_;

    my $deadline = time() + $self->{timeout};
    my $tag = $self->{published};

    for ( ;; ) {
        for my $confirm (@{ $self->{confirms} }) {
            my $given = $confirm->{delivery_tag};

            return $confirm->{name} eq 'basic.ack'
                if $given == $tag || $confirm->{multiple} && $given > $tag;
        }

        $self->step($deadline) or die "publish $tag was not confirmed\n";
    }
}


sub consume {
    my ($self, $queue, %args) = @_;

    my $tag = delete $args{consumer_tag} // 'test.' . $$ . '.'
        . ++$self->{tags};

    return $self->rpc('basic.consume', queue => $queue,
                      consumer_tag => $tag, %args)->{consumer_tag};
}


sub get {
    my ($self, $queue, %args) = @_;

    $self->send('basic.get', queue => $queue, %args);

    my $method = $self->wait_method('basic\.get-(?:ok|empty)');

    return $method->{name} eq 'basic.get-ok' ? $method : undef;
}


# The next delivery of any consumer, or undef after so many seconds.

sub next_delivery {
    my ($self, $seconds) = @_;

    my $deadline = time() + ($seconds // $self->{timeout});

    while (!@{ $self->{deliveries} }) {
        $self->step($deadline) or return undef;
    }

    return shift @{ $self->{deliveries} };
}


# The next returned message, or undef after so many seconds.

sub next_return {
    my ($self, $seconds) = @_;

    my $deadline = time() + ($seconds // $self->{timeout});

    while (!@{ $self->{returns} }) {
        $self->step($deadline) or return undef;
    }

    return shift @{ $self->{returns} };
}


sub ack {
    my ($self, $message, %args) = @_;

    $self->send('basic.ack', delivery_tag => $message->{delivery_tag}, %args);
}


sub nack {
    my ($self, $message, %args) = @_;

    $self->send('basic.nack', delivery_tag => $message->{delivery_tag},
                requeue => 1, %args);
}


# Answers a call as a worker would: through "replies", as this client's user.

sub reply {
    my ($self, $call, $status, $body, %props) = @_;

    my $asked = $call->{properties};
    my $headers = delete $props{headers} // {};

    $self->publish(
        'replies', $asked->{reply_to}, $body,
        correlation_id => $asked->{correlation_id},
        content_type   => 'application/json',
        user_id        => $self->{user},
        headers        => { status => typed(l => $status), %$headers },
        %props,
    );
}


# Declares what a service's calls need: exchanges rpc and replies, its queue.

sub declare_service {
    my ($self, $service, %arguments) = @_;

    $self->declare_exchange('rpc', 'direct');
    $self->declare_exchange('replies', 'direct');
    $self->declare_queue("rpc.$service", durable => 1, arguments => {
        'x-max-length'       => 100000,
        'x-max-length-bytes' => 67108864,
        'x-overflow'         => 'reject-publish',
        'x-message-ttl'      => 60000,
        %arguments,
    });
    $self->bind("rpc.$service", 'rpc', $service);
}


# Answers calls until handler returns false or so many seconds have passed.
# handler gets this client and the call, and answers with reply() if it likes.

sub serve {
    my ($self, $service, $handler, $seconds) = @_;

    my $deadline = time() + ($seconds // $self->{timeout});

    $self->consume("rpc.$service", no_ack => 1);

    while ((my $left = $deadline - time()) > 0) {
        my $call = $self->next_delivery($left) or return;

        $handler->($self, $call) or return;
    }
}


sub close {
    my ($self) = @_;

    my $socket = delete $self->{socket} or return;

    eval {
        local $self->{socket} = $socket;

        $self->send_on(0, 'connection.close', reply_code => 200);
        $self->wait_method('connection.close-ok');
    };

    delete $self->{socket};
    CORE::close($socket);
}


1;

__END__

=head1 NAME

Warren::AMQP - AMQP 0-9-1 for the tests: a codec and a blocking client

=head1 SYNOPSIS

    use Warren::AMQP;

    my $amqp = Warren::AMQP->connect(url => $url, password => $password,
                                     timeout => 5);

    $amqp->declare_service('echo');
    $amqp->consume('rpc.echo', no_ack => 1);

    my $call = $amqp->next_delivery(5);

    $amqp->reply($call, 200, $call->{body});

    $amqp->confirm_select();
    $amqp->publish('rpc', 'echo', '{}', type => 'echo', expiration => '500',
                   headers => { 'x-sub' => 'u1' }, mandatory => 1);
    ok($amqp->wait_confirm(), 'message is taken');

    my $message = $amqp->get('commands.orders');
    $amqp->ack($message);
    $amqp->close();

=head1 DESCRIPTION

Each function that waits dies after the C<timeout> of C<connect> (10 s unless
told), but for C<next_delivery>, C<next_return> and C<get>, which return undef.
When the broker closes the channel the function dies with its words ("404
NOT_FOUND ..."), and the channel has been opened again.

A message is a hash of the method's fields with C<properties> (a hash;
C<headers> is in it) and C<body>.

In a table a Perl number is an AMQP integer, a string a long string, a hash a
table, an array an array, undef void; C<typed(l =E<gt> 5)> chooses the kind:
b B s u I i l L f d T t S x.

The codec is exported on demand: C<frame>, C<take_frame>, C<encode_method>,
C<decode_method>, C<encode_content>, C<encode_header>, C<decode_header>,
C<encode_table>, C<decode_table>, C<typed>.  L<Warren::FakeBroker> is built on
it.

=cut
