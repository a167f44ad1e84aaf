package Warren::OpenMetrics;

# Copyright (C) the Warren authors
#
# A strict reader of OpenMetrics 1.0 text: dies with the line that must not be
# so.
#
#     my $metrics = Warren::OpenMetrics->parse($text);
#     $metrics->value('warren_batches_total', service => 'orders');
#     $metrics->type('warren_batches');
#
# What it demands is what the format says: families whole and once, metadata
# before samples, units as suffixes, names, labels and escapes, no sample
# twice, counters that are no less than 0, histograms that add up, and the end.

use strict;
use warnings;


my $name_re = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $label_re = qr/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
my $number_re = qr/[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/;

my %suffixes = (
    counter => ['_total', '_created'], gauge => [''], unknown => [''],
    info => ['_info'],
    histogram => ['_bucket', '_count', '_sum', '_created'],
);


sub parse {
    my ($class, $text) = @_;

    my $self = bless { families => {}, samples => {}, order => [] }, $class;

    die "the text does not end with a line\n" if $text !~ /\n\z/;

    my @lines = split /\n/, $text;
    die "the last line is not # EOF\n" if pop @lines ne '# EOF';

    my $family;

    for my $line (@lines) {
        if ($line =~ /\A# (TYPE|UNIT|HELP) ($name_re) (.*)\z/) {
            my ($word, $name, $value) = ($1, $2, $3);

            if (!$family || $family->{name} ne $name) {
                die "$line: the family was there before\n"
                    if $self->{families}{$name};
                $family = $self->{families}{$name}
                    = { name => $name, samples => [] };
            }

            $self->describe($family, $word, $value, $line);
            next;
        }

        die "$line: a comment that is none\n" if $line =~ /\A#/;
        $self->sample($family, $line);
    }

    $self->histograms($_) for grep { ($_->{TYPE} // '') eq 'histogram' }
                              values %{ $self->{families} };

    return $self;
}


sub describe {
    my ($self, $family, $word, $value, $line) = @_;

    die "$line: stands twice\n" if exists $family->{$word};
    die "$line: metadata after samples\n" if @{ $family->{samples} };
    die "$line: no such type\n" if $word eq 'TYPE' && !$suffixes{$value};
    die "$line: not the end of the name\n"
        if $word eq 'UNIT' && $family->{name} !~ /_\Q$value\E\z/;
    die "$line: says nothing\n" if $value eq '';
    die "$line: an escape that is none\n"
        if $word eq 'HELP' && $value =~ /(?<!\\)(?:\\\\)*\\[^\\n"]/;

    $family->{$word} = $value;
}


sub sample {
    my ($self, $family, $line) = @_;

    my ($name, undef, $labels, $value)
        = $line =~ /\A($name_re)(\{(.*)\})? ($number_re|NaN|[+-]Inf)\z/
        or die "$line: no sample\n";

    die "$line: without a TYPE before it\n" if !$family || !$family->{TYPE};

    my ($suffix) = grep { $name eq $family->{name} . $_ }
                   @{ $suffixes{ $family->{TYPE} } };
    die "$line: not of the $family->{TYPE} before it\n" if !defined $suffix;

    my %labels = $self->labels($labels // '', $line);
    my $key = key($name, %labels);

    die "$line: stands twice\n" if exists $self->{samples}{$key};
    die "$line: a bucket without a bound\n"
        if $suffix eq '_bucket' && !defined $labels{le};
    die "$line: less than nothing\n"
        if $family->{TYPE} =~ /counter|histogram/
           && ($value eq 'NaN' || $value < 0);

    $self->{samples}{$key} = $value;
    push @{ $family->{samples} },
         { suffix => $suffix, labels => \%labels, value => $value };
}


sub labels {
    my ($self, $text, $line) = @_;

    my %labels;

    while ($text =~ /\G$label_re/gc) {
        my ($name, $value) = ($1, $2);

        die "$line: label $name stands twice\n" if exists $labels{$name};
        $labels{$name} = $value =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
        last if $text !~ /\G,(?=.)/gc;
    }

    die "$line: labels that are none\n" if ($text !~ /\G\z/gc);

    return %labels;
}


sub histograms {
    my ($self, $family) = @_;

    my %series;

    for my $sample (@{ $family->{samples} }) {
        my %labels = %{ $sample->{labels} };
        my $le = delete $labels{le};
        my $one = $series{ key('', %labels) } //= { buckets => [] };

        if ($sample->{suffix} eq '_bucket') {
            push @{ $one->{buckets} }, [$le, $sample->{value}];

        } else {
            $one->{ $sample->{suffix} } = $sample->{value};
        }
    }

    for my $key (keys %series) {
        my $one = $series{$key};
        my $what = "$family->{name}$key";
        my @buckets = @{ $one->{buckets} };

        die "$what: no bucket without a bound\n"
            if !@buckets || $buckets[-1][0] ne '+Inf';
        die "$what: no count or sum\n"
            if !defined $one->{_count} || !defined $one->{_sum};
        die "$what: its count is another one\n"
            if $one->{_count} != $buckets[-1][1];

        for my $i (1 .. $#buckets) {
            die "$what: bounds are not in order\n"
                if $buckets[$i][0] ne '+Inf'
                   && $buckets[$i][0] <= $buckets[ $i - 1 ][0];
            die "$what: buckets shrink\n"
                if $buckets[$i][1] < $buckets[ $i - 1 ][1];
        }
    }
}


sub key {
    my ($name, %labels) = @_;

    return join "\0", $name, map { ($_, $labels{$_}) } sort keys %labels;
}


# A sample; undef if it is not there.
sub value {
    my ($self, $name, %labels) = @_;

    return $self->{samples}{ key($name, %labels) };
}


sub type { return $_[0]{families}{ $_[1] }{TYPE} }

sub families { return sort keys %{ $_[0]{families} } }


# All values that a label has somewhere.
sub label_values {
    my ($self, $label) = @_;

    my %values = map { $_->{labels}{$label} // '' => 1 }
                 map { @{ $_->{samples} } } values %{ $self->{families} };

    return sort keys %values;
}


1;
