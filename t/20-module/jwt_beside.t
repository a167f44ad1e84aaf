#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Requirements, cookies and keys from a URL beside nginx's own modules; what a
# token alone does there is in admission_access.t.

use strict;
use warnings;

use lib 't/lib';

use Test::More;

use Warren::HTTP;
use Warren::JWT;
use Warren::KeyServer;
use Warren::Nginx;
use Warren::Test qw(:DEFAULT run_command);


my $key = Warren::JWT->ec(kid => 'key');
my $new = Warren::JWT->ec(kid => 'new');
my $server = Warren::KeyServer->new()->keys(Warren::JWT::jwks($new));
my $source = 'http://127.0.0.1:' . $server->port() . '/';

my $nginx = Warren::Nginx->new(vars => { SOURCE => $source }, conf => <<'END');
%%GLOBALS%%
events {}
http {
    %%HTTP%%
    limit_req_zone $arg_k zone=plain:1m rate=1r/m;
    map $gateway_jwt_claim_plan $plan {
        volatile;
        gold     first;
        default  other;
    }

    server {
        listen 127.0.0.1:%%PORT%%;
        listen 127.0.0.1:%%PORT_1%% http2;
        root %%DIR%%/html;
        gateway_jwt_key_file keys.json;
        add_header X-Sub "$gateway_jwt_sub" always;
        add_header X-Error "$gateway_jwt_error" always;
        add_header X-Plan $plan always;

        location = /page { gateway_jwt on; gateway_require plan is gold; }
        location = /limited {
            limit_req zone=plain burst=1 nodelay;
            gateway_jwt on;
            gateway_require plan is gold;
        }
        location = /if {
            gateway_jwt on;
            gateway_require plan is gold;
            if ($arg_x) { add_header X-If yes always; }
        }
        location = /if_return {
            gateway_jwt on;
            if ($arg_x) { return 204; }
        }
        location = /if_claim {
            gateway_jwt on;
            if ($gateway_jwt_sub) { return 204; }
        }
        location = /rewritten { rewrite ^ /page last; }
        location = /broken { gateway_jwt on; rewrite ^ /page break; }
        location /folder/ { index page.html; }
        location = /folder/page.html {
            gateway_jwt on;
            gateway_require plan is gold;
        }
        location = /tried { gateway_jwt on; try_files /none /page; }
        location = /sent { proxy_pass http://127.0.0.1:%%PORT_2%%/accel; }
        location = /forbidden {
            gateway_jwt on;
            gateway_require plan is gold;
            error_page 403 /sorry.html;
        }
        location = /forbidden_named {
            gateway_jwt on;
            gateway_require plan is gold;
            error_page 403 = @sorry;
        }
        location = /sorry.html { }
        location @sorry { return 402 "buy gold\n"; }
        location = /all {
            satisfy all;
            allow 127.0.0.1;
            deny all;
            auth_request /ask;
            gateway_jwt on;
            gateway_require plan is gold;
        }
        location = /ask {
            internal;
            gateway_jwt on;
            gateway_require level >= 2;
            proxy_pass http://127.0.0.1:%%PORT_2%%/ask;
        }

        location = /ssi.html { ssi on; }
        location = /included {
            gateway_jwt on;
            gateway_require plan is gold;
            proxy_pass http://127.0.0.1:%%PORT_2%%/included;
        }
        location = /mirrored {
            mirror /copy;
            proxy_pass http://127.0.0.1:%%PORT_2%%;
        }
        location = /copy {
            internal;
            gateway_jwt on;
            gateway_require POST plan is gold;
            proxy_pass http://127.0.0.1:%%PORT_2%%/copy;
        }
        location = /cookie.html { ssi on; }
        location = /change {
            mirror /by_cookie;
            proxy_pass http://127.0.0.1:%%PORT_2%%;
        }
        location = /by_cookie {
            gateway_jwt on;
            gateway_jwt_token cookie=session;
            proxy_pass http://127.0.0.1:%%PORT_2%%/by_cookie;
        }

        location = /url {
            gateway_jwt on;
            gateway_jwt_key_url %%SOURCE%% wait=40s cooldown=100ms ttl=1d;
            gateway_require POST plan is gold;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_2%%;
        location / { access_log %%DIR%%/reached.log; return 200 "$uri"; }
        location = /accel {
            add_header X-Accel-Redirect /page;
            return 200;
        }
    }
}
END

my $dir = $nginx->dir();
mkdir "$dir/html";
mkdir "$dir/html/folder";
spew("$dir/html/$_", "the page\n")
    for qw(page limited if if_return if_claim folder/page.html forbidden
           forbidden_named all url);
spew("$dir/html/sorry.html", "sorry\n");
spew("$dir/html/ssi.html", '[<!--# include virtual="/included" -->]');
spew("$dir/html/cookie.html", '[<!--# include virtual="/by_cookie" -->]');
spew("$dir/keys.json", Warren::JWT::jwks($key));
$nginx->start();

my @gold = Warren::JWT::bearer(
    $key->token({ sub => 'anna', plan => 'gold', level => 2 })
);
my @poor = Warren::JWT::bearer($key->token({ sub => 'bob', level => 1 }));

sub status { return $nginx->get(@_)->{status} }

sub reached {
    my ($path) = @_;

    my $text = -f "$dir/reached.log" ? slurp("$dir/reached.log") : '';
    my $n = () = $text =~ /"\w+ \Q$path\E[ ?]/g;
    return $n;
}

# the three answers of a location: without a token, with a poor one, with gold
sub is_three {
    my ($path, $expected, $name) = @_;
    is(join(' ', status($path), status($path, @poor), status($path, @gold)),
       $expected, $name);
}


# ways to one location

is_three('/page', '401 403 200', 'a location');
is_three('/rewritten', '401 403 200', 'rewrite to it');
is_three('/folder/', '401 403 200', 'an index of it');
is_three('/sent', '401 403 200', 'X-Accel-Redirect to it');
is_three('/tried', '401 403 200', 'try_files to it');
is_three('/broken', '401 200 200',
         'a rewrite that stays is judged where it stays');
is_three('/if', '401 403 200', 'a block "if" that is not entered');
is_three('/if?x=1', '401 403 200', 'one that is entered');
is($nginx->get('/if?x=1', @gold)->{headers}{'x-if'}, 'yes', 'and holds');
is_three('/if_return?x=1', '204 204 204', 'return answers before the token');
is_three('/if_claim', '401 200 200', 'claims are empty there');
is($nginx->get('/page', @gold)->{headers}{'x-plan'}, 'first',
   'a volatile map of a claim is made after the token');
is($nginx->get('/page', @poor)->{headers}{'x-plan'}, 'other',
   'of a token that is refused there is none');


# error pages

my $answer = $nginx->get('/forbidden', @poor);
is($answer->{status}, 403, 'error_page 403 keeps the status');
is($answer->{body}, "sorry\n", 'and has its own body');
$answer = $nginx->get('/forbidden_named', @poor);
is("$answer->{status} $answer->{body}", "402 buy gold\n",
   'a named location may say something else');
is($answer->{headers}{'x-error'} // '', '', 'without the reason of before');


# limit_req counts before anybody is asked

is(status('/limited?k=1', @gold), 200, 'limit_req: the first');
is(status('/limited?k=1'), 401, 'the second, without a token, is charged');
is(status('/limited?k=1', @gold), 503, 'the third is too much');
is(status('/limited?k=2', @poor), 403, 'another key has its own');


# satisfy all with everything

is(status('/all', @gold), 200, 'satisfy all: address, auth_request, token');
is(reached('/ask'), 1, 'and the other server was asked');
is(status('/all', @poor), 403, 'a claim that is missing closes');
is(status('/all', Warren::JWT::bearer(
       $key->token({ plan => 'gold', level => 1 }))),
   403, 'so does one that auth_request requires');
is(reached('/ask'), 1, 'and nobody is asked then');


# requests made by requests

$nginx->get('/ssi.html', @poor);
is(reached('/included'), 0, 'SSI does not reach what a claim protects');
like($nginx->get('/ssi.html', @gold)->{body}, qr{\[/included\]},
     'with the claim it does');

is(status('/mirrored', @poor), 200, 'a request is mirrored');
ok(wait_for(sub { reached('/copy') == 1 }, 40, 'the mirror'),
   'as its method requires nothing');
is($nginx->post('/mirrored', 'x', @poor)->{status}, 200, 'a POST is answered');
is($nginx->post('/mirrored', 'x', @gold)->{status}, 200, 'and another');
ok(wait_for(sub { reached('/copy') == 2 }, 40, 'the mirror'),
   'of which the one with the claim is mirrored');

my @cookie = (cookie => 'session=' . $gold[1] =~ s/\ABearer //r);
like($nginx->get('/cookie.html', @cookie)->{body}, qr{\[/by_cookie\]},
     'a subrequest has the cookie');

my $before = reached('/by_cookie');
is($nginx->post('/change', 'x', @cookie)->{status}, 200,
   'a POST of which nobody knows whence');
is($nginx->post('/change', 'x', @cookie, origin => 'http://localhost')
       ->{status}, 200, 'and one of this site');
ok(wait_for(sub { reached('/by_cookie') == $before + 1 }, 40, 'the mirror'),
   'are mirrored with the cookie of the second alone');


# HTTP/2

sub h2 {
    my ($path, @arguments) = @_;

    my (undef, $text) = run_command([
        'curl', '-s', '-i', '--http2-prior-knowledge', '--max-time', 50,
        @arguments, 'http://127.0.0.1:' . $nginx->port_of('PORT_1') . $path
    ]);
    return $text;
}

like(h2('/page', '-H', join ': ', @poor),
     qr/\AHTTP\/2 403.*error="insufficient_scope".*urn:warren:error:forbidden/s,
     'HTTP/2: a claim that is missing');
like(h2('/page', '-H', join ': ', @gold), qr/\AHTTP\/2 200.*the page/s,
     'HTTP/2: one that is there');
like(h2('/url', '-H', join ': ',
        Warren::JWT::bearer($new->token({ sub => 'eve' }))),
     qr/\AHTTP\/2 200.*x-sub: eve.*the page/s, 'HTTP/2: keys are waited for');

select undef, undef, undef, 0.2;
my $later = Warren::JWT->ec(kid => 'later');
$server->keys(Warren::JWT::jwks($new, $later));
like(h2('/url', '-H', join ': ',
        Warren::JWT::bearer($later->token({ sub => 'eva' }))),
     qr/\AHTTP\/2 200.*x-sub: eva/s, 'HTTP/2: and newer ones');


# several requests of one connection

my $http = $nginx->http(keep_alive => 1);
is($http->get('/page', @poor)->{status}, 403, 'a connection that was refused');
is($http->get('/page', @gold)->{status}, 200, 'goes on');
is($http->get('/page')->{status}, 401, 'and keeps nothing');
$http->close();

done_testing();
