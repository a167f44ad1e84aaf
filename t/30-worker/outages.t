# Copyright (C) the Warren authors
#
# PostgreSQL or RabbitMQ goes away and comes back.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test;

my $broker = Warren::RabbitMQ->private();
my $postgresql = Warren::PostgreSQL->private();
my $echo = Echo->new(broker => $broker, postgresql => $postgresql,
                     settings => { 'broker.heartbeat' => '4s' })->start();

database_away();
broker_blocked();
broker_away();

done_testing();


sub log_has {
    my ($pattern, $what) = @_;

    return wait_for(sub { $echo->worker()->log() =~ $pattern }, 40, $what);
}


sub noted {
    my ($id) = @_;

    return wait_for(sub {
        eval { $echo->sql("select 1 from echo where id = '$id'") }
    }, 40, "command $id");
}


sub database_away {
    is($echo->call('echo', '{"text":"a"}')->{status}, 200, 'all is well');

    $postgresql->stop();
    log_has(qr/ready -> paused/, 'the pause');
    pass('without its database, a lane pauses');

    my $id = $echo->command('note', '{"text":"away"}');
    ok(wait_for(sub {
        $broker->queue_depth($echo->vhost(), 'commands.echo') == 1
    }, 15, 'the depth'), 'what comes meanwhile stays in its queue');

    $postgresql->start();
    ok(noted($id), 'with the database back, it acts');
    is($echo->sql('select count(*) from dead_letter'), 0,
       'and nothing marched into the dead letters');
    is($echo->call('echo', '{"text":"b"}')->{status}, 200,
       'and calls are answered');
}


# The alarm stops publishers: what a lane has to send leaves when it is over.
sub broker_blocked {
    my $id = '01900000-0000-7000-8000-00000000b10c';

    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1MB');

    # what the lane sends tells the connection
    $echo->sql('insert into outbox (id, exchange, routing_key, type,'
               . " content_type, body, due_at) values ('$id', 'commands',"
               . " 'echo', 'note', 'application/json', '{\"text\":\"held\"}',"
               . ' now())');
    log_has(qr/publishing connection blocked/, 'connection.blocked');
    pass('a lane hears that the broker is short of memory');
    log_has(qr/ready -> blocked/, 'the state');
    is($echo->sql("select count(*) from echo where id = '$id'"), 0,
       'and what it sends is held back');
    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    log_has(qr/blocked -> ready/, 'the end of it');
    ok(noted($id), 'and acts when it has memory again');
    is($echo->call('echo', '{"text":"c"}')->{status}, 200,
       'and calls are answered');
}


sub broker_away {
    my $id = $echo->command('note', '{"text":"restart"}');

    ok(noted($id), 'a command acts');
    $echo->forget();
    delete $echo->{confirming};
    $broker->restart();
    $echo->worker()->wait_until_ready(40);

    is($echo->call('write', '{"id":"restart","text":"d"}')->{status}, 201,
       'after a restart of the broker, calls are answered');
    ok(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'restart'")
    }, 20, 'the event'), 'and events leave and come');
}
