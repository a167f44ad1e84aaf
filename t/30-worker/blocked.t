# Copyright (C) the Warren authors
#
# A lane that is told to stop while its broker takes nothing: it waits, without
# haste, and finishes what it has.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::RabbitMQ;
use Warren::Test;

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker, settings => {
    batch => 1, prefetch => 100, 'drain_timeout' => '5m'
})->start();
my ($lane) = $echo->worker()->lanes();

# what the lane has, and has not yet seen, when the broker runs short of memory
kill 'STOP', $lane;
my $asked = $echo->ask('slow', '{}', ms => 60_000,
                       headers => { 'x-arg-ms' => '3000' });
my @ids = map {
    $echo->command('note', '{"text":"waits"}', headers => {
        'x-arg-ms' => '100' })
} 1 .. 40;

wait_for(sub {
    $echo->amqp()->rpc('queue.declare', queue => 'commands.echo',
                       passive => 1)->{message_count} == 0
}, 30, 'all at the lane');

# the reply to the first one is what tells the connection
$broker->ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
kill 'CONT', $lane;
log_has(qr/ready -> blocked/);
kill 'TERM', $echo->worker()->pid();
log_has(qr/blocked -> draining/);
pass('a lane that is blocked is told to stop');

# one that spins never lets go of its processor by itself
my $before = waits();

ok(wait_for(sub { waits() >= $before + 50 }, 60, 'a lane that waits'),
   'it waits for the broker');
cmp_ok($echo->sql("select count(*) from echo where text = 'waits'"), '<', 40,
       'with messages in its hands');

$broker->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
is($echo->worker()->stop(90), 0, 'when the broker takes again, it ends');
is($echo->answer($asked)->{status}, 200, 'and its reply has left');
is($echo->sql("select count(*) from echo where text = 'waits'"), 40,
   'and all that it had is done');

done_testing();


sub log_has {
    my ($pattern) = @_;

    return wait_for(sub { $echo->worker()->log() =~ $pattern }, 60,
                    "$pattern");
}


# How often the lane has given up its processor to wait.
sub waits {
    my ($count) = slurp("/proc/$lane/status")
                  =~ /^voluntary_ctxt_switches:\s+(\d+)/m;

    return $count;
}
