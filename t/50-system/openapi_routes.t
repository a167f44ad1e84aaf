#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests that openapi.json is an OpenAPI file, and describes every route that
# ./dev up has, as it is, and no other.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Warren::OpenAPI;
use Warren::Test qw(slurp source_dir);

my $api = Warren::OpenAPI->new();
my $document = $api->document();
my @operations = $api->operations();

rules();
whole();
schemas();
examples();

is(join("\n", $api->differences(Warren::OpenAPI::routes())), '',
   'every route is described, and what is described is a route');

done_testing();


# Each rule finds what it is for.
sub rules {
    my $conf = slurp(source_dir() . '/ngx_gateway_module/conf/dev.conf.in');
    my $found = sub {
        my ($from, $to) = @_;

        my $text = $conf;
        $text =~ s/$from/$to/s or die "dev.conf.in has no $from\n";
        return join "\n", $api->differences(Warren::OpenAPI::routes($text));
    };

    like($found->(qr/location = \/login \{/, 'location = /log-in {'),
         qr{^POST /log-in is a route and not described\nPOST /login is desc}m,
         'a route under another name is seen');
    like($found->(qr/ PUT call catalog/, ' PATCH call catalog'),
         qr{^PUT /products/\{id\} is described and no route}m,
         'a method that is gone is seen');
    like($found->(qr/PUT scope has catalog:write/, 'PUT scope has other'),
         qr{^PUT /products/\{id\}: the scope other is not described}m,
         'another scope is seen');
    like($found->(qr/\$arg_category/, '$arg_kind'),
         qr{^GET /products: category is no .*\n.*: the argument kind is not}m,
         'another argument is seen');
    like($found->(qr/_-\]\{1,64\}\)\$"/, '_-]{1,65})$"'),
         qr{^GET /products/\{id\}: \{id\} is .*65.*, described as .*64}m,
         'another form of an id is seen');
    like($found->(qr/(\n        location = \/login \{\n)\s+gateway_jwt\s+off;/,
                  "\n        location = \/login {\n"),
         qr{^POST /login: the token is on, described as off}m,
         'a token that is wanted is seen');

    my $other = Warren::OpenAPI->new({ paths => {}, security => [] });
    is(scalar(() = $other->differences(Warren::OpenAPI::routes())),
       scalar(() = Warren::OpenAPI::routes()),
       'nothing is described by nothing');
}


# What a reader of the file relies on.
sub whole {
    like($document->{openapi}, qr/\A3\.1\.\d\z/, 'it is of OpenAPI 3.1');
    cmp_ok(scalar @operations, '>', 10, 'there are operations');

    my %tag = map { $_->{name} => 0 } @{ $document->{tags} };
    my (%id, @wrong);

    for my $operation (@operations) {
        my $item = $operation->{item};
        my $name = "$operation->{method} $operation->{path}";

        push @wrong, "$name: no id of its own"
            if !defined $operation->{id} || $id{ $operation->{id} }++;
        push @wrong, "$name: no summary" if !length($item->{summary} // '');
        push @wrong, "$name: no tag that is told" if grep {
            !exists $tag{$_}
        } @{ $item->{tags} // ['none'] };
        $tag{$_}++ for @{ $item->{tags} // [] };
        push @wrong, "$name: no success" if !grep { /^2/ }
                                            keys %{ $item->{responses} };

        my @named = sort $operation->{path} =~ /\{(\w+)\}/g;
        my @told = sort map { $_->{name} } grep { $_->{in} eq 'path' }
                   @{ $operation->{parameters} };
        push @wrong, "$name: parameters of the path are @told" if "@named" ne
                                                                  "@told";

        for my $status (sort keys %{ $item->{responses} }) {
            my $response = $api->resolve($item->{responses}{$status});
            push @wrong, "$name: $status has no description"
                if !length($response->{description} // '');
            push @wrong, "$name: $status has a body of any form"
                if grep { !$_->{schema}{'$ref'} && !$_->{schema}{type} }
                   values %{ $response->{content} // {} };
            push @wrong, "$name: $status is no problem document"
                if $status >= 400
                   && !$response->{content}{'application/problem+json'};
        }
    }

    is(join("\n", @wrong), '', 'each operation has all there is to it');
    is_deeply([grep { !$tag{$_} } sort keys %tag], [], 'no tag is empty');

    my %used = map { $_ => 1 } Warren::OpenAPI::references($document);
    is_deeply([grep { !eval { $api->at($_) } } sort keys %used], [],
              'references lead somewhere');

    my %parts = %{ $document->{components} };
    delete $parts{securitySchemes};
    my @parts = map {
        my $kind = $_;
        map { "#/components/$kind/$_" } sort keys %{ $parts{$kind} }
    } sort keys %parts;

    # that of all methods that are not described
    is_deeply([grep { !$used{$_} } @parts],
              ['#/components/responses/MethodNotAllowed'],
              'and all parts are used');
}


sub schemas {
    is(join("\n", $api->schema_errors()), '', 'schemas are JSON Schema');

    isnt(join("\n", $api->validate('/components/schemas/Problem', {
        type => 'urn:warren:error:invalid', title => 'x', status => 400,
        instance => 'x', more => 1
    })), '', 'a member that is not described is an error here');
    isnt(join("\n", $api->validate('/components/schemas/Id', 'none')), '',
         'a format is looked at');
}


# What readers will try first.
sub examples {
    for my $operation (grep { $_->{item}{requestBody} } @operations) {
        my $body = $operation->{item}{requestBody}{content}{'application/json'};
        my $pointer = "$operation->{pointer}/requestBody/content"
                      . '/application~1json/schema';

        is(defined $body->{example}
           ? join("\n", $api->validate($pointer, $body->{example})) : 'none',
           '', "the example of $operation->{id} is valid");
    }

    my @wrong;

    for my $operation (grep { is_api($_) } @operations) {
        my $responses = $operation->{item}{responses};

        push @wrong, example_errors(
            $api->place("$operation->{pointer}/responses/$_")
        ) for sort keys %$responses;
    }

    is(join("\n", @wrong), '', 'answers have valid examples, and problems too');

    my $place = '/components/responses/NotFound/content'
                . '/application~1problem+json';
    local $api->at($place)->{example} = { status => 400 };
    isnt(join("\n", example_errors('/components/responses/NotFound')), '',
         'an example that is not valid is seen');
    delete $api->at($place)->{example};
    like(join("\n", example_errors('/components/responses/NotFound')),
         qr/has no example\z/, 'and one that is missing');
}


# Files are their own example.
sub is_api {
    my ($operation) = @_;

    return !grep { $_ eq 'pages' || $_ eq 'operation' }
           @{ $operation->{item}{tags} };
}


sub example_errors {
    my ($pointer) = @_;

    my $content = $api->at($pointer)->{content} // {};

    return map {
        my $place = "$pointer/content/" . s{/}{~1}gr;
        my $example = $content->{$_}{example};

        defined $example
            ? map { "$place: $_" } $api->validate("$place/schema", $example)
            : "$place has no example";
    } sort keys %$content;
}
