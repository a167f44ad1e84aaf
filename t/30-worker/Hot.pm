package Hot;

# Copyright (C) the Warren authors
#
# The worker of hot_worker.c under test: messages that change the same few rows.
#
#     my $hot = Hot->new(rows => 10, settings => { lanes => 2 });
#     $hot->command('add_locked', Hot::body(3, 7, 1));
#
# It is an Echo; the database has its table from the beginning.

use strict;
use warnings;

use parent -norequire, 'Echo';

use DBI;

use Echo;
use Warren::Test qw(wait_for);


sub new {
    my ($class, %option) = @_;

    my $rows = delete $option{rows} // 10;
    my $environment = delete $option{environment};
    my $self = $class->SUPER::new(program => 'hot_worker', %option);

    $self->worker()->{environment} = $environment;
    $self->sql(<<"SQL");
create table hot (
    id text not null, n bigint not null default 0, "group" integer default 1,
    constraint hot_pkey primary key (id));
insert into hot (id) select n from generate_series(1, $rows) n;
create table hot_link (
    hot_id text not null,
    constraint hot_link_fkey foreign key (hot_id) references hot (id)
        deferrable initially deferred);
create table hot_note (
    id text not null, text text,
    constraint hot_note_pkey primary key (id));
create table hot_page (
    note_id text not null,
    constraint hot_page_fkey foreign key (note_id) references hot_note (id));
grant select, insert on hot_note, hot_page to echo;
grant select, update on hot to echo;
grant select, insert on hot_link to echo;
SQL

    return $self;
}


# The body of a message that changes these rows, in this order.
sub body {
    return '{"rows":[' . join(',', map { qq({"id":"$_"}) } @_) . ']}';
}


# All changes that were made.
sub sum {
    my ($self) = @_;

    return $self->sql('select sum(n) from hot');
}


# Deadlocks that PostgreSQL has seen in this database.  Backends tell when they
# end, so the worker must have been stopped.
sub deadlocks {
    my ($self) = @_;

    wait_for(sub {
        $self->sql("select count(*) from pg_stat_activity where usename ="
                   . " 'echo' and datname = current_database()") == 0
    }, 20, 'the lanes to leave the database');

    return $self->sql('select deadlocks from pg_stat_database'
                      . ' where datname = current_database()');
}


# An administrator's session in its database.
sub session {
    my ($self) = @_;

    my ($host, $port, $name) =
        $self->{postgresql}->admin_uri($self->{database})
            =~ m{\@([\d.]+):(\d+)/(\w+)};

    return DBI->connect("dbi:Pg:dbname=$name;host=$host;port=$port",
                        'postgres', '', { RaiseError => 1, PrintError => 0,
                                          pg_server_prepare => 0 });
}


# The worker that is not started yet shall reach its database through a proxy.
sub behind {
    my ($self, $proxy) = @_;

    my $port = $proxy->port();

    $self->worker()->{database} =~ s/:\d+\//:$port\//;
}


# A lane has a batch in its hands that waits for this statement.
sub wait_for_statement {
    my ($self, $like) = @_;

    wait_for(sub {
        $self->sql("select count(*) from pg_stat_activity where datname ="
                   . " current_database() and usename = 'echo'"
                   . " and state = 'active' and query like '$like'") > 0
    }, 30, "a statement like $like");
}


# No message is left for the lanes.
sub wait_until_drained {
    my ($self, $seconds) = @_;

    my @queues = qw(rpc.echo commands.echo retry.echo.1s retry.echo.5s
                    retry.echo.15s retry.echo.1m again.echo);

    wait_for(sub {
        for my $queue (@queues) {
            my $about = $self->broker()->api(
                'GET', '/api/queues/' . $self->vhost() . "/$queue"
            );
            return 0 if ($about->{messages} // 1) != 0;
        }

        1;
    }, $seconds // 60, 'empty queues');
}


1;
