# Copyright (C) the Warren authors
#
# orders stores what people order, at the prices that catalog tells, and shows
# them their own.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use POSIX ();
use Test::More;

use Orders;
use Warren::Caller;
use Warren::Test;

my $orders = Orders->new();

my ($ann, $bob) = map { Warren::Caller::uuid() } 1, 2;
my $line = { product_id => 'tea-1', quantity => 2 };
my $told = { %$line, name => 'Green "tea", \\ 1 kg', unit_price_cents => 450 };

$orders->product('tea-1', name => $told->{name}, price_cents => 450);
$orders->product('null', price_cents => 0);
$orders->product('gold', price_cents => 9007199254740991);
$orders->product('usd', currency => 'USD');

place();
prices();
refuse();
cards();
show();
pages();
catalog_is_away();

done_testing();


sub rows { return $orders->sql($_[0]) }


sub create {
    my ($person, $body, %option) = @_;

    return $orders->create($person, {
        payment_method => 'tok_success', %$body
    }, %option);
}


sub place {
    my $answer = create($ann, {
        lines => [$line, { product_id => 'null', quantity => 1 }]
    });
    my $id = $answer->{json}{id};

    is($answer->{status}, 201, 'an order is placed') or diag($answer->{body});
    is($answer->{headers}{location}, "/orders/$id", 'and says where it is');
    is($answer->{json}{total_cents}, 900, 'and what it costs');
    is($answer->{json}{currency}, 'EUR', 'in which currency');
    is($answer->{json}{user_id}, $ann, 'and whose it is');
    is($answer->{json}{status}, 'placed', 'and how far it is');
    is_deeply($answer->{json}{lines}[0], $told, 'with names and prices');
    is(rows("select user_id, currency, total_cents from orders "
            . "where id = '$id'"), "$ann|EUR|900", 'it is stored');
    is(rows("select position, product_id, name, quantity, unit_price_cents "
            . "from order_lines where order_id = '$id' order by position"),
       "1|tea-1|$told->{name}|2|450\n2|null|The null|1|0", 'with its lines');

    my ($event) = @{ $orders->heard($id) };
    is($event->{type}, 'order.placed', 'and announced');
    is($event->{aggregateversion}, 1, 'as the first that happens to it');
    is_deeply($event->{data}, {
        id => $id, user_id => $ann, total_cents => 900, currency => 'EUR',
        payment_method => 'tok_success', lines => [
            $told, { product_id => 'null', name => 'The null', quantity => 1,
                     unit_price_cents => 0 }
        ]
    }, 'with all that others need');

    # sent twice, as a broker may
    my $message = Warren::Caller::uuid();
    my $before = rows('select count(*) from orders');
    my $body = { lines => [$line] };
    my @answers = map { create($ann, $body, id => $message) } 1, 2;

    is($answers[1]{status}, 201, 'a call that comes twice is answered twice');
    is($answers[1]{json}{id}, $answers[0]{json}{id}, 'with the same order');
    is(rows('select count(*) from orders'), $before + 1, 'and acts once');
}


# What a client says of a price does not count.
sub prices {
    my $answer = create($ann, {
        total_cents => 1, lines => [{ %$line, unit_price_cents => 1 }]
    });
    is($answer->{status}, 201, 'a price of the client is not looked at');
    is($answer->{json}{total_cents}, 900, 'and the order costs what it costs');

    $orders->product('tea-1', name => $told->{name}, price_cents => 500);
    is(create($ann, { lines => [$line] })->{json}{total_cents}, 1000,
       'a new price counts for new orders');
    is(rows("select total_cents from orders where id ="
            . " '$answer->{json}{id}'"), 900, 'and not for old ones');
    $orders->product('tea-1', name => $told->{name}, price_cents => 450);

    is(create($ann, { currency => 'EUR', lines => [$line, $line] })
       ->{json}{total_cents}, 1800, 'a product may stand in two lines');
    is(create($ann, { lines => [{ product_id => 'usd', quantity => 1 }] })
       ->{json}{currency}, 'USD', 'the currency is the products\'');

    # orders of one batch, good ones and bad ones, asked about together
    my @many = map { {
        payment_method => 'tok_success', lines => [
            map { +{ product_id => $_, quantity => 1 } }
            ('tea-1') x 99, $_ % 3 ? 'null' : "none-$_"
        ]
    } } 1 .. 12;
    my @pids = map {
        my $body = $_;
        my $pid = fork() // die "fork: $!\n";

        if (!$pid) {
            srand;

            my $caller = Warren::Caller->new(
                broker => $orders->worker()->broker(),
                vhost => $orders->worker()->vhost()
            );
            my $answer = $caller->call('orders', 'create_order', sub => $ann,
                                       scope => 'orders:write', seconds => 40,
                                       body => $body);
            POSIX::_exit($answer->{status} == 201
                         ? $answer->{json}{total_cents} == 99 * 450 ? 1 : 9
                         : $answer->{json}{errors}[0]{pointer}
                           eq '/lines/99/product_id' ? 2 : 9);
        }

        $pid;
    } @many;
    my @ends = map { waitpid $_, 0; $? >> 8 } @pids;

    is("@ends", join(' ', map { $_ % 3 ? 1 : 2 } 1 .. 12),
       'orders of many lines are priced, each by itself');
}


sub refuse {
    my $before = rows('select count(*) from orders');

    is(create(undef, { lines => [$line] })->{status}, 401,
       'who did not log in places no order');
    is(create($ann, { lines => [$line] },
              scope => 'orders:read')->{status}, 403,
       'nor who lacks the scope');
    is(create('robot', { lines => [$line] })->{status}, 403,
       'nor what is no person');

    my @wrong = (
        ['no payment method', '/payment_method', { payment_method => undef }],
        ['an empty payment method', '/payment_method',
         { payment_method => '' }],
        ['a payment method with blanks', '/payment_method',
         { payment_method => 'tok success' }],
        ['a long payment method', '/payment_method',
         { payment_method => 'x' x 256 }],
        ['a currency in small letters', '/currency', { currency => 'eur' }],
        ['a long currency', '/currency', { currency => 'EURO' }],
        ['no lines', '/lines', { lines => [] }],
        ['lines that are none', '/lines', { lines => 'tea' }],
        ['too many lines', '/lines', { lines => [($line) x 101] }],
        ['another currency', '/currency', { currency => 'USD' }],
        ['products of two currencies', '/lines/1/product_id', { lines => [
            $line, { %$line, product_id => 'usd' }
        ] }],
        ['a total too large', '/lines', { lines => [
            { product_id => 'gold', quantity => 1 },
            { product_id => 'tea-1', quantity => 1 }
        ] }],
        ['a line too large', '/lines',
         { lines => [{ product_id => 'gold', quantity => 1000 }] }],
        ['a product that there is not', '/lines/1/product_id',
         { lines => [$line, { %$line, product_id => 'tea-2' }] }],
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
    );

    for my $case (@wrong) {
        my ($what, $pointer, $change) = @$case;
        my $answer = create($ann, {
            lines => [$line], %$change
        });

        is($answer->{status}, 400, "an order with $what is refused");
        is_deeply([map { $_->{pointer} } @{ $answer->{json}{errors} }],
                  [$pointer], 'and the error points at it')
            or diag($answer->{body});
    }

    is(rows('select count(*) from orders'), $before, 'none of it is stored');
}


# Neither stored, nor told back, nor in a log.
sub cards {
    my @cards = ('4111111111111111', '4111 1111 1111 1111',
                 '4111-1111-1111-1111', '123456789012', '1234567890123456789',
                 '4111111111111111/12/29/123');

    for my $card (@cards) {
        my $answer = create($ann, {
            payment_method => $card, lines => [$line]
        });

        is($answer->{status}, 400, 'the number of a card is refused');
        is_deeply([map { $_->{pointer} } @{ $answer->{json}{errors} }],
                  ['/payment_method'], 'and the error points at it');
        like($answer->{json}{errors}[0]{detail}, qr/never the number/,
             'and says so');
        unlike($answer->{body}, qr/\Q$card\E/, 'without the number');
    }

    is(create($ann, { payment_method => $_, lines => [$line] })->{status}, 201,
       "a token \"$_\" is none")
        for 'tok_4111111111111111', '12345678901', 'pm:1/2+3=';

    unlike($orders->worker()->log(), qr/(?<!tok_)4111.?1111|1234567890123?/,
           'no log has any');
    is(rows('select count(*) from inbox'
            . " where body ~ '4111.?1111|123456789012'"), 0, 'nor the inbox');
}


sub show {
    my $id = create($ann, { lines => [$line] })->{json}{id};

    my $answer = $orders->call('get_order', sub => $ann,
                               args => { id => $id });
    is($answer->{status}, 200, 'people see an order of theirs')
        or diag($answer->{body});
    is_deeply($answer->{json}{lines}, [$told], 'with its lines');
    is($answer->{json}{status}, 'placed', 'and how far it is');
    is($answer->{json}{total_cents}, 900, 'and what it costs');

    for my $case ([$bob, $id, 404, "another's order is not found"],
                  [$ann, Warren::Caller::uuid(), 404, 'nor what is not'],
                  [$ann, 'x', 404, 'nor what cannot be'],
                  ['robot', $id, 404, 'nor by what is no person'],
                  [undef, $id, 401, 'who did not log in sees none'])
    {
        my ($sub, $order, $status, $what) = @$case;

        is($orders->call('get_order', sub => $sub,
                         args => { id => $order })->{status}, $status, $what);
    }
}


sub pages {
    my @placed = map {
        create($bob, { lines => [$line] })->{json}{id}
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

    return $orders->call('list_orders', sub => $sub, args => \%args);
}


sub catalog_is_away {
    my $before = rows('select count(*) from orders');

    $orders->catalog()->stop();
    my $answer = create($ann, { lines => [$line] }, seconds => 4);
    is($answer->{status}, 503, 'while catalog is away no order is placed');
    is(rows('select count(*) from orders'), $before, 'and none is stored');

    $orders->catalog()->start();
    is(create($ann, { lines => [$line] })->{status}, 201,
       'when it is back they are');
}
