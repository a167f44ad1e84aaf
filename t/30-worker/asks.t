# Copyright (C) the Warren authors
#
# A handler asks another service while no transaction is open.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

answered();
unroutable();

done_testing();


# A lane that has a message gets no other one: its question goes to the other.
sub answered {
    my $echo = Echo->new(settings => { lanes => 2, prefetch => 1 })->start();
    my $reply = $echo->call('ask');

    is($reply->{status}, 200, 'a question is answered by another lane');
    is($reply->{json}{answer}, 'asked', 'and the handler has the answer');
    $echo->worker()->stop();
}


sub unroutable {
    my $echo = Echo->new()->start();
    my $slow = $echo->ask('slow', '{}', headers => { 'x-arg-ms' => '2000' });
    my $asked = $echo->ask('ask');

    wait_for(
        sub {
            $echo->amqp()->rpc('queue.declare', queue => 'rpc.echo',
                               passive => 1)->{message_count} == 0;
        }, 10, 'both calls at the lane'
    );
    $echo->broker()->api('DELETE', '/api/bindings/' . $echo->vhost()
                                   . '/e/rpc/q/rpc.echo/echo');
    is($echo->answer($slow)->{status}, 200, 'a slow call ends');
    is($echo->answer($asked, 5)->{status}, 503,
       'a question that no queue takes is known at once');
}
