# Copyright (C) the Warren authors
#
# Servers that do not end but stand still: their sockets stay, nothing comes.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test;

my $offset = 0;
my $broker = Warren::RabbitMQ->private();
my $postgresql = Warren::PostgreSQL->private();
my $echo = Echo->new(broker => $broker, postgresql => $postgresql, settings => {
    'broker.heartbeat' => '4s', 'give_back_after' => '3s', batch => 2,
    'retry.max_attempts' => 1
})->start();

budget();
database_frozen();
database_away();
broker_frozen();
broker_deaf();

done_testing();


# What the log has gained since forget_news().
sub news {
    return substr $echo->worker()->log(), $offset;
}


sub forget_news {
    $offset = length $echo->worker()->log();
}


sub news_has {
    my ($pattern, $seconds) = @_;

    return wait_for(sub { news() =~ $pattern }, $seconds // 20, "$pattern");
}


sub sleeping {
    return wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 15, 'the statement');
}


# The statements are short, their sum is not.
sub budget {
    my $id = $echo->command('note', '{"text":"long"}', headers => {
        'x-arg-ms' => '3000', 'x-arg-times' => '5' });

    ok(wait_for(sub {
        $echo->sql("select reason from dead_letter where message_id = '$id'")
            =~ /canceling statement due to user request/
    }, 30, 'the dead letter'), 'a batch beyond its time is cancelled');
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and the lane goes on');
    unlike(news(), qr/connection lost|database lost/,
           'and has kept all its connections');
}


# All processes of the cluster.
sub cluster {
    my ($signal) = @_;

    my $pid = $postgresql->{pid};
    my @children;

    for my $path (glob '/proc/[0-9]*/stat') {
        my $text = eval { slurp($path) } // next;
        push @children, $1 if $text =~ /\A(\d+) \(.*\) \S \Q$pid\E /s;
    }

    kill $signal, $pid, @children;
}


sub database_frozen {
    forget_news();

    my $asked = $echo->ask('slow', '{}', ms => 60_000,
                           headers => { 'x-arg-ms' => '3000' });
    sleeping();
    cluster('STOP');
    news_has(qr/ready -> paused/, 30);
    pass('a database that stands still is given up');
    is($echo->answer($asked)->{status}, 503,
       'and who waits is told that nothing has happened');
    unlike(news(), qr/connection lost/,
           "and the broker's heartbeats were kept");
    cluster('CONT');
    news_has(qr/paused -> ready/, 30);
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'it is taken up again');
}


# Calls do not wait behind commands that are held; these are given back.
sub database_away {
    forget_news();

    $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '8000' });
    sleeping();
    $echo->command('note', '{"text":"held"}') for 1 .. 6;

    my @asked = map { $echo->ask('echo', '{"text":"x"}') } 1 .. 4;

    wait_for(sub {
        !grep { $_ != 0 } map {
            $echo->amqp()->rpc('queue.declare', queue => $_,
                               passive => 1)->{message_count}
        } 'rpc.echo', 'commands.echo';
    }, 6, 'all at the lane');
    $postgresql->stop();
    news_has(qr/ready -> paused/);
    is_deeply([map { ($echo->answer($_, 5) // {})->{status} } @asked],
              [(503) x 4], 'calls that were taken are told at once');

    ok(wait_for(sub {
        my $about = $broker->api('GET', '/api/queues/' . $echo->vhost()
                                        . '/commands.echo');
        ($about->{messages_ready} // 0) == 6
            && ($about->{messages_unacknowledged} // 1) == 0
    }, 20, 'the queue'), 'after a while what is held is given back');
    $postgresql->start();
    ok(wait_for(sub {
        eval { $echo->sql("select count(*) from echo where text = 'held'") }
            == 6
    }, 40, 'the commands'), 'and acts when the database is back');
    is($echo->sql("select count(*) from dead_letter where type = 'note'"), 1,
       'without an attempt burnt');
}


sub broker_frozen {
    forget_news();

    my $id = $echo->command('note', '{"text":"before"}');

    wait_for(sub { $echo->sql("select 1 from echo where id = '$id'") }, 15,
             'the command');
    $broker->signal('STOP');
    news_has(qr/connection lost/, 30);
    pass('a broker that stands still is given up');
    $broker->signal('CONT');
    $echo->forget();
    delete $echo->{confirming};
    $echo->worker()->wait_until_ready(60);
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and taken up again');
}


# The lane has calls whose replies do not fit into the socket's buffer.
sub broker_deaf {
    forget_news();

    $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '2000' });
    sleeping();

    my $text = 'a' x 900_000;
    my @asked = map { $echo->ask('echo', qq({"text":"$text"})) } 1 .. 6;

    wait_for(sub {
        $echo->amqp()->rpc('queue.declare', queue => 'rpc.echo',
                           passive => 1)->{message_count} == 0
    }, 15, 'all at the lane');
    $broker->signal('STOP');
    news_has(qr/connection lost/, 40);
    pass('a broker that reads nothing is given up');
    $broker->signal('CONT');
    $echo->forget();
    delete $echo->{confirming};
    $echo->worker()->wait_until_ready(60);
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and taken up again');
}
