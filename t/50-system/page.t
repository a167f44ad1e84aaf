#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A person in a browser: looks around, registers, orders, and watches what
# becomes of it; and reads the reference.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::Browser;
use Warren::OpenAPI;
use Warren::System;
use Warren::Test;

my $system = Warren::System->new()->start();
my $sql = slurp(source_dir() . '/sql/catalog/seed.sql');

$sql =~ s/^\\set .*\n//mg;
$system->psql('catalog', $sql);

# the newest order as it is shown
my $newest = '#order-list > li:first-child';

my $url = 'http://127.0.0.1:' . $system->port();
my $browser = Warren::Browser->new();

look();
register();
order();
declined();
cancelled();
seen();
renewed();
keyboard();
phone();
reference();
unreachable();
left();

done_testing();


# Nothing is wider than the screen, and everything that is filled in has a
# name.
sub fits {
    my ($what) = @_;

    is($browser->run('return document.documentElement.scrollWidth'
                     . ' - document.documentElement.clientWidth'), 0,
       "$what fits the width of the screen");
    is($browser->run(<<'END'), '', "$what has names for all fields");
return [...document.querySelectorAll('input, select, button')]
    .filter((e) => e.checkVisibility() && !e.labels?.length
                   && !e.ariaLabel && !e.innerText.trim())
    .map((e) => e.outerHTML).join();
END
    is_deeply([$browser->complaints()], [], "$what leaves the console empty");
}


sub look {
    $browser->go("$url/");
    $browser->wait_for_text('#found', qr/12 products, and more/);
    like($browser->text('.product h3'), qr/\w/, 'anybody sees products');
    fits('the shop');
    $browser->screenshot('shop-1280');

    $browser->click('#more');
    $browser->wait_for_text('#found', qr/24 products, and more/);
    pass('and the next page');

    $browser->type('#q', 'travel mug');
    $browser->click('#search button');
    $browser->wait_for_text('#found', qr/\A\d+ products?\z/);
    like($browser->text('.product h3'), qr/travel mug/i, 'and finds things');

    $browser->type('#q', 'there is no such thing');
    $browser->click('#search button');
    $browser->wait_for_text('#found', qr/Nothing was found/);
    pass('or is told that there are none');

    $browser->type('#q', 'green tea');
    $browser->click('#search button');
    $browser->wait_for_text('.product h3', qr/green tea/i);
    $browser->choose('#category', 'tea');
    $browser->wait_for_text('.product h3', qr/\A(?:.*green tea.*\n?)+\z/i);
    pass('a category narrows it');
}


sub register {
    $browser->type('#email', 'ada@example.com');
    $browser->type('#password', 'wrong');
    $browser->click('#enter');
    $browser->wait_for_text('#log-in .error', qr/wrong/);
    pass('a wrong password is told');
    $browser->complaints();     # the browser's own word on a 401
    $browser->screenshot('problem-1280');

    $browser->click('#other-way');
    $browser->type('#name', '<b>Ada</b> & Co');
    $browser->type('#password', 'correct horse battery');
    $browser->click('#enter');
    $browser->wait_for_text('#who', qr/\A<b>Ada<\/b> & Co\z/);
    pass('a person registers, and a name is text and nothing else');
    $browser->wait_for_text('#told-list', qr/Welcome, <b>Ada<\/b>/);
    pass('and is welcomed');
}


# Puts something into the cart and orders it.
sub buy {
    my ($method) = @_;

    $browser->click('.product .foot button:enabled');
    $browser->choose('#payment', $method);
    $browser->click('#place');
}


sub order {
    $browser->click('.product .foot button:enabled');
    $browser->click('.product .foot button:enabled');
    $browser->wait_for_text('#place', qr/Order for .*\d/);
    $browser->type('.lines input', '3');
    $browser->keys("\x{E004}");
    my $sum = $browser->wait_for_text('#total', qr/\d/);
    $browser->screenshot('cart-1280');

    $browser->click('#place');
    my $text = $browser->wait_for_text($newest, qr/Confirmed/);
    like($text, qr/\Q$sum\E/, 'an order has the sum of its cart');
    like($text, qr/^3 \x{d7} .*green tea/im, 'and its lines');
    my $steps = $browser->text("$newest .steps");
    like($steps, qr/\APlaced/, 'its steps begin');
    like($steps, qr/In stock, and held/, 'go on');
    like($steps, qr/^Paid/m, 'and on');
    like($steps, qr/Confirmed\D[^\n]*\n?\S*\z/, 'until it is confirmed');

    $browser->wait_for_text('#live', qr/\Alive\z/);
    $browser->wait_for_text('#told-list', qr/Order placed/);
    $browser->wait_for_text('#told-list', qr/confirmed/i);
    pass('and notifications of it arrive');
    fits('the shop of somebody');
    $browser->screenshot('order-1280');
}


sub declined {
    buy('tok_declined');
    my $text = $browser->wait_for_text($newest, qr/^Cancelled/m);
    like($text, qr/Payment declined/, 'a payment that is declined is a step');
    like($text, qr/Cancelled: the payment was declined/, 'and ends the order');
    $browser->wait_for_text('#told-list', qr/declined/i);
    pass('which is told as well');
}


sub cancelled {
    buy('tok_slow');
    $browser->click("$newest .buttons button");
    $browser->wait_for_text($newest, qr/Cancelled: as you wished/);
    pass('an order can be cancelled while it is on its way');
}


sub seen {
    my $unread = sub { return scalar $browser->visible('.told .unread') };
    my $before = $unread->();

    $browser->click('.told .unread button');
    wait_for(sub { $unread->() == $before - 1 }, 40, 'one to be seen');
    pass('what was seen is marked');

    $browser->go("$url/");
    $browser->wait_for_text('#who', qr/Ada/);
    $browser->wait_for_text('#told-list', qr/Order/);
    ok($unread->() < $before, 'and stays so when the page is loaded again');
    $browser->wait_for_text('#order-list', qr/confirmed/);
    pass('with the orders that there are');
}


# A token is good for a while only.
sub renewed {
    my $token = $browser->run('state.session.until = 0;'
                              . ' return state.session.token');

    buy('tok_success');
    $browser->wait_for_text($newest, qr/Confirmed/);
    isnt($browser->run('return state.session.token'), $token,
         'a token is renewed before it expires');

    # the gateway does not take it any more, whatever the page believes
    $browser->run('state.session.token += "x"');
    buy('tok_success');
    $browser->wait_for_text($newest, qr/Confirmed/);
    pass('and when it is refused');
    $browser->complaints();     # the browser's own word on a 401
}


# No mouse: Tab leads from the search to the first product and its button.
sub keyboard {
    $browser->type('#q', 'green tea');
    $browser->keys("\x{E007}");
    $browser->wait_for_text('#found', qr/product/);
    $browser->run('document.querySelector("#search button").focus()');
    $browser->keys("\x{E004}");
    $browser->keys("\x{E004}") if $browser->run(
        'return document.activeElement.tagName') ne 'BUTTON';
    like($browser->run('return document.activeElement.ariaLabel'),
         qr/\AAdd .* to the cart\z/, 'keys reach the products');
    isnt($browser->run('return getComputedStyle(document.activeElement)'
                       . '.outlineStyle'), 'none', 'visibly');
    $browser->keys("\x{E007}");
    $browser->wait_for_text('#place', qr/Order for/);
    pass('and put one into the cart');
}


sub phone {
    $browser->resize(390, 844);
    $browser->go("$url/");
    $browser->wait_for_text('#order-list', qr/confirmed/);
    $browser->wait_for_text('#found', qr/12 products/);
    fits('the shop on a phone');
    $browser->screenshot('shop-390');

    $browser->go("$url/docs");
    $browser->wait_for_text('h1', qr/shop/);
    fits('the reference on a phone');
    $browser->screenshot('docs-390');
    $browser->resize(1280, 900);
}


sub reference {
    $browser->go("$url/docs#create_order");
    $browser->wait_for_text('#create_order .inside', qr/payment_method/);
    like($browser->text('#create_order .inside'), qr/429/,
         'the reference tells what may come back');

    my $api = Warren::OpenAPI->new();
    my @shown = @{ $browser->run(
        'return [...document.querySelectorAll("#docs > details")]'
        . '.map((e) => e.id)') };
    is_deeply([sort @shown], [sort map { $_->{id} } $api->operations()],
              'of all operations');
    unlike($browser->text('#docs'), qr/undefined|\[object|NaN/,
           'and leaves nothing undefined');
    fits('the reference');
    $browser->screenshot('docs-1280');
}


# What a person is told when a service is away.
sub unreachable {
    $browser->go("$url/");
    $browser->wait_for_text('#found', qr/products/);
    $system->worker('catalog')->stop();
    $browser->click('#more');
    $browser->wait_for_text('#problem', qr/Request \S/);
    pass('a problem is told, with the id of the request');
    $browser->complaints();
    $system->worker('catalog')->start();
    $browser->click('#problem button');
    is($browser->text('#problem'), '', 'and can be put away');
}


sub left {
    $browser->click('#log-out');
    $browser->wait_for_text('#account-title', qr/Log in/);
    is($browser->text('#orders, #told, #who'), '',
       'who logs out leaves nothing to see');
    is($browser->run('return JSON.stringify({ ...sessionStorage })')
       =~ /token/ ? 1 : 0, 0, 'nor a token');
    is_deeply([$browser->complaints()], [], 'nor a complaint');
}
