package Fuzz;

# Copyright (C) the Warren authors
#
# Builds a fuzz target and runs it for a while.
#
#     Fuzz::run(
#         target => 'json', sources => ['ngx_gateway_module/http/...json.c'],
#         seeds => { 'an object' => '{"a":1}' },
#     );

use strict;
use warnings;

use Test::More;

use Warren::Test qw(build_dir run_command slurp source_dir spew tempdir);


my @sanitizers = ('-fsanitize=address,undefined', '-fno-sanitize-recover=all',
                  '-fno-omit-frame-pointer');

# what nginx's own headers do on purpose
my @nginx = ('-fno-sanitize=alignment', '-Wno-unused-parameter');


# target; sources (paths in the tree); seeds (name => bytes); nginx (true: they
# include its headers); libs; max (longest input in bytes).
sub run {
    my (%option) = @_;

    my $seconds = $ENV{FUZZ_SECONDS} // 10;
    my $dir = tempdir();
    my $target = $option{target};

    SKIP: {
        my @includes = $option{nginx} ? includes() : ();
        skip 'the module was not built', 2 if $option{nginx} && !@includes;

        my ($program, $is_libfuzzer) = build($dir, \@includes, %option);
        ok($program, "$target is built"
                     . ($is_libfuzzer ? ' with libFuzzer' : ''))
            or skip 'not built', 1;

        mkdir "$dir/$_" or die "$dir/$_: $!\n" for qw(seeds corpus);

        for my $name (sort keys %{ $option{seeds} }) {
            spew("$dir/seeds/" . ($name =~ s/\W+/-/gr),
                 $option{seeds}{$name});
        }

        my ($status, $output) = run_command(
            command => [
                $program, "-max_total_time=$seconds", '-seed=1', '-timeout=10',
                '-rss_limit_mb=1024', '-max_len=' . ($option{max} // 4096),
                "-artifact_prefix=$dir/crash-", '-print_final_stats=1',
                '-verbosity=1', "$dir/corpus", "$dir/seeds"
            ],
            environment => {
                ASAN_OPTIONS => 'abort_on_error=0:detect_leaks=1:'
                                . 'allocator_may_return_null=0',
                UBSAN_OPTIONS => 'print_stacktrace=1'
            },
            seconds => $seconds + 120
        );

        my ($runs) = $output =~ /number_of_executed_units: (\d+)/;

        ok($status == 0 && $runs, "nothing sent to $target breaks it, in "
                                  . ($runs // 'some') . ' attempts')
            or report($dir, $output);
    }
}


# (program, whether it has libFuzzer); nothing if neither compiler made it
sub build {
    my ($dir, $includes, %option) = @_;

    my $source = source_dir();
    my @sources = map { "$source/$_" } "t/70-fuzz/fuzz_$option{target}.c",
                  @{ $option{sources} },
                  $option{nginx} ? 't/70-fuzz/nginx.c' : ();
    my @flags = ('-g', '-O1', '-std=gnu11', '-Wall', '-Wextra', '-Werror',
                 @sanitizers, $option{nginx} ? @nginx : (), @$includes,
                 "-I$source/shared", "-I$source/ngx_gateway_module/http",
                 "-I$source/ngx_gateway_module/amqp", "-I$source/t/70-fuzz");
    my @libs = map { "-l$_" } @{ $option{libs} // [] };
    my $program = "$dir/$option{target}";
    my $output = '';

    for my $way (['clang', '-fsanitize=fuzzer'],
                 ['gcc', "$source/t/70-fuzz/driver.c"])
    {
        my ($compiler, $more) = @$way;
        my ($path) = grep { -x } map { "$_/$compiler" }
                     split /:/, $ENV{PATH};
        next if !$path || ($ENV{FUZZ_CC} // $compiler) ne $compiler;

        (my $status, $output) = run_command(
            command => [$path, @flags, '-o', $program, @sources, $more, @libs],
            seconds => 180
        );
        return ($program, $compiler eq 'clang') if $status == 0;
    }

    diag($output || 'there is no compiler');
    return;
}


# Where nginx's headers are, and what its configure found.
sub includes {
    my $build = build_dir() . '/ngx_gateway_module';

    return if !-f "$build/objs/ngx_auto_config.h";

    return map { "-I$build/$_" } 'objs', map { "nginx/src/$_" }
               qw(core event event/modules os/unix http http/modules http/v2);
}


# Where it broke, and with what.
sub report {
    my ($dir, $output) = @_;

    diag(substr $output, -6000);

    for my $path (glob "$dir/crash-*") {
        diag("$path: ", unpack 'H*', slurp($path));
    }
}


1;
