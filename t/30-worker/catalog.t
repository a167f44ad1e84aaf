# Copyright (C) the Warren authors
#
# catalog shows anybody what there is and what it costs; those with the scope
# change products and their stock.

use strict;
use warnings;
use utf8;

use lib 't/lib', 't/30-worker';

use Encode qw(encode_utf8);
use Test::More;

use Catalog;
use Warren::Caller;
use Warren::Test;

binmode Test::More->builder()->$_(), ':utf8'
    for qw(output failure_output todo_output);

my $catalog = Catalog->new();

put();
refuse_put();
get();
adjust();
price();
price_keys();
list();
search();
pages();
refuse_list();

done_testing();


sub ids {
    my (%args) = @_;

    my $answer = $catalog->call('list_products', args => \%args);
    is($answer->{status}, 200, 'a list is shown') or diag($answer->{body});

    return join ' ', map { $_->{id} } @{ $answer->{json}{products} };
}


sub put {
    my $answer = $catalog->put('tea-1', name => 'Green tea', price_cents => 450,
                               description => 'From "Ōkuma" & sons.');

    is($answer->{status}, 201, 'a product is made') or diag($answer->{body});
    is($answer->{headers}{location}, '/products/tea-1', 'and says where it is');
    is($answer->{json}{available}, 0, 'without a piece so far');

    my $place = $catalog->sql("select place from products where id = 'tea-1'");

    $catalog->stock('tea-1', 7);
    $answer = $catalog->put('tea-1', name => 'Greener tea', category => 'tea',
                            price_cents => 460);
    is($answer->{status}, 200, 'and replaced') or diag($answer->{body});
    is($answer->{json}{name}, 'Greener tea', 'by what it is now');
    is($answer->{json}{available}, 7, 'with the pieces that there were');
    is($catalog->sql("select place from products where id = 'tea-1'"), $place,
       'and its place in lists');

    my $id = Warren::Caller::uuid();
    my @send = (args => { id => 'once' }, id => $id, body => {
        name => 'x', description => '', category => 'x', price_cents => 1,
        currency => 'EUR' });
    is_deeply([map { $catalog->write('put_product', @send)->{status} } 1, 2],
              [201, 201], 'a call that comes twice is answered as it was');
    $catalog->sql("delete from stock where product_id = 'once'; "
                  . "delete from products where id = 'once'");
}


sub refuse_put {
    my $before = $catalog->sql('select count(*) from products');
    my @send = (args => { id => 'cup' }, body => {
        name => 'Cup', description => '', category => 'cups',
        price_cents => 1, currency => 'EUR' });

    is($catalog->call('put_product', @send, scope => 'catalog:write')
       ->{status}, 401, 'who did not log in makes no product');
    is($catalog->call('put_product', @send, sub => 'clerk',
                      scope => 'catalog:read catalog:writes')->{status}, 403,
       'nor who lacks the scope');

    my @wrong = (
        ['no name', '/name', name => ''],
        ['a long name', '/name', name => 'x' x 201],
        ['no description', '/description', description => undef],
        ['a long description', '/description', description => 'x' x 4001],
        ['no category', '/category', category => ''],
        ['a category in capitals', '/category', category => 'Tea'],
        ['a negative price', '/price_cents', price_cents => -1],
        ['half a cent', '/price_cents', price_cents => 0.5],
        ['a price beyond what can be told', '/price_cents',
         price_cents => 9007199254740992],
        ['a currency in small letters', '/currency', currency => 'eur'],
        ['a long currency', '/currency', currency => 'EURO'],
    );

    for my $case (@wrong) {
        my ($what, $pointer, @member) = @$case;
        my $answer = $catalog->put('cup', @member);

        is($answer->{status}, 400, "a product with $what is refused");
        is_deeply([map { $_->{pointer} } @{ $answer->{json}{errors} }],
                  [$pointer], 'and the error points at it')
            or diag($answer->{body});
    }

    for my $id ('', 'a b', "a'b", 'a/b', "\xff", 'x' x 65) {
        is($catalog->put($id)->{status}, 400,
           'an id that is none is refused: ' . length $id);
    }

    is($catalog->write('put_product', args => { id => 'cup' }, body => '{')
       ->{status}, 400, 'so is a body that is no JSON');
    is($catalog->sql('select count(*) from products'), $before,
       'none of it is stored');
}


sub get {
    my $answer = $catalog->call('get_product', args => { id => 'tea-1' });

    is($answer->{status}, 200, 'anybody sees a product')
        or diag($answer->{body});
    is($answer->{json}{price_cents}, 460, 'with its price');
    is($answer->{json}{currency}, 'EUR', 'and currency');
    is($answer->{json}{available}, 7, 'and how many there are');
    like($answer->{json}{updated_at}, qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/,
         'and when it changed');

    for my $id ('tea-2', '', "tea'1", "\xff\xfe", 'x' x 300) {
        is($catalog->call('get_product', args => { id => $id })->{status}, 404,
           'what there is not is not found: ' . length $id);
    }
    is($catalog->call('get_product')->{status}, 404, 'nor without an id');
}


sub adjust {
    my $change = sub {
        my ($id, $delta, %option) = @_;
        return $catalog->write('adjust_stock', args => { id => $id },
                               body => { delta => $delta }, %option);
    };

    my $answer = $change->('tea-1', -2);
    is($answer->{status}, 200, 'pieces are taken away')
        or diag($answer->{body});
    is_deeply($answer->{json}, { product_id => 'tea-1', available => 5,
                                 reserved => 0 }, 'and what is left is told');

    $answer = $change->('tea-1', -6);
    is($answer->{status}, 409, 'more than there are cannot be');
    like($answer->{json}{detail}, qr/not as many/, 'and it is told why');
    is($change->('tea-1', 1_000_000_000)->{status}, 409, 'nor too many added');
    is($catalog->pieces('tea-1'), '5|0', 'neither changes anything');
    is($change->('tea-1', -5)->{json}{available}, 0, 'all of them can');
    is($change->('tea-1', 5)->{json}{available}, 5, 'and come back');

    my $id = Warren::Caller::uuid();
    my @answers = map { $change->('tea-1', 3, id => $id) } 1, 2;
    is_deeply([map { $_->{json}{available} } @answers], [8, 8],
              'a change that is sent twice is answered twice');
    is($catalog->pieces('tea-1'), '8|0', 'and acts once');

    is($change->('tea-2', 1)->{status}, 404, 'of no product there is no stock');
    is($change->('tea-1', 0)->{status}, 400, 'a change of nothing is refused');
    is($change->('tea-1', '1')->{status}, 400, 'and one that is no number');
    is($change->('tea-1', 1_000_000_001)->{status}, 400, 'and one too large');
    is($catalog->call('adjust_stock', args => { id => 'tea-1' }, sub => 'ann',
                      body => { delta => 1 }, scope => 'orders:write')
       ->{status}, 403, 'and one without the scope');
    is($catalog->call('adjust_stock', args => { id => 'tea-1' },
                      body => { delta => 1 })->{status}, 401,
       'and one of nobody');
    is($catalog->pieces('tea-1'), '8|0', 'none of it acts');
}


sub price {
    $catalog->put('null', price_cents => 5, currency => 'USD');

    my $ask = sub {
        return $catalog->call('price_items', body => { items => [map { {
            product_id => $_->[0], quantity => $_->[1]
        } } @_] });
    };

    my $answer = $ask->(['tea-1', 3], ['null', 1], ['tea-1', 5]);
    is($answer->{status}, 200, 'items have prices') or diag($answer->{body});
    is_deeply([map { [@$_{qw(product_id quantity unit_price_cents currency
                             available)}, $_->{is_available} ? 1 : 0] }
               @{ $answer->{json}{items} }],
              [['tea-1', 3, 460, 'EUR', 8, 1], ['null', 1, 5, 'USD', 0, 0],
               ['tea-1', 5, 460, 'EUR', 8, 1]],
              'in their order, and whether there are enough');

    $answer = $ask->(['tea-1', 4], ['tea-1', 5]);
    is_deeply([map { $_->{is_available} ? 1 : 0 } @{ $answer->{json}{items} }],
              [0, 0], 'which is told of all pieces together');

    $answer = $ask->(['tea-1', 1], ['tea-2', 1], ['Tea-1', 2]);
    is($answer->{status}, 400, 'a product that there is not is refused');
    is_deeply($answer->{json}{errors}, [
        { pointer => '/items/1/product_id',
          detail => 'there is no product "tea-2"' },
        { pointer => '/items/2/product_id',
          detail => 'there is no product "Tea-1"' }
    ], 'and each one is named') or diag($answer->{body});

    my @wrong = (
        ['no items', '/items', []],
        ['too many items', '/items', [(['tea-1', 1]) x 101]],
        ['no id', '/items/0/product_id', [['', 1]]],
        ['an id that is none', '/items/0/product_id', [['"},{"', 1]]],
        ['no piece', '/items/0/quantity', [['tea-1', 0]]],
        ['too many pieces', '/items/0/quantity', [['tea-1', 1000001]]],
    );

    for my $case (@wrong) {
        my ($what, $pointer, $items) = @$case;
        $answer = $ask->(@$items);

        is($answer->{status}, 400, "$what: refused");
        is_deeply([map { $_->{pointer} } @{ $answer->{json}{errors} }],
                  [$pointer], 'and the error points at it')
            or diag($answer->{body});
    }

    my %product = map { $_ => 1 } map { sprintf 'p-%03d', $_ } 1 .. 100;
    $catalog->sql("insert into products (id, place, name, description,"
                  . " category, price_cents, currency, created_at, updated_at)"
                  . " select 'p-' || lpad(n::text, 3, '0'), gen_random_uuid(),"
                  . " 'P', '', 'p', n, 'EUR', now(), now()"
                  . ' from generate_series(1, 100) as n;'
                  . ' insert into stock (product_id, available)'
                  . " select id, 1 from products where category = 'p'");
    $answer = $ask->(map { [$_, 1] } reverse sort keys %product);
    is_deeply([map { $_->{unit_price_cents} } @{ $answer->{json}{items} }],
              [reverse 1 .. 100], 'a hundred are no trouble');
    $catalog->sql("delete from stock where product_id like 'p-%';"
                  . " delete from products where category = 'p'");
}


# From here on there are these, the newest last.
# For services, which ask about several at once.
sub price_keys {
    my $ask = sub {
        return $catalog->call('price_items', body => { keys => $_[0] });
    };

    $catalog->put('q', name => '"Q", \\');

    my $answer = $ask->(['tea-1', 'tea-2', 'null', 'q', 'Tea-1']);
    is($answer->{status}, 200, 'a service is told prices by ids')
        or diag($answer->{body});
    is_deeply($answer->{json}, {
        'tea-1' => { name => 'Greener tea', unit_price_cents => 460,
                     currency => 'EUR' },
        null => { name => 'The null', unit_price_cents => 5,
                  currency => 'USD' },
        'q' => { name => '"Q", \\', unit_price_cents => 100,
                 currency => 'EUR' }
    }, 'of what there is');
    is_deeply($ask->(['tea-2'])->{json}, {},
              'and nothing of what there is not');

    my @many = map { "none-$_" } 1 .. 3000;
    is_deeply([sort keys %{ $ask->(['tea-1', @many, 'tea-1'])->{json} }],
              ['tea-1'], 'thousands are no trouble');

    for my $case ([[], '/keys'], ['x', '/keys'], [['tea-1', 1], '/keys/1'],
                  [['tea 1'], '/keys/0'], [['tea-1', ''], '/keys/1'],
                  [['"},{"'], '/keys/0'], [['x' x 65], '/keys/0'])
    {
        my ($keys, $pointer) = @$case;

        $answer = $ask->($keys);
        is($answer->{status}, 400, 'what are no ids is refused');
        is($answer->{json}{errors}[0]{pointer}, $pointer, 'where it stands')
            or diag($answer->{body});
    }

    $catalog->sql("delete from stock where product_id = 'q';"
                  . " delete from products where id = 'q'");
}


sub list {
    $catalog->sql('delete from stock; delete from products');

    $catalog->put('pot-1', name => 'Teapots', category => 'ceramics',
                  description => 'Glazed by hand.', price_cents => 3000);
    $catalog->put('tea-1', name => 'Green tea', category => 'tea',
                  description => 'Leaves of spring.', price_cents => 450);
    $catalog->put('tea-2', name => 'Black tea', category => 'tea',
                  description => 'For a pot, with milk.', price_cents => 400);
    $catalog->put('cup-1', name => 'Cup for green things',
                  category => 'ceramics', description => 'A cup.',
                  price_cents => 400);

    is(ids(), 'cup-1 tea-2 tea-1 pot-1', 'the newest first');
    is(ids(category => 'tea'), 'tea-2 tea-1', 'of a category');
    is(ids(category => 'nothing'), '', 'or of one without any');
    is(ids(min_price => 450), 'tea-1 pot-1', 'from a price on');
    is(ids(max_price => 449), 'cup-1 tea-2', 'up to a price');
    is(ids(min_price => 400, max_price => 400), 'cup-1 tea-2', 'of a price');
    is(ids(min_price => 2, max_price => 1), '', 'or of none');
    is(ids(category => 'ceramics', max_price => 400), 'cup-1',
       'of a category up to a price');
    is(ids(q => '', category => '', min_price => '', max_price => ''),
       'cup-1 tea-2 tea-1 pot-1', 'a field that was left empty asks nothing');
}


sub search {
    is(ids(q => 'tea'), 'tea-2 tea-1', 'words are looked for');
    is(ids(q => 'green tea'), 'tea-1', 'all of them');
    is(ids(q => 'GREEN'), 'cup-1 tea-1', 'however they are written');
    is(ids(q => 'teapot'), 'pot-1', 'in one form or another');
    is(ids(q => 'glaze'), 'pot-1', 'in descriptions, too');
    is(ids(q => 'ceramic'), 'cup-1 pot-1', 'and categories');
    is(ids(q => 'teapot or cup'), 'cup-1 pot-1', 'one or the other');
    is(ids(q => 'green -tea'), 'cup-1', 'one without the other');
    is(ids(q => '"green tea"'), 'tea-1', 'as a phrase');
    is(ids(q => '"tea green"'), '', 'in its order');
    is(ids(q => 'green', category => 'ceramics', max_price => 500), 'cup-1',
       'together with the rest');
    is(ids(q => 'the'), '', 'what means nothing finds nothing');

    for my $text ('\'', '"', ' & | ! ( ) :*', '-', '\\', '"-or-"', '%',
                  encode_utf8('茶'), ';--')
    {
        my $answer = $catalog->call('list_products', args => { q => $text });
        is($answer->{status}, 200, 'any text may be looked for');
    }

    $catalog->put('tea-1', name => 'Red tea', category => 'tea');
    is(ids(q => 'red'), 'tea-1', 'what has changed is found by what it is');
    is(ids(q => 'green'), 'cup-1', 'and no longer by what it was');
}


sub pages {
    my (@seen, $cursor);

    for my $page (1 .. 10) {
        my $answer = $catalog->call('list_products', args => {
            limit => 1, defined $cursor ? (cursor => $cursor) : ()
        });
        push @seen, map { $_->{id} } @{ $answer->{json}{products} };
        $cursor = $answer->{json}{next_cursor} // last;
    }

    is("@seen", 'cup-1 tea-2 tea-1 pot-1', 'pages show each product once');

    my $answer = $catalog->call('list_products',
                                args => { q => 'tea', limit => 1 });
    is($answer->{json}{products}[0]{id}, 'tea-2', 'pages of a search');
    $answer = $catalog->call('list_products', args => {
        q => 'tea', limit => 1, cursor => $answer->{json}{next_cursor} });
    is($answer->{json}{products}[0]{id}, 'tea-1', 'go on with the search');
    is($answer->{json}{next_cursor}, undef, 'and end with it');
    ok(!exists $answer->{json}{products}[0]{description},
       'lists are without descriptions');
}


sub refuse_list {
    my @wrong = (
        { limit => 0 }, { limit => 101 }, { limit => 'x' }, { cursor => 'x' },
        { min_price => -1 }, { min_price => '1.5' }, { max_price => 'x' },
        { max_price => '9007199254740992' }, { max_price => '9' x 40 },
        { q => 'x' x 201 }, { q => "\xff" }, { q => "tea \xc3" },
        { category => 'Tea' }, { category => 'x' x 65 },
        { category => "\xff" }
    );

    for my $args (@wrong) {
        my ($name) = keys %$args;
        my $answer = $catalog->call('list_products', args => $args);

        is($answer->{status}, 400, "a $name that is none is refused");
        like($answer->{json}{detail}, qr/\A$name must be/, 'by its name');
    }
}
