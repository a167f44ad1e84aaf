#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Reloads with calls in flight, bodies half sent, and brokers that are not
# there yet: nobody loses an answer.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Warren::HTTP2 qw(not_over_http2);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for free_port slurp spew tempdir);


not_over_http2('whose connections end, and when');

my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('reload-route');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fast => sub {
            my ($call) = @_;
            return { body => length $call->{body} };
        },
        slow => sub { return { body => '"slow"', delay => 0.8 } },
        never => sub { return },
    },
);

my %vars = (BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret);
my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@%%HOST%%:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
        connect_timeout 1s;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 5s;
        location = /fast { gateway_route GET,POST call echo fast; }
        location = /slow { gateway_route call echo slow; }
        location = /never { gateway_route call echo never; }
        location = /metrics { gateway_metrics; }
        location = /ready { gateway_ready; }
    }
}
END
$vars{HOST} = '127.0.0.1';

my $nginx = Warren::Nginx->new(conf => $conf, workers => 2, vars => \%vars)
    ->start();

is($nginx->get('/fast')->{status}, 200,
   'a call right after the start waits for the connection');


# a body half sent

my $half = $nginx->http()->open();
$half->send("POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"
            . "Connection: close\r\n\r\n12345");
my $slow = $nginx->http()->open();
$slow->send("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body} =~ /^gateway_inflight 1$/m },
         5, 'the call');

$nginx->reload();
is($slow->answer('GET')->{status}, 200, 'a call in flight is answered');
$half->send('67890');
my $r = $half->answer('POST');
is($r->{status}, 200, 'a body half sent at a reload is answered');
is($r->{body}, '10', 'as a whole');
ok(eval { $nginx->wait_for_old(10); 1 }, 'and the old workers end');


# many reloads under load

my $clients = 6;
my @pids;
my @results;
my $until = tempdir() . '/end';

for my $n (1 .. $clients) {
    my $path = tempdir() . "/client-$n";
    push @results, $path;

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        my %count;
        my $deadline = time() + 60;

        while (!-e $until && time() < $deadline) {
            my $what = $n % 2 ? '/slow' : '/fast';
            my $answer = eval { $nginx->http(timeout => 10)->get($what) };
            my $key = $answer ? $answer->{status} : "lost: $@";
            $count{$key}++;
        }

        spew($path, join "\n", map { "$_ $count{$_}" } sort keys %count);
        _exit(0);
    }

    push @pids, $pid;
}

for (1 .. 10) {
    $nginx->reload();

    # not before the new workers have answered something
    wait_for(sub { $nginx->get('/fast')->{status} == 200 }, 10, 'an answer');
}

spew($until, '');
waitpid $_, 0 for @pids;

my %total;

for my $path (@results) {
    for my $line (split /\n/, slurp($path)) {
        my ($key, $n) = $line =~ /\A(.*) (\d+)\z/s or next;
        $total{$key} += $n;
    }
}

is_deeply([sort keys %total], ['200'],
          'ten reloads under load lose no answer') or diag(explain(\%total));
cmp_ok($total{200}, '>', 30, 'of many');
ok(eval { $nginx->wait_for_old(20); 1 }, 'no old worker stays');
unlike($nginx->log_text(), qr/\[alert\]|open socket/,
       'and the log has no alert');


# orderly and other ends

my $last = $nginx->http()->open();
$last->send("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body} =~ /^gateway_inflight 1$/m },
         5, 'the call');
kill 'QUIT', $nginx->pid();
is($last->answer('GET')->{status}, 200,
   'a call in flight is answered when nginx quits');
$nginx->quit();

$nginx->start();
wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 10, 'readiness');
$last = $nginx->http()->open();
$last->send("GET /never HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body} =~ /^gateway_inflight 1$/m },
         5, 'the call');
$nginx->stop();
ok(1, 'nginx stops with a call in flight');


# an end that must not last

$nginx->write_conf("worker_shutdown_timeout 300ms;\n$conf")->start();
wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 10, 'readiness');
$last = $nginx->http()->open();
$last->send("GET /never HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
wait_for(sub { $nginx->get('/metrics')->{body} =~ /^gateway_inflight 1$/m },
         5, 'the call');
$nginx->reload();
ok(eval { $nginx->wait_for_old(3); 1 },
   'worker_shutdown_timeout ends workers with calls in flight');
ok($last->is_closed(), 'whose clients are let go');
wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 10, 'readiness');
is($nginx->get('/fast')->{status}, 200, 'and the new workers are well');
like($nginx->get('/metrics')->{body}, qr/^gateway_inflight 0$/m,
     'with nothing in flight');
$nginx->stop();


# a broker that comes late

my $port = free_port();
my $patient = Warren::Nginx->new(conf => $conf, vars => {
    %vars, BROKER => $port
})->start();

my $begun = time();
$r = $patient->get('/fast');
is($r->{status}, 503, 'without its broker nginx starts, and refuses calls');
is($r->{json}{type}, 'urn:warren:error:unavailable', 'as unavailable');
cmp_ok(time() - $begun, '<', 2, 'after a moment for the handshake');

wait_for(sub { my $t = time(); $patient->get('/fast'); time() - $t < 0.1 }, 5,
         'the end of that moment');
ok(1, 'and at once later on');

my $relay = relay($port, $rabbit->port());
ok(wait_for(sub { $patient->get('/fast')->{status} == 200 }, 40,
            'the broker'), 'calls are answered when the broker comes');
kill 'KILL', $relay;
waitpid $relay, 0;
$patient->stop();

my $lost = Warren::Nginx->new(
    conf => $conf, vars => { %vars, HOST => 'no.such.host.invalid' }
)->start();
is($lost->get('/fast')->{status}, 503,
   'nginx starts when the name of its broker does not resolve');
$lost->stop();

done_testing();


# passes bytes between a port and the broker's, as a process

sub relay {
    my ($from, $to) = @_;

    my $listen = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $from, Listen => 5,
        ReuseAddr => 1
    ) or die "listen: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;
    return $pid if $pid;

    my $select = IO::Select->new($listen);
    my %peer;

    while (my @ready = $select->can_read()) {
        for my $socket (@ready) {

            if ($socket == $listen) {
                my $client = $listen->accept() or next;
                my $server = IO::Socket::INET->new("127.0.0.1:$to") or next;
                $peer{$client} = $server;
                $peer{$server} = $client;
                $select->add($client, $server);
                next;
            }

            my $peer = $peer{$socket} or next;

            if (sysread $socket, my $bytes, 65536) {
                syswrite $peer, $bytes;
                next;
            }

            delete @peer{ $socket, $peer };
            $select->remove($socket, $peer);
            close $_ for $socket, $peer;
        }
    }

    _exit(0);
}
