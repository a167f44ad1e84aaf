#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# The load generator of t/60-bench: what it sends, how it reads answers that are
# cut, wrong or missing, and that its open loop shows a server that stalls.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use POSIX qw(_exit);
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(sleep);

use Warren::Test qw(
    slurp spew tempdir free_port build_dir run_command wait_for at_exit alive
    spawn
    sanitizer_environment
);


my $dir = tempdir('load');
my $seen = "$dir/requests";
my $port = server();


# closed loop

my $got = load('--path' => '/ok', '--connections' => 4);

cmp_ok($got->{requests}, '>', 50, 'answers are counted');
is($got->{statuses}{200}, $got->{requests}, 'by their status');
is($got->{connects}, 4, 'a connection is kept');
is_deeply($got->{errors}, errors(), 'nothing went wrong');
cmp_ok($got->{seconds}, '>=', 0.5, 'the time was measured');
ok(abs($got->{rate} * $got->{seconds} - $got->{requests}) < 1,
   'the rate is of that time');
ok($got->{p50_us} > 0 && $got->{p50_us} <= $got->{p99_us}
   && $got->{p99_us} <= $got->{p999_us} && $got->{p999_us} <= $got->{max_us},
   'latencies are in order');
is($got->{others}{p50_us}, undef, 'and null where there are none');
cmp_ok($got->{bytes_in} / $got->{requests}, '>', 40, 'bytes are counted');

for my $path (qw(/split /chunked /interim /empty)) {
    $got = load('--path' => $path, '--connections' => 3);
    cmp_ok($got->{requests}, '>', 3, "$path is read");
    is_deeply($got->{errors}, errors(), "$path is no error");
    is($got->{connects}, 3, "$path keeps its connection");
}

$got = load('--path' => '/ok', '--method' => 'HEAD');
cmp_ok($got->{requests}, '>', 3, 'an answer to HEAD has no body');
is($got->{connects}, 1, 'and leaves nothing in the connection');

for my $path (qw(/close /until-close)) {
    $got = load('--path' => $path, '--connections' => 2);
    cmp_ok($got->{requests}, '>', 2, "$path is read");
    is_deeply($got->{errors}, errors(), "$path is no error");
    cmp_ok($got->{connects}, '>=', $got->{requests}, "$path connects again");
}


# what is sent

unlink $seen;
spew("$dir/tokens", "one\ntwo\nthree\n");
spew("$dir/body", 'b' x 300000);
load('--path' => '/log', '--method' => 'PUT', '--tokens' => "$dir/tokens",
     '--body-file' => "$dir/body", '--header' => 'X-First: 1',
     '--header' => 'x-second: 2');

my @lines = split /\n/, slurp($seen);
cmp_ok(scalar @lines, '>', 3, 'requests came');
is_deeply([map { (split)[2] } @lines[0 .. 3]], [qw(one two three one)],
          'tokens are used in turn');
is((grep { !m{^PUT /log \w+ 1 2 300000$} } @lines), 0,
   'method, headers and a large body arrive');


# what is not as expected

$got = load('--path' => '/no', '--expect' => '200');
is($got->{requests}, 0, 'a 500 is not what was expected');
cmp_ok($got->{errors}{status}, '>', 3, 'but an error');
is($got->{statuses}{500}, $got->{errors}{status}, 'of its status');
is($got->{others}{requests}, $got->{errors}{status}, 'counted apart');
cmp_ok($got->{others}{p99_us}, '>', 0, 'with latencies of its own');

$got = load('--path' => '/no', '--expect' => '200,500');
cmp_ok($got->{requests}, '>', 3, 'two statuses may be expected');

$got = load('--path' => '/turns', '--expect' => '200');
cmp_ok(abs($got->{requests} - $got->{errors}{status}), '<=', 1,
       'every other answer is a refusal, and told as such');

for my $path (qw(/cut /garbage /twice)) {
    $got = load('--path' => $path);
    is($got->{requests}, 0, "$path is no answer");
    cmp_ok($got->{errors}{read}, '>', 0, "$path is an error of reading");
}

$got = load('--path' => '/never', '--timeout' => 0.1, '--connections' => 5);
is($got->{requests}, 0, 'no answer comes');
cmp_ok($got->{errors}{timeout}, '>=', 5, 'and each is missed');

$got = load('--path' => '/never', '--connections' => 5);
is($got->{errors}{unfinished}, 5, 'or unanswered at the end');

$got = load('--port' => free_port(), '--rate' => 100);
is($got->{requests}, 0, 'nobody is there');
cmp_ok($got->{errors}{connect}, '>', 0, 'a refused connection is an error');
is($got->{errors}{unfinished}, 50, 'and what was due is unfinished');


# open loop

$got = load('--path' => '/ok', '--rate' => 400, '--connections' => 8,
            '--warmup' => 0.25, '--drain' => 20);
is($got->{requests}, 200, 'what was due is answered, no more and no less');
is_deeply($got->{errors}, errors(), 'and nothing else');

$got = load('--path' => '/never', '--rate' => 100, '--connections' => 2,
            '--drain' => 0.1);
is($got->{errors}{unfinished}, 50,
   'what is due counts, whether it could be sent or not');

# an answer takes 5 ms, of which twice as many are due
$got = load('--path' => '/slow', '--rate' => 400, '--connections' => 8,
            '--drain' => 20);
is($got->{requests}, 200, 'a backlog is worked off after the end');
cmp_ok($got->{seconds}, '>=', 0.9, 'which belongs to the time');
cmp_ok($got->{rate}, '<', 250, 'so that the rate is what the server does');

# a generator that was held up until after the end
$got = held_up('--path' => '/log', '--rate' => 100, '--seconds' => 1,
               '--drain' => 20);
is($got->{requests}, 100, 'what was due is sent, if late');
is_deeply($got->{errors}, errors(), 'and nothing is left');

# it answers at once, but for 300 ms after each 300 answers
my @stall = ('--path' => '/stall', '--seconds' => 3, '--drain' => 20);
my $closed = load(@stall);
my $open = load(@stall, '--rate' => 500);

cmp_ok($closed->{max_us}, '>', 250e3, 'the closed loop meets a stall');
cmp_ok($closed->{p99_us}, '<', 150e3, 'which its percentile does not show');
is($open->{requests}, 1500, 'the open loop has an answer to all that were due');
cmp_ok($open->{p99_us}, '>', 150e3, 'and shows all that had to wait');


# the command line

for my $wrong (
    ['--port' => 0], ['--port' => $port, '--rate' => 'x'], ['--path' => '/'],
    ['--port' => $port, '--expect' => '2000'], ['--port' => $port, 'more'],
    ['--port' => $port, '--header' => "a: b\r\nc: d"],
    ['--port' => $port, '--tokens' => "$dir/none"],
    ['--port' => $port, '--tokens' => spew("$dir/empty", '')],
) {
    my ($status, $output) = run_load(@$wrong);
    is($status >> 8, 2, "\"@$wrong\" is refused");
    like($output, qr/^load: /m, 'with a reason');
}

done_testing();


sub load {
    my (@words) = @_;

    my ($status, $output) = run_load('--port' => $port, '--seconds' => 0.5,
                                     @words);
    die "load: $output\n" if $status != 0;

    return decode_json($output);
}


sub run_load {
    my (@words) = @_;

    return run_command(
        command => [build_dir() . '/t/60-bench/load', @words],
        environment => { sanitizer_environment() }
    );
}


# Stopped after its first request, for longer than it shall run.
sub held_up {
    my (@words) = @_;

    unlink $seen;

    my $log = "$dir/held-up";
    my $pid = spawn(
        command => [build_dir() . '/t/60-bench/load', '--port' => $port,
                    @words],
        environment => { sanitizer_environment() }, log => $log
    );

    wait_for(sub { -s $seen }, 20, 'a request');
    kill 'STOP', $pid;
    sleep(1.5);
    kill 'CONT', $pid;
    wait_for(sub { !alive($pid) }, 40, 'the generator\'s end');

    return decode_json(slurp($log));
}


# No errors, or none but those.
sub errors {
    my (%some) = @_;

    return {
        (map { $_ => 0 }
         qw(connect read write timeout status unfinished)), %some
    };
}


# A server whose paths are its script.  One process: while one waits, all do.
sub server {
    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => free_port(), Listen => 100,
        ReuseAddr => 1
    ) or die "listen: $!\n";

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        $SIG{TERM} = 'DEFAULT';
        serve($listener);
        _exit(0);
    }

    at_exit(sub { kill 'TERM', $pid; waitpid $pid, 0 });

    return $listener->sockport();
}


sub serve {
    my ($listener) = @_;

    my $select = IO::Select->new($listener);
    my %buffer;

    while (1) {
        for my $socket ($select->can_read()) {
            if ($socket == $listener) {
                my $new = $listener->accept() or next;
                setsockopt $new, IPPROTO_TCP, TCP_NODELAY, 1;
                $select->add($new);
                next;
            }

            my $is_open = sysread $socket, $buffer{$socket}, 1 << 20,
                                  length($buffer{$socket} // '');

            if (!$is_open || !answered($socket, \$buffer{$socket})) {
                delete $buffer{$socket};
                $select->remove($socket);
                close $socket;
            }
        }
    }
}


# Whether the connection stays.
my ($turn, $stalls);

sub answered {
    my ($socket, $buffer) = @_;

    $$buffer =~ /\A(\S+) (\S+) .*?\r\n\r\n/s or return 1;
    my ($head, $method, $path) = ($&, $1, $2);
    my $length = $head =~ /^content-length: (\d+)/mi ? $1 : 0;
    return 1 if length($$buffer) < length($head) + $length;
    $$buffer = '';

    my %text = (
        '/ok' => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
                 . ($method eq 'HEAD' ? '' : 'hello'),
        '/split' => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        '/chunked' => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      . "5\r\nhello\r\n0\r\n\r\n",
        '/interim' => "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n"
                      . "content-length: 0\r\n\r\n",
        '/empty' => "HTTP/1.1 204 No Content\r\n\r\n",
        '/close' => "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                    . "Content-Length: 2\r\n\r\nok",
        '/until-close' => "HTTP/1.1 200 OK\r\n\r\nuntil the end",
        '/no' => "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        '/cut' => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        '/garbage' => "GARBAGE\r\n\r\n",
        '/twice' => "HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
        '/never' => '',
    );
    my $text = $text{$path} // $text{'/ok'};

    if ($path eq '/split') {
        for my $byte (split //, $text) {
            syswrite $socket, $byte;
            sleep(0.0001);
        }

        return 1;
    }

    if ($path eq '/log') {
        my @fields = map { $head =~ /^$_ (\S+)\r$/mi ? $1 : '-' }
                     'authorization: bearer', 'x-first:', 'x-second:';
        open my $file, '>>', $seen or die "$seen: $!\n";
        print $file "$method $path @fields $length\n";
        close $file;
    }

    $text = $text{'/no'} if $path eq '/turns' && $turn++ % 2;
    sleep(0.005) if $path eq '/slow';
    sleep(0.3) if $path eq '/stall' && ++$stalls % 300 == 0;
    syswrite $socket, $text;

    return $path !~ m{^/(?:close|until-close|cut)$};
}
