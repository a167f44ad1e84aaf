# Copyright (C) the Warren authors
#
# What becomes of an order, whatever is told of it, in whatever order, however
# often: the worker is held against the table of the saga as it stands here.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Orders;
use Warren::AMQP;
use Warren::Caller;
use Warren::PostgreSQL;
use Warren::Test;

my $total = 900;
my $person = Warren::Caller::uuid();
my %payment = (payment_id => Warren::Caller::uuid(), user_id => $person,
               amount_cents => $total, currency => 'EUR');

# event or deed => { status before => status after (reason) }
my %saga = (
    reserved => { placed => 'reserved', paid => 'confirmed' },
    captured => { placed => 'paid', reserved => 'confirmed' },
    rejected => { map({ $_ => 'cancelled(out_of_stock)' }
                      qw(placed reserved paid confirmed)) },
    expired => { map({ $_ => 'cancelled(timeout)' } qw(placed reserved paid)),
                 confirmed => 'cancelled(out_of_stock)' },
    released => { confirmed => 'cancelled(out_of_stock)' },
    declined => { map({ $_ => 'cancelled(payment_declined)' }
                      qw(placed reserved)) },
    refunded => {},
    cancel => { map({ $_ => 'cancelled(requested)' }
                    qw(placed reserved paid)) },
    timeout => { map({ $_ => 'cancelled(timeout)' }
                     qw(placed reserved paid)) },
);

# what is told: type, aggregateversion, data
my %event = (
    reserved => ['stock.reserved', 1,
                 { expires_at => '2026-11-23T12:15:00.000Z' }],
    rejected => ['stock.rejected', 1, { lines => [{
        product_id => 'tea', quantity => 2, available => undef
    }] }],
    expired => ['stock.released', 2, { reason => 'expired', lines => [] }],
    released => ['stock.released', 2, { reason => 'declined', lines => [] }],
    captured => ['payment.captured', 2, \%payment],
    declined => ['payment.declined', 2, { %payment, reason => 'declined' }],
    refunded => ['payment.refunded', 3, \%payment],
);

my $orders = Orders->new(settings => { lanes => 1 });
my $gateway = Warren::AMQP->connect(url => $orders->worker()->broker()->url(
    'gateway', $orders->worker()->vhost()
));

# ends that are not over: by what, and what is told of each in any order
my @branches = (
    [qw(reserved captured)], [qw(rejected)], [qw(reserved declined released)],
    [qw(reserved captured expired)], [qw(reserved captured refunded)],
    [qw(captured rejected refunded)], [qw(reserved captured expired refunded)],
);
my @deeds = (
    [qw(reserved cancel)], [qw(reserved captured cancel)],
    [qw(reserved timeout)], [qw(reserved captured timeout)],
    [qw(rejected cancel)], [qw(reserved declined timeout)],
);

model();
in_turn();
at_once();
by_several();
person();
payments();
strangers();
timeouts();
bad_events();
settings();

done_testing();


# The table itself: whatever happens, an order ends, and once.
sub model {
    for my $branch (@branches, @deeds) {
        my %ends = map { (play(@$_))[0] => 1 } permutations(@$branch);
        is(join(' ', grep { !/^(?:confirmed|cancelled)/ } sort keys %ends), '',
           "@$branch: an end in any order");
    }
}


# What the table says of a sequence: status, history, what is announced.
sub play {
    my @told = @_;
    my ($status, %known, @history, @events) = ('placed');

    for my $what (@told) {
        my ($type) = @{ $event{$what} // [] };

        next if $type && $known{$what}++;
        push @history, $type if $type;

        my $next = $saga{$what}{ $status =~ s/\(.*//r } // next;
        my ($word, $reason) = $next =~ /^(\w+)(?:\((\w+)\))?/;

        if ($word =~ /^c/) {
            push @history, "order.$word";
            push @events, ($status eq 'confirmed' ? 3 : 2) . " order.$word"
                          . (defined $reason ? " $reason" : '');
        }

        $status = $next;
    }

    return ($status, join(' ', @history), join(', ', @events));
}


sub permutations {
    my @items = @_;

    return [] if !@items;

    my (@all, %seen);

    for my $i (0 .. $#items) {
        next if $seen{ $items[$i] }++;
        my @rest = @items;
        my ($first) = splice @rest, $i, 1;
        push @all, map { [$first, @$_] } permutations(@rest);
    }

    return @all;
}


# With each told twice, if they are few; else with one of them told again.
sub doubled {
    my @items = @_;

    return permutations(@items, @items) if @items <= 3;

    return map {
        my $one = $_;
        map { [@$one, $one->[$_]] } 0 .. $#$one
    } permutations(@items);
}


# Orders, as many as wanted, that nothing happened to.
sub place {
    my ($count) = @_;

    my @orders = map { Warren::Caller::uuid() } 1 .. $count;

    $orders->sql('insert into orders (id, user_id, currency, total_cents,'
                 . ' created_at, due_at) values '
                 . join(', ', map {
                       "('$_', '$person', 'EUR', $total, now(),"
                       . " now() + interval '1 day')"
                   } @orders)
                 . '; insert into order_lines (order_id, position, product_id,'
                 . ' quantity, unit_price_cents) values '
                 . join(', ', map { "('$_', 1, 'tea', 2, 450)" } @orders));

    return @orders;
}


# Tells an order what there is to tell; again by the same message, or another.
sub news {
    my ($order, $what, $ids) = @_;

    my ($type, $version, $data) = @{ $event{$what} };
    my $id = $ids->{$order}{$what};

    $id = undef if defined $id && rand 2 < 1;
    $ids->{$order}{$what} = $orders->announce(
        $type, $order, version => $version, data => $data, id => $id,
        no_wait => 1
    );
}


sub cancel {
    my ($order, %option) = @_;

    return $orders->call('cancel_order', args => { id => $order },
                         sub => $person, scope => 'orders:write', %option);
}


sub expire {
    my $id = Warren::Caller::uuid();

    $gateway->publish('commands', 'orders', '{}', type => 'expire_orders',
                      message_id => $id, delivery_mode => 2,
                      user_id => 'gateway', timestamp => int(time()),
                      content_type => 'application/json');
    push @{ $orders->{sent} }, $id;
}


# One step after the other, events and deeds.
sub in_turn {
    my @told = map { (permutations(@$_), @$_ < 3 ? doubled(@$_) : ()) } @deeds;
    my @orders = place(scalar @told);
    my %ids;

    for my $step (0 .. 3) {
        for my $i (0 .. $#told) {
            my $what = $told[$i][$step] // next;

            if ($what eq 'cancel') {
                cancel($orders[$i]);

            } elsif ($what eq 'timeout') {
                $orders->sql("update orders set due_at = now() - interval '1s'"
                             . " where id = '$orders[$i]' and due_at is not"
                             . ' null');

            } else {
                news($orders[$i], $what, \%ids);
            }
        }

        expire();
        $orders->settle();
    }

    audit();

    compare('deeds', \@told, \@orders);
}


# All that there is to tell of an order in one go, which makes a batch of it.
sub at_once {
    my @told = map { (permutations(@$_), doubled(@$_)) } @branches;
    my @orders = place(scalar @told);
    my %ids;

    for my $i (0 .. $#told) {
        news($orders[$i], $_, \%ids) for @{ $told[$i] };
    }

    $orders->settle();
    compare('events', \@told, \@orders);
    audit();
}


sub audit {
    my $postgresql = Warren::PostgreSQL->shared();

    is($postgresql->audit('orders', $postgresql->admin_uri(
        $orders->worker()->database()
    )), '', 'and an audit finds nothing');
}


sub compare {
    my ($name, $told, $placed) = @_;

    my $rows = $orders->sql(<<'SQL');
select o.id, status || coalesce('(' || reason || ')', ''), o.version,
    string_agg(h.what, ' ' order by h.version),
    string_agg(h.version::text, ' ' order by h.version)
from orders as o left join order_history as h on h.order_id = o.id
group by o.id
SQL
    my %found = map { my @row = split /\|/, $_, -1; $row[0] => \@row }
                split /\n/, $rows;
    my $heard = $orders->listen();
    my (@wrong, %seen);

    for my $i (0 .. $#$told) {
        my ($id, $status, $version, $history, $versions)
            = @{ $found{ $placed->[$i] } };
        my @expected = play(@{ $told->[$i] });
        my @events = map {
            join ' ', $_->{aggregateversion}, $_->{type},
                      $_->{data}{reason} // ()
        } @{ $heard->{ $placed->[$i] } // [] };

        $seen{$status}++;
        push @wrong, "@{ $told->[$i] }: $status, $history, @events"
            if $status ne $expected[0] || $history ne $expected[1]
               || join(', ', @events) ne $expected[2]
               || $versions ne join ' ', 2 .. $version;
    }

    is(join("\n", @wrong), '', "$name: " . @$told
       . ' sequences end as the table says');
    diag("$name: ", join ', ', map { "$_ $seen{$_}" } sort keys %seen);
}


# Several lanes know no order: but each end is one that the table knows, and
# what was announced is what the order is.
sub by_several {
    $orders->worker()->restart(lanes => 4);

    my @told = map { my $one = $_; map { $one } 1 .. 40 } @branches;
    my @orders = place(scalar @told);
    my %ids;

    for my $step (0 .. 7) {
        for my $i (0 .. $#told) {
            my @events = @{ $told[$i] };
            news($orders[$i], $events[$step % @events], \%ids)
                if $step < 2 * @events;
        }
    }

    $orders->settle();

    my $heard = $orders->listen();
    my %found = map { split /\|/ } split /\n/, $orders->sql(
        "select id, status || coalesce('(' || reason || ')', '') from orders"
    );
    my @wrong;

    for my $i (0 .. $#told) {
        my %ends = map { my @end = play(@$_); "$end[0]: $end[2]" => 1 }
                   permutations(@{ $told[$i] });
        my $events = join ', ', sort map {
            join ' ', $_->{aggregateversion}, $_->{type},
                      $_->{data}{reason} // ()
        } @{ $heard->{ $orders[$i] } // [] };
        my $end = "$found{ $orders[$i] }: $events";

        push @wrong, "@{ $told[$i] }: $end" if !$ends{$end};
    }

    is(join("\n", @wrong), '', 'in several lanes, every end is one of those');
    is($orders->sql('select count(*) from orders as o where version <> 1 +'
                    . ' (select count(*) from order_history where order_id ='
                    . ' o.id)'), 0, 'and no entry of a history is missing');
    audit();
    $orders->worker()->restart(lanes => 1);
}


# What people see and do.
sub person {
    my ($id, $other) = place(2);
    my $history = sub {
        return $orders->call('get_history', args => { id => $id },
                             sub => $_[0] // $person);
    };

    is_deeply([map { [@$_{qw(version what detail)}] }
               @{ $history->()->{json}{history} }],
              [[1, 'order.placed', {}]], 'an order has a history');

    news($id, 'reserved', {});
    $orders->settle();

    my $answer = cancel($id);
    is($answer->{status}, 200, 'people cancel an order')
        or diag($answer->{body});
    is_deeply($answer->{json}, {
        id => $id, user_id => $person, status => 'cancelled',
        reason => 'requested', total_cents => $total, currency => 'EUR'
    }, 'and see what it is now');
    is_deeply($orders->heard($id)->[0]{data}, {
        id => $id, user_id => $person, total_cents => $total,
        currency => 'EUR', reason => 'requested'
    }, 'which is announced');

    $answer = $history->();
    is_deeply([map { [@$_{qw(version what detail)}] }
               @{ $answer->{json}{history} }],
              [[1, 'order.placed', {}],
               [2, 'stock.reserved',
                { expires_at => '2026-11-23T12:15:00.000Z' }],
               [3, 'order.cancelled', { reason => 'requested' }]],
              'and read what happened to it') or diag($answer->{body});
    like($answer->{json}{history}[2]{at}, qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/,
         'and when');

    $answer = cancel($id);
    is($answer->{status}, 409, 'what is cancelled is not cancelled again');
    is($answer->{json}{detail}, 'the order is cancelled', 'as it says');

    my $key = Warren::Caller::uuid();
    is_deeply([map { cancel($other, id => $key)->{status} } 1, 2], [200, 200],
              'a call that comes twice is answered as it was');

    my ($done) = place(1);
    news($done, $_, {}) for qw(reserved captured);
    $orders->settle();
    $answer = cancel($done);
    is($answer->{status}, 409, 'what is confirmed is not cancelled');
    is($answer->{json}{detail}, 'the order is confirmed', 'as it says');

    $answer = $orders->call('get_order', args => { id => $id },
                            sub => $person);
    is_deeply([@{ $answer->{json} }{qw(status reason)}],
              ['cancelled', 'requested'], 'an order tells what it is');

    for my $case (['confirmed', $done], ['cancelled', $other, $id]) {
        my ($status, @ids) = @$case;
        my %listed = map { $_->{id} => $_->{status} } @{
            $orders->call('list_orders', sub => $person, args => {
                status => $status, limit => 100
            })->{json}{orders}
        };

        is(join(' ', map { $listed{$_} // '' } @ids),
           join(' ', map { $status } @ids), "a list of what is $status");
        is(join(' ', grep { $_ ne $status } values %listed), '',
           'has nothing else');
    }

    is($orders->call('list_orders', sub => $person, args => {
        status => 'lost'
    })->{status}, 400, 'a status that there is not is refused');
    is($orders->call('list_orders', sub => $person, args => {
        status => ''
    })->{status}, 200, 'an empty one asks for nothing');
}


# What is paid is what the order costs.
sub payments {
    my ($id) = place(1);
    my $dead = $orders->sql('select count(*) from dead_letter');

    news($id, 'reserved', {});
    $orders->announce('payment.captured', $id, data => {
        %payment, amount_cents => $total - 1
    });
    $orders->announce('payment.captured', $id, data => {
        %payment, currency => 'USD'
    });
    is($orders->status($id), 'reserved',
       'a payment of less does not confirm an order');
    is($orders->sql('select count(*) from dead_letter'), $dead + 2,
       'and is a dead letter');
    is($orders->sql("select version from orders where id = '$id'"), 2,
       'without a trace in the history');

    news($id, 'captured', {});
    is($orders->status($id), 'confirmed', 'one of all of it does');

    # two refunds of the same amount are two, each however often it is told
    $orders->announce('payment.refunded', $id, version => $_, data => {
        %payment, amount_cents => 100
    }) for 3, 4, 3, 4;
    is($orders->status($id), 'confirmed', 'a refund leaves it so');
    is($orders->sql("select count(*) from order_history where order_id = '$id'"
                    . " and what = 'payment.refunded'"), 2,
       'and each is noted once');
}


sub strangers {
    my ($id) = place(1);
    my $other = Warren::Caller::uuid();

    for my $case ([$other, $id, 404, "another's order"],
                  [$person, $other, 404, 'one that there is not'],
                  [$person, 'x', 404, 'one that cannot be'],
                  [$person, undef, 404, 'none'],
                  ['robot', $id, 404, 'an order, by what is no person,'],
                  [undef, $id, 401, 'an order, by nobody,'])
    {
        my ($sub, $order, $status, $what) = @$case;
        my @who = (sub => $sub, args => { defined $order ? (id => $order)
                                                         : () });

        is($orders->call('cancel_order', @who, scope => 'orders:write')
           ->{status}, $status, "$what is not cancelled");
        is($orders->call('get_history', @who)->{status}, $status,
           'nor its history read');
    }

    is(cancel($id, scope => 'orders:read')->{status}, 403,
       'without the scope nothing is cancelled');
    is($orders->status($id), 'placed', 'it is what it was');
}


# The worker's own clock, and more than one message has room for.
sub timeouts {
    $orders->worker()->restart('reservation.timeout' => '2s',
                               'payment.timeout' => '3s');
    $orders->product('tea', price_cents => 450);

    my ($left, $paid, $late) = map { $orders->place($person, { tea => 2 }) }
                               1 .. 3;

    news($_, 'reserved', {}) for $paid, $late;
    news($paid, 'captured', {});
    wait_for(sub {
        $orders->sql("select count(*) from orders where status = 'cancelled'"
                     . " and reason = 'timeout' and id in ('$left', '$late')")
            == 2
    }, 90, 'two timeouts');
    is($orders->status($paid), 'confirmed', 'what is over is left alone');
    is_deeply([map { $_->{type} } @{ $orders->heard($late) }],
              [qw(order.placed order.cancelled)],
              'what waits for too long is cancelled');
    is($orders->heard($late)->[1]{data}{reason}, 'timeout', 'for that reason');

    news($late, 'captured', {});
    is($orders->status($late), 'cancelled(timeout)', 'and stays so');

    my @many = place(450);
    $orders->sql("update orders set due_at = now() - interval '1s'"
                 . " where status = 'placed'");
    expire();
    wait_for(sub {
        $orders->sql("select count(*) from orders where status = 'placed'")
            == 0
    }, 90, 'hundreds of timeouts');
    is($orders->status($many[449]), 'cancelled(timeout)',
       'hundreds at once are');
    is($orders->sql('select count(*) from orders where due_at is not null'
                    . " and status in ('confirmed', 'cancelled')"), 0,
       'and what is over waits for nothing');

    my $plan = $orders->sql('set enable_seqscan = off; explain select id from'
                            . " orders where status in ('placed', 'reserved',"
                            . " 'paid') and due_at <= now() order by due_at"
                            . ' limit 200');
    like($plan, qr/Index Scan (?:using|on) orders_due_at_idx/,
         'those that wait have an index of their own');
}


sub bad_events {
    my ($id) = place(1);
    my $dead = $orders->sql('select count(*) from dead_letter');
    my @bad = (
        ['stock.reserved', { order_id => 'x' }],
        ['stock.reserved', { order_id => undef }],
        ['stock.reserved', { order_id => Warren::Caller::uuid() }],
        ['stock.reserved', { expires_at => 1 }],
        ['stock.rejected', {}],
        ['stock.rejected', { lines => [{ quantity => 1 }] }],
        ['stock.released', {}],
        ['payment.captured', { %payment, amount_cents => undef }],
        ['payment.captured', { %payment, currency => '' }],
        ['payment.declined', { %payment, payment_id => 5 }],
        ['payment.refunded', { %payment, amount_cents => -1 }],
    );

    for my $case (@bad) {
        $orders->announce($case->[0], $id, data => $case->[1]);
    }

    is($orders->status($id), 'placed',
       'events that are not what was promised change nothing');
    is($orders->sql('select count(*) from dead_letter'), $dead + @bad,
       'and are dead letters');
    is($orders->sql("select count(*) from order_history where order_id ="
                    . " '$id'"), 0, 'without a trace');
}


sub settings {
    my $worker = $orders->worker();

    for my $name ('reservation.timeout', 'payment.timeout') {
        for my $bad ('500ms', '31d') {
            $worker->stop();
            local $worker->{settings}{$name} = $bad;
            ok(!eval { $worker->start(); 1 }, "$name of $bad: does not start");
            like($worker->log(), qr/\Q$name\E is not within 1s and 30d/,
                 'and tells why');
            delete $worker->{pid};
        }
    }
}
