package Provider;

# Copyright (C) the Warren authors
#
# A provider of payments over HTTP that also misbehaves; what it does depends on
# the person's token, for refunds on that of the charge, and what it has done
# stands in files.
#
#     my $provider = Provider->new();
#     ... http://127.0.0.1:$port of $provider->port(), with the key "secret" ...
#     is($provider->sum('charges'), 700);
#     is_deeply([$provider->asked($order)], ['POST /charges']);
#
# A token is words, of which the first that a request has not yet met says what
# is done to it; "ok" is done again and again:
#
#     ok            does it, and says so
#     declined      does nothing, and says so
#     fails         does nothing, 500
#     refuses       does nothing, 422
#     hangs         does nothing, and says nothing
#     done_fails    does it, 500
#     done_hangs    does it, and says nothing
#     done_drops    does it, and closes the connection
#     done_garbage  does it, and answers what is no account of it
#     done_other    does it, and tells of another amount
#     done_slow     does it, and says so after a while
#     late          says nothing, and does it when the test says release()
#     pending       does it, and says "pending" for once
#
# "c:done_drops.ok" is about charges, "r:..." about refunds; without, both:
# "tok_c:ok_r:fails.ok".

use strict;
use warnings;

use Fcntl qw(:flock);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use POSIX qw(_exit);

use Warren::Test qw(
    at_exit slurp source_dir spawn spew stop_process tempdir wait_for
);


my $json = JSON::PP->new()->utf8()->canonical();
my $count = 0;


sub new {
    my ($class) = @_;

    my $dir = tempdir('provider-' . ++$count);
    my $self = bless { dir => $dir }, $class;

    mkdir "$dir/$_" for qw(charges refunds met);
    spew("$dir/asked", '');
    spew("$dir/lock", '');
    $self->start();
    at_exit(sub { $self->stop() });

    return $self;
}


# Listens on the port that it has, or on a new one.
sub start {
    my ($self) = @_;

    my $dir = $self->{dir};
    unlink "$dir/port";

    $self->{pid} = spawn(
        command => [$^X, '-I', source_dir() . '/t/lib', '-I',
                    source_dir() . '/t/30-worker', '-MProvider', '-e',
                    'Provider::serve(@ARGV)', $dir, $self->{port} // 0],
        log => "$dir/output.log"
    );
    $self->{port} = wait_for(sub { slurp("$dir/port") }, 20, 'a provider');

    return $self;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;

    # with the children that wait, of the same group
    kill 'TERM', -$pid;
    stop_process($pid);

    return;
}


sub port { return $_[0]{port} }


# The key file and the other settings of a worker that is to use it.
sub settings {
    my ($self) = @_;

    spew("$self->{dir}/key", "secret\n", 0600);

    return ('provider' => 'http', 'provider.key_file' => "$self->{dir}/key",
            'provider.url' => "http://127.0.0.1:$self->{port}/");
}


# What was done: a list of the accounts of "charges" or "refunds".
sub done {
    my ($self, $what) = @_;

    return grep { $_->{status} eq 'succeeded' }
           map { $json->decode(slurp($_)) } glob "$self->{dir}/$what/*";
}


sub sum {
    my ($self, $what) = @_;

    my $sum = 0;
    $sum += $_->{amount_cents} for $self->done($what);

    return $sum;
}


# The requests so far, whose key or body names this.
sub asked {
    my ($self, $name) = @_;

    my @lines = split /\n/, slurp("$self->{dir}/asked");

    return map { /\A(\S+ [^ ?]+)/ ? $1 : () } grep { /\Q$name/ } @lines;
}


# Those who are late do what they were told.
sub release { spew("$_[0]{dir}/release", '') }


sub requests { return slurp("$_[0]{dir}/asked") }


# The program of the process.
sub serve {
    my ($dir, $port) = @_;

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
    $SIG{CHLD} = 'IGNORE';
    $SIG{PIPE} = 'IGNORE';

    my $socket = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Proto => 'tcp',
        Listen => 128, ReuseAddr => 1
    ) or die "listen: $!\n";

    spew("$dir/port.new", $socket->sockport());
    rename "$dir/port.new", "$dir/port" or die "rename: $!\n";

    while (1) {
        my $client = $socket->accept() or next;
        next if fork();

        # a child that is forgotten ends by itself
        alarm 120;
        close $socket;
        answer($dir, $client) while 1;
    }
}


# One request; ends the process when there is none.
sub answer {
    my ($dir, $client) = @_;

    my $request = '';

    while ($request !~ /\r\n\r\n/) {
        sysread $client, $request, 4096, length $request or _exit(0);
    }

    my ($head, $body) = split /\r\n\r\n/, $request, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    while (length $body < ($length // 0)) {
        sysread $client, $body, 4096, length $body or _exit(0);
    }

    my ($line) = $head =~ /\A(.*?) HTTP/;
    my ($key) = $head =~ /^Idempotency-Key: (\S+)/mi;
    my ($what) = $line =~ m{\A\w+ /(charges|refunds)\b};

    open my $lock, '+<', "$dir/lock" or _exit(1);
    flock $lock, LOCK_EX;
    open my $asked, '>>', "$dir/asked" or _exit(1);
    syswrite $asked, "$line " . ($key // '') . " $body\n";
    close $asked;

    return say_so($client, 401, '{}')
        if $head !~ /^Authorization: Bearer secret\r?$/m;
    return say_so($client, 404, '{}') if !defined $what;

    return show($dir, $client, $what, $1)
        if $line =~ /\AGET .*\?idempotency_key=([\w-]+)\z/;
    return say_so($client, 400, '{}') if !defined $key || $line !~ /\APOST /;

    act($dir, $client, $lock, $what, $key, $json->decode($body));
}


# What became of a key; what is pending is done the next time.
sub show {
    my ($dir, $client, $what, $key) = @_;

    my $path = "$dir/$what/$key";
    my @list;

    if (-f $path) {
        my $account = $json->decode(slurp($path));
        my $is_pending = -f "$dir/met/$key.pending" && unlink
                         "$dir/met/$key.pending";
        push @list, { %$account, $is_pending ? (status => 'pending') : () };
    }

    say_so($client, 200, $json->encode({ $what => \@list }));
}


sub act {
    my ($dir, $client, $lock, $what, $key, $body) = @_;

    my $path = "$dir/$what/$key";
    my $how = next_word($dir, $what, $key, $body);

    if ($how eq 'hangs') {
        hang($client, $lock);
    }

    if ($how eq 'late') {
        flock $lock, LOCK_UN;
        IO::Select->new()->can_read(0.1) while !-e "$dir/release";
        flock $lock, LOCK_EX;
    }

    return say_so($client, 500, 'sorry') if $how eq 'fails';
    return say_so($client, 422, '{}') if $how eq 'refuses';

    if (!-f $path) {
        spew("$path.new", $json->encode({
            id => "$what-" . substr($key, -12), key => $key,
            status => $how eq 'declined' ? 'declined' : 'succeeded',
            $how eq 'declined' ? (reason => 'expired_card') : (), %$body
        }));
        rename "$path.new", $path or _exit(1);
    }

    my $account = $json->decode(slurp($path));

    if ($how eq 'pending') {
        spew("$dir/met/$key.pending", '');
        return say_so($client, 202,
                      $json->encode({ %$account, status => 'pending' }));
    }

    return say_so($client, 500, 'sorry') if $how eq 'done_fails';
    return say_so($client, 200, '<html>') if $how eq 'done_garbage';
    return say_so($client, 200, $json->encode(
        { %$account, amount_cents => $account->{amount_cents} + 1 }
    )) if $how eq 'done_other';

    _exit(0) if $how eq 'done_drops';
    hang($client, $lock) if $how eq 'done_hangs';

    if ($how eq 'done_slow') {
        flock $lock, LOCK_UN;
        IO::Select->new($client)->can_read(1);
    }

    say_so($client, $account->{status} eq 'declined' ? 402 : 201,
           $json->encode($account));
}


# The word that this request meets.
sub next_word {
    my ($dir, $what, $key, $body) = @_;

    my $token = $body->{payment_method};

    if ($what eq 'refunds') {
        my ($charge) = grep { $_->{id} eq $body->{charge} }
                       map { $json->decode(slurp($_)) } glob "$dir/charges/*";
        $token = $charge->{payment_method};
    }

    my $kind = $what eq 'charges' ? 'c' : 'r';
    my ($plan) = $token =~ /(?:\A|_)$kind:([\w.]+?)(?=_[cr]:|\z)/;
    my @words = split /\./, $plan // 'ok';
    my $path = "$dir/met/$key";
    my $met = -f $path ? slurp($path) : 0;

    spew($path, $met + 1);

    return $words[$met] // 'ok';
}


# Until the other side has had enough.
sub hang {
    my ($client, $lock) = @_;

    flock $lock, LOCK_UN;
    sysread $client, my $byte, 1;
    _exit(0);
}


sub say_so {
    my ($client, $status, $body) = @_;

    syswrite $client, "HTTP/1.1 $status X\r\nContent-Length: " . length($body)
                      . "\r\nContent-Type: application/json\r\n\r\n$body";

    return;
}


1;
