#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# A reload while something is wrong with the broker: old processes answer what
# they have and go, whatever it does or does not.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::FakeBroker qw(gateway ask outcome);
use Warren::Test;

use constant PATIENCE => 40;


my $broker = Warren::FakeBroker->new(timeout => PATIENCE);
my $nginx = gateway(
    url => 'amqp://gateway@127.0.0.1:' . $broker->port() . '/v',
    broker => 'connect_timeout 30s;', timeout => '60s'
);

$broker->accept()->handshake();


# The connection of the old process, kept while the new one has its own.
sub put_aside {
    my $old = bless { %$broker }, ref $broker;
    delete $broker->{socket};
    return $old;
}

sub leaves {
    my ($name) = @_;
    ok(eval { $nginx->wait_for_old(PATIENCE); 1 }, $name);
}


# an alarm: nothing that we send is read any more

my $waiting = ask($nginx);
my $call = $broker->expect('basic.publish');
$broker->send('connection.blocked', reason => 'low on memory');
wait_for(sub { $nginx->log_text() =~ /low on memory/ }, PATIENCE, 'the alarm');

my $old = put_aside();
$nginx->reload();
$broker->accept()->handshake();

$old->reply($call, 200, '"late"');
is(outcome($waiting), '200 "late"',
   'a call in flight is answered through an alarm and a reload');
leaves('and its process goes, although the broker answers no farewell');
$old->drop();

my $next = ask($nginx);
$call = $broker->expect('basic.publish');
$broker->reply($call, 200, '"new"');
is(outcome($next), '200 "new"', 'the new process has a connection of its own');


# a connection that is lost when its process is already leaving

$waiting = ask($nginx);
$broker->expect('basic.publish');
$old = put_aside();
$nginx->reload();
$broker->accept()->handshake();
$old->drop();
is(outcome($waiting), '502 interrupted',
   'a call whose connection is lost during a reload is told');
leaves('and its process goes');


# a broker that is away, and processes that wait to try again

$broker->deaf()->drop();
wait_for(sub { outcome(ask($nginx)) eq '503 unavailable' }, PATIENCE,
         'the loss');

for my $n (1 .. 3) {
    $nginx->reload();
    leaves("without a broker old processes go: reload $n");
}


# one that takes connections and says nothing

$broker->listen();
$broker->accept();
$old = put_aside();
$nginx->reload();
leaves('an old process goes in the middle of its handshake');
$old->drop();

$broker->accept()->handshake();
wait_for(
    sub {
        my $asked = ask($nginx);
        my $call = eval { $broker->expect('basic.publish', 1) } or return 0;
        $broker->reply($call, 200, '"well"');
        outcome($asked) eq '200 "well"';
    },
    PATIENCE, 'a call'
);
pass('and all is well after that');
unlike($nginx->log_text(), qr/open socket|exited on signal/,
       'no process left a socket behind, or broke');

done_testing();
