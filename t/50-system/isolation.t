# Copyright (C) the Warren authors
#
# Everybody keeps to his own: no service's broker user touches another's queues
# and exchanges, and no person learns of another's things on any route.
#
# Queues, exchanges and routes are taken from the running system, so that a new
# one is looked at, too.  What databases refuse is in t/40-sql/roles.t.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;
use Warren::AMQP;
use Warren::OpenAPI;
use Warren::System;
use Warren::Test;
use Warren::Test qw(build_dir run_command sanitizer_environment source_dir);

my $nobody = '018f0000-0000-7000-8000-00000000dead';

# the thing of a person that a path with an id names; undef: nobody's
my %thing = (
    users => 'user', orders => 'order', notifications => 'notification',
    products => undef
);

# a stream has no end: it is looked at by itself
my $stream = '/notifications/stream';

my $json = JSON::PP->new()->utf8()->canonical();
my $system = Warren::System->new()->start();
my $broker = $system->broker();
my $vhost = $system->vhost();
my @services = @Warren::System::SERVICES;
my @queues = @{ $broker->api('GET', "/api/queues/$vhost") };
my @exchanges = @{ $broker->api('GET', "/api/exchanges/$vhost") };
my @routes = Warren::OpenAPI::routes();

for my $user (@services, 'gateway') {
    queues($user);
    exchanges($user);
}

routes();

done_testing();


# ---- the broker

sub client {
    my ($user) = @_;

    return Warren::AMQP->connect(
        port => $broker->port(), vhost => $vhost, user => $user,
        password => $broker->user($user)
    );
}


# What the broker did not refuse.
sub allowed {
    my ($what, $sub) = @_;

    return () if !eval { $sub->(); 1 } && $@ =~ /^(?:403|405) /;
    return $@ eq '' ? "$what: it may" : "$what: $@";
}


# Queues that are not of the user, and what might be done to each.
sub queues {
    my ($user) = @_;

    my $amqp = client($user);
    my @others = grep { $_->{name} !~ /\.\Q$user\E(?:\.|\z)/
                        && !is_channel($user, $_->{name}) } @queues;
    my %open;

    cmp_ok(scalar(@others), '>=', 3 * @services,
           "there are queues that are not of $user");

    for my $queue (@others) {
        my $name = $queue->{name};

        push @{ $open{$_->[0]} }, allowed($name, $_->[1]) for (
            ['takes from', sub { $amqp->get($name) }],
            ['consumes', sub { $amqp->consume($name) }],
            ['empties', sub { $amqp->rpc('queue.purge', queue => $name) }],
            ['deletes', sub {
                $amqp->rpc('queue.delete', queue => $name);
            }],
            ['makes', sub {
                $amqp->declare_queue(
                    $name, arguments => $queue->{arguments},
                    map { $_ => $queue->{$_} ? 1 : 0 }
                        qw(durable exclusive auto_delete)
                );
            }],
            ['binds', sub { $amqp->bind($name, 'replies', 'x') }],
            ['unbinds', sub {
                $amqp->rpc('queue.unbind', queue => $name,
                           exchange => 'events', routing_key => '#');
            }],
            ['publishes straight to', sub { publish($amqp, '', $name) }]
        );
    }

    is(join(', ', @{ $open{$_} }), '', "$user $_ no queue of others")
        for sort keys %open;
    $amqp->close();
}


sub is_channel {
    my ($user, $queue) = @_;

    return 0 if $user eq 'gateway';

    return grep { $queue =~ /\Achannel\.\Q$_\E\z/ }
           @{ topology($user)->{channels} };
}


my %topology;

sub topology {
    my ($service) = @_;

    return $topology{$service} //= do {
        my ($status, $text) = run_command(
            command => [build_dir() . "/warren-$service", '--topology'],
            environment => { sanitizer_environment() }
        );
        die "warren-$service --topology: $text\n" if $status != 0;
        $json->decode($text);
    };
}


sub exchanges {
    my ($user) = @_;

    my $amqp = client($user);
    my $queue = $amqp->declare_queue('', exclusive => 1);
    my %open = map { $_ => [] } qw(makes deletes listens);

    for my $exchange (grep { $_->{name} ne '' } @exchanges) {
        my $name = $exchange->{name};

        push @{ $open{makes} }, allowed($name, sub {
            $amqp->declare_exchange($name, $exchange->{type}, durable => 1);
        });
        push @{ $open{deletes} }, allowed($name, sub {
            $amqp->rpc('exchange.delete', exchange => $name);
        });

        # answers to oneself are meant; and what gateways tell one another, and
        # what they stream to people
        push @{ $open{listens} }, allowed($name, sub {
            $amqp->bind($queue, $name, '#');
        }) if $name ne 'replies'
            && "$user $name" !~ /^gateway (?:limits|notifications|dropped)$/;
    }

    is(join(', ', @{ $open{makes} }), '', "$user makes no exchange");
    is(join(', ', @{ $open{deletes} }), '', "$user deletes no exchange");
    is(join(', ', @{ $open{listens} }), '',
       "$user listens to no exchange on the quiet");

    my @keys = (
        (map { my $other = $_; map { ['events', "$_.happened"] }
                               @{ topology($other)->{entities} } }
             grep { $_ ne $user } @services),
        (map { my $name = $_->{name}; map { [$name, $_] } '1s', $user, '#' }
             grep { $_->{name} =~ /^(?:retry|again|park|ordered|amq)\b/
                    && $_->{name} ne "retry.$user" } @exchanges),
        ['events.unrouted', 'x']
    );

    is(join(', ', map { my ($exchange, $key) = @$_;
                        allowed("$exchange $key", sub {
                            publish($amqp, $exchange, $key);
                        }) } @keys),
       '', "$user says nothing in the name of others");
    $amqp->close();
}


sub publish {
    my ($amqp, $exchange, $key) = @_;

    # a refusal closes the channel, and the next one is new
    $amqp->confirm_select() if $amqp->{published} == 0;
    $amqp->publish($exchange, $key, '{}', type => $key);

    return $amqp->wait_confirm();
}


# ---- people

my (%zoe, %eve, %example);

sub routes {
    %zoe = person('zoe');
    %eve = person('eve');
    %example = map { ("$_->{method} $_->{path}" => example($_)) }
               Warren::OpenAPI->new()->operations();

    my %before = view(\%zoe);
    my %seen;

    # who changes something sees something else afterwards
    my @sorted = sort { ($b->{method} eq 'GET') <=> ($a->{method} eq 'GET') }
                 @routes;

    for my $route (@sorted) {
        my $name = "$route->{method} $route->{path}";

        $seen{$name} = 1;
        strangers($name, $route) if $route->{token} eq 'on';

        if ($route->{path} =~ /\{/) {
            named($name, $route);

        } elsif ($route->{token} eq 'on' && $route->{path} ne $stream) {
            own($name, $route);
        }
    }

    cmp_ok(scalar(keys %seen), '>=', 15, 'there are routes');
    my %after = view(\%zoe);
    is($after{$_}, $before{$_}, "$_ shows her what it did")
        for sort keys %before;

    # places orders, which she sees
    stream() if $seen{"GET $stream"};
}


# Somebody with one of everything.
sub person {
    my ($name) = @_;

    my ($id, $token) = $system->person($name);
    my @bearer = (authorization => "Bearer $token");

    $system->products({ 'tea-100' => 450 })
        if $system->get('/products/tea-100')->{status} != 200;

    my $answer = $system->post('/orders', {
        payment_method => 'tok_success',
        lines => [{ product_id => 'tea-100', quantity => 1 }]
    }, @bearer);
    die "order: $answer->{status} $answer->{body}\n"
        if $answer->{status} != 201;

    my $order = $answer->{json}{id};
    my ($notification, $before) = ('', '');

    # all that happens to an order has happened
    wait_for(sub {
        my $list = $system->get('/notifications?limit=100', @bearer);
        my @about = grep { index($json->encode($_), $order) >= 0 }
                    @{ $list->{json}{notifications} // [] };
        my @left = grep { $system->psql($_, 'select count(*) from outbox') }
                   @services;
        my $shown = $system->get("/orders/$order", @bearer);
        my $now = "$list->{body} $shown->{body}";

        # it is paid for in its own time
        return 0 if ($shown->{json}{status} // '') =~ /^(?:placed|reserved)$/
                    && $system->worker('payments');

        $notification = $about[0]{id} if @about;
        ($before, $now) = ($now, $before);
        @about && $before eq $now && !@left;
    }, 60, "the order of $name");

    return (name => $name, id => $id, bearer => \@bearer, user => $id,
            order => $order, notification => $notification);
}


sub example {
    my ($operation) = @_;

    my $body = $operation->{item}{requestBody} // return undef;
    my $content = $body->{content}{'application/json'} // {};
    my ($first) = map { $content->{examples}{$_}{value} }
                  sort keys %{ $content->{examples} // {} };

    return $content->{example} // $first // {};
}


# What all that somebody may read looks like.
sub view {
    my ($person) = @_;

    my %view;

    for my $route (grep { $_->{method} eq 'GET' && $_->{token} eq 'on'
                          && $_->{path} ne $stream } @routes)
    {
        my $path = path($route, $person);
        $view{"GET $path"} = answer('GET', $path, $person);
    }

    return %view;
}


# The path with the ids of a person, or one that is nobody's.
sub path {
    my ($route, $of) = @_;

    my ($first) = $route->{path} =~ m{^/([^/]+)};
    my $id = !exists $thing{$first} || !defined $thing{$first} ? 'tea-100'
             : ref $of ? $of->{ $thing{$first} } : $of;

    return $route->{path} =~ s/\{\w+\}/$id/gr;
}


# Status and body, without what names the request itself.
sub answer {
    my ($method, $path, $person) = @_;

    my $name = "$method " . $path =~ s/[0-9a-f-]{36}/{id}/r =~ s/\?.*//r;
    my $answer = $system->http()->request(
        $method, $path, $method eq 'GET' ? undef : $example{$name} // {},
        $person ? @{ $person->{bearer} } : ()
    );
    my $body = $answer->{body} =~ s/"instance":"[^"]*"/"instance":""/r;

    return join ' ', $answer->{status},
           $answer->{headers}{'content-type'} // '', $body;
}


sub strangers {
    my ($name, $route) = @_;

    like(answer($route->{method}, path($route, \%zoe)), qr/\A401 /,
         "$name: who did not log in is told nothing");
}


# A thing of somebody else is one that there is not.
sub named {
    my ($name, $route) = @_;

    my ($first) = $route->{path} =~ m{^/([^/]+)};

    if (!exists $thing{$first}) {
        fail("$name: whose is it?  say it above");
        return;
    }

    return if !defined $thing{$first};

    my $hers = path($route, \%zoe);
    my $none = path($route, $nobody);
    my $got = answer($route->{method}, $hers, \%eve);

    like($got, qr/\A40[34] /, "$name: another one's is refused");
    is($got =~ s/\Q$zoe{ $thing{$first} }\E/$nobody/gr,
       answer($route->{method}, $none, \%eve),
       "$name: as if there were none");
}


# What is about whoever asks.
sub own {
    my ($name, $route) = @_;

    my @queries = ('', map {
        my $argument = $_;
        map { "?$argument=$zoe{$_}" } qw(id order notification)
    } @{ $route->{method} eq 'GET' ? $route->{arguments} : [] });

    for my $query (@queries) {
        my $got = answer($route->{method}, "$route->{path}$query", \%eve);

        # what one says oneself may come back
        my $said = $query =~ s/.*=//r;
        my @told = grep { $_ ne $said && index($got, $_) >= 0 }
                   @zoe{qw(id order notification)}, 'zoe-', '"Zoe"';
        is("@told", '', "$name$query: nothing of others is told");

        next if $said eq '';

        my $none = answer($route->{method},
                          "$route->{path}" . $query =~ s/=.*/=$nobody/r,
                          \%eve);
        is($got =~ s/\Q$said\E/$nobody/gr, $none,
           "$name$query: nor whether it is there");
    }
}


# What comes by itself: an order of each, and only one is told of.
sub stream {
    my $http = $system->http();
    my $place = sub {
        my ($person) = @_;

        return $system->post('/orders', {
            payment_method => 'tok_success',
            lines => [{ product_id => 'tea-100', quantity => 1 }]
        }, @{ $person->{bearer} })->{json}{id};
    };
    my $text = '';

    $http->open();
    $http->send("GET $stream HTTP/1.1\r\nHost: localhost\r\n"
                . "Authorization: $eve{bearer}[1]\r\n\r\n");

    my $read = sub {
        my ($until) = @_;

        return wait_for(sub {
            my $ready = IO::Select->new($http->{socket})->can_read(0.2);
            sysread $http->{socket}, $text, 65536, length $text if $ready;
            index($text, $until) >= 0;
        }, 40, "\"$until\" on the stream");
    };

    $read->("\r\n\r\n");

    my $hers = $place->(\%zoe);
    my $own = $place->(\%eve);

    $read->($own);
    ok(index($text, $hers) < 0 && index($text, $zoe{id}) < 0,
       'a stream has what is for whoever opened it alone');
    $http->close();
}
