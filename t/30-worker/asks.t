# Copyright (C) the Warren authors
#
# A handler asks another service while no transaction is open.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use JSON::PP ();
use Warren::Caller;
use Warren::Test;

answered();
unroutable();
foreign();
patient();
unasked();
together();
refused();
inner();

done_testing();


# A lane that has a message gets no other one: its question goes to the other.
sub answered {
    my $echo = Echo->new(settings => { lanes => 2, prefetch => 1 })->start();
    my $reply = $echo->call('ask');

    is($reply->{status}, 200, 'a question is answered by another lane');
    is($reply->{json}{answer}, 'asked', 'and the handler has the answer');
    $echo->worker()->stop();
}


sub unroutable {
    my $echo = Echo->new()->start();
    my $reply = $echo->call('ask', '{}',
                            headers => { 'x-arg-service' => 'nobody' });

    is($reply->{status}, 503,
       'a question that no queue takes is known at once');
    $echo->worker()->stop();
}


# A service beside echo, as a queue that the test reads.
sub other {
    my ($echo) = @_;

    my $amqp = $echo->connect('guest');

    $amqp->declare_queue('rpc.other', durable => 1);
    $amqp->bind('rpc.other', 'rpc', 'other');
    $amqp->consume('rpc.other', no_ack => 1);

    return $amqp;
}


sub foreign_count { return counted($_[0], 'replies_foreign') }


sub counted {
    my ($echo, $name) = @_;

    return $echo->worker()->http()->get('/metrics')->{body}
           =~ /^warren_${name}_total(?:\{.*\})? (\d+)$/m ? $1 : undef;
}


# Replies of somebody else, and those that come too late, answer nothing.
sub foreign {
    my $echo = Echo->new()->start();
    my $other = other($echo);
    my %headers = (headers => { 'x-arg-service' => 'other' });
    my $asked = $echo->ask('ask', '{}', %headers);
    my $question = $other->next_delivery(10);

    is($question->{properties}{user_id}, 'echo', 'a question names who asks');
    $other->reply($question, 200, '{"text":"forged"}', user_id => 'guest');
    ok(wait_for(sub { foreign_count($echo) == 1 }, 10, 'the forged reply'),
       "a reply of another user than the asked service's is dropped");

    $echo->broker()->user('other', $echo->vhost());

    my $true = $echo->connect('other');

    $true->reply($question, 200, '{"text":"true"}', user_id => 'other');
    is($echo->answer($asked)->{json}{answer}, 'true',
       "and the asked service's is taken");
    $true->reply($question, 200, '{"text":"twice"}', user_id => 'other');
    ok(wait_for(sub { foreign_count($echo) == 2 }, 10, 'the second reply'),
       'a second reply is dropped');

    $asked = $echo->ask('ask', '{}', %headers, ms => 500);
    $question = $other->next_delivery(10);
    $echo->answer($asked, 1);
    $true->reply($question, 200, '{"text":"late"}', user_id => 'other');
    ok(wait_for(sub { foreign_count($echo) == 3 }, 10, 'the late reply'),
       'and so is one that comes after the deadline');
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and the lane goes on');
    $echo->worker()->stop();
}


# Several to one method about single keys are one message, once each key.
sub together {
    my $echo = Echo->new()->start();
    my $other = other($echo);

    $echo->broker()->user('other', $echo->vhost());

    my $true = $echo->connect('other');
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '700' });

    wait_asleep($echo);

    my @asked = map { about($echo, $_, ms => 20000) } qw(a b a c);
    my $question = $other->next_delivery(10);

    is($question->{properties}{type}, 'look', 'questions about keys are asked');
    is_deeply(keys_of($question), [qw(a b c)],
              'those of a batch in one message, each key once');
    is($question->{properties}{headers}{'x-sub'}, undef,
       "in nobody's name");

    $true->reply($question, 200, '{"a":{"text":"A"},"c":{"text":"C"},"b":null}',
                 user_id => 'other');

    my @answers = map { $echo->answer($_, 10) } @asked;

    is_deeply([map { $_->{status} } @answers], [200, 404, 200, 200],
              'each has its own answer, or none');
    is_deeply([map { $_->{json}{answer} } @answers[0, 2, 3]], [qw(A A C)],
              'which is what was said of its key');
    is($echo->answer($slow)->{status}, 200, 'and who asked nothing its own');

    my $late = about($echo, 'late', ms => 1500);
    $question = $other->next_delivery(10);
    is($echo->answer($late)->{status}, 502, 'who gets no answer is told so');
    $true->reply($question, 200, '{"late":{}}', user_id => 'other');
    ok(wait_for(sub { foreign_count($echo) == 1 }, 10, 'the late answer'),
       'one that comes too late is dropped');
    $echo->worker()->stop();
}


sub wait_asleep {
    my ($echo) = @_;

    wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 15, 'the statement');
}


sub about {
    my ($echo, $key, %option) = @_;

    return $echo->ask('about', '{}', headers => {
        'x-arg-key' => $key, 'x-sub' => 'alice'
    }, %option);
}


sub keys_of { return JSON::PP::decode_json($_[0]{body})->{keys} }


# What is no answer to the question is not one about the key.
sub refused {
    my $echo = Echo->new()->start();

    is($echo->call('about', '{}', headers => { 'x-arg-key' => 'a' })->{status},
       503, 'a question about a key that no queue takes is known at once');

    my $other = other($echo);
    $echo->broker()->user('other', $echo->vhost());
    my $true = $echo->connect('other');

    for my $case ([404, '{}', 'a service without the method'],
                  [403, '{}', 'one that refuses'],
                  [200, '{', 'an answer that is not JSON'],
                  [200, '', 'an empty one'],
                  [200, '[]', 'a list'],
                  [200, 'null', 'null'],
                  [200, '{"a":"A"}', 'a member that is no object'])
    {
        my ($status, $body, $what) = @$case;
        my $asked = about($echo, 'a');
        my $question = $other->next_delivery(10);

        $true->reply($question, $status, $body, user_id => 'other');
        is($echo->answer($asked, 10)->{status}, 502,
           "$what has not said that the key is unknown");
    }

    my $asked = about($echo, 'a');
    $true->reply($other->next_delivery(10), 503, '{}', user_id => 'other');
    is($echo->answer($asked, 10)->{status}, 503,
       'one that cannot now may be asked again');
    $echo->worker()->stop();
}


sub inner {
    my $echo = Echo->new()->start();

    is($echo->call('inner', '{"text":"x"}')->{status}, 403,
       'a method for other services is not for the gateway');

    $echo->broker()->user('other', $echo->vhost());

    my $other = Warren::Caller->new(broker => $echo->broker(),
                                    vhost => $echo->vhost(), user => 'other');
    is($other->call('echo', 'inner', body => { text => 'x' })->{status}, 200,
       'and is for whom it names');
    ok(wait_for(sub { counted($echo, 'messages_untrusted') >= 1 }, 10,
                'the count'), 'a caller who is none of them is counted');
    is($other->call('echo', 'inner', body => { text => 'y' })->{status}, 200,
       'and one of them');
    is(counted($echo, 'messages_untrusted'), 1, 'is not');
    $echo->worker()->stop();
}


# Who has asked nothing does not wait for others' answers until it is too late.
sub patient {
    my $echo = Echo->new()->start();
    my $other = other($echo);

    # while the lane sleeps the others arrive, and make one batch
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '700' });

    wait_for(sub {
        $echo->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and state = 'active'"
                   . " and query like 'select pg\\_sleep%'") == 1
    }, 15, 'the statement');

    my $asked = $echo->ask('ask', '{}', ms => 9000,
                           headers => { 'x-arg-service' => 'other' });
    my $short = $echo->ask('echo', '{"text":"short"}', ms => 3000);

    is($echo->answer($slow)->{status}, 200, 'a slow one ends');
    is(($echo->answer($short, 5) // {})->{status}, 200,
       "a call is answered in its time beside another's open question");

    $echo->broker()->user('other', $echo->vhost());

    my $true = $echo->connect('other');

    $true->reply($other->next_delivery(5), 200, '{"text":"then"}',
                 user_id => 'other');
    is(($echo->answer($asked, 5) // {})->{status}, 200,
       'and the question is answered after it');
    $echo->worker()->stop();
}


sub unasked {
    my $echo = Echo->new()->start();

    is($echo->call('retry_gather')->{status}, 503,
       'a call that gives up before it asks is told that nothing happened');
    $echo->worker()->stop();
}
