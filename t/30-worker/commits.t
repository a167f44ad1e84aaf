# Copyright (C) the Warren authors
#
# The connection to PostgreSQL is lost around a COMMIT: what became of it is
# looked for, and told as it is.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use JSON::PP ();
use Test::More;

use Echo;
use Hot;
use Warren::PgProxy;
use Warren::PostgreSQL;
use Warren::Test;

# a burnt attempt would make a dead letter
my $echo = Echo->new(settings => {
    'retry.max_attempts' => 1, 'log.level' => 'debug'
});
my $proxy = Warren::PgProxy->new(port => $echo->{postgresql}->port());
my $port = $proxy->port();
my $offset = 0;

$echo->worker()->{database} =~ s/:\d+\//:$port\//;
$echo->start();

for my $order ('cut_after', 'cut_before') {
    call($order);
    batch($order);
    refusal($order);
    command($order);
    event($order);
}

held('deliver', 0);
held('drop', 0);
held('deliver', 1);
held_command('deliver');
held_command('drop');
back_in_time();
too_late();
before_commit();
nobody_paid();

$echo->worker()->stop();
held_rows();

done_testing();


# What the log has gained since forget_news().
sub forget_news {
    $offset = length $echo->worker()->log();
}


sub news_has {
    my ($pattern) = @_;

    return wait_for(sub {
        substr($echo->worker()->log(), $offset) =~ $pattern
    }, 40, "$pattern in the log");
}


sub write_body {
    my ($id) = @_;

    return JSON::PP::encode_json({ id => $id, text => 'x' });
}


sub rows {
    my ($where) = @_;

    return $echo->sql("select count(*) from echo where $where");
}


# The row is there once, and its event has left, once.
sub acted_once {
    my ($id) = @_;

    is(rows("id = '$id'"), 1, 'and its row is there');
    is(wait_for(sub {
        $echo->sql("select times from echo_seen where id = '$id'")
    }, 60, 'the event'), 1, 'and its event leaves, once');
}


sub call {
    my ($order) = @_;

    $proxy->order($order);

    my $reply = $echo->call('write', write_body("call-$order"),
                            ms => 40_000, seconds => 40);

    $proxy->wait_for_cut();
    is($reply->{status}, 201, "$order: a call is answered as if nothing was");
    is($reply->{json}{id}, "call-$order", 'with its reply');
    acted_once("call-$order");
}


# All of the batch share the commit; those after it do not.
sub batch {
    my ($order) = @_;

    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '500' });
    my @asked = map {
        $echo->ask('write', write_body("batch-$order-$_"), ms => 40_000)
    } 1 .. 8;

    is($echo->answer($slow)->{status}, 200, 'a lane is kept busy');
    $proxy->order($order);

    my @status = map { ($echo->answer($_, 40) // {})->{status} } @asked;

    # those that the lane had not begun with are told to come again
    cmp_ok((grep { $_ == 201 } @status), '>', 0,
           "$order: calls of a batch are done");
    is((grep { $_ != 201 && $_ != 503 } @status), 0, 'and none is in doubt');
    is(rows("id like 'batch-$order-%'"), scalar(grep { $_ == 201 } @status),
       'and the rows are those of the calls that are done');

    # the events' own transactions are not to be what is cut next
    wait_for(sub {
        $echo->sql("select count(*) from echo_seen"
                   . " where id like 'batch-$order-%'")
            == rows("id like 'batch-$order-%'")
    }, 60, 'the events');
    $proxy->wait_for_cut();
}


# The refusal's row was to be committed.
sub refusal {
    my ($order) = @_;

    # nor is it the commit that deletes what was sent before
    wait_for(sub { $echo->sql('select count(*) from outbox') eq '0' }, 60,
             'an empty outbox');
    $proxy->order($order);
    is($echo->call('refuse', '{}', ms => 40_000, seconds => 40)->{status}, 409,
       "$order: a refusal is a refusal");
    $proxy->wait_for_cut();
}


sub command {
    my ($order) = @_;

    $proxy->order($order);

    my $id = $echo->command('note', '{"text":"x"}');

    $proxy->wait_for_cut();
    ok(wait_for(sub { rows("id = '$id'") == 1 }, 40, 'the command'),
       "$order: a command acts once");
}


sub event {
    my ($order) = @_;

    $proxy->order($order);
    $echo->event('echo.written', "event-$order");
    $proxy->wait_for_cut();
    is(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'event-$order'")
    }, 40, 'the event'), 1, "$order: an event acts");
    wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'events.echo') == 0
    }, 40, 'an empty queue');
    is($echo->sql("select times from echo_seen where id = 'event-$order'"), 1,
       'once, and leaves its queue');
}


# COMMIT is on its way, and its transaction holds the message: nobody may act
# in its place, and nobody may say how it ends.
sub held {
    my ($end, $keyed) = @_;

    my $what = $keyed ? 'a call with a key' : 'a call';
    my %option = (ms => 40_000, headers => { 'x-keyed' => $keyed });

    forget_news();
    $proxy->order('hold');

    my $asked = $echo->ask('write', write_body("held-$end-$keyed"), %option);

    $proxy->wait_for_cut();
    news_has(qr/another lane has it(?s:.*another lane has it){2}/);
    is(rows("id = 'held-$end-$keyed'"), 0,
       "while a commit is on its way, $what waits");
    $proxy->order($end);
    is($echo->answer($asked, 40)->{status}, 201,
       "$end: it is answered when that has ended");
    acted_once("held-$end-$keyed");
}


sub held_command {
    my ($end) = @_;

    $proxy->order('hold');

    my $id = $echo->command('note', '{"text":"x"}');

    forget_news();
    $proxy->wait_for_cut();
    news_has(qr/another lane has it/);
    is(rows("id = '$id'"), 0, 'while a commit is on its way, a command waits');
    $proxy->order($end);
    ok(wait_for(sub { rows("id = '$id'") == 1 }, 40, 'the command'),
       "$end: it acts when that has ended");
    wait_for(sub {
        !grep { $echo->broker()->queue_depth($echo->vhost(), $_) != 0 }
              qw(commands.echo retry.echo.1s again.echo)
    }, 40, 'empty queues');
    is(rows("id = '$id'"), 1, 'and once');
}


sub back_in_time {
    forget_news();
    $proxy->order('cut_after_shut');

    my $asked = $echo->ask('write', write_body('back'), ms => 60_000);

    $proxy->wait_for_cut();
    news_has(qr/port \d+ failed: server closed the connection/);
    pass('a commit is lost, and the database is away');
    $proxy->order('open');
    is($echo->answer($asked, 60)->{status}, 201,
       'with the database back in time, the call is answered');
    acted_once('back');
    is($echo->call('write', write_body('after'))->{status}, 201,
       'and others are again');
    acted_once('after');
}


sub too_late {
    my $id = Echo::uuid();

    forget_news();
    $proxy->order('cut_after_shut');

    my $asked = $echo->ask('write', write_body('late'), ms => 6000,
                           id => $id);
    my $reply = $echo->answer($asked, 40);

    $proxy->wait_for_cut();
    is($reply->{status}, 502, 'a call that nobody can answer in time is told');
    is($reply->{json}{type}, 'urn:warren:error:interrupted',
       'that it may have happened');

    $proxy->order('open');
    news_has(qr/paused -> ready/);
    is($echo->call('write', write_body('late'), id => $id)->{status}, 201,
       'and told truly when it asks again');
    acted_once('late');
}


# Nothing was sent for commit: that is known without a look.
sub before_commit {
    my $asked = $echo->ask('slow', '{}', ms => 60_000,
                           headers => { 'x-arg-ms' => '30000' });

    wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 20, 'the statement');
    $proxy->order('shut');
    is($echo->answer($asked, 40)->{status}, 503,
       'a call whose connection is lost before its COMMIT has not happened');
    $proxy->order('open');
    is($echo->call('echo', '{"text":"x"}', seconds => 40, ms => 40_000)
           ->{status}, 200, 'and the lane goes on');
}


# The lost transaction holds the rows that its message changes, too: who looks
# for its end does not wait for them.
sub held_rows {
    my $hot = Hot->new(settings => { 'log.level' => 'debug' });
    my $between = Warren::PgProxy->new(port => $hot->{postgresql}->port());

    $hot->behind($between);
    $hot->start();
    $between->order('hold');

    my $asked = $hot->ask('add_locked', Hot::body(1, 2), ms => 40_000);

    $between->wait_for_cut();
    wait_for(sub {
        my $times = () = $hot->worker()->log() =~ /another lane has it/g;
        $times >= 3;
    }, 40, 'three looks');
    is($hot->call('add_locked', Hot::body(3))->{status}, 204,
       'meanwhile others act');
    $between->order('deliver');
    is($hot->answer($asked, 40)->{status}, 204,
       'whose rows are held as well is answered in the end');
    unlike($hot->worker()->log(), qr/lock timeout/,
           'and nobody waited for those rows');
    is($hot->sum(), 3, 'and all acted once');
    $hot->worker()->stop();
}


sub nobody_paid {
    is($echo->sql('select count(*) from dead_letter'), 0,
       'no attempt was burnt by any of it');
    unlike($echo->worker()->log(), qr/attempt 2 failed/, 'at all');
}
