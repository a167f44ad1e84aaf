# Copyright (C) the Warren authors
#
# E-mail gets to an SMTP server, in the language of the person, once; what
# cannot be sent now is tried again, what never can is noted.

use strict;
use warnings;
use utf8;

use lib 't/lib', 't/30-worker';

use JSON::PP ();
use Test::More;

use Notifications;
use Smtp;
use Warren::Caller;
use Warren::Test;

binmode Test::More->builder()->$_(), ':utf8'
    for qw(output failure_output todo_output);

my $smtp = Smtp->new();
my $told = Notifications->new(settings => {
    'smtp.url' => $smtp->url(), 'smtp.tls' => 'off',
    'smtp.from' => 'shop@example.org', 'email.link_lifetime' => '2s',
    trusted_users => 'gateway guest'
});
my $worker = $told->worker();

events();
unverified();
injection();
messages();
bounces();
deferred();
closed();
links();
chosen();
by_itself();
secure();
settings();

done_testing();


sub events {
    my $ann = $told->person(email => 'ann@example.com', name => 'Ann Lee');
    my $jan = $told->person(email => 'jan@example.com', language => 'de',
                            name => 'Jürgen Groß');
    my $order = $told->happened('order.confirmed', $ann);
    $told->happened('order.confirmed', $jan);

    my ($mail) = $smtp->mails('ann@example.com', 1);
    my ($item) = grep { $_->{kind} eq 'order.confirmed' } $told->list($ann);

    is($mail->{subject}, 'Your order is confirmed', 'an event is e-mailed');
    is($mail->{mail}, 'shop@example.org', 'by whom the settings say');
    like($mail->{text}, qr/^Hello Ann Lee,\n\nyour order over 123\.05 EUR /,
         'with its values');
    like($mail->{text}, qr/^Order: \Q$order\E$/m, 'all of them');
    is($mail->{header}{'message-id'}, "<$item->{id}\@example.org>",
       'its Message-ID is that of the notification');
    like($mail->{header}{date},
         qr/\A\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\z/,
         'it has a date');
    is($mail->{header}{to}, '<ann@example.com>', 'and a recipient');

    ($mail) = $smtp->mails('jan@example.com', 1);
    is($mail->{subject}, 'Ihre Bestellung ist bestätigt', 'or in German');
    like($mail->{text}, qr/^Guten Tag Jürgen Groß,\n\nIhre Bestellung über/,
         'with what German needs');
    unlike($mail->{wire}, qr/[^\x00-\x7f]/, 'in ASCII on the wire');
    ok(!(grep { length > 78 } split /\r\n/, $mail->{wire}),
       'in lines that any server takes');

    $told->settle('channel.email');
    is(scalar($smtp->mails('ann@example.com', 1)), 1, 'once each');
    is($told->sql('select count(*) from outbox'), 0, 'nothing stays behind');
}


# None of these may get one before the last, who comes after them.
sub unverified {
    my $eve = $told->person(email => 'eve@example.com',
                            email_verified => JSON::PP::false);

    $told->happened('order.confirmed', $eve);
    $told->happened('order.confirmed', Warren::Caller::uuid());
    $told->settle('channel.email');
    is(scalar($smtp->mails('eve@example.com', 0)), 0,
       'an address that is not verified gets none');
    $told->tell_person('user.updated', $eve, 2, email => 'eve@example.com');
    $told->wait_for_rows("recipients where user_id = '$eve' and is_verified",
                         1);
    $told->happened('order.cancelled', $eve, reason => 'requested');
    my ($mail) = $smtp->mails('eve@example.com', 1);
    is($mail->{subject}, 'Your order was cancelled', 'until it is');
}


sub injection {
    my $person = $told->person(email => 'mal@example.com',
                               name => "Mal\r\nBcc: all\@example.com\r\n\r\n.");

    $told->happened('payment.refunded', $person);
    my ($mail) = $smtp->mails('mal@example.com', 1);

    unlike($mail->{wire}, qr/^Bcc/m, 'a value makes no header');
    like($mail->{text}, qr/^Hello Mal  Bcc: all\@example\.com    \.,$/m,
         'and no line');

    my $other = $told->person(email => "x\@example.com>\r\nRCPT TO:<y\@b.c");

    $told->happened('order.confirmed', $other);
    wait_for(sub { $told->sql('select count(*) from dead_letter') == 1 }, 60,
             'a dead letter');
    is($told->sql("select home from dead_letter"), 'channel.email',
       'an address that is none becomes a dead letter');
    $told->sql('delete from dead_letter');
}


# As users sends them.
sub message {
    my (%member) = @_;

    $told->{amqp}->publish('commands', 'notifications',
        JSON::PP->new()->utf8()->encode({
            user_id => Warren::Caller::uuid(), name => 'Zoe', %member
        }), type => 'send_message', message_id => Warren::Caller::uuid(),
        user_id => 'guest', content_type => 'application/json',
        delivery_mode => 2);
    $told->{amqp}->wait_confirm() or die "the broker refused a command\n";
}


sub messages {
    my $link = 'https://shop.example/verify?token=s3cr3t-of-zoe';
    my %subject = (
        verify_email => 'Please confirm your e-mail address',
        reset_password => 'Your new password',
        password_changed => 'Your password was changed',
        address_taken => 'You have an account already',
        email_changed => 'Another e-mail address for your account'
    );

    for my $template (sort keys %subject) {
        message(template => $template, email => "$template\@example.com",
                language => 'en', link => $link);
        my ($mail) = $smtp->mails("$template\@example.com", 1);
        is($mail->{subject}, $subject{$template}, "$template is sent");
    }

    my ($mail) = $smtp->mails('verify_email@example.com', 1);
    like($mail->{text}, qr/^\Q$link\E$/m, 'the link is whole');
    unlike($mail->{text}, qr/Zoe/,
           'what a stranger called themselves is not sent to anybody');

    $told->settle('channel.email');
    is($told->sql("select count(*) from notifications"
                  . " where title like '%confirm your%'"), 0,
       'it is kept nowhere');
    unlike($worker->log(), qr/s3cr3t/, 'nor logged');

    message(template => 'order.placed', email => 'zoe@example.com');
    wait_for(sub { $told->sql('select count(*) from dead_letter') == 1 }, 60,
             'a dead letter');
    $told->sql('delete from dead_letter');
    ok(1, 'a template that is not there is refused');
}


sub bounces {
    my $person = $told->person(email => 'nobody@example.com');

    $told->happened('order.confirmed', $person);
    $told->wait_for_rows('bounces', 1);
    like($told->sql('select email, reason from bounces'),
         qr/\Anobody\@example\.com\|.*550/, 'a refusal for good is noted');

    $told->happened('order.confirmed', $person);
    $told->wait_for_rows("notifications where user_id = '$person'", 3);
    $told->settle('channel.email');
    is($told->sql('select count from bounces'), 1,
       'and that address is left alone');
    is($told->sql('select count(*) from dead_letter'), 0,
       'nobody is to see to it');
}


sub deferred {
    my $person = $told->person(email => 'later@example.com');

    $smtp->defer(1);
    $told->happened('order.confirmed', $person);
    wait_for(sub { $worker->log() =~ /e-mail not sent yet: .*451/ }, 60,
             'a refusal for now');
    is(scalar($smtp->mails('later@example.com', 0)), 0, 'it was not taken');
    $smtp->defer(0);
    my ($mail) = $smtp->mails('later@example.com', 1);
    is($mail->{subject}, 'Your order is confirmed',
       'what is refused for now is tried again');
}


# What a server has against us is nothing against the person.
sub closed {
    my $person = $told->person(email => 'open@example.com');

    # a connection that is there would be used
    $smtp->close(1);
    $worker->restart();
    $told->happened('order.confirmed', $person);
    wait_for(sub { $worker->log() =~ /e-mail not sent yet: .*554/ }, 60,
             'a server that serves nobody');
    is($told->sql("select count(*) from bounces"
                  . " where email = 'open\@example.com'"), 0,
       'that a server serves nobody is not about the address');
    $smtp->close(0);
    is(scalar($smtp->mails('open@example.com', 1)), 1,
       'and the mail is sent when it does');
}


sub links {
    $smtp->defer(1);
    message(template => 'reset_password', email => 'later2@example.com',
            link => 'https://shop.example/reset?token=s3cr3t');
    wait_for(sub { $worker->log() =~ /a link dropped/ }, 90,
             'the end of the link');
    $told->settle('channel.email');
    $smtp->defer(0);

    is($told->sql('select count(*) from dead_letter'), 0,
       'a link that could not be sent in time is forgotten');
    is($told->sql('select count(*) from outbox'), 0, 'everywhere');
}


sub chosen {
    my $person = $told->person(email => 'choosy@example.com');

    $told->call('set_preferences', sub => $person, body => {
        preferences => { orders => { email => JSON::PP::false } }
    });
    $told->happened('order.confirmed', $person);
    $told->wait_for_rows("notifications where user_id = '$person'", 2);
    $told->happened('payment.refunded', $person);
    is_deeply([map { $_->{subject} } $smtp->mails('choosy@example.com', 1)],
              ['Your payment was refunded'], 'what is not wanted is not sent');
    message(template => 'password_changed', email => 'choosy@example.com');
    is(scalar($smtp->mails('choosy@example.com', 2)), 2,
       'but what is about the account is');
}


# One process for the channel, another for all else.
sub by_itself {
    $worker->restart(queues => 'events, commands, rpc');

    my $person = $told->person(email => 'apart@example.com');
    $told->happened('order.confirmed', $person);
    $told->wait_for_rows("notifications where user_id = '$person'", 2);
    $told->settle();
    is(scalar($smtp->mails('apart@example.com', 0)), 0,
       'who does not consume the channel sends nothing');

    my $mailer = Warren::Worker->new(
        service => 'notifications', vhost => $worker->vhost(),
        database => $worker->database(), topology => 0, settings => {
            %{ $worker->{settings} }, queues => 'channel.email', batch => 4
        }
    )->start();
    my ($mail) = $smtp->mails('apart@example.com', 1);
    is($mail->{subject}, 'Your order is confirmed', 'who does sends it');
    $mailer->stop();
}


sub secure {
    my $server = Smtp->new(is_secure => 1);
    my $dir = $server->dir();

    $worker->restart(
        'smtp.url' => $server->url(), 'smtp.tls' => 'required',
        'smtp.ca_file' => "$dir/cert.pem", 'smtp.user' => 'warren',
        'smtp.password_file' => "$dir/password", queues => ''
    );

    my $person = $told->person(email => 'tls@example.com');
    $told->happened('order.confirmed', $person);
    my ($mail) = $server->mails('tls@example.com', 1);
    is($mail->{tls}, 'yes', 'a server with TLS and a login is served');
    unlike($worker->log(), qr/sesame/, 'the password is not logged');

    $worker->restart('smtp.ca_file' => '');
    $told->happened('order.confirmed', $person);
    wait_for(sub { $worker->log() =~ /not sent yet: .*certificate/i }, 60,
             'a certificate that nobody signed');
    is(scalar($server->mails('tls@example.com', 1)), 1,
       'who cannot prove who it is gets nothing');

    # the other one does not speak TLS
    $worker->restart('smtp.url' => $smtp->url(), 'smtp.user' => '');
    my $plain = $told->person(email => 'plain@example.com');
    $told->happened('order.confirmed', $plain);
    wait_for(sub {
        my $log = $worker->log();
        my @lines = $log =~ /not sent yet/g;
        @lines >= 3 && $log =~ /not sent yet: (?!.*certificate)[^"]*\(\d+\)/i
    }, 60, 'a refusal to send in clear');
    is(scalar($smtp->mails('plain@example.com', 0)), 0,
       'nothing is sent in clear when TLS is required');
}


sub settings {
    my %wrong = (
        'smtp.tls' => ['maybe', 'smtp.tls is neither'],
        'smtp.url' => ['http://localhost', 'smtp.url is not'],
        'smtp.from' => ["a\@b, c\@d", 'smtp.from is not'],
        'smtp.timeout' => ['60s', 'smtp.timeout is not']
    );

    for my $key (sort keys %wrong) {
        my ($value, $reason) = @{ $wrong{$key} };
        my $other = Warren::Worker->new(
            service => 'notifications', vhost => $worker->vhost(),
            database => $worker->database(), topology => 0, settings => {
                'smtp.url' => $smtp->url(), 'smtp.tls' => 'off', $key => $value
            }, allow => [qr/\Q$reason\E/]
        );

        $other->start(wait => 0);
        wait_for(sub { $other->log() =~ /\Q$reason\E/ }, 40, $reason);
        $other->stop();
        ok(1, "$key: $value is refused");
    }
}
