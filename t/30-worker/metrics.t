# Copyright (C) the Warren authors
#
# What /metrics tells is what happened.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::OpenMetrics;
use Warren::RabbitMQ;
use Warren::Test;

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker,
                     settings => { 'retry.max_attempts' => 2 })->start();

strict();
fresh();
retries();
batches();
durations();
repeated();
foreign_words();
blocked();
left_behind();
reconnects();

done_testing();


sub metrics {
    my $reply = $echo->worker()->http()->get(
        '/metrics', Accept => 'application/openmetrics-text'
    );

    return Warren::OpenMetrics->parse($reply->{body});
}


sub value {
    my ($name, %labels) = @_;

    return metrics()->value("warren_$name", service => 'echo', %labels);
}


sub wait_value {
    my ($wanted, $name, %labels) = @_;

    return wait_for(sub { value($name, %labels) == $wanted }, 40,
                    "$wanted as $name");
}


# A parser that is content with anything proves nothing.
sub strict {
    my $good = "# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n"
               . "# HELP a_seconds some\n"
               . "a_seconds_bucket{b=\"x\",le=\"1\"} 2\n"
               . "a_seconds_bucket{b=\"x\",le=\"+Inf\"} 3\n"
               . "a_seconds_count{b=\"x\"} 3\na_seconds_sum{b=\"x\"} 1.5\n"
               . "# TYPE c counter\nc_total 1\n# EOF\n";

    ok(eval { Warren::OpenMetrics->parse($good) }, 'the format is read')
        or diag($@);

    for my $wrong (
        ['no end', sub { s/# EOF\n// }],
        ['more behind the end', sub { $_ .= "d 1\n" }],
        ['a counter without its suffix', sub { s/c_total/c/ }],
        ['a counter below 0', sub { s/total 1/total -1/ }],
        ['buckets that shrink', sub { s/"1"} 2/"1"} 4/ }],
        ['a count that is another', sub { s/count\{b="x"} 3/count{b="x"} 4/ }],
        ['no last bucket', sub { s/.*Inf.*\n// }],
        ['a unit that is no suffix', sub { s/(UNIT a_seconds) s/$1 m/ }],
        ['a family twice', sub { s/# EOF/# TYPE a_seconds gauge\n# EOF/ }],
        ['a sample twice', sub { s/c_total 1/c_total 1\nc_total 1/ }],
        ['a label that is not closed', sub { s/x",le="1"/x,le="1"/ }],
        ['an escape that is none', sub { s/b="x",le="1"/b="\\q",le="1"/ }],
        ['an empty line', sub { s/# EOF/\n# EOF/ }]
    ) {
        my ($what, $spoil) = @$wrong;
        local $_ = $good;

        $spoil->();
        ok(!eval { Warren::OpenMetrics->parse($_) }, "but not $what");
    }
}


sub fresh {
    my $metrics = metrics();

    is($metrics->type("warren_$_"), 'histogram', "$_ is a histogram")
        for qw(message_wait_seconds message_handling_seconds handler_seconds
               batch_messages commit_seconds);
    is($metrics->type("warren_$_"), 'counter', "$_ is a counter")
        for qw(messages_handled messages_repeated retries broker_reconnects
               database_reconnects events_published);
    is($metrics->type("warren_$_"), 'gauge', "$_ is a gauge")
        for qw(outbox_depth outbox_age_seconds lanes);

    is($metrics->value('warren_retries_total', service => 'echo',
                       rung => $_), 0, "nothing was on rung $_")
        for qw(1s 5s 15s 1m 5m 15m 1h 6h);
    cmp_ok($metrics->value('warren_outbox_age_seconds', service => 'echo'),
           '==', 0, 'and nothing waits to be sent');

    my $plain = $echo->worker()->http()->get('/metrics')->{body};
    like($plain, qr/^# TYPE warren_retries_total counter$/m,
         'who does not ask for OpenMetrics gets the older form');
}


# Each fails twice: once to the rung, once for good.
sub retries {
    my @handler = (kind => 'command', handler => 'retry');

    $echo->command('retry') for 1 .. 3;
    wait_value(3, 'messages_dead_total');
    is(value('retries_total', rung => '1s'), 3,
       'three retries on the rung 1s show as three');
    is(value('retries_total', rung => '5s'), 0, 'and on no other');
    is(value('messages_retried_total'), 3, 'nor are there more');
    wait_value(6, 'messages_handled_total', @handler, outcome => 'retry');
    is(value('handler_seconds_count', @handler), 6,
       'its handler ran six times');
    is(value('message_wait_seconds_count', @handler), 3,
       'a message waits in its queue once');
}


# What comes while a lane is busy is its next batch.
sub batches {
    my @bounds = ([le => '6'], [le => '4']);

    wait_for(sub {
        my @before = map { value('batch_messages_bucket', @$_) } @bounds;
        my $busy = $echo->ask('busy', '{}',
                              headers => { 'x-arg-ms' => '900' });
        my @ids = map { $echo->command('note', '{"text":"x"}') } 1 .. 5;
        $echo->answer($busy, 40);
        wait_for(sub {
            $echo->sql('select count(*) from echo where id in ('
                       . join(', ', map { "'$_'" } @ids) . ')') == 5
        }, 40, 'five notes');

        my @after = map { value('batch_messages_bucket', @$_) } @bounds;
        $after[0] - $before[0] == 1 && $after[1] == $before[1];
    }, 120, 'a batch of five');
    pass('a batch of five is one in its bucket, and none in those below');

    is(value('batch_messages_count'), value('batches_total'),
       'the histogram has all batches');
    is(value('commit_seconds_count'), value('batches_total'),
       'and so has that of commits');
}


sub durations {
    my @slow = (kind => 'call', handler => 'slow');

    is($echo->call('slow', '{}', headers => { 'x-arg-ms' => '300' })->{status},
       200, 'a handler takes its time');
    wait_value(1, 'handler_seconds_count', @slow);
    cmp_ok(value('handler_seconds_sum', @slow), '>=', 0.3,
           'which is counted as its own');
    is(value('handler_seconds_bucket', @slow, le => '0.25'), 0,
       'in seconds');
    is(value('message_handling_seconds_bucket', @slow, le => '0.25'), 0,
       'and in that of the message');

    my @echo = (kind => 'call', handler => 'echo');
    my $before = value('message_wait_seconds_sum', @echo);

    wait_for(sub {
        my $busy = $echo->ask('busy', '{}',
                              headers => { 'x-arg-ms' => '900' });
        my $call = $echo->ask('echo', '{"text":"x"}');

        $echo->answer($_, 40) for $busy, $call;
        value('message_wait_seconds_sum', @echo) - $before >= 0.1;
    }, 60, 'a call that waits');
    pass('the time in a queue is counted');
    cmp_ok(value('handler_seconds_sum', @echo), '<', 1,
           'but is not its handler\'s');
}


sub repeated {
    my $id = Echo::uuid();
    my $before = value('messages_repeated_total');

    $echo->call('write', '{"id":"again","text":"x"}', id => $id) for 1 .. 2;
    is(value('messages_repeated_total'), $before + 1,
       'a call that comes again is a hit in the inbox');
}


# Whatever somebody sends, it is no label.
sub foreign_words {
    my $word = 'no_such_{method}"';

    is($echo->call($word, '{}')->{status}, 404, 'a method that is none');
    $echo->command($word);
    wait_value(2, 'messages_handled_total', kind => 'unknown', handler => '',
               outcome => 'refused');
    pass('is counted without its name');
    is_deeply([grep { /such/ } metrics()->label_values('handler')], [],
              'which is nowhere');
}


# The broker takes nothing: what is to be sent grows old.
sub blocked {
    wait_value(0, 'outbox_depth');

    my $asked = $echo->ask('write', '{"id":"blocked","text":"x"}',
                           headers => { 'x-arg-ms' => '2000' });
    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1MB');

    wait_for(sub { value('outbox_age_seconds') >= 2 }, 60, 'its age');
    pass('while the broker is blocked, the age of the outbox rises');
    is(value('outbox_depth'), 1, 'with what is in it');

    my $age = value('outbox_age_seconds');
    wait_for(sub { value('outbox_age_seconds') >= $age + 1 }, 60, 'more');
    pass('as time goes by');
    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    is($echo->answer($asked, 40)->{status}, 201, 'then the reply comes');
    wait_value(0, 'outbox_age_seconds');
    wait_value(0, 'outbox_depth');
    pass('and all of the outbox has left');
}


# Nobody holds this row, as after a crash.
sub left_behind {
    $echo->sql('insert into outbox (id, exchange, routing_key, type,'
               . ' content_type, body, created_at, due_at) values'
               . " (gen_random_uuid(), 'events', 'a.b', 'a.b', 'text/plain',"
               . " '', now() - interval '1 hour', now() + interval '1 hour')");
    wait_for(sub { value('outbox_age_seconds') >= 3600 }, 40, 'its age');
    is(value('outbox_depth'), 0, 'a row that no lane holds counts by age');

    $echo->sql('delete from outbox where routing_key = \'a.b\'');
    wait_value(0, 'outbox_age_seconds');
    pass('until it is gone');
}


sub reconnects {
    is(value('database_reconnects_total') + value('broker_reconnects_total'),
       0, 'a first connection is no reconnect');

    $echo->sql('select pg_terminate_backend(pid) from pg_stat_activity'
               . " where usename = 'echo' and datname = current_database()");
    wait_value(1, 'database_reconnects_total');
    pass('another one to the database is');

    $broker->close_connections('echo');
    wait_value(1, 'broker_reconnects_total');
    pass('and one to the broker');
}
