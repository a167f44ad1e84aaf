#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Requests in flight by route, of all processes; those of a process that was
# killed are in flight no more.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for spew tempdir);


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('metrics-flight');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fine => sub { return { body => '{}' } },
        slow => sub { return { delay => 3, body => '{"slow":1}' } },
        never => sub { return },
    },
);

my $conf = <<'END';
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    %%ZONE%%
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 40s;
        location = /fine { gateway_route call echo fine; }
        location = /slow { gateway_route call echo slow; }
        location = /never { gateway_route call echo never; }
        location = /also {
            gateway_route call echo fine;
            gateway_canary if=$arg_new call echo never;
        }
        location = /soon { gateway_route call echo never; gateway_timeout 1ms; }
        location = /metrics { gateway_metrics; }
        location = /ready { gateway_ready; }
    }
}
END

my %vars = (BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret);

my $nginx = Warren::Nginx->new(
    conf => $conf, workers => 2,
    vars => { %vars, ZONE => 'gateway_zone gateway:1m;' },
    allow => [qr/worker process \d+ exited on signal 9/]
)->start();

wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 40, 'readiness');


sub metric {
    my ($name, $server) = @_;

    my ($value) = ($server // $nginx)->get('/metrics')->{body}
                      =~ /^\Q$name\E (\S+)$/m;
    return $value;
}


sub flying {
    my ($route, $server) = @_;

    return metric("gateway_route_inflight{route=\"$route\"}", $server);
}


sub is_flying {
    my ($route, $count, $what, $server) = @_;

    ok(wait_for(sub { flying($route, $server) == $count }, 40, $what), $what);
}


sub ask {
    my ($path, $server) = @_;

    return ($server // $nginx)->http()->open()->send(
        "GET $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
}


# they come and go

is(flying('/fine echo.fine'), 0, 'a route has nothing in flight at first');
is($nginx->get('/fine')->{status}, 200, 'a call that was answered');
is(flying('/fine echo.fine'), 0, 'is not in flight');

my @clients = map { ask('/never') } 1 .. 8;
is_flying('/never echo.never', 8, 'calls of all processes are summed up');
is(flying('/slow echo.slow'), 0, 'and no other route has them');
is(metric('gateway_inflight'), 8, 'the whole agrees');

(shift @clients)->close() for 1 .. 3;
is_flying('/never echo.never', 5, 'clients that leave end theirs');

my $canary = ask('/also?new=1');
is_flying('/also echo.never', 1, 'a canary has its own');
is(flying('/also echo.fine'), 0, 'and its route has none');
$canary->close();
is_flying('/also echo.never', 0, 'that ends as well');

is($nginx->get('/soon')->{status}, 504, 'a deadline');
is(flying('/soon echo.never'), 0, 'ends one');


# processes come and go

kill 'KILL', $nginx->workers();
@clients = ();
ok(wait_for(
       sub {
           $nginx->get('/ready')->{status} == 200
               && flying('/never echo.never') == 0;
       }, 40, 'new processes'
   ), 'what killed processes had in flight is not in flight');

my $slow = ask('/slow');
is_flying('/slow echo.slow', 1, 'a call');
$nginx->reload();
is(flying('/slow echo.slow'), 1,
   'of an old process is in flight after a reload');
is($slow->answer()->{json}{slow}, 1, 'until it is answered');
$nginx->wait_for_old();
is(flying('/slow echo.slow'), 0, 'then it is not');

wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 40, 'readiness');
is(metric("gateway_connection_state{broker=\"shop\",worker=\"$_\","
          . 'state="ready"}'), 1, "the connection of worker $_ is ready")
    for 0, 1;


# without shared memory

my $alone = Warren::Nginx->new(conf => $conf, vars => { %vars, ZONE => '' })
                ->start();

wait_for(sub { $alone->get('/ready')->{status} == 200 }, 40, 'readiness');
my $client = ask('/never', $alone);
is_flying('/never echo.never', 1, 'without a zone a process counts its own',
          $alone);
$client->close();
is_flying('/never echo.never', 0, 'and forgets it', $alone);

done_testing();
