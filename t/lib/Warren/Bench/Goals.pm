package Warren::Bench::Goals;

# Copyright (C) the Warren authors
#
# What shall be reached, and whether it was.
#
# A goal is about a row's field: of => ID, field => NAME (see
# Warren::Bench::Summary), alone or against that of another row: over => ID
# divides, minus => ID subtracts.  Rows that ran in the same rounds are compared
# round by round, and the goal's value is the median of that; others by their
# medians.  at_least or at_most is where it is met; scale multiplies a value, as
# 0.001 does with microseconds, and unit says what that is then.  but => [names]
# leaves processes out of "pss" and "cpu".  name says which of the known goals
# below it belongs to.

use strict;
use warnings;

use Warren::Bench::Statistics qw(spread);
use Warren::Bench::Summary;


# In the order of the report.
our @KNOWN = (
    echo => 'an echo call through the gateway, token verified and limited,'
            . ' against the bare exchange',
    get_user => 'get_user, against NestJS',
    create_order => 'create_order with the nested call, the event and its'
                    . ' notification stored, against NestJS',
    aggregate => 'user and last ten orders in one answer, against NestJS',
    edge => 'token and limit without a broker, against HAProxy',
    memory => 'resident memory of the whole system but the servers, against'
              . ' NestJS',
    lane => 'events and orders through lanes of a worker',
    scaling => 'what a request costs as connections, orders, lanes and routes'
               . ' grow',
    overload => 'twice the capacity is offered',
);


sub check {
    my ($goal) = @_;

    my %known = @KNOWN;

    for my $name (qw(name text of field)) {
        die "a goal without $name\n" if !defined $goal->{$name};
    }

    die "no goal is called $goal->{name}\n" if !$known{ $goal->{name} };
    die "$goal->{text}: at_least or at_most?\n"
        if 1 != grep { defined $goal->{$_} } qw(at_least at_most);
}


# Of the data of a bench: { value => [median, least, most] (undef if it was not
# measured), is_met, by (how far it is beyond, as a share of what is wanted;
# less than nothing if missed), why (if not measured) }.
sub result {
    my ($goal, $data) = @_;

    my %row = map { $_->{id} => $_ } @{ $data->{rows} };
    my $other = $goal->{over} // $goal->{minus};

    for my $id (grep { defined } $goal->{of}, $other) {
        next if $row{$id} && defined field($goal, $row{$id});

        my ($absent) = @{ $data->{absent} // [] };
        my $why = $absent ? "$absent->{system}: $absent->{why}"
                          : "nothing was measured of $id";
        return { why => $why };
    }

    my @values = defined $other ? compared($goal, @row{$goal->{of}, $other})
               : values_of($goal, $row{ $goal->{of} });
    my $scale = $goal->{scale} // 1;
    my $value = spread(map { $_ * $scale } grep { defined } @values)
        or return { why => 'nothing to compare with' };

    my $wanted = $goal->{at_least} // $goal->{at_most};
    my $sign = defined $goal->{at_least} ? 1 : -1;

    return {
        value => $value, is_met => $sign * ($value->[0] - $wanted) >= 0 ? 1 : 0,
        by => $wanted ? $sign * ($value->[0] - $wanted) / $wanted : undef
    };
}


sub field {
    my ($goal, $row) = @_;

    return Warren::Bench::Summary::median_of($row, $goal->{field},
                                             @{ $goal->{but} // [] });
}


# One value a sample, undef for one that failed.
sub values_of {
    my ($goal, $row) = @_;

    return Warren::Bench::Summary::values_of($row, $goal->{field},
                                             @{ $goal->{but} // [] });
}


sub compared {
    my ($goal, @rows) = @_;

    my ($mine, $theirs) = map {
        my $row = $_;
        my @values = values_of($goal, $row);
        my @rounds = map { $_->{round} } @{ $row->{samples} };
        +{ map { ($rounds[$_] => $values[$_]) } 0 .. $#rounds }
    } @rows;

    my @pairs = map { [$mine->{$_}, $theirs->{$_}] }
                grep { defined $mine->{$_} && defined $theirs->{$_} }
                sort keys %$mine;

    @pairs = ([map { field($goal, $_) } @rows]) if !@pairs;

    return map { defined $goal->{over} ? $_->[1] ? $_->[0] / $_->[1] : undef
                                       : $_->[0] - $_->[1] } @pairs;
}


1;
