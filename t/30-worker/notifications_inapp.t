# Copyright (C) the Warren authors
#
# What happens is told in the language of the person, kept, and pushed to who
# is looking right now.

use strict;
use warnings;
use utf8;

use lib 't/lib', 't/30-worker';

use JSON::PP ();
use Test::More;

use Notifications;
use Warren::AMQP;
use Warren::Caller;
use Warren::Test;

binmode Test::More->builder()->$_(), ':utf8'
    for qw(output failure_output todo_output);

my $told = Notifications->new(settings => { lanes => 2 });
my $worker = $told->worker();
my ($broker, $vhost) = ($worker->broker(), $worker->vhost());

my $ear = Warren::AMQP->connect(url => $broker->url('guest', $vhost));
my $queue = $ear->declare_queue('', exclusive => 1);
$ear->bind($queue, 'notifications', 'inapp.#');
$ear->consume($queue, no_ack => 1);

pushed();
languages();
strangers();
updates();
missed();
seen();
unheard();

done_testing();


# What came of it to who streams.
sub heard {
    my ($count) = @_;

    my @heard;

    wait_for(sub {
        while (my $message = $ear->next_delivery(0.05)) {
            push @heard, $message;
        }

        @heard >= $count;
    }, 60, "$count pushed");

    return @heard;
}


sub pushed {
    my $ann = $told->person(name => "Ann\nLee");
    $told->happened('order.placed', $ann);
    $told->wait_for_rows("notifications where user_id = '$ann'", 2);

    my ($placed, $welcome) = $told->list($ann);
    my %heard = map { $_->{properties}{message_id} => $_ } heard(2);

    is($welcome->{title}, 'Welcome, Ann Lee',
       'a value is one line, whatever it has');

    for my $item ($placed, $welcome) {
        my $message = $heard{ $item->{id} };

        ok($message, "$item->{kind} is pushed by its id") or next;
        is($message->{properties}{type}, $item->{kind}, 'with its kind');
        is($message->{routing_key}, "inapp.$ann", 'to its person');
        is($message->{properties}{delivery_mode}, 1, 'and not kept');
        is_deeply(JSON::PP->new()->utf8()->decode($message->{body}), $item,
                  'as lists show it');
    }

    is($told->sql('select count(*) from outbox'), 0,
       'no row is left behind');
}


sub languages {
    my %kinds = (
        'order.placed' => 'Bestellung eingegangen',
        'stock.reserved' => 'Vorrätig',
        'order.confirmed' => 'Bestellung bestätigt',
        'order.cancelled' => 'Bestellung storniert',
        'payment.captured' => 'Zahlung eingegangen',
        'payment.declined' => 'Zahlung abgelehnt',
        'payment.refunded' => 'Zahlung erstattet'
    );
    my %reason = ('order.cancelled' => 'out_of_stock',
                  'payment.declined' => 'expired_card');

    my $jan = $told->person(language => 'de');
    my $fay = $told->person(language => 'fr');

    for my $kind (sort keys %kinds) {
        for my $person ($jan, $fay) {
            $told->happened($kind, $person, exists $reason{$kind}
                                            ? (reason => $reason{$kind}) : ());
        }
    }

    $told->wait_for_rows("notifications where user_id in ('$jan', '$fay')",
                         16);

    my %jan = map { $_->{kind} => $_ } $told->list($jan);
    my %fay = map { $_->{kind} => $_ } $told->list($fay);

    is($jan{$_}{title}, $kinds{$_}, "$_ is told in German")
        for sort keys %kinds;
    is($jan{'user.registered'}{title}, 'Willkommen, Ann Lee',
       'and the welcome, too');
    is($jan{'order.cancelled'}{body}, 'Ihre Bestellung über 123,05 EUR wurde'
       . ' storniert: nicht mehr vorrätig.', 'amounts and reasons, too');
    is($jan{'order.cancelled'}{data}{reason}, 'out_of_stock',
       'with the word for programs');
    is($fay{'payment.declined'}{body}, 'Your payment of 123.05 EUR was'
       . ' declined: the card has expired.',
       'a language that is not there is English');
    ok($fay{'payment.declined'}{data}{payment_id}, 'a payment has its id');
    heard(16);
}


# The event of an order may overtake that of its person.
sub strangers {
    my $person = Warren::Caller::uuid();

    $told->happened('order.placed', $person);
    $told->wait_for_rows("notifications where user_id = '$person'", 1);
    is(($told->list($person))[0]{title}, 'Order placed',
       'who is not known yet is told, too');
    heard(1);
}


sub updates {
    my $person = $told->person();
    my $known = "recipients where user_id = '$person'";

    $told->tell_person('user.updated', $person, 3, language => 'de',
                       email => 'third@example.com');
    $told->wait_for_rows("$known and version = 3", 1);
    $told->tell_person('user.updated', $person, 2,
                       email => 'second@example.com');
    $told->settle();
    is($told->sql("select email, language, version from $known"),
       'third@example.com|de|3', 'what is older changes nothing');

    my $late = Warren::Caller::uuid();
    $told->tell_person('user.updated', $late, 2, name => 'Late');
    $told->wait_for_rows("recipients where user_id = '$late'", 1);
    $told->tell_person('user.registered', $late, 1, name => 'Early');
    $told->wait_for_rows("notifications where user_id = '$late'", 1);
    is($told->sql("select name from recipients where user_id = '$late'"),
       'Late', 'also where it came first');
    heard(2);
}


sub missed {
    my $person = $told->person();
    $told->happened('order.placed', $person) for 1 .. 3;

    $told->wait_for_rows("notifications where user_id = '$person'", 4);

    my @all = reverse $told->list($person);
    my $since = sub {
        return $told->call('list_since', sub => $person,
                           args => @_ ? { since => $_[0] } : {});
    };

    is_deeply($since->()->{json}, { notifications => \@all,
                                    more => JSON::PP::false },
              'all that there is, the oldest first');
    is_deeply($since->($all[1]{id})->{json}{notifications}, [@all[2, 3]],
              'or what came after one');
    is_deeply($since->($all[3]{id})->{json}{notifications}, [],
              'after the last one nothing');
    is($since->('x')->{status}, 400, 'since must be an id');
    is($told->call('list_since')->{status}, 401,
       'who did not log in missed nothing');

    $told->sql("insert into notifications (id, user_id, event_id, kind, title,"
               . " body, data, created_at) select gen_random_uuid(), '$person',"
               . " gen_random_uuid(), 'x', '', '', '{}', now()"
               . " from generate_series(1, 97)");

    my $answer = $since->();
    is(scalar @{ $answer->{json}{notifications} }, 100, 'at most 100');
    ok($answer->{json}{more}, 'and that there is more');
    heard(4);
}


sub seen {
    my ($ann, $bob) = ($told->person(), $told->person());
    my ($welcome) = $told->list($ann);
    my $read = sub {
        return $told->call('mark_read', sub => $_[0],
                           args => { id => $_[1] })->{status};
    };

    is($read->($bob, $welcome->{id}), 404, "nobody reads another's");
    is($read->($ann, $welcome->{id}), 204, 'one is read');

    my ($now) = $told->list($ann);
    like($now->{read_at}, qr/\A20\d\d-.*Z\z/, 'which is told');
    is($read->($ann, $welcome->{id}), 204, 'as often as one likes');
    is(($told->list($ann))[0]{read_at}, $now->{read_at},
       'the first time stays');
    is($read->($ann, Warren::Caller::uuid()), 404, 'what is not there: 404');
    is($read->($ann, 'x'), 404, 'and what is no id');
    is($read->(undef, $welcome->{id}), 401, 'who did not log in reads none');
    heard(2);
}


sub unheard {
    my $person = $told->person();

    $ear->close();

    my $published = 'warren_events_published_total{service="notifications"}';
    my $sent = $worker->metric($published);

    $told->happened('order.placed', $person) for 1 .. 20;
    $told->wait_for_rows("notifications where user_id = '$person'", 21);
    wait_for(sub {
        $worker->metric($published) >= $sent + 20
    }, 40, 'confirms');

    is($told->sql("select coalesce(sum(n_tup_ins), 0) from pg_stat_user_tables"
                  . " where relname like 'outbox%'"), 0,
       'what is pushed never was a row of the outbox, heard or not');
    is($told->sql('select count(*) from dead_letter'), 0,
       'and nothing is left to do');
}
