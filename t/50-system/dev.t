#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for the script dev: what somebody does with a fresh checkout.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::Test qw(
    wait_for at_exit free_port is_sanitized run_command slurp source_dir
    tempdir
);


plan skip_all => 'dev builds for itself, without sanitizers'
    if is_sanitized();

my $tree = checkout();

at_exit(sub { dev('down') });

my ($status, $output) = dev('status');
is($status >> 8, 1, 'where nothing was started there is no status');
like($output, qr/\.\/dev up does/, 'and it is told what to do');

($status, $output) = dev('token');
like($output, qr/\.\/dev up makes it/, 'nor is there a token');

my ($url, $token, @commands) = up();

pasted();
readme();
again();
tokens();
broken();
ports();
down();

done_testing();


# The files of the tree, as a clone would have them.
sub checkout {
    my $dir = tempdir('checkout') . '/warren';

    my ($rc, $text) = run_command(
        command => [
            'sh', '-c', 'mkdir "$1" && cd "$2" && tar -cf - --exclude=./var'
            . ' --exclude=./.git . | tar -xf - -C "$1"',
            'sh', $dir, source_dir()
        ]
    );
    die "copy: $text\n" if $rc != 0;

    return $dir;
}


sub dev {
    my (@words) = @_;

    return run_command(
        command => ['./dev', @words], directory => $tree, seconds => 300
    );
}


sub up {
    my ($rc, $text) = dev('up');

    is($rc, 0, 'up brings everything up') or diag($text);

    my ($at) = $text =~ /^Warren is at (http:\S+)$/m;
    my ($jwt) = $text =~ /^(eyJ\S+)$/m;
    my @curl = $text =~ /^(curl .+)$/mg;

    ok($at, 'and prints where it is') or BAIL_OUT($text);
    ok($jwt, 'a token') or BAIL_OUT($text);
    is(@curl, 4, 'and four commands');

    my ($who) = $text =~ /^Log in as (\S+) or /m;
    my ($password) = $text =~ /^"(.+)"\.$/m;
    my $answer = Warren::HTTP->new(port => $at =~ /:(\d+)$/)
                 ->post('/login', { email => $who, password => $password });
    is($answer->{status}, 200, 'somebody can log in') or diag($text);

    return ($at, $jwt, @curl);
}


sub pasted {
    my @said = map {
        (run_command(command => ['sh', '-c', $_]))[1]
    } @commands[0 .. 2];

    like($said[0], qr/"id":"tea-1\d\d"/, 'pasted, the first one finds tea');
    like($said[1], qr/ 201 /, 'the second one places an order');
    my ($id) = $said[1] =~ m{^Location: /orders/(\S+?)\r?$}mi;
    like($said[2], qr/"id":"\Q$id\E"/, 'the third one shows it');

    my $told;
    wait_for(
        sub {
            $told = (run_command(command => ['sh', '-c', $commands[3]]))[1];
            $told =~ /"order_id": ?"\Q$id\E"/;
        },
        20, 'the notification'
    );
    like($told, qr/Order placed/, 'the fourth one what was told of it');
}


# The conversation of the README: its commands, in one shell.
sub readme {
    my ($part) = slurp("$tree/README.md")
                 =~ /^## A first conversation\n(.*?)(?=^## )/ms
        or die "no conversation in README.md\n";
    my @blocks = $part =~ /^```sh\n(.*?)^```$/msg;
    my ($port) = $url =~ /:(\d+)$/;

    my ($rc, $text) = run_command(
        command => ['sh', '-c', join "echo '===='\n", "set -e\n", @blocks],
        directory => $tree, environment => { WARREN_PORT => $port },
        seconds => 90
    );
    my @said = split /^====\n/m, $text;

    is($rc, 0, 'the commands of the README work') or diag($text);
    is(scalar(@said), @blocks + 1, 'all of them') or diag($text);
    like($said[1] // '', qr/"email":"ada\@example\.com"/,
         'somebody registers');
    like($said[2] // '', qr{^HTTP/1\.1 201 .*^Location: /orders/}ms,
         'and places an order');
    like($said[3] // '', qr/"status":"confirmed".*"title":"Order\ confirmed"/sx,
         'which is confirmed, and she is told');
    like($said[4] // '', qr/^\Q$url\E\/#reset=\S+\n204\n/,
         'a letter has a link that takes a new password');
    is(sprintf('%o', (stat "$tree/var/mail")[2] & 0777), '700',
       'letters are for their owner alone');
    like($said[5] // '', qr{^HTTP/1\.1 401 .*problem\+json}ms,
         'a stranger gets a problem');

    # what two services do at once comes in either order
    my @story = map { (split / /, $_, 2)[1] =~ s/: [^:]*\z//r }
                split /\n/, $said[6] // '';
    my %place = map { ($story[$_] => $_) } 0 .. $#story;
    my @steps = ('nginx: POST /orders', 'orders: announced order.placed',
                 'catalog: announced stock.reserved',
                 'payments: announced payment.captured',
                 'orders: announced order.confirmed',
                 'notifications: notified of order.confirmed');

    is_deeply([sort { ($place{$a} // -1) <=> ($place{$b} // -1) } @steps],
              \@steps, 'and the logs tell its story in order')
        or diag($said[6]);
    diag($said[6]) if $ENV{WARREN_README};
}


sub again {
    my %before = pids();

    is(keys %before, 9, 'nine servers run');
    up();
    is_deeply({ pids() }, \%before, 'up again starts nothing anew');
}


sub pids {
    my ($rc, $text) = dev('status');

    return $text =~ /^(\w+): runs, pid (\d+)/mg;
}


sub tokens {
    my ($rc, $text) = dev('token', '--sub',
                          '00000000-0000-7000-8000-000000000001',
                          '--scope', 'orders:read');
    chomp $text;

    my ($port) = $url =~ /:(\d+)$/;
    my $http = Warren::HTTP->new(port => $port);

    is($http->get('/orders', authorization => "Bearer $text")->{status}, 200,
       'a token that dev prints is accepted');
    is($http->post('/orders', { payment_method => 'tok_success', lines => [{
           product_id => 'tea-100', quantity => 1
       }] }, authorization => "Bearer $text")->{status}, 403,
       'and has no more scope than was asked for');
    is($http->get('/orders', authorization => 'Bearer ' . $text =~ s/.\z//r)
       ->{status}, 401, 'a broken one is not');

    ($rc, $text) = dev('token', '--sub');
    is($text, "dev: token: --sub needs a value\n",
       'an option without its value is told in one line');
}


sub broken {
    my %pid = pids();

    kill KILL => -$pid{users};
    wait_for(sub { !{ pids() }->{users} }, 10, 'the end of users');

    my ($rc, $text) = dev('status');
    is($rc >> 8, 1, 'a worker that was killed makes status fail');
    like($text, qr/^users: does not run, log var\/log\/users\.log$/m,
         'which names its log');

    up();
    isnt({ pids() }->{users}, $pid{users}, 'up starts it again');
    is({ pids() }->{orders}, $pid{orders}, 'and leaves the others alone');
}


sub ports {
    local $ENV{WARREN_PORT} = free_port();

    my ($rc, $text) = dev('up');
    is($rc >> 8, 1, 'a running nginx does not move to another port');
    like($text, qr/^dev: nginx runs on port \d+ already; .*\n\z/,
         'and that is told in one line');
}


sub down {
    my ($rc, $text) = dev('down');
    is($rc, 0, 'down stops everything');
    is_deeply({ pids() }, {}, 'nothing runs then');

    my ($port) = $url =~ /:(\d+)$/;
    ok(!eval { Warren::HTTP->new(port => $port)->get('/'); 1 },
       'and nobody listens');
    is((dev('down'))[0], 0, 'down again is harmless');

    my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1);
    local $ENV{WARREN_PORT} = $taken->sockport();
    is((dev('up'))[1], "dev: port $ENV{WARREN_PORT} is taken\n",
       'a port that somebody has is told in one line');

    is((dev('reset'))[0], 0, 'reset succeeds');
    ok(!-e "$tree/var/secrets", 'and forgets the secrets');
}
