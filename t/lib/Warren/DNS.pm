package Warren::DNS;

# Copyright (C) the Warren authors
#
# A name server that knows what the test tells it, for nginx's "resolver".
#
#     my $dns = Warren::DNS->new();
#     $dns->set('mq1.invalid', '127.0.0.1', '::1');
#     $dns->set('mq1.invalid', 'silent');      # no answer at all
#     $dns->set('mq1.invalid');                # there is no such name
#     ... resolver 127.0.0.1:$port, of $dns->port() ...
#     is($dns->asked('mq1.invalid'), 2, 'two questions for an address');
#
# A process of its own answers over UDP.  What is set counts from the next
# question on.

use strict;
use warnings;

use IO::Socket::INET;
use Socket qw(AF_INET AF_INET6 inet_pton);

use Warren::Test qw(
    at_exit slurp source_dir spawn spew stop_process tempdir wait_for
);


use constant { A => 1, AAAA => 28 };


my $count = 0;


# ttl of its answers in seconds (0).
sub new {
    my ($class, %option) = @_;

    my $dir = tempdir('dns-' . ++$count);
    my $self = bless {
        ttl => 0, zone => {}, dir => $dir, %option
    }, $class;

    spew("$dir/asked", '');
    $self->write_zone();

    $self->{pid} = spawn(
        command => [$^X, '-I', source_dir() . '/t/lib', "-M$class", '-e',
                    "$class\::serve(\@ARGV)", $dir, $self->{ttl}],
        log => "$dir/output.log"
    );
    at_exit(sub { $self->stop() });

    $self->{port} = wait_for(sub { slurp("$dir/port") }, 10, 'a name server');

    return $self;
}


sub port { return $_[0]{port} }


# The addresses of a name from now on.
sub set {
    my ($self, $name, @addresses) = @_;

    $self->{zone}{$name} = "@addresses";

    return $self->write_zone();
}


# How often the IPv4 address of a name was asked for; of any, without a name.
sub asked {
    my ($self, $name) = @_;

    my @names = split /\n/, slurp("$self->{dir}/asked");

    return scalar grep { !defined $name || $_ eq $name } @names;
}


sub stop {
    my ($self) = @_;

    stop_process(delete $self->{pid});

    return;
}


# The server reads it for each question, so it must be whole at any time.
sub write_zone {
    my ($self) = @_;

    my $zone = $self->{zone};

    replace("$self->{dir}/zone",
            join '', map { "$_ $zone->{$_}\n" } keys %$zone);

    return $self;
}


sub replace {
    my ($path, $text) = @_;

    spew("$path.new", $text);
    rename "$path.new", $path or die "rename: $!\n";

    return;
}


# What the process does.
sub serve {
    my ($dir, $ttl) = @_;

    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'udp'
    ) or die "udp: $!\n";

    replace("$dir/port", $socket->sockport());

    while (1) {
        my $peer = $socket->recv(my $question, 4096) // next;
        my $answer = eval { answer($dir, $ttl, $question) } // next;

        send $socket, $answer, 0, $peer;
    }
}


# What to say to a question, or undef.
sub answer {
    my ($dir, $ttl, $question) = @_;

    my ($id) = unpack 'n', $question;
    my ($labels, $type) = unpack 'x12 Z* n', $question;
    my $name = join '.', unpack '(C/a)*', $labels;
    my $asks = substr $question, 12, length($labels) + 5;

    if ($type == A) {
        open my $log, '>>', "$dir/asked" or die "log: $!\n";
        print $log "$name\n";
    }

    my ($line) = slurp("$dir/zone") =~ /^\Q$name\E (.*)$/m;
    my @addresses = split / /, $line // '';

    return undef if "@addresses" eq 'silent';

    my @data = map { inet_pton(/:/ ? AF_INET6 : AF_INET, $_) }
               grep { $type == (/:/ ? AAAA : A) } @addresses;
    my $code = @addresses ? 0 : 3;

    return pack('n6', $id, 0x8180 | $code, 1, scalar @data, 0, 0) . $asks
           . join '', map { pack 'n n n N n/a', 0xc00c, $type, 1, $ttl, $_ }
                      @data;
}


1;
