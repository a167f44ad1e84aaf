# Copyright (C) the Warren authors
#
# warren status tells how queues and workers are, and names what is wrong.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(_exit);
use Test::More;

use Echo;
use Warren::Test;
use Warren::Test qw(run_command sanitizer_environment);

my $dir = tempdir();
my $echo = Echo->new(settings => { lanes => 2 })->start();
my @broker = ('--url', 'http://guest@127.0.0.1:'
                       . $echo->broker()->management_port(),
              '--password-file', "$dir/guest.secret",
              '--vhost', $echo->vhost());

spew("$dir/guest.secret", "guest\n", 0600);

healthy();
depth();
no_consumer();
worker_away();
not_ready();
old_events();
no_worker_at_all();
usage();

done_testing();


sub status {
    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', 'status', @_],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


# What it says to a program; dies unless that is JSON.
sub told {
    my ($status, $output) = status(@_, '--json');

    return ($status, JSON::PP::decode_json($output));
}


sub worker_url {
    return 'http://127.0.0.1:' . $echo->worker()->http_port();
}


# The broker counts consumers and messages every few seconds.
sub wait_status {
    my ($wanted, $seconds, $what) = @_;

    return wait_for(sub {
        my ($status, $told) = told(@broker);
        $wanted->($status, $told);
    }, $seconds, $what);
}


sub queue {
    my ($told, $name) = @_;

    my ($queue) = grep { $_->{name} eq $name } @{ $told->{queues} };
    return $queue;
}


sub healthy {
    wait_status(sub { $_[0] == 0 }, 30, 'consumers in the statistics');

    my ($status, $output) = status(@broker, '--worker-url', worker_url());
    is($status, 0, 'with a worker that is ready all is well')
        or diag($output);
    like($output, qr{^QUEUE +READY +UNACKED +CONSUMERS +IN/S +OUT/S$}m,
         'in a table with a heading');
    like($output, qr/^commands\.echo +0 +0 +2 +\d/m,
         'queues have depth, consumers and rates');
    unlike($output, qr/^retry\./m, 'empty rungs are not told');
    like($output, qr{^http://127\S+ +echo +2 ready +0 +0$}m,
         'the worker has its lanes, and depth and age of its outbox');
    unlike($output, qr/warren:/, 'nothing is wrong');

    ($status, my $told) = told(@broker, '--worker-url', worker_url());
    ok($told->{healthy}, 'programs are told, too');
    is_deeply($told->{problems}, [], 'that nothing is wrong');
    is_deeply([map { $_->{state} } @{ $told->{workers}[0]{lanes} }],
              ['ready', 'ready'], 'each lane');
    is(queue($told, 'retry.echo.15m')->{service}, 'echo', 'each rung');
    is(queue($told, 'events.unrouted')->{service}, '',
       'and what is no service\'s');
    is((grep { $_->{name} =~ /^amq\./ } @{ $told->{queues} })[0], undef,
       'but no reply queue');
}


sub depth {
    my $id = $echo->command('retry', '{}');

    wait_status(sub {
        grep { $_->{name} =~ /^retry\.echo/ && $_->{ready} == 1 }
             @{ $_[1]{queues} }
    }, 40, "command $id on a rung");
    pass('messages on a rung are counted');
}


sub no_consumer {
    my $url = worker_url();

    $echo->worker()->stop();
    wait_status(sub { $_[0] == 1 && @{ $_[1]{problems} } == 5 }, 30,
                'the end of consumers');

    my ($status, $output) = status(@broker);
    is($status, 1, 'a queue without a consumer is wrong');
    like($output, qr/^warren: queue $_\.echo has no consumer; start a worker/m,
         "and named: $_") for qw(rpc commands events again park);

    ($status, $output) = status('--worker-url', $url);
    is($status, 1, 'and so is a worker that does not answer');
    like($output, qr/^warren: worker \Q$url\E: .*does it run/m,
         'which is named');
    is(scalar(() = $output =~ /^/mg), 1, 'in a line');

    $echo->worker()->start();
    wait_status(sub { $_[0] == 0 }, 30, 'the consumers');
    pass('with a worker again, all is well');
}


# A worker with a lane that waits for its database, as it says so itself.
sub not_ready {
    my $url = fake(
        '/ready' => '{"service":"other","lanes":[{"lane":0,"state":"ready"},'
                    . '{"lane":1,"state":"paused"}],"ready":false}',
        '/metrics' => "# TYPE warren_outbox_depth gauge\n"
                      . "warren_outbox_depth{service=\"other\"} 12\n"
                      . "warren_outbox_age_seconds{service=\"other\"} 34.5\n"
    );

    my ($status, $output) = status('--worker-url', worker_url(),
                                   '--worker-url', "$url/");
    is($status, 1, 'a worker that is not ready is wrong');
    my $lanes = qr/\(1 ready, 1 paused\)/;
    like($output, qr/^warren: worker of other at \S+ is not ready $lanes/m,
         'and named, with its lanes');
    like($output, qr{other +1 ready, 1 paused +12 +3[45]$}m,
         'with depth and age of its outbox');
    like($output, qr{ echo +2 ready }, 'the others are told beside it');

    ($status, my $told) = told('--worker-url', $url);
    is($told->{workers}[0]{outbox_age_seconds}, 34.5, 'to programs, too');
    ok(!$told->{healthy}, 'which learn that something is wrong');
}


# A row that nobody can send.
sub old_events {
    $echo->sql('insert into outbox (id, exchange, routing_key, type,'
               . ' content_type, body, created_at, due_at) values'
               . " (gen_random_uuid(), 'events', 'a.b', 'a.b', 'text/plain',"
               . " '', now() - interval '90 seconds', now() + interval '1 day')"
    );

    my ($status, $output);
    wait_for(sub {
        ($status, $output) = status('--worker-url', worker_url());
        $status == 1;
    }, 40, 'the age of the outbox');
    like($output, qr/^warren: worker of echo at \S+: an event waits to be/m,
         'an event that waits for more than a minute is wrong');
    like($output, qr/ 2 ready +0 +(?:9|1\d)\d$/m, 'and told with its age');
    is((status('--worker-url', worker_url(), '--outbox-age', 3600))[0], 0,
       'or for longer than somebody says');

    $echo->sql('delete from outbox');
    wait_for(sub { (status('--worker-url', worker_url()))[0] == 0 }, 40,
             'the end of it');
    pass('until it is gone');
}


sub worker_away {
    my $url = fake('/ready' => '{}', '/metrics' => '');

    my ($status, $output) = status('--worker-url', $url);
    is($status, 1, 'who is no worker is wrong');
    like($output, qr/is not what a worker says/, 'and told');
}


sub no_worker_at_all {
    my ($status, $output) = status(@broker, '--vhost', 'nowhere-' . $$);
    is($status, 1, 'a virtual host that is not there is wrong');
    like($output, qr/^warren: there is no vhost nowhere-/m, 'and told');

    my $empty = $echo->broker()->vhost('status');
    ($status, $output) = status(@broker, '--vhost', $empty);
    is($status, 1, 'as is one without queues');
    like($output, qr/has no queue of a service; warren topology apply/,
         'with what to do');

    spew("$dir/wrong.secret", "not it\n", 0600);
    ($status, $output) = status(@broker, '--password-file',
                                "$dir/wrong.secret");
    is($status, 1, 'a wrong password is told');
    unlike($output, qr/not it/, 'but not repeated');
}


sub usage {
    is((status('--help'))[0], 0, '--help is no error');
    is((status())[0], 2, 'somebody must be asked');
    is((status('--url', 'http://guest@127.0.0.1:1'))[0], 2,
       'a broker wants a password');
    is((status(@broker, 'more'))[0], 2, 'there are no other words');
    is((status(@broker, '--outbox-age', $_))[0], 2, "no age: $_")
        for 'old', '0', '5s', '';

    my ($status, $output) = status('--worker-url',
                                   'http://user:word@127.0.0.1:1');
    is($status, 1, 'a user in the URL of a worker is refused');
    unlike($output, qr/word@/, 'and not repeated');
}


# A server that answers with these pages; returns its URL.
sub fake {
    my (%page) = @_;

    my $listener = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 5, Proto => 'tcp'
    ) or die "listen: $!\n";

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        while (my $client = $listener->accept()) {
            my $head = '';
            1 while $head !~ /\r\n\r\n/ && sysread $client, $head, 4096,
                                                   length $head;
            my ($path) = $head =~ m{^GET (\S+)};
            my $body = $page{$path} // '';

            syswrite $client, "HTTP/1.1 503 Not ready\r\nContent-Length: "
                              . length($body)
                              . "\r\nConnection: close\r\n\r\n$body";
            close $client;
        }

        _exit(0);
    }

    Warren::Test::at_exit(sub { kill 'KILL', $pid; waitpid $pid, 0 });

    return 'http://127.0.0.1:' . $listener->sockport();
}
