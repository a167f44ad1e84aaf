# Copyright (C) the Warren authors
#
# What a crash leaves behind, and what is old.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::RabbitMQ;
use Warren::Test;

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker,
                     settings => { 'broker.heartbeat' => '4s' });

backlog();
confirmed();
unpublished();
unacknowledged();

done_testing();


# Rows of before the start: due for the sweeper, too old for the inbox.
sub backlog {
    $echo->sql(<<'SQL');
insert into inbox (message_id, taken_at)
select gen_random_uuid(), now() - interval '15 days'
from generate_series(1, 12000);
insert into inbox (message_id) values (gen_random_uuid());
insert into outbox (id, exchange, routing_key, type, content_type, body,
    due_at)
select id, 'events', 'echo.written', 'echo.written',
    'application/cloudevents+json',
    json_build_object('specversion', '1.0', 'id', id,
        'source', '/warren/echo', 'type', 'echo.written',
        'subject', 'left-' || n, 'data', json_build_object('id', 'x'))::text,
    now() - interval '1 hour'
from (select gen_random_uuid() as id, n from generate_series(1, 3000) n) as t;
SQL
    $echo->start();

    ok(wait_for(sub {
        $echo->sql("select count(*) from echo_seen where id like 'left-%'"
                   . ' and times = 1') == 3000
    }, 20, 'the events'), 'a backlog of the outbox leaves without pauses');
    ok(wait_for(sub {
        $echo->sql("select count(*) from inbox where taken_at <"
                   . " now() - interval '14 days'") == 0
    }, 20, 'an inbox without the old'), 'what is old leaves the inbox');
    is($echo->sql('select count(*) from inbox'), 3001, 'and nothing else');
    ok(wait_for(sub { $echo->sql('select count(*) from outbox') == 0 }, 20,
                'an empty outbox'), 'and the outbox is empty');
}


# Confirmed rows do not wait for a lane to be idle, or to write.
sub confirmed {
    is($echo->call('write', '{"id":"confirmed","text":"x"}')->{status}, 201,
       'a row is written');

    # a second call is always under way
    my $under_way = $echo->ask('echo', '{"text":"x"}');
    my $end = time() + 8;
    my $is_empty = 0;

    while (time() < $end && !$is_empty) {
        for (1 .. 40) {
            my $next = $echo->ask('echo', '{"text":"x"}');
            $echo->answer($under_way);
            $under_way = $next;
        }

        $is_empty = $echo->sql('select count(*) from outbox') == 0;
    }

    $echo->answer($under_way);
    ok($is_empty, 'with calls coming all the time, the outbox is emptied');
}


sub in_sleep {
    return wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 15, 'the statement');
}


# The broker stands still while a transaction commits, then lane and broker
# are killed: neither ack nor event has arrived.
sub cut {
    my ($id) = @_;

    in_sleep();
    $broker->signal('STOP');
    wait_for(sub {
        $echo->sql("select count(*) from echo where id = '$id'") == 1
    }, 15, 'the commit');
    kill 'KILL', $echo->worker()->lanes();
    $broker->kill9();
    $echo->forget();
    delete $echo->{confirming};
}


sub resume {
    $broker->start();
    $echo->worker()->wait_until_ready(60);
}


sub unpublished {
    $echo->ask('write', '{"id":"cut","text":"x"}',
               headers => { 'x-arg-ms' => '1500' });
    cut('cut');
    is($echo->sql('select count(*) from outbox'), 1,
       'a lane dies between commit and publish');
    resume();
    ok(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'cut'") eq '1'
    }, 40, 'the event'), 'the sweeper sends what it left, once');
    ok(wait_for(sub { $echo->sql('select count(*) from outbox') == 0 }, 20,
                'an empty outbox'), 'and the row leaves');
}


sub unacknowledged {
    my $id = $echo->command('note', '{"text":"cut"}',
                            headers => { 'x-arg-ms' => '1500' });

    cut($id);
    is($echo->sql("select count(*) from inbox where message_id = '$id'"), 1,
       'a lane dies between commit and ack');
    resume();
    wait_for(sub {
        $echo->worker()->log() =~ /has acted before/
    }, 30, 'the repetition');
    pass('the message comes again, and the inbox knows it');
    ok(wait_for(sub {
        $broker->queue_depth($echo->vhost(), 'commands.echo') == 0
    }, 20, 'an empty queue'), 'and it is acknowledged');
    is($echo->sql('select count(*) from dead_letter'), 0,
       'and nothing is dead');
}
