package Warren::Browser;

# Copyright (C) the Warren authors
#
# A headless Chromium, spoken to by WebDriver (W3C) through chromedriver.
#
#     my $browser = Warren::Browser->new(width => 390, height => 844);
#     $browser->go("http://127.0.0.1:$port/");
#     $browser->type('#email', 'ada@example.com');
#     $browser->click('button[type=submit]');
#     $browser->wait_for_text('#who', qr/Ada/);
#     $browser->screenshot('logged-in');
#
# What is clicked or typed into must be there and visible within the time, as a
# person would wait for it.  Pictures go to the folder page of WARREN_TEST_DIR
# and stay.

use strict;
use warnings;

use File::Path qw(make_path);
use HTTP::Tiny ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);

use Warren::Test qw(
    wait_for free_port spew tempdir spawn alive stop_process at_exit
);


my $json = JSON::PP->new()->utf8()->canonical()->allow_nonref();
my $count = 0;

# the name that WebDriver has for an element's id
my $ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';


# width and height of the window, in CSS pixels; seconds to wait for things
# (40).
sub new {
    my ($class, %option) = @_;

    my $self = bless {
        width => 1280, height => 900, seconds => 40, %option,
        http => HTTP::Tiny->new(timeout => 120), driver => free_port()
    }, $class;

    my $dir = $self->{dir} = tempdir('browser-' . ++$count);

    $self->{pid} = spawn(
        command => ['chromedriver', "--port=$self->{driver}",
                    "--log-path=$dir/driver.log"],
        environment => { HOME => $dir, TMPDIR => $dir },
        log => "$dir/driver.out"
    );
    at_exit(sub { $self->quit() });

    wait_for(
        sub {
            die "chromedriver ended\n" if !alive($self->{pid});
            $self->ask('GET', '/status')->{ready};
        },
        30, 'chromedriver'
    );

    my $made = $self->ask('POST', '/session', { capabilities => {
        alwaysMatch => {
            browserName => 'chrome',
            'goog:loggingPrefs' => { browser => 'ALL' },
            'goog:chromeOptions' => { args => [
                'headless=new', 'disable-gpu', 'no-first-run',
                # a container has neither namespaces for root nor much /dev/shm
                ($> == 0 ? 'no-sandbox' : ()), 'disable-dev-shm-usage',
                # nothing but the test is spoken to
                'disable-background-networking', 'disable-component-update',
                'disable-sync', 'no-proxy-server', 'lang=en-US',
                'host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
                "window-size=$self->{width},$self->{height}",
                "user-data-dir=$dir/profile"
            ] }
        }
    } });

    $self->{session} = "/session/$made->{sessionId}";
    $self->resize($self->{width}, $self->{height});

    return $self;
}


# As a device of this size shows it, whatever the least width of a window is.
sub resize {
    my ($self, $width, $height) = @_;

    $self->do('POST', '/goog/cdp/execute', {
        cmd => 'Emulation.setDeviceMetricsOverride', params => {
            width => $width, height => $height, deviceScaleFactor => 1,
            mobile => $width < 600 ? JSON::PP::true : JSON::PP::false
        }
    });
}


sub quit {
    my ($self) = @_;

    return if !$self->{pid};

    eval { $self->ask('DELETE', delete $self->{session}) }
        if $self->{session};
    stop_process(delete $self->{pid}, 'TERM', 20, 'chromedriver');
}


# A command of WebDriver; dies with what the driver says.
sub ask {
    my ($self, $method, $path, $data) = @_;

    my $answer = $self->{http}->request(
        $method, "http://127.0.0.1:$self->{driver}$path", {
            headers => { 'content-type' => 'application/json' },
            $method eq 'POST' ? (content => $json->encode($data // {})) : ()
        }
    );
    my $value = eval { $json->decode($answer->{content})->{value} };

    die "$method $path: $answer->{status} "
        . ($value->{message} // $answer->{content}) . "\n"
        if !$answer->{success};

    return $value;
}


sub do {
    my ($self, $method, $path, $data) = @_;

    return $self->ask($method, $self->{session} . $path, $data);
}


sub go {
    my ($self, $url) = @_;
    return $self->do('POST', '/url', { url => $url });
}


# Runs a function's body in the page and returns what it returns.
sub run {
    my ($self, $script, @words) = @_;

    return $self->do('POST', '/execute/sync', {
        script => $script, args => \@words
    });
}


# Ids of the visible elements of a CSS selector; none is no error.
sub visible {
    my ($self, $selector) = @_;

    return map { $_->{$ELEMENT} } @{ $self->run(
        'return [...document.querySelectorAll(arguments[0])]'
        . '.filter((e) => e.checkVisibility())', $selector
    ) };
}


# Waits for something that is to be seen; returns its id.
sub find {
    my ($self, $selector) = @_;

    my $found;
    wait_for(sub { ($found) = $self->visible($selector); $found },
             $self->{seconds}, "something visible of $selector");

    return $found;
}


# Clicks where the element is, so that nothing may cover it.
sub click {
    my ($self, $selector) = @_;

    wait_for(sub {
        my $id = $self->find($selector);
        $self->run('arguments[0].scrollIntoView({ block: "center" })',
                   { $ELEMENT => $id });
        $self->do('POST', "/element/$id/click");
        1;
    }, $self->{seconds}, "a click on $selector");
}


# Types into a field, in place of what was there.
sub type {
    my ($self, $selector, $text) = @_;

    my $id = $self->find($selector);

    # to clear it first would be a change of its own
    $self->run('arguments[0].select()', { $ELEMENT => $id });
    $self->do('POST', "/element/$id/value", { text => $text });
}


# Keys for whatever has the focus: names of WebDriver's, as "\x{E004}" is Tab.
sub keys {
    my ($self, @keys) = @_;

    $self->do('POST', '/actions', { actions => [{
        type => 'key', id => 'keys', actions => [map {
            ({ type => 'keyDown', value => $_ },
             { type => 'keyUp', value => $_ })
        } @keys]
    }] });
}


# Chooses of a select.
sub choose {
    my ($self, $selector, $value) = @_;

    # what is to be chosen shows when its select is opened
    $self->find($selector);

    wait_for(sub {
        my $option = $self->run(
            'return [...document.querySelector(arguments[0]).options]'
            . '.find((option) => option.value === arguments[1])',
            $selector, $value
        );
        $self->do('POST', "/element/$option->{$ELEMENT}/click");
        1;
    }, $self->{seconds}, "$value of $selector");
}


# What is to be read of all visible elements of a selector.
sub text {
    my ($self, $selector) = @_;

    return join "\n", @{ $self->run(
        'return [...document.querySelectorAll(arguments[0])]'
        . '.filter((e) => e.checkVisibility()).map((e) => e.innerText)',
        $selector
    ) };
}


# Waits until a text is to be read there; returns all that is.
sub wait_for_text {
    my ($self, $selector, $pattern, $seconds) = @_;

    my $text = '';

    return eval {
        wait_for(sub { ($text = $self->text($selector)) =~ $pattern },
                 $seconds // $self->{seconds}, "$pattern in $selector");
        $text;
    } // do {
        my $error = $@;
        my $picture = eval { $self->screenshot('failed') } // 'no picture';
        die "$error$selector is: $text\nthe page says: "
            . $self->text('[role=alert]') . "\nsee $picture\n";
    };
}


# What the page wrote to the console since last asked: errors and warnings.
sub complaints {
    my ($self) = @_;

    return map { $_->{message} } grep { $_->{level} =~ /SEVERE|WARNING/ }
           @{ $self->do('POST', '/se/log', { type => 'browser' }) };
}


# The whole page as a picture; returns its path.
sub screenshot {
    my ($self, $name) = @_;

    my $dir = ($ENV{WARREN_TEST_DIR} // '/tmp') . '/page';
    make_path($dir);

    my $shot = $self->do('POST', '/goog/cdp/execute', {
        cmd => 'Page.captureScreenshot',
        params => { captureBeyondViewport => JSON::PP::true }
    });

    return spew("$dir/$name.png", decode_base64($shot->{data}));
}


1;
