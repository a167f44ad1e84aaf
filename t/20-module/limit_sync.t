#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Limits that three nodes share: how far they may be exceeded, who is believed,
# and that each node limits alone when the broker is away.

use strict;
use warnings;

use lib 't/lib';

use Digest::SHA qw(sha256);
use POSIX qw(_exit);
use Test::More;

use Warren::AMQP;
use Warren::HTTP;
use Warren::Nginx;
use Warren::RabbitMQ;
use Warren::Test qw(:DEFAULT at_exit);

use constant {
    NODES => 3,
    QUOTA => 295,               # burst and one
    BATCH => 10,                # asked of each node before it hears of others
    PATIENCE => 60,
};


my $rabbit = Warren::RabbitMQ->shared();
my $vhost = $rabbit->vhost('limits');
my $user = "gateway-$vhost";

# the rights that topology gives to gateways
my $password = $rabbit->user(
    $user, $vhost, configure => '^amq\.gen-',
    write => '^(rpc|commands|limits|amq\.gen-.*)$',
    read => '^(amq\.gen-.*|replies|limits)$'
);
at_exit(sub { eval { $rabbit->api('DELETE', "/api/users/$user") } });

for my $exchange (['replies', 'direct'], ['limits', 'fanout']) {
    $rabbit->api('PUT', "/api/exchanges/$vhost/$exchange->[0]",
                 { type => $exchange->[1], durable => \1 });
}

my $secret = spew(tempdir() . '/secret', "$password\n");
my $url = $rabbit->url_without_password($user, $vhost);

my $conf = <<"END";
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    gateway_zone gateway:1m;
    gateway_broker shop { url $url; password_file $secret; %%BROKER%% }

    gateway_limit_zone \$arg_k zone=cluster:1m rate=1r/m burst=294 sync=50ms;
    gateway_limit_zone \$arg_k zone=quick:1m rate=100r/s burst=19 sync=50ms;
    gateway_limit_zone \$arg_k zone=alone:1m rate=1r/m burst=294;
    %%TOP%%

    server {
        listen 127.0.0.1:%%PORT%% reuseport;
        root %%DIR%%/html;
        location = /cluster { gateway_limit zone=cluster cost=\$arg_c; }
        location = /quick { gateway_limit zone=quick cost=\$arg_c; }
        location = /alone { gateway_limit zone=alone cost=\$arg_c; }
        location = /metrics { gateway_metrics; }
    }
}
END

sub node {
    my (%option) = @_;

    my $nginx = Warren::Nginx->new(
        conf => $conf, workers => 2,
        vars => { BROKER => '', TOP => '', %option }
    );
    my $dir = $nginx->dir();
    mkdir "$dir/html";
    spew("$dir/html/$_", "the page\n") for qw(cluster quick alone);
    return $nginx->start();
}

sub counter {
    my ($nginx, $name) = @_;
    my $text = $nginx->get('/metrics')->{body};
    return $text =~ /^gateway_limit_sync_${name}_total (\d+)/m ? $1 : undef;
}

sub wait_connected {
    my ($nginx, $times) = @_;
    wait_for(sub { counter($nginx, 'connects') >= ($times // 1) }, PATIENCE,
             'a connection to the other nodes');
}

# What is left of a key, asked without spending.
sub left {
    my ($nginx, $path) = @_;
    my $answer = $nginx->get("$path&c=0");
    return $answer->{headers}{ratelimit} =~ /;r=(\d+)/ ? $1 : die 'no field';
}

sub ask {
    my ($nginx, $path, $n) = @_;
    my $http = $nginx->http(keep_alive => 1);
    my $passed = grep { $http->get($path)->{status} == 200 } 1 .. $n;
    $http->close();
    return $passed;
}

# All nodes are to know of so much being left; a unit is made up in a minute.
sub agree {
    my ($path, $left, @nodes) = @_;

    my @seen;
    my $is_so = eval {
        wait_for(sub {
            @seen = map { left($_, $path) } @nodes;
            !grep { $_ < $left || $_ > $left + 2 } @seen;
        }, PATIENCE, 'agreement');
    };
    diag("left are @seen, not $left") if !$is_so;
    return $is_so;
}


my @nodes = map { node() } 1 .. NODES;
my ($first, $second, $third) = @nodes;
wait_connected($_) for @nodes;


# what one spends

is(ask($first, '/cluster?k=one', 5), 5, 'a node lets requests pass');
ok(agree('/cluster?k=one', QUOTA - 5, @nodes), 'the others know of them');
is(ask($second, '/cluster?k=one', 7), 7, 'another one does');
ok(agree('/cluster?k=one', QUOTA - 12, @nodes), 'all know of all');

my $long = 'x' x 300;
is(ask($third, "/cluster?k=$long", 3), 3, 'long keys pass');
ok(agree("/cluster?k=$long", QUOTA - 3, @nodes), 'and are known as well');

is(ask($first, '/alone?k=one', 5), 5, 'a zone without sync is charged');
is(left($second, '/alone?k=one'), QUOTA, 'and is a matter of each node');

my $sent = counter($first, 'sent');
ok(agree('/cluster?k=one', QUOTA - 12, @nodes), 'time passes');
is(counter($first, 'sent'), $sent, 'what has not changed is not told again');


# The bound.  A node that lets a request pass knows what it spent itself and
# what the others spent until they told last; what they let pass since then is
# all that can be too much.  Each round asks every node for a batch, and ends
# when all have heard of all, so that is a batch for each other node.

my $total = 0;
my $rounds = 0;

for ( ;; ) {
    my $passed = 0;
    $passed += ask($_, '/cluster?k=bound', BATCH) for @nodes;
    $total += $passed;
    $rounds++;

    last if $passed == 0 || $rounds > 2 * QUOTA / BATCH;

    my $left = $total < QUOTA ? QUOTA - $total : 0;
    agree('/cluster?k=bound', $left, @nodes) or last;
}

my $bound = (NODES - 1) * BATCH;
diag("a quota of @{[QUOTA]} over @{[NODES]} nodes let $total pass, the bound "
     . "is @{[QUOTA + $bound]}, without telling it were @{[NODES * QUOTA]}");

# a minute makes up for one
cmp_ok($total, '>=', QUOTA, 'the quota is used up');
cmp_ok($total, '<=', QUOTA + $bound + 2,
       'by no more than what other nodes let pass since they told');
is(ask($_, '/cluster?k=bound', 5), 0, 'then every node refuses') for @nodes;


# As fast as all can: more may pass, but it is a debt that is paid back.

my @readers;

for my $nginx (@nodes) {
    pipe my $reader, my $writer or die "pipe: $!\n";
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $passed = eval { ask($nginx, '/cluster?k=fast', QUOTA) } // -1000;
        syswrite $writer, "$passed\n";
        _exit(0);
    }

    close $writer;
    push @readers, [$reader, $pid];
}

$total = 0;

for (@readers) {
    my ($reader, $pid) = @$_;
    $total += readline $reader;
    waitpid $pid, 0;
}

cmp_ok($total, '>=', QUOTA, 'all nodes at once let the quota pass');
cmp_ok($total, '<=', NODES * QUOTA, 'and each no more than that');
ok(agree('/cluster?k=fast', 0, @nodes), 'then all know that nothing is left');

# A second makes up for 100 there; 2000 beyond an empty quota are 20 s.
is($first->get('/quick?k=debt&c=20')->{status}, 200, 'a quota is spent');
my $channel = Warren::AMQP->connect(
    port => $rabbit->port(), vhost => $vhost, user => $user,
    password => $password
);

sub message {
    my (%option) = @_;

    my $name = $option{zone} // 'quick';
    my @entries = @{ $option{entries} // [['debt', 20_000_000]] };

    return join '', 'WL', chr($option{version} // 1),
                chr($option{length} // length $name),
                $option{node} // 'n' x 16, $name,
                pack('n', $option{count} // scalar @entries),
                map { sha256($_->[0]) . pack('Q>', $_->[1]) } @entries;
}

sub say_it {
    my ($body, %props) = @_;
    $channel->publish('limits', '', $body, user_id => $user, %props);
}

say_it(message());
ok(eval { wait_for(sub {
    my $answer = $_[0] // $third->get('/quick?k=debt&c=1');
    ($answer->{headers}{'retry-after'} // 0) >= 10;
}, PATIENCE, 'a debt') }, 'what others spent beyond the quota is a debt');


# Who is believed, and what.

sub refused { return counter($third, 'refused') }

my @malformed = (
    ['nothing', ''], ['a letter', 'W'], ['another magic', 'XX' . message()],
    ['another version', message(version => 2)],
    ['a zone without a name', message(zone => '')],
    ['a name longer than the message', message(length => 200)],
    ['a name that takes entries', message(length => 20)],
    ['no entries', message(entries => [])],
    ['fewer entries than told', message(count => 2)],
    ['more entries than told',
     message(entries => [['a', 1], ['b', 1]], count => 1)],
    ['a cut message', substr(message(), 0, -1)],
    ['more than a message', message() . 'x'],
    ['too many entries',
     message(entries => [map { ["k$_", 1] } 1 .. 1025])],
    ['a huge message', 'W' x 2_000_000],
);

my $count = refused();

for my $case (@malformed) {
    my ($what, $body) = @$case;

    say_it($body);
    $count++;
    ok(eval { wait_for(sub { refused() == $count }, PATIENCE, $what) },
       "$what is refused and counted");
}

my $nested = {};
$nested = { n => $nested } for 1 .. 20;
say_it(message(), headers => $nested);
$count++;
ok(eval { wait_for(sub { refused() == $count }, PATIENCE, 'nested') },
   'headers nested too deep are refused and counted');

my $foreign = counter($third, 'foreign');
my $guest = Warren::AMQP->connect(url => $rabbit->url('guest', $vhost));
$guest->publish('limits', '', message(entries => [['mine', 60_000_000]]),
                user_id => 'guest');
$guest->publish('limits', '', message(entries => [['mine', 60_000_000]]));
ok(eval { wait_for(sub { counter($third, 'foreign') == $foreign + 2 },
                   PATIENCE, 'foreign ones') },
   'messages of other users, or of nobody, are counted');
is(left($third, '/quick?k=mine'), 20, 'and not believed');

say_it(message(zone => 'unknown'));
say_it(message(zone => 'alone', entries => [['shy', 60_000_000]]));
say_it(message(zone => 'cluster', entries => [['last', 600_000_000]]));
ok(agree('/cluster?k=last', QUOTA - 10, @nodes), 'what is well formed counts');
is(left($third, '/alone?k=shy'), QUOTA,
   'but not for a zone that is not shared, and an unknown one is no matter');

say_it(message(zone => 'cluster',
               entries => [['wild', 18446744073709551615]]));
ok(agree('/cluster?k=wild', 0, @nodes), 'an absurd amount is a bounded one');
my $answer = $third->get('/cluster?k=wild');
cmp_ok($answer->{headers}{'retry-after'}, '<=', 17 * (QUOTA * 60 + 10),
       'of so many quotas as there may be nodes');


# One process speaks for a node, whichever it is.

# The processes that listen, by the tags of their consumers.
sub listeners {
    return map { $_->{consumer_tag} =~ /\.(\d+)\.limits\z/ ? $1 : () }
           @{ $rabbit->api('GET', "/api/consumers/$vhost") };
}

ok(eval { wait_for(sub { listeners() == NODES }, PATIENCE, 'listeners') },
   'each node listens once, however many processes it has');

$first->reload();
$first->wait_for_old();
wait_connected($first, 2);
is(ask($first, '/cluster?k=reload', 4), 4, 'after a reload a node goes on');
ok(agree('/cluster?k=reload', QUOTA - 4, @nodes), 'and is heard');
is(ask($second, '/cluster?k=reload', 2), 2, 'others do');
ok(agree('/cluster?k=reload', QUOTA - 6, @nodes),
   'and are heard, once, by the node that was reloaded');

my %is_worker = map { $_ => 1 } $second->workers();
my ($killed) = grep { $is_worker{$_} } listeners();
ok($killed, 'one process of a node holds the connection');
push @{ $second->{allow} }, qr/exited on signal 9/;
kill 'KILL', $killed;
wait_connected($second, 2);
is(ask($second, '/cluster?k=killed', 4), 4, 'when it is killed');
ok(agree('/cluster?k=killed', QUOTA - 4, @nodes), 'another one takes over');


# Away: the nodes lose their connections and may not come back.

$rabbit->grant($user, $vhost, configure => '^$', write => '^$', read => '^$');
my @connects = map { counter($_, 'connects') } @nodes;
wait_for(sub {
    $rabbit->close_connections($user);
    ask($_, '/cluster?k=away', 1) for @nodes;
    !grep { counter($_, 'dropped') == 0 } @nodes;
}, PATIENCE, 'nodes that drop what they cannot tell');
pass('without a broker what was spent is dropped');

is(ask($_, '/cluster?k=alone', 10), 10, 'each node limits alone')
    for @nodes;
is(ask($_, '/cluster?k=alone', QUOTA), QUOTA - 10, 'by the whole quota')
    for @nodes[0, 1];
is(left($third, '/cluster?k=alone'), QUOTA - 10, 'not knowing of the others');

# what was spent is dropped at the next turn, none of it waits
wait_for(sub {
    my $dropped = counter($first, 'dropped');
    ask($first, '/cluster?k=drop', 1);
    wait_for(sub { counter($first, 'dropped') > $dropped }, PATIENCE, 'drop');
}, PATIENCE, 'the last drop');

$rabbit->grant($user, $vhost);
wait_connected($nodes[$_], $connects[$_] + 1) for 0 .. 2;

is(ask($third, '/cluster?k=back', 3), 3, 'when it is back');
ok(agree('/cluster?k=back', QUOTA - 3, @nodes), 'they tell one another');
is(left($third, '/cluster?k=alone'), QUOTA - 10,
   'and nothing is made up for later');


# what nginx -t refuses

sub is_invalid {
    my ($top, $pattern, $name) = @_;

    my ($is_valid, $output) = $first->test(<<"END");
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    $top
}
END
    ok(!$is_valid, "$name is refused");
    like($output, $pattern, 'and told');
}

my $zone = 'gateway_limit_zone $arg_k zone=z:1m rate=1r/s sync=100ms;';
my $broker = "{ url $url; password_file $secret; }";

is_invalid($zone, qr/needs a broker, define one .* in \S+:5$/m,
           'a shared zone without a broker');
is_invalid("$zone gateway_broker a $broker gateway_broker b $broker",
           qr/of several choose one with "gateway_limit_broker NAME"/,
           'a shared zone with two');
is_invalid("$zone gateway_broker a $broker gateway_limit_broker b;",
           qr/unknown broker "b", define it .* in \S+:5$/m,
           'an unknown broker');
is_invalid("gateway_limit_broker a; gateway_limit_broker a;",
           qr/"gateway_limit_broker" directive is duplicate/,
           'a broker twice');

for my $time (qw(0 5ms 11s x)) {
    is_invalid("gateway_limit_zone \$arg_k zone=z:1m rate=1r/s sync=$time;",
               qr/invalid parameter "sync=$time", use a time from 10ms/,
               "a sync of $time");
}

done_testing();
