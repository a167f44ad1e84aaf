# Copyright (C) the Warren authors
#
# Lanes whose messages change the same rows: they wait for one another, and
# never for each other.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use List::Util qw(shuffle);
use Test::More;

use Hot;
use Warren::Test;

for my $lanes (2, 4) {
    for my $rows (1000, 10) {
        locked($lanes, $rows);
    }
}

unlocked();
deadlocked_batch();
alone();

done_testing();


# What the worker is to find: it is stopped meanwhile, so that its lanes begin
# together, with full batches.
sub backlog {
    my ($hot, $method, @bodies) = @_;

    $hot->start();
    $hot->worker()->stop();

    my $amqp = $hot->connect('gateway');
    $amqp->confirm_select();

    my @ids = map { Echo::uuid() } @bodies;

    for my $i (0 .. $#bodies) {
        $amqp->publish('commands', 'echo', $bodies[$i], type => $method,
                       message_id => $ids[$i], user_id => 'gateway',
                       delivery_mode => 2, timestamp => time(),
                       content_type => 'application/json');
    }

    $amqp->wait_confirm() or die "the broker refused a command\n";

    return @ids;
}


sub acted_once {
    my ($hot, $ids, $sum, $what) = @_;

    is($hot->sum(), $sum, "$what: each change is there once");
    is($hot->sql('select count(*) from inbox'), scalar @$ids,
       'every message has acted');
    is($hot->sql('select count(*) from dead_letter'), 0, 'and none is dead');
}


sub locked {
    my ($lanes, $rows) = @_;

    my $hot = Hot->new(rows => $rows, settings => { lanes => $lanes });
    my @bodies = map {
        Hot::body(map { 1 + int rand $rows } 1 .. 3)
    } 1 .. 600;
    my @ids = backlog($hot, 'add_locked', @bodies);

    $hot->start();
    wait_for(sub { $hot->sum() == 1800 }, 120, 'all changes');
    $hot->worker()->stop();
    acted_once($hot, \@ids, 1800, "$lanes lanes, $rows rows");
    is($hot->deadlocks(), 0, 'and PostgreSQL has seen no deadlock');
    unlike($hot->worker()->log(), qr/repeated one by one|waits on a rung/,
           'and no batch and no message was tried twice');
}


# Without .keys rows are locked as messages come, here slowly, and each in an
# order of its own.
sub unlocked {
    my $hot = Hot->new(rows => 6, settings => {
        lanes => 2, batch => 8, prefetch => 16, 'retry.max_attempts' => 8 });
    my @ids = backlog($hot, 'add',
                      map { Hot::body(shuffle 1 .. 6) } 1 .. 40);

    $hot->sql(<<'SQL');
create function slow() returns trigger language plpgsql as
    'begin perform pg_sleep(0.01); return new; end';
create trigger slow before update on hot for each row execute function slow();
SQL

    $hot->start();
    wait_for(sub { $hot->sum() == 240 }, 240, 'all changes');
    $hot->wait_until_drained();
    $hot->worker()->stop();
    acted_once($hot, \@ids, 240, 'without .keys');
    cmp_ok($hot->deadlocks(), '>', 0, 'though there were deadlocks');
}


# One who is not to be the victim of a deadlock.
sub session {
    my ($hot) = @_;

    my $session = $hot->session();

    $session->do("set deadlock_timeout = '10min'");
    $session->do('begin');

    return $session;
}


# One whom the lane waits for waits for the lane: PostgreSQL ends the batch.
sub deadlocked_batch {
    my $hot = Hot->new(rows => 10);
    my @ids = backlog($hot, 'add', map { Hot::body($_) } 1 .. 5);
    my $session = session($hot);

    $session->do("update hot set n = n where id = '4'");
    $hot->start();
    $hot->wait_for_statement('update hot%');
    $session->do("update hot set n = n where id = '2'");
    pass('a batch in a deadlock is ended');
    $session->do('commit');
    wait_for(sub { $hot->sum() == 5 }, 60, 'all changes');
    $hot->worker()->stop();
    acted_once($hot, \@ids, 5, 'a batch in a deadlock');
    is($hot->deadlocks(), 1, 'and was in one, once');
    like($hot->worker()->log(), qr/batch of 5 is repeated one by one/,
         'and was not repeated as a whole');
    unlike($hot->worker()->log(), qr/waits on a rung/,
           'and nobody paid an attempt for it');
    $session->disconnect();
}


# A message in a deadlock of its own is tried again at once.
sub alone {
    my $hot = Hot->new(rows => 10)->start();
    my $session = session($hot);

    $session->do("update hot set n = n where id = '4'");

    my $asked = $hot->ask('add', Hot::body(2, 4), ms => 60_000);

    $hot->wait_for_statement('update hot%');
    $session->do("update hot set n = n where id = '2'");
    $session->do('commit');
    is($hot->answer($asked, 60)->{status}, 204,
       'a call in a deadlock is tried again at once');
    $hot->worker()->stop();
    is($hot->sum(), 2, 'and acts once');
    cmp_ok($hot->deadlocks(), '>', 0, 'though there was one');
    $session->disconnect();
}
