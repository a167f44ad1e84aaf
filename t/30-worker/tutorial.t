# Copyright (C) the Warren authors
#
# The tutorial of workers/README.md: its commands, all of them, in order, as
# somebody runs them who has installed what was built.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Installed;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(is_sanitized run_command source_dir);

plan skip_all => 'nginx and others are without sanitizers' if is_sanitized();

my @blocks = blocks();
cmp_ok(scalar(@blocks), '>=', 10, 'the tutorial has its commands');

# it makes a virtual host, users and databases by the names in the text
my $broker = Warren::RabbitMQ->private();
my $pg = Warren::PostgreSQL->private();
my $dir = tempdir('tutorial');

my ($done, @output) = run_blocks();

is($done, scalar(@blocks), 'every command of the tutorial works')
    or diag("block " . ($done + 1) . ":\n" . ($blocks[$done] // '')
            . "\n" . ($output[$done] // ''));

SKIP: {
    skip 'the tutorial did not come so far', 12 if $done != @blocks;

    said(qr{warren new}, qr/make check/, 'a worker is written');
    said(qr{\Amake check}, qr/Result: PASS/, 'its test passes');
    said(qr{sed -i}, qr/Result: PASS/, 'and so it does when it was changed');
    said(qr{\Adatabase=}, qr/Result: PASS/, 'with the database, too');
    said(qr{topology apply}, qr/^made queue rpc\.notes$/m,
         'its queues are made');
    said(qr{-c notes\.conf}, qr/"notes"|ready/, 'it is ready');
    said(qr{buy milk}, qr/\AHTTP\S+ 201 .*"text":"buy milk"/s,
         'a note is added through nginx');

    my ($text) = grep { /get_note\?id/ } @blocks;
    my ($answers) = map { $output[$_] }
                    grep { $blocks[$_] eq $text } 0 .. $#blocks;
    my @status = $answers =~ m{^HTTP/\S+ (\d+)}mg;

    is("@status", '200 400 401',
       'it is read; a long text and somebody unknown are refused')
        or diag($answers);
    like($answers, qr/"text":"buy milk"/, 'the note is the one that was added');
    like($answers, qr{"pointer":"/text"}, 'what is wrong is pointed at');

    like(slurp(source_dir() . '/workers/README.md'),
         qr/half an hour/, 'the text promises no more than that');
    ok(-s "$dir/notes/notes.log", 'the worker kept a log');
}

done_testing();


# Of the last part of the text.
sub blocks {
    my $text = slurp(source_dir() . '/workers/README.md');
    my ($part) = $text =~ /^## A worker of one's own\n(.*?)(?=^## |\z)/ms
        or die "no tutorial in workers/README.md\n";

    return $part =~ /^```sh\n(.*?)^```$/msg;
}


# One shell for all, as a terminal is.  Returns how many blocks were done and
# what each of them said.
sub run_blocks {
    my $script = "set -e\n";

    for my $i (0 .. $#blocks) {
        $script .= "$blocks[$i]echo; echo '=== done $i'\n";
    }

    spew("$dir/tutorial.sh", $script);

    my ($status, $output) = run_command(
        command => ['sh', "$dir/tutorial.sh"], directory => $dir,
        environment => {
            Installed::environment(),
            PGHOST => '127.0.0.1', PGPORT => $pg->port(),
            PGUSER => 'postgres', AMQP_PORT => $broker->port(),
            MANAGEMENT_PORT => $broker->management_port(),
            HTTP_PORT => free_port(), HEALTH_PORT => free_port(),
            NGINX_MODULES => Installed::module() =~ s{/[^/]*\z}{}r
        },
        seconds => 240
    );

    my @parts = split /^=== done \d+\n/m, $output;
    my $done = () = $output =~ /^=== done \d+$/mg;

    is($status, 0, 'the last of them, too');

    return ($done, @parts);
}


# What the first block like this has said.
sub said {
    my ($block, $pattern, $what) = @_;

    my ($i) = grep { $blocks[$_] =~ $block } 0 .. $#blocks;

    like($output[$i] // '', $pattern, $what);
}
