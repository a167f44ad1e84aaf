#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What a call costs that does nothing: the bare exchange over the broker (the
# limit), the same with the gateway in the client's place, its token verified
# and a rate charged, and that with a worker in the server's place.
#
#     WARREN_BUILD=$PWD/var/build perl -It/lib t/60-bench/echo.pl
#
# WARREN_BENCH_NGINX (1): worker processes of nginx.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use JSON::PP qw(decode_json encode_json);

use Echo;
use Warren::Bench;
use Warren::Nginx;
use Warren::Test qw(
    at_exit build_dir run_command slurp spawn spew stop_process tempdir wait_for
);
use Warren::Worker;


my $workers = $ENV{WARREN_BENCH_NGINX} // 1;
my $limit = build_dir() . '/t/60-bench/limit';
my $dir = tempdir('echo');
my $body = '{"text":"' . 'x' x 80 . '"}';

my $bench = Warren::Bench->new(
    name => 'echo', title => 'A call that does nothing'
);
my $broker = $bench->rabbitmq();
my $echo = Echo->new(
    broker => $broker, postgresql => $bench->postgresql(),
    settings => { 'log.level' => 'info' }
)->start();
my $vhost = $echo->vhost();

limit_queue();

my @common = ('--port', $broker->port(), '--vhost', $vhost);
my @client = (@common, user('gateway'));
my $server_log = "$dir/server.log";
my $server = spawn(command => [$limit, 'server', @common, user('limit')],
                   log => $server_log);

at_exit(sub { stop_process($server) });
wait_for(sub { slurp($server_log) =~ /ready/ }, 20, 'the limit\'s server');

my $nginx = gateway();

for my $connections (1, 64, 512) {
    $bench->row(
        id => "limit-$connections", system => 'the limit', what => 'echo',
        connections => $connections,
        processes => sub { (server => [$server]) },
        run => sub { limit($connections, @_) }
    );
    $bench->row(
        id => "gateway-$connections", system => 'Warren\'s gateway',
        what => 'echo', connections => $connections,
        processes => sub { (nginx => [$nginx->pid()], server => [$server]) },
        run => sub { http('/limit', $connections, @_) }
    );
    $bench->row(
        id => "worker-$connections", system => 'Warren\'s gateway and worker',
        what => 'echo', connections => $connections,
        processes => sub {
            (nginx => [$nginx->pid()], worker => [$echo->worker()->pid()])
        },
        run => sub { http('/echo', $connections, @_) }
    );
}

$bench->goal(
    name => 'echo', text => "share of the limit's rate, $_ at once",
    of => "gateway-$_", over => "limit-$_", field => 'rate', at_least => 0.65
) for 64, 512;
$bench->goal(
    name => 'echo', text => 'ms that the gateway adds to the median, 1 at once',
    of => 'gateway-1', minus => 'limit-1', field => 'p50_us', scale => 0.001,
    at_most => 0.1
);
$bench->note(
    "nginx has $workers worker process(es), the worker one lane. Token: ES256,"
    . ' the same again and again. The limit has as many calls in flight as'
    . ' HTTP has connections, all from one process.'
);

$bench->run()->print();

compare_sizes();


# As topology declares those of services.
sub limit_queue {
    my $queue = $broker->api('GET', "/api/queues/$vhost/rpc.echo");

    $broker->api('PUT', "/api/queues/$vhost/rpc.limit", {
        durable => JSON::PP::true, arguments => $queue->{arguments}
    });
    $broker->api('POST', "/api/bindings/$vhost/e/rpc/q/rpc.limit", {
        routing_key => 'limit'
    });
}


sub user {
    my ($name) = @_;

    return ('--user', $name, '--password-file',
            spew("$dir/$name", $broker->user($name, $vhost) . "\n", 0600));
}


sub gateway {
    my $key = Warren::Worker::make_key("$dir/token.pem");
    my $warren = build_dir() . '/warren';

    my ($status, $keys) = run_command(
        command => [$warren, 'jwks', '--key', $key, '--kid', 'bench']
    );
    die "jwks: $keys\n" if $status != 0;

    my $token;
    ($status, $token) = run_command(command => [
        $warren, 'token', '--key', $key, '--kid', 'bench', '--issuer', 'bench',
        '--audience', 'warren', '--sub', '01890000-0000-7000-8000-000000000001',
        '--scope', 'echo', '--ttl', 28800
    ]);
    die "token: $token\n" if $status != 0;

    spew("$dir/jwks.json", $keys);
    spew("$dir/token", $token);

    my $nginx = Warren::Nginx->new(workers => $workers, log_level => 'notice',
        vars => {
            KEYS => "$dir/jwks.json", PASSWORD => "$dir/gateway",
            URL => $broker->url_without_password('gateway', $vhost),
        }, conf => <<'END')->start();
%%GLOBALS%%
events { worker_connections 2048; }
http {
    %%HTTP%%
    keepalive_requests     1000000;
    gateway_zone           gateway:8m;
    gateway_limit_zone     $gateway_jwt_sub
                           zone=per_user:10m rate=100000r/s burst=100000;
    gateway_broker         bench {
        url                %%URL%%;
        password_file      %%PASSWORD%%;
    }
    server {
        listen                  127.0.0.1:%%PORT%%;
        gateway_jwt             on;
        gateway_jwt_key_file    %%KEYS%%;
        gateway_jwt_algorithms  ES256;
        gateway_jwt_issuer      bench;
        gateway_jwt_audience    warren;
        gateway_limit           zone=per_user;
        gateway_timeout         5s;

        location = /limit { gateway_route POST call limit echo; }
        location = /echo  { gateway_route POST call echo echo; }
        location = /ready { gateway_jwt off; gateway_limit off; gateway_ready; }
    }
}
END

    wait_for(sub { $nginx->get('/ready')->{status} == 200 }, 20, 'the gateway');

    return $nginx;
}


sub limit {
    my ($connections, $seconds) = @_;

    my ($status, $output) = run_command(
        command => [$limit, 'client', @client, '--window', $connections,
                    '--seconds', $seconds, '--body', $body],
        seconds => $seconds + 60
    );
    die "limit: $output\n" if $status != 0;

    return decode_json($output);
}


sub http {
    my ($path, $connections, $seconds) = @_;

    return Warren::Bench::load(
        port => $nginx->port(), path => $path, method => 'POST', body => $body,
        headers => { 'Content-Type' => 'application/json' },
        tokens => "$dir/token", connections => $connections,
        seconds => $seconds, expect => 200
    );
}


# The two sent messages of one size, or they were not the same exchange.
sub compare_sizes {
    stop_process($server);

    my ($line) = slurp($server_log) =~ /^(\{.*\})$/m
        or die "the limit's server said nothing\n";
    my $seen = decode_json($line);

    print "\nheaders of a call: $seen->{header_min} to $seen->{header_max}"
          . " bytes, of both clients\n";
    die "their messages are not of one size\n"
        if $seen->{header_max} - $seen->{header_min} > 8;
}
