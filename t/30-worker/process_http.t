#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What the supervisor serves: /live, /ready and /metrics.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use Stub;
use Test::More;
use Warren::Test;


subtest '/ready is 503 until every lane is ready' => sub {
    my $gate = tempdir() . '/gate';
    my $stub = Stub->new(lanes => 2, 'stub.gate' => $gate)->start();
    my $http = $stub->http();

    my $answer = $http->get('/ready');
    is($answer->{status}, 503, 'not ready');
    is($answer->{headers}{'content-type'}, 'application/json', 'in JSON');
    is_deeply([map { $_->{state} } @{ $answer->{json}{lanes} }],
              ['starting', 'starting'], 'each lane\'s state is told');
    ok(!$answer->{json}{ready}, 'and that it is not ready');
    is($http->get('/live')->{status}, 200, '/live is 200 already');

    spew($gate, '');
    $stub->wait_until_ready();

    $answer = $http->get('/ready');
    ok($answer->{json}{ready}, 'ready when the gate is open');
    is_deeply($answer->{json}{lanes},
              [map { { lane => $_, state => 'ready' } } 0, 1],
              'with all its lanes');

    # one that died comes back and waits at the gate
    unlink $gate;
    my ($victim) = $stub->wait_for_lanes(2);
    kill 'KILL', $victim;
    wait_for(sub { $http->get('/ready')->{status} == 503 }, 10,
             'not to be ready');
    spew($gate, '');
    $stub->wait_until_ready();
    pass('one lane that is away makes it not ready');

    $stub->stop();
};


subtest 'paths and methods' => sub {
    my $stub = Stub->new()->start()->wait_until_ready();
    my $http = $stub->http();

    is($http->get('/')->{status}, 404, 'another path is 404');
    is($http->get('/live/')->{status}, 404, 'also one that begins like one');
    is($http->get('/live?verbose=1')->{status}, 200, 'a query is ignored');
    is($http->head('/live')->{status}, 200, 'HEAD works');

    my $answer = $http->post('/ready', { a => 1 });
    is($answer->{status}, 405, 'POST is 405');
    is($answer->{headers}{allow}, 'GET, HEAD', 'and says what is allowed');
    is($http->request('DELETE', '/metrics')->{status}, 405, 'so is DELETE');
    is($http->get('/live')->{headers}{'cache-control'}, 'no-store',
       'nothing is cached');
    is($http->get('/live')->{json}{live}, 1, '/live says so in JSON');

    my $port = $http->{port};
    my @open = map { Warren::HTTP->new(port => $port)->open() } 1 .. 80;
    $_->send("GET /live HTTP/1.1\r\n") for @open[0 .. 40];
    undef @open;
    wait_for(sub { $http->get('/live')->{status} == 200 }, 10, 'an answer');
    pass('clients that never ask do not keep others away for ever');

    is($stub->stop(), 0, 'and it ends well');
};


subtest 'metrics' => sub {
    my $stub = Stub->new(lanes => 2)->start()->wait_until_ready();
    my $http = $stub->http();

    my $plain = $http->get('/metrics');
    like($plain->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4},
         'by default in the text format');
    lint($plain->{body}, 0);

    my $open = $http->get('/metrics', accept =>
        'application/openmetrics-text;version=1.0.0,text/plain;q=0.5');
    like($open->{headers}{'content-type'},
         qr{^application/openmetrics-text; version=1\.0\.0},
         'as OpenMetrics for who asks for it');
    lint($open->{body}, 1);

    like($open->{body}, qr/^warren_lanes\{service="stub",state="ready"\} 2$/m,
         'lanes are counted by state');
    my $labels = 'service="stub",kind="call",handler="nothing",outcome="done"';
    like($open->{body}, qr/^warren_messages_handled_total\{$labels\} 0$/m,
         'handlers and outcomes are labels');

    $stub->stop();
};


subtest 'where it listens' => sub {
    my $off = Stub->new('http.listen' => 'off')->start();
    $off->wait_for_message(qr/^started/);
    unlike($off->log(), qr/serving http/, 'nowhere if it is off');
    is($off->stop(), 0, 'and all the same it works');

    my $first = Stub->new()->start()->wait_until_ready();
    my $port = $first->http()->{port};
    my $second = Stub->new('http.listen' => "127.0.0.1:$port");
    my ($status, $output) = $second->run('-c', $second->conf());
    is($status, 1, 'a port in use ends the start');
    like($output, qr/http\.listen: 127\.0\.0\.1:$port: Address already in use/,
         'and says why');
    $first->stop();

    ($status, $output) = $second->run('-c', $second->conf(), '-o',
                                      'http.listen=127.0.0.1');
    is($status, 2, 'an address without a port is bad configuration');
    like($output, qr/http\.listen: "127\.0\.0\.1" is not address:port/,
         'and told by name');
};


# What linters of metrics look at: each sample has its family's TYPE and HELP
# before it, families are not torn, counters end in _total, buckets rise to
# +Inf, which is the count.
sub lint {
    my ($text, $is_openmetrics) = @_;

    my (%type, %help, %closed, %bucket, @bad);
    my $quoted = qr/"(?:[^"\\]|\\.)*"/;
    my $family = '';

    for my $line (split /\n/, $text) {

        if ($line =~ /^# (TYPE|HELP|UNIT) (\S+) (.+)$/) {
            push @bad, "torn: $2" if $closed{$2};
            $closed{$family} = 1 if $family ne $2 && $family ne '';
            $family = $2;
            $type{$2} = $3 if $1 eq 'TYPE';
            $help{$2} = $3 if $1 eq 'HELP';
            next;
        }

        next if $line eq '# EOF';

        my ($name, $labels, $value) =
            $line =~ /^([a-z_]+)\{((?:[a-z]+=$quoted,?)+)\} (-?[\d.]+)$/
            or push(@bad, "not a sample: $line"), next;

        my $type = $type{$family} // 'none';
        push @bad, "no HELP: $name" if !$help{$family};

        my $expected = $type eq 'counter' && $is_openmetrics
            ? qr/^${family}_total$/
            : $type eq 'histogram' ? qr/^${family}_(bucket|sum|count)$/
            : qr/^$family$/;
        push @bad, "$type $family has $name" if $name !~ $expected;
        push @bad, "counter $name" if $type eq 'counter' && $name !~ /_total$/;

        if ($name =~ /_bucket$/) {
            (my $others = $labels) =~ s/,le="([^"]*)"//;
            push @bad, "falls: $line"
                if $value < ($bucket{"$family $others"} // 0);
            $bucket{"$family $others"} = $value;

        } elsif ($name =~ /_count$/ && $type eq 'histogram') {
            push @bad, "count: $line" if $value != $bucket{"$family $labels"};
        }
    }

    is_deeply(\@bad, [], 'every line is as a linter wants it');
    like($text, qr/\n# EOF\n\z/, 'it says where it ends');
    cmp_ok(scalar(keys %type), '>', 20, 'there are families');
}


done_testing();
