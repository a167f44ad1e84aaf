package Smtp;

# Copyright (C) the Warren authors
#
# An SMTP server (aiosmtpd) that keeps what it gets.
#
#     my $smtp = Smtp->new();
#     my $worker = ... settings => { 'smtp.url' => $smtp->url(), ... }
#     my ($mail) = $smtp->mails('ann@example.com', 1);
#     is($mail->{subject}, ...);

use strict;
use warnings;

use Encode ();
use MIME::QuotedPrint ();

use Warren::Test qw(wait_for slurp spew tempdir spawn stop_process at_exit
                    run_command);


my $count = 0;


# is_secure: it insists on STARTTLS and on the login "warren".
sub new {
    my ($class, %option) = @_;

    my $self = bless { dir => tempdir('smtp-' . ++$count) }, $class;
    my $dir = $self->{dir};
    my @secure;

    if ($option{is_secure}) {
        run_command(command => [
            qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2),
            '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem",
            '-subj', '/CN=localhost',
            '-addext', 'subjectAltName=DNS:localhost'
        ]);
        spew("$dir/password", "sesame\n", 0600);
        @secure = ("$dir/cert.pem", "$dir/key.pem", 'warren', 'sesame');
    }

    $self->{pid} = spawn(
        command => ['/usr/bin/python3', 't/30-worker/smtp_server.py', $dir,
                    @secure],
        log => "$dir/server.log"
    );
    at_exit(sub { $self->stop() });
    wait_for(sub { -f "$dir/port" }, 40, 'the SMTP server');
    ($self->{port}) = slurp("$dir/port") =~ /(\d+)/;

    return $self;
}


sub dir { return $_[0]{dir} }
sub url { return "smtp://localhost:$_[0]{port}" }


sub stop {
    my ($self) = @_;

    stop_process(delete $self->{pid}, 'KILL', 5, 'the SMTP server')
        if $self->{pid};
}


# Whether "later@..." is told to come again.
sub defer {
    my ($self, $does) = @_;

    my $path = "$self->{dir}/later";

    $does ? spew($path, '') : unlink $path;
}


# Whether nobody at all is served.
sub close {
    my ($self, $does) = @_;

    my $path = "$self->{dir}/closed";

    $does ? spew($path, '') : unlink $path;
}


# What an address got, in order; waits until there is so much.
sub mails {
    my ($self, $to, $least) = @_;

    my @mails;

    wait_for(sub {
        @mails = grep { $_->{rcpt} eq $to }
                 map { parse(slurp($_)) } sort glob "$self->{dir}/*.mail";
        @mails >= $least;
    }, 60, "$least e-mails to $to");

    return @mails;
}


sub parse {
    my ($raw) = @_;

    my %mail = (raw => $raw);

    for my $word (qw(MAIL RCPT TLS)) {
        $raw =~ s/\A$word (.*)\n// or die "no $word in $raw\n";
        $mail{lc $word} = $1;
    }

    my ($head, $body) = split /\r\n\r\n/, $raw, 2;

    $mail{wire} = $raw;
    $mail{head} = $head;

    (my $unfolded = $head) =~ s/\r\n[ \t]+/ /g;
    $mail{header}{lc $1} = $2
        while $unfolded =~ /^([A-Za-z-]+): (.*?)\r?$/mg;

    $mail{subject} = Encode::decode('MIME-Header', $mail{header}{subject});
    $mail{text} = Encode::decode('UTF-8', MIME::QuotedPrint::decode_qp($body));
    $mail{text} =~ s/\r\n/\n/g;

    return \%mail;
}


1;
