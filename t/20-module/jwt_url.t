#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Keys from a URL: one fetch for all, whoever waits; rotation; and each way in
# which a source can fail, none of which takes away what is known.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use Test::More;

use Warren::HTTP;
use Warren::HTTP2 qw(is_http2);
use Warren::JWT;
use Warren::KeyServer;
use Warren::Nginx;
use Warren::Test;


my $one = Warren::JWT->ec(kid => 'one');
my $two = Warren::JWT->ec(kid => 'two');
my $three = Warren::JWT->rsa(kid => 'three');

my $server = Warren::KeyServer->new();
my $frame = <<'END';
%%GLOBALS%%
events { worker_connections 1024; }
http {
    %%HTTP%%
    %%URL%%

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt on;
        add_header X-Sub "$gateway_jwt_sub" always;
        add_header X-Error "$gateway_jwt_error" always;
        location = /page { }
        location = /ssi.html { gateway_jwt off; ssi on; }
        location = /any { satisfy any; deny all; }
        location = /asked { gateway_jwt off; auth_request /ask;
                            try_files /page =500; }
        location = /ask { internal; proxy_pass http://127.0.0.1:%%PORT_2%%; }
        location = /metrics { gateway_jwt off; gateway_metrics; }
        location = /inner { proxy_pass http://127.0.0.1:%%PORT_2%%; }
    }
    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / { gateway_jwt off; return 200 "inner page\n"; }
    }
    %%MORE%%
}
END

my $url = 'http://127.0.0.1:' . $server->port() . '/keys?all=1';
my $nginx = Warren::Nginx->new(conf => $frame, workers => 3, allow => [
    qr/worker process \d+ exited on signal 9/
], vars => {
    URL => "gateway_jwt_key_url $url cooldown=100ms ttl=1d wait=30s;",
    MORE => ''
});
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(page any);
spew("$dir/html/ssi.html", '[<!--# include virtual="/inner" -->]');


sub ask {
    my ($token, $path) = @_;
    my $answer = $nginx->http(timeout => 60)->get($path // '/page',
                                                  Warren::JWT::bearer($token));
    return join ' ', grep { length } $answer->{status},
                $answer->{headers}{'x-sub'} // '',
                $answer->{headers}{'x-error'} // '';
}

# many requests at once, on connections that are open first: their answers
sub ask_at_once {
    my ($token, $n, $path) = @_;
    $path //= '/page';

    my @sockets = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                              PeerPort => $nginx->port())
            or die "connect: $!\n"
    } 1 .. $n;

    syswrite $_, "GET $path HTTP/1.0\r\nAuthorization: Bearer $token\r\n\r\n"
        for @sockets;

    return @sockets;
}

sub statuses {
    my (@sockets) = @_;
    my %number;

    for my $socket (@sockets) {
        local $/;
        my $answer = <$socket> // '';
        $number{ ($answer =~ /\AHTTP\S+ (\d+)/)[0] // 'none' }++;
    }

    return join ', ', map { "$_: $number{$_}" } sort keys %number;
}

sub told {
    my ($pattern, $name) = @_;
    return ok(wait_for(sub { $nginx->log_text() =~ $pattern }, 40, $name),
              $name);
}

# the cooldown has passed, and with it nobody asks: a day is long
sub rested {
    select undef, undef, undef, 0.15;
}


sub too_many {
    my $n = () = $nginx->log_text() =~ /too many tokens wait for keys/g;
    return $n;
}


# the start: requests wait for the first answer, which is fetched once

$server->keys(Warren::JWT::jwks($one))->hold(1);
$nginx->start();

my $anna = $one->token({ sub => 'anna' });
my @waiting = ask_at_once($anna, 60);
wait_for(sub { $server->asked() }, 40, 'a fetch');
$server->hold(0);

is(statuses(@waiting), '200: 60', 'requests wait for the first keys');
is($server->asked(), 1, 'which three processes have fetched once');
like($server->request(), qr{\AGET\ /keys\?all=1\ HTTP/1\.0\r\n
                            Host:\ 127\.0\.0\.1:\d+\r\n
                            Accept:\ application/json\r\n
                            Connection:\ close\r\n\r\n\z}x,
     'with a request of HTTP/1.0');
is(ask($anna), '200 anna', 'a token is verified with them');
is(ask($two->token({}, kid => 'one')),
   '401 the signature of the token is wrong', 'and a forged one refused');
is($server->asked(), 1, 'without asking again');


# an unknown kid

rested();
$server->keys(Warren::JWT::jwks($one, $two))->hold(1);
my $bob = $two->token({ sub => 'bob' });
@waiting = ask_at_once($bob, 60);
wait_for(sub { $server->asked() == 2 }, 40, 'a fetch');
is(ask($anna), '200 anna', 'who knows his key does not wait');
$server->hold(0);
is(statuses(@waiting), '200: 60', 'who does not waits until it is known');
is($server->asked(), 2, 'and asks once with all others');
is(ask($anna), '200 anna', 'the other key is still good');

rested();
is(ask($three->token({})), '401 no key fits the token',
   'a kid that stays unknown is refused');
is($server->asked(), 3, 'after asking');

rested();
@waiting = map { ask_at_once($three->token({}, kid => "no-$_"), 1) } 1 .. 20;
is(statuses(@waiting), '401: 20', 'so are many of them');
cmp_ok($server->asked(), '<', 23, 'for which it is not asked each time');


# requests that are not ordinary

rested();
$server->keys(Warren::JWT::jwks($one, $two, $three));
my $eve = $three->token({ sub => 'eve' });
my $answer = $nginx->http(timeout => 60)->get('/ssi.html',
                                              Warren::JWT::bearer($eve));
is($answer->{body}, "[inner page\n]", 'a subrequest waits as well');

rested();
$server->keys(Warren::JWT::jwks($one));
$three->{kid} = 'none';
ask($three->token({}));
is(ask($bob), '401 no key fits the token', 'a key that is gone is gone');
is(ask($anna), '200 anna', 'the others are not');

rested();
$server->keys(Warren::JWT::jwks($one, $two));
is(ask($bob, '/any'), '200 bob', 'satisfy any waits');

rested();
$server->keys(Warren::JWT::jwks($one));
ask($three->token({}));
rested();
$server->keys(Warren::JWT::jwks($one, $two));
is(ask($bob, '/asked'), '200', 'auth_request waits');


# who leaves

rested();
$server->hold(1);
my $before = $server->asked();
@waiting = ask_at_once($three->token({}), 5);
wait_for(sub { $server->asked() > $before }, 40, 'a fetch');
close $_ for @waiting;
# over HTTP/2 nginx does not add what it was doing
told(is_http2() ? qr/client prematurely closed connection, client/
                : qr/client.* closed connection while/,
     'clients that leave while they wait are noticed');
$server->hold(0);
is(ask($anna), '200 anna', 'and nothing is broken');


# failures

my $long = 'x' x 300_000;
my @failures = (
    ['a status of 500', "HTTP/1.0 500 No\r\n\r\n",
     qr/the status of the answer is not 200; those known so far are kept/],
    ['a page', "HTTP/1.0 200 OK\r\n\r\n<html>",
     qr/is neither a JWK Set nor PEM; those known/],
    ['an empty answer', "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
     qr/is neither a JWK Set nor PEM/],
    ['half a set', "HTTP/1.0 200 OK\r\n\r\n{\"keys\":[", qr/not valid JSON/],
    ['an answer cut short', "HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{",
     qr/the answer was cut short/],
    ['no HTTP', "SSH-2.0\r\n\r\n", qr/the answer is not HTTP/],
    ['half a head', "HTTP/1.0 200 OK\r\n", qr/the answer has no whole head/],
    ['a long head', "HTTP/1.0 200 OK\r\nX: $long\r\n\r\n",
     qr/the head of the answer is too long/],
    ['a long body', "HTTP/1.0 200 OK\r\n\r\n$long",
     qr/the answer is too large/],
    ['chunks', "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
     qr/the answer has a transfer coding/],
    ['two lengths', "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n"
                    . "Content-Length: 2\r\n\r\nx",
     qr/the length of the answer is not valid/],
    ['a set without keys', "HTTP/1.0 200 OK\r\n\r\n{\"keys\":[]}",
     qr/holds no key that can be used/],
    ['a secret', "HTTP/1.0 200 OK\r\n\r\n"
                 . Warren::JWT::jwks(Warren::JWT->secret(kid => 's')),
     qr/is refused: it is an HMAC secret, which must not be handed out/],
    ['a private key', "HTTP/1.0 200 OK\r\n\r\n"
                      . Warren::JWT::jwks($one->jwk(d => 'AQAB')),
     qr/is refused: it is a private key/],
);

for my $failure (@failures) {
    my ($name, $bytes, $pattern) = @$failure;

    rested();
    $server->raw($bytes);
    is(ask($three->token({})), '401 no key fits the token',
       "$name: a kid that is unknown is refused");
    told(qr/\[error\].*no keys from "\Q$url\E": .*$pattern/,
         'the reason is logged');
    is(ask($anna), '200 anna', 'and what is known stays');
}

rested();
$server->stop();
is(ask($three->token({})), '401 no key fits the token',
   'nobody listens: refused');
told(qr/no keys from .*(?:connection|sent)/,
     'which is logged');
is(ask($anna), '200 anna', 'and what is known stays');

rested();
$server->start()->silent();
is(ask($three->token({})), '401 no key fits the token',
   'no answer: refused when the fetch has ended');
told(qr/no keys from .*no whole answer came in time/, 'which is logged');

rested();
$server->keys(Warren::JWT::jwks($one, $two));
is(ask($bob), '200 bob', 'when it is back it is asked again');


# reloads

$nginx->reload();
$server->stop();
is(ask($anna), '200 anna', 'a reload keeps the keys though nobody listens');
is(ask($bob), '200 bob', 'all of them');
$server->start()->keys(Warren::JWT::jwks($one, $two))->hold(1);

rested();
$before = $server->asked();
@waiting = ask_at_once($eve, 5);
wait_for(sub { $server->asked() > $before }, 40, 'a fetch');
$server->keys(Warren::JWT::jwks($one, $two, Warren::JWT->ec(kid => 'x')));
$nginx->reload();
$server->hold(0);
is(statuses(@waiting), '401: 5', 'who waits during a reload is answered');
$nginx->wait_for_old(40);
pass('and the old processes leave');
$nginx->quit();


# patience, the time to live, and the cache

$nginx->{vars}{URL} = "gateway_jwt_key_url $url cooldown=100ms ttl=1s"
                      . " wait=100ms cache=$dir/cache.json;";
$server->keys(Warren::JWT::jwks($one))->hold(1);
$nginx->write_conf($frame);
$nginx->start();

like(ask($anna), qr/\A503 the keys of tokens are not known\z/,
     'without any keys a token cannot be judged');
$answer = $nginx->get('/page', Warren::JWT::bearer($anna));
is($answer->{json}{type}, 'urn:warren:error:unavailable', 'as a problem');
is($nginx->get('/page')->{status}, 401, 'no token is refused all the same');
$server->hold(0);
ok(wait_for(sub { ask($anna) eq '200 anna' }, 40, 'keys'),
   'until they have come');

$server->keys(Warren::JWT::jwks($two));
ok(wait_for(sub { ask($anna) eq '401 no key fits the token' }, 40, 'a ttl'),
   'a key is forgotten when its time is over and it is no longer there');
is(ask($bob), '200 bob', 'for a new one');
is(slurp("$dir/cache.json"), Warren::JWT::jwks($two), 'they are in the cache');
is(join(' ', glob "$dir/cache.json.*"), '', 'and nothing else is left');

$nginx->quit();
$server->stop();
$nginx->start();
is(ask($bob), '200 bob', 'after a start without a source the cache is used');
$nginx->quit();

spew("$dir/cache.json", '{"keys":');
my ($is_valid, $output) = $nginx->test();
ok($is_valid, 'a broken cache is no reason not to start');
like($output, qr/\[warn\].*the cache is not used: .*not valid JSON/,
     'and told');
unlink "$dir/cache.json";
$server->start()->keys(Warren::JWT::jwks($two));
mkdir "$dir/cache.json";
$nginx->start();
ok(wait_for(sub { ask($bob) eq '200 bob' }, 40, 'keys'),
   'a cache that cannot be written does no harm');
told(qr/keys are not cached: "\S+cache\.json" cannot be written/,
     'and is told');


# too many that wait, and a process that is killed while it fetches

rmdir "$dir/cache.json";
$nginx->quit();
$nginx->{workers} = 1;
$nginx->{vars}{URL} = "gateway_jwt_key_url $url cooldown=100ms ttl=1d"
                      . ' wait=40s;';
$server->keys(Warren::JWT::jwks($one))->hold(1);
$nginx->write_conf($frame);
$before = $server->asked();
$nginx->start();
@waiting = ask_at_once($anna, 300);
told(qr/token not judged: too many tokens wait for keys/,
     'there is an end to how many may wait');
wait_for(sub { $server->asked() > $before }, 40, 'a fetch');
is($nginx->get('/page', Warren::JWT::bearer($anna))->{json}{type},
   'urn:warren:error:overloaded', 'the others are told at once');

my ($worker) = $nginx->workers();
kill 'KILL', $worker;
$server->hold(0);
ok(wait_for(sub { ask($anna) eq '200 anna' }, 40, 'keys'),
   'a lease ends with the process that holds it');
close $_ for @waiting;

$before = $server->asked();
@waiting = ask_at_once($anna, 300);
is(statuses(@waiting), '200: 300', 'many who need not wait do not');

rested();
$server->hold(1);
my $many = too_many();
@waiting = ask_at_once($three->token({}), 300);
ok(wait_for(sub { too_many() == $many + 44 }, 40, 'an end'),
   'again there is an end');
$server->hold(0);
is(statuses(@waiting), '401: 256, 503: 44', 'for those beyond');

my ($fetches) = $nginx->get('/metrics')->{body}
                =~ /^gateway_jwt_key_fetches_total (\d+)/m;
cmp_ok($fetches // 0, '>=', 2, 'fetches are counted');


# TLS and names are for a server of nginx's, on a socket

$nginx->quit();
$server->keys(Warren::JWT::jwks($two));
$nginx->{vars}{URL} = "gateway_jwt_key_url http://unix:$dir/jwks.sock:/a/b"
                      . ' ttl=1s cooldown=100ms;';
$nginx->{vars}{MORE} = "server { listen unix:$dir/jwks.sock; location / {"
                       . " proxy_pass http://127.0.0.1:" . $server->port()
                       . '; } }';
$nginx->write_conf($frame);
$nginx->start();
ok(wait_for(sub { ask($bob) eq '200 bob' }, 40, 'keys'),
   'keys come through a socket');
like($server->request(), qr{\AGET /a/b HTTP}, 'from the path that is named');


# what nginx -t refuses

sub is_refused {
    my ($text, $pattern, $name, $more) = @_;

    $nginx->{vars}{URL} = "gateway_jwt_key_url $text;";
    $nginx->{vars}{MORE} = $more // '';
    my ($is_valid, $output) = $nginx->test($frame);
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and the mend is told');
}

my $good = 'http://127.0.0.1:1/keys';
is_refused('https://auth.example.com/keys',
           qr/TLS is for an nginx server with "proxy_pass .* in \S+conf:5$/m,
           'https');
is_refused('127.0.0.1/keys', qr/invalid URL .* write it as http/, 'no scheme');
is_refused('http://', qr/invalid URL/, 'no host');
is_refused('http:///keys', qr/no host in "http/, 'an empty host');
is_refused('http://nobody.invalid/keys', qr/host not found .*nginx server/,
           'a name that does not resolve');
is_refused('http://127.0.0.1:99999/', qr/invalid port/, 'a port out of range');
is_refused('"http://127.0.0.1/a b"', qr/no blanks, variables/, 'a blank');
is_refused('http://127.0.0.1/$x', qr/no blanks, variables/, 'a variable');
is_refused("$good tls=1", qr/unknown parameter "tls=1", it must be ttl/,
           'an unknown parameter');
is_refused("$good ttl=$_", qr/invalid "ttl=\Q$_\E", it must be a time of/,
           "a ttl of $_") for qw(0 10ms x 2d);
is_refused("$good wait=1w", qr/invalid "wait=1w"/, 'a long wait');
is_refused("$good ttl=1s cooldown=2s", qr/"cooldown" is longer than "ttl"/,
           'a long cooldown');
is_refused("$good; gateway_jwt_key_file x", qr/one file or one URL/,
           'a file as well');
is_refused("$good; gateway_jwt_algorithms HS256",
           qr/allows none of public keys, and only those come from/,
           'secrets only');
is_refused($good, qr/has other parameters than in \S+conf:5, make/,
           'the same with other parameters',
           "server { listen 127.0.0.1:1; gateway_jwt_key_url $good ttl=7s; }");

done_testing();
