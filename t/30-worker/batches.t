# Copyright (C) the Warren authors
#
# Messages that share a transaction: who runs alone, and what becomes of the
# others when one of them fails.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Hot;
use Warren::Test;

# Rows from 100 on are not to be changed, 1 is for whoever keeps the lane busy.
my $hot = Hot->new(rows => 130);

$hot->sql(<<'SQL');
create function refuse() returns trigger language plpgsql as
    'begin raise exception ''row % refuses'', new.id; end';
create trigger refuse before update on hot for each row
    when (new.id::integer >= 100) execute function refuse();
SQL
$hot->start();

my $offset;
my $session = $hot->session();

together();
hasty();
refused_call();
refused_command();
culprit();
culprits();
commit_fails();
rows();
wrong_row();
late();

$session->disconnect();
$hot->worker()->stop();

done_testing();


sub news { return substr $hot->worker()->log(), $offset }


# The lane is in a statement until let_go(): what comes meanwhile is a batch.
sub keep_busy {
    $offset = length $hot->worker()->log();
    $session->do('begin');
    $session->do("update hot set n = n where id = '1'");
    $hot->command('add', Hot::body(1));
    $hot->wait_for_statement('update hot%');
}


sub let_go {
    wait_for(sub {
        !grep { $_ != 0 } map {
            $hot->amqp()->rpc('queue.declare', queue => $_,
                              passive => 1)->{message_count}
        } 'rpc.echo', 'commands.echo';
    }, 30, 'all at the lane');
    $session->do('commit');
}


# The transactions that wrote these rows last.
sub transactions {
    return $hot->sql('select count(distinct xmin::text) from hot where id in ('
                     . join(',', map { "'$_'" } @_) . ')');
}


sub sum_of {
    return $hot->sql('select sum(n) from hot where id in ('
                     . join(',', map { "'$_'" } @_) . ')');
}


sub dead {
    my ($id) = @_;

    return wait_for(sub {
        $hot->sql('select reason from dead_letter'
                  . " where message_id = '$id'") || undef;
    }, 30, 'the dead letter');
}


sub together {
    keep_busy();

    my @asked = map { $hot->ask('add', Hot::body($_)) } 2 .. 6;

    let_go();
    is_deeply([map { $hot->answer($_)->{status} } @asked], [(204) x 5],
              'what has arrived is done');
    is(transactions(2 .. 6), 1, 'in one transaction');
}


# Its time is so short that it may run out: then it is tried anew.
sub hasty {
    for my $try (1 .. 40) {
        keep_busy();

        my @asked = map { $hot->ask('add', Hot::body($_)) } 11 .. 13;
        wait_for(sub {
            $hot->amqp()->rpc('queue.declare', queue => 'rpc.echo',
                              passive => 1)->{message_count} == 0
        }, 30, 'all at the lane');

        my $hasty = $hot->ask('add', Hot::body(14), ms => 240);
        push @asked, map { $hot->ask('add', Hot::body($_)) } 15 .. 17;
        $session->do('commit');

        $hot->answer($_) for @asked;
        next if !$hot->answer($hasty, 1);

        is(transactions(11 .. 13, 15 .. 17) + 1, transactions(11 .. 17),
           'a call with little time left shares no transaction');
        return;
    }

    fail('no call with little time left was answered in 40 tries');
}


sub refused_call {
    my $id = Echo::uuid();

    keep_busy();

    my @asked = map { $hot->ask('add', Hot::body($_)) } 20 .. 22;
    my $refused = $hot->ask('add_refused', Hot::body(23), id => $id);
    push @asked, map { $hot->ask('add', Hot::body($_)) } 24 .. 26;

    let_go();
    is($hot->answer($refused)->{status}, 409,
       'a call that is refused after it wrote is told so');
    is_deeply([map { $hot->answer($_)->{status} } @asked], [(204) x 6],
              'and the others are done');
    is(sum_of(20 .. 26), 6, 'without what it had written');
    is(transactions(20 .. 22, 24 .. 26), 1, 'in one transaction');
    unlike(news(), qr/one by one/, 'and not one by one');
    is($hot->sql("select status from inbox where message_id = '$id'"), 409,
       'and the refusal is kept');
    is($hot->call('add_refused', Hot::body(23), id => $id)->{status}, 409,
       'for whoever asks again');
}


sub refused_command {
    keep_busy();

    my @ids = map { $hot->command('add', Hot::body($_)) } 30 .. 32;
    my $refused = $hot->command('add_refused', Hot::body(33));

    let_go();
    like(dead($refused), qr/it was told to refuse/,
         'a command that is refused after it wrote is a dead letter');
    wait_for(sub { sum_of(30 .. 33) == 3 }, 30, 'the others');
    is(transactions(30 .. 32), 1, 'and the others share their transaction');
    unlike(news(), qr/one by one/, 'and were not tried one by one');
    is($hot->sql("select count(*) from inbox where message_id = '$refused'"),
       0, 'and it has not acted');
}


# A statement that fails names its message.
sub culprit {
    keep_busy();

    my @ids = map { $hot->command('add', Hot::body($_)) } 40 .. 42;
    my $wrong = $hot->command('add', Hot::body(43, 100));
    push @ids, map { $hot->command('add', Hot::body($_)) } 44 .. 46;

    let_go();
    like(dead($wrong), qr/row 100 refuses/,
         'a command whose statement fails for good is a dead letter');
    wait_for(sub { sum_of(40 .. 46) == 6 }, 30, 'the others');
    is(transactions(40 .. 42, 44 .. 46), 1,
       'and the others share their transaction');
    unlike(news(), qr/one by one/, 'and were not tried one by one');
}


# A batch that fails again and again is not worth being one.
sub culprits {
    keep_busy();

    my @ids = map { $hot->command('add', Hot::body($_)) } 50 .. 53;
    my @wrong = map { $hot->command('add', Hot::body(54, $_)) } 101 .. 104;

    let_go();
    like(dead($_), qr/refuses/, 'each of many that fail is a dead letter')
        for @wrong;
    wait_for(sub { sum_of(50 .. 54) == 4 }, 30, 'the others');
    is(transactions(50 .. 53), 4, 'after three rounds all are tried alone');
    like(news(), qr/batch of 5 is repeated one by one/, 'and that is told');
}


sub notes {
    return $hot->sql('select string_agg(id, \' \' order by id) from hot_note');
}


# What the messages of a batch insert is one statement.
sub rows {
    keep_busy();

    my @asked = map { $hot->ask('note', Hot::body(@$_)) }
                [70, 71], [72], [], [73];
    my $refused = $hot->ask('note_refused', Hot::body(74));
    push @asked, $hot->ask('note', Hot::body(75));

    let_go();
    is_deeply([map { $hot->answer($_)->{status} } @asked], [(204) x 5],
              'messages that insert rows are done');
    is($hot->answer($refused)->{status}, 409, 'and one is refused');
    is(notes(), '70 71 72 73 75', 'which has inserted nothing');
    is($hot->sql('select count(distinct (xmin::text, cmin::text))'
                 . ' from hot_note'), 1,
       'the rows of all others are one statement');
    is($hot->sql('select count(distinct (xmin::text, cmin::text)), count(*)'
                 . ' from hot_page'), '1|5',
       'and after it those that refer to them');
    is($hot->sql('select id, text from hot_note where id in (\'70\', \'71\')'
                 . ' order by id'), qq(70|{"a, \\b"}\n71|),
       'texts are what they were, and null is null');
    unlike(news(), qr/one by one/, 'and none was tried alone');
}


# Whose row it was is seen when they are tried alone.
sub wrong_row {
    keep_busy();

    my @asked = map { $hot->ask('note', Hot::body($_)) } 80, 81;
    my $wrong = $hot->command('note', Hot::body(70));
    push @asked, $hot->ask('note', Hot::body(82));

    let_go();
    like(dead($wrong), qr/duplicate key value violates .* "hot_note_pkey"/,
         'a message whose row is wrong is a dead letter');
    is_deeply([map { $hot->answer($_)->{status} } @asked], [(204) x 3],
              'and the others are done');
    is(notes(), '70 71 72 73 75 80 81 82', 'with their rows');
    like(news(), qr/one by one/, 'one by one');
}


# Nobody knows whose fault it was.
sub commit_fails {
    keep_busy();

    my @ids = map { $hot->command('add', Hot::body($_)) } 60 .. 62;
    my $wrong = $hot->command('link_to', Hot::body('nowhere'));
    my $right = $hot->command('link_to', Hot::body('60'));

    let_go();
    like(dead($wrong), qr/violates foreign key constraint "hot_link_fkey"/,
         'what the commit finds wrong is a dead letter');
    wait_for(sub { sum_of(60 .. 62) == 3 }, 30, 'the others');
    is(transactions(60 .. 62), 3, 'and the others are tried alone');
    wait_for(sub {
        $hot->sql('select count(*) from hot_link') == 1
    }, 30, 'the link');
    like(news(), qr/batch of 5 is repeated one by one/, 'and that is told');
}


# One whose time is over when its turn comes is not done any more.
sub late {
    keep_busy();

    my $asked = $hot->ask('add', Hot::body(70), ms => 300);
    my $other = $hot->ask('add', Hot::body(71));

    is($hot->answer($asked, 1), undef, 'a call waits for the lane');
    let_go();
    is($hot->answer($other)->{status}, 204, 'and when that is free');
    is(sum_of(70), 0, 'the call whose time is over does not act');
    is(sum_of(71), 1, 'and the other one does');
    cmp_ok($hot->worker()
               ->metric('warren_messages_late_total{service="echo"}'),
           '>', 0, 'and it is counted');
}
