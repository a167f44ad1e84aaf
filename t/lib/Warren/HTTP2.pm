package Warren::HTTP2;

# Copyright (C) the Warren authors
#
# A proxy that makes HTTP/2 of the HTTP/1.1 that tests speak, so that the same
# tests say how the module does over either: with WARREN_TEST_HTTP2 in the
# environment, Warren::Nginx puts it before each nginx.  What a test says in
# bytes of HTTP/1.1, or of the connection itself, is none of its business:
#
#     use Warren::HTTP2 qw(not_over_http2);
#     not_over_http2('pipelined requests');

use strict;
use warnings;

use Exporter qw(import);
use Test::More ();

use Warren::Test qw(at_exit free_port spawn stop_process wait_for);


our @EXPORT_OK = qw(is_http2 not_over_http2);


sub is_http2 { return $ENV{WARREN_TEST_HTTP2} ? 1 : 0 }


# Skips the whole file.
sub not_over_http2 {
    my ($why) = @_;

    Test::More::plan(skip_all => "$why: of HTTP/1.1 alone") if is_http2();

    return;
}


# port, where it listens; dir, for its log.
sub new {
    my ($class, %option) = @_;

    my $self = bless { %option, backend => free_port() }, $class;

    at_exit(sub { $self->stop() });

    return $self;
}


# Where nginx has to listen, with "http2".
sub backend { return $_[0]{backend} }


sub start {
    my ($self) = @_;

    $self->{pid} = spawn(
        command => [
            'nghttpx', '--conf=/dev/null', '--single-thread', '--workers=1',
            "--frontend=127.0.0.1,$self->{port};no-tls",
            "--backend=127.0.0.1,$self->{backend};;proto=h2",
            qw(--no-via --no-server-rewrite --no-location-rewrite
               --no-add-x-forwarded-proto --errorlog-file=/dev/stderr
               --accesslog-file=/dev/null --backend-read-timeout=60s
               --request-header-field-buffer=256K
               --response-header-field-buffer=256K
               --max-request-header-fields=1000
               --max-response-header-fields=1000)
        ],
        log => "$self->{dir}/http2.log"
    );

    wait_for(
        sub { Warren::HTTP->new(port => $self->{port})->open()->close(); 1 },
        20, 'nghttpx'
    );

    return $self;
}


sub stop {
    my ($self) = @_;

    stop_process(delete $self->{pid}, 'TERM', 20, 'nghttpx') if $self->{pid};

    return;
}


1;
