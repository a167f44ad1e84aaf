package Warren::PostgreSQL;

# Copyright (C) the Warren authors
#
# A real PostgreSQL cluster on the loopback.
#
# ->shared is the one of the run (WARREN_TEST_POSTGRESQL=PORT), or, without
# one, a cluster that lives as long as the test file.  A test makes its own
# databases there.  ->private is a cluster of one's own, which may be stopped,
# restarted and killed.  Everybody on the loopback is believed: no passwords.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Fcntl qw(:flock);
use File::Find ();

use Warren::Test qw(
    wait_for free_port slurp tempdir spawn alive stop_process at_exit test_id
    run_command source_dir drop_root complain
);


my $shared;
my $count = 0;


sub shared {
    my ($class) = @_;

    return $shared if $shared;

    my $port = $ENV{WARREN_TEST_POSTGRESQL};
    return $shared = $class->private() if !$port;

    return $shared = bless { port => $port, is_shared => 1 }, $class;
}


# settings: words for the command line, ('-c', 'name=value', …).
sub private {
    my ($class, %option) = @_;

    my $self = $class->new(%option, dir => tempdir('postgresql-' . ++$count));

    at_exit(sub { $self->stop() });
    $self->start();

    return $self;
}


# A cluster that is not started yet; dir is where all its state is.  detached:
# it outlives this program.
sub new {
    my ($class, %option) = @_;

    return bless {
        settings => [], %option, port => $option{port} // free_port()
    }, $class;
}


sub port { return $_[0]{port} }
sub dir { return $_[0]{dir} }
sub log { return "$_[0]{dir}/postgresql.log" }


# Where the newest server is, as Debian installs it, or in PATH.
sub program {
    my ($name) = @_;

    my ($path) = sort { version($b) <=> version($a) }
                 glob "/usr/lib/postgresql/*/bin/$name";

    return $path // $name;
}


sub version { return $_[0] =~ m{/postgresql/(\d+)/} ? $1 : 0 }


sub start {
    my ($self) = @_;

    die "the run's cluster is not ours to start\n" if $self->{is_shared};

    my $dir = $self->{dir};
    my $data = "$dir/data";

    if (!-e "$data/PG_VERSION") {
        mkdir $data;

        if ($> == 0) {
            my @words = drop_root('postgres', $dir);
            my ($uid) = "@words" =~ /reuid=(\d+)/;
            my ($gid) = "@words" =~ /regid=(\d+)/;
            chown $uid, $gid, $data;
        }

        my ($status, $output) = run_command(
            command => [
                drop_root('postgres', $dir), program('initdb'), '-D', $data,
                '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8',
                '--no-locale', '--no-instructions'
            ],
            directory => '/'
        );
        die "initdb: $output\n" if $status != 0;
    }

    $self->{pid} = spawn(
        command => [
            drop_root('postgres', $dir), program('postgres'), '-D', $data,
            '-p', $self->{port}, '-k', '',
            '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off',
            '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off',
            '-c', 'shared_buffers=64MB', '-c', 'max_connections=200',
            @{ $self->{settings} }
        ],
        environment => { LC_ALL => 'C.UTF-8' }, directory => '/',
        log => $self->log(), detached => $self->{detached}
    );

    wait_for(
        sub {
            die "postgres ended\n" if !alive($self->{pid});
            my ($status) = run_command(
                command => [program('pg_isready'), '-q', '-h', '127.0.0.1',
                            '-p', $self->{port}, '-U', 'postgres']
            );
            $status == 0;
        },
        30, 'PostgreSQL, see ' . $self->log()
    );

    return $self;
}


# Ends at once but in order; open connections are cut.
sub stop {
    my ($self) = @_;

    return if $self->{is_shared} || !$self->{pid};

    stop_process(delete $self->{pid}, 'INT', 20, 'PostgreSQL');
}


# As a power cut.
sub kill9 {
    my ($self) = @_;

    die "the run's cluster is not ours to kill\n" if $self->{is_shared};

    # its children notice that it is gone, and end by themselves
    my $pid = delete $self->{pid};
    my @children;

    for my $path (glob '/proc/[0-9]*/stat') {
        my $text = eval { slurp($path) } // next;
        push @children, $1 if $text =~ /\A(\d+) \(.*\) \S \Q$pid\E /s;
    }

    stop_process($pid, 'KILL', 5, 'PostgreSQL');
    kill 'KILL', @children if @children;
    wait_for(sub { !grep { -e "/proc/$_" } @children }, 10,
             'the end of backends');
    unlink "$self->{dir}/data/postmaster.pid";
}


sub restart {
    my ($self) = @_;

    $self->stop();
    return $self->start();
}


sub uri {
    my ($self, $user, $database) = @_;

    return "postgresql://$user\@127.0.0.1:$self->{port}/$database";
}


# An empty database; returns its name.
sub empty_database {
    my ($self, $name) = @_;

    $name = 't_' . ($name // 'test') . '_' . test_id() . '_' . ++$count;
    $name =~ s/\W/_/g;

    $self->psql($self->uri('postgres', 'postgres'),
                "create database $name template template0");
    $self->forget_later($name);

    return $name;
}


# A database of the service as its migrations make it, and its role.  Returns
# the URI for the role; uri('postgres', …) with the same name is the
# administrator's.
sub database {
    my ($self, $service) = @_;

    my $template = $self->template($service);
    my $name = "t_${service}_" . test_id() . '_' . ++$count;
    $name =~ s/\W/_/g;

    $self->psql($self->uri('postgres', 'postgres'),
                "create database $name template $template");
    $self->forget_later($name);
    $self->bootstrap($service, $name);

    return $self->uri($service, $name);
}


# The administrator's URI of a database that database() made.
sub admin_uri {
    my ($self, $uri) = @_;

    my ($name) = $uri =~ m{([^/]+)\z};
    return $self->uri('postgres', $name);
}


# Makes role and database as an installation does; again is harmless.
sub bootstrap {
    my ($self, $service, $database) = @_;

    my ($status, $output) = run_command(
        command => [
            program('psql'), '-X', '-q', '-d',
            $self->uri('postgres', 'postgres'), '-v', "role=$service", '-v',
            "database=$database", '-f', source_dir() . '/sql/bootstrap.sql'
        ]
    );
    die "bootstrap of $database: $output\n" if $status != 0;
}


# Runs sqitch for a service's database: sqitch('orders', $name, 'deploy').
# Returns (status, output).
sub sqitch {
    my ($self, $service, $database, @words) = @_;

    my $verb = shift @words;

    return run_command(
        command => [
            'sqitch', $verb, @words,
            "db:pg://postgres\@127.0.0.1:$self->{port}/$database"
        ],
        directory => source_dir() . "/sql/$service",
        environment => {
            SQITCH_USER_CONFIG => '/dev/null',
            SQITCH_SYSTEM_CONFIG => '/dev/null',
            SQITCH_FULLNAME => 'The Warren tests',
            SQITCH_EMAIL => 'warren@localhost',
            LC_ALL => 'C.UTF-8', TZ => 'UTC'
        },
        seconds => 120
    );
}


# What sql/SERVICE/audit.sql finds, a line each; after some SQL that is undone
# again, if told.
sub audit {
    my ($self, $service, $uri, $sql) = @_;

    my $file = source_dir() . "/sql/$service/audit.sql";
    my ($status, $output) = run_command(command => [
        program('psql'), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
        '-d', $uri, '-1', defined $sql ? ('-c', $sql) : (), '-f', $file,
        defined $sql ? ('-c', 'rollback') : ()
    ]);
    die "audit of $service: $output\n" if $status != 0;

    # rollback has ended what psql would commit
    $output =~ s/^psql:.*WARNING:.*no transaction.*\n?//mg;
    $output =~ s/^WARNING: .*no transaction.*\n?//mg;
    chomp $output;

    return $output;
}


# Runs SQL and returns its rows as text: columns divided by "|", one row a
# line, without the last line's end.  Dies with the error.
sub psql {
    my ($self, $uri, $sql) = @_;

    my ($status, $output) = run_command(
        command => [
            program('psql'), '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
            '-d', $uri, '-c', $sql
        ]
    );
    die "psql: $output\n" if $status != 0;

    chomp $output;
    return $output;
}


# Migrations run once for all tests of the run; each test gets a copy.
sub template {
    my ($self, $service) = @_;

    my $name = "template_${service}_" . $self->digest($service);

    open my $lock, '>>', '/tmp/.warren-template-' . $self->{port} . ".$>"
        or die "template's lock: $!\n";
    flock $lock, LOCK_EX or die "template's lock: $!\n";

    my $admin = $self->uri('postgres', 'postgres');
    my $found = $self->psql(
        $admin,
        "select 1 from pg_database where datname = '$name' and datistemplate"
    );
    return $name if $found ne '';

    $self->psql($admin, "drop database if exists $name");
    $self->bootstrap($service, $name);

    my ($status, $output) = $self->sqitch($service, $name, 'deploy',
                                          '--verify');
    die "sqitch deploy of $service: $output\n" if $status != 0;

    $self->psql($admin, "alter database $name is_template true");

    return $name;
}


# Changes whenever a migration does.
sub digest {
    my ($self, $service) = @_;

    my $text = '';
    my $sql = source_dir() . '/sql';

    File::Find::find(
        {
            no_chdir => 1,
            preprocess => sub { sort @_ },
            wanted => sub { $text .= "$_\n" . slurp($_) if -f },
        },
        grep { -e } "$sql/$service", "$sql/runtime", "$sql/bootstrap.sql"
    );

    return substr sha1_hex($text), 0, 10;
}


sub forget_later {
    my ($self, $name) = @_;

    return if !$self->{is_shared};

    at_exit(sub {
        $self->psql($self->uri('postgres', 'postgres'),
                    "drop database if exists $name with (force)");
    });
}


1;
