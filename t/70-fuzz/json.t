#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Bodies at random as parts of an answer.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;


Fuzz::run(
    target => 'json',
    sources => ['ngx_gateway_module/http/ngx_http_gateway_json.c'],
    seeds => {
        object => '{"a":1,"b":[true,false,null],"c":{"d":"e"}}',
        numbers => '[0,-0,1.5,1e9,-1.5E-9,10]',
        strings => '"\"\\\\\/\b\f\n\r\t\u00e9\ud83d\ude00"',
        utf8 => "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        problem => '{"type":"urn:warren:error:not_found","status":404}',
        injection => '1},"role":"admin","x":{"a":1',
        deep => '[' x 64 . ']' x 64,
        deeper => '{"a":' x 65 . '1' . '}' x 65,
    },
);

done_testing();
