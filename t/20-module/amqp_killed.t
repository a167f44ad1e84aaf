#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A broker that is killed while five hundred calls are in flight: each of them
# is told that it may have happened, none waits for its deadline.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::AMQP;
use Warren::FakeBroker qw(ask outcome counter);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test;

use constant { CALLS => 500, PATIENCE => 90 };


my $rabbit = Warren::RabbitMQ->private();
my $vhost = $rabbit->vhost('killed');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

# a queue with nobody at it
$rabbit->user('echo', $vhost);
my $amqp = Warren::AMQP->connect(url => $rabbit->url('echo', $vhost));
$amqp->declare_service('echo');
$amqp->close();

my $nginx = Warren::Nginx->new(
    vars => { SECRET => $secret,
              URL => $rabbit->url_without_password('gateway', $vhost) },
    conf => <<'END')->start();
%%GLOBALS%%
worker_rlimit_nofile 4096;
events { worker_connections 1500; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop { url %%URL%%; password_file %%SECRET%%; }
    server {
        listen 127.0.0.1:%%PORT%% backlog=1024;
        location = /echo {
            gateway_route GET,POST call echo echo;
            gateway_timeout 10m;
        }
        location = /metrics { gateway_metrics; }
        location = /ready { gateway_ready; }
    }
}
END

sub inflight {
    return $nginx->get('/metrics')->{body} =~ /^gateway_inflight (\d+)$/m
           ? $1 : -1;
}

wait_for(sub { $nginx->get('/ready')->{status} == 200 }, PATIENCE, 'a broker');

my @calls = map { ask($nginx, $_ % 2 ? "body $_" : undef) } 1 .. CALLS;

ok(eval { wait_for(sub { inflight() == CALLS }, PATIENCE, 'all calls'); 1 },
   CALLS . ' calls are in flight') or diag(inflight());

$rabbit->kill9();

my %count;
$count{ outcome($_) }++ for @calls;

is_deeply(\%count, { '502 interrupted' => CALLS },
          'each is told that it may have happened')
    or diag(explain(\%count));
is(inflight(), 0, 'and none is left in flight');
is(counter($nginx, 'disconnects'), 1, 'one connection was lost');
is(outcome(ask($nginx)), '503 unavailable', 'the next one is refused');

$rabbit->start();

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => { echo => sub { return { status => 200, body => '"back"' } } }
);

ok(eval { wait_for(sub { $nginx->get('/ready')->{status} == 200 }, PATIENCE,
                   'the broker'); 1 }, 'it is found when it is back');
is(outcome(ask($nginx)), '200 "back"', 'and calls pass again');
is(counter($nginx, 'foreign') + counter($nginx, 'late'), 0,
   'with nothing of what was before');

done_testing();
