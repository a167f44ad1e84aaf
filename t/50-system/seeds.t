# Copyright (C) the Warren authors
#
# The people to try the services with: who they are, that they can log in, and
# that notifications knows the same ones.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::System;
use Warren::Test qw(slurp source_dir wait_for);

my $system = Warren::System->new(services => [qw(users notifications)])
             ->start();
my $password = 'correct horse battery';

load();
is_deeply([map { $system->psql('users', "select count(*) from $_") }
           'users where email_verified', 'users', 'user_roles'],
          [10002, 10002, 10003], 'ten thousand people, Alice and Admin');
is($system->psql('users', "select string_agg(email, ' ' order by id) from"
                 . " users where email not like 'user_____\@example.com'"),
   'alice@example.com admin@example.com', 'of no real address');
is($system->psql('users', 'select count(distinct name) > 100,'
                 . " count(*) filter (where language = 'de') from users"),
   't|3333', 'with names, and languages');

my $people = 'id, email, name, language, email_verified, version';
is($system->psql('notifications', 'select md5(string_agg(r::text,'
                 . " ' ' order by user_id)) from recipients as r"),
   $system->psql('users', "select md5(string_agg(u::text, ' ' order by id))"
                 . " from (select $people from users) as u"),
   'notifications knows the same ones');

my %scopes = (
    alice => 'notifications:read notifications:write orders:read orders:write'
             . ' payments:read users:read users:write',
    admin => 'catalog:write notifications:read notifications:write orders:read'
             . ' orders:write payments:read payments:refund users:admin'
             . ' users:read users:write',
    user04711 => 'notifications:read notifications:write orders:read'
                 . ' orders:write payments:read users:read users:write'
);

for my $name (sort keys %scopes) {
    my $answer = login("$name\@example.com", $password);

    is($answer->{status}, 200, "$name logs in") or diag($answer->{body});
    is($answer->{json}{scope}, $scopes{$name}, 'and may do what is said');
}

is(login('alice@example.com', 'another password')->{status}, 401,
   'not with any password');

# what a person has changed is not made undone
my $token = login('alice@example.com', $password)->{json}{token};
my $answer = $system->http()->request(
    'PATCH', '/users/me', { language => 'de', name => 'Alicia' },
    authorization => "Bearer $token"
);
is($answer->{status}, 200, 'Alice changes her name') or diag($answer->{body});
ok(wait_for(sub {
    $system->psql('notifications', 'select language, name, version from'
                  . " recipients where email = 'alice\@example.com'")
        eq 'de|Alicia|2';
}, 40, 'the change'), 'and notifications is told');
$system->psql('users', "delete from user_roles where role = 'admin';"
              . " delete from users where email = 'user00001\@example.com'");

load();
is($system->psql('users', 'select name, language from users where email ='
                 . " 'alice\@example.com'"), 'Alicia|de',
   'loaded again, her name is as it was');
is($system->psql('notifications', 'select name from recipients where email ='
                 . " 'alice\@example.com'"), 'Alicia',
   'in notifications, too');
is($system->psql('users', "select count(*) from user_roles where role ="
                 . " 'admin'"), 0, 'nobody gets back what was taken away');
is($system->psql('users', 'select count(*) from users'), 10001,
   'and nobody who was deleted is there again');

for my $service (qw(users notifications)) {
    my $postgresql = $system->postgresql();

    is($postgresql->audit($service, $postgresql->admin_uri(
           $system->worker($service)->database()
       )), '', "$service: nothing is wrong");
}

done_testing();


# As ./dev up does.
sub load {
    for my $service (qw(users notifications)) {
        my $sql = slurp(source_dir() . "/sql/$service/seed.sql");
        $sql =~ s/^\\set .*\n//mg;
        $system->psql($service, $sql);
    }
}


sub login {
    my ($email, $password) = @_;

    return $system->post('/login', { email => $email,
                                     password => $password });
}
