#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Limits that only count: what they would have done is in the log and the
# counters, and nowhere in the answer.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::Nginx;
use Warren::Test;


my $nginx = Warren::Nginx->new(conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    log_format limit '$uri $arg_k $status $gateway_limit_status '
                     '$gateway_limit_zone';
    gateway_zone gateway:1m;
    gateway_limit_zone $arg_k zone=real:32k rate=1r/m burst=3;
    gateway_limit_zone $arg_k zone=trial:32k rate=1r/m burst=1;
    gateway_limit_zone $arg_j zone=must:32k rate=1r/m empty=refuse;

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%DIR%%/html;
        access_log %%DIR%%/access.log limit;

        location = /dry { gateway_limit zone=trial dry_run; }
        location = /beside {
            gateway_limit zone=real;
            gateway_limit zone=trial dry_run;
        }
        location = /trial { gateway_limit zone=trial; }
        location = /shaped { gateway_limit zone=real delay=0 dry_run; }
        location = /must { gateway_limit zone=must dry_run; }
        location = /free { gateway_limit off; }
        location = /metrics { gateway_metrics; }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
spew("$dir/html/$_", "the page\n")
    for qw(dry beside trial shaped must free);
$nginx->start();

sub status { return $nginx->get($_[0])->{status} }

sub counter {
    my $text = $nginx->get('/metrics')->{body};
    return $text =~ /^gateway_limit_$_[0]_total (\d+)/m ? $1 : undef;
}

# what the access log has of a path and a key, in its order
sub logged {
    my ($what, $n) = @_;
    my @lines;
    wait_for(sub {
        @lines = slurp("$dir/access.log") =~ /^\Q$what\E (\d+ \S+ \S+)$/mg;
        @lines == $n;
    }, 10, "$n lines of $what");
    return join ', ', @lines;
}


is(join(' ', map { status('/dry?k=a') } 1 .. 4), '200 200 200 200',
   'a limit in dry run refuses nobody');
is(logged('/dry a', 4), '200 PASSED -, 200 PASSED -, '
   . '200 REJECTED_DRY_RUN trial, 200 REJECTED_DRY_RUN trial',
   'the access log tells whom it would have refused');
is(counter('dry'), 2, 'and they are counted');
is(counter('refused'), 0, 'as nothing else');
like($nginx->log_text(), qr/request limited by zone "trial", dry run/,
     'and told in the log');

my $headers = $nginx->get('/dry?k=a')->{headers};
ok(!exists $headers->{ratelimit} && !exists $headers->{'ratelimit-policy'}
   && !exists $headers->{'retry-after'}, 'the client is not told');

is(status('/trial?k=a'), 429,
   'what it counted is there when it becomes a limit');


# beside a limit

is(join(' ', map { status('/beside?k=b') } 1 .. 5), '200 200 200 200 429',
   'a limit beside it does what it did alone');
is(logged('/beside b', 5), '200 PASSED -, 200 PASSED -, '
   . '200 REJECTED_DRY_RUN trial, 200 REJECTED_DRY_RUN trial, '
   . '429 REJECTED real', 'the worst is told');

my $answer = $nginx->get('/beside?k=c');
like($answer->{headers}{ratelimit}, qr/\A"real";r=3;t=\d+\z/,
     'the client is told of the limit alone');
is($answer->{headers}{'ratelimit-policy'}, '"real";q=4;w=240',
   'and of its policy alone');


# waiting, empty keys, no limit

is(join(' ', map { status('/shaped?k=d') } 1 .. 2), '200 200',
   'nobody waits in a dry run');
is(logged('/shaped d', 2), '200 PASSED -, 200 DELAYED_DRY_RUN real',
   'though it is told who would have waited');

is(status('/must'), 200, 'an empty key that would be refused passes');
is(logged('/must -', 1), '200 REJECTED_DRY_RUN must', 'and is told');

status('/free?k=e');
is(logged('/free e', 1), '200 - -', 'without limits there is nothing to tell');

done_testing();
