#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests that the tree is complete in itself: every folder explains itself,
# nothing is left for later, nothing points to somewhere else, scripts parse.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Lint qw(
    clean tree matching unfinished outside folders_without_readme
);
use Warren::Test qw(spew tempdir source_dir run_command);


my $text = qr{\A(?!LICENSE)};


# each rule finds what it is for

is_deeply([unfinished('a.c', "a\n/* TO" . "DO: b */\n")], ['a.c:2: TO' . 'DO'],
          'what is left for later is seen');
is_deeply([outside('t/a.t', "x\n../../etc/passwd\n")],
          ['t/a.t:2: leaves the tree: ../../etc'],
          'a path that leaves the tree is seen');
is_deeply([outside('t/20/a.t', "../lib/x ../../shared/wire.h\n")], [],
          'a path within the tree is right');
is_deeply([outside('a', 'see /ho' . "me/somebody/x\n")],
          ['a:1: a path of somebody\'s machine: /ho' . 'me/somebody'],
          'a path of a machine is seen');
is_deeply([folders_without_readme('README.md', 'a/README.md', 'a/b/c.c')],
          ['a/b:1: a folder without README.md'],
          'a folder that does not explain itself is seen');

my ($status) = run_command(
    command => ['sh', '-n', spew(tempdir() . '/bad.sh', "if true; then\n")]
);
isnt($status, 0, 'a script that does not parse is seen');


# the tree

is(join("\n", folders_without_readme(tree())), '', 'every folder has a README');
is(join("\n", clean(\&unfinished, $text)), '', 'nothing is left for later');
is(join("\n", clean(\&outside, $text)), '', 'nothing points out of the tree');

my %scripts = matching(
    qr{\A(?:dev|\.ci/run)\z|\.sh\z|/configure\z|\Angx_gateway_module/config\z}
);

for my $path (sort keys %scripts) {
    my ($shell) = $scripts{$path} =~ m{\A#!/bin/(sh|bash)\n};
    my $file = source_dir() . "/$path";
    my ($status, $output) = run_command(
        command => [$shell // 'sh', '-n', $file]
    );
    is($output, '', "$path parses");
    is($status, 0, "$path parses without complaint");

    SKIP: {
        my ($shellcheck) = grep { -x } map { "$_/shellcheck" }
                           split /:/, $ENV{PATH};
        skip 'no shellcheck on this machine', 1 if !$shellcheck || !$shell;

        (undef, $output) = run_command(
            command => [$shellcheck, '-s', $shell, '-S', 'warning', '-f',
                        'gcc', $file]
        );
        is($output, '', "$path passes shellcheck");
    }
}

done_testing();
