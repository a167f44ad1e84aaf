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
    server {
        listen 127.0.0.1:%%PORT%%;
        @{[ $server // '' ]}
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
    "$call gateway_idempotency off;"
)
{
    my ($is_valid, $output) = try($good);
    ok($is_valid, "$good is valid") or diag($output);
}

done_testing();
