#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests for the manual pages: that they are installed, can be shown, and say
# what headers and programs say.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Installed;
use Warren::Test qw(build_dir run_command slurp source_dir);


my $root = Installed::root();
my $man = "$root/share/man";


# The text of a page as a reader sees it, with its links followed.
sub page {
    my ($name, $section) = @_;

    my ($status, $text) = run_command(
        command => ['sh', '-c', 'cd "$1" && soelim -r "$2" | groff -t -man '
                    . '-Tascii -P-cbou -ww 2>&1',
                    'sh', $man, "man$section/$name.$section"]
    );
    die "$name($section): $text\n" if $status != 0;

    return $text;
}


# The same without regard to lines and columns.
sub words {
    return join ' ', split ' ', page(@_);
}


# Keys or options that stand first in an entry of a page's source.
sub tagged {
    my ($path, $pattern) = @_;

    my %seen;

    for my $line (split /\n/, slurp($path)) {
        next if $line !~ /^\.B/;
        $line =~ s/\\-/-/g;
        $seen{$1} = 1 while $line =~ /$pattern/g;
    }

    return sort keys %seen;
}


sub output_of {
    my ($program, @arguments) = @_;

    my (undef, $text) = run_command(
        command => [build_dir() . "/$program", @arguments]
    );

    return $text;
}


# every page

my @pages = map { m{man\d/([^/]+)\.(\d)\z} ? [$1, $2] : () }
            glob "$man/man[0-9]/*";

cmp_ok(scalar @pages, '>', 100, 'there is a page for each of many names');

my @bad = grep {
    my $text = page(@$_);
    $text =~ /warning|error:/i && $text =~ /^\S*(?:groff|troff|tbl|\.[0-9]):/m
        || $text !~ /^NAME\b/m
} @pages;

is_deeply([map { "$_->[0]($_->[1])" } @bad], [],
          'each of them can be shown without a warning');


# the library

my ($status, $symbols) = run_command(
    command => ['nm', '-D', '--defined-only', "$root/lib/libwarren.so"]
);
is($status, 0, 'the library is there');

my %page = map { ("$_->[0].$_->[1]" => 1) } @pages;
my @functions = $symbols =~ /^\S+ T (\w+)(?:@\S+)?$/mg;

cmp_ok(scalar @functions, '>', 80, 'and has functions');
is_deeply([grep { !$page{"$_.3"} } @functions], [],
          'each function has a page');

my $text = words('wr_tx_query', 3);

like($text, qr/ NAME wr_tx_exec, wr_tx_add, wr_tx_query/,
     'the page of a function is its header\'s');
like($text, qr/#include <warren\/tx\.h>/, 'which it names');
like($text, qr/struct wr_rows \*wr_tx_query\(struct wr_tx \*tx/,
     'with the prototype');
like($text, qr/wr_tx_query\(\) Queues a statement whose rows will be read/,
     'and what the header says of it');
like(words('libwarren', 3), qr/<warren\/\Q$_\E>/, "libwarren(3) names $_")
    for map { m{([^/]+\.h)\z} } glob "$root/include/warren/*.h";


like(words('wr_json_text', 3), qr/ - JSON, read/, 'an acronym stays one');


# what is installed beside the pages

my $guide = slurp("$root/share/doc/warren/workers/README.md");
my @linked = grep { !/^https?:/ } $guide =~ /\]\(([^)#]+)\)/g;

like($guide, qr/^## A worker of one's own$/m, 'the tutorial is installed');
cmp_ok(scalar @linked, '>', 3, 'it links to more');
is_deeply([grep { !-s "$root/share/doc/warren/workers/$_" } @linked], [],
          'which is there, too');


# configuration

my @services = map { m{/(warren-[a-z]+)\z} } glob "$root/sbin/warren-*";
my %key;

for my $service (@services) {
    my @keys = output_of($service, '--dump-config') =~ /^([a-z_.]+) = /mg;

    cmp_ok(scalar @keys, '>', 15, "$service has settings");
    $key{$_} = 1 for @keys;
    like(page($service, 8), qr/^NAME\s+warren-worker/m,
         "$service has a page");
}

my @told = tagged(source_dir() . '/workers/man/warren.conf.5',
                  qr/^\.B ([a-z]+(?:[._][a-z_]+)*)$/);


is_deeply(\@told, [sort keys %key],
          'warren.conf(5) tells all keys, and no others');


# options

my @options = output_of('warren-orders', '--help') =~ /(--[a-z][a-z-]*)/g;
my %option = map { ($_ => 1) } @options;

is_deeply([tagged(source_dir() . '/workers/man/warren-worker.8',
                  qr/(--[a-z][a-z-]*)/)],
          [sort keys %option],
          'warren-worker(8) tells all options, and no others');

my @commands = output_of('warren', '--help')
               =~ /^  warren ([a-z]+(?: [a-z]+)?)  /mg;
my $synopsis = words('warren', 1);
%option = ();

for my $command (@commands) {
    my ($first, $second) = split / /, $command;

    like($synopsis, $second ? qr/warren $first (?:[a-z]+\|)*$second\b/
                            : qr/warren $first\b/,
         "warren(1) tells of warren $command");
    $option{$_} = 1
        for output_of('warren', split(/ /, $command), '--help')
            =~ /(--[a-z][a-z-]*)/g;
}

delete $option{'--help'};
delete $option{'--topology'};

is_deeply([grep { $_ ne '--topology' }
           tagged(source_dir() . '/workers/man/warren.1',
                  qr/(--[a-z][a-z-]*)/)],
          [sort keys %option],
          'and all of their options, and no others');

done_testing();
