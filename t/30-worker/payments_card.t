# Copyright (C) the Warren authors
#
# The number of a card is kept nowhere: not in a table, a dead letter or a log,
# however it is written and whatever is wrong with what it came in.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Payments;
use Warren::Caller;
use Warren::Test;
use Warren::Test qw(run_command slurp wait_for);

my $payments = Payments->new(settings => { lanes => 2 });

# numbers that are made for tests, of 12 to 19 digits
my @numbers = qw(
    4111111111111111 5555555555554444 378282246310005 30569309025904
    6011111111111117 4222222222222 501800000009 6304000000000000000
);
my @ways = (
    sub { $_[0] },
    sub { join ' ', $_[0] =~ /(\d{1,4})/g },
    sub { join '-', $_[0] =~ /(\d{1,4})/g },
    sub { join '.', $_[0] =~ /(\d{1,4})/g },
    sub { "card:$_[0]" },
    sub { "tok_$_[0]_12/27" },
    sub { "$_[0] 12 27 123" },
);

declined();
dead();
others();
nowhere();

done_testing();


# As payment_method of an order that is all right otherwise.
sub declined {
    my %reason;

    for my $number (@numbers) {
        for my $way (@ways) {
            my $order = $payments->pay($way->($number));
            my ($event) = @{ $payments->heard($order) };

            $reason{"$event->{type} $event->{data}{reason}"}++;
        }
    }

    is_deeply(\%reason, {
        'payment.declined invalid_method' => @numbers * @ways
    }, 'the number of a card pays nothing');
    is($payments->sql('select count(*) from payments'
                      . ' where payment_method is not null'), 0,
       'and is not kept');
}


# In what becomes a dead letter, handled or not.
sub dead {
    my $dead = $payments->sql('select count(*) from dead_letter');
    my $order = Warren::Caller::uuid();

    for my $number (@numbers[0 .. 3]) {
        my $spaced = join ' ', $number =~ /(\d{1,4})/g;
        my $escaped = join '', map { sprintf '\\u%04x', ord } split //, $number;

        $payments->announce('order.placed', $order, {
            id => 'x', payment_method => $number, total_cents => 1
        });
        $payments->announce('stock.reserved', $order, { order_id => $spaced });
        $payments->publish('order.placed', "{\"card\": \"$spaced\", ",
                           Warren::Caller::uuid());
        $payments->publish('order.cancelled', "{\"card\": \"$escaped\"}",
                           Warren::Caller::uuid());
        $payments->publish('order.cancelled', "card $number",
                           Warren::Caller::uuid());
        $dead += 5;
    }

    $payments->dead($dead);
    is($payments->sql('select count(*) from dead_letter'), $dead,
       'what cannot be understood is a dead letter');
    like($payments->sql("select convert_from(body, 'UTF8') from dead_letter"
                        . " where body like 'card%' limit 1"),
         qr/\Acard X+\z/, 'in which the number is struck out');
    is($payments->sql("select count(*) from dead_letter"
                      . " where convert_from(body, 'UTF8') like '%$order%'"), 8,
       'but nothing else, as the id of an order');
}


# Long numbers that are no card's.
sub others {
    for my $token ('tok_4111111111111112', '12345678901', '0' x 16,
                   '9' x 26, Warren::Caller::uuid(),
                   '00000000-0000-4000-8000-000000000000')
    {
        my $order = $payments->pay($token);

        $payments->heard($order);
        is($payments->sql("select payment_method from payments where order_id ="
                          . " '$order'"), $token, "$token is none of them");
    }
}


# All that there is, as text.
sub nowhere {
    my ($status, $dump) = run_command(command => [
        'pg_dump', '--inserts', '-d',
        Warren::PostgreSQL->shared()->admin_uri($payments->worker()->database())
    ]);
    is($status, 0, 'the database is dumped');

    # bodies are in hex there
    my $bodies = $payments->sql("select encode(body, 'escape')"
                                . ' from dead_letter');
    my %text = (
        'the database' => $dump, 'a dead letter' => $bodies,
        'the log' => $payments->worker()->log(),
        'an event' => join("\n", map { map { %{ $_->{data} } } @$_ }
                                 values %{ $payments->{heard} })
    );

    for my $where (sort keys %text) {
        my $plain = $text{$where} =~ s/(?<=\d)[ .-](?=\d)//gr;
        $plain =~ s/\\+u003(\d)/$1/g;

        is(join(' ', grep { index($plain, $_) >= 0 } @numbers), '',
           "$where has no number of a card");
    }
}
