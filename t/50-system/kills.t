# Copyright (C) the Warren authors
#
# Orders, events and commands while lanes kill themselves at random steps and
# supervisors are killed: in the end every message is accounted for.
#
# KILLS (50) is how many, KILLS_SEED makes a run's chances once more.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use POSIX qw(_exit);
use Test::More;
use Time::HiRes qw(time);

use Echo;
use Warren::System;
use Warren::Test;

my $wanted = $ENV{KILLS} // 50;
my $seed = $ENV{KILLS_SEED} // 1 + int rand 1_000_000;
my $clients = 6;

# a supervisor dies after so many lanes
my $lanes_per_supervisor = 12;

# where few pass by, more of them die
my $steps = 'any:1/160,after_sweep:1/12,before_rung:1/3,after_rung:1/3,'
            . 'before_delete:1/8,before_consume:1/12,draining:1/8';

srand($seed);
diag("KILLS=$wanted KILLS_SEED=$seed");

my $system = Warren::System->new(settings => {
    users => { lanes => 2 }, orders => {
        lanes => 3, 'reservation.timeout' => '30d', 'payment.timeout' => '30d'
    },
    notifications => { lanes => 2 },
    catalog => { lanes => 2, 'reservation.lifetime' => '30d' }
})->start();
my $echo = Echo->new(settings => { lanes => 2 })->start();

my %worker = (map({ $_ => $system->worker($_) } @Warren::System::SERVICES),
              echo => $echo->worker());
my @names = sort keys %worker;

my $dir = tempdir('clients');
my @tokens = map { ($system->person("client$_"))[1] } 1 .. $clients;

my (%read, %by_step, @notes, %calls);
my ($kills, $supervisors, $writes) = (0, 0, 0);

my $start = time();

shelve();
trouble();
my @pids = map { client($_) } 1 .. $clients;
load() while $kills < $wanted;
spew("$dir/end", '');
peace();

diag(sprintf '%d kills in %.0f s, %d of supervisors; %s', $kills,
     time() - $start, $supervisors,
     join ', ', map { "$_ $by_step{$_}" } sort keys %by_step);
cmp_ok(scalar keys %by_step, '>=', 8, 'lanes died at many steps');
# several lanes may have died since one last looked
cmp_ok($supervisors, '>=', int($wanted / $lanes_per_supervisor / 2),
       'and supervisors, too');

orders();
events();
stock();
commands();
nothing_left($_) for @names;

done_testing();


sub sql {
    my ($name, $sql) = @_;

    return $name eq 'echo' ? $echo->sql($sql) : $system->psql($name, $sql);
}


# All workers once more, with lanes that die.
sub trouble {
    for my $name (@names) {
        $worker{$name}->stop();
        arm($name);
        $worker{$name}->start(wait => 0);
        $read{$name} = length $worker{$name}->log();
    }
}


sub arm {
    my ($name) = @_;

    $worker{$name}{environment} = {
        WARREN_DEBUG_KILL => $steps,
        WARREN_DEBUG_SEED => 1 + ($seed + $supervisors * 7919) % 1_000_000
    };
}


# Commands and calls for echo; then what has died meanwhile is counted, and
# now and then a supervisor dies.
sub load {
    push @notes, map { $echo->command('note', qq({"text":"note $_"})) } 1 .. 4;

    my $id = 'write-' . ++$writes;
    $calls{$id} = Echo::uuid();
    $echo->ask('write', qq({"id":"$id","text":"x"}), id => $calls{$id},
               ms => 30000);

    count_kills();

    if ($kills / $lanes_per_supervisor > $supervisors + 1) {
        my $name = $names[rand @names];

        $supervisors++;
        $worker{$name}->kill9();
        arm($name);
        $worker{$name}->start(wait => 0);
    }

    # as fast as kills come, without a haste of its own
    my $before = $kills;
    eval { wait_for(sub { count_kills() > $before }, 0.2, 'a kill') };
}


sub count_kills {
    for my $name (@names) {
        open my $log, '<:raw', $worker{$name}->log_path() or next;
        seek $log, $read{$name}, 0;

        while (my $line = <$log>) {
            last if $line !~ /\n\z/;
            $read{$name} += length $line;

            if ($line =~ /"debug: killed at (\w+)"/) {
                $by_step{$1}++;
                $kills++;
            }
        }
    }

    return $kills;
}


# Workers that nobody kills, and clients that come to their end.
sub peace {
    $_->stop() for values %worker;
    count_kills();

    for my $name (@names) {
        # nobody is left who would publish these himself
        sql($name, 'update outbox set due_at = now()');
        $worker{$name}{environment} = {};
        $worker{$name}->start(wait => 0);
    }

    $_->wait_until_ready(60) for values %worker;
    wait_for(sub { !grep { !-f "$dir/$_" } 1 .. $clients }, 120,
             'the clients');
}


# A client places order after order, each with a key of its own; what may or
# may not have happened it sends again.
sub client {
    my ($n) = @_;

    my $pid = fork() // die "fork: $!\n";
    return $pid if $pid;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM);
    srand($seed + $n);

    open my $log, '>', "$dir/$n.part" or _exit(1);

    for (my $order = 1; !-f "$dir/end"; $order++) {
        my $answer = place($n, $order);
        print $log "$answer->{status} ",
                   $answer->{json}{id} // $answer->{body}, "\n";

        # as people do
        select undef, undef, undef, rand 0.1;
    }

    close $log;
    rename "$dir/$n.part", "$dir/$n";
    _exit(0);
}


sub place {
    my ($n, $order) = @_;

    my $deadline = time() + 90;
    my $answer = { status => 0, body => 'no answer' };

    while (time() < $deadline) {
        $answer = eval {
            $system->post(
                '/orders',
                {
                    payment_method => 'tok_success', lines => [{
                        product_id => "tea-$order", quantity => 1
                    }]
                },
                authorization => "Bearer $tokens[$n - 1]",
                'idempotency-key' => "client-$n-order-$order"
            );
        } // { status => 0, body => "$@" };

        # 409: the first request with this key is still running
        last if $answer->{status} !~ /^(?:0|409|502|503|504)$/;

        # a moment, as Retry-After asks for
        select undef, undef, undef, 0.05 + rand 0.1;
    }

    return $answer;
}


sub orders {
    my (%confirmed, @failed);

    for my $n (1 .. $clients) {
        for my $line (split /\n/, slurp("$dir/$n")) {
            my ($status, $id) = split / /, $line;
            $status == 201 ? $confirmed{$id}++ : push @failed, $line;
        }
    }

    is(join("\n", @failed), '', 'every order was placed in the end');

    my $count = keys %confirmed;
    diag("orders: $count, commands: " . @notes . ", calls: $writes");

    is(scalar(grep { $_ != 1 } values %confirmed), 0,
       'each confirmation is of an order of its own');
    is(sql('orders', 'select id from orders order by id'),
       join("\n", sort keys %confirmed),
       'every order that was confirmed is stored exactly once, and no other');
    is(sql('orders', 'select count(*) from orders where 1 <> (select count(*)'
                     . ' from order_lines where order_id = orders.id)'), 0,
       'with its lines');
    is(sql('orders', 'select count(*) from inbox where status <> 201'), 0,
       'no call was taken without an effect');
    is(sql('orders', 'select count(*) from inbox where status = 201'), $count,
       'and each effect has its row in the inbox');
}


# What waits on a rung comes in its own time.
sub events {
    my $count = sql('orders', 'select count(*) from orders');

    wait_for(sub {
        sql('notifications', "select count(*) from notifications"
                             . " where kind = 'order.placed'") >= $count
    }, 120, "$count notifications");

    is(sql('notifications', "select data->>'order_id' from notifications"
                            . " where kind = 'order.placed' order by 1"),
       sql('orders', 'select id from orders order by id::text'),
       'each order has exactly one notification');
    is(sql('notifications', 'select (select count(*) from inbox)'
                            . ' - (select count(*) from notifications)'), 0,
       'no event was taken without an effect');
}


# Nearly all orders are of these: some are served, the others are not.
sub shelve {
    sql('catalog', <<'SQL');
insert into products (id, place, name, description, category, price_cents,
    currency, created_at, updated_at)
select 'tea-' || n, gen_random_uuid(), 'Tea', '', 'tea', n, 'EUR', now(), now()
from generate_series(1, 2000) as n;
insert into stock (product_id, available)
select id, 2 from products;
SQL
}


# Each order came to its end, and everybody knows the same one: what was paid is
# sold, and nothing else is gone.
sub stock {
    my $count = sql('orders', 'select count(*) from orders');
    my $confirmed = "select id from orders where status = 'confirmed'"
                    . ' order by 1';

    wait_for(sub {
        sql('orders', "select count(*) from orders where status in"
                      . " ('placed', 'reserved', 'paid')") == 0
            && sql('catalog', 'select count(*) from reservations where state'
                              . " in ('held', 'selling', 'releasing')") == 0
    }, 180, 'the end of each order');

    is(sql('catalog', 'select order_id from reservations order by 1'),
       sql('orders', 'select id from orders order by 1'),
       'each order was decided exactly once');
    is(sql('catalog', "select order_id from reservations where state = 'sold'"
                      . ' order by 1'), sql('orders', $confirmed),
       'what was confirmed is sold');
    is(sql('payments', "select order_id from payments where state = 'captured'"
                       . ' order by 1'), sql('orders', $confirmed),
       'and paid, and nothing else is');
    is(sql('orders', "select count(*) from orders where status = 'cancelled'"
                     . " and reason <> 'out_of_stock'"), 0,
       'others were cancelled since there was too little');
    is(sql('orders', 'select count(*), sum(version - 1) = (select count(*) from'
                     . ' order_history) from orders'), "$count|t",
       'no step of an order is missing in its history');
    is(sql('catalog', 'select sum(reserved), sum(available) + (select count(*)'
                      . " from reservations where state = 'sold') from stock"),
       '0|4000', 'and no piece is lost or made');
}


# A call may be lost with its deadline; what has acted has announced it once.
sub commands {
    my $seen = "select count(*) from echo_seen where id like 'write-%'"
               . ' and times = 1';

    wait_for(sub {
        sql('echo', "select count(*) from echo where text like 'note %'")
            >= @notes
    }, 120, scalar(@notes) . ' commands');
    is(sql('echo', "select id from echo where text like 'note %' order by 1"),
       join("\n", sort @notes), 'each command acted exactly once');

    my $written = sql('echo', "select count(*) from echo where id like"
                              . " 'write-%'");
    wait_for(sub { sql('echo', $seen) == $written }, 120, 'the events');
    is(sql('echo', 'select count(*) from echo_seen'), $written,
       'each call that acted has told so exactly once');
    is(sql('echo', 'select count(*) from inbox where status = 201'), $written,
       'and has its row in the inbox');
    is(sql('echo', 'select count(*) from inbox'), @notes + 2 * $written,
       'as have commands and events');
}


sub nothing_left {
    my ($name) = @_;

    my $broker = $system->broker();
    my $vhost = $name eq 'echo' ? $echo->vhost() : $system->vhost();

    ok(wait_for(sub { sql($name, 'select count(*) from outbox') == 0 }, 60,
                "an empty outbox of $name"), "$name: the outbox is empty");
    is(sql($name, 'select count(*) from dead_letter'), 0,
       "$name: nobody was buried");
    is(sql($name, 'select count(*) from crash where crashes > pending'), 0,
       "$name: and nobody is blamed");

    my $left = '';
    ok(wait_for(sub {
        $left = join ' ', map { "$_->{name} $_->{messages}" }
                grep { $_->{name} =~ /\.\Q$name\E\b/ && $_->{messages} }
                @{ $broker->api('GET', "/api/queues/$vhost") };
        $left eq '';
    }, 60, "empty queues of $name"), "$name: all queues are empty")
        or diag($left);
}
