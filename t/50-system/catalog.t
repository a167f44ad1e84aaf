# Copyright (C) the Warren authors
#
# Products over HTTP: anybody looks around, a clerk keeps the shelves, and what
# is ordered is held.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::System;
use Warren::Test;

my $system = Warren::System->new()->start();
my $clerk = $system->token(
    '00000000-0000-7000-8000-000000000001', 'catalog:write'
);
my ($id, $token) = $system->person('ada');

shelve();
look();
strangers();
order();
seeds();

done_testing();


sub bearer { return (authorization => "Bearer $_[0]") }
sub clerk { return bearer($clerk) }


sub put {
    my ($product, $body, @headers) = @_;

    return $system->http()->request('PUT', "/products/$product", $body,
                                    @headers);
}


sub shelve {
    my $tea = { name => 'Green tea', description => 'Leaves of spring.',
                category => 'tea', price_cents => 450, currency => 'EUR' };

    my $answer = put('tea-100', $tea, clerk());
    is($answer->{status}, 201, 'a clerk makes a product')
        or diag($answer->{body});
    is($answer->{headers}{location}, '/products/tea-100', 'and is told where');
    is(put('tea-100', { %$tea, price_cents => 500 }, clerk())->{status}, 200,
       'and changes it');

    my @send = ('/products/tea-100/stock', { delta => 5 }, clerk(),
                'idempotency-key' => 'delivery 1');
    my @answers = map { $system->post(@send) } 1, 2;
    is_deeply([map { "$_->{status} $_->{json}{available}" } @answers],
              ['200 5', '200 5'], 'a delivery that is told twice counts once');
    is($system->post('/products/tea-100/stock', { delta => -6 }, clerk())
       ->{status}, 409, 'what there is not cannot be taken away');
}


sub look {
    my $answer = $system->get('/products/tea-100');
    is($answer->{status}, 200, 'anybody sees a product')
        or diag($answer->{body});
    is($answer->{json}{price_cents}, 500, 'as it is now');
    is($answer->{json}{available}, 5, 'and how many there are');
    like($answer->{headers}{'ratelimit-policy'}, qr/"per_ip"/,
         'within the limit of an address');

    for my $query ('', '?q=green+leaves', '?category=tea&min_price=500',
                   '?q=%22green%20tea%22&max_price=500&limit=1')
    {
        $answer = $system->get("/products$query");
        is_deeply([map { $_->{id} } @{ $answer->{json}{products} // [] }],
                  ['tea-100'], "/products$query finds it")
            or diag($answer->{body});
    }

    is_deeply($system->get('/products?q=coffee')->{json}{products}, [],
              'and what there is not is not found');
    is($system->get('/products?min_price=cheap')->{status}, 400,
       'a price that is none is refused');
    is($system->get('/products/tea-101')->{status}, 404,
       'a product that there is not, too');
}


sub strangers {
    my $body = { name => 'x', description => '', category => 'x',
                 price_cents => 1, currency => 'EUR' };

    is(put('tea-100', $body)->{status}, 401,
       'who did not log in changes no product');
    is(put('tea-100', $body, bearer($token))->{status}, 403,
       'nor who is no clerk');
    is(put('tea-100', $body, bearer("$token.x"))->{status}, 401,
       'nor who has a broken token');
    is($system->post('/products/tea-100/stock', { delta => 1 })->{status}, 401,
       'nor its stock');
    is($system->post('/products/tea-100/stock', { delta => 1 },
                     bearer($token))->{status}, 403, 'neither of them');
    is($system->get('/products/tea-100')->{json}{name}, 'Green tea',
       'it is what it was');
}


sub order {
    my $place = sub {
        my ($quantity) = @_;

        my $answer = $system->post('/orders', {
            payment_method => 'tok_success', lines => [{
                product_id => 'tea-100', quantity => $quantity
            }]
        }, bearer($token));
        is($answer->{status}, 201, "$quantity pieces are ordered")
            or diag($answer->{body});

        my $order = $answer->{json}{id};
        return wait_for(sub {
            $system->psql('catalog', 'select state from reservations'
                                     . " where order_id = '$order' and state"
                                     . " in ('held', 'sold', 'rejected')")
        }, 40, 'what became of the order');
    };

    like($place->(3), qr/^(?:held|sold)$/, 'and held, and sold if paid');
    is($system->get('/products/tea-100')->{json}{available}, 2,
       'and others see what is left');
    is($place->(3), 'rejected', 'but not if there are too few');
    like($place->(2), qr/^(?:held|sold)$/, 'and the last ones');
    is($system->get('/products/tea-100')->{json}{available}, 0,
       'until there is none');
    wait_for(sub {
        $system->psql('catalog', 'select count(*) from outbox') == 0
    }, 40, 'what catalog announces to leave');
}


# The products that ./dev up begins with.
sub seeds {
    my $sql = slurp(source_dir() . '/sql/catalog/seed.sql');
    $sql =~ s/^\\set .*\n//mg;

    $system->psql('catalog', $sql) for 1, 2;
    is($system->psql('catalog', 'select count(*), count(distinct place),'
                     . ' min(price_cents) > 0 from products'), '1000|1000|t',
       'a thousand products, loaded twice');
    is($system->psql('catalog', 'select count(*) from stock'), 1000,
       'each with its stock');
    is($system->get('/products/tea-100')->{json}{name}, 'Green tea',
       'and what there was is left as it was');

    my (%seen, $cursor);

    do {
        my $answer = $system->get('/products?limit=100'
                                  . (defined $cursor ? "&cursor=$cursor" : ''));
        $seen{ $_->{id} }++ for @{ $answer->{json}{products} };
        $cursor = $answer->{json}{next_cursor};
    } while (defined $cursor && keys %seen < 2000);

    is(scalar keys %seen, 1000, 'pages show them all');
    is(scalar(grep { $_ != 1 } values %seen), 0, 'each once');

    my $answer = $system->get('/products?q=travel+mug&limit=100');
    is_deeply([map { $_->{name} } @{ $answer->{json}{products} }],
              ['Travel mug'], 'and one finds what one looks for');
}
