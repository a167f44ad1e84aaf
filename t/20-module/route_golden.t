#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# The golden messages of t/data: the gateway writes these calls and takes these
# replies.

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use lib 't/lib';
use Warren::AMQP qw(typed);
use Warren::FakeBroker;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test qw(slurp spew tempdir source_dir);


my $json = JSON::PP->new()->utf8()->canonical();

# texts as bytes, as they travel
my %golden = map {
    m{([^/]+)\.json\z}; $1 => bytes($json->decode(slurp($_)))
} glob source_dir() . '/t/data/*.json';

my @calls = grep { /\Acall_/ } sort keys %golden;
my @replies = grep { /\Areply_/ } sort keys %golden;

is(@calls + @replies, keys %golden, 'every golden message is of a known kind');


for my $name (@calls, @replies) {
    my $golden = $golden{$name};

    for my $path (sort keys %{ $golden->{patterns} }) {
        like("${ place($golden, $path) }", qr/$golden->{patterns}{$path}/,
             "$name: $path stands for what varies");
    }
}


sub bytes {
    my ($value) = @_;

    if (ref $value eq 'HASH') {
        return { map { $_ => bytes($value->{$_}) } keys %$value };
    }

    return [map { bytes($_) } @$value] if ref $value eq 'ARRAY';

    utf8::encode($value) if defined $value && is_text($value);

    return $value;
}


sub is_text {
    my ($value) = @_;
    return $json->encode([$value]) =~ /\A\["/;
}


# a value by its path, as "headers.x-deadline"
sub place {
    my ($message, $path) = @_;

    my ($first, $rest) = split /\./, $path, 2;

    return defined $rest ? \$message->{$first}{$rest} : \$message->{$first};
}


# Compares what was sent with a golden message, member by member.
sub message_is {
    my ($got, $golden, $what) = @_;

    my %want = map { $_ => $golden->{$_} }
               qw(exchange routing_key properties headers body);

    for my $path (sort keys %{ $golden->{patterns} }) {
        my $value = place($got, $path);
        my $example = ${ place(\%want, $path) };

        # a number must be a number all the same
        my $is_alike = defined $$value && is_text($$value) == is_text($example);

        like($$value // '', qr/$golden->{patterns}{$path}/, "$what: $path");
        $$value = $example if $is_alike;
    }

    is($json->encode($got), $json->encode(\%want), "$what is as it is told");
}


my $broker = Warren::FakeBroker->new();
my $dir = tempdir();
my $secret = spew("$dir/secret", 'secret', 0644);
my $key = Warren::JWT->ec(kid => 'key');
spew("$dir/keys.json", Warren::JWT::jwks($key), 0644);

my $locations = join '', map {
    "location = /$_ { @{ $golden{$_}{route} } }\n"
} @calls;

my $nginx = Warren::Nginx->new(conf => <<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop {
        url            amqp://gateway\@127.0.0.1:@{[ $broker->port() ]}/shop;
        password_file  $secret;
    }
    server {
        listen                127.0.0.1:%%PORT%%;
        gateway_jwt_key_file  $dir/keys.json;
        location = /reply_orders { gateway_route call orders any; }
        location = /reply_users { gateway_route call users any; }
        $locations
    }
}
END

$nginx->start();
$broker->accept()->handshake();


# Sends a request without waiting for its answer.
sub send_request {
    my ($method, $path, $body, %headers) = @_;

    $headers{'Content-Length'} = length $body if defined $body;

    return $nginx->http()->open()->send(
        "$method $path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
        . "\r\n" . ($body // '')
    );
}


for my $name (@calls) {
    my $golden = $golden{$name};
    my $request = $golden->{request};
    my %headers = %{ $request->{headers} };

    $headers{Authorization} = 'Bearer ' . $key->token($golden->{claims})
        if $golden->{claims};

    my $client = send_request($request->{method}, "/$name$request->{path}",
                              $request->{body}, %headers);
    my $call = $broker->expect('basic.publish');

    $broker->ack($call);
    $broker->reply($call, 200, '{}');
    is($client->answer()->{status}, 200, "$name is answered");

    ok($call->{mandatory}, 'it must find a queue');

    my %properties = %{ $call->{properties} };
    my $headers = delete $properties{headers};

    message_is(
        {
            exchange => $call->{exchange},
            routing_key => $call->{routing_key},
            properties => \%properties, headers => $headers,
            body => $call->{body}
        },
        $golden, $name
    );
}


# a key makes one id for one person, which is what makes it worth having

is(id('call_post'), id('call_post'), 'the id of a key is always the same');
isnt(id('call_get'), id('call_get'), 'and one without a key never');

sub id {
    my ($name) = @_;

    my $request = $golden{$name}{request};
    my $token = $key->token($golden{$name}{claims});
    my $client = send_request($request->{method}, "/$name", $request->{body},
                              %{ $request->{headers} },
                              Authorization => "Bearer $token");
    my $call = $broker->expect('basic.publish');

    $broker->reply($call, 200, '{}');
    $client->answer();

    return $call->{properties}{message_id};
}


for my $name (@replies) {
    my $golden = $golden{$name};
    my $service = $golden->{properties}{user_id};
    my $client = send_request('GET', "/reply_$service");
    my $call = $broker->expect('basic.publish');
    my $headers = $golden->{headers};

    is($golden->{exchange}, 'replies', "$name goes to the replies");

    $broker->ack($call);
    $broker->send_content(
        'basic.deliver',
        {
            consumer_tag => $broker->said('basic.consume')->{consumer_tag},
            delivery_tag => 1, exchange => $golden->{exchange},
            routing_key => $call->{properties}{reply_to}
        },
        $golden->{body}, %{ $golden->{properties} },
        correlation_id => $call->{properties}{correlation_id},
        headers => {
            map {
                $_ => is_text($headers->{$_}) ? $headers->{$_}
                                              : typed(l => $headers->{$_})
            } keys %$headers
        }
    );

    my $answer = $client->answer();
    my $response = $golden->{response};

    is($answer->{status}, $response->{status}, "$name makes its status");
    is($answer->{body}, $response->{body}, 'and its body');

    for my $header (sort keys %{ $response->{headers} }) {
        is($answer->{headers}{$header}, $response->{headers}{$header},
           defined $response->{headers}{$header} ? "with $header"
                                                 : "without $header");
    }
}

done_testing();
