# Copyright (C) the Warren authors
#
# Keys of tokens: "warren keys" makes them, tells them and deletes them, and
# users signs with the one whose time has come, without a restart.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use JSON::PP ();
use MIME::Base64 qw(decode_base64url);
use POSIX qw(strftime);
use Test::More;
use Users;
use Warren::Test qw(
    wait_for slurp spew tempdir build_dir run_command sanitizer_environment
);

my $json = JSON::PP->new()->utf8();
my $warren = build_dir() . '/warren';

rotates();
prunes();
refuses();
loses_nothing();
worker();

done_testing();


# (exit status, output)
sub warren {
    my (@words) = @_;

    my ($status, $output) = run_command(
        command => [$warren, 'keys', @words],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


sub directory {
    my ($name) = @_;

    my $dir = tempdir("keys-$name");
    chmod 0700, $dir;

    return $dir;
}


sub list {
    my ($dir) = @_;

    my ($status, $output) = warren('list', '--directory', $dir, '--json');
    die "warren keys list: $output\n" if $status != 0;

    return @{ $json->decode($output)->{keys} };
}


sub files {
    my ($dir) = @_;

    opendir my $handle, $dir or die "$dir: $!\n";
    my @files = sort grep { !/^\.\.?$/ } readdir $handle;

    return @files;
}


# A key whose time is so many seconds ahead; returns its kid.
sub put_key {
    my ($dir, $ahead, $word) = @_;

    my $kid = strftime('%Y%m%dT%H%M%SZ', gmtime(time() + $ahead)) . "-$word";
    Warren::Worker::make_key("$dir/$kid.pem");

    return $kid;
}


sub rotates {
    my $dir = directory('rotates');
    my ($status, $output) = warren('rotate', '--directory', $dir);

    is($status, 0, 'the first key of a directory is made') or diag($output);

    my ($first) = list($dir);
    is($first->{state}, 'signing', 'and signs at once');
    is($first->{signs_until}, undef, 'until there is another');
    like($output, qr/^\Q$first->{kid}\E signs from \Q$first->{signs_from}\E/,
         'as it was told');
    is((stat "$dir/$first->{kid}.pem")[2] & 0777, 0600,
       'its file is its owner\'s alone');

    ($status, $output) = warren('rotate', '--directory', $dir);
    is($status, 0, 'another one is made');
    is_deeply([map { $_->{state} } list($dir)], ['signing', 'next'],
              'and signs later');

    my $before = join ' ', files($dir);
    ($status, $output) = warren('rotate', '--directory', $dir);
    is($status, 1, 'while it does not sign no other is made');
    like($output, qr/is new already, and signs from .*nothing has changed/,
         'which is told');
    is(join(' ', files($dir)), $before, 'and nothing has changed');

    ($status, $output) = warren('list', '--directory', $dir);
    is($status, 0, 'people are told, too');
    like($output, qr/^KID +STATE +SIGNS FROM \(UTC\) +UNTIL$/m, 'in a table');
    like($output, qr/^\Q$first->{kid}\E +signing /m, 'with a line a key');

    # two at once
    my $other = directory('at-once');
    run_command(command => ['sh', '-c', 'for i in 1 2 3 4; do "$1" keys'
                            . ' rotate --directory "$2" & done; wait', 'sh',
                            $warren, $other],
                environment => { sanitizer_environment() });
    is_deeply([map { $_->{state} } list($other)], ['signing', 'next'],
              'those who rotate at once do it one after the other');

    spew("$dir/.fresh", 'half of a key', 0600);
    is(scalar(list($dir)), 2, 'what was left in the middle is no key');
}


sub prunes {
    my $dir = directory('prunes');
    my @kid = (put_key($dir, -20000, 'a'), put_key($dir, -5000, 'b'),
               put_key($dir, -1000, 'c'), put_key($dir, 1000, 'd'));

    is_deeply([map { $_->{state} } list($dir)], [qw(old old signing next)],
              'keys are told by their times');

    my ($status, $output) = warren('prune', '--directory', $dir, '--dry-run');
    is("$status $output", "0 would delete $kid[0]\n",
       'a key is over when the next one signs for longer than tokens last');
    is(scalar(files($dir)), 4, 'a dry run deletes nothing');

    ($status, $output) = warren('prune', '--directory', $dir);
    is("$status $output", "0 deleted $kid[0]\n", 'prune deletes it');
    ($status, $output) = warren('prune', '--directory', $dir);
    is("$status $output", "0 ", 'and then there is nothing to do');

    spew("$dir/$kid[2].pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n", 0600);
    ($status, $output) = warren('prune', '--directory', $dir, '--keep', 0);
    is($status, 1, 'while the key that signs is broken none is deleted');
    like($output, qr/\Q$kid[2]\E.*no private key.*nothing has changed/,
         'which is told');
    is(scalar(files($dir)), 3, 'as it says');

    Warren::Worker::make_key("$dir/$kid[2].pem");
    ($status, $output) = warren('prune', '--directory', $dir, '--keep', 0);
    is("$status $output", "0 deleted $kid[1]\n",
       'keys that sign, or will, are never deleted');
}


sub refuses {
    my $dir = directory('refuses');

    for my $words (['rotate'], ['rotate', '--directory', $dir, '--overlap', -1],
                   ['rotate', '--directory', $dir, '--overlap', '1h'],
                   ['prune', '--directory', $dir, '--keep', ''],
                   ['list', '--directory', $dir, 'more'], ['prune', '--json'])
    {
        my ($status, $output) = warren(@$words);
        is($status, 2, "wrong usage is refused: keys @$words[0 .. 0]");
        like($output, qr/^usage: warren keys $words->[0] /m, 'with the usage');
    }

    for my $word (qw(rotate list prune)) {
        my ($status, $output) = warren($word, '--directory', "$dir/none");
        is($status, 1, "$word: a directory that is none is told");
        like($output, qr/^warren: \Q$dir\E\/none: No such file/, 'by name');
    }

    chmod 0777, $dir;
    my ($status, $output) = warren('rotate', '--directory', $dir);
    is($status, 1, 'a directory that everybody may write to is refused');
    like($output, qr/may be written by everybody; chmod o= it/, 'as is told');
    chmod 0700, $dir;

    for my $name ('token', '20260231T000000Z-a', '20260101T000000Z-',
                  '20260101T000000Z-A', '20260101T000000-a')
    {
        spew("$dir/$name.pem", '', 0600);
        ($status, $output) = warren('rotate', '--directory', $dir);
        is($status, 1, "a file $name.pem is no key");
        like($output, qr/\Q$name\E\.pem: its name is not that of a key/,
             'which is told');
        unlink "$dir/$name.pem";
    }

    is(scalar(files($dir)), 0, 'and nothing was made');
}


# A disk that takes no more: nothing is written, and nothing is left.
sub loses_nothing {
    my $dir = directory('full');

    warren('rotate', '--directory', $dir);
    my ($file) = files($dir);
    my $before = slurp("$dir/$file");

    my ($status, $output) = run_command(
        command => ['bash', '-c', 'set -o pipefail; (trap "" XFSZ;'
                    . ' ulimit -f 0; exec "$@") 2>&1 | cat', 'bash',
                    $warren, 'keys', 'rotate', '--directory', $dir],
        environment => { sanitizer_environment() }
    );

    is($status >> 8, 1, 'a key that cannot be written is told');
    like($output, qr/^warren: .*: File too large; nothing has changed$/m,
         'with the reason');
    is(join(' ', files($dir)), $file, 'nothing is left of it');
    is(slurp("$dir/$file"), $before, 'and the other key is as it was');
}


# The worker reads its keys again without being told.
sub worker {
    my $dir = directory('worker');
    my $old = put_key($dir, -1000, 'old');
    my $users = Users->new(settings => { 'token.key_directory' => $dir },
                           worker => { allow => qr/keys cannot be read/ });
    my $kids = sub {
        join ' ', map { $_->{kid} }
                  @{ $users->call('jwks')->{json}{keys} };
    };

    $users->person('ann@example.com');
    is(signed_by($users), $old, 'a key of the directory comes before the file');
    is($kids->(), "test $old", 'and both are told');

    my $next = put_key($dir, 1000, 'next');
    ok(wait_for(sub { $kids->() eq "test $old $next" }, 40, 'the next key'),
       'a new one is told before it signs');
    is(signed_by($users), $old, 'and signs nothing');

    # its time has come
    my $now = put_key($dir, -10, 'now');
    ok(wait_for(sub { signed_by($users) eq $now }, 40, 'the new key'),
       'one signs when its time has come');
    is($kids->(), "test $old $now $next", 'and the old one is told still');

    # one that cannot be read
    spew("$dir/20260101T000000Z-bad.pem", 'nothing', 0600);
    ok(wait_for(sub {
        $kids->();
        $users->worker()->log() =~ /known stay: .*-bad\.pem: no private key/;
    }, 40, 'the error'), 'a bad file is told');
    is($kids->(), "test $old $now $next", 'and the keys stay');
    is(signed_by($users), $now, 'and sign');

    rename $dir, "$dir-away";
    ok(wait_for(sub {
        $kids->();
        $users->worker()->log()
            =~ /known stay: token\.key_directory \S+: No such file/;
    }, 40, 'the error'), 'a directory that is away is told');
    is(signed_by($users), $now, 'and the keys sign on');

    rename "$dir-away", $dir;
    unlink "$dir/20260101T000000Z-bad.pem";
    warren('prune', '--directory', $dir, '--keep', 0);
    ok(wait_for(sub { $kids->() eq "test $now $next" }, 40, 'the last keys'),
       'a key that was deleted is told no more');
    unlike($users->worker()->log(), qr/PRIVATE KEY/, 'and no key was logged');
}


# Which key has signed the token of somebody who logs in.
sub signed_by {
    my ($users) = @_;

    my $answer = $users->login('ann@example.com');
    die "login: $answer->{body}\n" if $answer->{status} != 200;

    my ($head) = split /\./, $answer->{json}{token};

    return $json->decode(decode_base64url($head))->{kid};
}
