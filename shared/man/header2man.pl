#!/usr/bin/perl

# Copyright (C) the Warren authors
#
# Writes the manual page of an installed header: what stands in its comments,
# beside what they describe, so that there is one text to keep true.
#
#     header2man.pl VERSION HEADER >PAGE
#     header2man.pl --functions HEADER...
#
# The second form lists "page function" of each function that the headers
# declare, for the links from function to page.
#
# A comment that stands right above a declaration describes it and what follows
# up to the next comment; one with an empty line below it is a heading if it is
# a single line, otherwise a passage of its own.

use strict;
use warnings;


if (@ARGV && $ARGV[0] eq '--functions') {
    shift @ARGV;

    for my $path (@ARGV) {
        my $page = page_name($path);
        print "$page $_\n" for grep { $_ ne $page }
                               functions(parse(slurp($path)));
    }

    exit 0;
}

my ($version, $path) = @ARGV;
die "usage: $0 VERSION HEADER\n" if @ARGV != 2;

print manual($version, $path);
exit 0;


sub slurp {
    my ($path) = @_;

    open my $file, '<:encoding(UTF-8)', $path or die "$path: $!\n";
    local $/;

    return scalar <$file>;
}


# arena.h is described by wr_arena(3)
sub page_name {
    my ($path) = @_;

    my ($name) = $path =~ m{([a-z0-9_]+)\.h\z} or die "$path: no header\n";

    return $name =~ /^wr_/ ? $name : "wr_$name";
}


# A header: what its first comment says about it, and its parts, each
# { text, code, is_heading }.
sub parse {
    my ($text) = @_;

    $text =~ s{\A/\*\n \* Copyright[^\n]*\n \*\n(.*?)\n \*/\n}{}s
        or die "no head comment\n";
    my $about = unstar("\n$1");

    $text =~ s/^#(?:ifndef|define) WARREN_\w*H\n//mg;
    $text =~ s/^#endif.*\n*\z//m;
    $text =~ s/^#include <.*\n//mg;
    $text =~ s/^#include "\w+\.h"\n//mg;
    $text =~ s/^struct \w+;\n//mg;

    my @parts;

    while ($text =~ /\S/) {
        $text =~ s/\A\n+//;

        if ($text =~ s{\A/\*(.*?)\*/[ ]*\n}{}s) {
            my $comment = unstar($1);
            my $is_apart = $text =~ /\A(?:\n|\z)/;

            push @parts, {
                text => $comment, code => [],
                is_heading => $is_apart && $comment !~ /\n/
            };
            next;
        }

        my $code = take_code(\$text);
        push @parts, { text => '', code => [] } if !@parts;
        push @{ $parts[-1]{code} }, $code;
    }

    return { about => $about, parts => \@parts };
}


# One declaration or definition from the front of the text.
sub take_code {
    my ($text) = @_;

    if ($$text =~ s/\A(#(?:[^\n]*\\\n)*[^\n]*\n)//) {
        return $1;
    }

    # an inline function: its body is nobody's business
    if ($$text =~ s/\Astatic inline ([^;{]*?)\n\{\n.*?\n\}\n//s) {
        my $prototype = $1;
        $prototype =~ s/\*\n/*/;
        $prototype =~ s/\n(?=\w)/ /;
        return "$prototype;\n";
    }

    # struct and enum
    if ($$text =~ s/\A((?:struct|enum) \w+ \{\n.*?\n\};\n)//s) {
        return $1;
    }

    $$text =~ s/\A([^;]*;[^\n]*\n)//s
        or die 'not understood: ' . substr($$text, 0, 60) . "\n";

    return $1;
}


# A comment's text without its stars.
sub unstar {
    my ($comment) = @_;

    $comment =~ s/^ \*(?: |$)//mg;
    $comment =~ s/^   ?(?=\S)//mg if $comment !~ /\A\n/;
    $comment =~ s/\A\s+//;
    $comment =~ s/\s+\z//;

    return $comment;
}


sub functions {
    my ($header) = @_;

    my @names;

    for my $part (@{ $header->{parts} }) {
        for my $code (@{ $part->{code} }) {
            push @names, function_of($code) // ();
        }
    }

    return @names;
}


# The name that a prototype or a macro with arguments gives; or undef.
sub function_of {
    my ($code) = @_;

    return $1 if $code =~ /\A#define (w(?:r|ire)_\w+)\(/;
    return undef if $code =~ /\A(?:#|struct \w+ \{|enum \w+ \{)/;
    return $code =~ /\b(w(?:r|ire)_\w+)\(/ ? $1 : undef;
}


sub manual {
    my ($version, $path) = @_;

    my $header = parse(slurp($path));
    my $name = page_name($path);
    my ($file) = $path =~ m{([^/]+)\z};
    my @functions = functions($header);
    my $names = join ', ', @functions ? @functions : $name;

    # "a test kit", but "JSON"
    my $about = $header->{about} =~ s/\A([A-Z])(?![A-Z])/\l$1/r;
    my ($purpose) = $about =~ /\A(.*?)[.:](?:\s|\z)/s;

    $purpose =~ s/\n/ /g;

    my $page = qq{.TH \U$name\E 3 "" "Warren $version" "Warren's library"\n}
        . ".nh\n.SH NAME\n" . escape($names) . ' \- ' . escape($purpose) . "\n"
        . ".SH LIBRARY\nlibwarren,\n.B pkg-config warren\n"
        . ".SH SYNOPSIS\n.nf\n.B #include <warren/$file>\n"
        . prototypes($header) . ".fi\n.SH DESCRIPTION\n"
        . passage($header->{about});

    $page .= part($_) for @{ $header->{parts} };

    return encode($page . ".SH SEE ALSO\n.BR libwarren (3)\n");
}


sub prototypes {
    my ($header) = @_;

    my $text = '';

    for my $part (@{ $header->{parts} }) {
        for my $code (@{ $part->{code} }) {
            my $name = function_of($code) // next;

            # a macro's name and arguments are its prototype
            $code =~ s/\A#define (\w+\([^)]*\)).*/$1\n/s;
            $text .= ".PP\n" . escape($code);
        }
    }

    return $text;
}


sub part {
    my ($part) = @_;

    return '.SS ' . escape(ucfirst $part->{text}) . "\n"
           . definitions($part)
        if $part->{is_heading};

    my @names = map { function_of($_) // () } @{ $part->{code} };

    return definitions($part) . passage($part->{text}) if !@names;

    my $tags = join "\n.TQ\n", map { ".BR $_ ()" } @names;

    return ".TP\n$tags\n" . passage($part->{text}, '.IP')
           . definitions($part);
}


# What is no function stands as it is in the header.
sub definitions {
    my ($part) = @_;

    my $code = join '', grep { !defined function_of($_) } @{ $part->{code} };

    return $code eq '' ? '' : ".PP\n.RS\n.nf\n" . escape($code) . ".fi\n.RE\n";
}


# Paragraphs, begun by .PP; below a tag the first has its own beginning, and
# the others .IP.
sub passage {
    my ($text, $below) = @_;

    my $page = '';
    my $begin = $below // '.PP';

    for my $paragraph (split /\n\n+/, $text) {
        next if $paragraph !~ /\S/;

        $page .= "$begin\n" if $page ne '' || !$below;

        # what is indented is an example
        $page .= $paragraph =~ /\A[ ]{4}/
            ? ".nf\n" . escape($paragraph) . "\n.fi\n"
            : escape($paragraph) . "\n";
    }

    return $page;
}


sub escape {
    my ($text) = @_;

    $text =~ s/\\/\\e/g;
    $text =~ s/-/\\-/g;
    $text =~ s/^([.'])/\\&$1/mg;
    $text =~ s/"/\\(dq/g;
    $text =~ s/\x{2026}/.../g;

    return $text;
}


sub encode {
    my ($text) = @_;

    utf8::encode($text);

    return $text;
}
