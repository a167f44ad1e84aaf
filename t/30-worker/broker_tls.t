# Copyright (C) the Warren authors
#
# A worker's connections to a broker with TLS: who is believed to be it, and
# what is told when it is not.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::RabbitMQ;
use Warren::TLS;
use Warren::Test qw(:DEFAULT free_port);

use constant PATIENCE => 60;


my $ca = Warren::TLS->new();
my $server = $ca->certificate('server', names => 'DNS:localhost');
my $client = $ca->certificate('client');
my $foreign = Warren::TLS->new('another authority');

my $port = free_port();
my $rabbit = Warren::RabbitMQ->private(settings => <<"END");
listeners.ssl.1 = 127.0.0.1:$port
ssl_options.cacertfile = @{[ $ca->file() ]}
ssl_options.certfile = $server->{file}
ssl_options.keyfile = $server->{key}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
END

my $echo = Echo->new(broker => $rabbit);
my $vhost = $echo->vhost();
my $worker = $echo->worker();
my %good = (
    'broker.url' => "amqps://echo\@localhost:$port/$vhost",
    'broker.ca_file' => $ca->file(),
    'broker.certificate_file' => $client->{file},
    'broker.key_file' => $client->{key},
);


sub told {
    my ($what, $pattern, %settings) = @_;

    my $before = length $worker->log();
    $worker->{settings} = { %good, %settings };
    $echo->start(wait => 0);

    ok(eval { wait_for(sub { substr($worker->log(), $before) =~ $pattern },
                       PATIENCE, 'a line'); 1 }, $what)
        or diag($worker->log());
    $worker->stop();
}

told('a broker whose authority is unknown is told',
     qr/cannot connect to the broker at localhost:$port: .*verif/i,
     'broker.ca_file' => $foreign->file());
told('and one with another name',
     qr/cannot connect to the broker at 127\.0\.0\.1:$port: .*hostname/i,
     'broker.url' => "amqps://echo\@127.0.0.1:$port/$vhost");
told('and one that wants a certificate of ours', qr/cannot log in .*SSL/,
     'broker.certificate_file' => '', 'broker.key_file' => '');
told('and a port without TLS',
     qr/cannot connect to the broker at localhost:\d+: /,
     'broker.url' => 'amqps://echo@localhost:' . $rabbit->port() . "/$vhost");
told('and an authority that is not there', qr/broker\.ca_file cannot be used/,
     'broker.ca_file' => '/nonexistent/ca.pem');
told('and a key that is another\'s',
     qr/broker\.certificate_file with broker\.key_file cannot be used/,
     'broker.key_file' => $server->{key});
told('two kinds of addresses are refused',
     qr/broker\.url.* mixes amqps and amqp; write amqps for all/,
     'broker.url' => "amqps://echo\@localhost:$port/$vhost"
                     . ' amqp://echo@localhost/');
told('a key without its certificate is refused',
     qr/broker\.key_file.* must be there with broker\.certificate_file/,
     'broker.certificate_file' => '');

$worker->{settings} = { %good, lanes => 2 };
$echo->start();
$echo->forget();

my $text = 'x' x 300_000;

is($echo->call('echo', '{"text":"x"}')->{status}, 200,
   'with both a worker is let in, and answers');
my $reply = $echo->call('echo', qq({"text":"$text"}));
is($reply->{status}, 200, 'large bodies come');
like($reply->{body}, qr/$text/, 'and go');

my $count = () = $worker->log() =~ /connected to the broker/g;

wait_for(sub {
    $rabbit->close_connections('echo');
    my $now = () = $worker->log() =~ /connected to the broker/g;
    $now >= $count + 2;
}, PATIENCE, 'new connections');
$worker->wait_until_ready(PATIENCE);
$echo->forget();
is($echo->call('echo', '{"text":"x"}')->{status}, 200,
   'connections that were lost are made again');

my @statuses = map { $echo->call('echo', qq({"text":"$_"}))->{status} }
               1 .. 100;
is(join(' ', grep { $_ != 200 } @statuses), '', 'a hundred calls pass');

is($worker->stop(), 0, 'and the worker leaves in order');

done_testing();
