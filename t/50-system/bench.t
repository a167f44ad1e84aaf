#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests what measures: figures of samples that are known, the report of them,
# what ./dev bench refuses, and one row that is real, without a word of how fast
# it is.

use strict;
use warnings;

use JSON::PP ();
use Test::More;

use lib 't/lib';
use Warren::Bench::Goals;
use Warren::Bench::Process qw(cpu_seconds families pss_kb);
use Warren::Bench::Report;
use Warren::Bench::Statistics qw(least median most number percentile spread);
use Warren::Bench::Summary;
use Warren::Bench::SystemCalls;
use Warren::Nginx;
use Warren::Test qw(
    alive is_sanitized run_command slurp source_dir spawn spew stop_process
    tempdir wait_for
);


# numbers

is(median(3, 1, 2), 2, 'a median is the value in the middle');
is(median(4, 1, 2, 3), 2.5, 'or between the two in the middle');
is(median(undef, 7, undef), 7, 'what was not measured is left out');
is(median(), undef, 'of nothing there is none');
is_deeply([least(2, 1, 3), most(2, 10, 9)], [1, 10], 'least and most');
is_deeply([map { percentile($_, 1 .. 100) } 50, 99, 99.9, 100],
          [50, 99, 100, 100], 'percentiles of a hundred values');
is(percentile(99, 5), 5, 'a percentile of one value is that value');
is_deeply(spread(5, 1, 3), [3, 1, 5], 'a spread is median, least and most');
is_deeply([map { number($_) } 75412.3, 12.34, 1.234, 0.1234, 0.01234, undef],
          [qw(75412 12.3 1.23 0.123 0.0123 -)], 'numbers as people read them');


# a row

my $row = {
    id => 'fast-64', system => 'fast', what => 'get', connections => 64,
    samples => [map { sample($_, 1000 * $_) } 1 .. 3]
};
my $slow = {
    id => 'slow-64', system => 'slow', what => 'get', connections => 64,
    samples => [map { sample($_, 100) } 1 .. 3]
};

my $median = sub { Warren::Bench::Summary::median_of(@_) };

is($median->($row, 'rate'), 2000, 'a row is the median of its samples');
is($median->($row, 'cpu'), 0.75, 'processor time is per 1,000 requests');
is($median->($row, 'cpu.broker'), 0.25, 'of a process, too');
is($median->($row, 'cpu.broker+nginx'), 0.75, 'and of several together');
is($median->($row, 'pss'), 3, 'memory is in megabytes');
is($median->($row, 'pss', 'broker'), 2, 'without some processes');
is($median->($row, 'bytes'), 500, 'bytes are a request\'s');
is($median->($row, 'busy'), 0.75, 'the machine\'s share is of all its time');
is($median->($row, 'nothing'), undef, 'a field that is not there is none');
is(Warren::Bench::Summary::wrong($row), '3 timeout, 1 failed: it broke',
   'what went wrong is counted, and said');

my $data = {
    name => 'canned', title => 'A canned bench', rounds => 3, seconds => 1,
    rows => [
        $row, $slow,
        map { +{ %$row, id => "fast-$_", connections => $_ } } 1, 512
    ],
    notes => ['A note about it.'],
    absent => [{ system => 'other', why => 'it is not here' }],
    goals => [
        { name => 'get_user', text => 'a ratio', of => 'fast-64',
          over => 'slow-64', field => 'rate', at_least => 20 },
        { name => 'get_user', text => 'a bound', of => 'fast-64',
          field => 'p99_us', scale => 0.001, unit => 'ms', at_most => 2.5 },
        { name => 'get_user', text => 'a difference', of => 'fast-64',
          minus => 'slow-64', field => 'rate', at_least => 2000 },
        { name => 'get_user', text => 'of nobody', of => 'gone-64',
          field => 'rate', at_least => 1 },
    ],
    machine => {
        cores => 2, cpu => 'some', memory_mb => 2048, system => 'Debian',
        kernel => '6.1'
    },
    versions => { nginx => '1.22.1' }, commit => 'abcdef0123',
    started => '2026-01-01T00:00:00Z', seconds_in_all => 12
};

my @results = map { Warren::Bench::Goals::result($_, $data) }
              @{ $data->{goals} };

is_deeply($results[0]{value}, [20, 10, 30], 'rows are compared by rounds');
is($results[0]{is_met}, 1, 'a goal that is just reached is met');
is($results[1]{value}[0], 3, 'a value may be in another unit');
ok(!$results[1]{is_met} && abs($results[1]{by} + 0.2) < 0.001,
   'a goal that is missed is missed by a share');
ok(!$results[2]{is_met}, 'a difference may be wanted');
is($results[3]{why}, 'other: it is not here',
   'a goal whose row is missing says who was not there');
ok(!eval { Warren::Bench::Goals::check({ name => 'x', text => 'x', of => 'x',
                                         field => 'rate', at_least => 1 }) },
   'a goal that the report does not know is refused');


# the report

my $dir = tempdir('report');
my $notes = tempdir('notes');

spew("$dir/canned.json", JSON::PP->new()->utf8()->encode($data));
spew("$notes/canned.md",
     "# Canned\n\nIt does {{fast-64 rate}}, and {{none-1 rate}}.\n"
     . "That is {{fast-64 rate / slow-64 rate}} times as many.\n");
Warren::Bench::Report->new(dir => $dir, notes => $notes)->write();

my $report = slurp("$dir/report.md");

like($report,
     qr/^\| a ratio \| ≥ 20 × \| 20\.0 × \(10\.0, 30\.0\) \| met \|$/m,
     'the report has a goal that is met');
like($report,
     qr/^\| a bound \| ≤ 2\.5 ms \| 3\.00 ms .*\*\*missed\*\* by 20 %/m,
     'and one that is missed, by how much');
like($report, qr/^\| of nobody .*\| not measured: other: it is not here/m,
     'and one that was not measured, why');
like($report, qr/^It does 2000, and -\.$/m,
     'figures are put into what people wrote');
like($report, qr/^That is 20\.0 times as many\.$/m, 'ratios of them, too');
unlike($report, qr/^# Canned/m, 'which has no heading of its own there');
like($report, qr/^other was not measured: it is not here$/m,
     'who was not there is named');
like($report,
     qr/^\| fast \| 64 connections \| 2000 \(1000, 3000\) .*3 timeout/m,
     'a row has median, least, most and what went wrong');
unlike($report, qr/[ \t]$/m, 'no line ends in blanks');

SKIP: {
    skip 'no gnuplot here', 2 if !Warren::Bench::Chart::is_available();

    my @charts = $report =~ /\]\(([\w-]+\.svg)\)/g;
    cmp_ok(scalar @charts, '>=', 3, 'there are charts');
    is(join(' ', grep { slurp("$dir/$_") !~ /<svg.*<\/svg>/s } @charts), '',
       'each of which is a file');
}


# what ./dev refuses

for my $case (['--fast', qr/there is no --fast/],
              ['nothing', qr/there is no bench "nothing"; there are: .*path/],
              ['report', qr/there is no bench "report"/])
{
    my ($word, $said) = @$case;
    my ($status, $output) = run_command(
        command => [source_dir() . '/dev', 'bench', $word]
    );

    isnt($status, 0, "./dev bench $word is refused");
    like($output, $said, 'and why');
}


# processes

my $pid = spawn(command => ['sh', '-c', 'while :; do :; done & wait']);
my %family;

wait_for(sub {
    %family = families(both => [$pid]);
    @{ $family{both} } == 2 && cpu_seconds(@{ $family{both} }) > 0;
}, 40, 'a child at work');
pass('children are counted with their parents');
ok(pss_kb(@{ $family{both} }) > 0, 'their memory, too');

%family = families(parent => [$pid], child => [$family{both}[1]]);
is_deeply([map { scalar @{ $family{$_} } } qw(parent child)], [1, 1],
          'a child that is named counts once');

kill 'TERM', @{ $family{child} };
stop_process($pid);
is(cpu_seconds($pid), 0, 'a process that is gone uses nothing');


# a row that is real

SKIP: {
    skip 'a build with sanitizers is not measured', 9 if is_sanitized();

    my $nginx = Warren::Nginx->new(conf => <<'END')->start();
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        location / { return 200 "fine"; }
    }
}
END

    my $out = tempdir('out');
    my $program = spew(tempdir() . '/tiny.pl', <<'END');
use strict;
use warnings;
use Warren::Bench;

my $port = shift @ARGV;
my $pid = shift @ARGV;
my $bench = Warren::Bench->new(name => 'tiny', title => 'A tiny bench');

for my $expect (200, 404) {
    $bench->row(
        id => "nginx-$expect", system => 'nginx', what => "is $expect",
        connections => 2, processes => sub { (nginx => [$pid]) },
        run => sub {
            return Warren::Bench::load(
                port => $port, connections => 2, seconds => $_[0],
                expect => $expect
            );
        }
    );
}

$bench->row(id => 'ended', system => 'nginx', what => 'ends',
            processes => sub { (nginx => [$pid]) },
            run => sub { return { requests => 1, seconds => 1, rate => undef,
                                  pss_kb => { nginx => 7 } } });
$bench->row(id => 'broken', system => 'nginx', what => 'broken',
            run => sub { die "it breaks\n" });
$bench->run();
$bench->goal(name => 'get_user', text => 'any', of => 'nginx-200',
             field => 'rate', at_least => 1);
$bench->print();
END

    my ($status, $output) = run_command(
        command => [$^X, '-I' . source_dir() . '/t/lib', $program,
                    $nginx->port(), $nginx->pid()],
        environment => {
            WARREN_BENCH_DIR => $out, WARREN_BENCH_ROUNDS => 2,
            WARREN_BENCH_SECONDS => 0.2, WARREN_BENCH_QUIET => 1
        }
    );

    is($status, 0, 'a bench runs') or diag($output);
    like($output, qr/^nginx is 200, 2 connections +\d+ .* 0$/m,
         'and prints its rows');

    my $tiny = JSON::PP->new()->utf8()->decode(slurp("$out/tiny.json"));
    my ($good, $bad, $ended, $broken) = @{ $tiny->{rows} };
    my $sample = $good->{samples}[1];

    is(scalar @{ $good->{samples} }, 2, 'the round that warms up is not kept');
    ok($sample->{requests} > 0 && $sample->{statuses}{200} > 0
       && defined $sample->{cpu}{nginx} && $sample->{loopback_bytes} > 0,
       'a sample has requests, statuses, processor time and bytes');
    ok($bad->{samples}[0]{errors}{status} > 0,
       'answers that were not expected are errors');
    is_deeply([@{ $ended->{samples}[0] }{qw(rate pss_kb)}],
              [undef, { nginx => 7 }],
              'what a row says itself stands for what would be measured');
    is($broken->{samples}[0]{failed}, 'it breaks', 'a row that breaks says so');

    is(scalar @{ $tiny->{goals} }, 1,
       'a goal that is set after the last round is kept');

    SKIP: {
        skip 'perf is missing or may not', 1
            if !Warren::Bench::SystemCalls::is_available();
        ok($good->{calls}{nginx} > 0, 'system calls are counted');
    }
}

done_testing();


# Of 1,000 requests in a second for each 1,000 of rate; the second one of a
# fast row is joined by one that failed.
sub sample {
    my ($round, $rate) = @_;

    my $sample = {
        round => $round, requests => 1000, seconds => 1000 / $rate,
        rate => $rate, p50_us => 1000, p99_us => 3000, p999_us => 4000,
        cpu => { nginx => 0.5, broker => 0.25 },
        pss_kb => { nginx => 2048, broker => 1024 },
        bytes_in => 300_000, bytes_out => 200_000, busy => 3, idle => 1,
        errors => { timeout => $rate == 1000 ? 3 : 0 }
    };

    return $round == 2 && $rate == 2000
           ? ($sample, { round => 0, failed => 'it broke' }) : $sample;
}
