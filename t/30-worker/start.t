# Copyright (C) the Warren authors
#
# A worker says in one line why it cannot work.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

without_queues();
without_schema();

done_testing();


sub log_has {
    my ($echo, $pattern) = @_;

    return wait_for(sub { $echo->worker()->log() =~ $pattern }, 20, $pattern);
}


# It waits for them: the topology may be applied later.
sub without_queues {
    my $echo = Echo->new(topology => 0);

    $echo->broker()->user('echo', $echo->vhost());
    $echo->start(wait => 0);
    ok(log_has($echo, qr/cannot consume from queue \\"rpc\.echo\\".*NOT_FOUND/),
       'a queue that is missing is named');

    Warren::Worker::apply_topology($echo->broker(), $echo->vhost(),
                                   $echo->worker());
    $echo->worker()->wait_until_ready(40);
    is($echo->call('echo', '{"text":"x"}')->{status}, 200,
       'and once it is there, calls are answered');
    $echo->worker()->stop();
}


sub without_schema {
    my $echo = Echo->new();

    $echo->sql("delete from sqitch.dependencies");
    $echo->sql("delete from sqitch.changes where change = '0002_echo'");
    $echo->start(wait => 0);
    ok(log_has($echo, qr/the schema lacks change \\"0002_echo\\"/),
       'a schema that is too old is refused by the name of what it lacks');
}
