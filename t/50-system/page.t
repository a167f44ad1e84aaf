#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A person in a browser: looks around, registers, orders, and watches what
# becomes of it; and reads the reference.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Smtp;
use Warren::Browser;
use Warren::HTTP;
use Warren::OpenAPI;
use Warren::System;
use Warren::Test qw(:DEFAULT run_command);

my $smtp = Smtp->new();
my $system = Warren::System->new(settings => {
    users => { 'link.base' => 'http://shop.example' },
    notifications => {
        'smtp.url' => $smtp->url(), 'smtp.tls' => 'off',
        'smtp.from' => 'shop@example.com'
    }
})->start();

for my $service (qw(catalog users notifications)) {
    my $seed = source_dir() . "/sql/$service/seed.sql";

    next if !-f $seed;
    $system->psql($service, slurp($seed) =~ s/^\\set .*\n//mgr);
}

# the newest order as it is shown
my $newest = '#order-list > li:first-child';

my $url = 'http://127.0.0.1:' . $system->port();
my $browser = Warren::Browser->new();

policy();
look();
markup();
register();
verified();
order();
declined();
cancelled();
seen();
preferences();
renewed();
keyboard();
phone();
reference();
unreachable();
left();
reset_password();
seeded();

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


# What is served lets no script run but its files, and has none in a page.
sub policy {
    my $http = Warren::HTTP->new(port => $system->port());

    for my $path (qw(/ /docs /shop.js /docs.js /shop.css /openapi.json)) {
        my $answer = $http->get($path);
        my $policy = $answer->{headers}{'content-security-policy'} // '';

        is($answer->{status}, 200, "$path is served");
        like($policy, qr/\Adefault-src 'none'; script-src 'self'; /,
             'with a policy of where scripts may come from');
        unlike($policy, qr/unsafe|\*|data:|https?:/,
               'which makes no exception');
        unlike($answer->{body},
               qr/<style|\sstyle=|\son\w+=["']|<script(?![^>]*\ssrc="\/)/,
               'and needs none') if $path =~ m{\A/(?:docs)?\z};
        unlike($answer->{body},
               qr/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/,
               'and makes no markup of data') if $path =~ /\.js\z/;
    }

    $browser->go("$url/");
    $browser->run(<<'END');
const script = document.createElement('script');
script.textContent = 'window.ran = true';
document.body.append(script);
END
    is($browser->run('return window.ran === true ? 1 : 0'), 0,
       'the browser heeds it');
    like(join("\n", $browser->complaints()), qr/Content Security Policy/,
         'and says so');
}


# A product's name is whatever somebody has written.
sub markup {
    my $name = q{<img src="x" onerror="ran = 1"> <b>Oddity</b> &amp; more};
    my $http = Warren::HTTP->new(port => $system->port());
    my $clerk = 'Bearer ' . $system->token(
        '00000000-0000-7000-8000-000000000001', 'catalog:write'
    );

    is($http->request('PUT', '/products/oddity', {
        name => $name, description => $name, category => 'odd',
        price_cents => 100, currency => 'EUR'
    }, authorization => $clerk)->{status}, 201, 'there is an odd product');
    is($http->post('/products/oddity/stock', { delta => 5 },
                   authorization => $clerk)->{status}, 200, 'of which five');

    $browser->go("$url/");
    $browser->type('#q', 'oddity');
    $browser->click('#search button');
    $browser->wait_for_text('.product h3', qr/\A\Q$name\E\z/);
    pass('a name with markup is shown as it is');
    $browser->click('.product .foot button');
    like($browser->wait_for_text('#lines', qr/Oddity/), qr/^\Q$name\E$/m,
         'in the cart, too');
    is($browser->run('return document.querySelectorAll('
                     . '".product img, .product b, #lines img, #lines b"'
                     . ').length + (window.ran ? 1 : 0)'), 0,
       'and make no elements');
    $browser->click('#lines button');
    $browser->wait_for_text('#cart-empty', qr/Nothing/);
    $browser->screenshot('markup-1280');
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


# The path of the link that a letter has, for this shop.
sub link_of {
    my ($subject, $count) = @_;

    my @mails;
    wait_for(sub {
        @mails = grep { $_->{subject} =~ $subject }
                 $smtp->mails('ada@example.com', 1);
        @mails >= $count;
    }, 60, "$count letters of $subject");

    return $mails[-1]{text} =~ m{http://shop\.example(/\S+)} ? $1
         : die "no link in $mails[-1]{text}\n";
}


# Opens a link of a letter as a mail program does: in a new page.
sub open_link {
    my ($link) = @_;

    $browser->go('about:blank');
    $browser->go($url . $link);
}


sub verified {
    like($browser->text('#unverified'), qr/ada\@example\.com/,
         'it is told that the address is not verified yet');
    $browser->screenshot('unverified-1280');

    my $link = link_of(qr/./, 1);

    open_link('/#verify=' . 'x' x 43);
    $browser->wait_for_text('#problem', qr/not good any more/);
    pass('a link that is none is told');
    $browser->complaints();     # the browser's own word on a 400
    $browser->screenshot('link-1280');

    open_link($link);
    $browser->wait_for_text('#said', qr/verified/);
    $browser->wait_for_text('#who', qr/Ada/);
    wait_for(sub { !$browser->visible('#unverified') }, 40,
             'the address to be verified');
    pass('the link of the letter verifies the address');
    unlike($browser->run('return location.href + history.length'
                         . ' + JSON.stringify(history.state)'),
           qr/verify/, 'and its secret does not stay in the address');
}


# Somebody whom ./dev up has made.
sub seeded {
    $browser->click('#log-out');
    $browser->type('#email', 'alice@example.com');
    $browser->type('#password', 'correct horse battery');
    $browser->click('#enter');
    $browser->wait_for_text('#who', qr/\AAlice\z/);
    pass('Alice, who is there from the beginning, logs in');
    ok(!$browser->visible('#unverified'), 'and is verified');
    buy('tok_success');
    $browser->wait_for_text($newest, qr/Confirmed/);
    pass('and buys something');
}


# Who has forgotten the password is sent a link.
sub reset_password {
    $browser->click('#forgotten');
    is($browser->run('return document.activeElement.id'), 'email',
       'who has forgotten the password is asked for an address');
    ok(!$browser->visible('#password'), 'and for nothing else');

    $browser->type('#email', 'nobody@example.com');
    $browser->click('#enter');
    my $said = $browser->wait_for_text('#said', qr/nobody.*on its way/);

    $browser->click('#forgotten');
    $browser->type('#email', 'ada@example.com');
    $browser->click('#enter');
    is($browser->wait_for_text('#said', qr/ada.*on its way/),
       $said =~ s/nobody/ada/r, 'a stranger is told the same as anybody');
    $browser->screenshot('forgotten-1280');

    open_link(link_of(qr/reset|password/i, 1));
    $browser->wait_for_text('#account-title', qr/A new password/);
    unlike($browser->run('return location.href'), qr/reset/,
           'the link asks for a password, and leaves the address');
    $browser->screenshot('reset-1280');
    $browser->type('#password', 'a quite new password');
    $browser->click('#enter');
    $browser->wait_for_text('#said', qr/changed/);

    $browser->type('#email', 'ada@example.com');
    $browser->type('#password', 'a quite new password');
    $browser->click('#enter');
    $browser->wait_for_text('#who', qr/Ada/);
    pass('which is good from then on');
    is($browser->run('return document.activeElement.id'), 'orders-title',
       'and who logs in is led on');
    is_deeply([$browser->complaints()], [], 'without a complaint');
}


# Puts something into the cart and orders it.
sub buy {
    my ($method) = @_;

    $browser->click('.product .foot button:enabled');
    $browser->choose('#payment', $method);
    $browser->click('#place');
}


sub order {
    $browser->type('#q', 'green tea');
    $browser->click('#search button');
    $browser->wait_for_text('.product h3', qr/green tea/i);
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
    like($browser->text("$newest .payment"), qr/\Q$sum\E: paid\z/,
         'the payment is told');
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
    like($text, qr/Payment declined: the bank said no/,
         'a payment that is declined is a step');
    like($text, qr/Cancelled: the payment was declined/, 'and ends the order');
    $browser->wait_for_text('#told-list', qr/declined/i);
    pass('which is told as well');
}


sub cancelled {
    buy('tok_slow');
    $browser->find("$newest .buttons button");
    $browser->run('document.querySelector(arguments[0]).focus()',
                  "$newest .buttons button");
    $browser->wait_for_text($newest, qr/In stock/);
    is($browser->run('return document.activeElement.innerText'),
       'Cancel the order', 'a step leaves the focus where it was');
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


# What one wants to be told is kept.
sub preferences {
    my $box = '#groups input[name="orders email"]';

    $browser->click('#choice summary');
    $browser->find($box);
    fits('what can be chosen');
    is($browser->run('return document.querySelector(arguments[0]).checked'
                     . ' ? 1 : 0', $box), 1,
       'who never chose is told everything');
    $browser->screenshot('preferences-1280');
    $browser->click($box);
    $browser->click('#keep');
    $browser->wait_for_text('#said', qr/as you wish/);

    $browser->go("$url/");
    $browser->click('#choice summary');
    $browser->find($box);
    is($browser->run(
        'return [...document.querySelectorAll("#groups input:not(:checked)")]'
        . '.map((box) => box.name).join()'
    ), 'orders email', 'and then as was chosen, and no other way');
    $browser->click('#choice summary');
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

    # as it stands there, in a shell
    my $command = $browser->run(
        'return [...document.querySelectorAll("#create_order pre")]'
        . '.map((e) => e.innerText).find((text) => /^curl/.test(text))'
    );
    my (undef, $bob) = $system->person('bob');
    my (undef, $said) = run_command(
        command => ['sh', '-c', $command], environment => { token => $bob }
    );
    like($said, qr/"status":"placed"/, 'and how to ask, in a terminal')
        or diag($command);

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
    my $refresh = $browser->run('return state.session.refresh');

    $browser->click('#log-out');
    $browser->wait_for_text('#account-title', qr/Log in/);
    is($browser->text('#orders, #told, #who'), '',
       'who logs out leaves nothing to see');
    is(Warren::HTTP->new(port => $system->port())
       ->post('/login/refresh', { refresh_token => $refresh })->{status},
       401, 'the session is at its end');
    is($browser->run('return JSON.stringify({ ...sessionStorage })')
       =~ /token/ ? 1 : 0, 0, 'nor a token');
    is_deeply([$browser->complaints()], [], 'nor a complaint');
}
