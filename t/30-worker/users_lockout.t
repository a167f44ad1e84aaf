# Copyright (C) the Warren authors
#
# Who tries passwords has to wait longer each time, and nobody else has to.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Users;
use Warren::Caller;
use Warren::Test;

my $users = Users->new(settings => {
    'login.failures' => 3, 'login.delay' => '10m', 'login.delay_max' => '1h',
    lanes => 2
});
my $ann = $users->person('ann@example.com');
my $count = 0;

attacker_waits();
owner_does_not();
nobody_is_told();
delays_grow();
right_password_forgives();
networks();
at_once();
other_ways();
without_an_address();
tidies();

done_testing();


sub try {
    my ($ip, %option) = @_;

    return $users->login($option{email} // 'ann@example.com',
                         args => { ip => $ip }, password => 'wrong one',
                         %option);
}


sub address { return '10.0.' . int(++$count / 250) . '.' . $count % 250 }


sub attacker_waits {
    is_deeply([map { try('192.0.2.1')->{status} } 1 .. 4],
              [401, 401, 401, 429], 'after three wrong passwords one waits');

    my $answer = $users->login('ann@example.com',
                               args => { ip => '192.0.2.1' });
    is($answer->{status}, 429, 'even with the right one');
    is($answer->{json}{type}, 'urn:warren:error:rate_limited', 'and is told');
    cmp_ok($answer->{headers}{'retry-after'}, '<=', 600, 'for how long');
    cmp_ok($answer->{headers}{'retry-after'}, '>', 500, 'about');
    is(try('192.0.2.1', email => 'ANN@Example.com')->{status}, 429,
       'spelling the address otherwise does not help');
}


sub owner_does_not {
    is($users->login('ann@example.com', args => { ip => '192.0.2.2' })
       ->{status}, 200, 'the owner logs in from elsewhere meanwhile');

    for my $i (1 .. 20) {
        try("198.51.100.$i") for 1 .. 4;
    }

    is($users->login('ann@example.com', args => { ip => '192.0.2.2' })
       ->{status}, 200, 'however many addresses others try from');
    is($users->call_as($ann, 'get_user', args => { id => 'me' })->{status},
       200, 'and a session goes on');
}


# An address that nobody has waits as well.
sub nobody_is_told {
    my $ip = address();
    my @known = map { try($ip) } 1 .. 4;
    my @unknown = map { try($ip, email => 'nobody@example.com') } 1 .. 4;

    is_deeply([map { $_->{status} } @unknown], [map { $_->{status} } @known],
              'an address that nobody has is treated alike');
    is($unknown[0]{json}{detail}, $known[0]{json}{detail}, 'in words, too');
}


sub delays_grow {
    my $ip = address();
    my @waits;

    for my $failures (3 .. 6) {
        try($ip) for 1 .. ($failures == 3 ? 3 : 1);
        push @waits, $users->sql(
            'select round(extract(epoch from blocked_until - now()) / 60)'
            . " from login_failures where failures = $failures"
            . ' order by expires_at desc limit 1'
        );
        $users->sql('update login_failures set blocked_until = now()'
                    . " where failures = $failures");
    }

    is_deeply(\@waits, [10, 20, 40, 60], 'delays double up to the longest');
}


sub right_password_forgives {
    my $ip = address();

    try($ip) for 1 .. 2;
    is($users->login('ann@example.com', args => { ip => $ip })->{status}, 200,
       'the right password in time is no failure');
    is_deeply([map { try($ip)->{status} } 1 .. 4], [401, 401, 401, 429],
              'and one begins anew');
}


sub networks {
    try("2001:db8:1:2::$_") for 1 .. 3;
    is(try('2001:db8:1:2:ffff::1')->{status}, 429,
       'all of a customer\'s network of IPv6 is one address');
    is(try('2001:db8:1:3::1')->{status}, 401, 'another one is not');

    my $ip = address();
    try($ip) for 1 .. 3;
    is(try("::ffff:$ip")->{status}, 429,
       'an address of IPv4 is the same in IPv6');
}


# Those that come in the same moment count, too.
sub at_once {
    my $ip = address();
    my @callers = map {
        Warren::Caller->new(broker => $users->worker()->broker(),
                            vhost => $users->worker()->vhost())
    } 1 .. 8;

    for my $caller (@callers) {
        $caller->{amqp}->publish(
            'rpc', 'users', '{"email":"ann@example.com","password":"wrong"}',
            type => 'login', content_type => 'application/json',
            correlation_id => 'x', reply_to => $caller->{queue},
            user_id => 'gateway', message_id => Warren::Caller::uuid(),
            expiration => 40000, delivery_mode => 1, timestamp => time(),
            headers => { 'x-arg-ip' => $ip }
        );
    }

    my @status = sort map {
        $_->{amqp}->next_delivery(40)->{properties}{headers}{status}
    } @callers;

    is("@status", '401 401 401 429 429 429 429 429',
       'of eight who come at once three are looked at');
}


# A password is not to be guessed in another place either.
sub other_ways {
    my $change = sub {
        my ($ip) = @_;

        return $users->call_as($ann, 'change_password', args => { ip => $ip },
                               body => { old_password => 'wrong one',
                                         new_password => 'something new' });
    };
    my $ip = address();

    is_deeply([map { $change->($ip)->{status} } 1 .. 4], [403, 403, 403, 429],
              'who has a session cannot try old passwords');
    is($users->call_as($ann, 'update_user', args => { ip => $ip }, body => {
        email => 'eve@example.com', password => $Users::PASSWORD
    })->{status}, 429, 'neither to move the account');
    is($users->login('ann@example.com')->{status}, 200,
       'and the password is what it was');
}


# Without a gateway that tells it there is nobody to tell from another.
sub without_an_address {
    for my $args ({}, { ip => '' }, { ip => 'localhost' }) {
        is_deeply([map { $users->login('ann@example.com', args => $args,
                                       password => 'wrong one')->{status} }
                   1 .. 5], [(401) x 5],
                  'without a client\'s address nobody waits');
    }
}


sub tidies {
    cmp_ok($users->sql('select count(*) from login_failures'), '>', 20,
           'failures are remembered');
    unlike($users->sql('select t::text from login_failures as t'),
           qr/example|192\.0/, 'by digests');
    $users->sql('update login_failures set expires_at = now()');
    $users->tick('tidy');
    wait_for(sub { $users->sql('select count(*) from login_failures') == 0 },
             60, 'what is over to be deleted');
    pass('and forgotten when they are over');
}
