#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Requests over a rate that wait for their turn instead of being refused.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $key = Warren::JWT->ec(kid => 'key');

my $conf = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    log_format limit '$uri $arg_k $status $gateway_limit_status '
                     '$gateway_limit_zone';
    gateway_zone gateway:1m;
    gateway_limit_zone $arg_k zone=shaped:32k rate=1r/s burst=3;
    gateway_limit_zone $arg_k zone=partly:32k rate=1r/s burst=3;
    gateway_limit_zone $arg_k zone=strict:32k rate=1r/m;
    gateway_limit_zone $gateway_jwt_sub zone=person:32k rate=1r/s burst=3;

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        access_log %%DIR%%/access.log limit;
        gateway_jwt_key_file keys.json;

        location = /shaped { gateway_limit zone=shaped delay=0; }
        location = /partly { gateway_limit zone=partly delay=1; }
        location = /both {
            gateway_limit zone=shaped delay=0;
            gateway_limit zone=strict;
        }
        location = /person {
            gateway_jwt on;
            gateway_limit zone=shaped delay=0;
            gateway_limit zone=person delay=0;
        }
        location = /page {
            gateway_limit zone=shaped delay=0;
            error_page 404 = /shaped;
        }
        location = /metrics { gateway_metrics; }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $conf);
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(shaped partly both person);
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();


# Sends requests at once, each on a connection of its own; returns how each
# ended, in the order in which they were sent.
sub ask {
    my ($n, $path, @headers) = @_;

    my %field = @headers;
    my $fields = join '', map { "$_: $field{$_}\r\n" } sort keys %field;
    my @sockets = map {
        my $socket = IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $nginx->port()
        ) or die "connect: $!\n";
        print {$socket} "GET $path HTTP/1.1\r\nHost: test\r\n$fields"
                        . "Connection: close\r\n\r\n";
        $socket->flush();
        $socket;
    } 1 .. $n;

    return map { local $/; my $text = readline $_; $text } @sockets;
}

sub statuses { return join ' ', sort map { /\AHTTP\/1.1 (\d+)/ } @_ }

sub counter {
    my $text = $nginx->get('/metrics')->{body};
    return $text =~ /^gateway_limit_$_[0]_total (\d+)/m ? $1 : undef;
}


my $start = time;
my @answers = ask(6, '/shaped?k=a');
my $elapsed = time - $start;

is(statuses(@answers), '200 200 200 200 429 429',
   'as many pass as the quota has, the others are refused');
cmp_ok($elapsed, '>=', 2.8, 'the last of four at one a second comes after '
                            . 'three');
my ($refused) = grep { / 429 / } @answers;
like($refused, qr/^Retry-After: \d+\r$/mi,
     'those that are refused are told at once when to come again');
is(scalar(grep { /^RateLimit: "shaped";r=\d/mi } @answers), 6,
   'all are told what is left');
is(counter('delayed'), 3, 'three have waited');

$start = time;
is(statuses(ask(4, '/partly?k=a')), '200 200 200 200',
   'with a delay the first of a burst need not wait');
cmp_ok(time - $start, '>=', 1.8, 'those beyond it do');
is(counter('delayed'), 5, 'which are two of four');

sub logged {
    my ($pattern) = @_;
    my $n;
    wait_for(sub {
        $n = () = slurp("$dir/access.log") =~ /$pattern/mg;
        $n > 0;
    }, 10, "the access log: $pattern");
    return $n;
}

is(logged('^/shaped a 200 DELAYED shaped$'), 3, 'the access log has them');
is(logged('^/shaped a 200 PASSED -$'), 1, 'and the one that passed at once');
is(logged('^/shaped a 429 REJECTED shaped$'), 2, 'and those refused');


# other limits beside it

$nginx->get('/both?k=b');
my $before = counter('delayed');
is($nginx->get('/both?k=b')->{status}, 429,
   'who is refused by another zone is not made to wait first');
is(counter('delayed'), $before, 'nor counted so');

my @anna = Warren::JWT::bearer($key->token({ sub => 'anna' }));
my @bad = Warren::JWT::bearer('no.token.here');
is(statuses(ask(3, '/person?k=c', @anna)), '200 200 200',
   'zones before and after the token may both let wait');
is(statuses(ask(2, '/person?k=d', @bad)), '401 401',
   'a bad token waits for its turn to be refused');

is($nginx->get('/page?k=e')->{status}, 200, 'an error page follows a wait');
is($nginx->get('/page?k=e')->{status}, 200, 'each time');

my $h2 = 0;

for (1 .. 3) {
    my (undef, $text) = run_command([
        'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 30,
        'http://127.0.0.1:' . $nginx->port_of('PORT_1') . '/shaped?k=h2'
    ]);
    $h2++ if $text =~ /\AHTTP\/2 200 .*^ratelimit: "shaped";r=/ms;
}

is($h2, 3, 'HTTP/2 waits as well');
ok(logged('^/shaped h2 200 DELAYED shaped$') >= 1, 'as the log tells');


# clients that leave, and a process that leaves

for (1 .. 3) {
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $nginx->port()
    ) or die "connect: $!\n";
    print {$socket} "GET /shaped?k=gone HTTP/1.1\r\nHost: test\r\n\r\n";
    $socket->flush();
    close $socket;
}
is($nginx->get('/shaped?k=other')->{status}, 200,
   'clients that leave while they wait disturb nobody');
ok(logged('^/shaped gone 499 ') >= 1, 'and are known to have left');

my $pid = fork() // die "fork: $!\n";
if ($pid == 0) {
    exec $^X, '-MTime::HiRes=sleep', '-e', 'sleep 0.3; kill "HUP", shift',
         $nginx->pid();
}
is(statuses(ask(4, '/shaped?k=reload')), '200 200 200 200',
   'those that wait are answered although the configuration is read again');
waitpid $pid, 0;
$nginx->reload();
$nginx->wait_for_old(30);
is($nginx->get('/shaped?k=after')->{status}, 200, 'and nginx goes on');


# what nginx -t refuses

sub is_invalid {
    my ($limit, $pattern, $name) = @_;

    my ($is_valid, $output) = $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_limit_zone \$arg_k zone=z:1m rate=1r/s burst=4;
    server {
        listen 127.0.0.1:%%PORT%%;
        $limit
    }
}
END
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and told');
}

is_invalid('gateway_limit zone=z delay=4;',
           qr/must be less than the burst of the zone, 4, in \S+:8$/m,
           'a delay that lets nobody wait');
is_invalid('gateway_limit zone=z delay=x;', qr/invalid parameter "delay=x"/,
           'a delay that is no number');
is_invalid('gateway_limit zone=z delay=-1;', qr/invalid parameter "delay=-1"/,
           'a delay below nothing');

done_testing();
