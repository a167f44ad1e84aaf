# Copyright (C) the Warren authors
#
# The audits of the services: an empty database has nothing wrong with it, and
# what is put wrong is told.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::PostgreSQL;
use Warren::Test;
use Warren::Test qw(source_dir);

my $postgresql = Warren::PostgreSQL->shared();
my @services = grep { -f source_dir() . "/sql/$_/sqitch.plan" }
               map { m{([^/]+)\z} } glob source_dir() . '/sql/*';
my $order = '018f0000-0000-7000-8000-000000000001';
my $person = '018f0000-0000-7000-8000-0000000000aa';
my $payment = '018f0000-0000-7000-8000-0000000000bb';

my $late = "now() - interval '2 hours'";
my $insert_order = 'insert into orders (id, user_id, currency, total_cents,'
                   . ' created_at, status, due_at)'
                   . " values ('$order', '$person', 'EUR', 1, now(), ";
my $insert_line = 'insert into order_lines (order_id, position, product_id,'
                  . ' quantity, unit_price_cents)'
                  . " values ('$order', 1, 'tea', 1, 1)";
my $insert_product = 'insert into products (id, place, name, description,'
                     . ' category, price_cents, currency, created_at,'
                     . " updated_at) values ('tea', gen_random_uuid(), 'Tea',"
                     . " '', 'tea', 1, 'EUR', now(), now())";
my $insert_payment = 'insert into payments (id, order_id, user_id,'
                     . ' amount_cents, currency, payment_method, state,'
                     . ' is_reserved, is_cancelled, charge, refunded_cents,'
                     . " updated_at) values ('$payment', '$order', '$person',"
                     . " 100, 'EUR', 'tok', ";
my $insert_told = 'insert into notifications (id, user_id, event_id, kind,'
                  . ' title, body, data, created_at) select'
                  . ' gen_random_uuid(), %s, gen_random_uuid(),'
                  . " 'order.placed', '', '', '{\"order_id\":\"$order\"}',"
                  . ' now() from generate_series(1, 2)';

my $insert_person = 'insert into users (id, email, name, password_hash,'
                    . " created_at) values ('$person', 'a\@b', 'A',"
                    . " '\$argon2id\$', now())";
my $insert_session = "$insert_person; insert into sessions (id, user_id,"
                     . ' expires_at, created_at, ended_at, end_reason)'
                     . " values ('$order', '$person',"
                     . " now() + interval '2 days', ";
my $insert_token = 'insert into refresh_tokens (hash, session_id, parent,'
                   . ' expires_at, rotated_at, rotated_by)'
                   . " values (repeat('%s', 64), '$order', %s,"
                   . " now() + interval '%s', %s);";

# [what is done, what is told of it]
my %wrong = (
    orders => [
        ["$insert_order 'placed', null)", 'the total is not'],
        ["$insert_order 'placed', $late); $insert_line", 'over since'],
        ["$insert_order 'confirmed', null); $insert_line",
         'confirmed without', 'the history has'],
        ["$insert_order 'placed', null); $insert_line;"
         . " update orders set version = 2", 'the version is not']
    ],
    catalog => [
        [$insert_product, 'a product without'],
        ["$insert_product; insert into stock values ('tea', 1, 1)",
         'reserved is not'],
        ['insert into reservations (order_id, state, product_ids, quantities,'
         . " expires_at) values ('$order', 'held', '{tea}', '{1}', $late)",
         'held of a product', 'expired since'],
        ['insert into reservations (order_id, state, updated_at)'
         . " values ('$order', 'selling', $late)", 'decided since']
    ],
    payments => [
        ["$insert_payment 'captured', true, false, 'c', 1, now())",
         'refunds are not'],
        ["$insert_payment 'captured', true, true, 'c', 0, $late)",
         'paid for a cancelled'],
        ["$insert_payment 'waiting', true, false, null, 0, now())",
         'both are there'],
        ["$insert_payment 'capturing', true, false, null, 0, now())",
         'due since'],
        ["$insert_payment 'captured', true, false, 'c', 0, now());"
         . ' insert into refunds (id, payment_id, amount_cents, state, cause)'
         . " values (gen_random_uuid(), '$payment', 1, 'failed', 'requested')",
         'a refund has failed']
    ],
    notifications => [
        [sprintf($insert_told, "'$person'"), 'told more than once'],
        [sprintf($insert_told, 'gen_random_uuid()'), 'an order of two people']
    ],
    users => [
        ['insert into users (id, email, name, password_hash, created_at)'
         . " values ('$person', 'a\@b', 'A', 'secret', now())", 'not a hash'],
        ["$insert_session now(), $late, 'logout');"
         . sprintf($insert_token, 'a', 'null', '1 hour', 'null, null'),
         'ended before it began'],
        ["$insert_session now(), null, null)", 'a session without tokens'],
        ["$insert_session now() - interval '1 hour', null, null);"
         . sprintf($insert_token, 'a', 'null', '1 hour', 'null, null')
         . sprintf($insert_token, 'b', 'null', '1 hour', 'null, null'),
         'more than one token to use'],
        ["$insert_session now() - interval '1 hour', null, null);"
         . sprintf($insert_token, 'a', 'null', '3 days', 'null, null'),
         'a token outlives'],
        ["$insert_session now() - interval '1 hour', null, null);"
         . sprintf($insert_token, 'a', 'null', '1 hour', "now(), '$order'"),
         'a used token is not'],
        ["$insert_person; insert into role_changes (user_id, changed_by,"
         . " roles_before, roles_after) values ('$person', 'x', '{}',"
         . " '{customer}')", 'roles are not those'],
        ["insert into roles values ('idle')", 'a role that allows nothing'],
        ["$insert_person; insert into links values (repeat('a', 64),"
         . " '$person', 'reset', 'a\@b', now() + interval '2 days')",
         'a link that is good for'],
        ["insert into login_failures values (repeat('a', 64), 9,"
         . " now() + interval '2 days', now() + interval '3 days')",
         'locked for too long']
    ]
);

my $runtime = [
    "insert into outbox (id, exchange, routing_key, type, content_type, body,"
    . " created_at) values ('$order', 'events', 'a.b', 'a.b', 'x', '{}',"
    . " $late);"
    . 'insert into dead_letter (message_id, home, type, content_type, sender,'
    . ' headers, body, reason, attempts, first_at)'
    . " values ('1', 'rpc', 't', 'x', 's', '{}', '', 'broken', 1, now())",
    'dead letter: broken', 'not published'
];

for my $service (@services) {
    my $uri = $postgresql->admin_uri($postgresql->database($service));

    is($postgresql->audit($service, $uri), '',
       "$service: nothing is wrong with an empty database");
    ok($wrong{$service}, "$service: it is known what may be wrong");

    for my $case ($runtime, @{ $wrong{$service} // [] }) {
        my ($sql, @told) = @$case;
        my $said = $postgresql->audit($service, $uri, $sql);

        is(scalar(grep { $said =~ /^\Q$_\E/m } @told), scalar(@told),
           "$service: $told[0]") or diag($said);
        is(scalar(split /\n/, $said), scalar(@told), 'and nothing else')
            or diag($said);
    }
}

done_testing();
