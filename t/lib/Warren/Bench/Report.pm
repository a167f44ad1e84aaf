package Warren::Bench::Report;

# Copyright (C) the Warren authors
#
# A report in Markdown of what the benches have saved: machine and versions,
# goals, and for each bench its charts, its tables and what people wrote about
# it in t/60-bench/notes/NAME.md.  There {{ID FIELD}} is the median of a row's
# field, {{ID FIELD / ID FIELD}} the ratio of two, so that no figure is typed by
# hand.

use strict;
use warnings;
use utf8;

use JSON::PP ();

use Warren::Bench::Chart;
use Warren::Bench::Goals;
use Warren::Bench::Statistics qw(number seconds_of);
use Warren::Bench::Summary;
use Warren::Test qw(slurp source_dir spew);


my @order = qw(echo path edge lane scaling overload);
my @servers = qw(RabbitMQ PostgreSQL);


# dir: where NAME.json are, and where report.md and the charts are written;
# notes: the folder of NAME.md; png: charts as PNG too.
sub new {
    my ($class, %option) = @_;

    my $json = JSON::PP->new()->utf8();
    my %place = map { $order[$_] => $_ } 0 .. $#order;
    my @benches = map { $json->decode(slurp($_)) }
                  glob "$option{dir}/*.json";

    die "no bench has saved anything in $option{dir}\n" if !@benches;

    @benches = sort {
        ($place{ $a->{name} } // 99) <=> ($place{ $b->{name} } // 99)
        || $a->{name} cmp $b->{name}
    } @benches;

    my @rows = map { @{ $_->{rows} } } @benches;
    my %system = map { $_->{system} => 1 } @rows;

    return bless {
        notes => source_dir() . '/t/60-bench/notes', %option,
        benches => \@benches,
        chart => Warren::Bench::Chart::is_available()
            ? Warren::Bench::Chart->new(
                dir => $option{dir}, png => $option{png},
                systems => [keys %system],
                processes => [Warren::Bench::Summary::processes(@rows)]
            ) : undef
    }, $class;
}


# Writes report.md and the charts; returns the path.
sub write {
    my ($self) = @_;

    unlink glob "$self->{dir}/*.svg";

    my $text = join "\n", $self->head(), $self->goals(),
               map { $self->bench($_) } @{ $self->{benches} };

    # a report belongs to no machine's folders
    my $root = source_dir();
    $text =~ s{\Q$root\E/}{}g;
    $text =~ s/[ \t]+$//mg;
    $text =~ s/\n{3,}/\n\n/g;
    $text =~ s/\n+\z/\n/;

    utf8::encode($text);

    return spew("$self->{dir}/report.md", $text);
}


sub head {
    my ($self) = @_;

    my $first = $self->{benches}[0];
    my $machine = $first->{machine};
    my $versions = $first->{versions};
    my %commit = map { $_->{commit} => 1 } @{ $self->{benches} };

    my $text = "# What was measured\n\n"
        . "Written by `./dev bench`; the folder above tells how it is done"
        . " and what the words mean.\n\n"
        . "| | |\n|---|---|\n"
        . "| machine | $machine->{cores} cores ($machine->{cpu}),"
        . ' ' . sprintf('%.0f', $machine->{memory_mb} / 1024) . ' GB,'
        . " $machine->{system}, Linux $machine->{kernel} |\n"
        . '| versions | ' . join(', ', map { "$_ $versions->{$_}" }
                                       sort keys %$versions) . " |\n"
        . '| commit | ' . join(', ', sort keys %commit) . " |\n"
        . "| begun | $first->{started} |\n";

    $text .= "\nThere are no charts: gnuplot is missing.\n" if !$self->{chart};

    return $text;
}


sub goals {
    my ($self) = @_;

    my @known = @Warren::Bench::Goals::KNOWN;
    my $text = "## Goals\n\n| goal | wanted | measured (least, most) | |\n"
               . "|---|---|---|---|\n";

    while (my ($name, $about) = splice @known, 0, 2) {
        my @lines;

        for my $data (@{ $self->{benches} }) {
            push @lines, map { goal_line($_, $data) }
                         grep { $_->{name} eq $name } @{ $data->{goals} };
        }

        $text .= "| **$about** | | | " . (@lines ? '' : 'not measured')
                 . " |\n" . join '', @lines;
    }

    return $text;
}


sub goal_line {
    my ($goal, $data) = @_;

    my $result = Warren::Bench::Goals::result($goal, $data);
    my $unit = $goal->{over} ? ' ×'
             : defined $goal->{unit} ? " $goal->{unit}" : '';
    my $wanted = (defined $goal->{at_least} ? "≥ $goal->{at_least}"
                                            : "≤ $goal->{at_most}") . $unit;

    return line($goal->{text}, $wanted, '', "not measured: $result->{why}")
        if !$result->{value};

    my ($value, $least, $most) = map { number($_) } @{ $result->{value} };
    my $verdict = 'met';

    if (!$result->{is_met}) {
        $verdict = defined $result->{by}
                   ? sprintf('**missed** by %.0f %%', abs 100 * $result->{by})
                   : '**missed**';
    }

    return line($goal->{text}, $wanted, "$value$unit ($least, $most)",
                $verdict);
}


sub line {
    return '| ' . join(' | ', map { s/\|/\\|/gr } @_) . " |\n";
}


sub bench {
    my ($self, $data) = @_;

    my @rows = @{ $data->{rows} };
    my $text = "## $data->{title}\n\n"
        . "`t/60-bench/$data->{name}.pl`: $data->{rounds} rounds of"
        . " $data->{seconds} s for each row, or fewer where a row says so,"
        . ' after one that warms up'
        . ($data->{seconds_in_all}
           ? sprintf('; %.0f s in all', $data->{seconds_in_all})
           : '; it was not finished') . ".\n\n";

    $text .= "$_\n\n" for @{ $data->{notes} };
    $text .= "$_->{system} was not measured: "
             . join(' ', split /\s+/, $_->{why}) . "\n\n"
        for @{ $data->{absent} // [] };
    $text .= $self->written($data);

    for my $what (unique(map { $_->{what} } @rows)) {
        my @some = grep { $_->{what} eq $what } @rows;

        $text .= "### $what\n\n" . $self->charts($data, $what, @some)
                 . rates(@some) . "\n" . costs(@some) . "\n";
    }

    return $text . $self->memory($data);
}


sub unique {
    my %seen;
    return grep { !$seen{$_}++ } @_;
}


# What people wrote, with the figures put in.
sub written {
    my ($self, $data) = @_;

    my $path = "$self->{notes}/$data->{name}.md";
    return '' if !-f $path;

    my $text = slurp($path);
    my %row = map { $_->{id} => $_ } @{ $data->{rows} };
    utf8::decode($text);

    $text =~ s/^#.*\n+//;
    my $median = sub {
        my ($id, $field) = @_;
        return $row{$id}
            ? Warren::Bench::Summary::median_of($row{$id}, $field) : undef;
    };

    $text =~ s{\{\{(\S+)[ ]([\w.+]+)(?:[ ]/[ ](\S+)[ ]([\w.+]+))?\}\}}{
        my $figure = $median->($1, $2);
        my $over = defined $3 ? $median->($3, $4) : 1;
        defined $figure && $over ? number($figure / $over) : '-'
    }gex;

    return "$text\n";
}


# What distinguishes a row from those of the same kind.
sub place {
    my ($row) = @_;

    return join ', ', grep { defined }
        $row->{label},
        defined $row->{x} ? number($row->{x}) . ' ' . ($row->{axis} // '')
                          : undef,
        Warren::Bench::Summary::connections($row),
        $row->{rate} ? number($row->{rate}) . '/s offered' : undef;
}


sub rates {
    my (@rows) = @_;

    my $text = "| system | | a second (least, most) | p50 ms | p99 ms"
               . " | p99.9 ms | not as expected |\n"
               . "|---|---|---|---|---|---|---|\n";

    for my $row (@rows) {
        my $rate = Warren::Bench::Summary::spread_of($row, 'rate');
        my $wrong = Warren::Bench::Summary::wrong($row);

        $text .= line(
            $row->{system}, place($row),
            $rate ? sprintf('%s (%s, %s)', map { number($_) } @$rate) : '-',
            map({ seconds_of(Warren::Bench::Summary::median_of($row, $_)) }
                qw(p50_us p99_us p999_us)),
            $wrong eq '' ? '0' : $wrong
        );
    }

    return $text;
}


sub costs {
    my (@rows) = @_;

    my $text = "| system | | CPU s per 1,000 | of which | PSS MB"
               . " | system calls a request | bytes, of all hops |\n"
               . "|---|---|---|---|---|---|---|\n";
    my $any = 0;

    for my $row (@rows) {
        my @names = Warren::Bench::Summary::processes($row) or next;
        my $calls = $row->{calls} // {};

        $any = 1;
        $text .= line(
            $row->{system}, place($row),
            number(Warren::Bench::Summary::median_of($row, 'cpu')),
            listed($row, 'cpu', @names),
            listed($row, 'pss', @names),
            join(', ', map { "$_ " . number($calls->{$_}) }
                       grep { defined $calls->{$_} } @names) || '-',
            number(Warren::Bench::Summary::median_of($row, 'bytes')) . ', '
            . number(Warren::Bench::Summary::median_of($row, 'loopback'))
        );
    }

    return $any ? $text : '';
}


sub listed {
    my ($row, $field, @names) = @_;

    return join ', ', map {
        "$_ " . number(Warren::Bench::Summary::median_of($row, "$field.$_"))
    } @names;
}


sub charts {
    my ($self, $data, $what, @rows) = @_;

    return '' if !$self->{chart};

    my @known = grep {
        defined Warren::Bench::Summary::median_of($_, 'rate')
    } @rows;
    my @closed = grep { !$_->{rate} && !defined $_->{x} } @known;
    my @open = grep { $_->{rate} && !defined $_->{x} } @known;
    my @text;

    push @text, $self->by_connections($data, $what, @closed);
    push @text, $self->by_offer($data, $what, @open);

    for my $axis (unique(map { $_->{axis} // '' }
                         grep { defined $_->{x} } @known))
    {
        push @text, $self->by_axis(
            $data, $what, $axis,
            grep { defined $_->{x} && ($_->{axis} // '') eq $axis } @known
        );
    }

    push @text, $self->cpu($data, $what, @closed);

    return join '', @text;
}


sub shown {
    my ($alt, $file) = @_;

    return "![$alt]($file)\n\n";
}


# A series a system (and label), of points that the sub makes of rows.
sub series {
    my ($point, @rows) = @_;

    my (@series, %of);

    for my $row (@rows) {
        my $label = join ', ', grep { defined } $row->{system}, $row->{label};

        if (!$of{$label}) {
            my $before = grep { $_->{system} eq $row->{system} } @series;
            push @series, $of{$label} = {
                system => $row->{system}, label => $label, points => [],
                dash => 1 + $before
            };
        }

        my $values = $point->($row);
        push @{ $of{$label}{points} }, $values if $values;
    }

    return grep { @{ $_->{points} } } @series;
}


# A line needs two points.
sub has_line {
    return grep { @{ $_->{points} } > 1 } @_;
}


sub by_connections {
    my ($self, $data, $what, @rows) = @_;

    @rows = grep { defined $_->{connections} } @rows;

    my @series = series(sub {
        my ($row) = @_;
        [$row->{connections},
         @{ Warren::Bench::Summary::spread_of($row, 'rate') }]
    }, @rows);

    return () if !has_line(@series);

    my @ticks = sort { $a <=> $b }
                unique(map { $_->{connections} } @rows);
    my $title = "$what: rate by connections";

    return shown($title, $self->{chart}->lines(
        "$data->{name}: $what, rate by connections", series => \@series,
        x_log => 2, x_label => 'connections', ticks => \@ticks,
        y_label => 'answers as expected a second'
    ));
}


sub by_offer {
    my ($self, $data, $what, @rows) = @_;

    my @series;

    for my $kind (['p50', 'p50_us', 2], ['p99', 'p99_us', 1]) {
        my ($name, $field, $dash) = @$kind;

        push @series, map { +{ %$_, label => "$_->{label}, $name",
                               dash => $dash } } series(sub {
            my ($row) = @_;
            my $us = Warren::Bench::Summary::median_of($row, $field);
            defined $us && $us > 0 ? [$row->{rate}, $us / 1000] : undef
        }, @rows);
    }

    return () if !has_line(@series);

    @series = sort { $a->{label} cmp $b->{label} } @series;

    return shown("$what: latency by offered rate", $self->{chart}->lines(
        "$data->{name}: $what, latency by offered rate", series => \@series,
        y_log => 10, x_log => 10, x_label => 'offered a second',
        y_label => 'latency, ms'
    ));
}


sub by_axis {
    my ($self, $data, $what, $axis, @rows) = @_;

    my @ticks = sort { $a <=> $b } unique(map { $_->{x} } @rows);
    my $is_wide = @ticks > 1 && $ticks[0] > 0
                  && $ticks[-1] / $ticks[0] >= 8;
    my @text;

    for my $chart (['rate', 'rate', 'a second'],
                   ['cost', 'cpu', 'CPU s per 1,000 requests'])
    {
        my ($name, $field, $label) = @$chart;
        my @series = series(sub {
            my ($row) = @_;
            my $spread = Warren::Bench::Summary::spread_of($row, $field);
            $spread ? [$row->{x}, @$spread] : undef
        }, @rows);

        next if !has_line(@series);

        push @text, shown("$what: $label by $axis", $self->{chart}->lines(
            "$data->{name}: $what, $name by $axis", series => \@series,
            x_label => $axis, y_label => $label, ticks => \@ticks,
            $is_wide ? (x_log => 10) : (),
            $field eq 'cpu' ? (y_format => '%g') : ()
        ));
    }

    return @text;
}


sub cpu {
    my ($self, $data, $what, @rows) = @_;

    my @names = Warren::Bench::Summary::processes(@rows);
    my @bars;

    for my $row (@rows) {
        my %part;

        for my $name (@names) {
            my $cpu = Warren::Bench::Summary::median_of($row, "cpu.$name");
            $part{$name} = $cpu if $cpu;
        }

        push @bars, [join(', ', grep { $_ ne '' } $row->{system},
                                                   place($row)), \%part]
            if %part;
    }

    return () if !@bars;

    return shown("$what: processor time by process", $self->{chart}->stacked(
        "$data->{name}: $what, processor time", bars => \@bars,
        parts => \@names,
        y_label => 'CPU s per 1,000 requests'
    ));
}


# Of each system, in the row where most is held at once.
sub memory {
    my ($self, $data) = @_;

    my %row;

    for my $row (@{ $data->{rows} }) {
        my $pss = Warren::Bench::Summary::median_of($row, 'pss', @servers)
            // next;
        my $seen = $row{ $row->{system} };

        $row{ $row->{system} } = [$row, $pss] if !$seen || $seen->[1] < $pss;
    }

    my @systems = unique(grep { $row{$_} }
                         map { $_->{system} } @{ $data->{rows} });
    return '' if !@systems;

    my @names = grep { !/\A(?:RabbitMQ|PostgreSQL)\z/ }
                Warren::Bench::Summary::processes(map { $_->[0] }
                                                  values %row);
    my (@bars, $table);

    $table = "| system | PSS MB | of which |\n|---|---|---|\n";

    for my $system (@systems) {
        my ($row, $pss) = @{ $row{$system} };
        my %part = map {
            ($_ => Warren::Bench::Summary::median_of($row, "pss.$_"))
        } @names;

        push @bars, [$system, \%part];
        $table .= line($system, number($pss),
                       join ', ', map { "$_ " . number($part{$_}) }
                                  grep { defined $part{$_} } @names);
    }

    my $chart = $self->{chart} ? shown(
        'Memory by process', $self->{chart}->stacked(
            "$data->{name}: memory", bars => \@bars, parts => \@names,
            y_label => 'PSS, MB, most of all rows'
        )) : '';

    return "### Memory but the servers'\n\n$chart$table\n";
}


1;
