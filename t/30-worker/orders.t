# Copyright (C) the Warren authors
#
# orders stores what people order, after it asked users who they are, and shows
# them their own.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::Caller;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Worker;

my $broker = Warren::RabbitMQ->shared();
my $vhost = $broker->vhost('orders');
my %common = (broker => $broker, vhost => $vhost, topology => 0);

my $users = Warren::Worker->new(%common, service => 'users');
my $orders = Warren::Worker->new(%common, service => 'orders');

Warren::Worker::apply_topology($broker, $vhost, $users, $orders);
$_->start() for $users, $orders;

my $caller = Warren::Caller->new(broker => $broker, vhost => $vhost);
my $admin = Warren::PostgreSQL->shared()->admin_uri($orders->database());

my $ann = person('ann');
my $bob = person('bob');
my $line = { product_id => 'tea-1', quantity => 2, unit_price_cents => 450 };

place();
refuse();
show();
pages();
users_is_away();

done_testing();


sub rows { return Warren::PostgreSQL->shared()->psql($admin, $_[0]) }


sub person {
    my ($name) = @_;

    my $answer = $caller->call('users', 'register', body => {
        name => $name, email => "$name\@example.com", password => 'secret12'
    });

    return $answer->{json}{id} // die $answer->{body};
}


sub create {
    my ($person, $body, %option) = @_;

    return $caller->call('orders', 'create_order', body => $body,
                         sub => $person, scope => 'orders:write', %option);
}


sub place {
    my $answer = create($ann, {
        currency => 'EUR', lines => [
            $line,
            { product_id => 'null', quantity => 1, unit_price_cents => 0 }
        ]
    });
    my $id = $answer->{json}{id};

    is($answer->{status}, 201, 'an order is placed') or diag($answer->{body});
    is($answer->{headers}{location}, "/orders/$id", 'and says where it is');
    is($answer->{json}{total_cents}, 900, 'and what it costs');
    is($answer->{json}{user_id}, $ann, 'and whose it is');
    is(rows("select user_id, currency, total_cents from orders "
            . "where id = '$id'"), "$ann|EUR|900", 'it is stored');
    is(rows("select position, product_id, quantity, unit_price_cents "
            . "from order_lines where order_id = '$id' order by position"),
       "1|tea-1|2|450\n2|null|1|0", 'with its lines');

    # sent twice, as a broker may
    my $message = Warren::Caller::uuid();
    my $before = rows('select count(*) from orders');
    my $body = { currency => 'EUR', lines => [$line] };
    my @answers = map { create($ann, $body, id => $message) } 1, 2;

    is($answers[1]{status}, 201, 'a call that comes twice is answered twice');
    is($answers[1]{json}{id}, $answers[0]{json}{id}, 'with the same order');
    is(rows('select count(*) from orders'), $before + 1, 'and acts once');
}


sub refuse {
    my $before = rows('select count(*) from orders');

    is(create(undef, { currency => 'EUR', lines => [$line] })->{status}, 401,
       'who did not log in places no order');
    is(create($ann, { currency => 'EUR', lines => [$line] },
              scope => 'orders:read')->{status}, 403,
       'nor who lacks the scope');
    is(create(Warren::Caller::uuid(),
              { currency => 'EUR', lines => [$line] })->{status}, 403,
       'nor who has no account');

    my $large = 9007199254740991;
    my @wrong = (
        ['no currency', '/currency', { currency => undef }],
        ['a currency in small letters', '/currency', { currency => 'eur' }],
        ['a long currency', '/currency', { currency => 'EURO' }],
        ['no lines', '/lines', { lines => [] }],
        ['lines that are none', '/lines', { lines => 'tea' }],
        ['too many lines', '/lines', { lines => [($line) x 101] }],
        ['a total too large', '/lines', { lines => [
            { %$line, unit_price_cents => $large },
            { %$line, unit_price_cents => $large }
        ] }],
        ['no product', '/lines/0/product_id',
         { lines => [{ %$line, product_id => '' }] }],
        ['a product that is no id', '/lines/1/product_id',
         { lines => [$line, { %$line, product_id => '"},{"' }] }],
        ['no quantity', '/lines/0/quantity',
         { lines => [{ %$line, quantity => 0 }] }],
        ['too large a quantity', '/lines/0/quantity',
         { lines => [{ %$line, quantity => 1001 }] }],
        ['half a quantity', '/lines/0/quantity',
         { lines => [{ %$line, quantity => 1.5 }] }],
        ['a negative price', '/lines/0/unit_price_cents',
         { lines => [{ %$line, unit_price_cents => -1 }] }],
    );

    for my $case (@wrong) {
        my ($what, $pointer, $change) = @$case;
        my $answer = create($ann, {
            currency => 'EUR', lines => [$line], %$change
        });

        is($answer->{status}, 400, "an order with $what is refused");
        is_deeply([map { $_->{pointer} } @{ $answer->{json}{errors} }],
                  [$pointer], 'and the error points at it')
            or diag($answer->{body});
    }

    is(rows('select count(*) from orders'), $before, 'none of it is stored');
}


sub show {
    my $id = create($ann, {
        currency => 'EUR', lines => [$line]
    })->{json}{id};

    my $answer = $caller->call('orders', 'get_order', sub => $ann,
                               args => { id => $id });
    is($answer->{status}, 200, 'people see an order of theirs')
        or diag($answer->{body});
    is_deeply($answer->{json}{lines}, [$line], 'with its lines');
    is($answer->{json}{total_cents}, 900, 'and what it costs');

    for my $case ([$bob, $id, 404, "another's order is not found"],
                  [$ann, Warren::Caller::uuid(), 404, 'nor what is not'],
                  [$ann, 'x', 404, 'nor what cannot be'],
                  ['robot', $id, 404, 'nor by what is no person'],
                  [undef, $id, 401, 'who did not log in sees none'])
    {
        my ($sub, $order, $status, $what) = @$case;

        is($caller->call('orders', 'get_order', sub => $sub,
                         args => { id => $order })->{status}, $status, $what);
    }
}


sub pages {
    my @placed = map {
        create($bob, { currency => 'EUR', lines => [$line] })->{json}{id}
    } 1 .. 5;
    my (@seen, $cursor);

    for my $page (1 .. 3) {
        my $answer = list($bob, limit => 2, defined $cursor
                          ? (cursor => $cursor) : ());

        is($answer->{status}, 200, "page $page is shown")
            or diag($answer->{body});
        push @seen, map { $_->{id} } @{ $answer->{json}{orders} };
        $cursor = $answer->{json}{next_cursor};
    }

    is_deeply(\@seen, [reverse @placed],
              'pages show each order once, the newest first');
    is($cursor, undef, 'the last page says that it is the last');
    is(scalar @{ list($bob)->{json}{orders} }, 5,
       'without a limit there is a default');

    my $exact = list($bob, limit => 5);
    is($exact->{json}{next_cursor}, undef,
       'a page that shows the rest has no next one');

    for my $limit ('0', '101', '-1', 'x', '', '1e1', '99999999999') {
        is(list($bob, limit => $limit)->{status}, 400,
           "a limit of \"$limit\" is refused");
    }

    for my $bad ('', 'x', 'A' x 21, 'A' x 23, 'A' x 21 . 'B', '=' x 22,
                 "' or 1=1 --")
    {
        is(list($bob, cursor => $bad)->{status}, 400,
           "a cursor \"$bad\" is refused");
    }
}


sub list {
    my ($sub, %args) = @_;

    return $caller->call('orders', 'list_orders', sub => $sub,
                         args => \%args);
}


sub users_is_away {
    my $before = rows('select count(*) from orders');

    $users->stop();
    my $answer = create($ann, { currency => 'EUR', lines => [$line] },
                        seconds => 4);
    is($answer->{status}, 503, 'while users is away no order is placed');
    is(rows('select count(*) from orders'), $before, 'and none is stored');

    $users->start();
    is(create($ann, { currency => 'EUR', lines => [$line] })->{status}, 201,
       'when it is back they are');
}
