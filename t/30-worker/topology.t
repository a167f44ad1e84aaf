# Copyright (C) the Warren authors
#
# warren topology apply makes a real broker what the wire contract says, changes
# nothing the second time, and refuses what it would have to delete.

use strict;
use warnings;

use lib 't/lib';

use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(_exit);
use Test::More;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(at_exit run_command sanitizer_environment test_id);

my $broker = Warren::RabbitMQ->shared();
my $dir = tempdir();
my $vhost = 'topology-' . test_id();
my $json = JSON::PP->new()->utf8()->canonical();

# users belong to the whole server
my $service = "t$$";
my $other = "o$$";

at_exit(sub {
    eval { $broker->api('DELETE', "/api/vhosts/$vhost") };
    eval { $broker->api('DELETE', "/api/users/$_") } for $service, $other;
});

spew("$dir/admin.secret", "guest\n", 0600);
spew("$dir/service.secret", "first word\nsecond line\n", 0600);

my @from = (
    worker($service, entities => ['cat', 'dog'],
           events => ['cat.*', 'order.placed'], channels => ['email']),
    worker($other)
);
my @apply = ('--vhost', $vhost, '--from', $from[0], '--from', $from[1],
             '--user', "$service=$dir/service.secret");

my ($status, $output) = apply(@apply);
is($status, 0, 'a broker without anything of ours is made ready')
    or diag($output);
like($output, qr/^made vhost \Q$vhost\E$/m, 'the virtual host too');
like($output, qr/^no rights for user $other, who does not exist/m,
     'a user that does not exist is told');
unlike($output, qr/first word/, 'the password is not told');

objects();
rights();
password();
twice();
password_change();
tuned_policy();
stale_binding();
mismatch();
refusals();
stream_queue();
usage();
show();

done_testing();


sub worker {
    my ($name, %about) = @_;

    return spew("$dir/$name.json", $json->encode({
        service => $name, entities => [], events => [], asks => [],
        channels => [], %about
    }));
}


sub apply {
    return warren('topology', 'apply', '--url',
                  'http://guest@127.0.0.1:' . $broker->management_port(),
                  '--password-file', "$dir/admin.secret", @_);
}


sub warren {
    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', @_],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


sub objects {
    my %type = map { $_->{name} => "$_->{type} $_->{durable}" }
               @{ $broker->api('GET', "/api/exchanges/$vhost") };
    delete @type{ grep { /^amq\.|^$/ } keys %type };

    is_deeply(\%type, {
        rpc => 'direct 1', replies => 'direct 1', commands => 'direct 1',
        events => 'topic 1', 'events.unrouted' => 'fanout 1',
        notifications => 'topic 1', again => 'direct 1', park => 'direct 1',
        limits => 'fanout 1', dropped => 'direct 1',
        "retry.$service" => 'direct 1', "retry.$other" => 'direct 1'
    }, 'the exchanges are those of the contract');

    my %queue = map { $_->{name} => {
        type => $_->{type}, durable => $_->{durable} ? 1 : 0,
        %{ $_->{arguments} }
    } } @{ $broker->api('GET', "/api/queues/$vhost") };

    # read back from the broker, written out here once more by hand
    my $call = {
        type => 'classic', durable => 1, 'x-queue-type' => 'classic',
        'x-max-length' => 100000, 'x-max-length-bytes' => 67108864,
        'x-overflow' => 'reject-publish', 'x-message-ttl' => 60000
    };
    my %rung = (
        '1s' => 1000, '5s' => 5000, '15s' => 15000, '1m' => 60000,
        '5m' => 300000, '15m' => 900000, '1h' => 3600000, '6h' => 21600000
    );
    my %wanted = (
        'events.unrouted' => {
            type => 'classic', durable => 1, 'x-queue-type' => 'classic',
            'x-max-length' => 1000, 'x-overflow' => 'drop-head'
        },
        'channel.email' => work($service)
    );

    for my $name ($service, $other) {
        $wanted{"rpc.$name"} = $call;
        $wanted{"$_.$name"} = work($name) for qw(commands events again);
        $wanted{"park.$name"} = {
            type => 'classic', durable => 1, 'x-queue-type' => 'classic'
        };
        $wanted{"retry.$name.$_"} = {
            type => 'quorum', durable => 1, 'x-queue-type' => 'quorum',
            'x-message-ttl' => $rung{$_}, 'x-max-length' => 100000,
            'x-dead-letter-exchange' => 'again',
            'x-dead-letter-routing-key' => $name,
            'x-dead-letter-strategy' => 'at-least-once',
            'x-overflow' => 'reject-publish'
        } for keys %rung;
    }

    is_deeply(\%queue, \%wanted, 'the queues and all their arguments, too');

    my @bindings = sort map { "$_->{source} $_->{routing_key} "
                              . $_->{destination} }
                        grep { $_->{source} ne '' }
                        @{ $broker->api('GET', "/api/bindings/$vhost") };
    my @expected = (
        'events.unrouted  events.unrouted',
        "events cat.* events.$service",
        "events order.placed events.$service",
        'notifications email.* channel.email'
    );

    for my $name ($service, $other) {
        push @expected, map { "$_ $name $_.$name" }
                        qw(rpc commands again park);
        push @expected, map { "retry.$name $_ retry.$name.$_" } keys %rung;
    }

    is_deeply(\@bindings, [sort @expected], 'the bindings, too');

    my %policy = map { $_->{name} => [
        $_->{pattern}, $_->{'apply-to'}, $_->{definition}
    ] } @{ $broker->api('GET', "/api/policies/$vhost") };

    is_deeply(\%policy, {
        'warren-rpc' => ['^rpc\.', 'queues', { 'max-length' => 4096 }],
        'warren-events' => ['^events$', 'exchanges',
                            { 'alternate-exchange' => 'events.unrouted' }]
    }, 'the policies, too');
}


sub work {
    my ($name) = @_;

    return {
        type => 'quorum', durable => 1, 'x-queue-type' => 'quorum',
        'x-delivery-limit' => 1000, 'x-dead-letter-exchange' => 'park',
        'x-dead-letter-routing-key' => $name,
        'x-dead-letter-strategy' => 'at-least-once',
        'x-overflow' => 'reject-publish'
    };
}


sub rights {
    my $right = $broker->api('GET', "/api/permissions/$vhost/$service");

    is($right->{configure}, '^amq\.gen-', 'a worker configures reply queues');
    is($right->{write},
       "^(rpc|commands|events|notifications|replies|retry\\.$service"
       . '|amq\.gen-.*)$', 'and writes what it must');
    is($right->{read},
       "^(amq\\.gen-.*|replies|(rpc|commands|events|again|park)\\.$service"
       . '|channel\.(email))$', 'and reads its own queues');

    my $topics = $broker->api('GET',
                              "/api/topic-permissions/$vhost/$service");
    is_deeply([map { "$_->{exchange} $_->{write}" } @$topics],
              ['events ^(cat|dog)\.'], 'and announces its own entities');

    my $user = $broker->api('GET', "/api/users/$service");
    is_deeply([grep { $_ ne '' } ref $user->{tags} ? @{ $user->{tags} }
                                                   : $user->{tags}],
              [], 'and is no administrator');
}


sub password {
    ok(logs_in('first word'), 'a password is the first line of its file');
    ok(!logs_in("first word\nsecond line"), 'and not more');
}


# A user without a tag has no business here: the reason tells what was wrong.
sub logs_in {
    my ($word) = @_;

    eval { $broker->api('GET', '/api/whoami', undef, $service, $word) };
    return $@ =~ /Not management user|Not_Authorized|not_authorized/i
           && $@ !~ /Login failed/i;
}


sub twice {
    my $before = state();
    my ($status, $output) = apply(@apply);

    is($status, 0, 'a second run succeeds') or diag($output);
    like($output, qr/^vhost \Q$vhost\E: 0 made, /m, 'and makes nothing');
    is_deeply(state(), $before, 'and nothing is changed');
}


# All that could have been changed; hashes of passwords have a salt.
sub state {
    return {
        exchanges => $broker->api('GET', "/api/exchanges/$vhost"
                                         . '?columns=name,type,arguments'),
        queues => [sort { $a->{name} cmp $b->{name} } @{
            $broker->api('GET', "/api/queues/$vhost?columns=name,arguments")
        }],
        bindings => [sort { $a->{destination} . $a->{properties_key}
                            cmp $b->{destination} . $b->{properties_key} } @{
            $broker->api('GET', "/api/bindings/$vhost?columns=source,"
                                . 'destination,properties_key')
        }],
        policies => $broker->api('GET', "/api/policies/$vhost"),
        permissions => $broker->api('GET', "/api/vhosts/$vhost/permissions"),
        user => $broker->api('GET', "/api/users/$service")
    };
}


sub password_change {
    spew("$dir/service.secret", "another\n", 0600);

    my ($status, $output) = apply(@apply);
    is($status, 0, 'a new password is given') or diag($output);
    like($output, qr/: 1 made, /, 'and nothing else');
    ok(logs_in('another'), 'the new one counts');
    ok(!logs_in('first word'), 'the old one no more');
}


sub tuned_policy {
    my $path = "/api/policies/$vhost/warren-rpc";

    $broker->api('PUT', $path, {
        pattern => '^rpc\.', 'apply-to' => 'queues',
        definition => { 'max-length' => 99 }
    });

    my ($status, $output) = apply(@apply);
    is($status, 0, 'a policy that was tuned is no error') or diag($output);
    like($output, qr/^kept policy warren-rpc/m, 'it is told');
    is($broker->api('GET', $path)->{definition}{'max-length'}, 99,
       'and kept');
}


sub stale_binding {
    my ($status, $output) = apply(
        '--vhost', $vhost, '--from',
        worker($service, entities => ['cat', 'dog'],
               events => ['order.placed'], channels => ['email'])
    );
    is($status, 0, 'a service that listens to less is no error')
        or diag($output);
    like($output, qr/^kept binding events to events\.$service by "cat\.\*"/m,
         'what it listened to is told');
    ok((grep { $_->{routing_key} eq 'cat.*' }
        @{ $broker->api('GET', "/api/bindings/$vhost") }), 'and kept');

    worker($service, entities => ['cat', 'dog'],
           events => ['cat.*', 'order.placed'], channels => ['email']);
}


sub mismatch {
    my $path = "/api/queues/$vhost/rpc.$service";

    $broker->api('DELETE', $path);
    $broker->api('PUT', $path, {
        durable => JSON::PP::true(), arguments => {
            'x-max-length' => 5, 'x-expires' => 3600000,
            'x-max-length-bytes' => 67108864,
            'x-overflow' => 'reject-publish', 'x-message-ttl' => 60000
        }
    });
    $broker->api('DELETE', "/api/exchanges/$vhost/park");

    my ($status, $output) = apply(@apply);
    is($status, 1, 'a queue with other arguments is refused');
    my $values = 'x-max-length is 5, must be 100000';
    like($output, qr/queue rpc\.$service of .*: $values$/m,
         'with both values');
    like($output, qr/: x-expires is 3600000, must be absent$/m,
         'and what must not be there');
    unlike($output, qr/x-overflow/, 'what is right is not told');
    is($broker->api('GET', $path)->{arguments}{'x-max-length'}, 5,
       'the queue is let be');
    ok(!eval { $broker->api('GET', "/api/exchanges/$vhost/park") },
       'and nothing is made');

    $broker->api('DELETE', $path);
    $broker->api('PUT', "/api/exchanges/$vhost/park", { type => 'topic' });
    ($status, $output) = apply(@apply);
    is($status, 1, 'an exchange of another type is refused');
    like($output, qr/exchange park .*: its type is "topic", must be "direct"/,
         'with both values');

    $broker->api('DELETE', "/api/exchanges/$vhost/park");
    ($status, $output) = apply(@apply);
    is($status, 0, 'when they are gone it goes on') or diag($output);
}


sub refusals {
    my $url = 'http://guest@127.0.0.1:' . $broker->management_port();

    spew("$dir/wrong.secret", "wrong\n", 0600);
    my ($status, $output) = warren('topology', 'apply', '--url', $url,
                                   '--password-file', "$dir/wrong.secret");
    is($status, 1, 'a wrong password is refused');
    like($output, qr/^warren: GET .* as guest: 401 .*password/, 'and told');

    chmod 0644, "$dir/wrong.secret";
    ($status, $output) = warren('topology', 'apply', '--url', $url,
                                '--password-file', "$dir/wrong.secret");
    is($status, 1, 'a secret that everybody may read is refused');
    like($output, qr/may be read by everybody/, 'and told');

    ($status, $output) = warren(
        'topology', 'apply', '--url', 'http://guest:guest@127.0.0.1:1',
        '--password-file', "$dir/admin.secret"
    );
    is($status, 1, 'a password on the command line is refused');
    like($output, qr/use --password-file/, 'and told');
    unlike($output, qr/guest:guest/, 'but not repeated');

    my $port = free_port();
    ($status, $output) = warren(
        'topology', 'apply', '--url', "http://guest\@127.0.0.1:$port",
        '--password-file', "$dir/admin.secret"
    );
    is($status, 1, 'a node that is down is told');
    is(scalar(my @lines = split /\n/, $output), 1, 'in one line');

    ($status, $output) = apply('--user', "stranger=$dir/service.secret");
    is($status, 2, 'a user without a service is refused');

    spew("$dir/bad.json", '{"service":"a.b"}');
    ($status, $output) = apply('--from', "$dir/bad.json");
    is($status, 1, 'a name that would be a pattern is refused');

    spew("$dir/rival.json", '{"service":"rival","channels":["sms","email"]}');
    ($status, $output) = apply('--vhost', $vhost, '--from', $from[0],
                               '--from', "$dir/rival.json");
    is($status, 1, 'a channel that two services serve is refused');
    like($output, qr/channel "email" is served by $service and by rival/,
         'and whose it is told');

    ($status, $output) = apply('--worker', '/bin/false');
    is($status, 1, 'a program that is no worker is refused');
    like($output, qr{/bin/false --topology failed}, 'and told');

    ($status, $output) = apply('--worker', "$dir/nowhere");
    is($status, 1, 'a program that is not there is refused');
}


# No node here has the flag off, so a server that says so takes its place.
sub stream_queue {
    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 5, Proto => 'tcp'
    ) or die "listen: $!\n";

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        node_without_stream_queue($listener);
        _exit(0);
    }

    my ($status, $output) = warren(
        'topology', 'apply', '--url',
        'http://guest@127.0.0.1:' . $listener->sockport(),
        '--password-file', "$dir/admin.secret"
    );
    kill 'KILL', $pid;
    waitpid $pid, 0;

    is($status, 1, 'a node whose feature flag stream_queue is off is refused');
    like($output, qr/stream_queue is disabled.*enable_feature_flag/,
         'with what to do');
    unlike($output, qr/PUT|POST/, 'and is asked for nothing else');
}


sub node_without_stream_queue {
    my ($listener) = @_;

    while (my $client = $listener->accept()) {
        my $head = '';
        1 while $head !~ /\r\n\r\n/ && sysread $client, $head, 4096,
                                               length $head;

        my $body = $head =~ m{^GET /api/feature-flags }
            ? '[{"name":"stream_queue","state":"disabled"}]' : '{}';
        my $status = $head =~ m{^GET } ? '200 OK' : '418 PUT or POST';

        syswrite $client, "HTTP/1.1 $status\r\nContent-Length: "
                          . length($body) . "\r\n\r\n$body";
        close $client;
    }
}


sub usage {
    my ($status, $output) = warren('topology', 'apply');
    is($status, 2, 'without its options it says what it needs');

    ($status, $output) = warren('--help');
    is($status, 0, '--help is no error');
    like($output, qr/^  warren topology apply /m, 'and names the commands');

    ($status, $output) = warren('topology', 'apply', '--help');
    is($status, 0, 'nor is that of a command');
    like($output, qr/--password-file/, 'which names its options');

    ($status, $output) = warren('--version');
    like($output, qr/^warren \S+$/, '--version says which it is');

    ($status) = warren('nonsense');
    is($status, 2, 'an unknown command is refused');
}


sub show {
    my ($status, $output) = warren('topology', 'show', '--from', $from[0]);
    is($status, 0, 'what would be made is shown');

    my $topology = eval { $json->decode($output) };
    is_deeply([sort map { $_->{name} } grep { $_->{name} =~ /^rpc/ }
               @{ $topology->{queues} }], ["rpc.$service"], 'as JSON');
}
