# Copyright (C) the Warren authors
#
# Webhooks are signed, tried again, given up at last, and go to no address that
# is not public; and a person chooses the channels for each group of kinds.

use strict;
use warnings;

use lib 't/lib', 't/30-worker';

use Digest::SHA qw(hmac_sha256_hex);
use JSON::PP ();
use Test::More;

use Notifications;
use Receiver;
use Warren::Test;
use Warren::Worker;

my $key = tempdir() . '/webhook.key';
spew($key, "a key of the service, long enough\n", 0600);

my $receiver = Receiver->new();
my $told = Notifications->new(settings => {
    'webhook.key_file' => $key, 'webhook.allow_http' => 'on',
    'webhook.allow_private' => 'on', 'webhook.retry_for' => '1s',
    'webhook.disable_after' => '1s'
});
my $worker = $told->worker();

registered();
wrong_urls();
signed();
fails();
disabled();
gone();
odd_answers();
removed();
preferences();
private();
tls();
without();

done_testing();


sub put {
    my ($person, $url) = @_;

    return $told->call('put_webhook', sub => $person, body => { url => $url });
}


sub webhook {
    my ($person) = @_;

    return $told->call('get_webhook', sub => $person);
}


sub registered {
    my $ann = $told->person();

    is(webhook($ann)->{status}, 404, 'nobody has a webhook to begin with');

    my $answer = put($ann, $receiver->url('/registered'));
    is($answer->{status}, 200, 'one is registered') or diag($answer->{body});
    my $secret = $answer->{json}{secret};
    like($secret, qr/\Awhsec_[0-9a-f]{64}\z/, 'with a secret');

    $answer = webhook($ann);
    is($answer->{status}, 200, 'it is shown');
    is_deeply([sort keys %{ $answer->{json} }],
              [qw(created_at disabled_at failing_since url)],
              'but not its secret');
    unlike($told->sql("select webhooks::text from webhooks"),
           qr/\Q$secret\E/, 'which is not kept either');

    my $again = put($ann, $receiver->url('/registered'))->{json}{secret};
    isnt($again, $secret, 'who registers again gets another');

    my $bob = $told->person();
    is($told->call('delete_webhook', sub => $bob)->{status}, 404,
       "nobody deletes another's");
    is($told->call('delete_webhook', sub => $ann)->{status}, 204,
       'their own they may');
    is(webhook($ann)->{status}, 404, 'and it is gone');
    is($told->call('get_webhook')->{status}, 401, 'strangers have none');
    is($told->call('put_webhook', body => { url => 'http://a.b' })->{status},
       401, 'nor register one');
}


sub wrong_urls {
    my $person = $told->person();

    for my $url ('', 'x', 'ftp://example.com/', 'file:///etc/passwd',
                 'http://user:word@example.com/', 'http://example.com/#x',
                 "http://example.com/\r\nX: y", 'http://', 'gopher://a/',
                 'http://example.com/' . 'x' x 2000)
    {
        is(put($person, $url)->{status}, 400,
           'refused: ' . substr($url, 0, 40) =~ s/[^ -~]/?/gr);
    }
}


sub signed {
    my $ann = $told->person();
    my $secret = put($ann, $receiver->url('/signed'))->{json}{secret};

    $told->happened('order.placed', $ann);
    my ($post) = $receiver->posts('/signed', 1);
    my ($item) = $told->list($ann);

    is_deeply(JSON::PP->new()->utf8()->decode($post->{body}), $item,
              'what is told is posted, as lists show it');
    is($post->{header}{'warren-id'}, $item->{id}, 'with its id');
    is($post->{header}{'warren-kind'}, 'order.placed', 'and kind');
    is($post->{header}{'content-type'}, 'application/json', 'as JSON');

    my ($time, $mac) = $post->{header}{'warren-signature'}
                       =~ /\At=(\d+),v1=([0-9a-f]{64})\z/;
    is($mac, hmac_sha256_hex("$time.$post->{body}", $secret),
       'the signature is that of time and body by the secret');
    cmp_ok(abs($time - time), '<', 120, 'and the time is now');
}


sub fails {
    my $ann = $told->person();

    put($ann, $receiver->url('/fails'));
    $receiver->fail(1);
    $told->happened('order.placed', $ann);
    wait_for(sub { defined webhook($ann)->{json}{failing_since} }, 60,
             'a webhook that fails');
    my @posts = $receiver->posts('/fails', 2);
    is($posts[0]{header}{'warren-id'}, $posts[1]{header}{'warren-id'},
       'what was not taken is tried again, by the same id');

    $receiver->fail(0);
    $told->happened('order.placed', $ann);
    wait_for(sub { !defined webhook($ann)->{json}{failing_since} }, 60,
             'a webhook that works');
    ok(1, 'one that works again has not failed');
    is($told->sql('select count(*) from dead_letter'), 0,
       'and nobody is to see to it');
}


sub disabled {
    my $jan = $told->person(language => 'de');

    put($jan, $receiver->url('/disabled'));
    $receiver->fail(1);

    wait_for(sub {
        my $webhook = webhook($jan)->{json};

        return 1 if defined $webhook->{disabled_at};
        my $posts = $receiver->posts('/disabled', 0);
        $told->happened('order.placed', $jan);
        $told->settle('channel.webhook');
        wait_for(sub {
            my $now = webhook($jan)->{json};
            defined $now->{disabled_at} || defined $now->{failing_since}
        }, 60, 'a failure');
        0;
    }, 120, 'a webhook that is disabled');

    $receiver->fail(0);
    $told->wait_for_rows("notifications where user_id = '$jan'"
                         . " and kind = 'webhook.disabled'", 1);
    my ($notice) = grep { $_->{kind} eq 'webhook.disabled' }
                   $told->list($jan);
    is($notice->{title}, 'Webhook abgeschaltet', 'the person is told');

    $told->settle('channel.webhook');
    my $before = () = $receiver->posts('/disabled', 0);
    $told->happened('order.placed', $jan);
    $told->settle('channel.webhook');
    my $after = () = $receiver->posts('/disabled', 0);
    is($after, $before, 'one that is disabled gets nothing');

    put($jan, $receiver->url('/disabled'));
    is(webhook($jan)->{json}{disabled_at}, undef,
       'until it is registered again');
    $told->happened('order.placed', $jan);
    $receiver->posts('/disabled', $before + 1);
}


sub gone {
    my $ann = $told->person();

    put($ann, $receiver->url('/gone'));
    $told->happened('order.placed', $ann);
    wait_for(sub { defined webhook($ann)->{json}{disabled_at} }, 60,
             'a webhook that is gone');
    is(scalar($receiver->posts('/gone', 1)), 1,
       'one that says it is gone is disabled at once');
}


sub odd_answers {
    for my $path ('/redirect', '/long') {
        my $ann = $told->person();

        put($ann, $receiver->url($path));
        $told->happened('order.placed', $ann);
        wait_for(sub { defined webhook($ann)->{json}{failing_since} }, 60,
                 "a failure of $path");
        ok(1, "$path has failed");
    }

    is(scalar($receiver->posts('/ok', 0)), 0, 'no redirect was followed');
}


# What waits on a rung is not posted to who is no longer there.
sub removed {
    my $ann = $told->person();

    $worker->restart('webhook.retry_for' => '1h');
    put($ann, $receiver->url('/removed'));
    $receiver->fail(1);
    $told->happened('order.placed', $ann);
    $receiver->posts('/removed', 1);
    $told->call('delete_webhook', sub => $ann);
    $told->settle('channel.webhook', 'retry.notifications.1s',
                  'retry.notifications.5s', 'retry.notifications.15s');
    $receiver->fail(0);
    cmp_ok(scalar($receiver->posts('/removed', 1)), '<=', 3,
           'one that is removed is not tried for long');
    is($told->sql('select count(*) from dead_letter'), 0,
       'and leaves no dead letter');
}


sub preferences {
    my $ann = $told->person();
    my $all = { inapp => JSON::PP::true, email => JSON::PP::true,
                webhook => JSON::PP::true };
    my $get = sub {
        return $told->call('get_preferences', sub => $ann)->{json};
    };
    my $set = sub {
        return $told->call('set_preferences', sub => $ann,
                           body => { preferences => $_[0] });
    };

    is_deeply($get->(), { preferences => { map { $_ => $all }
                                           qw(account orders payments) } },
              'who never chose wants everything');

    put($ann, $receiver->url('/preferences'));
    my $answer = $set->({ orders => { webhook => JSON::PP::false },
                          payments => { inapp => JSON::PP::false } });
    is($answer->{status}, 200, 'a person chooses') or diag($answer->{body});
    is_deeply($get->(), $answer->{json}, 'which is kept');
    is_deeply($answer->{json}{preferences}{orders},
              { %$all, webhook => JSON::PP::false }, 'as it was told');

    $told->happened('order.placed', $ann);
    $told->wait_for_rows("notifications where user_id = '$ann'", 2);
    $told->happened('payment.captured', $ann);
    my @posts = $receiver->posts('/preferences', 1);
    is_deeply([map { $_->{header}{'warren-kind'} } @posts],
              ['payment.captured'], 'what is not wanted is not posted');
    is(scalar(grep { $_->{kind} =~ /payment/ } $told->list($ann)), 0,
       'nor shown');

    $set->({});
    is_deeply($get->()->{preferences}{orders}, $all,
              'what is not named is wanted');

    for my $wrong ({ security => {} }, { orders => { pigeon => 1 } },
                   { orders => { email => 1 } }, { orders => [] }, [])
    {
        is($set->($wrong)->{status}, 400, 'refused: '
           . JSON::PP->new()->canonical()->encode($wrong));
    }

    is($told->call('set_preferences', body => { preferences => {} })->{status},
       401, 'strangers choose nothing');
}


sub private {
    my $ann = $told->person();

    $worker->restart('webhook.allow_private' => 'off',
                     'webhook.retry_for' => '1s');

    put($ann, $receiver->url('/private'));
    $told->happened('order.placed', $ann);
    wait_for(sub { defined webhook($ann)->{json}{failing_since} }, 60,
             'a failure');
    like($worker->log(), qr/its address is not public/,
         'a name of this host is not connected to');
    is(scalar($receiver->posts('/private', 0)), 0, 'nothing came there');
}


sub tls {
    my $secure = Receiver->new(is_secure => 1);
    my $ann = $told->person();

    $worker->restart('webhook.allow_private' => 'on',
                     'webhook.allow_http' => 'off',
                     'webhook.ca_file' => $secure->dir() . '/cert.pem');
    is(put($ann, $receiver->url('/tls'))->{status}, 400,
       'without TLS only where the settings allow it');
    is(put($ann, $secure->url('/tls'))->{status}, 200, 'with TLS');
    $told->happened('order.placed', $ann);
    my ($post) = $secure->posts('/tls', 1);
    is($post->{header}{'warren-kind'}, 'order.placed', 'it gets there');

    $worker->restart('webhook.ca_file' => '');
    $told->happened('order.placed', $ann);
    wait_for(sub { defined webhook($ann)->{json}{failing_since} }, 60,
             'a failure');
    is(scalar($secure->posts('/tls', 1)), 1,
       'who cannot prove who it is gets nothing');
}


sub without {
    my $ann = $told->person();

    $worker->restart('webhook.key_file' => '');
    is(put($ann, 'https://example.com/')->{status}, 404,
       'without a key there are no webhooks');

    my $short = tempdir() . '/short.key';
    spew($short, "short\n", 0600);

    my $other = Warren::Worker->new(
        service => 'notifications', vhost => $worker->vhost(),
        database => $worker->database(), topology => 0,
        settings => { 'webhook.key_file' => $short },
        allow => [qr/webhook\.key_file/]
    );
    $other->start(wait => 0);
    wait_for(sub { $other->log() =~ /webhook\.key_file has less/ }, 40,
             'a refusal');
    $other->stop();
    ok(1, 'nor with one that is short');
}
