#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests that what can be called, configured or set is told somewhere.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Lint qw(
    clean matching undocumented_functions directives settings untold unshown
);


# each rule finds what it is for

is_deeply([undocumented_functions('a.h', "int a(void);\n")],
          ['a.h:1: a() has no comment'], 'a function without a word is seen');
is_deeply([undocumented_functions('a.h', "/* Does. */\n\nint a(void);\n")],
          ['a.h:3: a() has no comment'],
          'a comment that stands apart does not count');
is_deeply([undocumented_functions(
    'a.h', "/*\n * Both do.\n *\n * Really.\n */\nint a(void);\n"
           . "struct x *b(int c,\n    int d);\n")], [],
          'a comment may be about several functions');

is_deeply([directives('a.c', "static ngx_command_t  x[] = {\n"
                             . "    { ngx_string(\"gateway_x\"),\n};\n"
                             . "f(ngx_string(\"no\"));\n")],
          [['a.c:2', 'gateway_x']], 'directives are found in their table');
is_deeply([settings('a.c', "    { \"a.b\", WR_SETTING_INT, \"1\", false,\n")],
          [['a.c:1', 'a.b']], 'settings are found in their table');

my $page = "### x\n\n| | |\n|---|---|\n| Syntax | `x SIZE` |\n"
           . "| Default | none |\n| Context | `http` |\n\n    x 1m;\n\n";

is_deeply([untold('x', "$page### y\n")], [], 'a page may have all there is');
is_deeply([untold('y', $page)], ['y has no heading'], 'or not be there');
is_deeply([map { untold('x', $page =~ s/^\| $_.*\n//mr) }
           qw(Default Context)],
          ['x has no Default', 'x has no Context'], 'or lack a row');
is_deeply([untold('x', $page =~ s/`x SIZE`/`y SIZE`/r)],
          ['x is not in its syntax'], 'or be about something else');
is_deeply([untold('x', ($page =~ s/    x 1m;//r) . "### y\n\n    x 1m;\n")],
          ['x has no example'], 'or have its example elsewhere');
is_deeply([unshown("a { b 1; } # d\n#c 1;\nx_e 1; e_x 2;\n", qw(a b c d e))],
          [qw(c d e)], 'what is only in comments is not shown');


# the tree

is(join("\n", clean(\&undocumented_functions,
                    qr{\A(?:shared|workers|ngx_gateway_module)/.*\.h\z})),
   '', 'each function in a header has a comment directly above');

my $readmes = join "\n", values %{{
    matching(qr{\Angx_gateway_module/(?:http/)?README\.md\z})
}};
my %module = matching(qr{\Angx_gateway_module/http/.*\.c\z});
my @directives = map { directives($_, $module{$_}) } sort keys %module;

ok(scalar(@directives), 'there are directives');
my %name = map { $_->[1] => 1 } @directives;
my %conf = matching(qr{\Angx_gateway_module/conf/nginx\.conf\z});

is(join("\n", map { untold($_, $readmes) } sort keys %name), '',
   'each directive has a page in the README with all there is to it');
is(join("\n", unshown(join('', values %conf), sort keys %name)), '',
   'the annotated example has every directive');

my %code = matching(qr{\A(?:shared|workers)/.*\.c\z});
my %readme = matching(qr{\A(?:shared|workers)/(?:\w+/)?README\.md\z});
my @missing;
my $count = 0;

for my $path (sort keys %code) {
    my ($folder) = $path =~ m{\A(.*)/};

    for my $setting (settings($path, $code{$path})) {
        $count++;
        my @told = map { $readme{$_} // '' } "$folder/README.md",
                   'shared/README.md', 'workers/README.md';

        push @missing, "$setting->[0]: $setting->[1] is in no README"
            if "@told" !~ /`[^`]*(?<![\w.])\Q$setting->[1]\E(?![\w.])/;
    }
}

ok($count, 'there are settings');
is(join("\n", @missing), '', 'each setting is in a README');

done_testing();
