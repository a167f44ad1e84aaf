# Copyright (C) the Warren authors
#
# A lane kills itself at each step of its turn that has a name: what was on its
# way acts once all the same.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my @plain = qw(
    after_take after_ask after_gather after_inbox before_commit after_send
    after_commit before_reply after_reply after_ack before_publish
    after_publish after_confirm
);

my $dir = tempdir();
my $echo = Echo->new(settings => { lanes => 2 });
my $round = 0;

refused();
plain($_) for @plain;
before_consume();
before_delete();
after_sweep();
rungs($_) for qw(before_rung after_rung);
after_dead();
after_strike();
draining();
is_repeatable();

done_testing();


sub worker { return $echo->worker() }


sub count {
    my ($what) = @_;

    return $echo->sql("select count(*) from $what");
}


sub start {
    my ($kill, %environment) = @_;

    worker()->stop();
    worker()->{environment} = { WARREN_DEBUG_KILL => $kill, %environment };
    unlink worker()->log_path();
    worker()->start(wait => 0);
}


sub kills {
    my ($step) = @_;

    return scalar(() = worker()->log() =~ /"debug: killed at $step"/g);
}


# Then a worker that nobody kills takes over, the outbox at once.
sub wait_killed {
    my ($step) = @_;

    wait_for(sub { kills($step) >= 1 }, 40, "a kill at $step");
    worker()->stop();
    $echo->sql('update outbox set due_at = now()');
    start('');
}


sub wait_acted {
    my ($step, @ids) = @_;

    my $list = join ', ', map { "'$_'" } @ids;

    wait_for(sub { count("echo where id in ($list)") == @ids }, 60,
             "$step: " . scalar(@ids) . ' messages');
}


# All queues and the outbox are empty, and nobody is dead.
sub settled {
    my ($step, $letters) = @_;

    ok(wait_for(sub { count('outbox') == 0 }, 60, "$step: an empty outbox"),
       "$step: the outbox is emptied");

    ok(wait_for(sub {
        !grep { $echo->broker()->queue_depth($echo->vhost(), "$_.echo") != 0 }
         qw(rpc commands events again)
    }, 60, "$step: empty queues"), "$step: and the queues");
    is(count('dead_letter'), $letters // 0,
       "$step: nobody is buried who should not be");
    $echo->sql('delete from dead_letter');
}


sub notes {
    my ($n) = @_;

    return map { $echo->command('note', qq({"text":"note $_"})) } 1 .. $n;
}


sub refused {
    my %wrong = (
        'nowhere:1' => qr/there is no step .*; there are: .*\bafter_take\b/,
        'after_take' => qr/is not STEP:COUNT or STEP:1\/CHANCE/,
        'after_take:0' => qr/ of after_take is neither a count nor/,
        'any:1/x' => qr/ of any is neither a count nor/
    );

    for my $wish (sort keys %wrong) {
        my ($status, $output) = run_command(
            command => [
                worker()->{program}, '-o', 'broker.url=amqp://echo@127.0.0.1:1',
                '-o', 'database.url=postgresql://echo@127.0.0.1:1/echo'
            ],
            environment => {
                sanitizer_environment(), WARREN_DEBUG_KILL => $wish
            }
        );
        is($status >> 8, 1, "\"$wish\" is refused");
        like($output, $wrong{$wish}, 'with the reason');
    }
}


# Calls that write and announce, questions, commands: each once.
sub plain {
    my ($step) = @_;

    $round++;
    # a start may pass by once
    start("$step:2");

    my @names = map { "write-$round-$_" } 1 .. 4;
    my %asked = map { $_ => $echo->ask('write', qq({"id":"$_","text":"x"}),
                                       ms => 60000) } @names;
    my @questions = map { $echo->ask('ask', '{}', ms => 2000) } 1 .. 2;
    my @ids = (notes(3), @names);

    wait_killed($step);
    wait_acted($step, @ids);

    my @answers = map { $echo->answer($asked{$_}, 60) // {} } @names;
    is(join(' ', map { $_->{status} // 'none' } @answers), '201 201 201 201',
       "$step: calls are answered");
    # a question is a call itself, and dies with who asked
    my @rest = map { $echo->answer($_, 3) // {} } @questions;
    is(scalar(grep { ($_->{status} // 504) !~ /^(?:200|50[234])$/ } @rest), 0,
       "$step: so are those that ask, in time");

    ok(wait_for(sub {
        count("echo_seen where id like 'write-$round-%' and times = 1") == 4
    }, 60, "$step: the events"), "$step: each event acts once");
    settled($step);
    is(count("echo_seen where times <> 1"), 0, "$step: and never twice");
}


sub before_consume {
    start('before_consume:1/2', WARREN_DEBUG_SEED => 6);
    wait_killed('before_consume');
    wait_acted('before_consume', notes(3));
    settled('before_consume');
}


# With nothing more to write, confirmed rows are deleted alone; a lane that gets
# the event itself deletes them with what that writes.
sub before_delete {
    my $count = 0;

    start('before_delete:1');
    wait_for(sub {
        $echo->ask('write', '{"id":"deleted-' . ++$count . '","text":"x"}');
        eval { wait_for(sub { kills('before_delete') >= 1 }, 2, 'a kill') };
    }, 40, 'a kill at before_delete');
    wait_killed('before_delete');
    settled('before_delete');
    is($echo->sql("select count(*) from echo_seen where id like 'deleted-%'"
                  . ' and times = 1'), $count,
       'before_delete: an event that is published again acts once');
}


sub after_sweep {
    start('before_publish:1');
    $echo->ask('write', '{"id":"swept","text":"x"}');
    wait_for(sub { kills('before_publish') >= 1 }, 40, 'a kill');
    worker()->stop();
    $echo->sql("update outbox set due_at = now() + interval '1 second'");

    start('after_sweep:2');
    wait_for(sub { kills('after_sweep') >= 1 }, 40, 'a kill at after_sweep');
    worker()->stop();
    is(count('outbox'), 1, 'after_sweep: a row is taken over, and kept');

    $echo->sql('update outbox set due_at = now()');
    start('');
    settled('after_sweep');
    ok(wait_for(sub {
        count("echo_seen where id = 'swept' and times = 1") == 1
    }, 30, 'the event'), 'after_sweep: its event acts once');
}


sub rungs {
    my ($step) = @_;

    my $file = spew("$dir/broken", '');

    start("$step:2");

    my @ids = map { $echo->command('retry_while', '{}', headers => {
                        'x-arg-file' => $file }) } 1 .. 3;

    wait_killed($step);
    unlink $file;
    wait_acted($step, @ids);
    settled($step);
}


sub after_dead {
    start('after_dead:1');

    my $id = $echo->command('refuse');

    wait_killed('after_dead');
    settled('after_dead', 1);
}


# A suspect whose lane is killed, three times and more, is not set aside.
sub after_strike {
    my $id = Echo::uuid();

    start('after_take:1');
    $echo->sql('insert into crash (message_id, home, crashes)'
               . " values ('$id', 'commands.echo', 1)");
    $echo->command('note', '{"text":"suspect"}', id => $id);
    wait_for(sub { kills('after_take') >= 1 }, 40, 'a kill at after_take');

    start('after_strike:1');
    wait_for(sub { kills('after_strike') >= 4 }, 60, 'four kills');
    worker()->stop();

    # whoever could have told what lanes died of is gone
    $echo->sql("update crash set last_at = now() - interval '2 minutes'");
    start('');
    wait_acted('after_strike', $id);
    pass('a suspect whose lane is killed four times acts');
    settled('after_strike');
    is(count('crash'), 0, 'after_strike: and leaves the ledger');
}


sub draining {
    start('draining:1');
    worker()->wait_until_ready();

    my @ids = notes(5);

    worker()->stop();
    is(kills('draining'), 2, 'lanes die while they drain');
    start('');
    wait_acted('draining', @ids);
    settled('draining');
}


# With the same seed the same lives end at the same time.
sub is_repeatable {
    my @seen;

    for my $seed (77, 77, 78) {
        start('before_consume:1/3,any:1/1000000', WARREN_DEBUG_SEED => $seed);
        wait_for(sub { worker()->log() =~ /starting -> ready/ }, 60, 'a lane');
        push @seen, kills('before_consume');
    }

    is($seen[0], $seen[1], 'a seed makes the same of chances')
        or diag("@seen");
    like(worker()->log(), qr/seed 78"/, 'and is told');
}
