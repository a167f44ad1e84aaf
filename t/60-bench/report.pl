#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Writes the report of what the benches have saved.
#
#     perl -It/lib t/60-bench/report.pl [--png] [DIR]
#
# DIR is where NAME.json are (var/bench), and where report.md and its charts
# go; --png makes charts as PNG too.

use strict;
use warnings;

use Getopt::Long qw(GetOptions);

use Warren::Bench::Report;
use Warren::Test qw(source_dir);


my $usage = "usage: report.pl [--png] [DIR]\n";

GetOptions('png' => \my $png) && @ARGV <= 1 or die $usage;

my $dir = $ARGV[0] // source_dir() . '/var/bench';

die "$dir: no such folder\n$usage" if !-d $dir;

print Warren::Bench::Report->new(dir => $dir, png => $png)->write(), "\n";
