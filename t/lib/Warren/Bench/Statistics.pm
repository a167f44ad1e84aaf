package Warren::Bench::Statistics;

# Copyright (C) the Warren authors
#
# Medians, percentiles and numbers as people read them; undef is what was not
# measured, and is left out or shown as "-".

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(median least most percentile spread number seconds_of);


sub known {
    return sort { $a <=> $b } grep { defined } @_;
}


# Of an even number of values: the mean of the two in the middle.
sub median {
    my @sorted = known(@_) or return undef;
    my $middle = int @sorted / 2;

    return $sorted[$middle] if @sorted % 2;
    return ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}


sub least { return (known(@_))[0] }
sub most { return (known(@_))[-1] }


# The least value that so many of a hundred are not above: percentile(99, …).
sub percentile {
    my ($percent, @values) = @_;

    my @sorted = known(@values) or return undef;
    my $rank = $percent / 100 * @sorted;
    my $index = int $rank;
    $index-- if $index == $rank && $index > 0;
    $index = $#sorted if $index > $#sorted;

    return $sorted[$index];
}


# [median, least, most], or undef if nothing was measured.
sub spread {
    my @sorted = known(@_) or return undef;

    return [median(@sorted), $sorted[0], $sorted[-1]];
}


# Three digits that count, at least: 75412, 312, 4.25, 0.0123.
sub number {
    my ($value) = @_;

    return '-' if !defined $value;

    my $size = abs $value;
    my $digits = $size >= 100 || $size == 0 ? 0 : $size >= 10 ? 1
               : $size >= 1 ? 2 : $size >= 0.1 ? 3 : 4;

    return sprintf "%.${digits}f", $value;
}


# Microseconds as milliseconds.
sub seconds_of {
    my ($us) = @_;

    return defined $us ? number($us / 1000) : '-';
}


1;
