package Warren::OpenAPI;

# Copyright (C) the Warren authors
#
# What openapi.json says, and what the routes of dev.conf.in are, so that tests
# can compare both with one another and with real answers.
#
#     my $api = Warren::OpenAPI->new();
#     for my $operation ($api->operations()) { … }
#     is_deeply([$api->errors($operation, $answer)], []);
#
# An operation: id, method, path, item (as the file has it), parameters
# (resolved), pointer.  A route: method, path, parameters { name => pattern },
# arguments [query], token (on, off, optional), scopes.

use strict;
use warnings;

use IPC::Open2 qw(open2);
use JSON::PP ();

use Warren::Test qw(slurp source_dir at_exit);


my @METHODS = qw(get post put patch delete);

my $json = JSON::PP->new()->utf8()->canonical()->allow_nonref();


sub new {
    my ($class, $document) = @_;

    my $file = source_dir() . '/ngx_gateway_module/html/openapi.json';

    return bless {
        file => $file, document => $document // $json->decode(slurp($file))
    }, $class;
}


sub document { return $_[0]{document} }


# What a JSON pointer of the file leads to, references followed.
sub at {
    my ($self, $pointer) = @_;

    my $node = $self->{document};

    for my $name (split m{/}, $pointer =~ s{\A\#?/}{}r) {
        $name =~ s{~1}{/}g;
        $name =~ s{~0}{~}g;
        $node = ref $node eq 'HASH' ? $node->{$name} : $node->[$name];
        die "openapi.json: nothing is at $pointer\n" if !defined $node;
    }

    return $self->resolve($node);
}


sub resolve {
    my ($self, $node) = @_;

    return ref $node eq 'HASH' && $node->{'$ref'}
           ? $self->at($node->{'$ref'}) : $node;
}


# All references of the file, "#/components/…".
sub references {
    my ($node) = @_;

    return map { references($_) } @$node if ref $node eq 'ARRAY';
    return () if ref $node ne 'HASH';

    return map {
        $_ eq '$ref' && !ref $node->{$_} ? $node->{$_}
                                         : references($node->{$_})
    } sort keys %$node;
}


sub operations {
    my ($self) = @_;

    my $paths = $self->{document}{paths};
    my @found;

    for my $path (sort keys %$paths) {
        for my $method (grep { $paths->{$path}{$_} } @METHODS) {
            my $item = $paths->{$path}{$method};
            my $escaped = $path =~ s{~}{~0}gr =~ s{/}{~1}gr;

            push @found, {
                id => $item->{operationId}, method => uc $method,
                path => $path, item => $item,
                pointer => "/paths/$escaped/$method",
                parameters => [map { $self->resolve($_) } (
                    @{ $paths->{$path}{parameters} // [] },
                    @{ $item->{parameters} // [] }
                )]
            };
        }
    }

    return @found;
}


# Whether one may ask without a token (off), with or without (optional), or
# only with one (on); and the scopes that it must have.
sub token_of {
    my ($self, $operation) = @_;

    my $needs = $operation->{item}{security} // $self->{document}{security};

    return ('off') if !@$needs;

    return ((grep { !%$_ } @$needs) ? 'optional' : 'on',
            map { @{ $_->{token} // [] } } @$needs);
}


# The routes of a configuration that is laid out as dev.conf.in.
sub routes {
    my ($text) = @_;

    $text //= slurp(source_dir() . '/ngx_gateway_module/conf/dev.conf.in');

    my @routes;

    while ($text =~ /^[ ]{8}location\ (?:(=|~|\^~)\ )?(\S+)\ \{\n
                     (.*?)^[ ]{8}\}/msgx)
    {
        push @routes, route($1 // '', $2, $3);
    }

    return @routes;
}


sub route {
    my ($kind, $path, $block) = @_;

    my %parameters;

    if ($kind eq '~') {
        $path =~ s/\A"\^|\$"\z//g;
        $path =~ s/\(\?<(\w+)>((?:\[[^]]*\]|[^()])*)\)
                  /$parameters{$1} = "^$2\$"; "{$1}"/gex;
        $path =~ s/\\\././g;
    }

    $block =~ s/#.*//g;

    # what is no route
    return () if $block =~ /^\s+return\s+404;/m;

    my @words = map { [split] } split /;/, $block;
    my @methods = map {
        split /,/, $_->[1] =~ /\A(?:call|send)\z/ ? 'GET' : $_->[1]
    } grep { ($_->[0] // '') eq 'gateway_route' } @words;
    my ($token) = $block =~ /^\s+gateway_jwt\s+(\w+);/m;
    my @arguments = $block =~ /^\s+gateway_arg\s+\w+\s+\$arg_(\w+);/mg;
    my @found;

    for my $method (@methods ? @methods : 'GET') {
        my @scopes = map {
            my ($name, @rest) = @$_;
            my @only = ($rest[0] // '') =~ /\A[A-Z,]+\z/
                       ? split /,/, shift @rest : $method;
            my @all = @rest[2 .. $#rest];

            ($name // '') eq 'gateway_require' && "@rest[0, 1]" eq 'scope has'
            && (grep { $_ eq $method } @only) ? @all : ()
        } grep { @$_ > 3 } @words;

        push @found, {
            method => $method, path => $path,
            # a claim that is wanted wants a token
            token => @scopes ? 'on' : $token // 'on',
            parameters => \%parameters, arguments => \@arguments,
            scopes => \@scopes
        };
    }

    return @found;
}


# Where the file and routes differ, a line for each.
sub differences {
    my ($self, @routes) = @_;

    my %operation = map { ("$_->{method} $_->{path}" => $_) }
                    $self->operations();
    my @found;

    for my $route (@routes) {
        my $name = "$route->{method} $route->{path}";
        my $operation = delete $operation{$name};

        push @found, $operation ? $self->compare($name, $route, $operation)
                                : "$name is a route and not described";
    }

    return sort @found, map { "$_ is described and no route" } keys %operation;
}


sub compare {
    my ($self, $name, $route, $operation) = @_;

    my ($token, @scopes) = $self->token_of($operation);
    my @found;

    push @found, "$name: the token is $route->{token}, described as $token"
        if $token ne $route->{token};

    for my $scope (@{ $route->{scopes} }) {
        push @found, "$name: the scope $scope is not described"
            if !grep { $_ eq $scope } @scopes;
    }

    my %in = (path => {}, query => {}, header => {});
    $in{ $_->{in} }{ $_->{name} } = $_->{schema}{pattern} // ''
        for @{ $operation->{parameters} };

    my %argument = map { $_ => 1 } @{ $route->{arguments} };

    push @found, map { "$name: $_ is no argument" }
                 grep { !$argument{$_} } sort keys %{ $in{query} };

    # a body's members are those of the method; arguments are for GET
    push @found, map { "$name: the argument $_ is not described" }
                 grep { !exists $in{query}{$_} } sort keys %argument
        if $route->{method} eq 'GET';

    for my $name_of (sort keys %{ { %{ $in{path} },
                                    %{ $route->{parameters} } } })
    {
        my $one = $in{path}{$name_of} // '(none)';
        my $other = $route->{parameters}{$name_of} // '(none)';
        push @found, "$name: {$name_of} is $other, described as $one"
            if $one ne $other;
    }

    return @found;
}


# What is wrong with an answer to an operation: [] where all of status, type,
# headers and body are as described.
sub errors {
    my ($self, $operation, $answer) = @_;

    my $responses = $operation->{item}{responses};
    my $status = $answer->{status};

    return "status $status is not described: $answer->{body}"
        if !$responses->{$status};

    return $self->response_errors("$operation->{pointer}/responses/$status",
                                  $answer);
}


# The same for a response that a pointer leads to.
sub response_errors {
    my ($self, $pointer, $answer) = @_;

    my $response = $self->place($pointer);
    my @found;

    for my $name (sort keys %{ $self->at($response)->{headers} // {} }) {
        my $place = $self->place("$response/headers/$name");
        my $header = $self->at($place);
        my $value = $answer->{headers}{ lc $name };

        if (defined $value) {
            push @found, map { "header $name: $_" }
                         $self->validate("$place/schema", $value);

        } elsif ($header->{required}) {
            push @found, "header $name is missing";
        }
    }

    my $content = $self->at($response)->{content};
    my $type = ($answer->{headers}{'content-type'} // '') =~ s/\s*;.*//r;

    if (!$content) {
        push @found, 'there is a body' if length $answer->{body};
        return @found;
    }

    return (@found, "type $type is not described") if !$content->{$type};

    my $escaped = $type =~ s{/}{~1}gr;
    my $body = $type =~ m{\Aapplication/(?:\w+\+)?json\z} ? $answer->{json}
                                                          : $answer->{body};

    return (@found, 'the body is no JSON') if !defined $body;

    return (@found, $self->validate("$response/content/$escaped/schema",
                                    $body));
}


# The pointer of what a pointer leads to, references followed.
sub place {
    my ($self, $pointer) = @_;

    my $node = $self->{document};

    for my $name (split m{/}, $pointer =~ s{\A/}{}r) {
        $node = $node->{ $name =~ s{~1}{/}gr =~ s{~0}{~}gr }
            // die "openapi.json: nothing is at $pointer\n";
    }

    return $node->{'$ref'} ? $self->place($node->{'$ref'} =~ s/\A#//r)
                           : $pointer;
}


# Errors of a value against the schema at a pointer.
sub validate {
    my ($self, $pointer, $value) = @_;

    return $self->ask({ pointer => $pointer, value => $value });
}


# Errors of the schemas themselves.
sub schema_errors { return $_[0]->ask({ check => JSON::PP::true }) }


sub ask {
    my ($self, $request) = @_;

    $self->start() if !$self->{pid};

    print { $self->{in} } $json->encode($request), "\n";
    my $line = readline $self->{out}
        // die "t/lib/validate.py ended\n";

    return @{ $json->decode($line) };
}


sub start {
    my ($self) = @_;

    $self->{pid} = open2($self->{out}, $self->{in}, 'python3',
                         source_dir() . '/t/lib/validate.py', $self->{file});
    $self->{in}->autoflush(1);

    at_exit(sub {
        close $self->{in};
        close $self->{out};
        waitpid delete $self->{pid}, 0;
    });
}


1;
