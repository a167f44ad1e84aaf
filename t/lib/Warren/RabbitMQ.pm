package Warren::RabbitMQ;

# Copyright (C) the Warren authors
#
# A real RabbitMQ with management and metrics, on the loopback alone, its epmd
# and distribution port too.
#
# ->shared is the one of the run (WARREN_TEST_RABBITMQ=PORT:MANAGEMENT_PORT),
# or, without one, a server that lives as long as the test file.  A test makes
# its own virtual host there.  ->private is a server of one's own, which may be
# stopped, restarted and killed.

use strict;
use warnings;

use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time);

use Warren::HTTP;
use Warren::Test qw(
    wait_for free_port spew slurp tempdir spawn alive stop_process at_exit
    test_id
);


my $json = JSON::PP->new()->utf8()->canonical()->allow_nonref();
my $shared;
my $count = 0;


sub shared {
    my ($class) = @_;

    return $shared if $shared;

    my $address = $ENV{WARREN_TEST_RABBITMQ};
    return $shared = $class->private() if !$address;

    my ($port, $management_port) = $address =~ /\A(\d+):(\d+)\z/
        or die "WARREN_TEST_RABBITMQ is PORT:MANAGEMENT_PORT\n";

    return $shared = bless {
        port => $port, management_port => $management_port,
        is_shared => 1
    }, $class;
}


# settings: lines for rabbitmq.conf; plugins: other ones than ours;
# statistics_ms: how often it counts for management (1000).
sub private {
    my ($class, %option) = @_;

    my $self = $class->new(%option, dir => tempdir('rabbitmq-' . ++$count));

    # nothing of it is kept, and an orderly end takes seconds
    at_exit(sub { $self->kill9() if $self->{pid} });
    $self->start();

    return $self;
}


# A server that is not started yet; dir is where all its state is.  detached:
# it outlives this program.
sub new {
    my ($class, %option) = @_;

    return bless {
        settings => '',
        %option,
        port => $option{port} // free_port(),
        management_port => $option{management_port} // free_port(),
        dist_port => free_port(),
        epmd_port => free_port(),
        node => "warren$$-" . ++$count . '@localhost',
    }, $class;
}


sub port { return $_[0]{port} }
sub management_port { return $_[0]{management_port} }
sub dir { return $_[0]{dir} }
sub log { return "$_[0]{dir}/log" }


# Starts the server and waits until it takes connections and management.
sub start {
    my ($self) = @_;

    die "the run's server is not ours to start\n" if $self->{is_shared};

    my $dir = $self->{dir};
    mkdir "$dir/$_" for qw(home mnesia log);

    spew("$dir/rabbitmq.conf", <<"END");
listeners.tcp.1 = 127.0.0.1:$self->{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = $self->{management_port}
log.console = false
log.file = rabbit.log
log.file.level = info
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
collect_statistics_interval = @{[ $self->{statistics_ms} // 1000 ]}
$self->{settings}
END
    spew("$dir/enabled_plugins",
         '[' . join(',', @{ $self->{plugins} // [
             qw(rabbitmq_management rabbitmq_consistent_hash_exchange)
         ] }) . "].\n");

    $self->{pid} = spawn(
        command => ['/usr/lib/rabbitmq/bin/rabbitmq-server'],
        environment => { $self->environment() },
        log => "$dir/console.log", detached => $self->{detached},
        # where it leaves its dumps
        directory => $dir,
    );

    wait_for(
        sub {
            die "rabbitmq-server ended\n" if !alive($self->{pid});
            $self->api('GET', '/api/overview');
        },
        90, "RabbitMQ, see $dir/console.log"
    );

    return $self;
}


# Asks for an orderly end; waits.
sub stop {
    my ($self) = @_;

    return if $self->{is_shared} || !$self->{pid};

    $self->signal('TERM');

    if (!eval { wait_for(sub { !$self->is_running() }, 40, 'its end') }) {
        $self->signal('KILL');
    }

    $self->gone();
}


# As a power cut: everything at once.
sub kill9 {
    my ($self) = @_;

    die "the run's server is not ours to kill\n" if $self->{is_shared};

    $self->signal('KILL');
    $self->gone();
}


sub restart {
    my ($self) = @_;

    $self->stop();
    return $self->start();
}


# Makes a fresh virtual host and returns its name, which has the name in it.
sub vhost {
    my ($self, $name) = @_;

    $name = ($name // 'test') . '-' . test_id() . '-' . ++$count;

    $self->api('PUT', "/api/vhosts/$name", {});
    $self->grant('guest', $name);

    if ($self->{is_shared}) {
        at_exit(sub { eval { $self->api('DELETE', "/api/vhosts/$name") } });
    }

    return $name;
}


# Makes the user, if there is none, with all rights in the virtual host, or
# those told as configure, write and read.  Returns its password.  Users belong
# to the whole server, so one name has one password in all tests.
sub user {
    my ($self, $name, $vhost, %right) = @_;

    my $password = "test-$name";

    return 'guest' if $name eq 'guest';

    # tests at the same time may make the same user: the second is refused
    wait_for(
        sub {
            return 1 if eval {
                $self->api('GET', '/api/whoami', undef, $name, $password)
            };
            $self->api('PUT', "/api/users/$name",
                       { password => $password, tags => 'management' });
        },
        20, "the user $name"
    );

    $self->grant($name, $vhost, %right) if defined $vhost;

    return $password;
}


sub grant {
    my ($self, $name, $vhost, %right) = @_;

    $self->api('PUT', "/api/permissions/$vhost/$name", {
        configure => '.*', write => '.*', read => '.*', %right
    });
}


# With the password; without_password leaves it out.
sub url {
    my ($self, $user, $vhost) = @_;

    $user //= 'guest';
    my $password = $user eq 'guest' ? 'guest' : "test-$user";

    return "amqp://$user:$password\@127.0.0.1:$self->{port}/"
           . ($vhost // '%2f');
}


sub url_without_password {
    my ($self, $user, $vhost) = @_;

    return "amqp://$user\@127.0.0.1:$self->{port}/$vhost";
}


# The management API: dies unless the answer is 2xx, returns its JSON (an empty
# object if there is none).  Slashes in names are %2F.
sub api {
    my ($self, $method, $path, $data, $user, $password) = @_;

    my $http = Warren::HTTP->new(port => $self->{management_port});
    my $secret = encode_base64(($user // 'guest') . ':'
                               . ($password // 'guest'), '');

    my $answer = $http->request(
        $method, $path, defined $data ? $json->encode($data) : undef,
        authorization => "Basic $secret", 'content-type' => 'application/json'
    );

    if ($answer->{status} < 200 || $answer->{status} > 299) {
        die "$method $path: $answer->{status} $answer->{body}\n";
    }

    return $answer->{json} // {};
}


# Messages in the queue, now, delivered and unacknowledged ones too; asked by
# a passive declaration of sorts, not from statistics that lag.
sub queue_depth {
    my ($self, $vhost, $queue) = @_;

    my $about = $self->api('GET', "/api/queues/$vhost/$queue");

    return ($about->{messages} // 0) + 0;
}


# Closes all connections of a user, as an administrator may.
sub close_connections {
    my ($self, $user) = @_;

    my $closed = 0;

    for my $connection (@{ $self->api('GET', '/api/connections') }) {
        next if defined $user && $connection->{user} ne $user;

        my $name = $connection->{name};
        $name =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ge;
        eval { $self->api('DELETE', "/api/connections/$name") };
        $closed++;
    }

    return $closed;
}


# Runs rabbitmqctl against this server and returns its output.
sub ctl {
    my ($self, @words) = @_;

    my ($status, $output) = Warren::Test::run_command(
        command => ['/usr/lib/rabbitmq/bin/rabbitmqctl', @words],
        environment => { $self->environment() }, seconds => 60
    );

    die "rabbitmqctl @words: $output\n" if $status != 0;

    return $output;
}


sub environment {
    my ($self) = @_;

    my $dir = $self->{dir};

    return (
        PATH => '/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LANG => 'C.UTF-8', LC_ALL => undef, HOME => "$dir/home",
        LD_PRELOAD => undef,
        RABBITMQ_NODENAME => $self->{node},
        RABBITMQ_DIST_PORT => $self->{dist_port},
        RABBITMQ_CONF_ENV_FILE => '/dev/null',
        RABBITMQ_MNESIA_BASE => "$dir/mnesia",
        RABBITMQ_LOG_BASE => "$dir/log",
        RABBITMQ_CONFIG_FILE => "$dir/rabbitmq",
        RABBITMQ_ENABLED_PLUGINS_FILE => "$dir/enabled_plugins",
        RABBITMQ_PID_FILE => "$dir/pid",
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS =>
            '-kernel inet_dist_use_interface {127,0,0,1}',
        ERL_EPMD_ADDRESS => '127.0.0.1',
        ERL_EPMD_PORT => $self->{epmd_port},
    );
}


# The server is a shell and the Erlang machine below it, one process group.
sub signal {
    my ($self, $signal) = @_;

    kill $signal, -$self->{pid} if $self->{pid};
}


sub is_running {
    my ($self) = @_;

    alive($self->{pid});
    return kill 0, -$self->{pid};
}


# Nothing of the group is left; its epmd is told to end, too.
sub gone {
    my ($self) = @_;

    wait_for(sub { !$self->is_running() }, 10, 'the end of RabbitMQ');
    delete $self->{pid};

    my ($epmd) = (glob('/usr/lib/erlang/erts-*/bin/epmd'), '/usr/bin/epmd');
    Warren::Test::run_command(
        command => [$epmd, '-port', $self->{epmd_port}, '-kill']
    );
}


1;
