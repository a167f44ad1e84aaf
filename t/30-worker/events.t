# Copyright (C) the Warren authors
#
# Events and commands: they act once, leave with their transaction, wait on
# rungs, and die with a reason.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::Test;

my $echo = Echo->new(settings => { 'retry.max_attempts' => 2 })->start();

once();
leaves();
command();
retried();
dead();
untrusted();
forged_history();
upper_case();
broken();
parked();

done_testing();


sub settled {
    my ($what) = @_;

    return wait_for(
        sub {
            my $about = $echo->broker()->api(
                'GET', '/api/queues/' . $echo->vhost()
            );
            !grep { ($_->{messages} // 0) != 0 && $_->{name} !~ /amq\.gen/ }
                  @$about;
        },
        15, $what
    );
}


sub letter {
    my ($id, $what) = @_;

    return wait_for(
        sub {
            $echo->sql('select home, reason, attempts from dead_letter'
                       . " where message_id = '$id'") || undef;
        },
        15, $what
    );
}


sub once {
    my $id = Echo::uuid();

    $echo->event('echo.written', 'twice', id => $id) for 1 .. 2;
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'twice'")
    }, 10, 'the event');
    $echo->event('echo.written', 'twice', id => $id);
    $echo->event('echo.written', 'marker');
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'marker'")
    }, 10, 'the marker');

    is($echo->sql("select times from echo_seen where id = 'twice'"), 1,
       'an event published three times acts once');
}


sub leaves {
    my $body = '{"id":"leaves","text":"x"}';

    is($echo->call('write', $body)->{status}, 201, 'a row is written');
    is($echo->call('write', $body)->{status}, 500,
       'the same key again fails the transaction');

    ok(wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'leaves'")
    }, 10, 'the event'), 'the event of what was committed comes');
    $echo->event('echo.written', 'after');
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'after'")
    }, 10, 'a later one');
    is($echo->sql("select times from echo_seen where id = 'leaves'"), 1,
       'that of what was rolled back does not');
}


sub command {
    my $id = $echo->command('note', '{"text":"noted"}');

    ok(wait_for(sub {
        $echo->sql("select 1 from echo where id = '$id'")
    }, 10, 'the command'), 'a command acts');
}


# The first failure waits for a second; the second is the last allowed.
sub retried {
    my $start = time();
    my $id = $echo->command('retry');

    wait_for(sub { $echo->worker()->log() =~ /waits on a rung/ }, 10,
             'the rung');

    my $row = letter($id, 'the dead letter');
    cmp_ok(time() - $start, '>=', 0.9, 'a retry waits on its rung');
    like($row, qr/^commands\.echo\|retry\|2|^commands\.echo\|.*\|2$/,
         'and becomes a dead letter after the last attempt');
    is($echo->sql("select headers->>'x-attempt', headers->>'x-home',"
                  . " headers->>'x-origin' from dead_letter"
                  . " where message_id = '$id'"),
       '1|commands.echo|gateway', 'with where it came from');
    is($echo->sql("select string_agg((e->>'attempt') || ' ' ||"
                  . " (e->>'reason'), ', ') from dead_letter,"
                  . ' jsonb_array_elements(history) as e'
                  . " where message_id = '$id'"), '1 retry, 2 retry',
       'and each failure is in its history');
    is($echo->sql("select headers ? 'x-history' from dead_letter"
                  . " where message_id = '$id'"), 'f', 'and there alone');
    is($echo->sql("select count(*) from echo where text = 'retry'"), 0,
       'and nothing of it was committed');
    ok(settled('empty queues'), 'it is acknowledged everywhere');
}


sub dead {
    my $id = $echo->command('refuse');

    like(letter($id, 'the refused one'), qr/it was told to refuse\|1$/,
         'what the domain refuses is dead at once, with the reason');
    is($echo->sql("select count(*) from inbox where message_id = '$id'"), 0,
       'and may be sent again');

    $id = $echo->command('no_such_method');
    like(letter($id, 'the unknown one'), qr/no handler for "no_such_method"/,
         'what nobody handles is dead');
}


sub untrusted {
    my $id = $echo->event('echo.written', 'forged',
                          source => '/warren/orders');

    like(letter($id, 'the forged one'), qr/another sender than its source/,
         'an event in the name of another service is dead');
    is($echo->sql("select count(*) from echo_seen where id = 'forged'"), 0,
       'and does not act');
}


# What a sender says of a message's past is not believed, on a rung neither.
sub forged_history {
    my $past = '{"first_at":"2001-01-01T00:00:00.000Z","failures":'
               . '[{"at":"2001-01-01T00:00:00.000Z","attempt":7,'
               . '"reason":"forged"}]}';

    for my $method ('refuse', 'retry') {
        my $id = $echo->command($method, '{}',
                                headers => { 'x-history' => $past });

        letter($id, "the dead $method");
        is($echo->sql('select count(*) from dead_letter where message_id ='
                      . " '$id' and (history::text like '%forged%'"
                      . " or first_at < now() - interval '1 day')"), 0,
           "a history that somebody made up is not kept: $method");
    }
}


# A UUID is the same in either case.
sub upper_case {
    my $id = uc Echo::uuid();

    $echo->event('echo.written', 'upper', id => $id) for 1 .. 2;
    $echo->event('echo.written', 'upper', id => lc $id);
    $echo->event('echo.written', 'lower');
    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'lower'")
    }, 40, 'the marker');
    is($echo->sql("select times from echo_seen where id = 'upper'"), 1,
       'an event whose id is in upper case acts, and once');
    is($echo->sql('select count(*) from dead_letter where lower(message_id)'
                  . " = '" . lc($id) . q(')), 0,
       'however it is written when it comes again');
}


sub broken {
    my $id = $echo->event('echo.written', 'x', body => "{\"a\":\xff");

    like(letter($id, 'the broken one'), qr/^events\.echo\|event is not JSON/,
         'an event that is not JSON is dead');
    is($echo->sql("select encode(body, 'hex') from dead_letter"
                  . " where message_id = '$id'"), '7b2261223aff',
       'its body is kept byte for byte');
}


# What the broker gives up on is moved into the table.
sub parked {
    my $id = Echo::uuid();

    $echo->send('park', 'echo', 'lost', id => $id, type => 'note',
                user => 'guest', headers => {
                    'x-first-death-queue' => 'commands.echo',
                    'x-first-death-reason' => 'delivery_limit' });
    like(letter($id, 'the parked one'),
         qr/^commands\.echo\|given up by the broker: delivery_limit/,
         'what the broker gave up on is a dead letter');
}
