# Copyright (C) the Warren authors
#
# A pooler between worker and database: it must lend out whole sessions.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use IO::Socket::INET;
use Test::More;

use Echo;
use Warren::Test qw(
    wait_for free_port spew tempdir spawn stop_process at_exit drop_root
    run_command
);

my ($pooler) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';

plan skip_all => 'pgbouncer is not installed' if !$pooler;

session();
transaction();

done_testing();


# Returns the worker, not yet started, behind a pooler in this mode.
sub pooled {
    my ($mode) = @_;

    my $echo = Echo->new();
    my ($port) = $echo->{database} =~ /:(\d+)\//;
    my $own = free_port();
    my $dir = tempdir("pooler-$mode");

    spew("$dir/users", qq("echo" ""\n), 0644);
    spew("$dir/pgbouncer.ini", <<"END", 0644);
[databases]
* = host=127.0.0.1 port=$port

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $own
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = $mode
default_pool_size = 4
END

    my $pid = spawn(
        command => [drop_root('postgres', $dir), $pooler,
                    "$dir/pgbouncer.ini"],
        log => "$dir/log"
    );
    at_exit(sub { stop_process($pid, 'INT', 10, 'pgbouncer') });

    wait_for(sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$own")
    }, 15, "pgbouncer, see $dir/log");

    $echo->worker()->{database} =~ s/:$port\//:$own\//;

    return $echo;
}


sub session {
    my $echo = pooled('session')->start();

    is($echo->call('write', '{"id":"pooled","text":"x"}')->{status}, 201,
       'behind a pooler of sessions, a worker works');
    $echo->worker()->stop();
}


sub transaction {
    my $echo = pooled('transaction')->start(wait => 0);

    ok(wait_for(sub {
        $echo->worker()->log() =~ /pooler that lends sessions by the trans/
    }, 20, 'the refusal'),
       'behind a pooler of transactions, it refuses and says why');
    unlike($echo->worker()->log(), qr/starting -> ready/,
           'and does not begin to consume');

    # another start finds what the first one has left in the sessions
    $echo->worker()->stop();

    my $count = () = $echo->worker()->log() =~ /pooler that lends/g;

    $echo->start(wait => 0);
    ok(wait_for(sub {
        my $now = () = $echo->worker()->log() =~ /pooler that lends/g;
        return $now > $count;
    }, 20, 'the next refusal'), 'each time');
}
