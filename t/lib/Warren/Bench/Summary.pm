package Warren::Bench::Summary;

# Copyright (C) the Warren authors
#
# What the samples of a row say together, and the tables of text.
#
# A field is a number of a sample as it is (rate, p50_us, p99_us, p999_us,
# max_us, whatever the row's run returned), or one of these:
#
#     cpu, cpu.NAME      seconds of processor per 1,000 requests
#     client             those of the load program
#     pss, pss.NAME      megabytes, in proportional shares
#     errors             what was not answered as expected
#     bytes              of the load program, a request
#     loopback           of all hops, a request
#     busy               share of the machine's processors, from 0 to 1

use strict;
use warnings;

use Warren::Bench::Statistics qw(median number seconds_of spread);


# (value of each sample); but: names of processes that are left out of sums.
sub values_of {
    my ($row, $field, @but) = @_;

    return map { $_->{failed} ? undef : value_of($_, $field, @but) }
           @{ $row->{samples} };
}


sub median_of {
    return median(values_of(@_));
}


sub spread_of {
    return spread(values_of(@_));
}


sub value_of {
    my ($sample, $field, @but) = @_;

    my $requests = $sample->{requests};

    if ($field =~ /\Acpu(?:\.(.*))?\z/) {
        my $sum = sum($sample->{cpu}, $1, @but) // return undef;
        return $requests ? $sum / $requests * 1000 : undef;
    }

    if ($field =~ /\Apss(?:\.(.*))?\z/) {
        my $sum = sum($sample->{pss_kb}, $1, @but) // return undef;
        return $sum / 1024;
    }

    return errors_of($sample) if $field eq 'errors';

    if ($field eq 'busy') {
        my ($busy, $idle) = @$sample{qw(busy idle)};
        return defined $busy && $busy + $idle > 0 ? $busy / ($busy + $idle)
                                                  : undef;
    }

    if ($field eq 'client') {
        return $requests && defined $sample->{client_cpu}
               ? $sample->{client_cpu} / $requests * 1000 : undef;
    }

    if ($field eq 'bytes') {
        return $requests && defined $sample->{bytes_in}
               ? ($sample->{bytes_in} + $sample->{bytes_out}) / $requests
               : undef;
    }

    if ($field eq 'loopback') {
        return $requests && defined $sample->{loopback_bytes}
               ? $sample->{loopback_bytes} / $requests : undef;
    }

    return $sample->{$field};
}


# Of one name, of several ("nginx+users"), or of all but some.
sub sum {
    my ($values, $name, @but) = @_;

    return undef if !$values;

    my %left_out = map { $_ => 1 } @but;
    my @names = defined $name ? split /\+/, $name
                              : grep { !$left_out{$_} } keys %$values;
    my @some = grep { defined } map { $values->{$_} } @names;
    return undef if !@some;

    my $sum = 0;
    $sum += $_ for @some;

    return $sum;
}


sub errors_of {
    my ($sample) = @_;

    my $errors = $sample->{errors} // return 0;
    return $errors if !ref $errors;

    my $sum = 0;
    $sum += $_ for values %$errors;

    return $sum;
}


# What went wrong in all samples, as words: "3 timeout, 1 failed: …"; "" if
# nothing did.
sub wrong {
    my ($row) = @_;

    my (%count, %failed);

    for my $sample (@{ $row->{samples} }) {
        $failed{ (split /\n/, $sample->{failed})[0] }++ if $sample->{failed};

        my $errors = $sample->{errors} // {};
        $errors = { other => $errors } if !ref $errors;
        $count{$_} += $errors->{$_} for grep { $errors->{$_} } keys %$errors;
    }

    return join ', ', map({ "$count{$_} $_" } sort keys %count),
                      map({ "$failed{$_} failed: $_" } sort keys %failed);
}


# The statuses that were answered, in all samples: "200: 512, 503: 3".
sub statuses {
    my ($row) = @_;

    my %count;

    for my $sample (@{ $row->{samples} }) {
        my $statuses = $sample->{statuses} // {};
        $count{$_} += $statuses->{$_} for keys %$statuses;
    }

    return join ', ', map { "$_: $count{$_}" } sort keys %count;
}


# Names of all processes of rows, the servers last.
sub processes {
    my (@rows) = @_;

    my %name;

    for my $sample (map { @{ $_->{samples} } } @rows) {
        $name{$_} = 1 for keys %{ $sample->{cpu} // {} };
    }

    my %last = (RabbitMQ => 1, PostgreSQL => 2);

    return sort { ($last{$a} // 0) <=> ($last{$b} // 0) || $a cmp $b }
           keys %name;
}


# A row's title: "Warren get_user, 64 connections, 500 a second".
sub title {
    my ($row) = @_;

    my @words = ("$row->{system} $row->{what}");
    push @words, $row->{label} if defined $row->{label};
    push @words, number($row->{x}) . ' ' . ($row->{axis} // '')
        if defined $row->{x};
    push @words, connections($row) // ();
    push @words, number($row->{rate}) . ' a second' if $row->{rate};

    return join ', ', @words;
}


# "64 connections"; undef if the row has none.
sub connections {
    my ($row) = @_;

    my $n = $row->{connections} // return undef;

    return $n == 1 ? '1 connection' : "$n connections";
}


# The tables, of the data of a bench.
sub text {
    my ($data) = @_;

    my @rows = @{ $data->{rows} };
    my $width = 10;

    for my $row (@rows) {
        my $length = length title($row);
        $width = $length if $length > $width;
    }

    my $text = "\n$data->{title}\n\n";
    $text .= sprintf "%-${width}s %9s %20s %9s %9s %9s %7s\n", '',
                     'a second', '(least, most)', 'p50 ms', 'p99 ms',
                     'p99.9 ms', 'errors';

    for my $row (@rows) {
        my $rate = spread_of($row, 'rate');
        my $between = $rate ? '(' . number($rate->[1]) . ', '
                              . number($rate->[2]) . ')' : '';
        my $errors = 0;
        $errors += $_ // 1 for values_of($row, 'errors');

        $text .= sprintf "%-${width}s %9s %20s %9s %9s %9s %7d\n",
                 title($row), number($rate && $rate->[0]), $between,
                 map({ seconds_of(median_of($row, $_)) }
                     qw(p50_us p99_us p999_us)), $errors;
    }

    $text .= "\n" . costs($width, @rows);

    for my $row (@rows) {
        my $wrong = wrong($row);
        $text .= title($row) . ": $wrong\n" if $wrong ne '';
    }

    $text .= "$_->{system} was not measured: $_->{why}\n"
        for @{ $data->{absent} // [] };

    return $text . goals($data);
}


# What a request costs whom.
sub costs {
    my ($width, @rows) = @_;

    my $text = '';

    for my $row (@rows) {
        my @names = processes($row) or next;
        my $line = join ', ', map {
            $_ . ' ' . number(median_of($row, "cpu.$_"))
        } @names;

        $text .= title($row) . "\n    CPU s per 1,000: "
                 . number(median_of($row, 'cpu')) . " ($line; client "
                 . number(median_of($row, 'client')) . '; the machine is '
                 . sprintf('%.0f', 100 * (median_of($row, 'busy') // 0))
                 . " % busy)\n    PSS MB: "
                 . join(', ', map {
                       $_ . ' ' . number(median_of($row, "pss.$_"))
                   } @names)
                 . "\n    a request: system calls "
                 . join(', ', map {
                       $_ . ' ' . number(($row->{calls} // {})->{$_})
                   } @names)
                 . '; bytes ' . number(median_of($row, 'bytes'))
                 . ', of all hops ' . number(median_of($row, 'loopback'))
                 . "\n";
    }

    return $text;
}


sub goals {
    my ($data) = @_;

    my $text = '';

    for my $goal (@{ $data->{goals} }) {
        my $result = Warren::Bench::Goals::result($goal, $data);
        my $wanted = defined $goal->{at_least} ? ">= $goal->{at_least}"
                                               : "<= $goal->{at_most}";

        $text .= "goal $goal->{name}, $goal->{text} $wanted: ";
        $text .= $result->{value}
                 ? sprintf("%s (%s, %s), %s\n",
                           map({ number($_) } @{ $result->{value} }),
                           $result->{is_met} ? 'met' : 'missed')
                 : "not measured: $result->{why}\n";
    }

    return $text eq '' ? '' : "\n$text";
}


1;
