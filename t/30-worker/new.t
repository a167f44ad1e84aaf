# Copyright (C) the Warren authors
#
# warren new writes a worker that builds without a warning, passes its own test
# with a database and without, and refuses what would not be good.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Installed;
use Warren::PostgreSQL;
use Warren::Test;
use Warren::Test qw(run_command test_id);

my %environment = Installed::environment();
my $dir = tempdir('workers');

# roles of the database belong to the whole server
my $name = "notes$$";

written();
without_database();
with_database();
one_method();
refusals();
templates();
questions();

done_testing();


# Returns (status, output).
sub run_in {
    my ($folder, @command) = @_;

    return run_command(
        command => \@command, directory => $folder,
        environment => { %environment }, seconds => 180
    );
}


sub warren { return run_in($dir, 'warren', 'new', @_) }


sub written {
    my ($status, $output) = warren(
        $name, '--method', 'add_note', '--method', 'get_note', '--method',
        'list_notes', '--event', 'order.placed', '--entity', 'note'
    );
    is($status, 0, 'a worker is written') or diag($output);
    like($output, qr/make check/, 'and how to go on is told');

    my @files = split /\n/, `cd $dir/$name && find . -type f`;
    ok(scalar(grep { $_ eq "./${name}_add_note.c" } @files),
       'a method has a file');
    ok(scalar(grep { $_ eq "./${name}_on_order_placed.c" } @files),
       'and so has an event');

    my @left = grep { slurp("$dir/$name/$_") =~ /\@\@|\@(?:name|type|id)\@/i }
               @files;
    is("@left", '', 'no word of a template is left');

    my $line = qr/^.{100}/m;
    is(join(' ', grep { slurp("$dir/$name/$_") =~ $line }
                 grep { /\.[ch]\z/ } @files), '', 'lines are short');
}


sub without_database {
    my ($status, $output) = run_in("$dir/$name", 'make', 'check');
    is($status, 0, 'it builds and its test passes') or diag($output);
    like($output, qr/-Wall -Wextra -Werror/, 'warnings are errors there');
    unlike($output, qr/warning:/, 'and there are none');

    ($status, $output) = run_in("$dir/$name", './warren-' . $name,
                                '--topology');
    like($output, qr/"service":"$name","entities":\["note"\],
                     "events":\["order.placed"\]/x,
         'it says what it needs of the broker');

    spew("$dir/$name/$name.secret", "secret\n", 0600);
    ($status, $output) = run_in("$dir/$name", './warren-' . $name, '-c',
                                "$name.conf", '--check-config');
    is($status, 0, 'its sample configuration is good') or diag($output);

    # the test can fail
    my $file = "$dir/$name/${name}_get_note.c";
    my $text = slurp($file);
    spew($file, $text =~ s/wr_rows_count\(rows\) == 0/false/r);
    ($status, $output) = run_in("$dir/$name", 'make', 'check');
    isnt($status, 0, 'its test finds a mistake');
    spew($file, $text);
}


sub with_database {
    my $pg = Warren::PostgreSQL->shared();
    my $database = "t_${name}_" . test_id();
    $database =~ s/\W/_/g;

    $pg->forget_later($database);

    my $sql = `PKG_CONFIG_PATH=$environment{PKG_CONFIG_PATH} \\
               pkg-config --variable=sqldir warren`;
    chomp $sql;

    local $environment{PGHOST} = '127.0.0.1';
    local $environment{PGPORT} = $pg->port();
    local $environment{PGUSER} = 'postgres';

    my ($status, $output) = run_in(
        $dir, 'psql', '-X', '-d', 'postgres', '-v', "role=$name", '-v',
        "database=$database", '-f', "$sql/bootstrap.sql"
    );
    is($status, 0, 'pkg-config tells where bootstrap.sql is') or diag($output);

    ($status, $output) = run_in("$dir/$name", 'make', 'deploy',
                                "DATABASE=db:pg:$database");
    is($status, 0, 'its migrations deploy and verify') or diag($output);

    my $url = 'postgresql://' . $name . '@127.0.0.1:' . $pg->port()
              . "/$database";
    local $environment{WARREN_TEST_DATABASE_URL} = $url;

    for my $time ('once', 'twice') {
        ($status, $output) = run_in("$dir/$name", 'make', 'check');
        is($status, 0, "its test passes with the database, $time")
            or diag($output);
    }

    is($pg->psql($pg->uri('postgres', $database),
                 "select count(*) from ${name}_entry"), 0,
       'of which nothing stays');

    failures();

    local $environment{WARREN_TEST_DATABASE_URL}
        = 'postgresql://nobody@127.0.0.1:' . $pg->port() . "/$database";
    ($status, $output) = run_in("$dir/$name", "./test_$name");
    isnt($status, 0, 'a database that cannot be had');
    like($output, qr/^Bail out!  the database: .*nobody/m,
         'ends the test with the reason');

    ($status, $output) = run_in("$dir/$name", 'make', 'revert',
                                "DATABASE=db:pg:$database");
    is($status, 0, 'its migrations revert') or diag($output);

    $pg->psql($pg->uri('postgres', 'postgres'),
              "drop database $database with (force)");
    $pg->psql($pg->uri('postgres', 'postgres'), "drop role $name");
}


# What the kit makes of statements that fail, by a test put into the place of
# the worker's own.
sub failures {
    my $file = "$dir/$name/test_$name.c";
    my $kept = slurp($file);
    my $text = join '', <DATA>;

    $text =~ s/NAME/$name/g;
    spew($file, $text);

    my ($status, $output) = run_in("$dir/$name", 'make', 'check', 'PROVE=');
    is($status, 0, 'the kit copes with statements that fail')
        or diag($output);
    like($output, qr/^1\.\.9$/m, 'all of them');
    spew($file, $kept);
}


sub one_method {
    for my $method ('list_things', 'get', 'pay') {
        my ($status, $output) = warren('shop', '--method', $method,
                                       '--directory', "only_$method");
        is($status, 0, "a worker that has nothing but $method is written")
            or diag($output);

        ($status, $output) = run_in("$dir/only_$method", 'make', 'check');
        is($status, 0, 'and passes its test') or diag($output);
    }

    my ($status, $output) = warren('plain');
    is($status, 0, 'without flags and without a terminal nothing is asked')
        or diag($output);
    ok(-f "$dir/plain/plain_add.c" && -f "$dir/plain/plain_get.c"
       && -f "$dir/plain/plain_list.c", 'there are defaults');
}


sub refusals {
    my @cases = (
        [[$name], 1, qr/^warren: $name: is there already$/,
         'a folder that is there is not touched'],
        [['Notes'], 2, qr/the name "Notes" is not of 1 to 32 small letters/,
         'capitals in a name are refused'],
        [['a-b'], 2, qr/the name "a-b" is not of/, 'a dash in a name'],
        [['../x'], 2, qr/the name/, 'a path as a name'],
        [['x' x 33], 2, qr/the name/, 'a long name'],
        [['gateway'], 2, qr/the name "gateway" is taken/,
         'a name that the broker knows as another\'s'],
        [['pg_x'], 2, qr/begins with "pg_"/, 'a name that PostgreSQL keeps'],
        [['a', '--method', 'b c'], 2, qr/the method "b c" is not/,
         'a method of two words'],
        [['a', '--method', 'store'], 2, qr/would have the file of another/,
         'a method that would overwrite a file'],
        [['a', '--method', 'b', '--method', 'b'], 2, qr/"b" stands twice/,
         'a method that stands twice'],
        [['a', '--event', 'x'], 2, qr/the event "x" is not like order.placed/,
         'an event of one word'],
        [['a', '--event', 'x.y', '--method', 'on_x_y'], 2, qr/stands twice/,
         'a method with the file of an event'],
        [['a', '--entity', 'A'], 2, qr/the entity "A" is not/,
         'an entity in capitals'],
        [['a', '--directory', 'no/such/folder'], 1,
         qr{no/such/folder: No such file}, 'a folder in one that is not there'],
        [[], 2, qr/^usage: warren new NAME/, 'no name at all'],
        [['a', 'b'], 2, qr/^usage: warren new NAME/, 'two names'],
        [['a', '--colour', 'red'], 2, qr/usage: warren new NAME/,
         'a flag that is none'],
    );

    for my $case (@cases) {
        my ($words, $code, $pattern, $what) = @$case;
        my ($status, $output) = warren(@$words);

        is($status >> 8, $code, $what);
        like($output, $pattern, 'is refused in a clear line');
    }

    ok(!-e "$dir/a", 'and nothing is written');
}


sub templates {
    my ($status, $output) = warren('b', '--templates', "$dir/none");
    is($status >> 8, 1, 'templates that are not there are told');
    like($output, qr{$dir/none/main\.c\.in: No such file.*--templates},
         'by path');
    ok(!-e "$dir/b", 'before anything is written');

    my $mine = tempdir('templates');
    for my $path (glob "$environment{WARREN_TEMPLATES}/*.in") {
        my ($file) = $path =~ m{([^/]+)\z};
        spew("$mine/$file", slurp($path));
    }
    spew("$mine/main.c.in", "/* mine: \@name\@ \@NAME\@ x\@y\@ */\n");

    ($status, $output) = warren('b', '--templates', $mine);
    is($status, 0, 'other templates may be used') or diag($output);
    is(slurp("$dir/b/main.c"), "/* mine: b B x\@y\@ */\n",
       'a word that is none of ours stays');

    spew("$mine/main.c.in", "\@\@each write\nx\n");
    ($status, $output) = warren('c', '--templates', $mine);
    like($output, qr/main\.c\.in: "\@\@each write" has no end/,
         'a mistake in one is told');
    ok(!-e "$dir/c", 'before anything is written');
}


# script(1) gives it a terminal.
sub questions {
    spew("$dir/answers", "Bad\ntalk\nsay get_word\n\nword\n\n");

    my ($status, $output) = run_in(
        $dir, 'sh', '-c',
        'script -qec "warren new" /dev/null <answers'
    );
    is($status, 0, 'on a terminal it asks') or diag($output);
    like($output, qr/called\?.*calls.*events.*about.*folder/s,
         'five questions');
    like($output, qr/the name "Bad" is not of/, 'a bad answer is asked again');
    ok(-f "$dir/talk/talk_say.c" && -f "$dir/talk/talk_get_word.c",
       'methods are taken from the answer');
    like(slurp("$dir/talk/talk_service.c"), qr/\{ "word", NULL \}/,
         'and so is the entity');

    ($status, $output) = run_in("$dir/talk", 'make', 'check');
    is($status, 0, 'what came of it passes its test') or diag($output);
}


__DATA__
#include <stdlib.h>

#include "NAME.h"
#include "wr_test.h"


static enum wr_outcome
bad(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into NAME_entry (id) values (gen_random_uuid())",
               WR_NO_PARAMS);

    return WR_DONE;
}


static enum wr_outcome
refused(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into NAME_fact values ('a', 'refused', 1)",
               WR_NO_PARAMS);

    return wr_refuse(req, WIRE_ERROR_CONFLICT, NULL);
}


static enum wr_outcome
good(struct wr_request *req)
{
    wr_tx_exec(wr_request_tx(req),
               "insert into NAME_fact values ('a', 'good', 1)",
               WR_NO_PARAMS);

    return WR_DONE;
}


static enum wr_outcome
count(struct wr_request *req)
{
    const char  *n;

    n = wr_rows_text(wr_tx_query(wr_request_tx(req),
                                 "select count(*) from NAME_fact",
                                 WR_NO_PARAMS), 0, 0);
    wr_reply(req, 200, n, 1);

    return WR_DONE;
}


static const struct wr_handler  handlers[] = {
    { WR_CALL, "bad", .apply = bad },
    { WR_CALL, "refused", .apply = refused },
    { WR_CALL, "good", .apply = good },
    { WR_CALL, "scribble", .apply = good, .read_only = true },
    { WR_CALL, "count", .apply = count, .read_only = true },
    WR_HANDLERS_END
};

static const struct wr_service  service = {
    .name = "NAME", .schema_min = "0002_NAME", .handlers = handlers
};


static enum wr_outcome
run(struct wr_test *test, const char *type)
{
    wr_test_message(test, WR_CALL, type);

    return wr_test_run(test);
}


int
main(void)
{
    struct wr_test  *test;

    test = wr_test_new(&service, NULL, getenv("WARREN_TEST_DATABASE_URL"));

    wr_test_is_int(run(test, "bad"), WR_TEST_BROKEN, "a constraint speaks");
    wr_test_ok(wr_test_reason(test)[0] != '\0', "and the reason is told");
    wr_test_is_int(run(test, "refused"), WR_REFUSED, "no is said");
    wr_test_is_int(run(test, "scribble"), WR_TEST_BROKEN, "none may write");
    run(test, "count");
    wr_test_is_text(wr_test_reply(test), "0", "nothing of it stays");
    wr_test_is_int(run(test, "good"), WR_DONE, "what is done");
    run(test, "count");
    wr_test_is_text(wr_test_reply(test), "1", "is seen by the next");
    wr_test_is_int(run(test, "good"), WR_TEST_BROKEN, "a key is used once");
    run(test, "count");
    wr_test_is_text(wr_test_reply(test), "1", "and the rest still stands");

    wr_test_free(&test);

    return wr_test_end();
}
