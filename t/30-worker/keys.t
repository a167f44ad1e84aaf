# Copyright (C) the Warren authors
#
# Rows that a handler tells beforehand: what a wrong table leads to, what is
# locked, and what that costs.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Hot;
use Warren::PgProxy;
use Warren::Test qw(wait_for run_command build_dir sanitizer_environment);

wrong_names();
wrong_tables();
values_of_a_type();
stray();
seen_by_load();
round_trips();

done_testing();


# Seen before anything is read or connected to.
sub wrong_names {
    my %wrong = (
        'hot"; drop table hot; --' => qr/handler "add_locked" has \.locks/,
        '' => qr/table is not a name/, 'a.b.c' => qr/table is not a name/,
        'hot.' => qr/table is not a name/,
        'x' x 64 => qr/table is not a name/
    );

    for my $name (sort keys %wrong) {
        my ($status, $output) = told(HOT_TABLE => $name);

        is($status, 2, "a worker with the table '$name' does not start");
        like($output, $wrong{$name}, 'and says whose it is');
    }

    my ($status, $output) = told(HOT_COLUMN => 'id" or true --');
    is($status, 2, 'nor does one with such a column');
    like($output, qr/handler "add_locked" has \.locks whose column/,
         'and says so');

    ($status, $output) = told(HOT_TYPE => 'text[]) or true --');
    is($status, 2, 'nor one with such a type');
    like($output, qr/has \.locks whose type is none of text, uuid/,
         'and names those there are');
}


sub told {
    my (%environment) = @_;

    my ($status, $output) = run_command(
        command => [build_dir() . '/t/30-worker/hot_worker', '--topology'],
        environment => { sanitizer_environment(), %environment }
    );

    return ($status >> 8, $output);
}


# What only the database knows.
sub wrong_tables {
    my @wrong = (
        [ { HOT_TABLE => 'hat' }, qr/relation \\"hat\\" does not exist/ ],
        [ { HOT_COLUMN => 'key' }, qr/column \\"key\\" does not exist/ ],
        [ { HOT_COLUMN => 'group', HOT_TYPE => 'integer' },
          qr/the column \\"group\\" is not unique by itself/ ],
        [ { HOT_TYPE => 'bigint' }, qr/operator does not exist: text = big/ ],
        [ { HOT_TABLE => 'hot_secret' }, qr/permission denied for table/ ],
    );

    for my $wrong (@wrong) {
        my ($environment, $says) = @$wrong;
        my $hot = Hot->new(environment => $environment);

        $hot->sql('create table hot_secret (id text primary key);'
                  . 'grant select on hot_secret to echo');
        $hot->start(wait => 0);
        ok(wait_for(sub { $hot->worker()->log() =~ $says }, 30, "$says"),
           "a wrong table is told: $says");
        like($hot->worker()->log(),
             qr/handler \\"add_locked\\" cannot lock rows of/,
             'with the handler whose it is');
        is($hot->worker()->http()->get('/ready')->{status}, 503,
           'and no lane is ready');
        unlike($hot->worker()->log(), qr/starting -> ready/,
               'and none consumes');
        $hot->worker()->stop();
    }
}


# A key that cannot be one fails no statement, so that neighbours do not pay.
sub values_of_a_type {
    my $hot = Hot->new(environment => { HOT_TABLE => 'hot_number',
                                        HOT_TYPE => 'integer' });

    $hot->sql('create table hot_number (id integer primary key);'
              . 'grant select, update on hot_number to echo;');
    $hot->start();

    for my $id ('x', '', '1e3', '9223372036854775808', '-', "1'", '7',
                '-9223372036854775808', '99999999999')
    {
        is($hot->call('add_locked', Hot::body($id))->{status}, 204,
           "a key \"$id\" of a number fails no statement");
    }

    unlike($hot->worker()->log(), qr/failed/, 'and nothing has failed');
    $hot->worker()->stop();
}


sub stray {
    my $hot = Hot->new()->start();
    my $id = $hot->command('stray');

    ok(wait_for(sub {
        $hot->sql("select reason from dead_letter where message_id = '$id'")
            =~ /a table that its \.locks do not name/
    }, 20, 'the dead letter'),
       'a table that .locks do not name makes a dead letter');
    like($hot->worker()->log(), qr/\.locks do not name: \\"cold\\"/,
         'and its name is told');
    is($hot->call('add_locked', Hot::body(1))->{status}, 204,
       'and the lane goes on');
    $hot->worker()->stop();
}


# Another's change to a row is waited for, and seen.
sub seen_by_load {
    my $hot = Hot->new()->start();
    my ($other) = blocker($hot, "update hot set n = 41 where id = '1'");
    my $asked = $hot->ask('see_locked', Hot::body(1));

    $hot->wait_for_statement('select 1 from "hot"%for no key update');
    $other->do('commit');
    is($hot->answer($asked)->{json}{n}, 41,
       '.load sees what was committed while a row was waited for');
    is($hot->sum(), 42, 'and .apply adds to it');
    $other->disconnect();
    $hot->worker()->stop();
}


sub blocker {
    my ($hot, $sql) = @_;

    my $session = $hot->session();

    $session->do('begin');
    $session->do($sql);

    return $session;
}


# How often a batch asks for answers and waits for them.
sub round_trips {
    my $hot = Hot->new();
    my $proxy = Warren::PgProxy->new(port => $hot->{postgresql}->port());

    $hot->behind($proxy);
    $hot->start();

    my %count;

    for my $method ('see', 'see_locked') {

        # an idle lane looks around, too: the fewest are the batch's own
        for my $round (1 .. 7) {
            $proxy->order('forget');
            is($hot->call($method, Hot::body(1, 2, 3))->{status}, 200,
               "$method is answered") if $round == 1;
            $hot->call($method, Hot::body(1, 2, 3)) if $round > 1;

            my $now = $proxy->count('flush');
            $count{$method} = $now if $now < ($count{$method} // $now + 1);
        }
    }

    is($count{see_locked}, $count{see}, 'keys cost no round trip');
    is($count{see}, 2, 'a batch has two of them');
    $hot->worker()->stop();
}
