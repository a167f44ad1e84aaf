#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# The unit for systemd is one that it takes without a word, and that leaves a
# worker few rights.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use Stub;
use Test::More;
use Warren::Test qw(:DEFAULT run_command);


my $dir = tempdir('unit');
my $template = slurp(source_dir() . '/workers/warren@.service.in');

(my $unit = $template) =~ s/\@(?:sbindir|sysconfdir)\@/$dir/g;
$unit =~ s/\@docdir\@/$dir/g;
symlink Stub::program(), "$dir/warren-stub" or die "symlink: $!\n";


sub written {
    my ($text) = @_;

    spew("$dir/warren\@.service", $text, 0644);

    return spew("$dir/warren\@stub.service", $text, 0644);
}


sub analyze {
    my (@words) = @_;

    my ($status, $output) = run_command(
        command => ['systemd-analyze', '--no-pager', @words]
    );

    return ($status >> 8, $output);
}


subtest 'what it says of a worker is so' => sub {
    unlike($unit, qr/\@[a-z]+\@/, 'no place is left open');

    my $stub = Stub->new();
    spew("$dir/stub.conf", slurp($stub->conf()), 0600);
    mkdir "$dir/warren";
    rename "$dir/stub.conf", "$dir/warren/stub.conf";

    my ($start) = $unit =~ /^ExecStart=(.*)$/m;
    my ($check) = $unit =~ /^ExecReload=(.*--check-config)$/m;
    s/%i/stub/g for $start, $check;

    my ($status, $output) = run_command(command => [split / /, $check]);
    is($status, 0, 'its check before a reload works') or diag($output);

    ($status, $output) = run_command(
        command => [split(/ /, $start), '-o', 'lanes=0']
    );
    my ($never) = $unit =~ /^RestartPreventExitStatus=(\d+)$/m;
    is($status >> 8, $never, 'a bad configuration is not tried again');
};


SKIP: {
    skip 'there is no systemd-analyze', 2
        if !grep { -x "$_/systemd-analyze" } split /:/, $ENV{PATH};

    subtest 'systemd takes it' => sub {
        my @verify = ('verify', '--man=no', '--recursive-errors=yes');

        my ($status, $output) = analyze(@verify, written($unit));
        is($status, 0, 'systemd-analyze verify succeeds');
        is($output, '', 'and has nothing to say');

        (my $bad = $unit) =~ s/^Type=notify$/Type=notfy/m;
        (undef, $output) = analyze(@verify, written($bad));
        like($output, qr/notfy/, 'as it has of one with a mistake');
    };


    subtest 'it leaves few rights' => sub {
        my $path = written($unit);
        my ($status, $output) = analyze('security', '--offline=true',
                                        '--threshold=15', $path);

        is($status, 0, 'systemd-analyze security finds little exposed')
            or diag($output);
        like($output, qr/exposure level for \S+: 1\.\d OK/, 'below 1.5 of 10');
    };
}


done_testing();
