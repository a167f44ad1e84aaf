# Copyright (C) the Warren authors
#
# Who is full says so, and what cannot leave waits: queues with a bound, rungs
# and homes that are not there, a broker without disk.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker, settings => {
    'retry.max_attempts' => 2, 'drain_timeout' => '3s'
})->start();
my $admin = $echo->connect('guest');

full_service();
full_commands();
missing_rung();
homeless();
disk_full();
stopped();

done_testing();


sub log_has {
    my ($pattern, $what) = @_;

    return wait_for(sub { $echo->worker()->log() =~ $pattern }, 40, $what);
}


# A queue that takes nothing, in place of one that is full.
sub full_queue {
    my ($exchange, $queue, $key) = @_;

    $admin->declare_queue($queue, durable => 1, arguments => {
        'x-max-length' => 0, 'x-overflow' => 'reject-publish' });
    $admin->bind($queue, $exchange, $key);
}


sub remove {
    my ($queue) = @_;

    $broker->api('DELETE', '/api/queues/' . $echo->vhost() . "/$queue");
}


# A question to a service with a full queue is answered at once.
sub full_service {
    full_queue('rpc', 'rpc.full', 'full');

    # too late would be 502
    my $reply = $echo->call('ask', '{}', ms => 40_000, seconds => 40,
                            headers => { 'x-arg-service' => 'full' });

    is($reply->{status}, 503,
       'a call that asks a service with a full queue is told to come again');
}


# A command for a service whose queue is full stays in the outbox.
sub full_commands {
    full_queue('commands', 'commands.full', 'full');

    is($echo->call('send', '{}', headers => { 'x-arg-service' => 'full' })
           ->{status}, 204, 'a command for a full queue is accepted');
    log_has(qr/the broker refuses \\"note\\" for \\"full\\"/, 'the refusal');
    is($echo->sql("select count(*) from outbox where routing_key = 'full'"), 1,
       'and waits in the outbox');
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'while the lane goes on');

    remove('commands.full');
    $admin->declare_queue('commands.full', durable => 1);
    $admin->bind('commands.full', 'commands', 'full');
    $echo->sql("update outbox set due_at = now() where routing_key = 'full'");
    ok(wait_for(sub {
        $broker->queue_depth($echo->vhost(), 'commands.full') == 1
    }, 40, 'the command'), 'and leaves when there is room');
    ok(wait_for(sub {
        $echo->sql("select count(*) from outbox"
                   . " where routing_key = 'full'") == 0
    }, 40, 'an empty outbox'), 'once');
}


sub missing_rung {
    remove('retry.echo.1s');

    my $id = $echo->command('retry');

    ok(wait_for(sub {
        $broker->queue_depth($echo->vhost(), 'retry.echo.5s') == 1
    }, 40, 'the longer rung'),
       'what has no rung of its own waits on the next longer one');
    like(wait_for(sub {
        $echo->sql("select attempts from dead_letter where message_id = '$id'")
    }, 40, 'the dead letter'), qr/^2$/, 'and comes home from there');
}


# Forty messages that nobody takes home, each of them tried again after three
# minutes: they are their own service's.
sub homeless {
    my $dir = tempdir();

    spew("$dir/other.json", '{"service":"other"}');
    spew("$dir/guest.secret", "guest\n", 0600);

    my ($status, $output) = run_command(
        command => [
            build_dir() . '/warren', 'topology', 'apply', '--vhost',
            $echo->vhost(), '--url', 'http://guest@127.0.0.1:'
            . $broker->management_port(), '--password-file',
            "$dir/guest.secret", '--from', "$dir/other.json"
        ],
        environment => { sanitizer_environment() }
    );
    is($status, 0, 'another service comes') or diag($output);

    remove('again.other');
    full_queue('again', 'again.other', 'other');
    $echo->send('retry.other', '5s', '{}', user => 'guest') for 1 .. 40;
    wait_for(sub {
        my $about = $broker->api('GET', '/api/queues/' . $echo->vhost()
                                        . '/retry.other.5s');
        ($about->{messages_dlx} // 0) >= 32
    }, 40, 'messages without a home');

    my $id = $echo->command('retry');

    ok(wait_for(sub {
        $echo->sql("select 1 from dead_letter where message_id = '$id'")
    }, 60, 'the dead letter'),
       "a service whose home is full does not hold up another's retries");
}


# The broker has no disk left: nothing may be published.
sub disk_full {
    my $asked = $echo->ask('write', '{"id":"disk","text":"x"}', ms => 55_000,
                           headers => { 'x-arg-ms' => '6000' });

    $broker->ctl('set_disk_free_limit', '1000000GB');
    log_has(qr/publishing connection blocked: low on disk/, 'the alarm');
    log_has(qr/ready -> blocked/, 'the state');
    pass('a lane hears that the broker has no disk left');
    is($echo->sql("select text from echo where id = 'disk'"), 'x',
       'what is committed is there');
    is($echo->sql('select count(*) from outbox'), 1, 'and its event waits');
    is($echo->answer($asked, 1), undef, 'and its reply');

    $broker->ctl('set_disk_free_limit', '50MB');
    is(($echo->answer($asked, 40) // {})->{status}, 201,
       'with room again, the reply comes');
    ok(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'disk'") == 1
    }, 40, 'the event'), 'and the event acts');
    log_has(qr/blocked -> ready/, 'the end of it');
}


# A lane that may not publish ends in time, and loses nothing.
sub stopped {
    my $asked = $echo->ask('write', '{"id":"stop","text":"x"}', ms => 58_000,
                           headers => { 'x-arg-ms' => '6000' });
    my $offset = length $echo->worker()->log();

    $broker->ctl('set_disk_free_limit', '1000000GB');
    wait_for(sub {
        substr($echo->worker()->log(), $offset) =~ /connection blocked/
    }, 40, 'the alarm');

    is($echo->worker()->stop(), 0, 'told to stop while blocked, a lane ends');
    is($echo->sql("select text from echo where id = 'stop'"), 'x',
       'what it had committed is there');

    $broker->ctl('set_disk_free_limit', '50MB');
    $echo->sql('update outbox set due_at = now()');
    $echo->worker()->start();
    ok(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'stop'") == 1
    }, 40, 'the event'), 'and its event leaves with the next one');
    is($echo->sql("select count(*) from echo where id = 'stop'"), 1,
       'and the call has acted once');
    is(($echo->answer($asked, 40) // {})->{status}, 201,
       'and is answered from what was kept');
}
