package Warren::Bench::Chart;

# Copyright (C) the Warren authors
#
# Charts, drawn by gnuplot as SVG.  A system and a process have the same colour
# in all of them.

use strict;
use warnings;

use Warren::Bench::Statistics qw(least most);
use Warren::Test qw(spew);


my %known_system = (
    Warren => '#1f6fb2', NestJS => '#d6294b', HAProxy => '#2f9e57',
    'the limit' => '#7a7a7a', 'Warren\'s gateway' => '#1f6fb2',
    'Warren\'s gateway and worker' => '#15466f',
    'nginx with Warren' => '#1f6fb2', nginx => '#8e63b8'
);

my %known_process = (
    nginx => '#2f9e57', users => '#1f6fb2', catalog => '#1f9aa8',
    orders => '#7fb3e0',
    notifications => '#15466f', RabbitMQ => '#f08030',
    PostgreSQL => '#8e63b8', haproxy => '#6cc08b',
    'nest gateway' => '#7d1128', 'nest users' => '#d6294b',
    'nest catalog' => '#b0407a', 'nest orders' => '#ee7f95',
    'nest notifications' => '#f6c1cb',
    server => '#7a7a7a', worker => '#1f6fb2', lane => '#1f6fb2'
);

my @others = map { "#$_" } qw(
    b8860b c45ab3 6b8e23 a0522d 4b5d67 e377c2 17becf
);


# systems and processes: names that will come; dir: where charts are written;
# png: beside each SVG, for who looks at it.
sub new {
    my ($class, %option) = @_;

    return bless {
        systems => colours(\%known_system, @{ $option{systems} // [] }),
        processes => colours(\%known_process, @{ $option{processes} // [] }),
        dir => $option{dir}, png => $option{png}
    }, $class;
}


sub is_available {
    return system('command -v gnuplot > /dev/null 2>&1') == 0;
}


# Names that nobody has thought of get what is left, in their order.
sub colours {
    my ($known, @names) = @_;

    my %colour = %$known;
    my $i = 0;

    for my $name (sort @names) {
        $colour{$name} //= $others[$i++ % @others];
    }

    return \%colour;
}


# A chart's name is its title, and its file's name with the signs left out.
#
# Lines with points; series: [{ system, label, dash, points => [[x, y, least,
# most], …] }, …] (least and most may be missing); x_label, y_label; x_log,
# y_log; ticks: the values of x, if they are few.  Returns the file's name.
sub lines {
    my ($self, $name, %option) = @_;

    my (@data, @plots);
    my $i = 0;

    for my $series (@{ $option{series} }) {
        my $block = '$d' . $i++;
        my $colour = $self->{systems}{ $series->{system} };
        my $dash = $series->{dash} // 1;
        my $has_range = !grep { !defined $_->[3] } @{ $series->{points} };

        push @data, "$block << EOD\n"
            . join('', map { join(' ', grep { defined } @$_) . "\n" }
                       sort { $a->[0] <=> $b->[0] } @{ $series->{points} })
            . "EOD\n";
        push @plots, "$block using 1:2:3:4 with yerrorbars lw 1 pt 7 ps 0.1"
                     . " lc rgb '$colour' notitle" if $has_range;
        push @plots, "$block using 1:2 with linespoints dt $dash lw 2 pt 7"
                     . " ps 0.7 lc rgb '$colour' title "
                     . quoted($series->{label});
    }

    my @set = (
        'set key outside right top vertical Left reverse samplen 2.5',
        'set grid ytics lt 1 lw 1 lc rgb "#dddddd"',
        $self->x_range(@{ $option{series} }),
        $self->axis('x', %option), $self->axis('y', %option),
        $option{ticks} ? 'set xtics ('
            . join(', ', map { "'" . short($_) . "' $_" } @{ $option{ticks} })
            . ')' : ()
    );

    return $self->draw($name, 900, 400, @data, @set,
                       'plot ' . join(', ', @plots));
}


# A little more than the points need, in both kinds of axis.
sub x_range {
    my ($self, @series) = @_;

    my @x = map { $_->[0] } map { @{ $_->{points} } } @series;

    return sprintf 'set xrange [%g:%g]', least(@x) * 0.85, most(@x) * 1.15;
}


sub axis {
    my ($self, $axis, %option) = @_;

    my $base = $option{"${axis}_log"};

    return (
        "set ${axis}label " . quoted($option{"${axis}_label"}),
        $base ? "set logscale $axis $base" : (),
        $axis eq 'y' && !$base ? 'set yrange [0:*]' : (),
        # figures as people write them, not 1e+03
        $base ? "set format $axis '%g'" : "set format $axis \"%'.0f\"",
        $axis eq 'y' && $option{y_format}
            ? "set format y '$option{y_format}'" : ()
    );
}


# Bars of parts, one upon the other; bars: [[label, { part => value }], …];
# parts: their order from below; y_label.  Lying, so that labels have room.
sub stacked {
    my ($self, $name, %option) = @_;

    my @bars = reverse @{ $option{bars} };
    my @parts = grep {
        my $part = $_;
        grep { $_->[1]{$part} } @bars
    } @{ $option{parts} };

    my $data = "\$d << EOD\n";
    my @labels;

    for my $i (0 .. $#bars) {
        my $left = 0;
        my @columns = ($i);

        for my $part (@parts) {
            push @columns, $left;
            $left += $bars[$i][1]{$part} // 0;
            push @columns, $left;
        }

        $data .= "@columns\n";
        push @labels, quoted($bars[$i][0]) . " $i";
    }

    my @plots = map {
        my $from = 2 * $_ + 2;
        my $to = $from + 1;
        "\$d using $from:1:$from:$to:(\$1-0.36):(\$1+0.36) with boxxyerror"
        . " fs solid noborder lc rgb '$self->{processes}{ $parts[$_] }'"
        . ' title ' . quoted($parts[$_])
    } 0 .. $#parts;

    my $longest = most(map { length $_->[0] } @bars) // 0;

    return $self->draw(
        $name, 900, 140 + most(26 * @bars, 18 * @parts - 50), $data . "EOD\n",
        'set lmargin ' . ($longest + 3),
        'set key outside right top vertical Left reverse samplen 1',
        'set grid xtics lt 1 lw 1 lc rgb "#dddddd"', 'set xrange [0:*]',
        'set yrange [-0.6:' . (@bars - 0.4) . ']',
        'set ytics (' . join(', ', @labels) . ') nomirror scale 0',
        'set xlabel ' . quoted($option{y_label}),
        'plot ' . join(', ', @plots)
    );
}


# A number for an axis: 1000000 is 1M.
sub short {
    my ($value) = @_;

    return $value / 1e6 . 'M' if $value >= 1e6;
    return $value / 1e3 . 'k' if $value >= 1e4;
    return $value;
}


sub quoted {
    my ($text) = @_;

    $text =~ s/'/''/g;

    return "'$text'";
}


# gnuplot's commands as SVG; returns the file's name.
sub draw {
    my ($self, $name, $width, $height, @commands) = @_;

    my $title = $name;
    $name =~ s/[^A-Za-z0-9]+/-/g;
    $name = lc $name;

    my @outputs = (["svg size $width,$height noenhanced dynamic"
                    . ' background "#ffffff" font "Arial,13"', "$name.svg"]);
    push @outputs, ["pngcairo size $width,$height noenhanced font 'Sans,10'",
                    "$name.png"] if $self->{png};

    for my $output (@outputs) {
        my ($terminal, $file) = @$output;
        my $script = "$self->{dir}/$name.gnuplot";

        spew($script, join('', map { /\n\z/ ? $_ : "$_\n" }
            "set terminal $terminal",
            'set output ' . quoted("$self->{dir}/$file"),
            'set decimalsign locale "C.UTF-8"', 'set border 3 lc rgb "#666666"',
            'set tics nomirror', 'set style fill solid',
            'set title ' . quoted($title) . ' offset 0,-0.5', @commands));

        my $said = `gnuplot '$script' 2>&1`;
        die "gnuplot of $name: $said\n" if $? != 0;
        unlink $script;
    }

    return "$name.svg";
}


1;
