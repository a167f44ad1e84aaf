# Copyright (C) the Warren authors
#
# Deployments and bootstraps that run at the same time wait for each other.

use strict;
use warnings;

use lib 't/lib';

use DBI;
use Test::More;
use Warren::PostgreSQL;
use Warren::Test;
use Warren::Test qw(alive spawn stop_process);

my $postgresql = Warren::PostgreSQL->shared();
my $port = $postgresql->port();
my $at_once = 3;

for my $service (qw(users catalog orders payments notifications)) {
    my $database = $postgresql->empty_database($service);
    my $admin = $postgresql->uri('postgres', 'postgres');

    my @results = at_once("$service-bootstrap", '/', [
        'psql', '-X', '-q', '-d', $admin, '-v', "role=$service", '-v',
        "database=$database", '-f', source_dir() . '/sql/bootstrap.sql'
    ]);
    is_deeply([map { $_->[0] } @results], [(0) x $at_once],
              "$service: $at_once bootstraps at once succeed")
        or diag(map { $_->[1] } @results);

    @results = at_once("$service-deploy", source_dir() . "/sql/$service", [
        'sqitch', 'deploy', '--verify',
        "db:pg://postgres\@127.0.0.1:$port/$database"
    ]);
    is_deeply([map { $_->[0] } @results], [(0) x $at_once],
              "$service: $at_once deployments at once succeed")
        or diag(map { $_->[1] } @results);
    is(scalar(grep { $_->[1] =~ /^  \+ 0001_runtime /m } @results), 1,
       "$service: one of them made the changes");

    my ($status, $output) = $postgresql->sqitch($service, $database,
                                                'verify');
    is($status, 0, "$service: and all is in order") or diag($output);
}

behind_another();

done_testing();


# Another bootstrap is at the schema, after it has gone to the database.
sub behind_another {
    my $database = $postgresql->empty_database('users');
    my $other = DBI->connect(
        "dbi:Pg:host=127.0.0.1;port=$port;dbname=$database", 'postgres', '',
        { RaiseError => 1, AutoCommit => 0 }
    );

    $other->do("select pg_advisory_lock(hashtextextended('warren bootstrap',"
               . ' 0))');
    $other->do('revoke all on schema public from public');

    my $log = tempdir('behind') . '/psql.log';
    my $pid = spawn(
        command => [
            'psql', '-X', '-q', '-d', $postgresql->uri('postgres', 'postgres'),
            '-v', 'role=users', '-v', "database=$database", '-f',
            source_dir() . '/sql/bootstrap.sql'
        ],
        log => $log
    );

    wait_for(sub {
        $postgresql->psql(
            $postgresql->uri('postgres', 'postgres'),
            "select count(*) from pg_stat_activity where datname ="
            . " '$database' and wait_event_type = 'Lock'"
        );
    }, 60, 'the second bootstrap to wait');

    $other->commit();
    $other->disconnect();
    wait_for(sub { !alive($pid) }, 60, 'the second bootstrap');
    is(stop_process($pid), 0, 'a bootstrap waits for another at the schema')
        or diag(slurp($log));
}


# Runs a command some times at once; returns [status, output] of each.
sub at_once {
    my ($name, $directory, $command) = @_;

    my $dir = tempdir($name);
    my @running = map {
        [
            spawn(
                command => $command, directory => $directory,
                log => "$dir/$_.log",
                environment => {
                    SQITCH_USER_CONFIG => '/dev/null',
                    SQITCH_SYSTEM_CONFIG => '/dev/null',
                    SQITCH_FULLNAME => 'The Warren tests',
                    SQITCH_EMAIL => 'warren@localhost', LC_ALL => 'C.UTF-8'
                }
            ),
            "$dir/$_.log"
        ]
    } 1 .. $at_once;

    wait_for(sub { !grep { alive($_->[0]) } @running }, 120, $name);

    return map { [stop_process($_->[0]), slurp($_->[1])] } @running;
}
