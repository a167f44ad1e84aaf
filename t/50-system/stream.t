#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Who streams notifications sees each of them, once and in order, whatever
# happens while they are away: workers killed, nginx reloaded or killed.
#
# The worker has one lane: ids that several lanes make in the same moment may
# come to be seen in another order.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;

use Warren::AMQP;
use Warren::Caller;
use Warren::EventStream;
use Warren::System;
use Warren::Test;


use constant PATIENCE => 90;

my $json = JSON::PP->new()->utf8()->canonical();
my $system = Warren::System->new(
    services => ['notifications'], settings => { lanes => 1 }
)->start();
my $worker = $system->worker('notifications');

# whose kill is meant
push @{ $system->nginx()->{allow} }, qr/exited on signal 9/;

my $amqp = Warren::AMQP->connect(
    url => $system->broker()->url('guest', $system->vhost())
);
$amqp->confirm_select();

away();
odd_ids();
killed_worker();
absent_worker();
reloaded();
killed_nginx();
unlike_people();

done_testing();


# ---- what happens

sub announce {
    my ($type, $subject, $data) = @_;

    my $id = Warren::Caller::uuid();

    $amqp->publish('events', $type, $json->encode({
        specversion => '1.0', id => $id, source => '/warren/guest',
        type => $type, subject => $subject, time => '2026-11-23T12:00:00Z',
        datacontenttype => 'application/json', data => $data,
        aggregateversion => 1
    }), type => $type, message_id => $id, user_id => 'guest',
       content_type => 'application/cloudevents+json', delivery_mode => 2);
    $amqp->wait_confirm() or die "the broker refused $type\n";
}


# Somebody who is known, with a welcome.
sub person {
    my $person = Warren::Caller::uuid();

    announce('user.registered', $person, {
        id => $person, email => "$person\@example.com", name => 'Ann',
        language => 'en', email_verified => JSON::PP::false
    });
    wait_for_rows($person, 1);

    return { id => $person, token => $system->token(
        $person, 'notifications:read notifications:write'
    ) };
}


sub order {
    my ($person, $count) = @_;

    for (1 .. $count // 1) {
        my $order = Warren::Caller::uuid();
        announce('order.placed', $order, {
            id => $order, user_id => $person->{id}, currency => 'EUR',
            total_cents => 100, payment_method => 'tok_success', lines => []
        });
    }
}


# ---- what is known of it

# The ids of a person's notifications after one, as the database has them.
sub stored {
    my ($person, $since) = @_;

    my $after = defined $since ? "and id > '$since'" : '';

    return split /\n/, $system->psql('notifications', <<"END");
select id from notifications where user_id = '$person->{id}' $after order by id
END
}


sub wait_for_rows {
    my ($person, $count) = @_;

    my $id = ref $person ? $person->{id} : $person;

    wait_for(sub {
        $system->psql('notifications', 'select count(*) from notifications '
                                       . "where user_id = '$id'") >= $count;
    }, PATIENCE, "$count notifications");
}


# A stream, from what the person has seen last; the answer, if there is none.
sub listen_as {
    my ($person, $since) = @_;

    return Warren::EventStream->open(
        $system->nginx(), '/notifications/stream',
        authorization => "Bearer $person->{token}",
        defined $since ? ('Last-Event-ID' => $since) : ()
    );
}


# Does as a browser: comes back when a stream ends, until it has seen what
# there is after an id.
sub follow {
    my ($person, $since, $stream) = @_;

    my (@seen, $ends);

    wait_for(sub {
        $stream //= listen_as($person, $seen[-1] // $since);

        if ($stream->{status} == 200) {
            $stream->pump(0.05);
            push @seen, $stream->ids();
            $stream->{events} = [];
        }

        if ($stream->{is_ended} || $stream->{status} != 200) {
            $stream->close();
            undef $stream;
            $ends++;
            return 0;
        }

        return @seen >= stored($person, $since);
    }, PATIENCE, 'all that is stored');

    return ($stream, $ends // 0, @seen);
}


sub saw_all {
    my ($person, $since, $what, @seen) = @_;

    is_deeply(\@seen, [stored($person, $since)],
              "$what: all of it, in order, nothing twice");
}


# ---- who comes back

sub away {
    my $ann = person();
    my $stream = listen_as($ann);
    is($stream->{status}, 200, 'a person streams');

    for my $n (1 .. 3) {
        order($ann);
        $stream->wait_events($n, PATIENCE);
    }

    my ($welcome, @ids) = stored($ann);
    is_deeply([$stream->ids()], \@ids, 'and sees what comes, not what was');

    my $item = $json->decode($stream->{events}[2]{data});
    is("$item->{id} $item->{kind}", "$ids[2] order.placed",
       'each as lists show it');
    is($stream->{events}[2]{event}, 'order.placed', 'under its kind');
    $stream->close();

    # more than two pages
    order($ann, 230);
    wait_for_rows($ann, 234);

    $stream = listen_as($ann, $ids[-1]);
    $stream->wait_events(230, PATIENCE);
    saw_all($ann, $ids[-1], 'who comes back', $stream->ids());

    order($ann);
    $stream->wait_events(231, PATIENCE);
    saw_all($ann, $ids[-1], 'and what comes then', $stream->ids());
    $stream->close();

    $stream = listen_as($ann, '00000000-0000-0000-0000-000000000000');
    $stream->wait_events(235, PATIENCE);
    saw_all($ann, undef, 'who asks from the beginning', $stream->ids());
    $stream->close();

    # while more comes
    my $since = (stored($ann))[100];
    $stream = listen_as($ann, $since);
    order($ann, 30);
    wait_for_rows($ann, 265);
    my ($last, $ends, @seen) = follow($ann, $since, $stream);
    saw_all($ann, $since, 'what comes meanwhile', @seen);
    is($ends, 0, 'in one stream');
    $last->close();
}


# What is no id of a notification is no reason to come back for ever.
sub odd_ids {
    my $ann = person();
    my ($welcome) = stored($ann);

    for my $id ('1', 'welcome', 'x' x 64, "$welcome-", '-' x 36) {
        my $stream = listen_as($ann, $id);
        is($stream->{status}, 200, 'an id that is none is no refusal');
        $stream->wait_comment(1, PATIENCE);
        is($stream->{comments}[0], 'unknown', 'but it is told');
        order($ann);
        $stream->wait_events(1, PATIENCE);
        is(($stream->ids())[0], (stored($ann))[-1], 'and what comes is seen');
        $stream->close();
    }
}


# ---- what is killed

sub killed_worker {
    my $ann = person();
    my ($since) = stored($ann);

    for my $time (1 .. 3) {
        my $rows = stored($ann);

        order($ann, 40);
        wait_for_rows($ann, $rows + 1);
        $worker->kill9();
        $worker->start();
        wait_for_rows($ann, $rows + 40);
    }

    my ($stream, $ends, @seen) = follow($ann, $since);
    is(scalar @seen, 120, 'a worker that is killed loses nothing');
    saw_all($ann, $since, 'who was away meanwhile', @seen);
    $stream->close();
}


sub absent_worker {
    my $ann = person();
    my ($since) = stored($ann);

    order($ann, 5);
    wait_for_rows($ann, 6);
    $worker->kill9();

    my $stream = listen_as($ann, $since);
    $stream->wait_end(PATIENCE);
    is(scalar $stream->ids(), 0, 'nobody knows what was missed');
    is($stream->{comments}[-1], 'unavailable', 'the stream says so and ends');

    $worker->start();
    ($stream, my $ends, my @seen) = follow($ann, $since);
    saw_all($ann, $since, 'once the worker is there', @seen);
    $stream->close();
}


# All the while something comes.
sub reloaded {
    my $ann = person();
    my ($since) = stored($ann);
    my $stream = listen_as($ann, $since);
    my ($ends, @seen) = (0);

    for my $time (1 .. 3) {
        my $rows = stored($ann);
        order($ann, 10);
        $system->nginx()->reload();
        order($ann, 10);
        wait_for_rows($ann, $rows + 20);
        $stream->wait_end(PATIENCE);
        is($stream->{comments}[-1], 'reload', 'a reload ends the stream');
        push @seen, $stream->ids();
        order($ann, 10);

        ($stream, my $more, my @more) = follow($ann, $seen[-1] // $since);
        push @seen, @more;
        wait_for_rows($ann, $rows + 30);
    }

    ($stream, my $more, my @more) = follow($ann, $seen[-1], $stream);
    saw_all($ann, $since, 'through reloads', @seen, @more);
    $stream->close();
}


sub killed_nginx {
    my $ann = person();
    my ($since) = stored($ann);
    my $stream = listen_as($ann, $since);

    order($ann, 5);
    $stream->wait_events(2, PATIENCE);
    kill 'KILL', $system->nginx()->workers();
    order($ann, 5);
    $stream->wait_end(PATIENCE);
    ok(!$stream->{ended_well}, 'a process that is killed ends its streams');

    my @seen = $stream->ids();
    wait_for_rows($ann, 11);
    ($stream, my $ends, my @more) = follow($ann, $seen[-1]);
    saw_all($ann, $since, 'another one goes on', @seen, @more);
    $stream->close();
}


sub unlike_people {
    my ($ann, $bob) = (person(), person());
    my ($since) = stored($ann);
    my $stream = listen_as($bob, $since);

    order($ann, 3);
    order($bob, 1);
    wait_for_rows($ann, 4);
    wait_for_rows($bob, 2);

    ($stream, my $ends, my @seen) = follow($bob, $since, $stream);
    saw_all($bob, $since, "another's id shows nothing of theirs", @seen);
    $stream->close();
}
