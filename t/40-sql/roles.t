# Copyright (C) the Warren authors
#
# A service's role reaches its own database and no other, and changes rows
# there, never the schema.
#
# The services are those that have a folder here and tables are those that their
# migrations make, so that new ones are looked at, too.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::PostgreSQL;
use Warren::System;
use Warren::Test;
use Warren::Test qw(run_command slurp source_dir);

my $postgresql = Warren::PostgreSQL->shared();
my @services = map { m{/([^/]+)/sqitch\.plan\z} }
               glob(source_dir() . '/sql/*/sqitch.plan');
my %database = map { $_ => $postgresql->database($_) } @services;

lists();

for my $service (@services) {
    my $uri = $database{$service};

    is(psql($uri, 'select current_user'), $service,
       "$service connects to its own database");

    for my $other (grep { $_ ne $service } @services) {
        my ($name) = $database{$other} =~ m{([^/]+)\z};

        like(psql($postgresql->uri($service, $name), 'select 1'),
             qr/permission denied for database/,
             "$service does not connect to the database of $other");
    }

    for my $name ('postgres', 'template1') {
        like(psql($postgresql->uri($service, $name), 'select 1'),
             qr/permission denied for database/,
             "$service does not connect to $name");
    }

    my %forbidden = (
        'make a table' => 'create table t (i integer)',
        'make a temporary table' => 'create temporary table t (i integer)',
        'make a schema' => 'create schema s',
        'make a database' => 'create database d',
        'make a role' => 'create role r',
        'change the registry' => 'delete from sqitch.changes',
        'become an administrator' => 'set role postgres',
        'read passwords' => 'select rolpassword from pg_authid',
        'read files of the server' => q{select pg_read_file('PG_VERSION')},
        'run programs on the server' => q{copy (select 1) to program 'true'},
    );

    for my $what (sort keys %forbidden) {
        like(psql($uri, $forbidden{$what}),
             qr/permission denied|must be owner of|must be superuser/,
             "$service may not $what");
    }

    tables($service, $uri);
    attributes($service, $uri);
    like(psql($uri, 'select string_agg(change, $$ $$) from sqitch.changes'),
         qr/0001_runtime/, "$service sees how new its schema is");
    is(psql($uri, 'show idle_in_transaction_session_timeout'), '15s',
       "a transaction of $service that hangs is ended");
}

is(psql($database{users}, insert_user(1, 'Ann@Example.com')), '',
   'an account is stored');
like(psql($database{users}, insert_user(2, 'aNN@example.COM')),
     qr/violates unique constraint "users_email_key"/,
     'an address that is spelled otherwise is the same address');

passwords();

done_testing();


# The rows, or the error.
sub psql {
    my ($uri, $sql) = @_;

    my $rows = eval { $postgresql->psql($uri, $sql) };
    return $rows // $@;
}


# A service that has a database is one that ./dev and the tests start.
sub lists {
    my ($started) = slurp(source_dir() . '/dev') =~ /^services="([^"]*)"$/m;

    cmp_ok(scalar(@services), '>=', 5, 'there are services');
    is(join(' ', sort split / /, $started // ''), "@services",
       './dev starts the services that have a database');
    is(join(' ', sort @Warren::System::SERVICES), "@services",
       'tests of the system start the same');
}


sub tables {
    my ($service, $uri) = @_;

    my $list = <<~'SQL';
        select quote_ident(relname) from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        SQL
    my @tables = split /\n/, psql($uri, $list);
    my @whole = split /\n/, psql($uri, "$list and not relispartition");
    my %forbidden = (
        drop => 'drop table %s',
        change => 'alter table %s add column x integer',
        empty => 'truncate %s',
        'watch with a trigger' => 'create trigger t after insert on %s '
                                  . 'execute function f()'
    );

    # what a migration forgot to grant; partitions are read through the whole
    is(join(', ', grep { psql($uri, "select count(*) from $_") !~ /\A\d+\z/ }
                  @whole),
       '', "$service reads each of its tables");
    cmp_ok(scalar(@whole), '>=', 3, "$service has tables");

    for my $what (sort keys %forbidden) {
        my @may = grep {
            psql($uri, sprintf $forbidden{$what}, $_)
                !~ /permission denied|must be owner of/
        } @tables;

        is("@may", '', "$service may $what none of its tables");
    }
}


# What would let a role past all that is granted.
sub attributes {
    my ($service, $uri) = @_;

    is(psql($uri, <<~'SQL'), 'f', "$service has no right beyond its grants");
        select rolsuper or rolcreatedb or rolcreaterole or rolreplication
               or rolbypassrls
        from pg_roles where rolname = current_user
        SQL
    is(psql($uri, <<~'SQL'), '', "$service is a member of no other role");
        select r.rolname from pg_roles r
        where r.rolname <> current_user
              and pg_has_role(current_user, r.oid, 'member')
        SQL
    is(psql($uri, <<~'SQL'), '', "$service owns nothing");
        select relname from pg_class
        where relowner = (select oid from pg_roles
                          where rolname = current_user)
        SQL
}


sub insert_user {
    my ($n, $email) = @_;

    return "insert into users (id, email, name, password_hash, created_at) "
           . "values ('00000000-0000-7000-8000-00000000000$n', '$email', "
           . "'Ann', 'x', now())";
}


# Roles belong to the whole cluster, so this one has a name of its own.
sub passwords {
    my $role = "role_of_$$";
    my $database = $postgresql->empty_database('password');
    my $admin = $postgresql->uri('postgres', 'postgres');

    my @command = (
        'psql', '-X', '-q', '-d', $admin, '-v', "role=$role", '-v',
        "database=$database", '-f', source_dir() . '/sql/bootstrap.sql'
    );
    my $hash = "select rolpassword from pg_authid where rolname = '$role'";

    my ($status, $output) = run_command(
        command => \@command,
        environment => { WARREN_ROLE_PASSWORD => q{it's "secret"} }
    );
    is($status, 0, 'bootstrap takes a password from the environment')
        or diag($output);
    unlike($output, qr/secret/, 'and does not print it');

    my $before = psql($admin, $hash);
    like($before, qr/^SCRAM-SHA-256/, 'the role has a password');

    ($status, $output) = run_command(command => \@command);
    is($status, 0, 'bootstrap without a password succeeds') or diag($output);
    is(psql($admin, $hash), $before, 'and leaves it as it is');

    psql($admin, "drop database $database");
    psql($admin, "drop role $role");
}
