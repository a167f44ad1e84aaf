# Copyright (C) the Warren authors
#
# A person registers, logs in, orders, and reads it all back over HTTP; nobody
# else does.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::Nginx;
use Warren::System;
use Warren::Test;

my $system = Warren::System->new()->start();
my $password = 'correct horse battery staple';

my ($id, $token) = register_and_login();
my $order = order();
strangers();
bad_input();
limits();
no_route();

done_testing();


sub bearer { return (authorization => "Bearer $_[0]") }


sub register_and_login {
    my $account = {
        email => 'ada@example.com', name => 'Ada', password => $password
    };

    my $answer = $system->post('/users', $account);
    is($answer->{status}, 201, 'a person registers') or diag($answer->{body});

    my $id = $answer->{json}{id};
    is($answer->{headers}{location}, "/users/$id", 'and is told where');

    my $again = $system->post('/users', $account);
    is($again->{status}, 201, 'that an address is taken is told to nobody');
    isnt($again->{json}{id}, $id, 'and no account has that id');

    is($system->post('/login', {
        email => 'ada@example.com', password => "not $password"
    })->{status}, 401, 'a wrong password gives no token');

    $answer = $system->post('/login', {
        email => 'ADA@example.com', password => $password
    });
    is($answer->{status}, 200, 'the right one does') or diag($answer->{body});
    my $token = $answer->{json}{token};

    for my $path ('/users/me', "/users/$id") {
        $answer = $system->get($path, bearer($token));
        is($answer->{status}, 200, "$path shows people themselves")
            or diag($answer->{body});
        is($answer->{json}{name}, 'Ada', 'by name');
    }

    return ($id, $token);
}


sub order {
    my $lines = [{ product_id => 'tea', quantity => 3 }];

    $system->products({ tea => 250 });

    my $answer = $system->post('/orders', {
        payment_method => 'tok_success', lines => $lines
    }, bearer($token));
    is($answer->{status}, 201, 'an order is placed') or diag($answer->{body});

    my $order = $answer->{json}{id};
    is($answer->{headers}{location}, "/orders/$order", 'and says where it is');

    $answer = $system->get("/orders/$order", bearer($token));
    is($answer->{status}, 200, 'it is read back') or diag($answer->{body});
    is_deeply($answer->{json}{lines}, [{
        %{ $lines->[0] }, name => 'The tea', unit_price_cents => 250
    }], 'with its lines, at the price of the catalog');
    is($answer->{json}{total_cents}, 750, 'and its total');

    $answer = $system->get('/orders?limit=10', bearer($token));
    is_deeply([map { $_->{id} } @{ $answer->{json}{orders} }], [$order],
              'it is in the list');

    $answer = $system->get('/me/overview', bearer($token));
    is($answer->{status}, 200, 'a page has both') or diag($answer->{body});
    is($answer->{json}{user}{name}, 'Ada', 'who it is');
    is_deeply([map { $_->{id} } @{ $answer->{json}{orders}{orders} }], [$order],
              'and what was ordered');

    my $titles = wait_for(sub {
        my $answer = $system->get('/notifications', bearer($token));
        my @titles = map { $_->{title} }
                     @{ $answer->{json}{notifications} // [] };
        "@titles" =~ /Order confirmed/ && "@titles";
    }, 40, 'the end of it');
    like($titles, qr/Order placed.* Welcome, Ada\z/,
         'and notifications tell of it, above the welcome');

    ended($order);
    keyed($lines);

    return $order;
}


# It was held and paid by others, and says so.
sub ended {
    my ($order) = @_;

    my $answer = $system->get("/orders/$order", bearer($token));
    is($answer->{json}{status}, 'confirmed', 'an order comes to its end');

    $answer = $system->get("/orders/$order/history", bearer($token));
    is(join(' ', map { $_->{what} } @{ $answer->{json}{history} }),
       'order.placed stock.reserved payment.captured order.confirmed',
       'and tells how') or diag($answer->{body});

    is($system->post("/orders/$order/cancel", undef, bearer($token))
       ->{status}, 409, 'and is not cancelled any more');
    is($system->get('/orders?status=confirmed', bearer($token))
       ->{json}{orders}[0]{id}, $order, 'nor in other lists than its own');
    is_deeply($system->get('/orders?status=cancelled', bearer($token))
              ->{json}{orders}, [], 'those have others');

    my $other = $system->post('/orders', {
        payment_method => 'tok_declined',
        lines => [{ product_id => 'tea', quantity => 1 }]
    }, bearer($token))->{json}{id};
    wait_for(sub {
        $answer = $system->get("/orders/$other", bearer($token));
        $answer->{json}{status} eq 'cancelled';
    }, 40, 'what is not paid');
    is($answer->{json}{reason}, 'payment_declined',
       'one that is not paid is cancelled');
    wait_for(sub {
        $system->get('/products/tea')->{json}{available} == 999_997
    }, 40, 'its pieces');
    pass('and its pieces are there for others');
}


# The same key and body is the same order.
sub keyed {
    my ($lines) = @_;

    my %order = (payment_method => 'tok_success', lines => $lines);
    my @send = ('/orders', { %order, currency => 'EUR' }, bearer($token),
                'idempotency-key' => 'monday');
    my @answers = map { $system->post(@send) } 1, 2;

    is($answers[0]{status}, 201, 'an order with a key is placed')
        or diag($answers[0]{body});
    is($answers[1]{status}, 201, 'and once more is no error');
    is($answers[1]{json}{id}, $answers[0]{json}{id}, 'but the same order');
    is($system->psql('orders', 'select count(*) from orders'), 3,
       'which is stored once');

    $send[1] = { %order, currency => 'USD' };
    is($system->post(@send)->{status}, 422,
       'the key does not do for another order');
}


sub strangers {
    my ($other, $others_token) = $system->person('bob');

    is($system->get("/orders/$order", bearer($others_token))->{status}, 404,
       "another's order is not found");
    is($system->get("/users/$id", bearer($others_token))->{status}, 404,
       'nor is another person');
    is_deeply($system->get('/orders', bearer($others_token))->{json},
              { orders => [], next_cursor => undef },
              "another's list is empty");

    for my $path ('/users/me', "/users/$id", '/orders', "/orders/$order",
                  '/notifications')
    {
        my $answer = $system->get($path);
        is($answer->{status}, 401, "$path is closed without a token");
        like($answer->{headers}{'www-authenticate'}, qr/^Bearer/,
             'and says how it is opened');
        is($system->get($path, bearer("${token}x"))->{status}, 401,
           'nor does a bad one do');
    }

    my $expired = $system->token($id, 'orders:read', '--ttl', '-3600');
    is($system->get('/orders', bearer($expired))->{status}, 401,
       'a token that has expired does not do');

    my $reader = $system->token($id, 'orders:read');
    is($system->post('/orders', { lines => [] },
                     bearer($reader))->{status}, 403,
       'without the scope no order is placed');
}


sub bad_input {
    my $answer = $system->post('/orders', {
        payment_method => 'tok_success', lines => [{
            product_id => 'tea', quantity => 0
        }]
    }, bearer($token));

    is($answer->{status}, 400, 'what is no order is refused');
    like($answer->{headers}{'content-type'}, qr{^application/problem\+json},
         'as a problem');
    is($answer->{json}{type}, 'urn:warren:error:invalid', 'of that name');
    is($answer->{json}{errors}[0]{pointer}, '/lines/0/quantity',
       'which points at what is wrong');
    is($system->get('/orders?limit=0', bearer($token))->{status}, 400,
       'so is a page of nothing');
    is($system->get('/orders?cursor=x', bearer($token))->{status}, 400,
       'and a cursor that is none');

    # another method is not routed
    $answer = $system->http()->request('DELETE', '/orders', undef,
                                       bearer($token));
    is($answer->{status}, 405, 'what is not routed is told');
    like($answer->{headers}{allow}, qr/\bGET\b.*\bPOST\b/, 'with what is');
}


# A gateway of its own, with the limits of a slow day.
sub limits {
    my $conf = $system->nginx_conf();
    $conf =~ s/(zone=per_user:\S+) rate=\S+ burst=\d+/$1 rate=1r\/s burst=2/
        or die "no per_user in the configuration\n";

    my $nginx = Warren::Nginx->new(conf => $conf)->start();
    wait_for(sub { $nginx->get('/_gateway/ready')->{status} == 200 }, 20,
             'the second gateway');

    my @answers = map { $nginx->get('/orders', bearer($token)) } 1 .. 6;
    my ($refused) = grep { $_->{status} == 429 } @answers;

    is($answers[0]{status}, 200, 'within the limit a request is answered');
    ok($refused, 'beyond it is 429') or return;
    like($refused->{headers}{'retry-after'}, qr/^[1-9]\d*$/,
         'and says when to come again');
    ok($refused->{headers}{ratelimit}, 'and what the limit is');
    is($refused->{json}{type}, 'urn:warren:error:rate_limited',
       'as a problem');

    my ($other, $others_token) = $system->person('eve');
    is($nginx->get('/orders', bearer($others_token))->{status}, 200,
       'another person has a limit of her own');
}


# What is no route answers as the routes do; the pages are as they were.
sub no_route {
    for my $path ('/order', '/orders/', '/orders/1', '/users/none/roles',
                  '/products/tea/price', '/index.html', '/_gateway', '/a%00b',
                  '/..%2fetc/passwd')
    {
        for my $who ([], [bearer($token)]) {
            my $answer = $system->get($path, @$who);

            # two of them nginx does not even look up
            my ($status, $type) = $path =~ /%(?:00|2f)/ ? (400, 'invalid')
                                                        : (404, 'not_found');

            is($answer->{status}, $status, "$path is no route");
            is($answer->{headers}{'content-type'}, 'application/problem+json',
               'which is told as a problem');
            is($answer->{json}{type}, "urn:warren:error:$type", 'of its kind');
        }
    }

    is($system->post('/order', {})->{json}{status}, 404,
       'whatever the method is');

    for my $path ('/', '/docs', '/shop.js', '/shop.css', '/openapi.json') {
        my $answer = $system->get($path);
        is($answer->{status}, 200, "$path is there");
        unlike($answer->{headers}{'content-type'}, qr/problem/, 'as it is');
    }
}
