package Warren::System;

# Copyright (C) the Warren authors
#
# The whole path: broker, databases, the workers, nginx with the routes of
# ngx_gateway_module/conf/dev.conf.in.
#
#     my $system = Warren::System->new()->start();
#     my ($id, $token) = $system->person('ada');
#     $system->products({ 'tea-100' => 450 });
#     $system->post('/orders', { … }, authorization => "Bearer $token");
#
# private => 1 takes a RabbitMQ of its own, which may be restarted and killed.
# settings are keys of all workers, or of one: { orders => { lanes => 4 } }.
# services are those that are started, all of them unless told.  With key_url
# (words of that directive) the gateway fetches the keys of tokens from itself.

use strict;
use warnings;

use JSON::PP ();
use Warren::Nginx;
use Warren::PostgreSQL;
use Warren::RabbitMQ;
use Warren::Test qw(
    wait_for slurp spew tempdir build_dir source_dir run_command
    sanitizer_environment
);
use Warren::Worker;


our @SERVICES = qw(users catalog orders payments notifications);

my $issuer = 'https://warren.test';
my $audience = 'warren';
my $count = 0;
my $json = JSON::PP->new()->utf8();


sub new {
    my ($class, %option) = @_;

    my $self = bless { settings => {}, workers => {}, %option }, $class;

    $self->{dir} = tempdir('system-' . ++$count);
    $self->{broker} //= $option{private} ? Warren::RabbitMQ->private()
                                         : Warren::RabbitMQ->shared();
    $self->{postgresql} //= Warren::PostgreSQL->shared();
    $self->{vhost} = $self->{broker}->vhost('system');

    return $self;
}


sub start {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $key = Warren::Worker::make_key("$dir/token.pem");

    spew("$dir/webhook.key", 'a key of this test alone');
    chmod 0600, "$dir/webhook.key" or die "$dir/webhook.key: $!\n";

    for my $service (@{ $self->{services} // \@SERVICES }) {
        $self->{workers}{$service} = Warren::Worker->new(
            service => $service, broker => $self->{broker},
            vhost => $self->{vhost}, postgresql => $self->{postgresql},
            token_key => $key, topology => 0,
            settings => {
                'broker.heartbeat' => '5s',
                ($service eq 'notifications'
                    ? ('webhook.key_file' => "$dir/webhook.key") : ()),
                $self->common_settings(),
                %{ $self->{settings}{$service} // {} }
            }
        );
    }

    Warren::Worker::apply_topology($self->{broker}, $self->{vhost},
                                   values %{ $self->{workers} });

    $_->start(wait => 0) for values %{ $self->{workers} };
    $_->wait_until_ready(30) for values %{ $self->{workers} };

    $self->start_nginx();

    return $self;
}


sub common_settings {
    my ($self) = @_;

    return map { ref $self->{settings}{$_} ? ()
                                           : ($_ => $self->{settings}{$_}) }
           keys %{ $self->{settings} };
}


sub start_nginx {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $password = $self->{broker}->user('gateway');

    spew("$dir/gateway", "$password\n", 0600);
    spew("$dir/jwks.json", $self->warren(
        'jwks', '--key', "$dir/token.pem", '--kid', 'test'
    ));

    $self->{nginx} = Warren::Nginx->new(
        conf => $self->nginx_conf(), workers => 2
    )->start();

    wait_for(
        sub { $self->{nginx}->get('/_gateway/ready')->{status} == 200 },
        20, 'the gateway, see ' . $self->{nginx}->error_log()
    );
}


# The configuration that ./dev up runs, made the test's own.
sub nginx_conf {
    my ($self) = @_;

    my $text = slurp(source_dir() . '/ngx_gateway_module/conf/dev.conf.in');

    $text =~ s/^(?:daemon|worker_processes|pid|error_log|load_module)\b.*\n//mg;
    $text =~ s/^\@USER\@$/%%GLOBALS%%/m;
    $text =~ s/^ +(?:access_log|\w+_temp_path)\b.*\n//mg;
    $text =~ s/^http \{$/http {\n    %%HTTP%%/m;
    $text =~ s!^ +server \{$!$&\n        access_log %%DIR%%/access.log story;!m;
    $text =~ s{127\.0\.0\.1:\@AMQP_PORT\@/warren;}
              {'127.0.0.1:' . $self->{broker}->port() . "/$self->{vhost};"}e;

    $text =~ s!gateway_jwt_key_file .*?;!gateway_jwt_key_url
            http://127.0.0.1:%%PORT%%/.well-known/jwks.json
            $self->{key_url};! if $self->{key_url};

    my %value = (
        PORT => '%%PORT%%', SECRETS => $self->{dir}, ISSUER => $issuer,
        AUDIENCE => $audience,
        HTML => source_dir() . '/ngx_gateway_module/html'
    );
    $text =~ s/\@([A-Z_]+)\@/$value{$1} \/\/ die "dev.conf.in: $1?\n"/ge;

    # a test is faster than a person may be
    $text =~ s/rate=\d+r\/s burst=\d+/rate=100000r\/s burst=100000/g;

    return $text;
}


sub broker { return $_[0]{broker} }
sub vhost { return $_[0]{vhost} }
sub nginx { return $_[0]{nginx} }
sub postgresql { return $_[0]{postgresql} }
sub worker { return $_[0]{workers}{ $_[1] } }
sub port { return $_[0]{nginx}->port() }

sub get { my $self = shift; return $self->{nginx}->get(@_) }
sub post { my $self = shift; return $self->{nginx}->post(@_) }
sub http { my $self = shift; return $self->{nginx}->http(@_) }


# Runs SQL in the service's database, as the administrator.
sub psql {
    my ($self, $service, $sql) = @_;

    my $uri = $self->{workers}{$service}->database();

    return $self->{postgresql}->psql($self->{postgresql}->admin_uri($uri),
                                     $sql);
}


# Puts products on the shelves, by id and price in cents; pieces enough unless
# told: products({ 'tea-100' => 450 }, 3).
sub products {
    my ($self, $price, $pieces) = @_;

    my $values = join ', ', map { "('$_', $price->{$_})" } sort keys %$price;
    $pieces //= 1_000_000;

    $self->psql('catalog', <<"END");
insert into products (id, place, name, description, category, price_cents,
    currency, created_at, updated_at)
select id, gen_random_uuid(), 'The ' || id, '', 'things', price, 'EUR', now(),
    now()
from (values $values) as p (id, price);
insert into stock (product_id, available)
select id, $pieces
from (values $values) as p (id, price);
END
}


# Registers somebody and logs in: (id, token).
sub person {
    my ($self, $name) = @_;

    my $email = "$name-" . ++$count . '@example.com';
    my $password = 'correct horse battery staple';

    my $answer = $self->post('/users', {
        email => $email, name => ucfirst $name, password => $password
    });
    die "register: $answer->{status} $answer->{body}\n"
        if $answer->{status} != 201;

    my $id = $answer->{json}{id};

    $answer = $self->post('/login', {
        email => $email, password => $password
    });
    die "login: $answer->{status} $answer->{body}\n"
        if $answer->{status} != 200;

    return ($id, $answer->{json}{token});
}


# Lines of all logs under a trace, parsed, in the order of their times; at info
# and above.
sub story {
    my ($self, $trace) = @_;

    my @logs = ($self->{nginx}->dir() . '/access.log',
                map { $_->log_path() } values %{ $self->{workers} });

    return sort { $a->{'@timestamp'} cmp $b->{'@timestamp'} }
           grep { $_->{'log.level'} ne 'debug' }
           map { $json->decode($_) }
           grep { index($_, qq("trace.id":"$trace")) >= 0 }
           map { split /\n/, slurp($_) } @logs;
}


# A token signed with the key of users.
sub token {
    my ($self, $sub, $scope, @words) = @_;

    my $text = $self->warren(
        'token', '--key', "$self->{dir}/token.pem", '--kid', 'test',
        '--issuer', $issuer, '--audience', $audience, '--sub', $sub,
        '--scope', $scope // 'orders:read orders:write users:read', @words
    );
    chomp $text;

    return $text;
}


sub warren {
    my ($self, @words) = @_;

    my ($status, $output) = run_command(
        command => [build_dir() . '/warren', @words],
        environment => { sanitizer_environment() }
    );
    die "warren @words: $output\n" if $status != 0;

    return $output;
}


1;
