package Warren::KeyServer;

# Copyright (C) the Warren authors
#
# An HTTP server that answers as the test tells it, for "gateway_jwt_key_url".
#
#     my $server = Warren::KeyServer->new();
#     $server->keys(Warren::JWT::jwks($key));        # a good answer
#     $server->raw("HTTP/1.0 500 No\r\n\r\n");       # these bytes
#     $server->silent();                             # nothing, and no end
#     ... http://127.0.0.1:$port/keys, of $server->port() ...
#     is($server->asked(), 1, 'one question');
#
# A process of its own answers each connection in a child.  What is set counts
# from the next connection on; hold(1) lets answers wait until hold(0).

use strict;
use warnings;

use IO::Socket::INET;
use POSIX qw(_exit);
use Time::HiRes qw(sleep);

use Warren::Test qw(
    at_exit slurp source_dir spawn spew stop_process tempdir wait_for
);


my $count = 0;


sub new {
    my ($class) = @_;

    my $dir = tempdir('keys-' . ++$count);
    my $self = bless { dir => $dir }, $class;

    spew("$dir/asked", '');
    $self->raw("HTTP/1.0 404 Not Found\r\n\r\n");
    $self->start();
    at_exit(sub { $self->stop() });

    return $self;
}


# Listens on the port that it has, or on a new one.
sub start {
    my ($self) = @_;

    my $dir = $self->{dir};
    unlink "$dir/port";

    $self->{pid} = spawn(
        command => [$^X, '-I', source_dir() . '/t/lib', '-MWarren::KeyServer',
                    '-e', 'Warren::KeyServer::serve(@ARGV)', $dir,
                    $self->{port} // 0],
        log => "$dir/output.log"
    );
    $self->{port} = wait_for(sub { slurp("$dir/port") }, 20, 'a key server');

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    # with the children that wait, of the same group
    kill 'TERM', -$pid;
    stop_process($pid);

    return;
}


sub port { return $_[0]{port} }


# How many requests have come.
sub asked {
    my ($self) = @_;
    return -s "$self->{dir}/asked";
}


# What was asked last.
sub request { return slurp("$_[0]{dir}/request") }


sub keys {
    my ($self, $text) = @_;

    return $self->raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      . 'Content-Length: ' . length($text) . "\r\n\r\n$text");
}


sub raw {
    my ($self, $bytes) = @_;

    spew("$self->{dir}/answer.new", $bytes);
    rename "$self->{dir}/answer.new", "$self->{dir}/answer"
        or die "rename: $!\n";

    return $self;
}


sub silent { return $_[0]->raw('') }


sub hold {
    my ($self, $is_held) = @_;

    my $path = "$self->{dir}/hold";
    $is_held ? spew($path, '') : unlink $path;

    return $self;
}


# The program of the process.
sub serve {
    my ($dir, $port) = @_;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';

    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
        Listen => 64, ReuseAddr => 1
    ) or die "listen: $!\n";

    spew("$dir/port.new", $socket->sockport());
    rename "$dir/port.new", "$dir/port" or die "rename: $!\n";

    while (1) {
        my $client = $socket->accept() or next;
        next if fork();

        # a child that is forgotten ends by itself
        alarm 120;
        close $socket;
        answer($dir, $client);
        _exit(0);
    }
}


sub answer {
    my ($dir, $client) = @_;

    my $request = '';

    while ($request !~ /\r\n\r\n/) {
        sysread $client, $request, 4096, length $request or return;
    }

    spew("$dir/request", $request);
    open my $asked, '>>', "$dir/asked" or return;
    syswrite $asked, '.';
    close $asked;

    sleep(0.01) while -e "$dir/hold";

    my $answer = slurp("$dir/answer");

    if ($answer eq '') {
        sleep(1) while 1;
    }

    my $offset = 0;

    while ($offset < length $answer) {
        $offset += syswrite($client, $answer, length($answer) - $offset,
                            $offset) || return;
    }

    return;
}


1;
