# Copyright (C) the Warren authors
#
# Messages that kill the lane which works on them: each is found, tried alone
# and set aside; its neighbours act once and are not blamed, and a lane that
# somebody kills blames nobody.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);
use Warren::Worker;

my $dir = tempdir();
my $echo = Echo->new();

expired();
among_neighbours('crash', 'in .apply');
among_neighbours('crash_gather', 'in .gather');
retried();
called();
killed();
on_two_hosts();
again_and_again();

done_testing();


sub worker { return $echo->worker() }


sub count {
    my ($what) = @_;

    return $echo->sql("select count(*) from $what");
}


# Messages of the log that name this id and match.
sub told {
    my ($id, $pattern, $worker) = @_;

    return grep { /"event\.id":"$id"/ && /$pattern/ }
           split /\n/, ($worker // worker())->log();
}


sub letter {
    my ($id) = @_;

    return wait_for(
        sub {
            $echo->sql('select home, reason from dead_letter'
                       . " where message_id = '$id'") || undef;
        },
        60, "the dead letter $id"
    );
}


sub wait_acted {
    my (@ids) = @_;

    my $list = join ', ', map { "'$_'" } @ids;

    return wait_for(sub { count("echo where id in ($list)") == @ids }, 60,
                    scalar(@ids) . ' notes');
}


# The lane is held up, so that what comes next waits together.
sub hold_up {
    return $echo->command('note', '{"text":"first"}',
                          headers => { 'x-arg-ms' => '1500' });
}


sub notes {
    my ($n) = @_;

    return map { $echo->command('note', qq({"text":"neighbour $_"})) } 1 .. $n;
}


# Rows that nothing came of; lane 0 looks for them when it begins.
sub expired {
    $echo->sql("insert into crash (message_id, home, last_at) values"
               . " ('old', 'commands.echo', now() - interval '2 days'),"
               . " ('kept', 'commands.echo', now() - interval '2 days'),"
               . " ('young', 'commands.echo', now())");
    $echo->sql('insert into dead_letter (message_id, home, type,'
               . ' content_type, sender, headers, body, reason, attempts,'
               . " first_at) values ('kept', 'commands.echo', 'note', '', '',"
               . " '{}', '', 'crashed', 1, now())");
    $echo->start();

    ok(wait_for(sub { count("crash where message_id = 'old'") == 0 }, 20,
                'the old row to go'), 'a row that nothing came of expires');
    is($echo->sql('select message_id from crash order by 1'), "kept\nyoung",
       'a young one stays, and that of a dead letter');
    $echo->sql('delete from crash');
    $echo->sql('delete from dead_letter');
}


sub among_neighbours {
    my ($type, $where) = @_;

    my $before = worker()->metric('warren_lane_restarts_total'
                                  . '{service="echo"}');
    my @ids = hold_up();

    push @ids, notes(8);
    my $poison = $echo->command($type);
    push @ids, notes(8);

    is(letter($poison), 'commands.echo|crashed the lane 3 times, which last'
                        . ' was killed by SIGABRT',
       "$where: a message that crashes its lane is set aside");
    wait_acted(@ids);
    pass("$where: its neighbours act");
    is(count('dead_letter'), 1, 'once, else they would be dead letters');
    is(count('inbox where message_id in ('
             . join(', ', map { "'$_'" } @ids) . ')'), scalar @ids,
       'as the inbox knows');

    my @tried = map { told($_, 'tried alone') } @ids;
    cmp_ok(scalar @tried, '>=', 8, 'neighbours were tried alone, too');
    is(scalar(grep { !/crashes so far: 0/ } @tried), 0, 'and never blamed');

    is_deeply([map { /crashes so far: (\d)/ } told($poison, 'tried alone')],
              [0, 1, 2], 'the culprit was tried alone three times');
    is(worker()->metric('warren_lane_restarts_total{service="echo"}')
       - $before, 4, 'so that lanes died four times');

    ok(wait_for(sub {
        $echo->sql('select string_agg(message_id, \' \') from crash')
            eq $poison
    }, 20, 'the ledger'), 'those that came through leave the ledger');
    ok(wait_for(sub {
        $echo->broker()->queue_depth($echo->vhost(), 'commands.echo') == 0
    }, 20, 'an empty queue'), 'and nothing is left in the queue');

    cmp_ok(metric('messages_suspected'), '>=', 9, 'suspects are counted');
    cmp_ok(metric('messages_set_aside'), '>=', 1, 'and who was set aside');

    $echo->sql('delete from dead_letter');
    $echo->sql('delete from crash');
}


sub metric {
    my ($name) = @_;

    return worker()->metric("warren_${name}_total" . '{service="echo"}');
}


sub dead {
    my ($word, @words) = @_;

    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', 'dead', $word, '--database',
                    $echo->{database}, @words],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


sub retried {
    my $file = spew("$dir/poison", '');
    my $id = $echo->command('crash_while', '{}',
                            headers => { 'x-arg-file' => $file });

    letter($id);
    my ($status, $output) = dead('list');
    like($output, qr/ crash_while .*crashed the lane 3 times/,
         'the letter is listed with its reason') or diag($output);
    ($status, $output) = dead('show',
                              $echo->sql('select id from dead_letter'));
    like($output, qr/^crashes +3$/m, 'and shown with its crashes');

    is((dead('retry', '--all'))[0], 0, 'it is sent again');
    wait_for(sub { told($id, 'dead letter: crashed the lane 3') == 2 }, 60,
             'the letter once more');
    pass('not mended, it has its tries anew, and is dead again');

    unlink $file;
    is((dead('retry', '--all'))[0], 0, 'once mended, it is sent again');
    wait_acted($id);
    pass('and acts');
    is(count('dead_letter'), 0, 'and no letter is left');
    is(count('crash'), 0, 'nor a row in the ledger');
}


sub called {
    my $id = Echo::uuid();
    my $reply = $echo->call('crash', '{}', id => $id, ms => 60000,
                            seconds => 60);

    is(($reply // {})->{status}, 500, 'a call that crashes lanes is answered');
    is($reply->{json}{type}, 'urn:warren:error:internal', 'as internal');
    like(letter($id), qr/^rpc\.echo\|crashed the lane 3 times/,
         'and kept for people to look at');
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'the lane answers others');
    $echo->sql('delete from dead_letter');
    $echo->sql('delete from crash');
}


# Somebody else's SIGKILL is nobody's fault, alone or not.
sub killed {
    my $id = $echo->command('doze');

    for my $n (1 .. 5) {
        my ($lane) = wait_for(sub {
            told($id, '"dozes"') == $n && [worker()->lanes()]
        }, 30, 'a lane that works')->@*;

        kill 'KILL', $lane;

        # then it is a suspect, whose crashes are counted in advance
        $echo->sql('insert into crash (message_id, home, crashes)'
                   . " values ('$id', 'commands.echo', 1)") if $n == 2;
    }

    wait_acted($id);
    pass('a message whose lane is killed five times acts');
    my @tried = told($id, 'tried alone');
    cmp_ok(scalar @tried, '>=', 1, 'also where it is tried alone');
    is(scalar(grep { !/crashes so far: 1/ } @tried), 0,
       'and is not blamed for any of that');
    is(count('dead_letter'), 0, 'nor is any other');

    my $slow = $echo->command('note', '{"text":"orphan"}',
                              headers => { 'x-arg-ms' => '1000' });
    worker()->kill9();
    worker()->start();
    wait_acted($slow);
    is(count('crash'), 0, 'who loses the supervisor blames nobody');
}


# The second worker shares nothing but broker and database.
sub on_two_hosts {
    worker()->restart(lanes => 2);

    my $other = Warren::Worker->new(
        service => 'echo', program => $echo->worker()->{program},
        broker => $echo->broker(), vhost => $echo->vhost(),
        database => $echo->{database}, topology => 0,
        settings => { lanes => 2 }
    )->start();

    my @ids = map { hold_up() } 1 .. 4;
    push @ids, notes(20);
    my $poison = $echo->command('crash');
    push @ids, notes(20);

    like(letter($poison), qr/crashed the lane \d times/,
         'two workers of two lanes set a message aside');
    wait_acted(@ids);
    is(count('dead_letter'), 1, 'and no other');

    my @tried = map { (told($_, 'tried alone'),
                       told($_, 'tried alone', $other)) } @ids;
    is(scalar(grep { !/crashes so far: 0/ } @tried), 0,
       'neighbours are never blamed');

    my @counts = sort map { /crashes so far: (\d)/ }
                 (told($poison, 'tried alone'),
                  told($poison, 'tried alone', $other));
    cmp_ok(scalar @counts, '<=', 3,
           'and it is tried alone three times at most');

    # whom the other worker took over before this was written may stand there
    # for a day
    is(count('crash where crashes > 0'), 1, 'nobody else has a count');

    $other->stop();
    $echo->sql('delete from dead_letter');
    $echo->sql('delete from crash');
}


# Each of them costs lives, the others are done meanwhile.
sub again_and_again {
    worker()->restart(lanes => 1);

    my $offset = length worker()->log();
    my (@poison, @ids);

    for (1 .. 3) {
        push @poison, $echo->command('crash');
        push @ids, notes(4);
    }

    wait_acted(@ids);
    pass('between messages that crash the lane, the others act');
    letter($_) for @poison;
    is(count('dead_letter'), 3, 'and those alone are set aside');
    is($echo->call('echo', '{"text":"x"}', ms => 30000,
                   seconds => 30)->{status}, 200, 'calls are answered');

    my @long = grep { $_ > 1600 } (substr worker()->log(), $offset)
               =~ /is started again in (\d+) ms/g;
    is(scalar @long, 0, 'a lane that gets on is started again soon')
        or diag("@long");
}
