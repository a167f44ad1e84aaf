# Copyright (C) the Warren authors
#
# A storm of orders on few products while every worker is killed in turn, and
# the broker cuts off workers and gateways: in the end money, stock and
# notifications add up.
#
# STORM (300) is how many orders at least, STORM_SEED makes a run's choices once
# more.

use strict;
use warnings;

use lib 't/lib', 't/50-system';

use JSON::PP ();
use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time);

use Storm;
use Warren::AMQP;
use Warren::System;
use Warren::Test;

my $wanted = $ENV{STORM} // 300;
my $seed = $ENV{STORM_SEED} // 1 + int rand 1_000_000;
my $clients = 6;

# how much there is of what everybody wants: for the scarce ones too little
my %price = ('hot-1' => 450, 'hot-2' => 1999, 'scarce-1' => 700,
             'scarce-2' => 5, 'cold' => 12345);
my $scarce = int($wanted / 6) + 1;
my @products = (('hot-1') x 3, ('hot-2') x 3, 'scarce-1', 'scarce-2', 'cold');
my @tokens = (('tok_success') x 8, ('tok_declined') x 2, 'tok_slow',
              'tok_timeout', 'tok_error', 'tok_expired');

my $json = JSON::PP->new()->utf8()->canonical();

srand($seed);
diag("STORM=$wanted STORM_SEED=$seed");

my $system = Warren::System->new(settings => {
    lanes => 2, payments => { 'sandbox.delay' => '300ms',
                              'capture.attempts' => 2 }
})->start();
my $dir = tempdir('storm');
my $start = time();

shelve();

my $ear = listen_to_events();
my @people = map { { name => "client$_", token => bearer("client$_") } }
             1 .. $clients;
my @pids = map { client($_) } 1 .. $clients;
my %kills = trouble();

spew("$dir/end", '');
wait_for(sub { !grep { !-f "$dir/$_" } 1 .. $clients }, 180, 'the clients');

my %said = said();

quiet();

diag(sprintf '%d orders in %.0f s; killed: %s; %s', scalar keys %said,
     time() - $start, join(', ', map { "$_ $kills{$_}" } sort keys %kills),
     join(', ', map { s/\|/ /gr } split /\n/, $system->psql('orders',
          "select status || coalesce(' ' || reason, ''), count(*) from orders"
          . ' group by 1 order by 1')));

stored();
audits();

my @events = heard();
my @wrong = Storm::wrong($system, \@events);

is(scalar(@wrong), 0, 'money, stock, notifications and events add up')
    or diag(join "\n", @wrong[0 .. ($#wrong < 30 ? $#wrong : 30)]);
blind();

done_testing();


sub bearer {
    my ($name) = @_;

    return "Bearer " . ($system->person($name))[1];
}


sub shelve {
    my %plenty = map { $_ => $price{$_} } grep { !/scarce/ } keys %price;
    my %few = map { $_ => $price{$_} } grep { /scarce/ } keys %price;

    $system->products(\%plenty, 1_000_000);
    $system->products(\%few, $scarce);
    $system->{shelved} = { map { $_ => /scarce/ ? $scarce : 1_000_000 }
                           keys %price };
}


sub listen_to_events {
    my $amqp = Warren::AMQP->connect(
        url => $system->broker()->url('guest', $system->vhost())
    );
    my $queue = $amqp->declare_queue('', exclusive => 1);

    $amqp->bind($queue, 'events', '#');

    return { amqp => $amqp, queue => $queue };
}


sub heard {
    my ($amqp, $queue) = @$ear{qw(amqp queue)};
    my @events;

    while (my $message = $amqp->get($queue, no_ack => 1)) {
        push @events, $json->decode($message->{body});
    }

    return @events;
}


# Kills a lane of each service, then each supervisor, then cuts everybody's
# connections, until there were orders enough.
sub trouble {
    my @services = @Warren::System::SERVICES;
    my %kills;
    my $cut = 0;

    do {
        for my $service (@services) {
            my $worker = $system->worker($service);
            my @lanes = $worker->lanes();
            my $victim = $lanes[rand @lanes];

            if (defined $victim && kill 'KILL', $victim) {
                $kills{"a lane of $service"}++;
                breathe();
            }

            $worker->kill9();
            $kills{$service}++;
            $worker->start(wait => 0);
            breathe();
        }

        $cut += cut_off();
        breathe();
    } while (placed() < $wanted);

    # what died while it started is started again
    $_->wait_until_ready(60) for map { $system->worker($_) } @services;

    for my $service (@services) {
        ok($kills{$service} && $kills{"a lane of $service"},
           "$service was killed, supervisor and lane");
    }

    cmp_ok($cut, '>', 1, 'the broker cut off workers and gateways');
    $kills{connections} = $cut;

    return %kills;
}


# How many connections of the shop the broker closed; the test's own, which
# hears all events, stays.
sub cut_off {
    my $broker = $system->broker();
    my $cut = 0;

    for my $connection (@{ $broker->api('GET', '/api/connections') }) {
        next if ($connection->{vhost} // '') ne $system->vhost()
                || ($connection->{user} // 'guest') eq 'guest';

        my $name = $connection->{name}
                   =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger;

        $cut++ if eval { $broker->api('DELETE', "/api/connections/$name"); 1 };
    }

    return $cut;
}


# Until some more orders were taken, as far as they are.
sub breathe {
    my $before = placed();

    eval { wait_for(sub { placed() >= $before + 5 }, 1.5, 'more orders') };
}


sub placed {
    return $system->psql('orders', 'select count(*) from orders');
}


# A client places order after order, says some twice and cancels some.
sub client {
    my ($n) = @_;

    my $pid = fork() // die "fork: $!\n";
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM);
    srand($seed + $n);

    open my $log, '>', "$dir/$n.part" or _exit(1);

    for (my $i = 1; !-f "$dir/end"; $i++) {
        my $token = $tokens[rand @tokens];
        my @send = ('/orders', {
            payment_method => $token,
            lines => [map { { product_id => $products[rand @products],
                              quantity => 1 + int rand 3 } }
                      1 .. 1 + int rand 3]
        }, "client-$n-order-$i");
        my $answer = send_until($n, @send);
        my $id = $answer->{json}{id} // $answer->{body};
        my $cancelled = '-';

        if (rand() < 0.2) {
            my $again = send_until($n, @send);
            $id .= ' and another' if ($again->{json}{id} // '') ne $id;
        }

        if (rand() < 0.2 && $answer->{status} == 201) {
            $cancelled = send_until($n, "/orders/$id/cancel", undef)->{status};
        }

        print $log "$answer->{status} $token $cancelled $id\n";

        # as people do
        select undef, undef, undef, rand 0.15;
    }

    close $log;
    rename "$dir/$n.part", "$dir/$n";
    _exit(0);
}


# What may or may not have happened is sent again.
sub send_until {
    my ($n, $path, $body, $key) = @_;

    my $deadline = time() + 120;
    my $answer = { status => 0, body => 'no answer' };

    while (time() < $deadline) {
        $answer = eval {
            $system->post($path, $body,
                          authorization => $people[$n - 1]{token},
                          $key ? ('idempotency-key' => $key) : ());
        } // { status => 0, body => "$@" };

        last if $answer->{status} !~ /^(?:0|429|502|503|504)$/
                && !($answer->{status} == 409 && $key);

        select undef, undef, undef, 0.05 + rand 0.1;
    }

    return $answer;
}


# What clients were told: id => [status, token, what cancelling was answered].
sub said {
    my (%said, @failed);

    for my $n (1 .. $clients) {
        for my $line (split /\n/, slurp("$dir/$n")) {
            my ($status, $token, $cancelled, $id) = split / /, $line, 4;

            push @failed, $line
                if $status != 201 || $said{$id}
                   || $id !~ /\A[0-9a-f-]{36}\z/
                   || $cancelled !~ /^(?:-|200|409)$/;
            $said{$id} = [$status, $token, $cancelled];
        }
    }

    is(join("\n", @failed), '', 'every order was taken, and each once');
    cmp_ok(scalar keys %said, '>=', $wanted, 'there were orders enough');

    return %said;
}


# Nothing is under way any more.
sub quiet {
    my %open = (
        orders => "orders where status not in ('confirmed', 'cancelled')",
        payments => "payments where state = 'capturing'",
        catalog => "reservations where state in ('held', 'releasing',"
                   . " 'selling')"
    );
    my $left;
    my $calm = 0;

    eval {
        wait_for(sub {
            my @left = map { my $n = $system->psql(
                                 $_, "select count(*) from $open{$_}");
                             $n ? "$n $open{$_}" : () } sort keys %open;

            push @left, 'refunds' if $system->psql(
                'payments',
                "select count(*) from refunds where state = 'refunding'"
            );
            push @left, map { my $n = $system->psql(
                                  $_, 'select count(*) from outbox');
                              $n ? "$n in the outbox of $_" : () }
                        @Warren::System::SERVICES;
            push @left, map { "$_->{messages} $_->{name}" }
                        grep { $_->{messages} && $_->{name} !~ /^amq/ }
                        @{ $system->broker()->api(
                            'GET', '/api/queues/' . $system->vhost()
                        ) };

            $left = join ', ', @left;
            $calm = $left eq '' ? $calm + 1 : 0;
            # statistics of queues lag a moment
            $calm >= 15;
        }, 240, 'quiet');
    };
    is($left, '', 'in the end all is quiet');
}


sub stored {
    my %stored = map { my ($id, @rest) = split /\|/, $_, -1; $id => \@rest }
                 split /\n/, $system->psql('orders', "select id, status,"
                                           . " coalesce(reason, '')"
                                           . ' from orders');

    is_deeply([sort keys %stored], [sort keys %said],
              'orders that clients know of are stored, and no others');

    my @wrong;

    for my $id (keys %said) {
        my ($status, $reason) = @{ $stored{$id} // ['', ''] };
        my (undef, $token, $cancelled) = @{ $said{$id} };

        push @wrong, "$id was cancelled and is $status $reason"
            if $cancelled eq '200' && "$status $reason" ne
                                      'cancelled requested';
        push @wrong, "$id is $status with $token"
            if $token =~ /declined|expired|error/ && $status eq 'confirmed';
        push @wrong, "$id is declined with $token"
            if $token !~ /declined|expired|error/
               && $reason eq 'payment_declined';
    }

    is(join("\n", @wrong), '', 'and are what clients were told');
}


# What is put wrong afterwards is seen.
sub blind {
    my $confirmed = $system->psql('orders', "select id from orders where"
                                  . " status = 'confirmed' limit 1");
    my $one = "(select id from notifications where data->>'order_id' ="
              . " '$confirmed' and kind = 'order.confirmed')";
    my @lost = grep { "$_->{subject} $_->{type}"
                      ne "$confirmed payment.captured" } @events;

    $system->psql('notifications', "delete from notifications where id = $one");
    $system->psql('catalog', "update stock set available = available - 1"
                             . " where product_id = 'cold'");
    $system->psql('payments', 'update payments set amount_cents = amount_cents'
                              . " + 1 where order_id = '$confirmed'");

    my $said = join "\n", Storm::wrong($system, \@lost);

    like($said, qr/^\Q$_\E$/m, "$_ is seen") for (
        "$confirmed: notified of: order.confirmed 0 times",
        "$confirmed: the event: payment.captured 0 times"
    );
    like($said, qr/^$confirmed: is confirmed, \d+ of \d+ are paid$/m,
         'money that is not that of an order is seen');
    like($said, qr/^cold: \d+ are gone, \d+ sold$/m,
         'pieces that were not sold are seen');
}


sub audits {
    for my $service (@Warren::System::SERVICES) {
        my $uri = $system->worker($service)->database();

        is($system->postgresql()->audit(
               $service, $system->postgresql()->admin_uri($uri)
           ), '', "$service: the audit finds nothing");
    }
}
