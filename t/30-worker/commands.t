# Copyright (C) the Warren authors
#
# Commands between services: one leaves if and only if the transaction of the
# handler that sends it commits, and acts once.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Worker;

my $broker = Warren::RabbitMQ->private();
my $echo = Echo->new(
    broker => $broker,
    settings => { trusted_users => 'gateway relay', lanes => 2 }
)->start();
my $relay = Warren::Worker->new(
    service => 'relay', program => build_dir() . '/t/30-worker/relay_worker',
    broker => $broker, vhost => $echo->vhost(),
    database => $echo->make_database('relay'), topology => 0,
    settings => { 'retry.max_attempts' => 1 }
);

Warren::Worker::apply_topology($broker, $echo->vhost(), $echo->worker(),
                               $relay);
$relay->start();

reached();
chain();
not_committed();
told_twice();
crashed();
commander();
stranger();
nobody();

done_testing();


# A call of the gateway to relay, which tells echo.
sub call_relay {
    my ($text, %option) = @_;

    my $id = ask_relay($text, %option);
    return $echo->answer($id, 40);
}


sub ask_relay {
    my ($text, %option) = @_;

    return $echo->ask('tell', qq({"text":"$text"}), to => 'relay', %option);
}


sub relay_sql {
    my ($sql) = @_;

    my $postgresql = $echo->{postgresql};
    return $postgresql->psql(
        $postgresql->admin_uri($relay->database()), $sql
    );
}


sub told {
    my ($text) = @_;

    return $echo->sql("select count(*) from echo where text = '$text'");
}


sub wait_told {
    my ($text) = @_;

    return wait_for(sub { told($text) >= 1 }, 60, "the command \"$text\"");
}


# One that is sent later and has acted: what was before it has, too, or never
# will.
sub marker {
    my ($text) = @_;

    is(call_relay($text)->{status}, 202, "a later one: $text");
    wait_told($text);
    wait_for(sub {
        relay_sql('select count(*) from outbox') == 0
        && $broker->queue_depth($echo->vhost(), 'commands.echo') == 0
    }, 60, 'all commands to have left and come');
}


sub reached {
    is(call_relay('reached')->{status}, 202, 'a handler sends a command');
    wait_told('reached');
    is(told('reached'), 1, 'which acts in the other service');
    is($echo->sql("select count(*) from inbox as i join echo as e"
                  . " on e.id = i.message_id::text where text = 'reached'"),
       1, 'as a message of its own, known to the inbox there');
}


sub chain {
    $echo->send('commands', 'relay', '{"text":"chain"}', type => 'tell');
    wait_told('chain');
    is(told('chain'), 1, 'a command whose handler sends one is as good');
}


sub not_committed {
    my %status = (refuse => 409, retry => 503, fail => 500);

    for my $end (sort keys %status) {
        is(call_relay("call-$end", headers => { 'x-arg-end' => $end })
               ->{status}, $status{$end}, "a call that ends with $end");
        my $id = $echo->send('commands', 'relay',
                             qq({"text":"command-$end"}), type => 'tell',
                             headers => { 'x-arg-end' => $end });
        wait_for(sub {
            relay_sql('select count(*) from dead_letter'
                      . " where message_id = '$id'") == 1
        }, 60, "the dead letter of $end");
    }

    marker('after-ends');
    is($echo->sql("select count(*) from echo where text like 'call-%'"
                  . " or text like 'command-%'"), 0,
       'no command leaves a transaction that was not committed');
    is(relay_sql("select count(*) from echo where text like 'call-%'"
                 . " or text like 'command-%'"), 0,
       'of which nothing else is left, neither');
}


# The cause comes three times, and so does the command itself.
sub told_twice {
    my $id = Echo::uuid();

    $echo->send('commands', 'relay', '{"text":"twice"}', type => 'tell',
                id => $id) for 1 .. 3;
    wait_told('twice');
    marker('after-twice');
    is(told('twice'), 1, 'who is told three times tells once');

    my $sent = $echo->sql("select id from echo where text = 'twice'");
    $echo->send('commands', 'echo', '{"text":"twice"}', type => 'note',
                id => $sent, user => 'relay');
    marker('after-again');
    is(told('twice'), 1, 'and what comes again does not act again');
}


# Committed, but the broker takes nothing, and then the worker dies.
sub crashed {
    my @lanes = $relay->lanes();

    # delivered, and not yet seen, when the broker stops taking messages
    kill 'STOP', @lanes;
    ask_relay('crashed', ms => 60000);
    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1MB');
    kill 'CONT', @lanes;
    wait_for(sub {
        relay_sql("select count(*) from outbox where body like '%crashed%'")
            == 1
    }, 60, 'the commit');
    is(told('crashed'), 0, 'a command waits while the broker takes nothing');
    $relay->kill9();
    $broker->ctl('set_vm_memory_high_watermark', 'absolute', '1GB');

    is(relay_sql("select count(*) from outbox where body like '%crashed%'"),
       1, 'when its sender has died it is still there');
    $relay->start(seconds => 60);
    wait_told('crashed');
    marker('after-crash');
    is(told('crashed'), 1, 'and the next life sends it: it acts once');
}


# Relay takes commands from echo, which it neither trusts nor asks.
sub commander {
    my $id = $echo->send('commands', 'relay', '{"text":"commanded"}',
                         type => 'tell', user => 'echo');

    my $dead = "select reason from dead_letter where message_id = '$id'";

    wait_for(sub { told('commanded') || relay_sql($dead) }, 60,
             'what becomes of the command');
    is(relay_sql($dead) || '', '',
       'a command of a service named for it is no dead letter');
    wait_told('commanded');
    is(told('commanded'), 1, 'and acts');
}


# Not one of those whom echo trusts or asks.
sub stranger {
    $echo->worker()->restart(trusted_users => 'gateway');
    is(call_relay('stranger')->{status}, 202, 'a stranger sends a command');
    like(wait_for(sub {
        $echo->sql('select reason from dead_letter where sender = \'relay\'')
    }, 60, 'its dead letter'), qr/command of an unknown sender: "relay"/,
         'which is a dead letter of the service that did not expect it');
    is(told('stranger'), 0, 'and does not act');
    $echo->worker()->restart(trusted_users => 'gateway relay');
}


# A service that is not there: the command is not lost, and can be seen.
sub nobody {
    $echo->call('send', '{}', headers => { 'x-arg-service' => 'nowhere' });
    wait_for(sub {
        $echo->worker()->log() =~ /no queue takes .*nowhere/
    }, 60, 'the warning');
    is($echo->sql("select count(*) from outbox where routing_key = 'nowhere'"),
       1, 'a command that no queue takes stays in the outbox');
    wait_for(sub {
        ($echo->worker()->metric('warren_outbox_age_seconds{service="echo"}')
         // 0) >= 10
    }, 60, 'its age');
    pass('where its age is told');
}
