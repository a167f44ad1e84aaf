# Copyright (C) the Warren authors
#
# warren topology plan and check tell what apply would make, and make nothing.

use strict;
use warnings;

use lib 't/lib';

use JSON::PP ();
use POSIX ();
use Test::More;

use Warren::KeyServer;
use Warren::RabbitMQ;
use Warren::Test;
use Warren::Test qw(at_exit run_command sanitizer_environment test_id);

my $broker = Warren::RabbitMQ->shared();
my $dir = tempdir();
my $vhost = 'plan-' . test_id();
my $service = "p$$";

at_exit(sub {
    eval { $broker->api('DELETE', "/api/vhosts/$vhost") };
    eval { $broker->api('DELETE', "/api/users/$service") };
});

spew("$dir/admin.secret", "guest\n", 0600);
spew("$dir/service.secret", "a word\n", 0600);
spew("$dir/worker.json", JSON::PP::encode_json({
    service => $service, entities => ['cat'], events => ['cat.*'], asks => [],
    channels => []
}));

before();
after();
stale();
mismatch();
failing();

done_testing();


sub topology {
    return topology_at($broker->management_port(), @_);
}


sub topology_at {
    my $port = shift;

    my ($status, $output) = run_command(
        command => [
            build_dir() . '/warren', 'topology', shift, '--url',
            "http://guest\@127.0.0.1:$port",
            '--password-file', "$dir/admin.secret", '--vhost', $vhost,
            '--from', "$dir/worker.json",
            '--user', "$service=$dir/service.secret", @_
        ],
        environment => { sanitizer_environment() }
    );

    return ($status >> 8, $output);
}


sub is_there {
    my ($path) = @_;

    return eval { $broker->api('GET', "/api/$path"); 1 } || 0;
}


sub before {
    my ($status, $output) = topology('plan');

    is($status, 3, 'with all to make, a plan says so') or diag($output);
    like($output, qr/^would make vhost \Q$vhost\E$/m, 'the virtual host');
    like($output, qr/^would make queue commands\.$service$/m, 'its queues');
    like($output, qr/^would make binding events to events\.$service by "cat/m,
         'its bindings');
    like($output, qr/^would make user $service$/m, 'the user');
    like($output, qr/^would make rights of user $service$/m, 'and rights');
    unlike($output, qr/^made|a word/m, 'and no secret');
    ok(!is_there("vhosts/$vhost"), 'but no virtual host is made');
    ok(!is_there("users/$service"), 'nor is a user');

    ($status, my $silence) = topology('check');
    is_deeply([$status, $silence], [3, ''], 'a check says it without words');
    ok(!is_there("vhosts/$vhost"), 'and makes nothing, neither');

    ($status, my $made) = topology('apply');
    is($status, 0, 'apply makes it') or diag($made);

    is_deeply([sort $output =~ /^would make (.*)$/mg],
              [sort $made =~ /^made (.*)$/mg], 'all that was planned');
}


sub after {
    my ($status, $output) = topology('plan');

    is($status, 0, 'then nothing is left to make') or diag($output);
    like($output, qr/^vhost \Q$vhost\E: 0 to be made, \d+ as they/m,
         'as the plan tells');
    is_deeply([topology('check')], [0, ''], 'and the check, silently');
}


sub stale {
    $broker->api('DELETE', "/api/queues/$vhost/park.$service");

    my ($status, $output) = topology('plan');
    is($status, 3, 'what went away is to be made');
    is_deeply([$output =~ /^would make (.*)$/mg],
              ["queue park.$service", "binding park to park.$service by "
               . "\"$service\""], 'and nothing else is');
    ok(!is_there("queues/$vhost/park.$service"), 'so far it is not');
}


sub mismatch {
    $broker->api('DELETE', "/api/exchanges/$vhost/again");
    $broker->api('PUT', "/api/exchanges/$vhost/again", { type => 'topic' });

    for my $word ('plan', 'check') {
        my ($status, $output) = topology($word);
        is($status, 1, "$word fails with what must not be so");
        like($output, qr/^warren: exchange again .* "topic", must be/m,
             'and tells both values');
    }
}


# RabbitMQ says 500 when a queue goes away while it lists them.
sub failing {
    my $node = Warren::KeyServer->new();
    my $no = "HTTP/1.0 500 Internal Server Error\r\n\r\n";

    $node->raw($no);

    my ($status, $output) = topology_at($node->port(), 'check');
    is($status, 1, 'a node that fails each time is given up');
    like($output, qr/: 500 without a reason$/m, 'with what it said');
    is($node->asked(), 6, 'after five more questions');

    my $child = fork() // die "fork: $!\n";

    if ($child == 0) {
        wait_for(sub { $node->asked() > 6 }, 40, 'a question');
        $node->raw("HTTP/1.0 401 Unauthorized\r\n\r\n");
        POSIX::_exit(0);
    }

    ($status, $output) = topology_at($node->port(), 'check');
    waitpid $child, 0;
    like($output, qr/: 401 /, 'and what it says at last is what counts');
}
