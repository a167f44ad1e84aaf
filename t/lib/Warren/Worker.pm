package Warren::Worker;

# Copyright (C) the Warren authors
#
# A worker daemon under test, with a broker user, a virtual host and a database
# of its own.
#
#     my $worker = Warren::Worker->new(service => 'orders')->start();
#     is($worker->http()->get('/live')->{status}, 200);
#
# What is not given is made: broker (a Warren::RabbitMQ) and vhost, postgresql
# (a Warren::PostgreSQL) and database (a URI).  Workers that shall meet share a
# vhost.  settings are keys of the worker's table.  topology => 0 leaves the
# virtual host as it is.

use strict;
use warnings;

use Warren::HTTP;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(
    wait_for slurp spew tempdir spawn alive stop_process at_exit build_dir
    run_command sanitizer_environment watch_log
);


my $count = 0;
my %applied;


sub new {
    my ($class, %option) = @_;

    my $self = bless { topology => 1, settings => {}, %option }, $class;

    my $service = $self->{service};
    $self->{program} //= build_dir() . "/warren-$service";
    $self->{broker} //= Warren::RabbitMQ->shared();
    $self->{vhost} //= $self->{broker}->vhost($service);

    if (!exists $self->{database}) {
        $self->{postgresql} //= Warren::PostgreSQL->shared();
        $self->{database} = $self->{postgresql}->database($service);
    }

    $self->{dir} = tempdir("$service-" . ++$count);
    $self->{log_path} = "$self->{dir}/worker.log";

    watch_log(path => $self->{log_path}, allow => $self->{allow});
    at_exit(sub { $self->stop() });

    return $self;
}


sub pid { return $_[0]{pid} }
sub dir { return $_[0]{dir} }
sub vhost { return $_[0]{vhost} }
sub broker { return $_[0]{broker} }
sub database { return $_[0]{database} }
sub log_path { return $_[0]{log_path} }
sub log { return -f $_[0]{log_path} ? slurp($_[0]{log_path}) : '' }


# Declares the objects of the virtual host and starts the daemon; waits until
# it is ready, unless told wait => 0.
sub start {
    my ($self, %option) = @_;

    apply_topology($self->{broker}, $self->{vhost}, $self)
        if $self->{topology};
    $self->write_conf();

    $self->{log_offset} = length $self->log();

    my $dir = $self->{dir};

    $self->{pid} = spawn(
        command => [$self->{program}, '-c', "$dir/worker.conf"],
        environment => {
            sanitizer_environment(), %{ $self->{environment} // {} }
        },
        log => $self->{log_path}, directory => $dir
    );

    $self->wait_until_ready($option{seconds}) if $option{wait} // 1;

    return $self;
}


sub wait_until_ready {
    my ($self, $seconds) = @_;

    wait_for(
        sub {
            if (!alive($self->{pid})) {
                die "warren-$self->{service} ended: " . $self->log();
            }

            $self->http()->get('/ready')->{status} == 200;
        },
        $seconds // 20, "warren-$self->{service}, see $self->{log_path}"
    );

    return $self;
}


# The port of /live, /ready and /metrics, which the worker says in its log.
sub http_port {
    my ($self) = @_;

    my $log = substr $self->log(), $self->{log_offset} // 0;

    my ($port) = $log =~ /serving http on [0-9.]+:(\d+)/
        or die "no \"serving http on\" in the log yet\n";

    return $port;
}


sub http {
    my ($self) = @_;

    return Warren::HTTP->new(port => $self->http_port());
}


# A number from /metrics: metric('warren_batches_total'), with labels:
# metric('warren_replies_total{service="orders"}'); undef if it is not there.
sub metric {
    my ($self, $name) = @_;

    my ($value) = $self->http()->get('/metrics')->{body}
                  =~ /^\Q$name\E ([0-9.eE+-]+)/m;

    return $value;
}


# Pids of the lanes.
sub lanes {
    my ($self) = @_;

    my @pids;

    for my $path (glob '/proc/[0-9]*/stat') {
        my $text = eval { slurp($path) } // next;
        push @pids, $1 if $text =~ /\A(\d+) \(.*\) [^Z] \Q$self->{pid}\E /s;
    }

    return @pids;
}


# SIGTERM: what was delivered is finished.  Returns the exit status.
sub stop {
    my ($self, $seconds) = @_;

    return if !$self->{pid};

    my $status = stop_process(delete $self->{pid}, 'TERM', $seconds // 40,
                              "warren-$self->{service}");

    return defined $status ? $status >> 8 : undef;
}


# The supervisor dies; its lanes notice.
sub kill9 {
    my ($self) = @_;

    my @lanes = $self->lanes();

    stop_process(delete $self->{pid}, 'KILL', 5, "warren-$self->{service}");
    wait_for(sub { !grep { -e "/proc/$_" } @lanes }, 20,
             'lanes without a supervisor to end');
}


sub signal {
    my ($self, $signal) = @_;

    kill $signal, $self->{pid};
}


# Starts again after stop() or kill9(), with settings changed if told.
sub restart {
    my ($self, %settings) = @_;

    $self->stop();
    %{ $self->{settings} } = (%{ $self->{settings} }, %settings);

    return $self->start();
}


sub write_conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $service = $self->{service};
    my $password = $self->{broker}->user($service);

    spew("$dir/broker.secret", "$password\n", 0600);

    my %settings = (
        'broker.url' => $self->{broker}->url_without_password(
            $service, $self->{vhost}
        ),
        'broker.password_file' => "$dir/broker.secret",
        'database.url' => $self->{database},
        'http.listen' => '127.0.0.1:0',
        'log.level' => 'debug',
        $service eq 'users' ? $self->token_settings() : (),
        %{ $self->{settings} }
    );

    spew("$dir/worker.conf",
         join('', map { "$_ = $settings{$_}\n" } sort keys %settings), 0600);
}


# A key pair made for the test: the worker signs with it.
sub token_settings {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $key = $self->{token_key} // "$dir/token.pem";

    make_key($key) if !-f $key;

    return (
        'token.key_file' => $key, 'token.key_id' => 'test',
        'token.issuer' => 'https://warren.test',
        'token.audience' => 'warren',
        'password.memory' => '1m', 'password.passes' => 1,
        'login.unverified' => 'on'
    );
}


# An ES256 private key as PEM.
sub make_key {
    my ($path) = @_;

    my ($status, $output) = run_command(
        command => ['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt',
                    'ec_paramgen_curve:P-256', '-out', $path]
    );
    die "openssl: $output\n" if $status != 0;
    chmod 0600, $path;

    return $path;
}


# Runs "warren topology apply" for the workers, with the users and passwords
# that Warren::RabbitMQ gives.  Once for a virtual host and set of services.
sub apply_topology {
    my ($broker, $vhost, @workers) = @_;

    my $name = join ' ', $broker->port(), $vhost,
                         sort map { $_->{service} } @workers;
    return if $applied{$name}++;

    my $dir = tempdir('topology-' . ++$count);
    my @words = ('--vhost', $vhost);

    # rights are what apply is for: the users have none before
    for my $service ('gateway', map { $_->{service} } @workers) {
        my $password = $broker->user($service);
        my $file = spew("$dir/$service.secret", "$password\n", 0600);
        push @words, '--user', "$service=$file";
    }

    push @words, map { ('--worker', $_->{program}) } @workers;

    spew("$dir/guest.secret", "guest\n", 0600);

    my ($status, $output) = run_command(
        command => [
            build_dir() . '/warren', 'topology', 'apply',
            '--url', 'http://guest@127.0.0.1:' . $broker->management_port(),
            '--password-file', "$dir/guest.secret", @words
        ],
        environment => { sanitizer_environment() }
    );
    die "warren topology apply: $output\n" if $status != 0;
}


1;
