# Copyright (C) the Warren authors
#
# Links that are sent verify an address and reset a password, once; nobody is
# told who has an account, but for its owner.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Users;
use Warren::Caller;
use Warren::Test;

my $users = Users->new(settings => { 'login.unverified' => 'off' });
my (@secrets, $ann);

verifies();
taken();
pre_hijacked();
resets();
reset_of_nobody();
links_expire();
moves();
moves_to_another();
moves_once();
changes_password();
profile();
pauses();
without_letters();
logs_are_silent();

done_testing();


sub verify { return $users->call('verify_email', body => { token => $_[0] }) }


sub confirm {
    my ($secret, $password) = @_;

    return $users->call('reset_password', body => {
        token => $secret, password => $password // 'a new password'
    });
}


sub secret {
    push @secrets, Users::secret($users->letter(@_));

    return $secrets[-1];
}


# Somebody whose address is verified.
sub verified {
    my ($email) = @_;

    my $id = $users->person($email);
    verify(secret('verify_email', $email));
    $users->event('user.registered', $id);
    $users->event('user.updated', $id);

    return $id;
}


sub verifies {
    $ann = $users->person('ann@example.com', name => 'Ann', language => 'de');

    my $letter = $users->letter('verify_email', 'ann@example.com');
    is_deeply([@$letter{qw(user_id name language)}], [$ann, 'Ann', 'de'],
              'who registers is sent a link');

    my $secret = Users::secret($letter);
    push @secrets, $secret;

    is($users->login('ann@example.com')->{status}, 401,
       'before it is opened nobody logs in');
    is($users->login('ann@example.com')->{body} =~ s/"instance":"[^"]*"//r,
       $users->login('ann@example.com', password => 'wrong one')->{body}
       =~ s/"instance":"[^"]*"//r,
       'which looks as a wrong password does');
    is(verify('x' x 43)->{status}, 400, 'another link does nothing');
    is(confirm($secret)->{status}, 400, 'nor is it one for a password');

    is(verify($secret)->{status}, 204, 'it verifies the address');
    is($users->event('user.registered', $ann)->{data}{email_verified}, 0,
       'which was not so before');

    my $event = $users->event('user.updated', $ann);
    is($event->{data}{email_verified}, 1, 'and others are told');
    is("$event->{aggregateversion} $event->{data}{language}", '2 de',
       'by the next version');
    is($users->login('ann@example.com')->{status}, 200, 'and one logs in');
    is(verify($secret)->{status}, 400, 'it is good once');
    is($users->sql('select count(*) from links'), 0, 'and nothing is left');
}


# Who registers an address that is taken finds out nothing.
sub taken {
    my $id = $users->person('ANN@example.com', password => 'of the attacker');
    my $letter = $users->letter('address_taken', 'ann@example.com');

    is($letter->{user_id}, $ann, 'the owner is told, and nobody else');
    unlike($letter->{link}, qr/=/, 'by a letter without a secret');
    is(scalar $users->letters(), 0, 'which is the only one');
    is($users->login('ann@example.com', password => 'of the attacker')
       ->{status}, 401, 'the attacker does not get in');
    is($users->call_as($id, 'get_user', args => { id => 'me' })->{status}, 404,
       'and there is no such account');

    my $first = $users->person('free@example.com', password => 'of the first');
    is($users->login('free@example.com', password => 'of the first')
       ->{status}, 401, 'nor can he tell it from one that was free');
}


# A stranger has registered the address before its owner came.
sub pre_hijacked {
    $users->person('bob@example.com', password => 'of the attacker');
    $users->letter('verify_email', 'bob@example.com');
    $users->call('request_reset', body => { email => 'bob@example.com' });
    is(confirm(secret('reset_password', 'bob@example.com'), 'of the owner')
       ->{status}, 204, 'the owner takes it over by a link');
    is($users->login('bob@example.com', password => 'of the owner')->{status},
       200, 'which verifies the address, too');
    is($users->login('bob@example.com', password => 'of the attacker')
       ->{status}, 401, 'and the stranger is out');
}


sub resets {
    my @tokens = map { $users->token('ann@example.com') } 1, 2;
    my $ask = sub {
        return $users->call('request_reset',
                            body => { email => 'Ann@example.com' });
    };

    is($ask->()->{status}, 202, 'who has forgotten the password asks');
    my $first = secret('reset_password', 'ann@example.com');
    $ask->();
    my $second = secret('reset_password', 'ann@example.com');

    is(verify($first)->{status}, 400, 'the link is for nothing else');
    is(confirm($first, 'short')->{status}, 400, 'nor for a bad password');
    is(confirm($first, 'one more password')->{status}, 204,
       'it sets another, also if a later one was sent');
    is(confirm($first)->{status}, 400, 'once');
    is(confirm($second)->{status}, 400, 'and then no other does');
    is_deeply([map { $users->refresh($_)->{status} } @tokens], [401, 401],
              'all sessions have ended');
    is($users->login('ann@example.com')->{status}, 401,
       'the old password is void');
    is($users->login('ann@example.com', password => 'one more password')
       ->{status}, 200, 'and the new one good');
    is($users->letter('password_changed', 'ann@example.com')->{user_id}, $ann,
       'and the owner is told');
    $users->sql('update users set password_hash = (select password_hash from'
                . " users where email = 'free\@example.com')"
                . " where id = '$ann'");
    is(confirm($_)->{status}, 400, 'what is no link is refused')
        for 'x', 'x' x 43, "'", '';
}


sub reset_of_nobody {
    $users->letters();

    my @answers = map {
        $users->call('request_reset', body => { email => $_ })
    } 'nobody@example.com', 'ann@example.com';

    is_deeply($answers[0], $answers[1],
              'a link is promised, whether or not there is an account');
    is_deeply([map { $_->{email} } $users->letters()], ['ann@example.com'],
              'and sent if there is');
    is($users->call('request_reset', body => { email => 'x' })->{status}, 400,
       'what is no address is refused');
}


sub links_expire {
    $users->call('request_reset', body => { email => 'ann@example.com' });
    my $secret = secret('reset_password', 'ann@example.com');

    is($users->sql("select expires_at between now() + interval '55 minutes'"
                   . " and now() + interval '65 minutes' from links where"
                   . " purpose = 'reset' order by expires_at desc limit 1"),
       't', 'a link to reset a password is good for an hour');
    $users->sql('update links set expires_at = now()');
    is(confirm($secret)->{status}, 400, 'and then no more');
    $users->tick('tidy');
    wait_for(sub { $users->sql('select count(*) from links') == 0 }, 60,
             'links that are over to be deleted');
}


sub moves {
    my $eve = verified('eve@example.com');
    my $move = sub {
        return $users->call_as($eve, 'update_user', body => {
            email => 'eva@example.com', @_
        });
    };

    is($move->()->{status}, 400, 'another address needs the password');
    is($move->(password => 'wrong one')->{status}, 403, 'the right one');

    my $answer = $move->(password => 'of the attacker');
    is($answer->{status}, 403, 'nobody else\'s');

    # all people here have the password of the first
    $answer = $move->(password => $Users::PASSWORD);
    is($answer->{status}, 200, 'with it one is promised')
        or diag($answer->{body});
    is("@{ $answer->{json} }{qw(email pending_email)}",
       'eve@example.com eva@example.com', 'but the old one stays so far');
    is($users->letter('email_changed', 'eve@example.com')->{user_id}, $eve,
       'and is told');

    my $secret = secret('verify_email', 'eva@example.com');
    is($users->login('eva@example.com')->{status}, 401, 'the new one is not');
    is(verify($secret)->{status}, 204, 'until the link was opened');
    is($users->login('eva@example.com')->{status}, 200, 'then it is');
    is($users->login('eve@example.com')->{status}, 401, 'and the old one gone');
    is($users->event('user.updated', $eve)->{data}{email}, 'eva@example.com',
       'and others are told');
}


# Neither the one who asks nor anybody else learns that the address is taken.
sub moves_to_another {
    my $max = verified('max@example.com');
    $users->letters();

    my $answer = $users->call_as($max, 'update_user', body => {
        email => 'ann@example.com', password => $Users::PASSWORD
    });
    is($answer->{status}, 200, 'an address that is taken is promised as well');
    is_deeply([sort map { "$_->{template} $_->{email}" } $users->letters()],
              ['address_taken ann@example.com',
               'email_changed max@example.com'], 'its owner is told');

    # it was free when the link was sent
    $users->call_as($max, 'update_user', body => {
        email => 'moritz@example.com', password => $Users::PASSWORD
    });
    my $secret = secret('verify_email', 'moritz@example.com');
    $users->person('moritz@example.com');
    is(verify($secret)->{status}, 409, 'who came first has it');
}


# A slip of the keyboard went to a stranger, and so did what was sent to an
# address that is somebody else's by now.
sub moves_once {
    my $pam = verified('pam@example.com');
    my $move = sub {
        my ($to) = @_;

        $users->call_as($pam, 'update_user', body => {
            email => $to, password => $Users::PASSWORD
        });

        return secret('verify_email', $to);
    };

    $users->call_as($pam, 'request_verification');
    my $old = secret('verify_email', 'pam@example.com');
    my $slip = $move->('pam@exampel.com');
    my $right = $move->('pam@example.org');

    is(verify($slip)->{status}, 400,
       'a link to another address is void when there is a later one');
    is($users->sql("select count(*) from links where user_id = '$pam'"), 2,
       'one to the own address is not');
    is(verify($right)->{status}, 204, 'the later one is good');
    is(verify($old)->{status}, 400,
       'and no address of before comes back by its link');
    is($users->login('pam@example.org')->{status}, 200, 'the new one stays');
}


sub changes_password {
    my $joe = verified('joe@example.com');
    my $token = $users->token('joe@example.com');
    my $change = sub {
        my (%member) = @_;
        return $users->call_as($joe, 'change_password', body => {
            old_password => $Users::PASSWORD, new_password => 'another one',
            %member
        });
    };

    $users->call('request_reset', body => { email => 'joe@example.com' });
    my $secret = secret('reset_password', 'joe@example.com');

    is($change->(old_password => 'wrong one')->{status}, 403,
       'a password is changed by who knows it');
    is($change->(new_password => 'short')->{status}, 400, 'to a good one');
    is($users->refresh($token)->{status}, 200, 'until then nothing ends');

    $token = $users->token('joe@example.com');
    is($change->()->{status}, 204, 'it is changed');
    is($users->refresh($token)->{status}, 401, 'and all sessions end');
    is(confirm($secret)->{status}, 400, 'and links are void');
    is($users->login('joe@example.com')->{status}, 401, 'the old one is void');
    is($users->login('joe@example.com', password => 'another one')->{status},
       200, 'the new one good');
    is($users->letter('password_changed', 'joe@example.com')->{user_id}, $joe,
       'and the owner is told');
    is($users->call('change_password', body => {})->{status}, 401,
       'who did not log in changes none');
    is($users->call('change_password', sub => $joe, scope => 'users:read',
                    body => {})->{status}, 403, 'nor without the scope');
}


sub profile {
    my $kim = verified('kim@example.com');
    my $update = sub {
        return $users->call_as($kim, 'update_user', body => { @_ });
    };

    my $answer = $update->(name => 'Kim', language => 'de');
    is($answer->{status}, 200, 'people change name and language')
        or diag($answer->{body});
    is("@{ $answer->{json} }{qw(name language email)}",
       'Kim de kim@example.com', 'and see what they are');

    my $event = $users->event('user.updated', $kim);
    is("$event->{aggregateversion} $event->{data}{name}", '3 Kim',
       'and others are told');
    is($update->(name => 'Kimberly')->{json}{language}, 'de',
       'what is not named stays');

    for my $case ([], [name => ''], [name => "a\nb"], [language => 'fr'],
                  [email => 'x', password => 'y'], [name => 7])
    {
        is($update->(@$case)->{status}, 400, 'and nothing wrong is taken');
    }

    is($users->call('update_user', body => { name => 'x' })->{status}, 401,
       'who did not log in changes nobody');
    is($users->call('update_user', sub => $kim, scope => 'users:read',
                    body => { name => 'x' })->{status}, 403,
       'nor without the scope');
    is($users->call_as(Warren::Caller::uuid(), 'update_user',
                       body => { name => 'x' })->{status}, 404,
       'nor who has no account');

    is($users->call_as($kim, 'request_verification')->{status}, 202,
       'a link may be sent again');
    ok($users->letter('verify_email', 'kim@example.com'), 'and is');
}


sub pauses {
    $users->worker()->restart('mail.pause' => '1h');
    $users->letters();
    $users->call('request_reset', body => { email => 'ann@example.com' })
        for 1 .. 3;
    is(scalar $users->letters(), 0, 'nobody\'s mailbox is flooded');
    $users->sql("update mails set sent_at = now() - interval '61 minutes'");
    $users->call('request_reset', body => { email => 'ann@example.com' })
        for 1 .. 3;
    is(scalar $users->letters(), 1, 'one comes after the pause');
}


sub without_letters {
    $users->worker()->restart('mail.pause' => '0s', 'link.base' => '');
    $users->person('tom@example.com');
    is(scalar $users->letters(), 0, 'without a base of links none is sent');
}


sub logs_are_silent {
    my $log = $users->worker()->log();

    unlike($log, qr/example\.com/i, 'no address is in the log');
    unlike($log, qr/horse|wrong one|of the (?:attacker|first|owner)/,
           'no password');
    is(scalar(grep { index($log, $_) != -1 } @secrets), 0,
       'and no link\'s secret');

    for my $secret (@secrets) {
        for my $table (qw(links inbox dead_letter)) {
            is($users->sql("select count(*) from $table as t where t::text"
                           . " like '%$secret%'"), 0, "nor has $table");
        }
    }
}
