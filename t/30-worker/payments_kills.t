# Copyright (C) the Warren authors
#
# Lanes and supervisors die at every step around the provider, which misbehaves
# meanwhile: what it took and paid back is what the table says, once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use List::Util qw(shuffle);
use Test::More;

use Payments;
use Provider;
use Warren::Caller;
use Warren::Test;
use Warren::Test qw(wait_for);

my $seed = $ENV{WARREN_DEBUG_SEED} // int rand 1000000;
srand $seed;
diag("WARREN_DEBUG_SEED=$seed");

my $provider = Provider->new();
my $payments = Payments->new(
    settings => {
        lanes => 3, batch => 8, 'provider.timeout' => '1s',
        'capture.attempts' => 4,
        'capture.last_look' => '20s',
        $provider->settings()
    },
    environment => {
        WARREN_DEBUG_SEED => $seed,
        WARREN_DEBUG_KILL => 'after_take:1/60,after_gather:1/60,'
            . 'before_commit:1/25,after_send:1/25,after_commit:1/40,'
            . 'after_ack:1/60,after_publish:1/60,after_confirm:1/60'
    },
    allow => [qr/./]
);

my @tokens = qw(
    tok_x c:declined c:fails c:hangs c:done_hangs c:done_drops c:done_garbage
    c:pending c:done_slow tok_r:fails tok_r:done_drops tok_r:hangs
);
my %token;
my %cancelled;

for my $n (1 .. 96) {
    my $order = Warren::Caller::uuid();
    my $token = $tokens[$n % @tokens];
    my @events = (
        sub { $payments->place($token, order => $order, cents => 100 + $n) },
        sub { $payments->reserve($order) }
    );

    $token{$order} = $token;

    if ($n % 5 == 0) {
        $cancelled{$order} = 1;
        push @events, sub { $payments->cancel($order) };
    }

    $_->() for shuffle @events;

    # what is asked for meanwhile may be lost with its caller
    if ($n % 8 == 3) {
        eval { $payments->refund($order, 10, seconds => 2) };
    }

    $payments->worker()->kill9() if $n == 48;
    $payments->worker()->start(wait => 0) if $n == 48;
}

my $worker = $payments->worker();
my ($kills) = scalar(() = $worker->log() =~ /killed itself|SIGKILL|signal 9/g);

# and in the end in peace
$worker->kill9();
delete $worker->{environment}{WARREN_DEBUG_KILL};
$worker->start(seconds => 60);
wait_for(sub {
    $payments->sql('select count(*) from dead_letter') == 0
        and $payments->sql("select count(*) from payments where state in"
                           . " ('waiting', 'capturing')"
                           . " or next_at is not null") == 0
}, 240, 'every order to be paid, declined or cancelled, and looked at again');
$payments->settle();
$payments->listen();

cmp_ok($kills, '>', 0, "$kills lanes have died");
is($payments->sql('select count(*) from payments'), scalar keys %token,
   'every order is there');
is($payments->sql('select count(*) from dead_letter'), 0, 'nobody is dead');

sub sum { return $payments->sql("select coalesce(sum($_[0]), 0) from $_[1]") }

is($provider->sum('charges'),
   sum('amount_cents', "payments where state = 'captured'"),
   'what the provider took is what was captured');
is($provider->sum('refunds'),
   sum('amount_cents', "refunds where state = 'refunded'"),
   'what it paid back is what was refunded');
is($provider->sum('refunds'), sum('refunded_cents', 'payments'),
   'and what payments count');

my (%wrong, %heard);

for my $order (keys %token) {
    my $row = $payments->sql("select state, amount_cents, refunded_cents,"
                             . " version from payments where order_id ="
                             . " '$order'");
    my ($state, $amount, $refunded, $version) = split /\|/, $row;
    my @events = @{ $payments->{heard}{$order} // [] };
    my %count;

    $count{ $_->{type} }++ for @events;
    my $paid_back = 0;
    $paid_back += $_->{data}{amount_cents}
        for grep { $_->{type} eq 'payment.refunded' } @events;

    $wrong{"$order is cancelled and $row"} = 1
        if $cancelled{$order} && $state eq 'captured' && $refunded != $amount;
    $wrong{"$order is $row"} = 1
        if !$cancelled{$order}
           && $state ne ($token{$order} eq 'c:declined' ? 'declined'
                                                        : 'captured');
    $wrong{"$order: captured $state"} = 1
        if ($count{'payment.captured'} // 0) != ($state eq 'captured');
    $wrong{"$order: declined $state"} = 1
        if ($count{'payment.declined'} // 0) != ($state eq 'declined');
    $wrong{"$order: refunded $paid_back of $refunded"} = 1
        if $paid_back != $refunded;
    $wrong{"$order: versions"} = 1
        if join(' ', sort { $a <=> $b } map { $_->{aggregateversion} } @events)
           ne join(' ', 1 .. $version);
}

is(join("\n", sort keys %wrong), '',
   'each order is as it should be, and each fact was announced once');

done_testing();
