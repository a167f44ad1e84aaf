# Copyright (C) the Warren authors
#
# Sixteen lanes of four workers lose their broker, or their database, in one
# moment: they do not come back in one moment.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;
use Time::Local qw(timegm);

use Echo;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Worker;

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(broker => $broker, settings => { lanes => 4 })->start();
my @workers = ($echo->worker(), map { another() } 1 .. 3);

come_back('broker', sub {
    # it stops at a connection that has just ended: a lane closes its second
    # one itself
    wait_for(sub {
        $broker->ctl('close_all_user_connections', 'echo', 'for a test');
        1;
    }, 60, 'the end of all connections');
});
come_back('database', sub {
    $echo->sql('select pg_terminate_backend(pid) from pg_stat_activity'
               . " where application_name like 'warren-echo lane%'"
               . ' and datname = current_database()')
});
restarted();

done_testing();


sub another {
    return Warren::Worker->new(
        service => 'echo', program => $echo->worker()->{program},
        broker => $echo->broker(), vhost => $echo->vhost(),
        database => $echo->{database}, topology => 0,
        settings => { lanes => 4 }
    )->start();
}


# Of all workers, from where mark() was called.
sub lines {
    return map {
        my $log = $_->log();
        split /\n/, substr $log, $_->{mark} // 0;
    } @workers;
}


sub mark { $_->{mark} = length $_->log() for @workers }


sub ready_again {
    my ($what) = @_;

    wait_for(sub {
        (grep { /connected to the $what/ } lines()) >= 16
    }, 60, "16 connections to the $what");
    $_->wait_until_ready(60) for @workers;
}


# Milliseconds since the epoch of lines that match.
sub times_of {
    my ($pattern) = @_;

    return sort { $a <=> $b } map {
        /"\@timestamp":"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d{3})Z"/
            ? timegm($6, $5, $4, $3, $2 - 1, $1) * 1000 + $7 : ();
    } grep { /$pattern/ } lines();
}


sub come_back {
    my ($what, $cut) = @_;

    mark();
    $cut->();
    ready_again($what);

    # the first of each lane; a try that fails has a next one
    my %first;
    for my $line (lines()) {
        my ($lane) = $line =~ /"process\.pid":(\d+)/;
        $first{$lane} //= $1 if $line =~ /"next try in (\d+) ms"/;
    }

    my @pauses = sort { $a <=> $b } values %first;
    is(scalar @pauses, 16, "$what: each lane pauses before it comes back");
    cmp_ok($pauses[0] // 999, '<=', 125, "$what: some come early")
        or diag("@pauses");
    cmp_ok($pauses[-1] // 0, '>', 125, "$what: some late") or diag("@pauses");
    cmp_ok($pauses[-1] // 999, '<=', 250, "$what: but none is left behind");

    my %seen = map { $_ => 1 } @pauses;
    cmp_ok(scalar keys %seen, '>=', 10, "$what: the pauses differ")
        or diag("@pauses");

    my @times = times_of(qr/connected to the $what/);
    cmp_ok($times[-1] - $times[0], '>=', 60,
           "$what: connections are not made in one moment")
        or diag("@times");
}


# Down for a while, it finds lanes whose pauses have grown, each by itself.
sub restarted {
    mark();
    $broker->stop();
    wait_for(sub { (grep { /next try in/ } lines()) >= 128 }, 90,
             'some tries of each lane');

    my ($longest) = sort { $b <=> $a }
                    map { /"next try in (\d+) ms"/ } lines();
    cmp_ok($longest, '<=', 5000, 'however long it is away, lanes look for it');
    cmp_ok($longest, '>', 1000, 'though not without a pause');

    $broker->start();
    ready_again('broker');

    my @times = times_of(qr/connected to the broker/);
    cmp_ok($times[-1] - $times[0], '>=', 300,
           'a broker that comes back is not run over') or diag("@times");
    is($echo->connect('gateway') ? 1 : 0, 1, 'and all goes on');
}
