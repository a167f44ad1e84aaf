# Copyright (C) the Warren authors
#
# Every project can be deployed, again, verified, reverted to nothing and
# deployed anew.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::PostgreSQL;
use Warren::Test;

my $postgresql = Warren::PostgreSQL->shared();

# the first table of a service, where that has not its name
my %table = (catalog => 'products');

# what is there beside sqitch's own registry
my $objects = <<'END';
    select n.nspname || '.' || c.relname
    from pg_class as c
        join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast',
            'sqitch')
    union all
    select n.nspname || '.' || p.proname || '()'
    from pg_proc as p
        join pg_namespace as n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'sqitch')
    union all
    select n.nspname || '.' || t.typname || ' type'
    from pg_type as t
        join pg_namespace as n on n.oid = t.typnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast',
            'sqitch')
    union all
    select 'schema ' || nspname
    from pg_namespace
    where nspname !~ '^pg_'
        and nspname not in ('information_schema', 'sqitch', 'public')
    order by 1
END

for my $service (services()) {
    my @changes = changes($service);
    my $database = $postgresql->empty_database($service);
    my $uri = $postgresql->uri('postgres', $database);

    $postgresql->bootstrap($service, $database);

    my $deployed = 0;
    my ($status, $output) = sqitch($service, $database, 'deploy', '--verify');
    is($status, 0, "$service: a fresh database takes all changes")
        or diag($output);
    is($postgresql->psql($uri, 'select string_agg(change, $$ $$ order by '
                               . 'committed_at) from sqitch.changes'),
       "@changes", "$service: and they are those of the plan");

    my $tables = $postgresql->psql($uri, $objects);
    my $table = $table{$service} // $service;
    like($tables, qr/^public\.$table$/m, "$service: there are tables");

    ($status, $output) = sqitch($service, $database, 'deploy', '--verify');
    is($status, 0, "$service: a second deployment succeeds") or diag($output);
    like($output, qr/up-to-date/, "$service: and has nothing to do");

    ($status, $output) = sqitch($service, $database, 'verify');
    is($status, 0, "$service: verify finds all in order") or diag($output);

    ($status, $output) = sqitch($service, $database, 'revert', '-y');
    is($status, 0, "$service: all is reverted") or diag($output);
    is($postgresql->psql($uri, $objects), '', "$service: nothing is left");
    is(grants($uri, $service), '',
       "$service: and the role has no right left on anything");

    ($status, $output) = sqitch($service, $database, 'deploy', '--verify');
    is($status, 0, "$service: and all is deployed anew") or diag($output);
    is($postgresql->psql($uri, $objects), $tables,
       "$service: with the same outcome");

    verify_can_fail($service, $database, $uri);
}

done_testing();


sub services {
    my @found = map { m{/sql/([^/]+)/sqitch\.plan\z} }
                glob source_dir() . '/sql/*/sqitch.plan';

    cmp_ok(scalar @found, '>=', 3, 'there are projects');
    return sort @found;
}


sub changes {
    my ($service) = @_;

    return map { /^([\w-]+) / }
           split /\n/, slurp(source_dir() . "/sql/$service/sqitch.plan");
}


sub sqitch { return $postgresql->sqitch(@_) }


# A verify that is content with anything proves nothing.
sub verify_can_fail {
    my ($service, $database, $uri) = @_;

    my $table = $table{$service} // $service;
    $postgresql->psql($uri, "revoke insert on $table from $service");
    my ($status) = sqitch($service, $database, 'verify');
    isnt($status, 0, "$service: verify notices a missing grant");
}


# Rights on relations that the role was granted, the registry's included.
sub grants {
    my ($uri, $role) = @_;

    return $postgresql->psql($uri, <<"END");
        select c.oid::regclass || ' ' || acl.privilege_type
        from pg_class as c, aclexplode(c.relacl) as acl
        where acl.grantee = '$role'::regrole
        union all
        select nspname || ' ' || acl.privilege_type
        from pg_namespace, aclexplode(nspacl) as acl
        where acl.grantee = '$role'::regrole
            and nspname <> 'public'
END
}
