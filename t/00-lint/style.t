#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests that the tree is written in one hand.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Lint qw(clean layout functions braces head_comment);


my $c = qr{\.[ch]\z};
my $code = qr{
    \.(?:c|h|def|pm|t|sql|mk|sh)\z | \A(?:dev|\.ci/run|Makefile\.am)\z
  | /(?:servers|config|configure)\z
}x;


# each rule finds what it is for

is_deeply([layout('a.c', "int a;\n")], [], 'a plain line is clean');
is_deeply([layout('a.c', "\tint a;\n")], ['a.c:1: a tab'], 'a tab is seen');
is_deeply([layout('a.c', "int a; \n")], ['a.c:1: trailing blanks'],
          'a trailing blank is seen');
is_deeply([layout('a.c', 'int ' . 'a' x 30 . ', ' . 'b' x 50 . ";\n")],
          ['a.c:1: 87 columns'], 'a long line is seen');
is_deeply([layout('a.c', 'x ' . "\xc3\xa4" x 39 . ' ' . "y" x 38 . "\n")], [],
          'columns are characters, not bytes');
is_deeply([layout('local.mk', "all:\n\ttrue\n")], [],
          'a makefile has its tabs');

my $long = "int\nf(void)\n{\n" . "    a();\n" x 81 . "}\n";
is_deeply([functions('shared/a.c', $long)],
          ['shared/a.c:3: a function of 81 lines'],
          'a function of 81 lines is seen');
is_deeply([functions('ngx_gateway_module/http/a.c', $long)], [],
          'the module may have 120');
is_deeply([functions('a.c', "static int f(void)\n{\n}\n")],
          ['a.c:1: return type and name share a line'],
          'a return type beside its name is seen');
is_deeply([functions('a.c', "int\nf(void)\n{\n}\n\nint\ng(void)\n{\n}\n")],
          ['a.c:4: not two empty lines after a function'],
          'one empty line between functions is seen');
is_deeply([functions('a.c', "int\nf(void)\n{\n}\n\n\nint\ng(void)\n{\n}\n")],
          [], 'two empty lines are right');
is(scalar(functions('shared/a.c', "\n" x 1001 . "x\n")), 1,
   'a file of more than 1000 lines is seen');

is_deeply([braces('a.c', "    if (a)\n        b();\n")], ['a.c:1: no brace'],
          'an if without a brace is seen');
is_deeply([braces('a.c', "    if (a\n        && b(c))\n    {\n")], [],
          'a brace below a long condition is right');
is_deeply([braces('a.c', "    while (a) b();\n")], ['a.c:1: no brace'],
          'a loop on one line is seen');
is_deeply([braces('a.c', "    x();\n    } else {\n")],
          ['a.c:2: no empty line before "} else"'],
          'an else without its empty line is seen');
is_deeply([braces('a.c', "    x(); // why\n")], ['a.c:1: a // comment'],
          'a // comment is seen');
is_deeply([braces('a.c', "    x(\"http://a\"); /* https://b */\n")], [],
          'a URL is no comment');

is_deeply([head_comment('a.c', "/*\n * Nobody\n */\n")],
          ["a.c:1: not a copyright line and the file's duty"],
          'a file without its head is seen');
is_deeply([head_comment('a.t', "#!/bin/sh\n#\n"
                               . "# Copyright (C) the Warren authors\n"
                               . "#\n# Says what.\n")], [],
          'a head may follow the line for the kernel');


# the tree

is(join("\n", clean(\&layout, $code)), '', 'lines are short and clean');
is(join("\n", clean(\&functions, $c)), '',
   'functions are short, two empty lines apart, and types stand alone');
is(join("\n", clean(\&braces, $c)), '', 'braces and comments are nginx\'s');
is(join("\n", clean(\&head_comment,
                    qr{\.(?:c|h|def|pm|t|ac)\z|\A(?:dev|\.ci/run)\z|/servers\z})),
   '', 'each file says whose it is and what for');

done_testing();
