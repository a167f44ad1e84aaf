#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Commands: a request is answered as soon as the broker has what it asks for,
# and a worker acts on it later, once.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time);

use lib 't/lib', 't/30-worker';
use Echo;
use Warren::AMQP;
use Warren::FakeBroker;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Test qw(wait_for spew tempdir);


my $uuid = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('route-send');
my $secret = spew(tempdir() . '/secret', $rabbit->user('gateway', $vhost));


sub conf {
    my ($broker, $locations) = @_;

    return <<"END";
%%GLOBALS%%
events { worker_connections 256; }
http {
    %%HTTP%%
    client_body_buffer_size 16k;
    gateway_zone gateway:1m;
    gateway_broker shop {
        url $broker;
        password_file $secret;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        gateway_timeout 8s;
        $locations
        location = /metrics { gateway_metrics; }
    }
}
END
}


# what travels, and what the client is told

my $amqp = Warren::AMQP->connect(url => $rabbit->url('gateway', $vhost));
$amqp->declare_exchange($_, 'direct') for qw(rpc replies commands);
$amqp->declare_queue('commands.catalog', durable => 1);
$amqp->bind('commands.catalog', 'commands', 'catalog');
$amqp->declare_queue('commands.full', durable => 1, arguments => {
    'x-max-length' => 1, 'x-overflow' => 'reject-publish'
});
$amqp->bind('commands.full', 'commands', 'full');

my $nginx = Warren::Nginx->new(
    conf => conf('amqp://gateway@127.0.0.1:' . $rabbit->port() . "/$vhost",
                 <<'END'))->start();
        location = /imports {
            gateway_route POST,PUT send catalog import_products;
            gateway_route call catalog list_imports;
            gateway_arg dry $arg_dry;
            gateway_idempotency on anonymous;
        }
        location ~ ^/places/([\s\S]*)$ {
            gateway_route POST send catalog import_products;
            gateway_location /imports/$gateway_message_id?at=$1;
        }
        location = /nobody { gateway_route POST send nobody do; }
        location = /full { gateway_route POST send full do; }
END

my $before = time();
my $r = $nginx->post('/imports?dry=1', '{"file":"a"}', 'X-Request-Id' => 'me');

is($r->{status}, 202, 'a command is accepted') or diag($r->{raw});
like($r->{body}, qr/\A\{"id":"$uuid"\}\z/, 'the answer tells its id');
is($r->{headers}{'content-type'}, 'application/json', 'as JSON');
is($r->{headers}{location}, undef, 'and no place that nobody named');
is($r->{headers}{'x-request-id'}, 'me', 'and the request id');

my $message = $amqp->get('commands.catalog', no_ack => 1);
my $props = $message->{properties};

is($message->{body}, '{"file":"a"}', 'its body arrives as it is');
is($message->{exchange}, 'commands', 'it goes to the exchange of commands');
is($message->{routing_key}, 'catalog', 'its routing key is the service');
is($props->{type}, 'import_products', 'its type is the method');
is($props->{message_id}, $r->{json}{id}, 'its id is the one that was told');
is($props->{delivery_mode}, 2, 'it is persistent');
is($props->{user_id}, 'gateway', 'it names the broker user');
is($props->{expiration}, undef, 'it never expires');
is($props->{reply_to}, undef, 'nobody replies to it');
is($props->{headers}{'x-deadline'}, undef, 'it has no deadline');
is($props->{headers}{'x-request-id'}, 'me', 'it names the request');
is($props->{headers}{'x-arg-dry'}, '1', 'it has its arguments');
like($props->{headers}{traceparent}, qr/^00-/, 'it belongs to a trace');
cmp_ok($props->{timestamp}, '>=', int $before, 'it tells when it was sent');

my $large = join '', map { chr 33 + $_ * 7 % 90 } 1 .. 300_000;
is($nginx->request('PUT', '/imports', $large)->{status}, 202,
   'a large command from a file is accepted');
ok($amqp->get('commands.catalog', no_ack => 1)->{body} eq $large,
   'and arrives as it is');

$r = $nginx->post('/places/here', '{}');
is($r->{headers}{location}, "/imports/$r->{json}{id}?at=here",
   'a route may name where the command is followed');
$r = $nginx->post('/places/a%0d%0aSet-Cookie:%20a=b%C3%A9', '{}');
is($r->{headers}{location},
   "/imports/$r->{json}{id}?at=a%0D%0ASet-Cookie:%20a=b%C3%A9",
   'what a client writes into it splits no answer');
is($r->{headers}{'set-cookie'}, undef, 'and adds no header');
$amqp->get('commands.catalog', no_ack => 1) for 1 .. 2;

$r = $nginx->post('/nobody', '{}');
is($r->{status}, 503, 'a command that nobody takes is refused');
is($r->{json}{type}, 'urn:warren:error:no_route', 'as such');

is($nginx->post('/full', '{}')->{status}, 202, 'a queue takes what it can');
$r = $nginx->post('/full', '{}');
is($r->{status}, 503, 'a command for a full queue is refused');
is($r->{json}{type}, 'urn:warren:error:overloaded', 'as such');
is($r->{headers}{'retry-after'}, '1', 'for later');

my $key = $nginx->post('/imports', '{}', 'Idempotency-Key' => 'k')->{json}{id};
is($nginx->post('/imports', '{}', 'Idempotency-Key' => 'k')->{json}{id}, $key,
   'a repeated key is told the same id');
isnt($nginx->post('/imports', '{}', 'Idempotency-Key' => 'l')->{json}{id},
     $key, 'and another key another one');
is($amqp->get('commands.catalog', no_ack => 1)->{properties}{message_id}, $key,
   'which the message has');

my $metrics = $nginx->get('/metrics')->{body};
like($metrics, qr/^gateway_route_requests_total\{route="\/imports
                  \ catalog\.import_products",outcome="2xx"\}\ 5$/mx,
     'commands are counted as what they became');
like($metrics, qr/^gateway_inflight 0$/m, 'and none is left in flight');
$nginx->stop();


# a broker that does what the test says

my $broker = Warren::FakeBroker->new();

$nginx = Warren::Nginx->new(
    conf => conf('amqp://gateway@127.0.0.1:' . $broker->port() . '/v', <<'END')
        location = /echo {
            gateway_route POST send echo note;
            gateway_route call echo echo;
        }
        location = /short {
            gateway_route POST send echo note;
            gateway_timeout 300ms;
        }
END
)->start();

$broker->accept()->handshake();


sub send_one {
    my ($path, $method) = @_;

    my $client = $nginx->http();
    my $body = ($method // 'POST') eq 'POST' ? "Content-Length: 2\r\n" : '';

    return $client->open()->send(
        ($method // 'POST') . " $path HTTP/1.1\r\nHost: a\r\n"
        . "Connection: close\r\n$body\r\n" . ($body ? '{}' : '')
    );
}


sub told {
    my ($client) = @_;

    my $answer = $client->answer();
    my ($error) = ($answer->{json}{type} // '') =~ /([a-z_]+)\z/;

    return "$answer->{status} " . ($error // 'accepted');
}


my $client = send_one('/echo');
my $command = $broker->expect('basic.publish');
ok(!$client->is_closed(0.2), 'nothing is told before the confirm');
$broker->ack($command);
is(told($client), '202 accepted', 'and then that it is accepted');
$client = send_one('/echo');
$command = $broker->expect('basic.publish');
$broker->reply($command, 200, '{"forged":1}');
$broker->return_call($command)->ack($command);
is(told($client), '503 no_route',
   'what says it is a reply to a command is not believed');

my @clients = map { send_one('/echo', $_ % 2 ? 'POST' : 'GET') } 1 .. 6;
my %published = map { $_->{tag} => $_ }
                map { $broker->expect('basic.publish') } 1 .. 6;
my ($last) = sort { $b <=> $a } keys %published;
$broker->send('basic.ack', delivery_tag => $last, multiple => 1);
is(join(', ', map { told($clients[$_]) } 0, 2, 4),
   '202 accepted, 202 accepted, 202 accepted',
   'one confirm is that of all commands before it');
$broker->reply($_, 200, '{}')
    for grep { $_->{exchange} eq 'rpc' } values %published;
is(join(', ', map { $clients[$_]->answer()->{body} } 1, 3, 5), '{}, {}, {}',
   'and calls among them go on waiting for their replies');

@clients = map { send_one('/echo') } 1 .. 3;
my @sent = map { $broker->expect('basic.publish') } 1 .. 3;
$broker->nack($sent[2])->ack($sent[1])->nack($sent[0]);
my %told;
$told{ told($_) }++ for @clients;
is_deeply(\%told, { '503 overloaded' => 2, '202 accepted' => 1 },
          'confirms in another order find their commands');

$client = send_one('/short');
my $late = $broker->expect('basic.publish');
is(told($client), '504 timeout', 'a confirm that does not come is not known');
$broker->ack($late);
$client = send_one('/echo');
$command = $broker->expect('basic.publish');
$broker->ack($command);
is(told($client), '202 accepted', 'and coming late it harms nobody');

$client = send_one('/echo');
$late = $broker->expect('basic.publish');
$client->close();
wait_for(sub { $nginx->get('/metrics')->{body}
                   =~ /^gateway_clients_gone_total 1$/m }, 10, 'the client');
$broker->ack($late);
ok(1, 'nor does one whose client has left');

$client = send_one('/echo');
$broker->expect('basic.publish');
$broker->drop(reset => 1);
my $answer = $client->answer();
is($answer->{status}, 502, 'a broker lost before its confirm is told');
is($answer->{json}{type}, 'urn:warren:error:interrupted',
   'as what may have happened');
like($answer->{json}{title}, qr/may have run/, 'in words, too');
$nginx->stop();


# a worker acts on it, once

my $echo = Echo->new()->start();

$nginx = Warren::Nginx->new(
    conf => conf('amqp://gateway@127.0.0.1:' . $echo->broker()->port() . '/'
                 . $echo->vhost(), <<'END'))->start();
        location = /notes {
            gateway_route POST send echo note;
            gateway_idempotency required anonymous;
        }
END

my @ids = map {
    my $answer = $nginx->post('/notes', '{"text":"once"}',
                              'Idempotency-Key' => 'first');
    is($answer->{status}, 202, 'a command for a worker is accepted');
    $answer->{json}{id};
} 1 .. 5;
my $second = $nginx->post('/notes', '{"text":"again"}',
                          'Idempotency-Key' => 'second')->{json}{id};

is(scalar(grep { $_ eq $ids[0] } @ids), 5, 'five times as the same one');
wait_for(sub { $echo->sql("select 1 from echo where id = '$second'") }, 40,
         'the last command');
is($echo->sql('select id, text from echo order by text desc'),
   "$ids[0]|once\n$second|again", 'the worker acts once on a repeated command')
    or diag($echo->worker()->log());
is($echo->sql('select count(*) from dead_letter'), '0',
   'and none is set aside');

done_testing();
