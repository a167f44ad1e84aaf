#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A worker's command line and configuration, and what SIGHUP changes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib", $FindBin::Bin;

use JSON::PP ();
use Stub;
use Test::More;
use Warren::Test;


my $stub = Stub->new();
my @conf = ('-c', $stub->conf());


sub run_is {
    my ($words, $status, $pattern, $name) = @_;

    my ($got, $output) = $stub->run(@$words);

    is($got, $status, "$name: exit status $status")
        && like($output, $pattern, "$name: told");
}


subtest 'the command line' => sub {
    run_is(['--version'], 0,
           qr/^warren-stub \S+\nrabbitmq-c 0\.[\d.]+, libpq \d+\.\d+, /,
           '--version');
    run_is(['--version'], 0,
           qr/, cJSON 1\.\d+\.\d+, libmicrohttpd 0\.\d+\.\d+\nbuilt with \S+ /,
           '--version');
    run_is(['--help'], 0, qr/^usage: .*broker\.heartbeat\n.*default: 15s/s,
           '--help');
    run_is(['--bogus'], 2, qr/unrecognized option '--bogus'/,
           'an unknown option');
    run_is(['word'], 2, qr/"word" is no option/, 'a word too many');

    my (undef, $output) = $stub->run('--topology');
    is_deeply(JSON::PP::decode_json($output), {
        service => 'stub', entities => ['stub'], events => ['stub.happened'],
        asks => ['users'], channels => [], ordered => [], ordered_queues => 0
    }, '--topology says what it needs of the broker');
};


subtest 'what is refused' => sub {
    run_is([@conf, '--check-config'], 0, qr/configuration is good/, 'good');
    run_is(['--check-config'], 2,
           qr/broker\.url is required.*WARREN_BROKER_URL/,
           'a required key');
    run_is([@conf, '-o', 'lane=2', '--check-config'], 2,
           qr/-o: unknown key "lane", did you mean "lanes"\?/,
           'an unknown key');
    run_is([@conf, '-o', 'lanes=65', '--check-config'], 2,
           qr/-o: lanes: 65 is not within 1 and 64/, 'too many lanes');
    run_is([@conf, '-o', 'lanes=many', '--check-config'], 2,
           qr/-o: lanes: "many" is not an integer, or auto/, 'other words');
    run_is([@conf, '-o', 'stuck_after=2h', '--check-config'], 2,
           qr/-o: stuck_after: 2h is not within 0 and 3600000 ms/,
           'too much patience');
    run_is([@conf, '-o', 'log.level=loud', '--check-config'], 2,
           qr/log\.level: "loud" is not error, warn, info or debug/,
           'an unknown level');
    run_is(['-c', '/nonexistent.conf'], 2,
           qr{/nonexistent\.conf: cannot be opened: No such file},
           'a file that is not there');

    my $bad = spew(tempdir() . '/bad.conf',
                   "# a comment\nbroker.url = x\n\nbatch = many\nnoise\n"
                   . "database.url=y\nlanes=1\nlanes = 2\nlog.levle = info\n");
    my ($status, $output) = $stub->run('-c', $bad);
    is($status, 2, 'a worker with a bad file does not start');
    like($output, qr/bad\.conf:4: batch: "many" is not an integer/,
         'a bad value is told with file and line');
    like($output, qr/bad\.conf:5: not "key = value": noise/,
         'so is a line that is none');
    like($output, qr/bad\.conf:8: lanes: stands twice, first at \S+:7/,
         'and a key that stands twice');
    like($output,
         qr/bad\.conf:9: unknown key "log\.levle", did you mean "log\.level"/,
         'and an unknown key');

    $stub->environment(WARREN_LANES => 'x');
    run_is([@conf, '--check-config'], 2,
           qr/WARREN_LANES: lanes: "x" is not an integer/, 'a bad variable');
    $stub->environment(WARREN_LANES => undef, WARREN_BROKER_ULR => 'x');
    run_is([@conf, '--check-config'], 2,
           qr/WARREN_BROKER_ULR: unknown .* you mean WARREN_BROKER_URL\?/,
           'a misspelt variable');
    $stub->environment(WARREN_BROKER_ULR => undef,
                       WARREN_GATEWAY_SERVICE_HOST => 'x');
    run_is([@conf, '--check-config'], 0, qr/good/,
           'a variable that is somebody else\'s');
};


subtest 'lanes = auto' => sub {
    run_is([@conf, '-o', 'lanes=auto', '--dump-config'], 0,
           qr/\(from: -o\)\nlanes = auto\n/, 'a dump has the word');

    my ($allowed) = slurp('/proc/self/status') =~ /^Cpus_allowed:\s*(\S+)$/m;
    my $cpus = unpack '%32b*', pack 'H*', $allowed =~ tr/,//dr;

    my $auto = Stub->new(lanes => 'auto')->start()->wait_until_ready();
    my ($lanes) = $auto->wait_for_message(qr/^started/) =~ /lanes: (\d+)$/;
    cmp_ok($lanes, '>=', 1, 'there is a lane');
    cmp_ok($lanes, '<=', $cpus, 'and not more than there are CPUs');
    is(scalar($auto->wait_for_lanes($lanes)), $lanes, 'that many run');
    is($auto->stop(), 0, 'and end');
};


subtest 'secrets' => sub {
    my $file = spew(tempdir() . '/secret', "s3cret\nmore\n", 0644);
    my @words = (@conf, '-o', "stub.secret=$file");

    run_is([@words, '--check-config'], 2,
           qr/"\Q$file\E" is .* \(mode 0644\); .* chmod o-rwx '\Q$file\E'/,
           'a secret that everybody can read');
    chmod 0640, $file;
    run_is([@words, '--check-config'], 0, qr/good/, 'one for its group');

    my (undef, $output) = $stub->run(
        @words, '--dump-config', '-o', 'broker.url=amqp://u:s3cret@h:1/v',
        '-o', 'database.url=postgresql://u:s3cret@h/d?password=s3cret'
    );
    unlike($output, qr/s3cret/, 'a dump has no secret');
    like($output, qr/^broker\.url = amqp:\/\/u:\*\*\*\@h:1\/v$/m,
         'but stars in its place');

    spew($file, "\n", 0600);
    run_is([@words, '--check-config'], 2, qr/first line that is empty/,
           'an empty one');
    run_is([@conf, '-o', 'stub.secret=/', '--check-config'], 2,
           qr/"\/" is not a file/, 'a folder');
};


subtest 'which source wins' => sub {
    my $file = spew(tempdir() . '/order.conf', "broker.url = x\n"
                    . "database.url = y\nlanes = 2\nbatch = 2\n");

    $stub->environment(WARREN_BATCH => 3, WARREN_PREFETCH => 3);
    my ($status, $output) = $stub->run('-c', $file, '--dump-config',
                                       '-o', 'prefetch=4');
    is($status, 0, 'a dump is made');
    like($output, qr/\(from: \Q$file\E:3\)\nlanes = 2\n/,
         'a file over default');
    like($output, qr/\(from: WARREN_BATCH\)\nbatch = 3\n/,
         'the environment over a file');
    like($output, qr/\(from: -o\)\nprefetch = 4\n/,
         'an option over the environment');
    like($output, qr/\(from: default; reloadable\)\nlog\.level = info\n/,
         'and defaults under all');
    $stub->environment(WARREN_BATCH => undef, WARREN_PREFETCH => undef);

    my $again = spew(tempdir() . '/again.conf', $output);
    my (undef, $second) = $stub->run('-c', $again, '--dump-config');
    s/ \(from: .*\)$//mg for $output, $second;
    is($second, $output, 'a dump can be read again');
};


subtest 'SIGHUP' => sub {
    my $hup = Stub->new(lanes => 2)->start()->wait_until_ready();
    my @lanes = sort $hup->wait_for_lanes(2);

    unlike($hup->log(), qr/a lane turns/, 'debug is not logged');
    $hup->write_conf('log.level' => 'debug');
    $hup->signal('HUP');
    $hup->wait_for_message(qr/^log\.level is now debug/);
    $hup->wait_for_message(qr/^a lane turns/);
    is_deeply([sort $hup->lanes()], \@lanes,
              'log.level reaches lanes that go on');

    $hup->write_conf('log.level' => 'loud', lanes => 2);
    $hup->signal('HUP');
    my $message = $hup->wait_for_message(qr/^settings refused/);
    like($message, qr/the old ones stay: \S+\.conf:\d+: log\.level: .*loud/,
         'a bad value is refused by name');
    $hup->wait_for_message(qr/^a lane turns/);

    $hup->write_conf('log.level' => 'info', lanes => 5);
    $hup->signal('HUP');
    $hup->wait_for_message(qr/^log\.level is now info/);
    $hup->wait_for_message(qr/^setting is changed only by a restart: lanes$/);
    is_deeply([sort $hup->lanes()], \@lanes, 'and the lanes are as they were');

    $hup->write_conf('stub.life' => 'deaf', lanes => 2, drain_timeout => '10s');
    $hup->signal('HUP');
    $hup->wait_for_message(qr/^a lane begins, life: deaf/, 10, 2);

    my $most = 0;
    my $running = 2;
    for ($hup->messages()) {
        $running-- if /^a lane drains/;
        $running++ if /^a lane begins, life: deaf/;
        $most = 2 - $running if 2 - $running > $most;
    }
    is($most, 1, 'lanes that need new settings are replaced one by one');

    kill 'KILL', $hup->lanes(), $hup->pid();
    is($hup->stop('KILL'), 'signal 9', 'the end');
};


done_testing();
