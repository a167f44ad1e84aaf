#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# What nginx -t refuses of commands, keys and bounds of calls, and how it says
# so.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Nginx;
use Warren::Test qw(spew tempdir);


my $secret = spew(tempdir() . '/secret', "guest\n");
my $nginx = Warren::Nginx->new(conf => "%%GLOBALS%%\nevents {}\n");
my $send = 'gateway_route POST send catalog import;';
my $call = 'gateway_route POST call orders create_order;';


sub try {
    my ($location, $server) = @_;

    return $nginx->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_broker shop { url amqp://g\@127.0.0.1/; password_file $secret; }
    gateway_broker small {
        url amqp://g\@127.0.0.1/; password_file $secret; max_inflight 1;
    }
    server {
        listen 127.0.0.1:%%PORT%%;
        @{[ $server // '' ]}
        gateway_use shop;
        location / { $location }
    }
}
END
}


my @refused = (
    ['gateway_route send catalog import;',
     qr/GET and HEAD must not send a command.* "gateway_route POST send/,
     'a command without a method'],
    ['gateway_route POST,HEAD send catalog import;',
     qr/GET and HEAD must not send a command/, 'a command by HEAD'],
    ["$call gateway_location /a;",
     qr/gateway_location tells .* add a "gateway_route METHOD send/,
     'a place to follow what is no command'],
    ['gateway_location /a;', qr/gateway_location tells/,
     'a place to follow nothing'],
    ["$send gateway_location '';", qr/must not be empty, write it as/,
     'an empty place'],
    ["$send gateway_location /a; gateway_location /b;", qr/is duplicate/,
     'two places'],
    ["$send gateway_location /\$no_such_thing;",
     qr/unknown "no_such_thing" variable/, 'a place of nothing known'],
    ["$call gateway_idempotency maybe;",
     qr/invalid value "maybe", write "gateway_idempotency off", "on/,
     'keys that are neither on nor off'],
    ["$call gateway_idempotency off anonymous;",
     qr/invalid value "anonymous"/, 'strangers\' keys where keys are off'],
    ["$call gateway_idempotency required everybody;",
     qr/invalid value "everybody", write/, 'somebody else\'s keys'],
    ["$call gateway_idempotency on; gateway_idempotency off;",
     qr/is duplicate/, 'keys on and off'],
    ["$call gateway_max_inflight 0;",
     qr/invalid value "0", use a number from 1, or "off"/, 'no place at all'],
    ["$call gateway_max_inflight many;", qr/invalid value "many"/,
     'places that are no number'],
    ["$call gateway_max_inflight 1; gateway_max_inflight 2;",
     qr/is duplicate/, 'places named twice'],
    ["$call gateway_etag strong;", qr/invalid value "strong"/,
     'a kind of ETag that is not there'],
    ['gateway_part a;', qr/invalid number of arguments/,
     'a part without a service'],
    ['gateway_part a users;',
     qr/write "gateway_part NAME SERVICE METHOD \[optional\]/,
     'a part without a method'],
    ['gateway_part a/b users get;', qr/invalid name of a part "a\/b", use/,
     'a part whose name needs quotes'],
    ['gateway_part missing users get;',
     qr/and not "missing", which tells what is not there/,
     'a part that is called as what is not there'],
    ['gateway_part ' . 'x' x 65 . ' users get;', qr/invalid name of a part/,
     'a part with a name that is too long'],
    ['gateway_part a users get; gateway_part a users list;',
     qr/duplicate part "a", the other one is in \S+:\d+/,
     'two parts of one name'],
    ['gateway_part a us.ers get;', qr/invalid name "us\.ers"/,
     'a part of a service with a dot'],
    ['gateway_part a users get maybe;',
     qr/invalid parameter "maybe", use "optional" and "arg=NAME:VALUE"/,
     'a part that is maybe there'],
    ['gateway_part a users get arg=id;', qr/invalid parameter "arg=id"/,
     'an argument without a value'],
    ['gateway_part a users get arg=Id:1;',
     qr/invalid name of an argument "Id"/, 'an argument in upper case'],
    ['gateway_part a users get arg=id:1 arg=id:2;',
     qr/duplicate argument "id"/, 'an argument named twice'],
    ['gateway_route call users get; gateway_part a users get;',
     qr/a route of the same method is in \S+:\d+, keep one of them/,
     'parts beside a route for GET'],
    [join(' ', map { "gateway_part p$_ users get;" } 1 .. 33),
     qr/more than 32 parts of one answer/, 'too many parts'],
    ['gateway_use small; gateway_part a users get; gateway_part b users get;',
     qr/there are more parts than "max_inflight" of broker "small"/,
     'more parts than there are places'],
);

for my $case (@refused) {
    my ($text, $expected, $what) = @$case;

    my ($is_valid, $output) = try($text);
    ok(!$is_valid, "$what is refused");
    like($output, $expected, 'with the reason');
    like($output, qr/(?:in \S+test\.conf:\d+|unknown ".*" variable)/,
         'and its place');
}

for my $good (
    "$send gateway_location /a/\$gateway_message_id?b=\$arg_b;",
    "$send $call" =~ s/POST call/PUT call/r . ' gateway_location /a;',
    "$send gateway_location /a; if (\$arg_a) { gateway_location /b; }",
    "$call gateway_idempotency required;",
    "$call gateway_idempotency required anonymous;",
    "$call gateway_idempotency off;",
    "$call gateway_max_inflight 100;",
    "$call gateway_etag weak;",
    'gateway_max_inflight off;',
    "$call gateway_part a users get; gateway_part b users get optional"
        . ' arg=id:$arg_id arg=b:;',
    "$call if (\$arg_a) { gateway_part a users get; }",
    join(' ', map { "gateway_part p$_ users get;" } 1 .. 32)
)
{
    my ($is_valid, $output) = try($good);
    ok($is_valid, "$good is valid") or diag($output);
}

done_testing();
