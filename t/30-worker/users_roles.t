# Copyright (C) the Warren authors
#
# What people may do follows from their roles, which an administrator gives and
# takes; who did is kept.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Users;
use Warren::Caller;

my $users = Users->new();
my $ann = $users->person('ann@example.com');
my $admin = $users->person('root@example.com');
my $customer = 'notifications:read notifications:write orders:read'
               . ' orders:write payments:read users:read users:write';

first_roles();
gives();
takes();
refuses();

done_testing();


sub set {
    my ($id, $roles, %option) = @_;

    return $users->call('set_roles', sub => $admin, scope => 'users:admin',
                        args => { id => $id }, body => { roles => $roles },
                        %option);
}


sub scopes {
    my ($answer) = @_;

    return Users::claims($answer->{json}{token})->{scope};
}


sub first_roles {
    is(scopes($users->login('ann@example.com')), $customer,
       'who registers is a customer');

    my $answer = $users->call_as($ann, 'get_user', args => { id => 'me' });
    is_deeply($answer->{json}{roles}, ['customer'], 'and sees that');
}


sub gives {
    my $token = $users->token('ann@example.com');
    my $answer = set($ann, ['admin', 'customer']);

    is($answer->{status}, 200, 'an administrator gives roles')
        or diag($answer->{body});
    is_deeply($answer->{json}{roles}, ['admin', 'customer'], 'as they are now');

    my $event = $users->event('user.updated', $ann);
    is($event->{aggregateversion}, 2, 'an event tells of it');
    is($event->{data}{email}, 'ann@example.com', 'by the account');

    is(scopes($users->login('ann@example.com')),
       "catalog:write notifications:read notifications:write orders:read"
       . ' orders:write payments:read payments:refund users:admin users:read'
       . ' users:write', 'the next token has the scopes of both');
    like(scopes($users->refresh($token)), qr/users:admin/,
         'a session that went on has them, too');
    is($users->sql('select user_id, changed_by, roles_before, roles_after from'
                   . ' role_changes'),
       "$ann|$admin|{customer}|{admin,customer}", 'and who did it is kept');
}


sub takes {
    my $token = $users->token('ann@example.com');

    is(set($ann, ['customer'])->{status}, 200, 'roles are taken');
    is(scopes($users->refresh($token)), $customer,
       'and the next refresh has lost their scopes');
    is(set($ann, [])->{status}, 200, 'all of them, too');
    is(scopes($users->login('ann@example.com')), '',
       'and a token then allows nothing');
    set($ann, ['customer']);
}


sub refuses {
    my $before = $users->sql('select count(*) from role_changes');

    is(set($ann, ['admin'], sub => undef)->{status}, 401,
       'who did not log in gives no roles');
    is(set($ann, ['admin'], sub => $ann, scope => $customer)->{status}, 403,
       'nor who is no administrator');

    for my $roles (['root'], ['customer', 'customer'], ['Admin'], [7], 'admin',
                   ['a,b'], ['{}'], [('customer') x 17], ['x' x 33])
    {
        is(set($ann, $roles)->{status}, 400, 'what are no roles is refused');
    }

    for my $id (Warren::Caller::uuid(), 'me', '', "'") {
        is(set($id, ['admin'])->{status}, 404, 'and so is nobody');
    }

    is($users->sql('select count(*) from role_changes'), $before,
       'and none of it is noted');
    is($users->sql("select string_agg(role, ' ') from user_roles where user_id"
                   . " = '$ann'"), 'customer', 'or done');
}
