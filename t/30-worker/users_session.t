# Copyright (C) the Warren authors
#
# A refresh token is good once: who uses it again ends the session, but a client
# whose answer was lost asks again with the same key.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Digest::SHA qw(sha256_hex);
use Test::More;

use Users;
use Warren::Caller;
use Warren::Test;

my $users = Users->new(settings => { lanes => 2 });
my $ann = $users->person('ann@example.com');

rotates();
reuse_ends_the_session();
lost_answer();
at_once();
lifetimes();
logout();
nothing_is_kept();
wrong_tokens();
tidies();

done_testing();


sub state_of {
    my ($token) = @_;

    return $users->sql(
        'select end_reason from sessions join refresh_tokens on session_id = id'
        . " where hash = '" . digest($token) . "'"
    );
}


# As the worker keeps it.
sub digest { return sha256_hex($_[0]) }


sub rotates {
    my $answer = $users->login('ann@example.com');
    my $first = $answer->{json}{refresh_token};

    like($first, qr/\A[\w-]{43}\z/, 'a login gives a token of 256 bits');

    $answer = $users->refresh($first);
    is($answer->{status}, 200, 'it gives another') or diag($answer->{body});

    my $second = $answer->{json}{refresh_token};
    isnt($second, $first, 'which is not the same');
    is(Users::claims($answer->{json}{token})->{sub}, $ann,
       'with a token for the same person');
    is($answer->{headers}{'cache-control'}, 'no-store', 'not to be cached');
    is($users->refresh($second)->{status}, 200, 'and the next does, too');
}


sub reuse_ends_the_session {
    my $first = $users->token('ann@example.com');
    my $other = $users->token('ann@example.com');
    my $second = $users->refresh($first)->{json}{refresh_token};

    my $answer = $users->refresh($first);
    is($answer->{status}, 401, 'one that was used is refused');
    is(state_of($second), 'reuse', 'and its session ends');
    is($users->refresh($second)->{status}, 401,
       'for whoever has the one that came in its place');
    is($users->refresh($other)->{status}, 200, 'but no other session');
    like($users->worker()->log(), qr/a refresh token was used again/,
         'and the log tells');
}


sub lost_answer {
    my $first = $users->token('ann@example.com');
    my $id = Warren::Caller::uuid();

    my $lost = $users->refresh($first, id => $id)->{json}{refresh_token};
    my $answer = $users->refresh($first, id => $id);
    is($answer->{status}, 200, 'the same request may come again')
        or diag($answer->{body});
    isnt($answer->{json}{refresh_token}, $lost,
         'and is answered anew, as nothing was kept');
    is($users->refresh($lost)->{status}, 401,
       'what was given first is void then');

    my $next = $answer->{json}{refresh_token};
    $users->refresh($next);
    is($users->refresh($first, id => $id)->{status}, 401,
       'once the next was used it is a reuse');
    is(state_of($next), 'reuse', 'which ends the session');

    my $late = $users->token('ann@example.com');
    $users->refresh($late, id => $id = Warren::Caller::uuid());
    $users->sql("update refresh_tokens set rotated_at = now() - "
                . "interval '31 seconds' where hash = '" . digest($late)
                . "'");
    is($users->refresh($late, id => $id)->{status}, 401,
       'and so it is when the grace is over');
}


# Of many requests with one token, one at most is answered.
sub at_once {
    my $token = $users->token('ann@example.com');
    my @callers = map {
        Warren::Caller->new(broker => $users->worker()->broker(),
                            vhost => $users->worker()->vhost())
    } 1 .. 6;
    my @pids;

    for my $caller (@callers) {
        $caller->{amqp}->publish(
            'rpc', 'users', qq({"refresh_token":"$token"}), type => 'refresh',
            content_type => 'application/json', correlation_id => 'x',
            reply_to => $caller->{queue}, user_id => 'gateway',
            message_id => Warren::Caller::uuid(), expiration => 40000,
            delivery_mode => 1, timestamp => time(), headers => {}
        );
    }

    my @status = map {
        $_->{amqp}->next_delivery(40)->{properties}{headers}{status}
    } @callers;

    is(scalar(grep { $_ == 200 } @status), 1,
       'of six who come at once one is answered') or diag("@status");
    is(state_of($token), 'reuse', 'and the session has ended');
}


sub lifetimes {
    my $token = $users->token('ann@example.com');
    my $where = "where hash = '" . digest($token) . "'";

    $users->sql("update refresh_tokens set expires_at = now() $where");
    is($users->refresh($token)->{status}, 401,
       'a token that was idle for too long is refused');
    is(state_of($token), '', 'which is no reuse');

    $token = $users->token('ann@example.com');
    $users->sql('update sessions set expires_at = now() where id = (select'
                . " session_id from refresh_tokens where hash = '"
                . digest($token) . "')");
    is($users->refresh($token)->{status}, 401,
       'and so is one of a session that has gone on for too long');

    $token = $users->token('ann@example.com');
    $users->sql("update sessions set expires_at = now() + interval '1 hour'"
                . ' where id = (select session_id from refresh_tokens where'
                . " hash = '" . digest($token) . "')");
    my $next = $users->refresh($token)->{json}{refresh_token};
    is($users->sql("select expires_at < now() + interval '61 minutes' from"
                   . " refresh_tokens where hash = '" . digest($next) . "'"),
       't', 'and none is good for longer than its session');
}


sub logout {
    my $token = $users->token('ann@example.com');

    is($users->call('logout', body => { refresh_token => $token })->{status},
       204, 'a person logs out');
    is($users->refresh($token)->{status}, 401, 'and the token is void');
    is(state_of($token), 'logout', 'as its session has ended');
    is($users->call('logout', body => { refresh_token => 'x' x 43 })
       ->{status}, 204, 'what is no token needs no ending');
}


# Not the token is kept, but its digest; nor does the inbox have an answer.
sub nothing_is_kept {
    my $token = $users->token('ann@example.com');
    my $next = $users->refresh($token)->{json}{refresh_token};

    for my $secret ($token, $next) {
        for my $table (qw(inbox outbox refresh_tokens sessions)) {
            is($users->sql("select count(*) from $table as t"
                           . " where t::text like '%$secret%'"), 0,
               "$table has no token");
        }
        is($users->sql('select count(*) from refresh_tokens where hash ='
                       . " '" . digest($secret) . "'"), 1,
           'but the digest is there');
        unlike($users->worker()->log(), qr/\Q$secret/, 'nor has the log');
    }
}


sub wrong_tokens {
    for my $token ('x', 'x' x 43, "x'; --", 'x' x 256) {
        is($users->refresh($token)->{status}, 401,
           'what is no token is refused: ' . length $token);
    }

    for my $token ('', 'x' x 257, 7, undef, []) {
        is($users->refresh($token)->{status}, 400, 'or is no request at all');
    }
}


sub tidies {
    my $token = $users->token('ann@example.com');

    $users->sql("update sessions set expires_at = now() - interval '8 days'");
    $users->tick('tidy');
    wait_for(sub { $users->sql('select count(*) from sessions') == 0 }, 60,
             'what is over to be deleted');
    pass('sessions that are over are deleted');
    is($users->sql('select count(*) from refresh_tokens'), 0,
       'with their tokens');
}
