package Warren::Nginx;

# Copyright (C) the Warren authors
#
# An nginx with the module under test.
#
#     my $nginx = Warren::Nginx->new(conf => <<'END')->start();
#     %%GLOBALS%%
#     events {}
#     http {
#         %%HTTP%%
#         server {
#             listen 127.0.0.1:%%PORT%%;
#             location / { return 204; }
#         }
#     }
#     END
#     is($nginx->get('/')->{status}, 204, 'a fixed answer is given');
#
# %%GLOBALS%% loads the module, %%HTTP%% keeps all files in the test's folder.
# %%PORT%%, %%PORT_1%% … %%PORT_9%% are free ports, %%DIR%% the folder,
# %%MODULE%% the module's path, %%NAME%% what vars => { NAME => … } says.
#
# When the test ends, an alert, an emergency or a sanitizer's report in the log
# fails it.  allow => [qr/…/] names lines that are meant to be there.

use strict;
use warnings;

use Warren::HTTP;
use Warren::HTTP2 qw(is_http2);
use Warren::Test qw(
    wait_for free_port slurp spew tempdir spawn alive stop_process at_exit
    build_dir run_command sanitizer_environment sanitizer_preload watch_log
    complain
);


my $count = 0;


# conf; vars; workers (1: worker_processes); log_level (info); allow;
# module (path); environment.
sub new {
    my ($class, %option) = @_;

    my $self = bless {
        workers => 1, log_level => 'info', vars => {}, allow => [],
        module => module_path(), environment => {}, %option
    }, $class;

    $self->{dir} = tempdir('nginx-' . ++$count);
    chmod 0777, $self->{dir};
    mkdir "$self->{dir}/$_" for qw(body proxy fastcgi uwsgi scgi);

    $self->{port} = $self->{vars}{PORT} //= free_port();
    $self->{http2} = Warren::HTTP2->new(
        port => $self->{port}, dir => $self->{dir}
    ) if is_http2();
    $self->write_conf($self->{conf});

    watch_log(
        path => $self->error_log(), forbid => qr/\[(?:alert|emerg)\]/,
        allow => $self->{allow}
    );
    at_exit(sub { $self->stop() });

    return $self;
}


sub module_path {
    return build_dir() . '/ngx_gateway_module/objs/ngx_http_gateway_module.so';
}


sub port { return $_[0]{port} }
sub dir { return $_[0]{dir} }
sub pid { return $_[0]{pid} }
sub error_log { return "$_[0]{dir}/error.log" }
sub log_text { return -f $_[0]->error_log() ? slurp($_[0]->error_log()) : '' }

# A port by its name in the configuration: port_of('PORT_1').
sub port_of { return $_[0]{vars}{ $_[1] } }


# Another text for the next start, reload or test.
sub write_conf {
    my ($self, $text) = @_;

    my $dir = $self->{dir};
    my $vars = $self->{vars};
    my $user = $> == 0 ? 'user root;' : '';

    my %known = (
        DIR => $dir, MODULE => $self->{module},
        GLOBALS => "daemon off; worker_processes $self->{workers}; $user"
                   . " pid $dir/nginx.pid;"
                   . " error_log $dir/error.log $self->{log_level};"
                   . ($self->{module} ? " load_module $self->{module};" : ''),
        HTTP => "access_log off; client_body_temp_path $dir/body;"
                . " proxy_temp_path $dir/proxy;"
                . " fastcgi_temp_path $dir/fastcgi;"
                . " uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;",
    );

    if ($self->{http2}) {
        my $backend = $self->{http2}->backend();
        $text =~ s/(\blisten\s+127\.0\.0\.1:)%%PORT%%/$1$backend http2/g;
    }

    $text =~ s/%%(PORT_\d)%%/$vars->{$1} \/\/= free_port()/ge;
    $text =~ s/%%(\w+)%%/
        $vars->{$1} \/\/ $known{$1} \/\/ die "configuration: %%$1%%?\n"
    /gex;

    spew("$dir/nginx.conf", $text, 0600);

    return $self;
}


# Waits until the server takes connections.
sub start {
    my ($self) = @_;

    $self->{pid} = spawn(
        command => $self->command(),
        environment => { $self->environment() },
        log => "$self->{dir}/console.log"
    );

    $self->{http2}->start() if $self->{http2};

    my $ended;

    wait_for(
        sub {
            return 1 if $ended = !alive($self->{pid});

            my $http = Warren::HTTP->new(port => $self->{port});
            $http->open()->close();

            # a port that is taken is somebody else's answer
            -s "$self->{dir}/nginx.pid" && $self->workers();
        },
        20, 'nginx'
    );

    die 'nginx ended: ' . slurp("$self->{dir}/console.log")
        . $self->log_text() . "\n" if $ended;

    return $self;
}


# Reads the configuration again; returns when new workers run and the old ones
# no longer accept.  The old ones may still be at work: see wait_for_old().
sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers();
    $self->{old} = [keys %old];

    kill 'HUP', $self->{pid};

    wait_for(
        sub {
            my @new = grep { !$old{$_} } $self->workers();
            @new >= 1 && !grep { $old{$_} && !is_exiting($_) } keys %old;
        },
        20, 'new workers'
    );

    return $self;
}


# Waits until the workers from before the last reload are gone.
sub wait_for_old {
    my ($self, $seconds) = @_;

    wait_for(sub { !grep { -e "/proc/$_" } @{ $self->{old} // [] } },
             $seconds // 20, 'the end of old workers');
}


# Pids of the worker processes, those that are exiting too.
sub workers {
    my ($self) = @_;

    my @pids;

    for my $path (glob '/proc/[0-9]*/stat') {
        my $text = eval { slurp($path) } // next;
        push @pids, $1 if $text =~ /\A(\d+) \(.*\) [^Z] \Q$self->{pid}\E /s;
    }

    return @pids;
}


sub is_exiting {
    my ($pid) = @_;

    my $title = eval { slurp("/proc/$pid/cmdline") } // '';
    return $title eq '' || $title =~ /is shutting down/;
}


# An orderly end: requests in flight are answered.
sub quit {
    my ($self, $seconds) = @_;

    return $self->end('QUIT', $seconds);
}


sub stop {
    my ($self, $seconds) = @_;

    return $self->end('TERM', $seconds);
}


sub end {
    my ($self, $signal, $seconds) = @_;

    return if !$self->{pid};

    my $status = stop_process(delete $self->{pid}, $signal, $seconds // 20,
                              'nginx');
    $self->{http2}->stop() if $self->{http2};

    return $status;
}


# nginx -t: (whether it is valid, what it said).  With a text: of that.  What
# is refused here is not an alert of the server.
sub test {
    my ($self, $text) = @_;

    $self->write_conf($text) if defined $text;

    my $conf = slurp("$self->{dir}/nginx.conf");
    $conf =~ s{error_log \Q$self->{dir}\E/error\.log}
              {error_log $self->{dir}/test.log};
    $conf =~ s{pid \Q$self->{dir}\E/nginx\.pid}{pid $self->{dir}/test.pid};
    spew("$self->{dir}/test.conf", $conf, 0600);

    my @command = @{ $self->command('test.conf', 'test.log') };
    my ($status, $output) = run_command(
        command => [@command, '-t'],
        environment => { $self->environment() }
    );

    return ($status == 0 ? 1 : 0, $output);
}


sub get { my $self = shift; return $self->http()->get(@_) }
sub head { my $self = shift; return $self->http()->head(@_) }
sub post { my $self = shift; return $self->http()->post(@_) }
sub request { my $self = shift; return $self->http()->request(@_) }
sub raw { my $self = shift; return $self->http()->raw(@_) }


# A client of this server: http(timeout => 5, keep_alive => 1).
sub http {
    my ($self, %option) = @_;

    return Warren::HTTP->new(port => $self->{port}, %option);
}


sub command {
    my ($self, $conf, $log) = @_;

    $conf //= 'nginx.conf';
    $log //= 'error.log';

    return [program(), '-p', "$self->{dir}/", '-c', "$self->{dir}/$conf", '-e',
            "$self->{dir}/$log"];
}


# The nginx that the module was built for.
sub program {
    my ($nginx) = slurp(build_dir() . '/Makefile') =~ /^NGINX = (\S+)$/m;

    die "this build knows no nginx\n" if !$nginx;

    return $nginx;
}


# nginx keeps what it has until it is gone, so leaks are looked for elsewhere.
sub environment {
    my ($self) = @_;

    return (
        sanitizer_environment(leaks => 0), sanitizer_preload(),
        %{ $self->{environment} }
    );
}


1;
