#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tokens that were revoked: at once, although they are cached, by every worker
# process; and a file that breaks takes nothing back.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::Nginx;
use Warren::Test;


my $key = Warren::JWT->ec(kid => 'key');
my $frame = <<'END';
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_jwt_key_file keys.json;
    %%REVOKED%%

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        gateway_jwt on;
        add_header X-Error "$gateway_jwt_error" always;
        location = /page { }
        location = /off { gateway_jwt_revoked off; }
    }
}
END

my $nginx = Warren::Nginx->new(conf => $frame, workers => 2, vars => {
    REVOKED => 'gateway_jwt_revoked revoked;'
});
my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n") for qw(page off);
spew("$dir/keys.json", Warren::JWT::jwks($key));
spew("$dir/revoked", "# nobody yet\n");
$nginx->start();


sub ask {
    my ($token, $path) = @_;
    my $answer = $nginx->get($path // '/page', Warren::JWT::bearer($token));
    return join ' ', grep { length } $answer->{status},
                $answer->{headers}{'x-error'} // '';
}

# put into its place at once, as an administrator should
sub revoke {
    my ($text) = @_;
    spew("$dir/revoked.new", $text);
    rename "$dir/revoked.new", "$dir/revoked" or die "rename: $!\n";
}

# whether all processes answer so: each of many connections may meet another
sub all_say {
    my ($token, $answer) = @_;

    return wait_for(sub {
        for (1 .. 20) {
            return 0 if ask($token) ne $answer;
        }
        return 1;
    }, 40, "$answer of all processes");
}

my $revoked = '401 the token was revoked';
my $now = time();
my $anna = $key->token({ sub => 'anna', jti => 'a-1', iat => $now - 100 });
my $new = $key->token({ sub => 'anna', jti => 'a-2', iat => $now });
my $timeless = $key->token({ sub => 'anna', jti => 'a-3' });
my $number = $key->token({ sub => 42, jti => 7 });
my $nobody = $key->token({});

is(ask($anna), '200', 'a token is accepted');
is(ask($nobody), '200', 'also one without subject and jti');

revoke("jti a-1\n");
ok(all_say($anna, $revoked), 'its jti is revoked, in all processes');
is(ask($new), '200', 'another token of the subject is not');
is(ask($anna, '/off'), '200', 'nor is anything where nobody looks');
like($nginx->log_text(), qr/\[notice\].* 1 revocations in "\S+revoked"/,
     'which is logged');

revoke("sub anna\n");
ok(all_say($new, $revoked), 'a subject is revoked with all tokens');
is(ask($nobody), '200', 'a token without a subject is not');

revoke("before $now anna\n");
ok(all_say($new, '200'), 'tokens from that time on are good again');
is(ask($anna), $revoked, 'older ones are not');
is(ask($timeless), $revoked, 'nor are those without a time');

revoke("jti 7\n");
ok(all_say($number, $revoked), 'a jti that is a number is revoked, too');
revoke("sub 42\n");
ok(all_say($key->token({ sub => 42 }), $revoked), 'and so is a subject');


# what breaks

sub is_kept {
    my ($name, $pattern) = @_;

    ok(wait_for(sub { $nginx->log_text() =~ $pattern }, 40, $name),
       "$name is told");
    is(ask($anna), $revoked, 'and what was revoked stays so');
    is(ask($new), '200', 'as does what was not');
}

revoke("jti a-1\n");
all_say($anna, $revoked);
revoke("jti a-2\nkid x\n");
is_kept('a broken line', qr/revocations in "\S+", line 2: a line begins with/);
like($nginx->log_text(), qr/was not taken, the 1 revocations known so far/,
     'with how many are kept');
revoke("jti a-2\njti a-");
is_kept('half a file', qr/line 2: the last line has no end/);
revoke('x' x (16 * 1024 * 1024 + 1));
is_kept('a huge file', qr/is not a file of at most 16777216 bytes/);
unlink "$dir/revoked";
is_kept('a file that is gone', qr/stat\(\) "\S+revoked" failed, .*are kept/);
mkdir "$dir/revoked";
is_kept('a folder in its place', qr/"\S+revoked" is not a file of at most/);
rmdir "$dir/revoked";
revoke("jti a-2\n");
ok(all_say($new, $revoked), 'a good file is taken again');
is(ask($anna), '200', 'with nothing of the old one');

my $told = () = $nginx->log_text() =~ /stat\(\) "\S+revoked" failed/g;
ok($told <= 2, 'what goes on is told once by each process');


# many, and reloads

revoke(join '', "jti a-1\n", map { "jti x-$_\n" } 1 .. 100_000);
ok(all_say($anna, $revoked), 'a hundred thousand are taken');
$nginx->reload();
is(ask($anna), $revoked, 'a reload keeps them');
revoke("jti a-1\nbroken\n");
my ($is_valid, $output) = $nginx->test($frame);
ok(!$is_valid, 'nginx -t refuses a broken file');
like($output, qr/revocations in "\S+", line 2: a line .* in \S+conf:6$/m,
     'with both lines');

($is_valid, $output) = do {
    local $nginx->{vars}{REVOKED} = 'gateway_jwt_revoked missing;';
    $nginx->test($frame);
};
ok(!$is_valid, 'and one that is not there');
like($output, qr/open\(\) "\S+missing" failed .* in \S+conf:6$/m,
     'with its name');

done_testing();
