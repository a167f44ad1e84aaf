# Copyright (C) the Warren authors
#
# Several brokers' URLs are tried in turn.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Test::More;

use Echo;
use Warren::Test;

my $echo = Echo->new();
my $broker = $echo->broker();
my $good = $broker->url_without_password('echo', $echo->vhost());
my $dead = $good;
my $port = free_port();
$dead =~ s/:\d+\//:$port\//;

# the first lane begins with the first one, the second with the second
$echo->worker()->{settings} = { 'broker.url' => "$dead $good", lanes => 2 };
$echo->start();

like($echo->worker()->log(),
     qr/cannot connect to the broker at 127\.0\.0\.1:$port: /,
     'a broker that is not there is told with its address');
is($echo->call('echo', '{"text":"x"}')->{status}, 200,
   'and the next one is taken');

my $count = () = $echo->worker()->log() =~ /connected to the broker/g;

# the administrator ends them; each lane goes through the list again
wait_for(sub {
    my $path = '/api/vhosts/' . $echo->vhost() . '/connections';
    my @names = map { $_->{name} }
                grep { $_->{user} eq 'echo' } @{ $broker->api('GET', $path) };

    for my $name (@names) {
        $name =~ s/([^A-Za-z0-9._-])/sprintf '%%%02X', ord $1/ge;
        eval { $broker->api('DELETE', "/api/connections/$name") };
    }

    return @names >= 4;
}, 20, 'the connections of the lanes');
wait_for(sub {
    my $now = () = $echo->worker()->log() =~ /connected to the broker/g;
    return $now >= $count + 2;
}, 20, 'the lanes');
$echo->worker()->wait_until_ready();
$echo->forget();
is($echo->call('echo', '{"text":"x"}')->{status}, 200,
   'as it is when the connection is lost');
is(scalar(() = $echo->worker()->log() =~ /closed by the broker: /g) > 0, 1,
   'which is told with what the broker said');

done_testing();
