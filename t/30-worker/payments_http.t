# Copyright (C) the Warren authors
#
# A provider over HTTP, at its best and at its worst: whatever it does and says,
# what the table knows is what it has done.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Payments;
use Provider;
use Warren::Caller;
use Warren::TLS;
use Warren::Test;
use Warren::Test qw(free_port spawn spew stop_process tempdir wait_for);

my $provider = Provider->new();
my $payments = Payments->new(settings => {
    lanes => 2, 'capture.attempts' => 3, 'provider.timeout' => '1s',
    'capture.last_look' => '15s', $provider->settings()
});

captured();
declined();
failing();
uncertain();
late();
refunds();
away();
adds_up();
encrypted();
refused_settings();

done_testing();


sub id_of {
    my ($order) = @_;

    return $payments->sql("select id from payments"
                          . " where order_id = '$order'");
}


# The requests about a charge.
sub asked {
    my ($order) = @_;

    return join ', ', $provider->asked('capture-' . id_of($order));
}


sub captured {
    my $order = $payments->pay('tok_x', cents => 1234);

    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'what the provider says it did, is done');
    is(asked($order), 'POST /charges', 'with a single request');

    my ($line) = grep { /\Q$order/ } split /\n/, $provider->requests();
    like($line, qr/"amount_cents":1234/, 'about the amount');
    like($line, qr/"currency":"EUR"/, 'in its currency');
    like($line, qr/"payment_method":"tok_x"/, 'by the person\'s token');
    is($payments->sql("select charge from payments where order_id = '$order'"),
       'charges-' . substr(id_of($order), -12),
       'and its name for that is kept');

    my $slow = $payments->pay('c:done_slow');
    my @quick = map { $payments->pay('tok_x') } 1 .. 5;
    $payments->heard($_) for @quick, $slow;
    is($payments->state($slow), 'captured', 'so it is when that takes time');

    $order = $payments->pay('c:pending');
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'what is pending is waited for');
    is(asked($order), 'POST /charges, GET /charges, GET /charges',
       'by asking, and is done once');
}


sub declined {
    my $order = $payments->pay('c:declined');
    my ($event) = @{ $payments->heard($order) };

    is($event->{type}, 'payment.declined', 'what the provider declines, is');
    is($event->{data}{reason}, 'expired_card', 'with its reason');
    is(asked($order), 'POST /charges', 'and it is not asked again');
}


sub failing {
    my $order = $payments->pay('c:fails');
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'a failure is not the end');
    is(asked($order), 'POST /charges, GET /charges, POST /charges',
       'before it is tried again, the provider is asked');

    $order = $payments->pay('c:fails.fails.fails.fails.fails.fails');
    my ($event) = @{ $payments->heard($order) };
    is($event->{type}, 'payment.declined', 'there is an end to trying');
    is($event->{data}{reason}, 'error', 'which is an error');
    like(asked($order), qr/GET \/charges\z/,
         'after the provider has said that it has done nothing');

    $order = $payments->pay('c:refuses.refuses.refuses.refuses');
    is($payments->heard($order)->[0]{data}{reason}, 'error',
       'so it is when it refuses');
}


# The provider has done it, and did not say so.
sub uncertain {
    my @ways = qw(done_fails done_hangs done_drops done_garbage done_other);
    my %order = map { $_ => $payments->pay("c:$_") } @ways;

    for my $how (@ways) {
        my $order = $order{$how};

        is($payments->heard($order)->[0]{type}, 'payment.captured',
           "$how: what it has done, it is asked about");
        is(asked($order), 'POST /charges, GET /charges', 'and not told twice');
        is($payments->sql("select attempts > 0 and error is null from payments"
                          . " where order_id = '$order'"), 't',
           'and the table knows that it was uncertain');
    }

    my $order = $payments->pay('c:hangs');
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'what it has not done, it does');
    is(asked($order), 'POST /charges, GET /charges, POST /charges',
       'once it was asked');

    # cancelled while nobody knows
    $order = $payments->pay('c:done_hangs');
    $payments->wait_state($order, 'capturing');
    $payments->cancel($order);
    is($payments->types($order), 'payment.captured payment.refunded',
       'cancelled meanwhile, it is paid back');

    $order = $payments->pay('c:hangs');
    $payments->wait_state($order, 'capturing');
    $payments->cancel($order);
    is($payments->types($order), '', 'or, when it has not, dropped');
    is($payments->state($order), 'cancelled', 'for good');
    is(asked($order), 'POST /charges, GET /charges', 'after asking');
}


# What was given up is not forgotten.
sub late {
    my $order = $payments->pay('c:late.hangs.hangs.hangs', cents => 77);

    is($payments->heard($order)->[0]{data}{reason}, 'error',
       'what the provider never heard of is given up');
    $provider->release();

    my @events = @{ $payments->heard($order, 3) };
    is(join(' ', map { $_->{type} } @events),
       'payment.declined payment.captured payment.refunded',
       'and paid back, when it turns out to have been late');
    is(join(' ', map { $_->{aggregateversion} } @events), '1 2 3',
       'of which each is a fact of its own');
    is(scalar(grep { $_->{order_id} eq $order } $provider->done('charges')), 1,
       'it was done once');
}


sub refunds {
    my @ways = qw(ok fails refuses hangs done_fails done_hangs done_drops
                  done_garbage done_other pending);
    my %order = map { $_ => $payments->pay("tok_r:$_", cents => 500) } @ways;
    my %answer;

    for my $how (@ways) {
        $payments->heard($order{$how});
        $answer{$how} = $payments->refund($order{$how}, 200);
        is($answer{$how}{status}, 202, "$how: a refund is promised");
    }

    for my $how (@ways) {
        my $event = $payments->heard($order{$how}, 2)->[1];

        is($event->{type}, 'payment.refunded', "$how: and done");
        is($event->{data}{refund_id}, $answer{$how}{json}{id},
           'as it was named');
        is($event->{data}{amount_cents}, 200, 'in its amount');
        $payments->cancel($order{$how});
    }

    is($payments->heard($order{$_}, 3)->[2]{data}{amount_cents}, 300,
       "$_: cancelled, the rest is paid back") for @ways;

    my $order = $payments->pay('tok_r:declined', cents => 500);
    $payments->heard($order);
    $payments->refund($order, 200);
    wait_for(sub {
        $payments->sql("select count(*) from refunds where state = 'failed'")
            == 1
    }, 60, 'a refund that is declined');
    is($payments->sql("select refunded_cents from payments"
                      . " where order_id = '$order'"), 0,
       'what the provider does not pay back does not count');
    is($payments->refund($order, 500)->{status}, 202,
       'so that it can be tried once more');
    is($payments->types($order), 'payment.captured',
       'and nothing is announced');
}


sub away {
    $provider->stop();

    my $order = $payments->pay('tok_x');
    wait_for(sub {
        $payments->sql("select attempts from payments where order_id ="
                       . " '$order'") >= 1
    }, 60, 'a first try');
    like($payments->sql("select error from payments where order_id ="
                        . " '$order'"), qr/connect/i,
         'a provider that is away has done nothing');
    $provider->start();
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'and does it when it is back');
}


sub adds_up {
    $payments->settle();

    my $sum = sub {
        return $payments->sql("select sum($_[0]) from $_[1]");
    };

    is($provider->sum('charges'),
       $sum->('amount_cents', "payments where state = 'captured'"),
       'what the provider took is what was captured');
    is($provider->sum('refunds'),
       $sum->('amount_cents', "refunds where state = 'refunded'"),
       'and what it paid back what was refunded');
    is($provider->sum('refunds'), $sum->('refunded_cents', 'payments'),
       'and what payments count');

    my %times;
    $times{ $_->{key} }++ for $provider->done('charges'),
                              $provider->done('refunds');
    is(scalar(grep { $_ > 1 } values %times), 0, 'each of them once');
    is($payments->sql('select count(*) from dead_letter'), 0,
       'and nobody is dead');
}


# The same provider behind TLS.
sub encrypted {
    my $ca = Warren::TLS->new();
    my $certificate = $ca->certificate('localhost');
    my $dir = tempdir('tls-nginx');
    my $port = free_port();
    my $behind = $provider->port();

    spew("$dir/nginx.conf", <<"END");
daemon off;
pid $dir/pid;
error_log $dir/error.log;
events { }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    server {
        listen 127.0.0.1:$port ssl;
        ssl_certificate $certificate->{file};
        ssl_certificate_key $certificate->{key};
        location / { proxy_pass http://127.0.0.1:$behind; }
    }
}
END
    my $pid = spawn(command => ['nginx', '-p', $dir, '-c', "$dir/nginx.conf",
                                '-e', "$dir/error.log"],
                    log => "$dir/output.log",
                    environment => { PATH => "$ENV{PATH}:/usr/sbin" });
    wait_for(sub { -s "$dir/pid" }, 20, 'nginx');

    my $worker = $payments->worker();
    $worker->restart('provider.url' => "https://localhost:$port");
    my $order = $payments->pay('tok_x');
    wait_for(sub {
        $payments->sql("select attempts from payments where order_id ="
                       . " '$order'") >= 1
    }, 60, 'a first try');
    like($payments->sql("select error from payments where order_id ="
                        . " '$order'"), qr/certificate|peer/i,
         'a provider whose certificate nobody vouches for is not told');
    is(asked($order), '', 'a word');

    $worker->restart('provider.ca_file' => $ca->file());
    is($payments->heard($order)->[0]{type}, 'payment.captured',
       'with its authority it is');

    $worker->restart('provider.url' => "https://127.0.0.1:$port");
    $order = $payments->pay('tok_x');
    wait_for(sub {
        $payments->sql("select attempts from payments where order_id ="
                       . " '$order'") >= 1
    }, 60, 'a first try');
    is(asked($order), '', 'but under no other name');
    $worker->restart('provider.url' => "https://localhost:$port");
    $payments->heard($order);

    stop_process($pid);
}


sub refused_settings {
    my %bad = (
        'provider.url' => {
            '' => qr/provider\.url is neither/,
            'http://example.com' => qr/provider\.url is neither/,
            'http://localhost.example.com' => qr/provider\.url is neither/,
            'http://localhost:80@example.com' => qr/provider\.url is neither/,
            'ftp://localhost' => qr/provider\.url is neither/
        },
        'provider.key_file' => { '' => qr/provider\.key_file has no key/ }
    );
    my $worker = $payments->worker();

    $worker->stop();

    for my $key (sort keys %bad) {
        for my $value (sort keys %{ $bad{$key} }) {
            ok($payments->start_with($key, $value, $bad{$key}{$value}),
               "$key = \"$value\": it does not start, and tells why");
        }
    }
}
