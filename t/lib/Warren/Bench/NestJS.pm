package Warren::Bench::NestJS;

# Copyright (C) the Warren authors
#
# The peer of t/60-bench/nestjs, built and running: users, catalog, orders and
# notifications behind their gateway, with databases of their own that have the
# tables of sql/, and the products of its seed.
#
#     my ($is_there, $why) = Warren::Bench::NestJS->available();
#     my $nest = Warren::Bench::NestJS->new(
#         broker => $broker, postgresql => $postgresql
#     )->start();
#     $nest->port(); $nest->token(); $nest->pids();
#
# It is built in var/bench/nestjs, anew when a source changes.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Fcntl qw(:flock);
use File::Copy qw(copy);
use File::Path qw(make_path);

use Warren::Bench::Shop;
use Warren::HTTP;
use Warren::JWT;
use Warren::Test qw(
    wait_for free_port slurp spew tempdir source_dir spawn alive stop_process
    run_command at_exit
);


our @SERVICES = qw(users catalog orders notifications);

# what its packages want
my ($major, $minor) = (20, 19);

my $count = 0;


# Whether it can run here; in a list, with the reason why not.  Builds it.
sub available {
    my $why = missing();

    if (!defined $why && !eval { build(); 1 }) {
        $why = $@;
        chomp $why;
    }

    return wantarray ? (!defined $why, $why) : !defined $why;
}


# broker, postgresql; issuer, audience and key, a Warren::JWT of ES256, so that
# tokens made for another gateway are good here; limit, of requests a second, of
# a person and of an address (1000000); environment, for all processes.
sub new {
    my ($class, %option) = @_;

    my $self = bless {
        issuer => 'https://warren.test', audience => 'warren',
        limit => 1_000_000, environment => {}, %option, pid => {}
    }, $class;

    $self->{key} //= Warren::JWT->ec(kid => 'bench');
    $self->{dir} = tempdir('nestjs-' . ++$count);

    return $self;
}


# Starts all of it, waits until it serves, and registers whom token() is for.
sub start {
    my ($self) = @_;

    my $why = missing();
    die "$why\n" if defined $why;

    $self->{built} = build();
    $self->{vhost} //= $self->{broker}->vhost('nestjs');
    $self->{database}{$_} //= $self->{postgresql}->database($_) for @SERVICES;
    $self->{port} //= free_port();

    $self->psql('catalog', Warren::Bench::Shop::products());
    spew("$self->{dir}/public.pem", $self->{key}->public_pem());

    at_exit(sub { $self->stop() }) if !$self->{has_exit}++;

    # who asks declares the queue, too, so order does not matter
    $self->run($_) for @SERVICES, 'gateway';
    $self->wait_for_word($_) for @SERVICES, 'gateway';

    $self->{person} //= $self->person();

    my $http = Warren::HTTP->new(port => $self->{port});
    my @bearer = (authorization => 'Bearer ' . $self->token());

    wait_for(sub { $http->get('/me/overview', @bearer)->{status} == 200 },
             60, "NestJS, see $self->{dir}");

    return $self;
}


sub stop {
    my ($self) = @_;

    for my $name ('gateway', @SERVICES) {
        stop_process(delete $self->{pid}{$name}, 'TERM', 20, "nest $name");
    }
}


sub port { return $_[0]{port} }
sub dir { return $_[0]{dir} }
sub key { return $_[0]{key} }
sub vhost { return $_[0]{vhost} }


# The processes of each part, those that a part has started too:
# { 'nest users' => [pid, …], … }.
sub pids {
    my ($self) = @_;

    my %name_of = map { $self->{pid}{$_} => $_ } keys %{ $self->{pid} };
    my %pids;

    for my $path (glob '/proc/[0-9]*/stat') {
        my ($pid, $group)
            = (eval { slurp($path) } // '') =~ /\A(\d+) .*\) \S \d+ (\d+) /s
            or next;
        my $name = $name_of{$group} // next;

        push @{ $pids{"nest $name"} }, $pid;
    }

    return \%pids;
}


# Registers somebody; returns the id.
sub person {
    my ($self, $id) = @_;

    $id //= random_id();
    $self->psql('users', <<"END");
insert into users (id, email, name, password_hash, created_at)
values ('$id', '$id\@example.com', 'Ada', 'none', now())
on conflict do nothing
END

    return $id;
}


# A token of the person that start() registered, or with other claims.
sub token {
    my ($self, %claims) = @_;

    return $self->{key}->token({
        sub => $self->{person}, iss => $self->{issuer},
        aud => $self->{audience},
        scope => 'orders:read orders:write users:read', %claims
    });
}


# Runs SQL in the service's database, as the administrator.
sub psql {
    my ($self, $service, $sql) = @_;

    my $uri = $self->{postgresql}->admin_uri($self->{database}{$service});

    return $self->{postgresql}->psql($uri, $sql);
}


# Waits until each order has its notification; returns how many there are of
# both.
sub settle {
    my ($self, $seconds) = @_;

    my ($orders, $notifications);

    eval {
        wait_for(sub {
            ($orders, $notifications) = map {
                $self->psql($_, "select count(*) from $_")
            } qw(orders notifications);
            $orders == $notifications;
        }, $seconds // 60);
    };

    return ($orders, $notifications);
}


# Asks as a stranger would; returns what is not answered as it should be.
sub check {
    my ($self) = @_;

    my $http = Warren::HTTP->new(port => $self->{port});
    my @json = ('content-type', 'application/json');
    my @good = (authorization => 'Bearer ' . $self->token());
    my $line = '{"product_id":"tea-100","quantity":2}';
    my $order = qq({"payment_method":"tok_success","lines":[$line,$line]});
    my $tea = $self->psql('catalog', 'select price_cents, name from products'
                                     . " where id = 'tea-100'");
    my ($cents, $name) = split /\|/, $tea;
    my ($orders) = $self->settle();
    my @wrong;

    my $see = sub {
        my ($what, $answer, $status, $is_right) = @_;

        my $json = $answer->{json};
        push @wrong, "$what: $answer->{status} $answer->{body}"
            if $answer->{status} != $status || ref $json ne 'HASH'
               || $is_right && !$is_right->($json)
               || $status > 399 && $json->{status} != $status;
    };

    my $is_me = sub {
        $_[0]{id} eq $self->{person} && $_[0]{email} =~ /\@/
        && $_[0]{name} eq 'Ada' && $_[0]{created_at} =~ /^\d{4}-.*Z$/
        && keys %{ $_[0] } == 4
    };

    $see->('GET /users/me', $http->get('/users/me', @good), 200, $is_me);

    my $placed = $http->post('/orders', $order, @good, @json);
    my $id = ($placed->{json} // {})->{id} // '';

    $see->('POST /orders', $placed, 201, sub {
        $_[0]{user_id} eq $self->{person} && $_[0]{total_cents} == 4 * $cents
        && $_[0]{currency} eq 'EUR' && @{ $_[0]{lines} } == 2
        && $_[0]{status} eq 'placed'
        && $_[0]{lines}[1]{product_id} eq 'tea-100'
        && $_[0]{lines}[1]{name} eq $name
        && $_[0]{lines}[1]{unit_price_cents} == $cents
        && $_[0]{created_at} =~ /^\d{4}-.*Z$/
    });

    my $is_list = sub {
        my ($first) = @{ $_[0]{orders} };

        $first->{id} eq $id && $first->{total_cents} == 4 * $cents
        && $first->{status} eq 'placed' && keys %$first == 5
    };

    $see->('GET /orders', $http->get('/orders?limit=10', @good), 200,
           $is_list);
    $see->('GET /me/overview', $http->get('/me/overview', @good), 200,
           sub { $is_me->($_[0]{user}) && $is_list->($_[0]{orders}) });

    $see->('no such path', $http->get('/nowhere', @good), 404);
    $see->('no JSON', $http->post('/orders', '{"lines":[', @good, @json), 400);
    $see->('no lines',
           $http->post('/orders', $order =~ s/\[.*\]/[]/r, @good, @json), 400);
    $see->('the number of a card',
           $http->post('/orders', $order =~ s/tok_success/4111111111111111/r,
                       @good, @json), 400);
    $see->('too many',
           $http->post('/orders', $order =~ s/:2\}/:1001}/r, @good, @json),
           400);
    $see->('a product that there is not',
           $http->post('/orders', $order =~ s/tea-100/tea-1/r, @good, @json),
           400);
    $see->('a limit of 0', $http->get('/orders?limit=0', @good), 400);

    my %bad = (
        'no token' => undef,
        'a token of another key' => Warren::JWT->ec()->token({
            sub => $self->{person}, iss => $self->{issuer},
            aud => $self->{audience}
        }),
        'an old token' => $self->token(exp => time() - 3600),
        'a token that is not good yet' => $self->token(nbf => time() + 3600),
        'a token of another issuer' => $self->token(iss => 'https://x.test'),
        'a token for another audience' => $self->token(aud => 'others'),
        'a token without a signature' =>
            $self->token() =~ s/[^.]*\z//r,
    );

    for my $what (sort keys %bad) {
        $see->($what, $http->get('/users/me', defined $bad{$what}
            ? (authorization => "Bearer $bad{$what}") : ()), 401);
    }

    my $stranger = random_id();

    $see->('somebody who is not registered',
           $http->get('/users/me', authorization => 'Bearer '
                      . $self->token(sub => $stranger)), 404);
    $see->('an order of nobody',
           $http->post('/orders', $order, @json, authorization => 'Bearer '
                       . $self->token(sub => 'nobody')), 403);
    $see->('an order without the scope',
           $http->post('/orders', $order, @json, authorization => 'Bearer '
                       . $self->token(scope => 'orders:read')), 403);

    my ($now, $told) = $self->settle();

    push @wrong, "one order was placed: $orders, $now, $told told"
        if $now != $orders + 1 || $told != $now;

    return @wrong;
}


sub random_id {
    my @words = map { int rand 65536 } 1 .. 8;

    return sprintf '%04x%04x-%04x-4%03x-8%03x-%04x%04x%04x', @words[0 .. 2],
                   $words[3] & 0xfff, $words[4] & 0xfff, @words[5 .. 7];
}


sub run {
    my ($self, $name) = @_;

    my %environment = (
        NODE_ENV => 'production', NODE_OPTIONS => undef,
        BROKER => $self->{broker}->url('guest', $self->{vhost}),
        $name eq 'gateway' ? (
            PORT => $self->{port}, PUBLIC_KEY => "$self->{dir}/public.pem",
            ISSUER => $self->{issuer}, AUDIENCE => $self->{audience},
            LIMIT => $self->{limit}
        ) : (DATABASE => $self->{database}{$name}),
        %{ $self->{environment} }
    );

    $self->{pid}{$name} = spawn(
        command => [node(), @{ $self->{node} // [] },
                    "$self->{built}/dist/$name.js"],
        environment => \%environment, log => "$self->{dir}/$name.log",
        directory => $self->{dir}
    );
}


# Each program says when it is ready.
sub wait_for_word {
    my ($self, $name) = @_;

    my $log = "$self->{dir}/$name.log";

    wait_for(sub {
        die "it ended: " . slurp($log) if !alive($self->{pid}{$name});
        slurp($log) =~ /^ready$/m;
    }, 60, "nest $name, see $log");
}


# Another one than that of PATH, for a comparison.
sub node { return $ENV{WARREN_BENCH_NODE} // 'node' }


# Why it cannot run, or undef.
sub missing {
    my $node = node();
    my $version = `"$node" --version 2>/dev/null` // '';

    return "$node is missing" if $version !~ /^v(\d+)\.(\d+)/;
    return "$node is too old: $1.$2, not $major.$minor"
        if $1 < $major || $1 == $major && $2 < $minor;
    return 'npm is missing' if system('command -v npm >/dev/null 2>&1');

    return undef;
}


# The folder of what runs; it is made anew when a source has changed.
sub build {
    my $from = source_dir() . '/t/60-bench/nestjs';
    my $to = source_dir() . '/var/bench/nestjs';
    my @sources = glob "$from/*.ts $from/*.json";
    my $packages = sha1_hex(slurp("$from/package-lock.json"));
    my $digest = sha1_hex(map { "$_\n" . slurp($_) } @sources);

    make_path($to);
    open my $lock, '>>', "$to/lock" or die "$to/lock: $!\n";
    flock $lock, LOCK_EX or die "$to/lock: $!\n";

    return $to if stamp("$to/built") eq $digest;

    unlink glob "$to/*.ts $to/*.json";
    for my $source (@sources) {
        copy($source, $to) or die "$to: $!\n";
    }

    if (stamp("$to/installed") ne $packages) {
        unlink "$to/installed";
        command($to, qw(npm ci --ignore-scripts --prefer-offline --no-audit
                        --no-fund));
        spew("$to/installed", $packages);
    }

    command($to, 'node_modules/.bin/tsc');
    spew("$to/built", $digest);

    return $to;
}


sub stamp { return -f $_[0] ? slurp($_[0]) : '' }


sub command {
    my ($directory, @words) = @_;

    my ($status, $output) = run_command(
        command => \@words, directory => $directory, seconds => 300,
    );
    die "@words: $output\n" if $status != 0;
}


1;
