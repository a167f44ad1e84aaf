package Installed;

# Copyright (C) the Warren authors
#
# What was built, installed into a folder of the test's own, as somebody has it
# who writes a worker outside of this tree.
#
#     my %environment = Installed::environment();
#     run_command(command => ['warren', 'new', 'notes'],
#                 environment => \%environment);

use strict;
use warnings;

use Fcntl qw(:flock);
use Test::More ();

use Warren::Test qw(
    build_dir is_sanitized run_command sanitizer_environment slurp spew
    tempdir
);


my $root;


# make install into a folder; what pkg-config says is told where that is.
sub root {
    return $root if defined $root;

    my $stage = tempdir('installed');

    # files of a run may have their turns at once; libtool links again there
    open my $lock, '>', build_dir() . '/install.lock'
        or die "install.lock: $!\n";
    flock($lock, LOCK_EX) or die "install.lock: $!\n";

    my ($status, $output) = run_command(
        command => ['make', '-s', '-C', build_dir(), 'install',
                    "DESTDIR=$stage"],
        environment => { MAKEFLAGS => undef, MAKELEVEL => undef },
        seconds => 300
    );
    close $lock;
    Test::More::BAIL_OUT("make install: $output") if $status != 0;

    my ($prefix) = slurp(build_dir() . '/shared/warren.pc')
                   =~ /^prefix=(.*)$/m;
    $root = "$stage$prefix";

    my $path = "$root/lib/pkgconfig/warren.pc";
    my $text = slurp($path);
    $text =~ s/^prefix=.*/prefix=$root/m;
    spew($path, $text);

    return $root;
}


# The module, wherever nginx wants it.
sub module {
    my ($directory) = slurp(build_dir() . '/Makefile')
                      =~ /^NGINX_MODULES_DIR = (.*)$/m;
    my $path = tempdir('installed') . $directory
               . '/ngx_http_gateway_module.so';

    die "no module at $path\n" if !-f $path;

    return $path;
}


# For commands of such a person.
sub environment {
    my $root = root();
    my $flags = is_sanitized() ? ' -fsanitize=address,undefined' : '';

    return (
        PATH => "$root/bin:$root/sbin:/usr/sbin:$ENV{PATH}",
        PKG_CONFIG_PATH => "$root/lib/pkgconfig",
        WARREN_TEMPLATES => "$root/share/warren/template",
        CFLAGS => "-g -O1$flags", LDFLAGS => $flags,
        MAKEFLAGS => undef, MAKELEVEL => undef,
        WARREN_TEST_DATABASE_URL => undef,
        SQITCH_USER_CONFIG => '/dev/null',
        SQITCH_SYSTEM_CONFIG => '/dev/null',
        SQITCH_FULLNAME => 'The Warren tests',
        SQITCH_EMAIL => 'warren@localhost', LC_ALL => 'C.UTF-8',
        sanitizer_environment()
    );
}


1;
