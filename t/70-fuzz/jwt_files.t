#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Answers of a source of keys and files of revoked tokens, at random.

use strict;
use warnings;

use Test::More;

use lib 't/lib', 't/70-fuzz';
use Fuzz;


Fuzz::run(
    target => 'jwt_files',
    sources => [map { "ngx_gateway_module/http/ngx_http_gateway_jwt_$_.c" }
                    qw(answer revoked_set)],
    seeds => {
        plain => "HTTP/1.0 200 OK\r\n\r\n{\"keys\":[]}",
        length => "HTTP/1.1 200\r\nContent-Length:  11 \r\n\r\n{\"keys\":[]}",
        short => "HTTP/1.0 200 OK\nContent-Length: 12\n\n{}",
        lengths => "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n"
                   . "Content-Length: 3\r\n\r\n{} ",
        chunks => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0",
        packed => "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f",
        status => "HTTP/1.0 2000\r\n\r\n",
        huge => "HTTP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        lines => "# x\njti one\r\nsub\t anna b\n\nbefore 100 bob\n",
        one => "sub anna\n",
        doubles => "before 1 a\nsub a\nbefore 2 a\njti a\n",
        cut => "jti one\njti tw",
        time => "before 1234567890123456 a\n",
    },
);

done_testing();
