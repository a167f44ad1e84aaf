#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# The bare exchange of t/60-bench, both sides of it, over a real broker.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use Test::More;

use Warren::RabbitMQ;
use Warren::Test qw(
    slurp spew tempdir build_dir run_command spawn stop_process wait_for at_exit
    sanitizer_environment
);


my $limit = build_dir() . '/t/60-bench/limit';
my $dir = tempdir('limit');
my $broker = Warren::RabbitMQ->shared();
my $vhost = $broker->vhost('limit');

for my $exchange (qw(rpc replies)) {
    $broker->api('PUT', "/api/exchanges/$vhost/$exchange", {
        type => 'direct', durable => JSON::PP::true
    });
}

$broker->api('PUT', "/api/queues/$vhost/rpc.limit", {
    durable => JSON::PP::true
});
$broker->api('POST', "/api/bindings/$vhost/e/rpc/q/rpc.limit", {
    routing_key => 'limit'
});

my $log = "$dir/server.log";
my $server = spawn(command => [$limit, 'server', words('limit')], log => $log,
                   environment => { sanitizer_environment() });

at_exit(sub { stop_process($server) });
wait_for(sub { slurp($log) =~ /ready/ }, 40, 'the server');

for my $window (1, 50) {
    my $got = client('--window' => $window, '--body' => 'b' x 1000);

    cmp_ok($got->{requests}, '>', 0, "$window at once are answered");
    is_deeply([keys %{ $got->{statuses} }], [200], 'with 200');
    is((grep { $_ } values %{ $got->{errors} }), 0, 'and no error');
    cmp_ok($got->{bytes_in} / $got->{requests}, '>', 1000,
           'with the body that was sent');
    cmp_ok($got->{p50_us}, '>', 0, 'in some time');
}

my $got = client('--service' => 'nobody', '--window' => 3);
is($got->{requests}, 0, 'a service that is not there answers nothing');
cmp_ok($got->{statuses}{503}, '>', 0, 'its calls are returned');

my $wrong = spew("$dir/wrong", "wrong\n");
my ($status, $output) = run_limit('client', words('gateway'),
                                  '--password-file' => $wrong);
is($status >> 8, 1, 'a broker that refuses ends it');
like($output, qr/^limit: the broker (?:is lost|closes): \w/m, 'with a reason');

($status, $output) = run_limit('client');
is($status >> 8, 2, 'a port is wanted');

is(stop_process($server), 0, 'the server ends when it is told to');

my ($line) = slurp($log) =~ /^(\{.*\})$/m;
my $seen = decode_json($line);
cmp_ok($seen->{calls}, '>', 1, 'and tells what it has answered');
is($seen->{header_min}, $seen->{header_max}, 'and how large its headers were');

done_testing();


sub client {
    my ($status, $output) = run_limit('client', words('gateway'),
                                      '--seconds' => 0.5, @_);
    die "limit: $output\n" if $status != 0;

    return decode_json($output);
}


sub run_limit {
    my (@words) = @_;

    return run_command(command => [$limit, @words],
                       environment => { sanitizer_environment() });
}


sub words {
    my ($user) = @_;

    return ('--port' => $broker->port(), '--vhost' => $vhost, '--user' => $user,
            '--password-file' =>
                spew("$dir/$user", $broker->user($user, $vhost) . "\n"));
}
