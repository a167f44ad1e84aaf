package Receiver;

# Copyright (C) the Warren authors
#
# A server that receives webhooks, and keeps them.
#
#     my $receiver = Receiver->new();
#     ... $receiver->url('/ok') ...
#     my ($post) = $receiver->posts('/ok', 1);

use strict;
use warnings;

use Warren::Test qw(wait_for slurp spew tempdir spawn stop_process at_exit
                    run_command);


my $count = 0;


sub new {
    my ($class, %option) = @_;

    my $self = bless { dir => tempdir('receiver-' . ++$count) }, $class;
    my $dir = $self->{dir};
    my @secure;

    if ($option{is_secure}) {
        run_command(command => [
            qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2),
            '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem",
            '-subj', '/CN=localhost',
            '-addext', 'subjectAltName=DNS:localhost'
        ]);
        @secure = ("$dir/cert.pem", "$dir/key.pem");
    }

    $self->{scheme} = @secure ? 'https' : 'http';
    $self->{pid} = spawn(
        command => ['/usr/bin/python3', 't/30-worker/webhook_server.py', $dir,
                    @secure],
        log => "$dir/server.log"
    );
    at_exit(sub {
        stop_process(delete $self->{pid}, 'KILL', 5, 'the receiver');
    });
    wait_for(sub { -f "$dir/port" }, 40, 'the receiver');
    ($self->{port}) = slurp("$dir/port") =~ /(\d+)/;

    return $self;
}


sub dir { return $_[0]{dir} }
sub url { return "$_[0]{scheme}://localhost:$_[0]{port}$_[1]" }


# Whether paths that are nothing special are answered with 500.
sub fail {
    my ($self, $does) = @_;

    my $path = "$self->{dir}/fails";

    $does ? spew($path, '') : unlink $path;
}


# What a path got, in order; waits until there is so much.
sub posts {
    my ($self, $path, $least) = @_;

    my @posts;

    wait_for(sub {
        @posts = grep { $_->{path} eq $path }
                 map { parse(slurp($_)) } sort glob "$self->{dir}/*.post";
        @posts >= $least;
    }, 60, "$least posts to $path");

    return @posts;
}


sub parse {
    my ($raw) = @_;

    my ($head, $body) = split /\n\n/, $raw, 2;
    my ($path, @lines) = split /\n/, $head;

    return {
        path => $path, body => $body,
        header => { map { /\A([^:]+): (.*)\z/ ? (lc $1 => $2) : () } @lines }
    };
}


1;
