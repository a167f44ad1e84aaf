package Warren::Test;

# Copyright (C) the Warren authors
#
# What every test needs: a folder of its own, ports asked of the kernel,
# waiting with a deadline, and processes that are gone when the test is.
#
# When a test file ends, whatever it started is stopped, last first; then the
# harness fails the file, whatever its own tests said, if a sanitizer spoke, a
# log has a line that must not be there, or a process remains.

use strict;
use warnings;

use Cwd qw(abs_path);
use Errno qw(ESRCH);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(:sys_wait_h setpgid _exit);
use Test::More ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(
    wait_for free_port slurp spew tempdir build_dir source_dir
);
our @EXPORT_OK = qw(
    spawn alive stop_process run_command at_exit watch_log is_sanitized
    sanitizer_environment sanitizer_preload test_id complain drop_root
);


# All processes of a test file carry this in their environment: what still has
# it at the end is ours and was forgotten.
our $ID = "$$." . int(time() * 1000);

my $owner = $$;
my $dir;
my @at_exit;
my @logs;
my @complaints;
my %children;
my %let_go;
my %ports;

my $sanitizer_words = qr/
    ERROR:\ \w*Sanitizer | runtime\ error: | SUMMARY:\ \w*Sanitizer
/x;


# Calls the sub until it returns something true, and returns that; dies when
# the time is over.  The sub may die: that counts as not yet.
sub wait_for {
    my ($sub, $seconds, $what) = @_;

    $seconds //= 10;
    $seconds *= 3 if is_sanitized();

    my $deadline = time() + $seconds;
    my $pause = 0.005;
    my $error;

    while (1) {
        my $value = eval { $sub->() };
        $error = $@;

        return $value if $value;

        last if time() >= $deadline;

        sleep($pause);
        $pause = $pause * 1.5 if $pause < 0.1;
    }

    $what //= 'condition';
    $error = $error ? ": $error" : '';
    $error =~ s/\s+\z//;

    my (undef, $file, $line) = caller();
    die "waited $seconds s for $what at $file line $line$error\n";
}


# A TCP port of the loopback that is free now; never the same twice in a file.
# It is none of those that the kernel gives to clients, one of which might have
# it before the server that it is for.
sub free_port {
    my ($end) = slurp('/proc/sys/net/ipv4/ip_local_port_range') =~ /^(\d+)/;
    my $begin = 10000;

    die "clients have all ports from $end\n" if $end < $begin + 1000;

    for (1 .. 1000) {
        my $port = $begin + int rand $end - $begin;
        next if $ports{$port}++;

        return $port if IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
            Listen => 1
        );
    }

    die "no free port\n";
}


sub slurp {
    my ($path) = @_;

    open my $file, '<:raw', $path or die "$path: $!\n";
    local $/;
    my $text = <$file>;

    return $text // '';
}


sub spew {
    my ($path, $text, $mode) = @_;

    open my $file, '>:raw', $path or die "$path: $!\n";
    chmod $mode, $path if defined $mode;
    print $file $text or die "$path: $!\n";
    close $file or die "$path: $!\n";

    return $path;
}


# The folder of this test file.  It is removed if the test passed; kept, and
# named, if it failed.  With a name: a folder in it.
sub tempdir {
    my ($name) = @_;

    if (!defined $dir) {
        my $base = $ENV{WARREN_TEST_DIR} // '/tmp';
        my $subject = $0;
        $subject =~ s{.*/}{};
        $subject =~ s{\W.*}{};

        make_path($base);
        $dir = File::Temp::tempdir("$subject-XXXXXX", DIR => $base);
        chmod 0755, $dir;
    }

    return $dir if !defined $name;

    make_path("$dir/$name");
    return "$dir/$name";
}


sub source_dir {
    return abs_path(dirname(__FILE__) . '/../../..');
}


# Where the programs under test are: WARREN_BUILD, else ./dev's build.
sub build_dir {
    return $ENV{WARREN_BUILD} // source_dir() . '/var/build';
}


sub is_sanitized {
    my $config = build_dir() . '/config.h';

    our $sanitized //=
        -f $config && slurp($config) =~ /^#define WARREN_SANITIZE 1$/m ? 1 : 0;

    return $sanitized;
}


# For the environment of programs under test: reports go to files that the
# harness reads at the end.
sub sanitizer_environment {
    my (%option) = @_;

    return () if !is_sanitized();

    my $path = tempdir() . '/sanitizer';
    my $leaks = $option{leaks} // 1;

    return (
        ASAN_OPTIONS => "log_path=$path:detect_leaks=$leaks:exitcode=86"
                        . ':abort_on_error=0:handle_abort=1',
        UBSAN_OPTIONS => "log_path=$path:print_stacktrace=1",
        LSAN_OPTIONS => 'suppressions=' . source_dir() . '/t/lib/lsan.supp'
                        . ':print_suppressions=0',
    );
}


# LD_PRELOAD for a program that is not sanitized and loads a module that is.
sub sanitizer_preload {
    return () if !is_sanitized();

    my @libraries;

    for my $name ('libasan.so', 'libubsan.so') {
        my $path = `gcc -print-file-name=$name`;
        chomp $path;
        push @libraries, $path;
    }

    return (LD_PRELOAD => join ' ', @libraries);
}


sub test_id { return $ID }


# Runs at the end of the file, last first.
sub at_exit {
    my ($sub) = @_;
    push @at_exit, $sub;
}


# Reads the log at the end; a line that matches fails the file.  Sanitizers are
# looked for in any case.  allow is a list of patterns that are harmless.
sub watch_log {
    my (%option) = @_;

    push @logs, {
        path => $option{path}, forbid => $option{forbid},
        allow => $option{allow} // []
    };
}


# Something that must not be was seen: the file fails at its end.
sub complain {
    push @complaints, @_;
}


# root runs a program as another user: the words to put before the command.
# dir is where the program has its files: if the way there is for root alone,
# the program may pass.
sub drop_root {
    my ($wanted, $dir) = @_;

    return () if $> != 0;

    for my $user ($wanted, 'nobody') {
        my (undef, undef, $uid, $gid) = getpwnam $user;
        next if !defined $uid;

        my @words = ('setpriv', "--reuid=$uid", "--regid=$gid",
                     '--clear-groups');

        if (defined $dir && system(@words, 'test', '-x', $dir) != 0) {
            push @words, '--inh-caps=+dac_override',
                 '--ambient-caps=+dac_override';
        }

        return @words;
    }

    die "no user $wanted and no nobody on this machine\n";
}


# Starts a program as leader of its own process group, with output to a log.
# Environment is added to ours; undef removes.  Returns the pid.
sub spawn {
    my (%option) = @_;

    my @command = @{ $option{command} };
    my $log = $option{log} // tempdir() . '/output.log';

    my $pid = fork();
    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        setpgid(0, 0);

        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log or _exit(127);
        open STDERR, '>&', \*STDOUT or _exit(127);

        # a lock that our caller has open must not live as long as a server
        POSIX::close($_) for 3 .. 255;

        delete @ENV{qw(TEST_ACTIVE TEST_VERBOSE HARNESS_ACTIVE PERL5LIB)};
        $ENV{WARREN_TEST_ID} = $ID if !$option{detached};

        my %environment = %{ $option{environment} // {} };
        for my $name (keys %environment) {
            if (defined $environment{$name}) {
                $ENV{$name} = $environment{$name};

            } else {
                delete $ENV{$name};
            }
        }

        chdir $option{directory} if defined $option{directory};

        no warnings 'exec';
        exec { $command[0] } @command;
        print STDERR "$command[0]: $!\n";
        _exit(127);
    }

    setpgid($pid, $pid);
    $children{$pid} = 1;

    return $pid;
}


# Children that shall outlive this program.
sub let_go {
    my @pids = grep { defined } @_;

    delete @children{@pids};
    @let_go{@pids} = ();
}


# Whether a child still runs; its exit status is kept for stop_process().
sub alive {
    my ($pid) = @_;

    return 0 if !defined $pid;

    if (exists $children{$pid}) {
        return 0 if ref $children{$pid};

        my $got = waitpid $pid, WNOHANG;
        return 1 if $got == 0;

        $children{$pid} = \(my $status = $got == $pid ? $? : -1);
        return 0;
    }

    return kill(0, $pid) ? 1 : 0;
}


# Signals a child, waits, and returns its wait status; a child that does not
# end in time is killed, and the file fails.
sub stop_process {
    my ($pid, $signal, $seconds, $what) = @_;

    return if !defined $pid;

    $signal //= 'TERM';
    $seconds //= 20;
    $what //= "process $pid";

    kill $signal, $pid if alive($pid);

    if (!eval { wait_for(sub { !alive($pid) }, $seconds, $what) }) {
        complain("$what did not end within $seconds s of SIG$signal");
        kill 'KILL', -$pid;
        kill 'KILL', $pid;
        eval { wait_for(sub { !alive($pid) }, 5, $what) };
    }

    return ref $children{$pid} ? ${ $children{$pid} } : undef;
}


# Runs a command to its end.  Returns (status, output), output being standard
# output and error together.
sub run_command {
    my (%option) = ref $_[0] ? (command => @_) : @_;

    our $commands;
    my $log = tempdir() . '/command-' . ++$commands . '.log';
    my $pid = spawn(%option, log => $log);

    if (defined $option{input}) {
        die "run_command has no input\n";
    }

    wait_for(sub { !alive($pid) }, $option{seconds} // 60,
             "@{ $option{command} }");

    my $status = ${ $children{$pid} };
    delete $children{$pid};
    my $output = slurp($log);
    unlink $log;

    return ($status, $output);
}


# Children, and processes with our mark in their environment.
sub remaining {
    my @found;

    for my $path (glob '/proc/[0-9]*') {
        my ($pid) = $path =~ m{(\d+)};
        next if $pid == $$ || exists $let_go{$pid};

        my $stat = eval { slurp("$path/stat") } // next;
        my ($state, $parent) = $stat =~ /\) (\S) (\d+) /;

        # a copy of the test has its environment, not what spawn() adds
        push @found, $pid
            if $state ne 'Z' && ($parent == $$ || is_marked($path));
    }

    return @found;
}


sub is_marked {
    my ($path) = @_;

    open my $file, '<:raw', "$path/environ" or return 0;
    local $/;

    return (<$file> // '') =~ /(?:\A|\0)WARREN_TEST_ID=\Q$ID\E\0/;
}


sub check_logs {
    for my $log (@logs) {
        next if !-f $log->{path};

        open my $file, '<:raw', $log->{path} or next;

        LINE: while (my $line = <$file>) {
            if ($line !~ $sanitizer_words
                && (!$log->{forbid} || $line !~ $log->{forbid}))
            {
                next;
            }

            for my $pattern (@{ $log->{allow} }) {
                next LINE if $line =~ $pattern;
            }

            chomp $line;
            complain("$log->{path}:$.: $line");
        }
    }

    return if !defined $dir;

    for my $path (glob "$dir/sanitizer.*") {
        next if !-s $path;
        my @lines = split /\n/, slurp($path);
        splice @lines, 30 if @lines > 30;
        complain("$path:", @lines);
    }
}


END {
    if ($$ == $owner) {
        my $status = $?;
        local $@;

        # asked twice, it still cleans up once
        $SIG{$_} = sub { } for qw(INT TERM HUP);

        while (my $sub = pop @at_exit) {
            eval { $sub->(); 1 } or complain("clean-up: $@");
        }

        for my $pid (grep { !ref $children{$_} } keys %children) {
            next if !alive($pid);
            kill 'KILL', -$pid;
            waitpid $pid, 0;
        }

        # what was told to end may need a moment
        my @rest = remaining();
        my $deadline = time() + 5;

        while (@rest && time() < $deadline) {
            sleep(0.02);
            @rest = remaining();
        }

        for my $pid (@rest) {
            my $name = eval { slurp("/proc/$pid/cmdline") } // '';
            $name =~ tr/\0/ /;
            complain("process $pid remains: " . substr $name, 0, 100);
            kill 'KILL', $pid;
        }

        check_logs();

        # seen by prove as a failure of the file, whatever its tests said
        if (@complaints) {
            Test::More::diag(join "\n", 'harness:', @complaints);
            $status ||= 1;
        }

        my $is_passing = Test::More->builder()->is_passing();

        if (defined $dir) {
            if ($status == 0 && $is_passing && !$ENV{WARREN_TEST_KEEP}) {
                remove_tree($dir, { error => \my $ignored });

            } else {
                Test::More::diag("logs are in $dir");
            }
        }

        $? = $status;
    }
}


# An interrupted test cleans up as well; so does one that hangs.
$SIG{$_} = sub { exit 130 } for qw(INT TERM HUP);

$SIG{ALRM} = sub {
    complain('the file took too long, see WARREN_TEST_SECONDS');
    exit 124;
};
alarm($ENV{WARREN_TEST_SECONDS} // 900);

$SIG{PIPE} = 'IGNORE';


1;
