# Copyright (C) the Warren authors
#
# Keys of tokens rotate while people are served: a gateway that fetches them
# takes tokens from before, during and after, and nothing is started again.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use Test::More;
use Time::HiRes qw(time);
use Warren::System;
use Warren::Test qw(wait_for tempdir);

# a gateway knows a new key after a second, and it signs after six
my $OVERLAP = 6;

my $keys = tempdir('rotation-keys');
chmod 0700, $keys;

my $system = Warren::System->new(
    services => ['users'], key_url => 'ttl=1s',
    settings => { users => {
        'token.key_file' => '', 'token.key_id' => '',
        'token.key_directory' => $keys
    } }
);

rotate();
$system->start();

my ($person, $first) = $system->person('ada');
my %asked;

is(kid_of($first), (kids())[0], 'a token is signed by the key there is');
is(status_of($first), 200, 'and taken');

my ($pid, $nginx) = ($system->worker('users')->pid(),
                     $system->nginx()->pid());
my @lanes = sort $system->worker('users')->lanes();

# before, during, after
rotate('--overlap', $OVERLAP);

my @kids;
my $second;
my $until = time() + 60;

while (time() < $until) {
    my $token = login();
    my $kid = kid_of($token);

    push @kids, $kid if !@kids || $kids[-1] ne $kid;
    $asked{ status_of($token) }++ for 1 .. 5;
    $asked{ status_of($first) }++ for 1 .. 5;

    if (@kids == 2 && !defined $second) {
        $second = $token;
        $until = time() + 3;
    }
}

is(scalar(@kids), 2, 'the new key has taken over');
is("@kids", join(' ', kids()), 'once, and the old one did not come back');
is_deeply([keys %asked], [200],
          'and every token was taken at every moment')
    or diag(explain(\%asked));
cmp_ok($asked{200}, '>', 50, 'of a stream of requests');

is($system->worker('users')->pid(), $pid, 'the worker was not started again');
is_deeply([sort $system->worker('users')->lanes()], \@lanes,
          'nor were its lanes');
is($system->nginx()->pid(), $nginx, 'nor was nginx');

# the old key's tokens have ended, let us say
$system->warren('keys', 'prune', '--directory', $keys, '--keep', 0);
is(join(' ', kids()), $kids[1], 'the old key is pruned');
ok(wait_for(sub { status_of($first) == 401 }, 40, 'a refusal'),
   'and its tokens are refused soon');
is(status_of($second), 200, 'those of the other one are taken');

my $answer = $system->get('/.well-known/jwks.json');
is($answer->{status}, 200, 'everybody may read the public keys');
is_deeply([map { $_->{kid} } @{ $answer->{json}{keys} }], [$kids[1]],
          'those there are');

done_testing();


sub rotate {
    $system->warren('keys', 'rotate', '--directory', $keys, @_);
}


sub kids {
    return sort map { m{([^/]+)\.pem\z} } glob "$keys/*.pem";
}


sub login {
    my ($email) = $system->psql('users', 'select email from users');

    my $answer = $system->post('/login', {
        email => $email, password => 'correct horse battery staple'
    });
    die "login: $answer->{status} $answer->{body}\n"
        if $answer->{status} != 200;

    return $answer->{json}{token};
}


sub kid_of {
    my ($token) = @_;

    return JSON::PP->new()->decode(
        decode_base64url((split /\./, $token)[0])
    )->{kid};
}


sub status_of {
    my ($token) = @_;

    return $system->get('/users/me', authorization => "Bearer $token")
                  ->{status};
}
