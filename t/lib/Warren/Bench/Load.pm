package Warren::Bench::Load;

# Copyright (C) the Warren authors
#
# Runs the load program and reads what it says.

use strict;
use warnings;

use JSON::PP ();

use Warren::Test qw(alive build_dir slurp spawn tempdir);

my $json = JSON::PP->new()->utf8();
my $count = 0;


# Another program of the same options, for a test.
sub program {
    return $ENV{WARREN_BENCH_LOAD} // build_dir() . '/t/60-bench/load';
}


# port, path; method (GET), body, headers => { name => value }, tokens (a file
# of them, used in turn), connections (1), rate (none: as fast as it goes),
# seconds (1), expect (200, or "200,201"), timeout (10), drain (1: seconds that
# what is in flight has at the end).  Returns what the program measured; dies
# when it could not.
sub load {
    my (%option) = @_;

    my @words = (
        program(), '--port', $option{port}, '--path', $option{path} // '/',
        '--method', $option{method} // 'GET',
        '--connections', $option{connections} // 1,
        '--seconds', $option{seconds} // 1,
        '--expect', $option{expect} // 200,
        '--timeout', $option{timeout} // 10,
        '--drain', $option{drain} // 1,
    );

    push @words, '--rate', $option{rate} if $option{rate};
    push @words, '--tokens', $option{tokens} if defined $option{tokens};

    my $headers = $option{headers} // {};
    push @words, map { ('--header', "$_: $headers->{$_}") }
                 sort keys %$headers;

    push @words, '--body', $option{body}
        if defined $option{body} && $option{body} ne '';

    my $log = tempdir() . '/load-' . ++$count . '.log';
    my $pid = spawn(command => \@words, log => $log);

    # it ends by itself: this waits without looking again and again
    waitpid $pid, 0;
    my $status = $?;
    alive($pid);

    my $output = slurp($log);
    unlink $log;

    my ($line) = $output =~ /^(\{.*\})$/m;
    die "$words[0]: $output\n" if $status != 0 || !defined $line;

    return $json->decode($line);
}


1;
