#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# TLS to the broker: who is believed to be it, what is told when it is not, and
# that calls, reloads and lost connections are as without.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::AMQP;
use Warren::FakeBroker qw(gateway ask outcome counter);
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::TLS;
use Warren::Test qw(:DEFAULT free_port spawn stop_process);

use constant PATIENCE => 60;


my $ca = Warren::TLS->new();
my $other_ca = Warren::TLS->new('another authority');
my $server = $ca->certificate('server', names => 'DNS:localhost,'
                                                 . 'DNS:mq.example.com');
my $client = $ca->certificate('client');
my $trusted = 'ssl_trusted_certificate ' . $ca->file() . ';';
my $identity = "ssl_certificate $client->{file};"
               . " ssl_certificate_key $client->{key};";


sub told {
    my ($nginx, $pattern, $name) = @_;

    ok(eval { wait_for(sub { $nginx->log_text() =~ $pattern }, PATIENCE,
                       'a line'); 1 }, $name)
        or diag($nginx->log_text());
}


# Peers that only greet: openssl's server; the gateway that is let in greets
# them in vain.

my $peers = 0;

sub peer {
    my ($certificate, @more) = @_;

    my $port = free_port();
    my $log = tempdir('peers') . '/' . ++$peers;
    my $pid = spawn(
        command => ['openssl', 's_server', '-www', '-accept',
                    "127.0.0.1:$port", '-cert', $certificate->{file}, '-key',
                    $certificate->{key}, @more],
        log => $log
    );
    wait_for(sub { -e $log && slurp($log) =~ /^ACCEPT/m }, PATIENCE, 'a peer');

    return { port => $port, pid => $pid, log => $log };
}

sub to_peer {
    my ($peer, %option) = @_;

    my $host = $option{host} // 'localhost';

    return gateway(
        url => "amqps://g\@$host:$peer->{port}/",
        broker => 'connect_timeout 1s; ' . ($option{broker} // $trusted),
        nginx => { log_level => $option{log_level} // 'info' }
    );
}

sub is_told {
    my ($what, $pattern, $certificate, %option) = @_;

    my $peer = peer($certificate, @{ $option{peer} // [] });
    my $nginx = to_peer($peer, %option);

    told($nginx, $pattern, $what);
    $nginx->stop();
    stop_process($peer->{pid}, 'KILL', 10, 'openssl');
}

my $let_in = qr/broker timed out .* while greeting broker/;

is_told('a certificate for the name of the url is accepted', $let_in, $server);
is_told('and one for the name that is told', $let_in, $server,
        host => '127.0.0.1', broker => "$trusted ssl_name mq.example.com;");
is_told('one for another name is told',
        qr/certificate of broker is for another name than "localhost" while /,
        $ca->certificate('elsewhere'));
is_told('as for an address that it does not have',
        qr/is for another name than "127\.0\.0\.1" while securing/, $server,
        host => '127.0.0.1');
is_told('an address in it is accepted', $let_in,
        $ca->certificate('address', names => 'IP:127.0.0.1'),
        host => '127.0.0.1');
is_told('another name is accepted when nothing is to be verified', $let_in,
        $ca->certificate('unverified'), broker => 'ssl_verify off;');
is_told('one that has expired is told',
        qr/certificate of broker is not trusted: certificate has expired /,
        $ca->certificate('late', names => 'DNS:localhost', expired => 1));
is_told('one of an unknown authority is told',
        qr/is not trusted: unable to /,
        $other_ca->certificate('foreign', names => 'DNS:localhost'));
is_told('our own authority is not one of the system',
        qr/is not trusted: unable to /, $server,
        broker => 'heartbeat 15s;');

my $taken = $ca->certificate('taken', names => 'DNS:localhost');
my $crl = $ca->revoke($taken);

is_told('one that was taken back is told',
        qr/is not trusted: certificate revoked/, $taken,
        broker => "$trusted ssl_crl $crl;");
is_told('one that was not is accepted', $let_in, $server,
        broker => "$trusted ssl_crl $crl;");

is_told('an old protocol is refused',
        qr/SSL_do_handshake\(\) failed .* while securing connection/, $server,
        peer => ['-tls1_1', '-cipher', 'DEFAULT:@SECLEVEL=0']);

for my $version ('1_2', '1_3') {
    my $peer = peer($server, "-tls$version");
    my $nginx = to_peer($peer, log_level => 'debug');

    told($nginx, qr/amqp tls: TLSv1\.\d reused:1.*$let_in/s,
         "a session of TLS $version is taken up again");
    like($nginx->log_text(), qr/reused:0.*$let_in.*reused:1/s,
         'the first one was none');
    $nginx->stop();
}

my $name = peer($server, '-servername', 'localhost', '-servername_fatal',
                '-cert2', $server->{file}, '-key2', $server->{key});
my $named = to_peer($name);
told($named, $let_in, 'the name is asked for');
$named->stop();


# Peers that are none.

my $broker = Warren::FakeBroker->new();

sub taken {
    $broker->is_called(PATIENCE) or die "nobody connects\n";
    return $broker->{listener}->accept();
}

my $nginx = gateway(
    url => 'amqps://g@localhost:' . $broker->port() . '/',
    broker => "connect_timeout 5s; $trusted"
);

my $socket = taken();
sysread $socket, my $hello, 16384;
is(ord $hello, 22, 'the gateway begins with TLS');
my $call = ask($nginx);
close $socket;
told($nginx, qr/TLS handshake with broker failed while securing connection/,
     'a broker that closes in the middle of the handshake is told');
is(outcome($call), '503 unavailable', 'no call overtakes the handshake');

$socket = taken();
sysread $socket, $hello, 16384;
syswrite $socket, "AMQP\0\0\x09\x01";
told($nginx, qr/SSL_do_handshake\(\) failed .*wrong version number/,
     'one that does not speak TLS is told');
close $socket;

$socket = taken();
sysread $socket, $hello, 16384;
syswrite $socket, "\x16\x03\x03\x00\x7a\x02\x00";
told($nginx, qr/broker timed out .* while securing connection to broker/,
     'one that stops in the middle of the handshake is told');
close $socket;

$socket = taken();
sysread $socket, $hello, 16384;
syswrite $socket, join '', map { chr int rand 256 } 1 .. 2000;
close $socket;
ok(eval { close taken(); 1 }, 'one that talks nonsense is tried again');

$nginx->reload();
$nginx->wait_for_old();
pass('a process leaves in the middle of a handshake');
$nginx->stop();


# RabbitMQ, which wants to know who we are.

my $port = free_port();
my $rabbit = Warren::RabbitMQ->private(settings => <<"END");
listeners.ssl.1 = 127.0.0.1:$port
ssl_options.cacertfile = @{[ $ca->file() ]}
ssl_options.certfile = $server->{file}
ssl_options.keyfile = $server->{key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
END

my $vhost = $rabbit->vhost('tls');
my $password = $rabbit->user('gateway', $vhost);
my $admin = Warren::AMQP->connect(url => $rabbit->url('guest', $vhost));
$admin->declare_exchange($_, 'direct') for qw(rpc replies);

my $body = join '', map { chr int rand 256 } 1 .. 2_000_000;
my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => { echo => sub {
        return { status => 200, body => $_[0]{body},
                 content_type => 'application/octet-stream' };
    } }
);

sub to_rabbit {
    my (%option) = @_;

    return gateway(
        url => $option{url} // "amqps://gateway\@localhost:$port/$vhost",
        password => $password,
        broker => 'connect_timeout 3s; ' . ($option{broker} // ''),
        timeout => '30s',
        location => 'client_max_body_size 4m; gateway_max_body 4m;'
                    . ' gateway_max_reply 4m; client_body_buffer_size 64k;',
        http => $option{http}
    );
}

sub wait_ready {
    my ($nginx) = @_;
    wait_for(sub { outcome(ask($nginx, 'ready')) eq '200 ready' }, PATIENCE,
             'a call that passes');
}

$nginx = to_rabbit(broker => $trusted);
told($nginx, qr/certificate[ _]required|handshake[ _]failure/,
     'a broker that wants to know who we are is told without a certificate');
$nginx->stop();

$nginx = to_rabbit(url => "amqp://gateway\@localhost:$port/$vhost");
told($nginx, qr/it speaks TLS, write "amqps" in its url/,
     'who writes amqp for a port of TLS is told');
$nginx->stop();

$nginx = to_rabbit(broker => $trusted,
                   url => $rabbit->url_without_password('gateway', $vhost)
                          =~ s/amqp:/amqps:/r =~ s/127\.0\.0\.1/localhost/r);
told($nginx, qr/wrong version number/,
     'and so is who writes amqps for a port without');
$nginx->stop();

$nginx = to_rabbit(broker => "$trusted $identity");
told($nginx, qr/broker is ready over TLSv1\.[23]/,
     'with a certificate the gateway is let in');
wait_ready($nginx);
pass('calls pass');

my $answer = $nginx->post('/echo', $body);
is($answer->{status}, 200, 'as do large bodies');
ok($answer->{body} eq $body, 'which come back as they went');

my @asked = map { ask($nginx, $_ x 1000) } 'a' .. 'z';
is(join(' ', map { outcome($_) } @asked),
   join(' ', map { '200 ' . $_ x 1000 } 'a' .. 'z'), 'many at once do');

my $connects = counter($nginx, 'connects');
wait_for(sub {
    $rabbit->close_connections('gateway');
    counter($nginx, 'connects') > $connects;
}, PATIENCE, 'another connection');
wait_ready($nginx);
pass('a connection that was lost is made again');

@asked = map { ask($nginx, "reload $_") } 1 .. 20;
$nginx->reload();
is(scalar(grep { outcome($_) =~ /\A200 reload/ } @asked), 20,
   'a reload loses no call');
$nginx->wait_for_old();
wait_ready($nginx);
pass('and after it calls pass');

$rabbit->kill9();
wait_for(sub { outcome(ask($nginx)) eq '503 unavailable' }, PATIENCE,
         'the loss of the broker');
$rabbit->start();
$echo->stop();
$echo->start();
wait_ready($nginx);
pass('a broker that was killed and comes back is found');
$nginx->stop();


# A certificate that is enough: whose it is, is the user.

my $own_port = free_port();
my $own = $ca->certificate('gateway-tls');
my $own_rabbit = Warren::RabbitMQ->private(
    plugins => [qw(rabbitmq_management rabbitmq_auth_mechanism_ssl)],
    settings => <<"END");
listeners.ssl.1 = 127.0.0.1:$own_port
ssl_options.cacertfile = @{[ $ca->file() ]}
ssl_options.certfile = $server->{file}
ssl_options.keyfile = $server->{key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
END
my $own_vhost = $own_rabbit->vhost('tls');

$own_rabbit->user('gateway-tls', $own_vhost);
Warren::AMQP->connect(url => $own_rabbit->url('guest', $own_vhost))
    ->declare_exchange($_, 'direct') for qw(rpc replies);

my $own_echo = Warren::Responder->new(
    rabbit => $own_rabbit, vhost => $own_vhost, service => 'echo',
    methods => { echo => sub {
        return { status => 200, body => '"' . $_[0]{properties}{user_id} . '"' }
    } }
);

sub to_own {
    my ($certificate, %option) = @_;

    return gateway(
        url => $option{url}
               // "amqps://gateway-tls\@localhost:$own_port/$own_vhost",
        password => undef,
        broker => "$trusted ssl_certificate $certificate->{file};"
                  . " ssl_certificate_key $certificate->{key};"
                  . ' sasl external;',
        timeout => '30s'
    );
}

$nginx = to_own($own);
told($nginx, qr/broker is ready over TLSv1\.[23]/,
     'a certificate is enough where the broker believes it');
is(outcome(ask($nginx)), '200 "gateway-tls"',
   'calls pass, by the user of the certificate');
$nginx->stop();

$nginx = to_own($client);
told($nginx, qr/broker (?:refused user "gateway-tls"|closed the socket, as)/,
     'a certificate of somebody whom the broker does not know is not');
$nginx->stop();

$nginx = to_own($client, url => "amqps://gateway\@localhost:$port/$vhost");
told($nginx, qr/broker does not take EXTERNAL, but "[^"]*PLAIN/,
     'nor is one where the broker wants a password');
$nginx->stop();


# what nginx -t refuses

my $secret = spew(tempdir() . '/secret', "secret\n");

sub is_invalid {
    my ($text, $pattern, $name, %option) = @_;

    my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop { $text @{[ $option{secret}
                                    // "password_file $secret;" ]} }
}
END
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and told');
    like($output, qr/ in \S+test\.conf:5$/m, 'with its place');
}

my $url = 'url amqps://g@localhost/;';

is_invalid('url amqps://g@mq1/ amqp://g@mq2/;',
           qr/mixes "amqps" and "amqp": .* use "amqps" for all/,
           'a broker of both kinds');
is_invalid("url amqp://g\@localhost/; $trusted",
           qr/has settings of TLS, but no TLS: write its urls as amqps:/,
           'a setting of TLS without TLS');
is_invalid("$url ssl_certificate $client->{file};",
           qr/both or none of "ssl_certificate" and "ssl_certificate_key"/,
           'a certificate without its key');
is_invalid("$url ssl_certificate $client->{file};"
           . " ssl_certificate_key $server->{key};",
           qr/key values mismatch|PrivateKey/, 'the key of another');
is_invalid("$url ssl_trusted_certificate /nonexistent/ca.pem;",
           qr/\/nonexistent\/ca\.pem/, 'an authority that is not there');
is_invalid("$url ssl_trusted_certificate $secret;", qr/\Q$secret\E/,
           'an authority that is none');
is_invalid("$url ssl_verify maybe;", qr/invalid ssl_verify "maybe", use "on"/,
           'a verification that is neither');
is_invalid("$url $trusted $trusted",
           qr/"ssl_trusted_certificate" is duplicate/, 'an authority twice');
is_invalid("$url sasl magic;", qr/invalid sasl "magic", use "plain" with/,
           'a mechanism that is none');
is_invalid("$url sasl plain; sasl plain;", qr/"sasl" is duplicate/,
           'a mechanism twice');
is_invalid("$url sasl external;", qr/"sasl external" and no "ssl_certificate"/,
           'a certificate that is enough and not there', secret => '');
is_invalid("$url $identity sasl external;",
           qr/a "password_file": remove one of them/,
           'a password beside a certificate that is enough');
is_invalid('url amqp://g@localhost/; sasl external;',
           qr/has settings of TLS, but no TLS/,
           'a certificate that is enough without TLS', secret => '');
is_invalid("$url ssl_name a; ssl_name b;", qr/"ssl_name" is duplicate/,
           'two names');

my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop {
        url amqps://g\@mq1.invalid/ amqps://g\@[::1]:5671/;
        password_file $secret;
        $identity
        ssl_name mq.example.com;
        ssl_verify on;
    }
}
END
ok($is_valid, 'with the system\'s authorities and a name that does not '
              . 'resolve it is valid') or diag($output);

done_testing();
