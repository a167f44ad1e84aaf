#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A broker in alarm, and one that is restarted, as clients see it.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for spew tempdir);


my $rabbit = Warren::RabbitMQ->private();
my $vhost = $rabbit->vhost('route-alarm');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

sub responder {
    return Warren::Responder->new(
        rabbit => $rabbit, vhost => $vhost, service => 'echo',
        methods => { fine => sub { return { body => '{}' } } },
    );
}

my $echo = responder();

my $nginx = Warren::Nginx->new(
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
    },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 500ms;
        location = /fine { gateway_route call echo fine; }
        location = /metrics { gateway_metrics; }
        location = /ready { gateway_ready; }
    }
}
END

sub metric {
    my ($name) = @_;
    my ($value) = $nginx->get('/metrics')->{body} =~ /^\Q$name\E (\S+)$/m;
    return $value;
}

is($nginx->get('/fine')->{status}, 200, 'a call is answered');


# an alarm: the broker reads nothing more of who publishes

$rabbit->ctl('set_vm_memory_high_watermark', '0.000001');

my $r;
ok(wait_for(sub {
       $r = $nginx->get('/fine');
       $r->{status} == 503 && $r->{json}{type} =~ /unavailable/;
   }, 20, 'the alarm'), 'in an alarm new calls are refused');
is($r->{headers}{'retry-after'}, 1, 'with Retry-After');

my $begun = time();
is($nginx->get('/fine')->{status}, 503, 'every one');
cmp_ok(time() - $begun, '<', 0.4, 'at once');

$r = $nginx->get('/ready');
is($r->{status}, 503, 'it is not ready');
is($r->{json}{detail},
   '0 of 1 connections are ready, "shop" of worker 0: blocked',
   'and says why');
is(metric('gateway_connection_blocked{broker="shop",worker="0"}'), 1,
   'the connection is counted as blocked');
is(metric('gateway_amqp_blocked_total'), 1, 'once');

$rabbit->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
ok(wait_for(sub { $nginx->get('/fine')->{status} == 200 }, 20, 'its end'),
   'after the alarm calls are answered');
is($nginx->get('/ready')->{status}, 200, 'and it is ready');


# a restart

$echo->stop();
$rabbit->restart();
$echo = responder();

ok(wait_for(sub { $nginx->get('/fine')->{status} == 200 }, 60, 'the broker'),
   'after a restart of the broker calls are answered');
cmp_ok(metric('gateway_amqp_connects_total'), '>=', 2,
       'by a new connection');

done_testing();
