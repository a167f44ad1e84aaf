# Copyright (C) the Warren authors
#
# A service's role reaches its own database and no other, and changes rows
# there, never the schema.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::PostgreSQL;
use Warren::Test;
use Warren::Test qw(run_command);

my $postgresql = Warren::PostgreSQL->shared();
my @services = qw(users catalog orders payments notifications);
my %table = (catalog => 'products');
my %database = map { $_ => $postgresql->database($_) } @services;

for my $service (@services) {
    my $uri = $database{$service};
    my $table = $table{$service} // $service;

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
        'drop a table' => "drop table $table",
        'change a table' => "alter table $table add column x integer",
        'empty a table' => "truncate $table",
        'make a database' => 'create database d',
        'make a role' => 'create role r',
        'change the registry' => 'delete from sqitch.changes',
        'become an administrator' => 'set role postgres',
    );

    for my $what (sort keys %forbidden) {
        like(psql($uri, $forbidden{$what}),
             qr/permission denied|must be owner of/,
             "$service may not $what");
    }

    is(psql($uri, "select count(*) from $table"), 0,
       "$service reads its table");
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
