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

use Digest::SHA qw(sha256_hex);
use JSON::PP ();


# What cannot be had from outside; nothing else may be left untried.
my @exempt = (
    [qr/ 409 InFlight\z/, 'one request must be in two lanes at the same'
     . ' moment: t/30-worker/lanes.t has it'],
    [qr/\Achange_password 409 /, 'two changes must be in one batch'],
    [qr/\Arequest_(?:reset|verification) 500 /, 'it needs no table but those'
     . ' of the runtime, without which no answer leaves'],
);

# tables that a service cannot do without: it fails when they are away
my %tables = (
    users => ['users', 'refresh_tokens', 'links'],
    catalog => ['products', 'stock'],
    orders => ['orders'], payments => ['payments'],
    notifications => ['notifications', 'recipients', 'mutes', 'webhooks'],
);

my $json = JSON::PP->new()->utf8()->canonical();
my $api = Warren::OpenAPI->new();
my %operation = map { ($_->{id} => $_) } $api->operations();
my %tried;

my $system = Warren::System->new()->start();
my ($person, $token) = $system->person('ada');
my $nobody = '00000000-0000-7000-8000-000000000000';
my $ghost = $system->token($nobody, join ' ', map {
    my (undef, @scopes) = $api->token_of($_);
    @scopes;
} values %operation);
my $clerk = $system->token($person,
                           'catalog:write payments:refund users:admin');
my $robot = $system->token('robot', 'orders:read orders:write');

shelve();
users();
catalog();
orders();
payments();
notifications();
stream();
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


sub is_exempt {
    my ($what) = @_;
    return scalar grep { $what =~ $_->[0] } @exempt;
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
    my %login = (email => $account->{email},
                 password => $account->{password});

    try('register', 201, 'somebody new', body => $account);
    try('register', 201, 'the address is taken', body => $account);
    try('login', 401, 'a wrong password', body => {
        %login, password => 'another password'
    });

    try('get_me', 200, 'oneself');
    try('get_me', 404, 'no account', token => $ghost);
    try('get_user', 200, 'oneself', path => { id => $person });
    try('get_user', 404, 'another', path => { id => $nobody });
    try('overview', 200, 'account and orders');
    try('overview', 404, 'no account', token => $ghost);

    try('update_me', 200, 'another language', body => { language => 'de' });
    try('update_me', 200, 'another address', body => {
        email => 'ada2@example.com',
        password => 'correct horse battery staple'
    });
    try('update_me', 403, 'a wrong password', body => {
        email => 'ada2@example.com', password => 'wrong'
    });
    try('update_me', 404, 'no account', body => { language => 'de' },
        token => $ghost);

    try_key('set_roles', 200,
            { path => { id => $person }, body => { roles => ['customer'] } },
            { path => { id => $person }, body => { roles => [] } });
    try('set_roles', 400, 'a role that is none', path => { id => $person },
        body => { roles => ['king'] });
    try('set_roles', 404, 'no account', path => { id => $nobody },
        body => { roles => [] });

    try('jwks', 200, 'the public keys');

    sessions(%login);
    letters();
}


sub sessions {
    my (%login) = @_;

    my $got = try('login', 200, 'the right password', body => \%login);
    my $first = { refresh_token => $got->{json}{refresh_token} };
    my $next = try('refresh', 200, 'the next token', body => $first,
                   key => 'refresh-1');
    my $second = { refresh_token => $next->{json}{refresh_token} };

    try('refresh', 200, 'once more, as the answer was lost', body => $first,
        key => 'refresh-1');
    try('refresh', 401, 'no token of ours', body => example('refresh'));
    try('logout', 204, 'the session is over', body => $second);

    my $other = $got->{json}{token};
    my $change = { old_password => $login{password},
                   new_password => 'another password' };

    try('change_password', 403, 'the old one is wrong', token => $other,
        body => { %$change, old_password => 'wrong' });
    try('change_password', 204, 'the right one', token => $other,
        body => $change);
    try('change_password', 404, 'no account', token => $ghost,
        body => $change);
}


# What letters would bring is put where their digests are.
sub letters {
    my $link = sub {
        my ($token, $purpose, $email) = @_;

        $system->psql('users', 'insert into links values ('
                      . join(', ', map { "'$_'" } sha256_hex($token), $person,
                             $purpose, $email)
                      . ", now() + interval '1 hour')");

        return $token;
    };
    my $new = 'another password';

    try_key('request_verification', 202, {}, { body => { more => 1 } });
    try('request_verification', 404, 'no person',
        token => $system->token('robot', 'users:write'));
    try('request_reset', 202, 'somebody', body => example('request_reset'));

    my $verify = example('verify_email');
    my $reset = example('reset_password');

    try('verify_email', 400, 'a token that is none', body => $verify);
    try('verify_email', 409, 'the address is somebody else’s', body => {
        token => $link->('x' x 43, 'verify', 'eve@example.com')
    });
    try('verify_email', 204, 'a letter’s token', body => {
        token => $link->($verify->{token}, 'verify', 'ada3@example.com')
    });
    try('reset_password', 400, 'a token that is none', body => $reset);
    try('reset_password', 204, 'a letter’s token', body => {
        %$reset, token => $link->($reset->{token} =~ tr/a-z/b-za/r, 'reset',
                                  'ada3@example.com')
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

    my ($first, $second) = (place('tok_slow'), place('tok_slow'));
    try_key('cancel_order', 200, { path => $first }, { path => $second });
    try('cancel_order', 409, 'it is cancelled', path => $first);
    try('cancel_order', 404, 'there is none', path => { id => $nobody });
    try('get_order', 200, 'and has a reason', path => $first);

    my $declined = place('tok_declined');
    wait_for_status($declined, 'cancelled');
    wait_for_status($second, 'confirmed');

    for my $id ($first, $second, $declined) {
        try('get_order', 200, 'at its end', path => $id);
        try('get_history', 200, 'all of its steps', path => $id);
    }

    try('get_history', 404, 'another’s', path => { id => $nobody });
    try('list_orders', 200, 'of a status', query => 'status=confirmed');
    try('list_orders', 400, 'a status that is none', query => 'status=lost');
}


# Orders something; the parameters of its path.
sub place {
    my ($method) = @_;

    my $answer = $system->post('/orders', {
        %{ example('create_order') }, payment_method => $method
    }, authorization => "Bearer $token");

    return { id => $answer->{json}{id} };
}


sub wait_for_status {
    my ($order, $status) = @_;

    wait_for(sub {
        my $answer = $system->get("/orders/$order->{id}",
                                  authorization => "Bearer $token");
        ($answer->{json}{status} // '') eq $status;
    }, 40, "an order to be $status");
}


sub payments {
    my $wait = sub {
        my ($order, $state) = @_;

        wait_for(sub {
            my $payment = $system->get("/orders/$order->{id}/payment",
                                       authorization => "Bearer $token");
            ($payment->{json}{state} // '') eq $state;
        }, 40, "$state");
    };

    my $paid = place('tok_success');
    my $declined = place('tok_declined');
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
    preferences();
    webhook();
}


sub preferences {
    try('get_preferences', 200, 'of who never chose');

    my $answer = try('set_preferences', 200, 'of who wants no e-mail',
                     body => example('set_preferences'));
    my $again = try('get_preferences', 200, 'and later');

    is($again->{body}, $answer->{body}, 'they are as they were chosen');
    like($again->{body}, qr/"orders":\{[^}]*"email":false/, 'without e-mail');
    try('set_preferences', 400, 'a channel that there is not',
        body => { preferences => { orders => { pigeon => JSON::PP::true } } });
}


sub webhook {
    try('get_webhook', 404, 'there is none');
    try('put_webhook', 400, 'without TLS',
        body => { url => 'http://shop.example.com/' });

    my $answer = try('put_webhook', 200, 'the first',
                     body => example('put_webhook'));
    my $secret = $json->decode($answer->{body})->{secret};

    unlike(try('get_webhook', 200, 'it is there')->{body}, qr/\Q$secret\E/,
           'and its secret is told once');
    is($system->psql('notifications', 'select count(*) from inbox where'
                     . " inbox::text like '%$secret%'"), 0, 'and kept nowhere');
    try('delete_webhook', 204, 'it is taken away');
    try('delete_webhook', 404, 'and was');
}


# What is told while somebody listens, and what was told before.
sub stream {
    my $read = sub {
        my ($pattern, @headers) = @_;

        my $sent = begin('stream', headers => \@headers);
        my $http = $sent->{http};

        # it does not end, so what is there is taken as it is
        wait_for(sub {
            eval { $http->fill(time() + 1, 'more') };
            $http->{buffer} =~ $pattern;
        }, 40, "$pattern in the stream");

        my ($head, $body) = split /\r\n\r\n/, $http->{buffer}, 2;
        my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
        my %headers = map { /\A([^:]+): *(.*)\z/ ? (lc $1 => $2) : () }
                      split /\r\n/, $head;

        $http->close();
        is(join("\n", $status, $api->errors($operation{stream}, {
            status => $status, headers => \%headers, body => $body
        })), 200, 'stream: 200, it is open');
        $tried{stream}{$status} = 1;

        return $body =~ s/\r\n[0-9a-f]+\r\n//gr;
    };

    my $list = $system->get('/notifications?limit=2',
                            authorization => "Bearer $token")->{json};
    my ($last, $before) = map { $_->{id} } @{ $list->{notifications} };

    my $text = $read->(qr/^data: .*\n/m, "Last-Event-ID: $before");
    like($text, qr/^id: \Q$last\E$/m, 'who missed something is told');
    my ($data) = $text =~ /^data: (.*)$/m;
    is(join("\n", $api->validate('/components/schemas/Notification',
                                 $json->decode($data // 'null'))), '',
       'and data is a notification');

    try('stream', 403, 'a name that is too long',
        token => $system->token('x' x 201));
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
            if !@scopes && is_worker($id)
               && $operation{$id}{item}{responses}{403};
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
            for grep { $operation{$_}{item}{responses}{500}
                       && !is_exempt("$_ 500 ")
                       && $operation{$_}{item}{tags}[0] eq $service }
                sort keys %operation;
        $rename->('_away', '');
    }
}


# Services that do not answer: the time is over, or the broker goes away.
sub stalls {
    my @lanes = map { $system->worker($_)->lanes() }
                @Warren::System::SERVICES;
    my @ids = grep { is_worker($_) } sort keys %operation;

    # one that waits until it is cut off
    my $patient = other_nginx(sub { s/(gateway_timeout +)5s/${1}5m/ });
    wait_for(sub { $patient->get('/_gateway/ready')->{status} == 200 }, 40,
             'another gateway to be connected');

    kill 'STOP', @lanes;

    my @sent = map { begin($_, usual($_)) } @ids;
    finish($_, 504, 'the time is over') for @sent;

    @sent = map { begin($_, usual($_), port => $patient->port()) } @ids;
    wait_for(sub { in_flight($patient) >= @ids }, 20,
             'requests to be in flight');
    wait_for(sub { close_gateways(); !in_flight($patient) }, 60,
             'connections to be closed');
    finish($_, 502, 'the broker is lost') for @sent;

    kill 'CONT', @lanes;
}


sub in_flight {
    my ($nginx) = @_;

    my ($count) = $nginx->get('/_gateway/metrics')->{body}
                  =~ /^gateway_inflight (\d+)$/m;

    return $count // die "there is no such metric\n";
}


# Closes the gateways' connections to this test's virtual host.
sub close_gateways {
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

    try($_, 503, 'there is no broker', port => $nginx->port())
        for qw(ready stream);
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

            push @left, $what if !is_exempt($what);
        }
    }

    # who excuses what nobody describes, or everybody has seen, hides the next
    my @reasons = grep {
        my $reason = $_;

        !grep {
            my $id = $_;
            my $responses = $operation{$id}{item}{responses};

            grep {
                my ($name) = ($responses->{$_}{'$ref'} // '') =~ m{(\w+)\z};
                my $what = "$id $_ " . ($name // '');
                !$tried{$id}{$_} && $what =~ $reason->[0];
            } keys %$responses;
        } keys %operation;
    } @exempt;

    is(join("\n", map { "$_->[0]: $_->[1]" } @reasons), '',
       'and each reason not to is needed');

    is(join("\n", @left), '', 'all that is described was seen');
}
