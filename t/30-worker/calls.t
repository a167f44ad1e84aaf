# Copyright (C) the Warren authors
#
# Calls to a worker, and what comes back.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

my $echo = Echo->new()->start();

answered();
refused();
invalid();
unknown();
identity();
late();
repeated();
mismatched();
failing();
batch();
asked();

done_testing();


sub answered {
    my $reply = $echo->call('echo', '{"text":"hi"}');

    is($reply->{status}, 200, 'a call is answered');
    is($reply->{json}{text}, 'hi', 'with what the handler said');
    is($reply->{headers}{'http-cache-control'}, 'no-store',
       'and the header that it set');
    is($reply->{headers}{'http-x-served-by'}, 'echo',
       'also one that only some gateways pass on');
    is($reply->{properties}{user_id}, 'echo', 'as the service itself');
    ok($reply->{json}{has_deadline}, 'the handler knew its deadline');
    is($reply->{json}{header}, undef, 'a header that did not come is absent');

    $reply = $echo->call('echo', '{"text":"hi"}',
                         headers => { 'x-http-x-tenant' => 'north' });
    is($reply->{json}{header}, 'north', 'one that the gateway passed is read');
}


sub refused {
    my $reply = $echo->call('refuse', '{}',
                            headers => { 'x-request-id' => 'request-r' });

    is($reply->{status}, 409, 'a refusal has its status');
    is($reply->{properties}{content_type}, 'application/problem+json',
       'and is a problem');
    is($reply->{json}{type}, 'urn:warren:error:conflict', 'of a type');
    is($reply->{json}{instance}, 'request-r', 'about this request');
    is($reply->{json}{detail}, 'it was told to refuse', 'with the reason');
}


sub invalid {
    my $reply = $echo->call('echo', '{"text":');

    is($reply->{status}, 400, 'a body that is not JSON is refused');
    is($reply->{json}{errors}[0]{pointer}, '', 'as a whole');

    $reply = $echo->call('echo', '{"text":7}');
    is($reply->{json}{errors}[0]{pointer}, '/text',
       'a wrong member is named by its pointer');
}


sub unknown {
    my $reply = $echo->call('nothing_like_that');

    is($reply->{status}, 404, 'an unknown method is told');

    $reply = $echo->call('write', '{}', id => 'not-a-uuid');
    is($reply->{status}, 400, 'a message id that is no uuid is refused');
}


sub identity {
    my %claims = ('x-sub' => 'alice', 'x-scope' => 'a echo:read b');
    my $reply = $echo->call('echo', '{"text":""}', headers => \%claims);

    is($reply->{json}{sub}, 'alice', 'the word of a trusted sender counts');
    ok($reply->{json}{reads}, 'on the scope, too');

    $reply = $echo->call('echo', '{"text":""}', headers => \%claims,
                         user => 'echo');
    is($reply->{json}{sub}, undef, "an untrusted sender's does not");
    ok(!$reply->{json}{reads}, 'nor on the scope');

    my @lines = $echo->worker()->log() =~ /(whom .*? is not believed.*)/g;
    is(scalar(@lines), 1, 'the log says so');
    like($lines[0] // '', qr/"echo\\?".*trusted_users/,
         'whom it does not believe, and which key names them');

    $echo->call('echo', '{"text":""}', headers => \%claims, user => 'echo');
    @lines = $echo->worker()->log() =~ /(whom .*? is not believed.*)/g;
    is(scalar(@lines), 1, 'and does not say it each time');
}


sub late {
    my $correlation = $echo->ask(
        'write', '{"id":"late","text":""}',
        headers => { 'x-deadline' => Warren::AMQP::typed(
            l => (time() - 1) * 1000) }
    );

    is($echo->call('echo', '{"text":""}')->{status}, 200, 'a later one runs');
    is($echo->answer($correlation, 1), undef,
       'a call whose deadline has passed is dropped');
    is($echo->sql("select count(*) from echo where id = 'late'"), 0,
       'and does not act');
    like($echo->worker()->http()->get('/metrics')->{body},
         qr/^warren_messages_late_total(?:\{.*\})? 1$/m, 'and is counted');
}


sub repeated {
    my $id = Echo::uuid();
    my $body = '{"id":"again","text":"x"}';
    my $first = $echo->call('write', $body, id => $id);
    my $second = $echo->call('write', $body, id => $id);

    is($first->{status}, 201, 'a call that writes is answered');
    is($second->{status}, 201, 'repeated, it is answered again');
    is($second->{body}, $first->{body}, 'with the stored reply');
    is($first->{headers}{'http-x-served-by'}, 'echo', 'and its headers');
    is($second->{headers}{"http-$_"}, $first->{headers}{"http-$_"}, "$_ too")
        for qw(location x-served-by);

    wait_for(sub {
        $echo->sql("select times from echo_seen where id = 'again'") eq '1'
    }, 10, 'the event');
    is($echo->sql("select count(*) from inbox where message_id = '$id'"), 1,
       'and has acted once');

    # the row leaves the outbox once the event is confirmed
    ok(wait_for(sub { $echo->sql('select count(*) from outbox') eq '0' }, 10),
       'the outbox is empty after the confirm');

    my $refusal = Echo::uuid();
    $echo->call('refuse', '{}', id => $refusal);
    is($echo->call('refuse', '{}', id => $refusal)->{status}, 409,
       'a refusal is stored, too');
}


sub mismatched {
    my $id = Echo::uuid();
    my %keyed = (id => $id, headers => { 'x-keyed' => '1' });

    $echo->call('write', '{"id":"keyed","text":"1"}', %keyed);

    my $reply = $echo->call('write', '{"id":"keyed","text":"2"}', %keyed);
    is($reply->{status}, 422, 'a key used for another request is refused');
}


sub failing {
    my $reply = $echo->call('fail');

    is($reply->{status}, 500, 'a statement that fails for good is internal');
    unlike($reply->{body}, qr/division/, 'and what it was stays here');

    $reply = $echo->call('retry');
    is($reply->{status}, 503, 'a call that could run later is told at once');

    $reply = $echo->call('uncertain');
    is($reply->{status}, 502, 'one that may have run says so');
    is($echo->sql("select count(*) from echo where text in"
                  . " ('retry', 'uncertain')"), 0,
       'nothing of either was committed');
}


# While the lane sleeps, the others arrive and make one batch.
sub batch {
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '700' });
    my @asked = map {
        $echo->ask($_ == 3 ? 'fail' : 'write',
                   qq({"id":"batch-$_","text":"x"}))
    } 0 .. 9;

    is($echo->answer($slow)->{status}, 200, 'a slow one ends');

    my @status = map { $echo->answer($_)->{status} } @asked;
    is_deeply(\@status, [(201) x 3, 500, (201) x 6],
              'one that fails leaves the others of its batch alone');
    is($echo->sql("select count(*) from echo where id like 'batch-%'"), 9,
       'which are committed');
}


sub asked {
    my $reply = $echo->call('ask', '{}', ms => 700);

    # the only lane waits for itself
    is($reply->{status}, 502, 'an ask ends with the deadline of its call');

    # what did not happen is not kept: the next one with this key may happen
    my $id = Echo::uuid();
    my %keyed = ('x-keyed' => '1', 'x-arg-service' => 'nobody');

    $reply = $echo->call('ask', '{}', id => $id, headers => \%keyed);
    is($reply->{status}, 503, 'what nobody could be asked may be tried again');
    is($echo->sql("select count(*) from inbox where message_id = '$id'"), 0,
       'with the same key, since nothing of it is kept');
}
