# Copyright (C) the Warren authors
#
# warren dead: letters are listed, shown, sent again and dropped; what is sent
# again acts once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use JSON::PP ();
use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my $dir = tempdir();
my $echo = Echo->new()->start();
my $json = JSON::PP->new()->utf8();

empty();
usage();
command_again();
as_a_lane_would();
event_again();
event_in_capitals();
by_filter();
history();
refused_again();
drop();
failures();

done_testing();


# (exit status, output) of a subcommand on the worker's database.
sub dead {
    my ($word, @words) = @_;

    return warren($word, '--database', $echo->{database}, @words);
}


sub warren {
    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', 'dead', @_],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


# What a subcommand says to a program; dies unless that is JSON.
sub told {
    my ($status, $output) = dead(@_, '--json');

    return ($status, $json->decode($output));
}


sub letter_of {
    my ($message_id) = @_;

    return wait_for(
        sub {
            $echo->sql('select id from dead_letter'
                       . " where message_id = '$message_id'") || undef;
        },
        15, "the dead letter $message_id"
    );
}


# Commands that the database refuses until mend().
sub broken {
    my (@texts) = @_;

    $echo->sql("alter table echo add constraint sound check (text !~ '^bad')"
               . ' not valid');

    my @ids = map {
        $echo->command('note', qq({"text":"$_"}),
                       headers => { 'x-sub' => 'somebody',
                                    traceparent => '00-' . 'a' x 32 . '-'
                                                   . 'b' x 16 . '-01' })
    } @texts;

    return map { [ $_, letter_of($_) ] } @ids;
}


sub mend { $echo->sql('alter table echo drop constraint sound') }


sub acted {
    my ($id) = @_;

    return $echo->sql("select count(*) from echo where id = '$id'");
}


sub wait_acted {
    my ($id) = @_;

    return wait_for(sub { acted($id) == 1 }, 20, "command $id");
}


sub empty {
    my ($status, $output) = dead('list');

    is($status, 3, 'no letter is an exit status of its own');
    is($output, "no dead letters\n", 'and told');

    ($status, my $told) = told('list');
    is_deeply([$status, $told], [3, { count => 0, letters => [] }],
              'to programs, too');

    ($status) = dead('show', 1);
    is($status, 3, 'a wrong ID is no match, neither');
}


sub usage {
    my ($status, $output) = warren('list', '--help');
    is($status, 0, '--help is no error');

    for my $words (['retry'], ['drop'], ['show'], ['show', 1, 2],
                   ['retry', 1, '--all'], ['retry', 'x'], ['list', 1],
                   ['drop', '--limit', '0'], ['list', '--since', 'someday'])
    {
        ($status, $output) = dead(@$words);
        is($status, 2, "wrong usage: @$words");
        is(scalar(() = $output =~ /^/mg), 1, 'told in a line')
            or diag($output);
    }

    ($status) = warren('list');
    is($status, 2, 'a database is needed');
}


sub command_again {
    my ($letter) = broken('bad one');
    my ($message, $id) = @$letter;

    my ($status, $output) = dead('list');
    is($status, 0, 'a letter is listed');
    like($output, qr/^ *ID  DIED \(UTC\)/, 'in a table with a heading');
    like($output, qr/^ *$id  \d{4}-\S+  commands\.echo  note +1  .*sound/m,
         'with queue, type, attempts and reason');

    ($status, my $told) = told('list');
    is($told->{count}, 1, 'programs get JSON');
    is($told->{letters}[0]{message_id}, $message, 'with the message id');

    ($status, $output) = dead('show', $id);
    is($status, 0, 'it is shown');
    like($output, qr/^sender +gateway$/m, 'with its sender');
    like($output, qr/^  x-sub: somebody$/m, 'its headers');
    like($output, qr/^  "text": "bad one"$/m, 'and its body');

    ($status, $told) = told('show', $id);
    is($told->{body}, '{"text":"bad one"}', 'programs get it as it was');
    is($told->{headers}{'x-sub'}, 'somebody', 'headers, too');

    ($status, $output) = dead('retry', $id, '--dry-run');
    is($status, 0, 'a dry run says what would be done');
    like($output, qr/^would be retried $id \(note of commands\.echo\)$/m,
         'with the ID');
    is($echo->sql('select count(*) from outbox'), 0, 'but sends nothing');
    is($echo->sql('select count(*) from dead_letter'), 1, 'and keeps it');

    mend();
    ($status, $output) = dead('retry', $id);
    is($status, 0, 'once mended, it is sent again') or diag($output);
    like($output, qr/^1 retried$/m, 'and told');
    wait_acted($message);
    pass('and acts');
    is($echo->sql("select count(*) from inbox where message_id = '$message'"),
       1, 'as the inbox knows');

    ($status) = dead('list');
    is($status, 3, 'no letter is left');
    ($status, $output) = dead('retry', $id);
    is($status, 3, 'and it cannot be sent once more');
    like($output, qr/no dead letter $id/, 'as is told');
    wait_for(sub { $echo->sql('select count(*) from outbox') == 0 }, 20,
             'the row to go');
    is(acted($message), 1, 'so that it acted once');
}


# Without a worker, its row can be looked at.
sub as_a_lane_would {
    my ($letter) = broken('bad row');
    my ($message, $id) = @$letter;

    mend();
    $echo->worker()->stop();
    $echo->sql('insert into crash (message_id, home)'
               . " values ('$message', 'commands.echo')");
    is((dead('retry', $id))[0], 0, 'a letter waits for a worker');

    is($echo->sql('select exchange, routing_key, type, content_type, body'
                  . " from outbox where id = '$message'"),
       'retry.echo|1s|note|application/json|{"text":"bad row"}',
       'in the outbox, for the shortest rung');

    my %header = map { $_->{name} => $_->{text} // $_->{number} }
                 @{ $json->decode($echo->sql('select headers from outbox')) };
    is_deeply(\%header, {
        'x-home' => 'commands.echo', 'x-origin' => 'gateway',
        'x-attempt' => 0, 'x-sub' => 'somebody',
        traceparent => '00-' . 'a' x 32 . '-' . 'b' x 16 . '-01',
        'x-history' => $header{'x-history'}
    }, 'with its own headers, its home, its first sender, no attempt');
    my $past = $json->decode($header{'x-history'});
    like($past->{failures}[0]{reason}, qr/sound/, 'and why it had died');
    is(scalar @{ $past->{failures} }, 1, 'once');
    is($echo->sql('select count(*) from crash'), 0,
       'and what is known of crashes is forgotten');

    $echo->worker()->start();
    wait_acted($message);
    pass('a worker that starts sends it');
}


sub event_again {
    $echo->sql('alter table echo_seen add constraint sound check (times < 1)');
    my $message = $echo->event('echo.written', 'dead-event');
    my $id = letter_of($message);
    $echo->sql('alter table echo_seen drop constraint sound');

    is((dead('retry', $id))[0], 0, 'an event is sent again');
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'dead-event'")
    }, 20, 'the event');
    is($echo->sql("select times from echo_seen where id = 'dead-event'"), 1,
       'and acts once');
}


# Its id is in capitals, in the message and in the event; the outbox writes it
# in small letters.
sub event_in_capitals {
    $echo->sql('alter table echo_seen add constraint sound check (times < 1)'
               . ' not valid');
    my $message = $echo->event('echo.written', 'capitals',
                               id => uc Echo::uuid());
    my $id = letter_of($message);
    $echo->sql('alter table echo_seen drop constraint sound');

    is((dead('retry', $id))[0], 0, 'an event with an id in capitals, too');
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'capitals'")
    }, 40, 'the event');
    is($echo->sql("select times from echo_seen where id = 'capitals'"), 1,
       'acts once');
    is($echo->sql('select count(*) from dead_letter'), 0, 'and is no letter');
}


# Who dies again has all of his lives.
sub history {
    my $message = $echo->command('refuse', '{}', timestamp => time() - 86400);
    my $id = letter_of($message);
    my $first = $echo->sql("select first_at from dead_letter where id = $id");

    for my $life (2, 3) {
        is((dead('retry', $id))[0], 0, 'a letter is sent again');
        my $old = $id;
        wait_for(sub {
            $id = $echo->sql('select id from dead_letter where message_id ='
                             . " '$message' and id <> $old");
        }, 40, 'the new letter');

        is($echo->sql('select jsonb_array_length(history) from dead_letter'
                      . " where id = $id"), $life,
           "after $life lives its history has so many ends");
    }

    is($echo->sql("select first_at from dead_letter where id = $id"), $first,
       'the time when it was sent first has stayed');

    my ($status, $told) = told('show', $id);
    my @history = @{ $told->{history} };
    is_deeply([map { "$_->{attempt} $_->{reason}" } @history],
              [('1 conflict: it was told to refuse') x 3],
              'all reasons are told');
    is_deeply([sort map { $_->{at} } @history], [map { $_->{at} } @history],
              'in their order');
    cmp_ok($told->{last_at}, 'gt', $told->{first_at}, 'with the last time');

    (undef, my $output) = dead('show', $id);
    like($output, qr/^history(?:\n  \S+Z  attempt 1: .*told to refuse){3}$/m,
         'and to people');

    (undef, $told) = told('list', '--type', 'refuse');
    ok(!exists $told->{letters}[0]{history}, 'a list does without');
    dead('drop', $id);
}


sub by_filter {
    my @letters = broken('bad a', 'bad b');
    my $refused = $echo->command('refuse', '{}');
    my $id = letter_of($refused);

    for my $filter (['--type', 'refuse'], ['--reason', 'TOLD TO'],
                    ['--since', '1h', '--type', 'refuse'])
    {
        my ($status, $told) = told('list', @$filter);
        is_deeply([map { $_->{id} } @{ $told->{letters} }], [$id],
                  "a filter finds its letters: @$filter");
    }

    is((dead('list', '--before', '1h'))[0], 3, 'a time before all finds none');
    is((dead('retry', '--type', 'nothing'))[0], 3, 'nor does another type');

    my ($status, $output) = dead('list', '--limit', 1);
    like($output, qr/^1 of 3; --limit shows more$/m,
         'a list says what it does not show');

    ($status, my $told) = told('retry', '--type', 'note', '--dry-run');
    is(scalar @{ $told->{retried} }, 2, 'a dry run by filter finds them');
    is($echo->sql('select count(*) from dead_letter'), 3, 'and keeps them');

    mend();
    ($status, $told) = told('retry', '--type', 'note');
    is($status, 0, 'letters are sent again by filter');
    is_deeply([map { $_->{id} } @{ $told->{retried} }],
              [map { $_->[1] } @letters], 'those and no others');
    wait_acted($_->[0]) for @letters;
    pass('and act');
}


# Told to refuse, it becomes a letter again.
sub refused_again {
    my $old = $echo->sql("select id, message_id from dead_letter");
    my ($id, $message) = split /\|/, $old;

    is((dead('retry', '--all'))[0], 0, 'nothing was mended for this one');
    wait_for(sub {
        $echo->sql("select id from dead_letter where message_id = '$message'"
                   . " and id <> $id")
    }, 20, 'the new letter');
    pass('so that it is a letter again');

    # by hand, what cannot come by the broker alone
    $echo->sql(
        'insert into dead_letter (message_id, home, type, content_type,'
        . ' sender, headers, body, reason, attempts, first_at)'
        . ' select m, h, \'note\', \'application/json\', \'gateway\', \'{}\','
        . ' b, \'by hand\', 1, now() from (values'
        . " ('no uuid', 'commands.echo', '{}'::bytea),"
        . " ('0199b0a0-0000-7000-8000-00000000000a', 'commands.echo',"
        . "  '\\xff00'::bytea),"
        . " ('0199b0a0-0000-7000-8000-00000000000b', 'again.echo', '{}'),"
        . " ('0199b0a0-0000-7000-8000-00000000000c', 'commands.echo', '{}'),"
        . " ('0199b0a0-0000-7000-8000-00000000000d', 'commands.echo',"
        . "  '{\"text\":\"good\"}')"
        . ') as t (m, h, b)'
    );
    $echo->sql("insert into inbox (message_id)"
               . " values ('0199b0a0-0000-7000-8000-00000000000c')");

    my ($status, $output) = dead('retry', '--reason', 'by hand');
    is($status, 1, 'letters that cannot be sent again are a failure');
    like($output, qr/^warren: letter \d+: its message id is no UUID/m,
         'told: one whose id no lane takes');
    like($output, qr/^warren: letter \d+: its body is no text/m,
         'one whose body is none');
    like($output, qr/^warren: letter \d+: nobody knows which queue/m,
         'one without a home');
    like($output, qr/^warren: letter \d+: its message has acted/m,
         'one that has acted already');
    like($output, qr/^1 retried$/m, 'the others are sent');
    wait_acted('0199b0a0-0000-7000-8000-00000000000d');
    pass('and act');
    is($echo->sql("select count(*) from dead_letter where reason = 'by hand'"),
       4, 'those stay');

    my $id_bytes = $echo->sql(
        'select id from dead_letter where message_id like \'%00a\''
    );
    is((told('show', $id_bytes))[1]{body_hex}, 'ff00',
       'a body that is no text is told in digits');
}


sub drop {
    my @ids = split /\n/, $echo->sql(
        "select id from dead_letter where reason = 'by hand' order by id"
    );

    my ($status, $output) = dead('drop', $ids[0], '--dry-run');
    is($status, 0, 'a dry run says what would be dropped');
    like($output, qr/^would be dropped $ids[0] /m, 'with the ID');

    is((dead('drop', $ids[0], 999999))[0], 3, 'one wrong ID stops it all');
    is($echo->sql("select count(*) from dead_letter where id = $ids[0]"), 1,
       'and so far nothing is dropped');

    is((dead('drop', $ids[0], $ids[0], $ids[1]))[0], 0,
       'letters are dropped by ID');
    ($status, my $told) = told('drop', '--reason', 'by hand');
    is_deeply([map { $_->{id} } @{ $told->{dropped} }], [@ids[2, 3]],
              'or by filter');
    is((dead('drop', '--all'))[0], 0, 'or all of them');
    is($echo->sql('select count(*) from dead_letter'), 0, 'and are gone');
    is($echo->sql('select count(*) from outbox where exchange'
                  . " like 'retry.%'"), 0, 'without being sent');
}


sub failures {
    my $port = free_port();
    my ($status, $output) = warren(
        'list', '--database', "postgresql://echo\@127.0.0.1:$port/echo_db"
    );
    is($status, 1, 'a database that is away is a failure');
    is(scalar(() = $output =~ /^/mg), 1, 'told in a line');

    for my $uri ('postgresql://echo:word@127.0.0.1/echo_db',
                 'postgresql://echo:word@127.0.0.1:x:y/echo_db',
                 'host=127.0.0.1 password=word')
    {
        ($status, $output) = warren('list', '--database', $uri);
        is($status, 1, 'a password on the command line is refused');
        unlike($output, qr/word@|=word/, 'and not repeated');
    }

    spew("$dir/open.secret", "word\n", 0644);
    ($status, $output) = dead('list', '--password-file', "$dir/open.secret");
    is($status, 1, 'a secret that everybody may read is refused');
    like($output, qr/may be read by everybody/, 'and told');

    spew("$dir/role.secret", "word\n", 0600);
    ($status) = dead('list', '--password-file', "$dir/role.secret");
    is($status, 3, 'one that is private is taken');

    my $other = $echo->{postgresql}->empty_database('dead');
    ($status, $output) = warren(
        'list', '--database', $echo->{postgresql}->uri('postgres', $other)
    );
    is($status, 1, 'a database of no service is a failure');
    like($output, qr/dead_letter.*is this the database of a service/,
         'with what to look at');
}
