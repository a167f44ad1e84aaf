#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Tests the laws of what may depend on what, by the includes of the sources and
# by the symbols of what was built from them.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Warren::Lint qw(
    clean matching tree includes nginx_first nginx_versions layers
    foreign_headers domain_words symbols
);
use Warren::Test qw(build_dir run_command slurp source_dir);


my $nobody = qr{(?!)};

my @header_laws = (
    # module
    [qr{\Angx_(?:http|stream|mail)}, qr{\A(?!ngx_gateway_module/amqp/)},
     'the protocol knows no HTTP'],
    [qr{\Angx_amqp_},
     qr{\A(?:ngx_gateway_module/amqp/|t/)},
     'amqp/ has one public header, ngx_amqp.h'],
    [qr{\Aamqp(?:_\w+)?\.h\z|\Arabbitmq-c/},
     qr{\A(?:ngx_gateway_module/amqp/ngx_amqp_frame\.c
         |shared/broker\w*\.[ch]|t/60-bench/li(?:mit|nk)\.[ch])\z}x,
     'rabbitmq-c is for the frame and the broker layer, and for the bench'
     . ' that measures them'],
    [qr{\Ajansson\.h\z},
     qr{\A(?:ngx_gateway_module/http/
             ngx_http_gateway_jwt_(?:claim|document|key)\.c\z
         |workers/warren/|t/)}x,
     'jansson is for keys and tokens'],
    [qr{\Aopenssl/},
     qr{\A(?:ngx_gateway_module/http/
             ngx_http_gateway_(?:digest|id|jwt_(?:key|signature))\.c\z
         |shared/digest\.c\z
         |workers/(?:users|warren)/
         |workers/notifications/notifications_sign\.c\z
         |t/)}x,
     'OpenSSL is for those who are about it'],
    # shared
    [qr{\Alibpq},
     qr{\A(?:shared/db\w*\.[ch]|workers/warren/dead_store\.c)\z},
     'libpq is for db.c'],
    [qr{\A(?:cjson/)?cJSON}, qr{\Ashared/json\w*\.[ch]\z},
     'cJSON is for json.c'],
    [qr{\Amicrohttpd}, qr{\Ashared/admin\.c\z},
     'libmicrohttpd is for the supervisor\'s port'],
    # workers
    [qr{\Ajwt\.h\z}, qr{\Aworkers/(?:users|warren)/|\At/},
     'libjwt signs, nothing else'],
    [qr{\Aargon2}, qr{\Aworkers/users/|\At/}, 'passwords are of users'],
    [qr{\Acurl/}, qr{\Aworkers/(?:warren/|payments/payments_http\.c\z
                                |notifications/notifications_(?:http|smtp)\.c\z)
                    |\At/}x,
     'services ask others through the broker'],
    # nobody
    [qr{/shared/|\A\.\./}, $nobody, 'folders are found by -I'],
);

my $sources = qr{\A(?:ngx_gateway_module|shared|workers|t)/.*\.[ch]\z};


# each rule finds what it is for

is_deeply([includes('ngx_gateway_module/http/a.c',
                    "/* */\n#include <libpq-fe.h>\n", \@header_laws)],
          ['ngx_gateway_module/http/a.c:2: includes libpq-fe.h: '
           . 'libpq is for db.c'], 'libpq in the module is seen');
is(scalar(includes('ngx_gateway_module/amqp/a.c',
                   "#include <ngx_http.h>\n", \@header_laws)), 1,
   'HTTP in the protocol is seen');
is(scalar(includes('ngx_gateway_module/http/a.c',
                   "#include \"ngx_amqp_private.h\"\n", \@header_laws)), 1,
   'a private header of the protocol in HTTP is seen');
is(scalar(includes('workers/orders/orders_store.c',
                   "#include <amqp.h>\n#include <cjson/cJSON.h>\n",
                   \@header_laws)), 2,
   'rabbitmq-c and cJSON in a worker are seen');
is(scalar(includes('shared/db.c', "#include <libpq-fe.h>\n",
                   \@header_laws)), 0, 'libpq in db.c is right');

is_deeply([layers('shared/db.c', "#include \"lane_private.h\"\n")],
          ['shared/db.c:1: database includes lane_private.h of join'],
          'a layer that looks up is seen');
is_deeply([layers('shared/lane.c', "#include \"db_private.h\"\n")], [],
          'a layer that looks down is right');
is_deeply([layers('shared/nowhere.c', '')],
          ['shared/nowhere.c:1: has no layer in t/lib/Warren/Lint.pm'],
          'a file of no layer is seen');

is_deeply([foreign_headers('workers/orders/a.c',
                           "#include \"orders.h\"\n#include \"users.h\"\n",
                           { 'orders.h' => 1 })],
          ['workers/orders/a.c:2: includes users.h, neither its own nor '
           . 'installed'], 'a header of another worker is seen');

is(scalar(domain_words('shared/a.c', "f(\"rpc.orders\");\n")), 1,
   'a service\'s queue in shared is seen');
is(scalar(domain_words('shared/a.c', "orders_create(req);\n")), 1,
   'a service\'s function in shared is seen');
is_deeply([domain_words('shared/a.c', "f(\"the users it trusts\");\n")], [],
          'a word of plain English is right');

is_deeply([symbols("a.so:                 U poll\@GLIBC_2.2.5\n",
                   [qr{\Apoll\z}, $nobody, 'it would wait'])],
          ['a.so:1: refers to poll: it would wait'],
          'a forbidden symbol is seen');


# the sources

my %text = matching($sources);

is_deeply([nginx_first('ngx_gateway_module/a.c',
                       "#include <time.h>\n#include \"ngx_a.h\"\n")],
          ['ngx_gateway_module/a.c: includes <time.h> before nginx'],
          'a header of the system before nginx is found');

# some know nothing of nginx
my $plain = qr{json
               |jwt_(?:answer|claim|document|key|revoked_set|signature|token)
               |limit_(?:gcra|message)}x;
my $in_nginx = qr{\Angx_gateway_module/
                  (?!http/ngx_http_gateway_(?:$plain)\.)
                  .*\.[ch]\z}x;
is(join("\n", clean(\&nginx_first, $in_nginx)),
   '', 'nginx decides what the headers of the system show');

is(join("\n", map { includes($_, $text{$_}, \@header_laws) } sort keys %text),
   '', 'includes keep the laws');
is(join("\n", clean(\&layers, qr{\Ashared/\w+\.[ch]\z})), '',
   'layers of shared/ look downwards only');
is(join("\n", clean(\&domain_words, qr{\Ashared/\w+\.[ch]\z})), '',
   'shared/ knows no domain');

my $fragment = slurp(source_dir() . '/shared/local.mk');
my ($list) = $fragment =~ /^warreninclude_HEADERS = \\\n((?:.*\\\n)*.*\n)/m;
my %installed = map { $_ => 1 } $list =~ m{shared/([\w.]+)}g;
my @foreign;

for my $path (grep { m{\Aworkers/} } sort keys %text) {
    my ($folder) = $path =~ m{\A(.*/)};
    my %own = map { substr($_, length $folder) => 1 }
              grep { index($_, $folder) == 0 } keys %text;

    push @foreign, foreign_headers($path, $text{$path},
                                   { %own, %installed, 'config.h' => 1 });
}

is(join("\n", @foreign), '', 'workers see installed headers and their own');

my @sql = grep { $_->[1] } map {
    my $path = $_;
    my ($service) = $path =~ m{\Asql/(\w+)/};
    my $sql = slurp(source_dir() . "/$path");
    $sql =~ s/--.*//g;
    my @others = grep { $_ ne $service }
                 $sql =~ m{\\ir?\s+\S*?
                           (users|catalog|orders|payments|notifications)/}gx;
    [$path, $others[0]]
} grep { m{\Asql/\w+/.*\.sql\z} } tree();

is(join("\n", map { "$_->[0]: includes SQL of $_->[1]" } @sql), '',
   'no service includes another\'s SQL');


# what was built

my $build = build_dir();
my $module = "$build/ngx_gateway_module/objs/ngx_http_gateway_module.so";
my $archive = "$build/.libs/libwarren.a";
my $library = "$build/.libs/libwarren.so";

ok(-f $module, "the module was built: $module");
ok(-f $archive, "libwarren was built: $archive");

is(join("\n", symbols(
    nm('-A', '-D', '--undefined-only', $module),
    [qr{\A(?:poll|ppoll|select|pselect|epoll_wait|sleep|usleep|nanosleep)\z},
     $nobody, 'it would wait'],
    [qr{\A(?:PQ|cJSON|jwt_|curl_|MHD_|argon2)}, $nobody,
     'a worker\'s library'],
    [qr{\Aamqp_(?:new_connection|handle_input|tune_connection|login\w*
        |simple_wait_frame\w*|\w*release_buffers\w*|basic_\w+|socket_\w+
        |destroy_connection|send_\w+)\z}x, $nobody,
     'rabbitmq-c is the codec, never the I/O']
)), '', 'the module neither waits nor holds a connection of rabbitmq-c');

my @objects = glob "$build/ngx_gateway_module/objs/addon/*/*.o";

is(join("\n", symbols(
    nm('-A', '--undefined-only', @objects),
    [qr{\Aamqp_}, qr{/ngx_amqp_frame\.o\z}, 'the codec is in one file'],
    [qr{\A(?:ngx_http_|ngx_stream_)}, qr{/http/|/objs/addon/objs/},
     'the protocol knows no HTTP'],
    [qr{\Ajson_}, qr{_jwt_(?:claim|document|key)\.o\z},
     'jansson is in three files']
)), '', 'objects of the module keep the laws');

is(join("\n", symbols(
    nm('-A', '--undefined-only', $archive),
    [qr{\APQ}, qr{libwarren_la-db\w*\.o\z}, 'libpq is for db.c'],
    [qr{\Aamqp_}, qr{libwarren_la-broker\w*\.o\z},
     'rabbitmq-c is for the broker layer'],
    [qr{\AcJSON_}, qr{libwarren_la-json\w*\.o\z}, 'cJSON is for json.c'],
    [qr{\AMHD_}, qr{libwarren_la-admin\.o\z}, 'HTTP is the supervisor\'s'],
    [qr{\A(?:sqlite3_|json_|jwt_|curl_)}, $nobody, 'not a library of ours']
)), '', 'objects of libwarren keep the laws');

my @workers = grep { !m{/warren-\w+\.o\z} && m{/workers/(?!warren/)} }
              glob "$build/workers/*/*.o";

is(join("\n", symbols(
    nm('-A', '--undefined-only', @workers),
    [qr{\A(?:PQ|amqp_|cJSON_|MHD_)}, $nobody,
     'a handler sees a request and a transaction']
)), '', 'objects of the workers keep the laws');

SKIP: {
    skip 'no shared library', 2 if !-f $library;

    my %exported = map { $_ => 1 }
                   nm('-D', '--defined-only', $library)
                   =~ /^[0-9a-f]+ [TDBRV] (\S+)$/mg;
    my $headers = join '', map { $text{"shared/$_"} // '' } keys %installed;
    my @hidden = grep { $headers !~ /\b\Q$_\E\b/ } sort keys %exported;

    ok(scalar(keys %exported), 'libwarren exports something');
    is(join("\n", @hidden), '',
       'libwarren exports what its installed headers declare');
}

done_testing();


sub nm {
    my (@words) = @_;

    # what was not built was told above
    return '' if !grep { -f } @words;

    my ($status, $output) = run_command(command => ['nm', @words]);
    die "nm: $output\n" if $status != 0;

    return $output;
}
