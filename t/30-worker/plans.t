# Copyright (C) the Warren authors
#
# A lane prepares its statements once, perhaps while tables are small: the plan
# of each of them must be good when these have grown, long before anybody tells
# PostgreSQL about it.
#
# The statements are those of the sources, all of them: they are prepared in a
# database with a few rows in each table, and their plans are looked at.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use Test::More;
use Warren::PostgreSQL;
use Warren::Test;
use Warren::Test qw(run_command source_dir);

# of each table, when statements are prepared
my @sizes = (3, 40, 400, 4000);

# what reads a whole table on purpose
my %exception = (
    'delete from crash as c where last_at' =>
        'now and then; the table has what crashed within a day'
);

my $postgresql = Warren::PostgreSQL->shared();
my $json = JSON::PP->new();
my $dir = tempdir();
my $source = source_dir();
my $literal = qr/"(?:[^"\\]|\\.)*"/;
my %used;

my @services = grep { -f "$source/sql/$_/sqitch.plan" }
               map { m{([^/]+)\z} } glob "$source/sql/*";

cmp_ok(scalar(@services), '>=', 4, "services: @services");
is(join(' ', strangers()), '', 'all SQL of a worker is in its store');

for my $service (@services) {
    my $uri = $postgresql->admin_uri($postgresql->database($service));
    my @statements = (
        (map { statements($_) } glob "$source/workers/$service/*_store.c"),
        (map { locks($_) } glob "$source/workers/$service/*.c"), runtime()
    );

    for my $size (@sizes) {
        fill($uri, $size);
        judge("$service, $size rows", $_) for plans($uri, @statements);
    }
}

is(join(' ', grep { !$used{$_} } keys %exception), '',
   'each exception is one');

done_testing();


sub judge {
    my ($where, $plan) = @_;

    my ($sql, $tree, $said) = @$plan;
    my @whole = defined $tree ? whole($tree, 0) : $said;

    $sql =~ s/\s+/ /g;
    my ($known) = grep { index($sql, $_) == 0 } keys %exception;

    if (defined $known && @whole) {
        $used{$known} = 1;
        return;
    }

    is("@whole", '', "$where: " . substr $sql, 0, 60)
        or diag($sql, "\n", defined $tree ? $json->pretty()->encode($tree)
                                          : '');
}


# Files that speak SQL and are not a store.
sub strangers {
    return grep { !/_store\.c\z/ && slurp($_) =~ /\bwr_tx_(?:query|exec)\(/ }
           map { glob "$source/workers/$_/*.c" } @services;
}


# Of the runtime itself, in each database.
sub runtime {
    return map { statements("$source/shared/$_.c") }
           qw(inbox outbox dead_letter crash housekeeping);
}


# The literals of a file that are statements, as the compiler sees them.
sub statements {
    my ($path) = @_;

    my ($status, $text) = run_command(
        command => [$ENV{CC} // 'cc', '-E', "-I$source/shared",
                    '-D_GNU_SOURCE', $path]
    );
    die "cc -E $path: $text\n" if $status != 0;

    my ($own, $code) = (0, '');

    for my $line (split /\n/, $text) {
        if ($line =~ /^# \d+ "([^"]*)"/) {
            $own = $1 eq $path;

        } elsif ($own) {
            $code .= "$line\n";
        }
    }

    my @found;

    while ($code =~ /'(?:[^'\\]|\\.)+'|($literal(?:\s*$literal)*)/g) {
        my $sql = literal($1 // next);

        push @found, $sql
            if $sql =~ /\A\s*(?:select|insert|update|delete|with|merge)\s/;
    }

    die "no statement in $path\n" if !@found;

    return @found;
}


# The text of some that stand one after the other.
sub literal {
    my ($code) = @_;

    return join '', map { s/\A"|"\z//gr =~ s/\\(.)/$1/gr }
                    $code =~ /($literal)/g;
}


# What .keys of a file become.
sub locks {
    my ($path) = @_;

    my ($format) = slurp("$source/shared/key.c")
                   =~ /wr_arena_printf\(keys->arena, ("select 1 .*?"),\s*slot/s
        or die "how does key.c lock rows?\n";

    $format = literal($format);

    my @found;
    my $text = slurp($path);

    while ($text =~ /struct wr_key_table \s+ \w+ \s* = \s* \{ \s*
                     "(\w+)", \s* "(\w+)", \s* "(\w+)"/gx)
    {
        my %word = (table => $1, column => $2, type => $3);
        my @words = @word{qw(table column type column)};

        push @found, sprintf $format, @words, 'no key update';
    }

    return @found;
}


# Some rows for each table, that need not mean anything.
sub fill {
    my ($uri, $size) = @_;

    $postgresql->psql($uri, <<"END");
do \$\$
declare
    t record;
    c record;
    columns text;
    values_ text;
begin
    for c in
        select conrelid::regclass as name, conname
        from pg_constraint
        where contype = 'c' and connamespace = 'public'::regnamespace
            and coninhcount = 0
    loop
        execute format('alter table %s drop constraint %I', c.name, c.conname);
    end loop;

    set local session_replication_role = replica;

    for t in
        select oid, oid::regclass as name
        from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and not relispartition
    loop
        select string_agg(quote_ident(attname), ', '),
            string_agg(case
                when atttypid = 'uuid'::regtype then 'gen_random_uuid()'
                when typcategory = 'N' then 'n'
                when typcategory = 'D' then 'now()'
                when typcategory = 'T' then '(n * interval ''1s'')'
                when typcategory = 'B' then '(n % 2 = 0)'
                when typcategory = 'A' then '''{}'''
                when typname in ('json', 'jsonb') then '''{}'''
                else 'n::text'
            end || '::' || format_type(atttypid, null), ', ')
        into columns, values_
        from pg_attribute
            join pg_type on pg_type.oid = atttypid
        where attrelid = t.oid and attnum > 0 and not attisdropped
            and attgenerated = '' and attidentity = '';

        execute format('insert into %s (%s) select %s from '
                       'generate_series(1, $size) as n '
                       'on conflict do nothing', t.name, columns, values_);
        execute format('analyze %s', t.name);
    end loop;
end
\$\$;
END
}


# [statement, plan or undef, what was said], of a session as a lane has it.
sub plans {
    my ($uri, @statements) = @_;

    my ($set) = slurp("$source/shared/db.c")
                =~ /^static const char  session\[\] =\n(.*?;)$/ms
        or die "what does db.c set?\n";
    my $script = join '', map({ "set $_;\n" } $set =~ /"set ([^;"]*);?"/g),
                 "set plan_cache_mode = force_generic_plan;\n",
                 "set client_min_messages = error;\n";

    for my $i (0 .. $#statements) {
        my ($n) = sort { $b <=> $a } $statements[$i] =~ /\$(\d+)/g;
        my $values = $n ? '(' . join(', ', ('null') x $n) . ')' : '';

        $script .= "prepare s$i as $statements[$i];\n"
                   . "explain (format json, costs off) execute s$i$values;\n"
                   . "\\echo === $i\n";
    }

    my (undef, $output) = run_command(
        command => [Warren::PostgreSQL::program('psql'), '-X', '-q', '-A',
                    '-t', '-d', $uri, '-f', spew("$dir/plans.sql", $script)]
    );

    my @parts = split /^=== \d+\n/m, $output;
    is(scalar(@parts), scalar(@statements), 'every statement was planned');

    return map {
        my $said = $parts[$_] // '';
        my $tree = eval { $json->decode($said)->[0]{Plan} };

        [$statements[$_], $tree, "no plan: $said"];
    } 0 .. $#statements;
}


# What a plan reads as a whole.  limited: whoever asks stops after some rows.
sub whole {
    my ($node, $limited) = @_;

    my $type = $node->{'Node Type'};
    my $name = $node->{'Relation Name'} // $node->{'Index Name'} // '';
    my $cond = $node->{'Index Cond'} // '';
    my @found;

    if ($type eq 'Seq Scan') {
        push @found, "$type of $name";

    # to begin somewhere is no help if there is no end
    } elsif ($type =~ /^(?:Bitmap )?Index (?:Only )?Scan$/ && !$limited
             && $cond !~ / = |@@/)
    {
        push @found, "$type of $name by \"$cond\"";
    }

    for my $child (@{ $node->{Plans} // [] }) {
        my $passes = $child->{'Parent Relationship'} =~ /^(?:Outer|Inner|Mem)/
                     && $type =~ /^(?:Limit|Nested\ Loop|LockRows|Result|Append
                                     |Merge\ Append|Subquery\ Scan|ProjectSet
                                     |Unique|ModifyTable)$/x;

        push @found, whole($child,
                           $type eq 'Limit' || ($passes && $limited));
    }

    return @found;
}
