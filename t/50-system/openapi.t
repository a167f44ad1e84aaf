#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Every operation of openapi.json, with every status that it may give, is asked
# of the whole system; status, headers, type and body are as described.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::HTTP;
use Warren::Nginx;
use Warren::OpenAPI;
use Warren::System;
use Warren::Test;

use JSON::PP ();


# What cannot be had from outside; nothing else may be left untried.
my @exempt = (
    [qr/ 409 InFlight\z/, 'one request must be in two lanes at the same'
     . ' moment: t/30-worker/lanes.t has it'],
    [qr/\Arequest_(?:reset|verification) 500/, 'they leave a message for'
     . ' later and need nothing'],
);

# tables that a service cannot do without: it fails when they are away
my %tables = (
    users => ['users', 'sessions', 'refresh_tokens'],
    catalog => ['products', 'stock'],
    orders => ['orders'], payments => ['payments'],
    notifications => ['notifications', 'recipients'],
);

my $json = JSON::PP->new()->utf8()->canonical();
my $api = Warren::OpenAPI->new();
my %operation = map { ($_->{id} => $_) } $api->operations();
my %tried;

my $system = Warren::System->new()->start();
my ($person, $token) = $system->person('ada');
my $nobody = '00000000-0000-7000-8000-000000000000';
my $clerk = $system->token($person,
                           'catalog:write payments:refund users:admin');
my $robot = $system->token('robot', 'orders:read orders:write');

shelve();
users();
catalog();
orders();
payments();
notifications();
pages();

without_token();
without_rights();
bad_requests();
other_methods();
failures();
stalls();
no_broker();
too_many();

complete();

done_testing();


# Sends a request without waiting for its answer.  Options: path (parameters
# by name), query, body, text and type in place of a body, token ("" for none),
# key, method, port, headers.
sub begin {
    my ($id, %option) = @_;

    my $operation = $operation{$id} // die "there is no operation $id\n";
    my $method = $option{method} // $operation->{method};
    my $path = $operation->{path};
    my $bearer = $option{token} // default_token($operation);
    my $text = $option{text};

    $path =~ s/\{(\w+)\}/$option{path}{$1} \/\/ $person/ge;
    $path .= "?$option{query}" if defined $option{query};
    $text //= $json->encode($option{body}) if $option{body};

    my @lines = ("$method $path HTTP/1.1", 'Host: localhost',
                 'Connection: close', @{ $option{headers} // [] });
    push @lines, "Authorization: Bearer $bearer" if $bearer ne '';
    push @lines, "Idempotency-Key: $option{key}" if defined $option{key};
    push @lines, 'Content-Length: ' . length $text,
         'Content-Type: ' . ($option{type} // 'application/json')
        if defined $text;

    my $http = Warren::HTTP->new(port => $option{port} // $system->port(),
                                 timeout => 40);
    $http->open()->send(join("\r\n", @lines, '', $text // ''));

    return { id => $id, http => $http, method => $method };
}


sub default_token {
    my ($operation) = @_;

    my ($is_wanted, @scopes) = $api->token_of($operation);

    return $is_wanted ne 'on' ? ''
         : (grep { /\A(?:catalog:write|users:admin|payments:refund)\z/ }
                 @scopes) ? $clerk : $token;
}


# Waits for the answer and compares it with what is described.
sub finish {
    my ($sent, $status, $what) = @_;

    my $answer = $sent->{http}->answer($sent->{method});
    my $operation = $operation{ $sent->{id} };

    is(join("\n", $answer->{status}, $api->errors($operation, $answer)),
       $status, "$sent->{id}: $status, $what") or diag($answer->{raw});
    $tried{ $sent->{id} }{ $answer->{status} } = 1;

    return $answer;
}


sub try {
    my ($id, $status, $what, %option) = @_;

    return finish(begin($id, %option), $status, $what);
}


# The same key for two requests; the first one succeeds.
sub try_key {
    my ($id, $status, $first, $other) = @_;

    my @key = (key => "key-of-$id");
    my $answer = try($id, $status, 'with a key', %$first, @key);
    my $again = try($id, $status, 'and the key again', %$first, @key);
    is($again->{body}, $answer->{body}, "$id: it is the same answer");
    try($id, 422, 'and the key of another request', %$other, @key);

    return $answer;
}


sub example {
    my ($id) = @_;

    my $body = $operation{$id}{item}{requestBody} // return undef;

    return $body->{content}{'application/json'}{example};
}


sub is_worker { return $operation{ $_[0] }{item}{responses}{502} }


sub shelve {
    my $tea = example('put_product');

    $system->http()->request('PUT', "/products/tea-$_", $tea,
                             authorization => "Bearer $clerk") for 100, 101;
    $system->post("/products/tea-$_/stock", { delta => 50 },
                  authorization => "Bearer $clerk") for 100, 101;
}


sub users {
    my $account = { %{ example('register') }, email => 'eve@example.com' };

    try('register', 201, 'somebody new', body => $account);
    try('register', 201, 'the address is taken', body => $account);
    my $session = try('login', 200, 'the right password', body => {
        email => $account->{email}, password => $account->{password}
    })->{json};
    try('login', 401, 'a wrong one', body => {
        email => $account->{email}, password => 'another password'
    });
    try('get_me', 200, 'oneself');
    try('get_me', 404, 'no account', token => $system->token($nobody));
    try('get_user', 200, 'oneself', path => { id => $person });
    try('get_user', 404, 'another', path => { id => $nobody });
    try('overview', 200, 'account and orders');
    try('overview', 404, 'no account', token => $system->token($nobody));

    sessions($session);
    profile($session->{token}, $account);
    links();
}


sub sessions {
    my ($session) = @_;

    my $next = try('refresh', 200, 'the next token', body => {
        refresh_token => $session->{refresh_token}
    })->{json};
    try('logout', 204, 'the end', body => {
        refresh_token => $next->{refresh_token}
    });
    try('refresh', 401, 'it has ended', body => {
        refresh_token => $next->{refresh_token}
    });
}


sub profile {
    my ($token, $account) = @_;

    my $stranger = $system->token($nobody, 'users:write');
    my $eve = try('update_me', 200, 'a name', token => $token,
                  body => { name => 'Eve' })->{json}{id};
    try('update_me', 200, 'an address', token => $token, body => {
        email => 'eva@example.com', password => $account->{password}
    });
    try('update_me', 404, 'no account', token => $stranger,
        body => { name => 'x' });

    try_key('request_verification', 202, {}, { text => '{"x":1}' });
    try('request_verification', 404, 'no account',
        token => $system->token('robot', 'users:write'));

    my $change = { old_password => $account->{password},
                   new_password => 'another password' };
    try('change_password', 204, 'another password', token => $token,
        body => $change);
    try('change_password', 403, 'it is another now', token => $token,
        body => $change);
    try('change_password', 404, 'no account', token => $stranger,
        body => $change);

    try_key('set_roles', 200,
            { path => { id => $eve }, body => { roles => ['customer'] } },
            { path => { id => $eve }, body => { roles => [] } });
    try('set_roles', 404, 'nobody', path => { id => $nobody },
        body => { roles => [] });
}


# Nobody is sent a letter here: links are made by hand.
sub links {
    my $link = sub {
        my ($purpose, $email) = @_;

        my $secret = join '', map { ('a' .. 'z')[rand 26] } 1 .. 43;
        $system->psql('users', 'insert into links select encode(sha256('
                               . "'$secret'), 'hex'), '$person', '$purpose',"
                               . " coalesce($email, email), now() + interval"
                               . " '1 hour' from users where id = '$person'");
        return $secret;
    };

    try('verify_email', 204, 'a link',
        body => { token => $link->('verify', 'null') });
    try('verify_email', 409, 'the address of another',
        body => { token => $link->('verify', "'eve\@example.com'") });
    try('request_reset', 202, 'an address', body => example('request_reset'));
    try('reset_password', 204, 'a link', body => {
        token => $link->('reset', 'null'), password => 'another password'
    });
}


sub catalog {
    my $tea = example('put_product');

    try('list_products', 200, 'a page', query => 'limit=1&q=tea');
    try('get_product', 200, 'a product', path => { id => 'tea-100' });
    try('get_product', 200, 'and with a token', path => { id => 'tea-100' },
        token => $token);
    try('get_product', 404, 'there is none', path => { id => 'none' });
    try('put_product', 201, 'a new one', body => $tea,
        path => { id => 'tea-102' });
    try_key('put_product', 200,
            { path => { id => 'tea-102' }, body => $tea },
            { path => { id => 'tea-102' }, body => { %$tea, name => 'x' } });
    try_key('adjust_stock', 200,
            { path => { id => 'tea-102' }, body => { delta => 3 } },
            { path => { id => 'tea-102' }, body => { delta => 4 } });
    try('adjust_stock', 404, 'there is none', path => { id => 'none' },
        body => { delta => 1 });
    try('adjust_stock', 409, 'below zero', path => { id => 'tea-102' },
        body => { delta => -9 });
}


sub orders {
    my $order = example('create_order');
    my $other = { %$order, lines => [{ product_id => 'tea-101',
                                       quantity => 1 }] };
    my $answer = try_key('create_order', 201, { body => $order },
                         { body => $other });

    try('list_orders', 200, 'a page', query => 'limit=1');
    try('get_order', 200, 'the order',
        path => { id => $answer->{json}{id} });
    try('get_order', 404, 'another’s', path => { id => $nobody });
    try('list_orders', 200, 'of a status', query => 'status=cancelled');
    try('list_orders', 400, 'of none', query => 'status=lost');
    try('get_history', 200, 'its history',
        path => { id => $answer->{json}{id} });
    try('get_history', 404, 'another’s', path => { id => $nobody });

    # not paid before it is cancelled
    my @slow = map { {
        path => { id => $system->post('/orders', {
            %$order, payment_method => 'tok_slow'
        }, authorization => "Bearer $token")->{json}{id} }
    } } 1, 2;
    try_key('cancel_order', 200, @slow);
    try('cancel_order', 409, 'it is cancelled', %{ $slow[0] });
    try('cancel_order', 404, 'another’s', path => { id => $nobody });
    try('get_order', 200, 'cancelled', %{ $slow[0] });
}


sub payments {
    my $place = sub {
        my ($method) = @_;

        my $answer = $system->post('/orders', {
            %{ example('create_order') }, payment_method => $method
        }, authorization => "Bearer $token");

        return { id => $answer->{json}{id} };
    };
    my $wait = sub {
        my ($order, $state) = @_;

        wait_for(sub {
            my $payment = $system->get("/orders/$order->{id}/payment",
                                       authorization => "Bearer $token");
            ($payment->{json}{state} // '') eq $state;
        }, 40, "$state");
    };

    my $paid = $place->('tok_success');
    my $declined = $place->('tok_declined');
    $wait->($paid, 'captured');
    $wait->($declined, 'declined');

    try('get_payment', 200, 'what was paid', path => $paid);
    try('get_payment', 200, 'what was not', path => $declined);
    try('get_payment', 404, 'another’s', path => $paid,
        token => $system->token($nobody));

    try_key('refund', 202, { path => $paid, body => { amount_cents => 100 } },
            { path => $paid, body => { amount_cents => 200 } });
    try('refund', 409, 'more than was paid', path => $paid,
        body => { amount_cents => 100_000 });
    try('refund', 409, 'nothing was paid', path => $declined, body => {});
    try('refund', 404, 'there is none', path => { id => $nobody },
        body => {});
    try('refund', 202, 'all that is left', path => $paid, body => {});
    try('get_payment', 200, 'with its refunds', path => $paid);
}


sub notifications {
    wait_for(
        sub {
            my $answer = $system->get('/notifications',
                                      authorization => "Bearer $token");
            @{ $answer->{json}{notifications} // [] } > 1;
        }, 40, 'notifications'
    );

    my $answer = try('list_notifications', 200, 'a page', query => 'limit=1');
    like($answer->{json}{next_cursor}, qr/./, 'and there is another');
    try('list_notifications', 200, 'the next page',
        query => "limit=1&cursor=$answer->{json}{next_cursor}");

    my $id = $answer->{json}{notifications}[0]{id};
    try('list_since', 200, 'all');
    try('list_since', 200, 'since the newest', query => "since=$id");
    try('list_since', 400, 'since what is no id', query => 'since=monday');
    try_key('mark_read', 204, { path => { id => $id } },
            { path => { id => $nobody } });
    try('mark_read', 404, 'there is none', path => { id => $nobody });
}


sub pages {
    try($_->{id}, 200, 'the file')
        for grep { $_->{item}{tags}[0] eq 'pages' } values %operation;
    try('ready', 200, 'all is well');
    try('metrics', 200, 'counters');
}


# ---- what all of them have in common

sub without_token {
    for my $id (sort keys %operation) {
        my ($is_wanted) = $api->token_of($operation{$id});

        # a token that is not good is refused even where none is needed
        try($id, 401, 'no token', token => '', body => example($id))
            if $is_wanted eq 'on';
        try($id, 401, 'a bad token', token => "$token.x",
            body => example($id)) if $is_wanted ne 'off';
    }
}


sub without_rights {
    for my $id (sort keys %operation) {
        my (undef, @scopes) = $api->token_of($operation{$id});

        try($id, 403, 'without the scope', body => example($id),
            token => $system->token($person, 'none:at-all')) if @scopes;
        try($id, 403, 'nobody’s token', token => $robot)
            if !@scopes && $operation{$id}{item}{responses}{403};
    }
}


sub bad_requests {
    for my $id (sort keys %operation) {
        my $operation = $operation{$id};

        if ($operation->{item}{requestBody}) {
            try($id, 400, 'no JSON', text => '{');
            try($id, 400, 'not an object', text => '[]');
            try($id, 413, 'too much', text => 'x' x 65_537);
            try($id, 415, 'a type that is too long', text => '{}',
                type => 'application/' . 'x' x 255);
        }

        my %in = map { ("$_->{in} $_->{name}" => 1) }
                 @{ $operation->{parameters} };

        try($id, 400, 'a limit that is none', query => 'limit=many')
            if $in{'query limit'};
        try($id, 400, 'a key that is none', key => 'k' x 256,
            body => example($id)) if $in{'header Idempotency-Key'};
    }
}


# Methods that are not described.
sub other_methods {
    my %methods;

    push @{ $methods{ $_->{path} } }, $_ for values %operation;

    for my $path (sort keys %methods) {
        my @here = @{ $methods{$path} };
        my $id = $here[0]{id};
        my ($method) = grep {
            my $name = $_;
            !grep { $_->{method} eq $name } @here
        } qw(DELETE PATCH PUT);

        # nginx itself answers for files
        next if !is_worker($id);

        my $sent = begin($id, method => $method, token => $clerk);
        my $answer = $sent->{http}->answer($method);

        is(join("\n", $api->response_errors(
            '/components/responses/MethodNotAllowed', $answer
        )), '', "$method $path: 405") or diag($answer->{raw});

        my %allowed = map { ($_ => 1) }
                      split /, /, $answer->{headers}{allow} // '';
        # what goes everywhere
        delete @allowed{qw(HEAD OPTIONS)};
        is(join(' ', sort keys %allowed),
           join(' ', sort map { $_->{method} } @here), 'and what there is');
    }
}


# A request that is good as far as it goes.
sub usual {
    my ($id) = @_;

    return (body => example($id), path => {
        id => $operation{$id}{path} =~ m{^/products} ? 'tea-100' : $person
    });
}


# What a service needs is away.
sub failures {
    for my $service (sort keys %tables) {
        my $rename = sub {
            my ($from, $to) = @_;
            $system->psql($service, "alter table $_$from rename to $_$to")
                for @{ $tables{$service} };
        };

        $rename->('', '_away');
        try($_, 500, 'the service fails', usual($_))
            for grep { is_worker($_) && !/\Arequest_/
                       && $operation{$_}{item}{tags}[0] eq $service }
                sort keys %operation;
        $rename->('_away', '');
    }
}


# Services that do not answer: the broker goes away, or the time is over.
sub stalls {
    my @lanes = map { $system->worker($_)->lanes() }
                @Warren::System::SERVICES;
    my @ids = grep { is_worker($_) } sort keys %operation;

    # one that waits until it is cut off
    my $patient = other_nginx(sub { s/(gateway_timeout +)5s/${1}5m/ });
    wait_for(sub { $patient->get('/_gateway/ready')->{status} == 200 }, 40,
             'another gateway to be connected');

    kill 'STOP', @lanes;

    my @sent = map { begin($_, usual($_), port => $patient->port()) } @ids;
    wait_for(sub { in_flight($patient) >= @ids }, 20,
             'requests to be in flight');
    wait_for(sub { close_gateway(); !in_flight($patient) }, 60,
             'connections to be closed');
    finish($_, 502, 'the broker is lost') for @sent;

    wait_for(sub { $system->get('/_gateway/ready')->{status} == 200 }, 40,
             'the gateway to be connected again');
    @sent = map { begin($_, usual($_)) } @ids;
    finish($_, 504, 'the time is over') for @sent;

    kill 'CONT', @lanes;
}


sub in_flight {
    my ($nginx) = @_;

    my ($count) = $nginx->get('/_gateway/metrics')->{body}
                  =~ /^gateway_inflight (\d+)$/m;

    return $count // die "there is no such metric\n";
}


# Closes the gateways' connections to this test's virtual host.
sub close_gateway {
    my $broker = $system->broker();

    for my $connection (@{ $broker->api('GET', '/api/connections') }) {
        next if ($connection->{vhost} // '') ne $system->vhost()
                || $connection->{user} ne 'gateway';

        my $name = $connection->{name}
                   =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ger;
        eval { $broker->api('DELETE', "/api/connections/$name") };
    }
}


# A gateway without a broker.
sub no_broker {
    my $closed = free_port();
    my $nginx = other_nginx(sub {
        s/(url +amqp:\/\/gateway\@127\.0\.0\.1):\d+/$1:$closed/
    });

    try('ready', 503, 'there is no broker', port => $nginx->port());
    try($_, 503, 'there is no broker', usual($_), port => $nginx->port())
        for grep { is_worker($_) } sort keys %operation;
}


# And one that lets hardly anybody in.
sub too_many {
    my $nginx = other_nginx(sub {
        s/rate=100000r\/s burst=100000/rate=1r\/m burst=0/g
    });

    $nginx->get('/');
    try($_, 429, 'too many requests', usual($_), port => $nginx->port())
        for sort keys %operation;
}


# One more gateway, with the same tokens, configured otherwise.
sub other_nginx {
    my ($change) = @_;

    local $_ = $system->nginx_conf();
    my $before = $_;

    $change->();
    die "the configuration is as it was\n" if $_ eq $before;

    return Warren::Nginx->new(conf => $_)->start();
}


# Whatever is described was seen, but for what has a reason.
sub complete {
    my @left;

    for my $id (sort keys %operation) {
        my $responses = $operation{$id}{item}{responses};

        for my $status (grep { !$tried{$id}{$_} } sort keys %$responses) {
            my ($name) = ($responses->{$status}{'$ref'} // '') =~ m{(\w+)\z};
            my $what = "$id $status " . ($name // '');

            push @left, $what if !grep { $what =~ $_->[0] } @exempt;
        }
    }

    is(join("\n", @left), '', 'all that is described was seen');
}
