#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Reloads under load with calls of two seconds in flight: no answer is lost,
# old workers go when their last call is answered, memory stays what it was.
# Twenty of them, or five where a sanitizer looks on.

use strict;
use warnings;

use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time);

use lib 't/lib';
use Warren::AMQP;
use Warren::HTTP2 qw(not_over_http2);
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Responder;
use Warren::Test qw(wait_for slurp spew tempdir);


use constant CLIENTS => 8;

not_over_http2('nginx closes a connection that has asked nothing yet');

my $is_sanitized = slurp(Warren::Nginx::module_path()) =~ /__asan_/;
my $reloads = $is_sanitized ? 5 : 20;

my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('reload-load');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));

my $amqp = Warren::AMQP->connect(url => $rabbit->url('gateway', $vhost));
$amqp->declare_exchange('commands', 'direct');
$amqp->declare_queue('commands.echo', durable => 1);
$amqp->bind('commands.echo', 'commands', 'echo');

my $echo = Warren::Responder->new(
    rabbit => $rabbit, vhost => $vhost, service => 'echo',
    methods => {
        fast => sub { return { body => '"fast"' } },
        slow => sub { return { body => '"slow"', delay => 2 } },
    },
);

my $nginx = Warren::Nginx->new(
    workers => 2,
    vars => {
        BROKER => $rabbit->port(), VHOST => $vhost, SECRET => $secret
    },
    conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 512; }
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop {
        url amqp://gateway@127.0.0.1:%%BROKER%%/%%VHOST%%;
        password_file %%SECRET%%;
        connect_timeout 10s;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 60s;
        gateway_max_inflight 500;
        gateway_etag on;
        location = /fast { gateway_route GET,POST call echo fast; }
        location = /slow { gateway_route call echo slow; }
        location = /note { gateway_route POST send echo note; }
        location = /parts {
            gateway_part fast echo fast;
            gateway_part slow echo slow;
        }
        location = /metrics { gateway_metrics; }
    }
}
END

wait_for(sub { $nginx->get('/fast')->{status} == 200 }, 40, 'the broker');


# clients until they are told to end: what they get, and what they expected

my %asks = (
    '/fast' => [GET => '"fast"'], '/slow' => [GET => '"slow"'],
    '/parts' => [GET => '{"fast":"fast","slow":"slow"}'],
    '/note' => [POST => qr/\A\{"id":"[0-9a-f-]{36}"\}\z/],
);
my @paths = sort keys %asks;
my $until = tempdir() . '/end';


sub ask {
    my ($path) = @_;

    my ($method, $expected) = @{ $asks{$path} };
    my $r = eval {
        $nginx->http(timeout => 90)->request(
            $method, $path, $method eq 'POST' ? '{}' : undef
        );
    };

    return "$path: $@" if !$r;
    return "$path: $r->{status} $r->{body}"
        if $r->{status} != ($method eq 'POST' ? 202 : 200)
           || (ref $expected ? $r->{body} !~ $expected
                             : $r->{body} ne $expected);
    return 'as expected';
}


my @clients = map {
    my $n = $_;
    my $path = tempdir() . "/client-$n";
    my $pid = fork();

    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        my %count;
        my $deadline = time() + 800;

        # each has calls in flight all the time
        while (!-e $until && time() < $deadline) {
            $count{ ask($paths[$n % @paths]) }++;
        }

        spew($path, join '', map { "$count{$_} $_\n" } sort keys %count);
        _exit(0);
    }

    { pid => $pid, path => $path }
} 0 .. CLIENTS - 1;


# what workers take after a reload, when they have answered something

sub resident {
    my @kb;

    for my $pid ($nginx->workers()) {
        next if Warren::Nginx::is_exiting($pid);
        my $text = eval { slurp("/proc/$pid/smaps_rollup") } // next;
        push @kb, $1 if $text =~ /^Pss_Anon:\s+(\d+) kB/m;
    }

    return @kb ? (sort { $a <=> $b } @kb)[-1] : 0;
}


sub master {
    return slurp("/proc/" . $nginx->pid() . '/statm') =~ /\A\d+ (\d+)/
           ? $1 * 4 : die;
}


my (@workers, @masters);

for my $n (1 .. $reloads) {

    # never without calls of two seconds in flight
    wait_for(
        sub {
            my ($n) = $nginx->get('/metrics')->{body}
                          =~ /^gateway_inflight (\d+)$/m;
            $n >= 3;
        },
        40, 'calls in flight'
    );

    $nginx->reload();
    wait_for(sub { $nginx->get('/fast')->{status} == 200 }, 40, 'an answer');

    push @workers, resident();
    push @masters, master();
}

spew($until, '');
waitpid $_->{pid}, 0 for @clients;

my (%count, $sum);

for my $client (@clients) {
    for my $line (split /\n/, -f $client->{path} ? slurp($client->{path}) : '')
    {
        my ($n, $what) = $line =~ /\A(\d+) (.*)\z/s or next;
        $count{$what} += $n;
        $sum += $n;
    }
}

is_deeply([sort keys %count], ['as expected'],
          "$reloads reloads under load lose no answer")
    or diag(explain(\%count));
cmp_ok($sum // 0, '>', 4 * $reloads, 'of many');

ok(eval { $nginx->wait_for_old(60); 1 }, 'old workers go')
    or diag(explain([$nginx->workers()]));
ok(wait_for(sub { $nginx->workers() == 2 }, 60, 'two workers'),
   'all of them');
like($nginx->get('/metrics')->{body}, qr/^gateway_inflight 0$/m,
     'nothing is left in flight');
unlike($nginx->log_text(), qr/\[alert\]|\[crit\]|open socket|signal 11/,
       'and the log has no alert');

ok(wait_for(sub { connections() <= 4 }, 60, 'connections to be gone'),
   'nor does the broker keep a connection');


sub connections {
    return scalar grep {
        ($_->{client_properties}{product} // '') eq 'Warren gateway'
    } @{ $rabbit->api('GET', "/api/vhosts/$vhost/connections") };
}


# The first reloads make what is kept; later ones make nothing more.  A worker
# is measured at any moment of its work, so the smallest of some are compared.

SKIP: {
    skip 'a sanitizer keeps what is freed', 2 if $is_sanitized;

    my $early = least(@workers[2 .. 6]);
    my $late = least(@workers[-5 .. -1]);
    cmp_ok($late - $early, '<', 1024, 'workers take no more than before')
        or diag("kB after each reload: @workers");

    $early = least(@masters[2 .. 6]);
    $late = least(@masters[-5 .. -1]);
    cmp_ok($late - $early, '<', 512, 'nor does the master')
        or diag("kB after each reload: @masters");
    note("workers: @workers; master: @masters");
}

$nginx->stop();
done_testing();


sub least { return (sort { $a <=> $b } @_)[0] }
