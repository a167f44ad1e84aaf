# Copyright (C) the Warren authors
#
# Refunds by whoever may: in parts, all at once, many at a time, and never more
# than was paid.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use POSIX qw(_exit);
use Test::More;

use Payments;
use Warren::Caller;
use Warren::Test;
use Warren::Test qw(slurp spew tempdir wait_for);

my $payments = Payments->new(settings => { lanes => 4 });

parts();
whole();
repeated();
refused();
crowd();

done_testing();


sub paid {
    my ($cents) = @_;

    my $order = $payments->pay('tok_success', cents => $cents);
    $payments->heard($order);

    return $order;
}


sub back {
    my ($order) = @_;

    return $payments->sql("select refunded_cents from payments"
                          . " where order_id = '$order'");
}


sub parts {
    my $user = Warren::Caller::uuid();
    my $order = $payments->pay('tok_success', cents => 1000, user => $user);

    $payments->heard($order);
    my $answer = $payments->refund($order, 300);
    is($answer->{status}, 202, 'a part is promised');
    is($answer->{json}{amount_cents}, 300, 'as it was asked for');
    is($answer->{json}{state}, 'refunding', 'and done by and by');

    my $event = $payments->heard($order, 2)->[1];
    is($event->{type}, 'payment.refunded', 'which is announced');
    is($event->{data}{amount_cents}, 300, 'with the amount');
    is($event->{data}{refund_id}, $answer->{json}{id}, 'and the refund');
    is($event->{data}{user_id}, $user, 'and the person');

    is($payments->refund($order, 701)->{status}, 409, 'no more than is left');
    is($payments->refund($order, 700)->{status}, 202, 'the rest may be');
    $payments->heard($order, 3);
    is($payments->refund($order, 1)->{status}, 409, 'and then nothing');
    is($payments->refund($order)->{status}, 409, 'whatever is asked for');

    $payments->cancel($order);
    is($payments->types($order),
       'payment.captured payment.refunded payment.refunded',
       'nor when the order is cancelled');

    $answer = $payments->call('get_payment', args => { id => $order },
                              sub => $user);
    is($answer->{json}{refunded_cents}, 1000, 'its owner sees it');
    is(join(' ', map { "$_->{amount_cents} $_->{state} $_->{cause}" }
                 @{ $answer->{json}{refunds} }),
       '300 refunded requested 700 refunded requested', 'one by one');
}


sub whole {
    my $order = paid(555);
    my $answer = $payments->refund($order);

    is($answer->{status}, 202, 'all of it may be asked for');
    is($answer->{json}{amount_cents}, 555, 'and is');

    $order = paid(555);
    $payments->refund($order, 5);
    is($payments->refund($order)->{json}{amount_cents}, 550,
       'or all that is left');

    $order = paid(555);
    $payments->refund($order, 55);
    $payments->cancel($order);
    $payments->heard($order, 3);
    is(back($order), 555, 'cancelled, all that is left is paid back');
}


sub repeated {
    my $order = paid(900);
    my $id = Warren::Caller::uuid();
    my @answers = map { $payments->refund($order, 400, id => $id) } 1 .. 3;

    is(join(' ', map { $_->{status} } @answers), '202 202 202',
       'a request that is sent again is answered again');
    is($answers[2]{body}, $answers[0]{body}, 'as it was');
    $payments->settle();
    is(back($order), 400, 'and done once');
}


sub refused {
    my $order = paid(100);
    my @bad = (
        [{ amount_cents => 0 }, 400], [{ amount_cents => -1 }, 400],
        [{ amount_cents => 1.5 }, 400], [{ amount_cents => '5' }, 400],
        [[], 400], ['{', 400], [{ amount_cents => 101 }, 409]
    );

    for my $case (@bad) {
        is($payments->refund($order, 0, body => $case->[0])->{status},
           $case->[1], "refused with $case->[1]");
    }

    is($payments->refund($order, 1, scope => 'payments:read')->{status}, 403,
       'who may not, is told so');
    is($payments->refund($order, 1, scope => 'xpayments:refund')->{status}, 403,
       'by any other name');
    is($payments->refund($order, 1, sub => undef)->{status}, 401,
       'nobody may not');
    is($payments->refund(Warren::Caller::uuid(), 1)->{status}, 404,
       'what is not there');
    is($payments->refund('x', 1)->{status}, 404, 'and cannot be');
    is($payments->refund($payments->place('tok_success'), 1)->{status} =~
       /\A40[49]\z/ ? 1 : 0, 1, 'or was not paid, is not paid back');

    $order = $payments->pay('tok_declined');
    $payments->heard($order);
    is($payments->refund($order, 1)->{status}, 409, 'nor what was declined');
    is($payments->sql("select count(*) from refunds as r join payments as p"
                      . " on p.id = r.payment_id where p.state <> 'captured'"),
       0, 'and no trace is left of it');
}


# Eight at a time, and the order cancelled between.
sub crowd {
    my $order = paid(1000);
    my $dir = tempdir('crowd');
    my @pids;

    for my $n (1 .. 8) {
        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            my $worker = $payments->worker();
            $payments->{caller} = Warren::Caller->new(
                broker => $worker->broker(), vhost => $worker->vhost()
            );
            my @statuses = map {
                $payments->refund($order, 30)->{status}
            } 1 .. 12;
            spew("$dir/$n", join "\n", @statuses);
            _exit(0);
        }

        push @pids, $pid;
    }

    wait_for(sub { back($order) > 300 }, 60, 'some of them');
    $payments->cancel($order);
    waitpid $_, 0 for @pids;
    $payments->settle();
    $payments->listen();

    my @statuses = map { split /\n/, slurp($_) } glob "$dir/*";
    is(scalar @statuses, 96, 'all are answered');
    is(scalar(grep { $_ != 202 && $_ != 409 } @statuses), 0, 'yes or no');
    is(back($order), 1000, 'what was paid is paid back, and no more');
    is($payments->sql(<<"SQL"), 1000, 'which is the sum of all refunds');
select sum(r.amount_cents)
from refunds as r
    join payments as p on p.id = r.payment_id
where p.order_id = '$order'
    and r.state = 'refunded'
SQL

    my $sum = 0;
    $sum += $_->{data}{amount_cents}
        for grep { $_->{type} eq 'payment.refunded' }
            @{ $payments->{heard}{$order} };
    is($sum, 1000, 'and of what was announced');
    is($payments->sql('select count(*) from dead_letter'), 0,
       'nobody is dead');
}
