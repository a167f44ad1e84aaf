#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests that the harness fails a test file for what its own tests did not see:
# an alert of nginx, a sanitizer's report, a process that remains.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Test qw(
    build_dir free_port is_sanitized run_command slurp source_dir spew tempdir
    wait_for
);


my $count = 0;

my ($status, $output) = run_file('pass("it works");');
is($status, 0, 'a file that leaves nothing behind passes');

($status, $output) = run_file(<<'END');
my $log = spew(tempdir() . '/error.log', "1 [alert] 2#2: open socket #3\n");
Warren::Test::watch_log(path => $log, forbid => qr/\[alert\]/);
pass("it works");
END
isnt($status, 0, 'an alert fails the file');
like($output, qr/error\.log:1: .*open socket #3/, 'the alert is shown');

($status, $output) = run_file(<<'END');
my $log = spew(tempdir() . '/error.log', "1 [alert] 2#2: meant to be\n");
Warren::Test::watch_log(path => $log, forbid => qr/\[alert\]/,
                        allow => [qr/meant to be/]);
pass("it works");
END
is($status, 0, 'an alert that is meant to be there does not');

($status, $output) = run_file(<<'END');
spew(tempdir() . '/sanitizer.1', "==1==ERROR: AddressSanitizer: overflow\n");
pass("it works");
END
isnt($status, 0, 'a sanitizer\'s report fails the file');
like($output, qr/AddressSanitizer: overflow/, 'the report is shown');

($status, $output) = run_file(<<'END');
my $log = spew(tempdir() . '/worker.log', "a.c:1: runtime error: overflow\n");
Warren::Test::watch_log(path => $log);
pass("it works");
END
isnt($status, 0, 'a report within a log fails the file');

my $pid_file = tempdir() . '/pid';
($status, $output) = run_file(<<"END");
Warren::Test::spawn(command => ['sh', '-c',
    'setsid sleep 600 >/dev/null 2>&1 & echo \$! >$pid_file.new;'
    . ' mv $pid_file.new $pid_file']);
wait_for(sub { -s '$pid_file' }, 10, 'its pid');
pass("it works");
END
isnt($status, 0, 'a process that remains fails the file');
like($output, qr/process \d+ remains: sleep 600/, 'the process is shown');

my $pid = slurp($pid_file);
chomp $pid;
ok(!-e "/proc/$pid" || slurp("/proc/$pid/stat") =~ /\) Z /,
   'the process is ended');

# one that has a pipe of prove's would keep it waiting
unlink $pid_file;
($status, $output) = run_file(<<"END");
if (!fork()) {
    pipe my \$reader, my \$writer;
    Warren::Test::spew('$pid_file', \$\$);
    <\$reader>;
}
wait_for(sub { -s '$pid_file' }, 10, 'its pid');
die "half-way\n";
END
isnt($status, 0, 'a copy of a test that remains fails the file');
like($output, qr/process \d+ remains/, 'it is shown');
$pid = slurp($pid_file);
ok(!-e "/proc/$pid" || slurp("/proc/$pid/stat") =~ /\) Z /, 'and ended');

($status, $output) = run_file(<<'END');
my $ready = tempdir() . '/ready';
my $pid = Warren::Test::spawn(command => ['sh', '-c',
    "trap '' TERM; touch $ready; while :; do sleep 1; done"]);
wait_for(sub { -e $ready }, 10, 'its trap');
Warren::Test::stop_process($pid, 'TERM', 0.2, 'stubborn');
pass("it works");
END
isnt($status, 0, 'a process that does not end when it is told fails the file');
like($output, qr/stubborn did not end within/, 'it is named');

($status, $output) = run_file('Warren::Test::wait_for(sub { 0 }, 0.1, "x");');
isnt($status, 0, 'waiting without end fails the file');
like($output, qr/waited [0-9.]+ s for x/, 'what was waited for is named');

my %ports = map { $_ => 1 } map { free_port() } 1 .. 50;
is(scalar(keys %ports), 50, 'ports are given once');

SKIP: {
    skip 'this build has no sanitizers', 2 if !is_sanitized();

    my $program = tempdir() . '/leak';
    spew("$program.c", "#include <stdlib.h>\n"
                       . "char *p;\n"
                       . "int main(void)\n{\n    p = malloc(8);\n"
                       . "    p = NULL;\n    return 0;\n}\n");
    run_command(command => ['gcc', '-g', '-fsanitize=address', '-o', $program,
                            "$program.c"]);

    ($status, $output) = run_file(<<"END");
Warren::Test::run_command(command => ['$program'],
    environment => { Warren::Test::sanitizer_environment() });
pass("it works");
END
    isnt($status, 0, 'a leak fails the file');
    like($output, qr/LeakSanitizer/, 'the leak is shown');
}

done_testing();


# Runs a test file of these lines; (status, output).
sub run_file {
    my ($lines) = @_;

    my $lib = source_dir() . '/t/lib';
    my $file = spew(tempdir() . '/file' . ++$count . '.t', <<"END");
use strict;
use warnings;
use Test::More;
use lib '$lib';
use Warren::Test;
$lines
done_testing();
END

    return run_command(
        command => [$^X, $file],
        environment => {
            WARREN_TEST_DIR => tempdir("inner-$count"),
            WARREN_BUILD => build_dir()
        }
    );
}
