package Warren::Lint;

# Copyright (C) the Warren authors
#
# What t/00-lint looks for.  Each rule takes a path and its text and returns
# offences, "path:line: what"; so a test can show that the rule bites by giving
# it a bad text.

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();

use Warren::Test qw(slurp source_dir);

our @EXPORT_OK = qw(
    tree matching clean without_comments paragraphs
    layout functions braces head_comment
    includes nginx_first nginx_versions layers foreign_headers domain_words
    symbols undocumented_functions directives settings untold unshown
    unfinished outside folders_without_readme
);


# What autoreconf, make and ./dev put into the source folder.
my $made = qr{
    \A (?: \.git | var | build-aux | autom4te\.cache | \.github ) (?: / | \z)
  | \A (?: configure~? | aclocal\.m4 | Makefile\.in | config\.h\.in~? ) \z
}x;

my @services = qw(users orders catalog payments notifications);


# All files of the tree, as paths within it.
sub tree {
    my $root = source_dir();
    my @files;

    File::Find::find({
        no_chdir => 1,
        preprocess => sub {
            my $dir = $File::Find::dir;
            return grep {
                my $path = substr "$dir/$_", length($root) + 1;
                $_ ne '.' && $_ ne '..' && $path !~ $made;
            } @_;
        },
        wanted => sub {
            return if !-f || -l;
            push @files, substr $_, length($root) + 1;
        },
    }, $root);

    return sort @files;
}


# path => text of the files whose path matches.
sub matching {
    my ($pattern) = @_;

    my $root = source_dir();

    return map { $_ => slurp("$root/$_") } grep { $_ =~ $pattern } tree();
}


# Applies a rule to all files that match; returns all offences.
sub clean {
    my ($rule, $pattern) = @_;

    my %text = matching($pattern);

    return map { $rule->($_, $text{$_}) } sort keys %text;
}


# C without comments, and with strings emptied if told; lines keep their
# numbers.
sub without_comments {
    my ($text, $without_strings) = @_;

    $text =~ s{
        ( /\*.*?\*/ ) | ( "(?:[^"\\\n]|\\.)*" ) | ( '(?:[^'\\\n]|\\.)*' )
    }{
        if (defined $1) {
            my $lines = $1 =~ tr/\n//;
            ' ' . "\n" x $lines;

        } elsif ($without_strings) {
            defined $2 ? '""' : "' '";

        } else {
            $2 // $3;
        }
    }gsex;

    return $text;
}


# Tabs, columns, trailing blanks, and how the file ends.
sub layout {
    my ($path, $text) = @_;

    my @found;
    my $number = 0;
    my $is_make = $path =~ /(?:Makefile\.am|\.mk)\z/;
    my $is_code = $path !~ /\.(?:md|conf|plan|json|supp|def)\z|\ALICENSE/;

    for my $line (split /\n/, $text) {
        $number++;

        push @found, "$path:$number: a tab" if $line =~ /\t/ && !$is_make;
        push @found, "$path:$number: trailing blanks" if $line =~ /\s\z/;

        # columns are characters; a tab of a makefile counts as one
        my $columns = () = $line =~ /[^\x80-\xbf]/g;
        push @found, "$path:$number: $columns columns"
            if $columns > 80 && $is_code && !is_one_word($line);
    }

    push @found, "$path:$number: no end of line at the end"
        if $text !~ /\n\z/ && $text ne '';
    push @found, "$path:$number: empty lines at the end" if $text =~ /\n\n\z/;

    return @found;
}


# What cannot be broken: a URI, a path, a base64 text.
sub is_one_word {
    my ($line) = @_;

    return $line =~ m{\A\s*(?:[\#*]\s*)?\S{60,}\s*\z} || $line =~ m{://};
}


# Functions: their length, return types, and what is between them.
sub functions {
    my ($path, $text) = @_;

    my $module = $path =~ m{\Angx_gateway_module/};
    my $tests = $path =~ m{\At/};
    my $max_lines = $module ? 120 : 80;
    my $max_file = $module ? 1500 : 1000;

    my @lines = split /\n/, without_comments($text, 1);
    my @raw = split /\n/, $text;
    my @found;
    my $begin;

    push @found, "$path:$max_file: the file has " . @lines . ' lines'
        if @lines > $max_file && !$tests;

    for my $i (0 .. $#lines) {

        if ($lines[$i] eq '{') {
            $begin = $i;

            # back to the line that has the name
            my $j = $i - 1;
            $j-- while $j > 0 && $lines[$j] =~ /\A\s/;

            push @found, "$path:" . ($j + 1) . ': return type and name share'
                         . ' a line'
                if $lines[$j] =~ /\A[A-Za-z_][\w \*]*[ \*]\w+\(/
                   && $lines[$j] !~ /\A(?:struct|enum|union)\b[^(]*\z/;

        } elsif (defined $begin && $lines[$i] =~ /\A\}/) {
            my $length = $i - $begin - 1;
            push @found, "$path:" . ($begin + 1) . ": a function of $length"
                         . ' lines'
                if $length > $max_lines && $lines[$i] eq '}';

            # two empty lines, or the end of a condition or of the file
            if ($lines[$i] eq '}' && $i < $#raw) {
                my $next = $i + 1;
                $next++ while $next <= $#raw && $raw[$next] eq '';

                push @found, "$path:" . ($i + 1) . ': not two empty lines'
                             . ' after a function'
                    if $next <= $#raw && $next - $i != 3
                       && $raw[$next] !~ /\A#\s*(?:endif|else|elif|undef)/;
            }

            undef $begin;
        }
    }

    return @found;
}


# Braces always, an empty line before "} else", no // comments.
sub braces {
    my ($path, $text) = @_;

    my @lines = split /\n/, without_comments($text, 1);
    my @raw = split /\n/, $text;
    my @found;

    for my $i (0 .. $#lines) {
        my $line = $lines[$i];
        my $where = "$path:" . ($i + 1);

        # a preprocessor's line goes on
        next if $line =~ /\\\z/ || $line =~ /\A\s*#/;

        push @found, "$where: a // comment" if $line =~ m{//};

        push @found, "$where: no empty line before \"} else\""
            if $line =~ /\A\s*\} else/ && $i > 0 && $raw[$i - 1] !~ /\A\s*\z/;

        push @found, "$where: \"else\" without a brace"
            if $line =~ /\belse\s*\z/
               || $line =~ /\belse\s+(?!if\b|\{)\S/;

        next if $line !~ /\A\s*(?:\} else )?(?:if|for|while|switch) \(/;

        # the condition's end, on this line or a later one
        my $j = $i;
        my $all = $line;
        while (balance($all) > 0 && $j < $#lines && $j < $i + 30) {
            $all .= "\n" . $lines[++$j];
        }

        my $rest = after_condition($all);
        next if !defined $rest;

        if ($rest =~ /\A\s*\z/) {
            my $k = $j + 1;
            $k++ while $k < $#lines && $lines[$k] =~ /\A\s*\z/;
            push @found, "$where: no brace" if ($lines[$k] // '') !~ /\A\s*\{/;

        } elsif ($rest !~ /\A\s*\{/ && $line !~ /\A\s*\} while/) {
            push @found, "$where: no brace";
        }
    }

    return @found;
}


sub balance {
    my ($text) = @_;
    return ($text =~ tr/(//) - ($text =~ tr/)//);
}


# What follows the parenthesis that closes the first one.
sub after_condition {
    my ($text) = @_;

    my $depth = 0;

    while ($text =~ /([()])/g) {
        $depth += $1 eq '(' ? 1 : -1;
        return substr $text, pos $text if $depth == 0;
    }

    return undef;
}


# Copyright, then the file's duty in a sentence.
sub head_comment {
    my ($path, $text) = @_;

    my $sign = $path =~ /\.(?:c|h|def)\z/ ? qr{ ?\*}
             : $path =~ /\.sql\z/ ? qr{--} : $path =~ /\.ac\z/ ? qr{dnl}
             : qr{#};

    my $head = substr $text, 0, 1500;
    return if $head =~ m{
        ^ $sign \s Copyright \s \(C\) \s the \s Warren \s authors \n
        $sign \n
        $sign \s \S
    }mx;

    return "$path:1: not a copyright line and the file's duty";
}


# Whose headers a folder may include.  rules: { 'name' => qr/files/ } says that
# headers matching the name are for these files only.
sub includes {
    my ($path, $text, $rules) = @_;

    my @found;
    my $number = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;

        my ($header) = $line =~ /\A\s*#\s*include\s+["<]([^">]+)[">]/ or next;

        for my $rule (@$rules) {
            my ($headers, $files, $why) = @$rule;

            push @found, "$path:$number: includes $header: $why"
                if $header =~ $headers && $path !~ $files;
        }
    }

    return @found;
}


# ngx_config.h decides what the system's headers show, so nothing of theirs may
# stand before the first header of ours or of nginx.
sub nginx_first {
    my ($path, $text) = @_;

    my ($first) = $text =~ /^#include ([<"][^>"]+)/m;

    return !defined $first || $first =~ /\A(?:"|<ngx_)/
           ? () : ("$path: includes $first> before nginx");
}


# Where versions of nginx differ is said in one header.
sub nginx_versions {
    my ($path, $text) = @_;

    my @lines = split /\n/, $text;

    return map { "$path:" . ($_ + 1) . ': asks for nginx\'s version' }
           grep { $lines[$_] =~ /^\s*#.*\bnginx_version\b/ } 0 .. $#lines;
}


# The layers of shared/, the lowest first; a name is a file's without ".c",
# "_private" and what follows its first "_" if the whole is not named.
my @layers = (
    ground => [qw(
        arena clock debug digest id json log memory pid_file settings skew utf8
        version wire
    )],
    process => [qw(admin stats supervisor work)],
    broker => [qw(broker)],
    database => [qw(db pg_array)],
    join => [qw(
        announce ask batch crash dead decode dispatch gather history
        housekeeping inbox insert key lane order outbox page reply request retry
        service settle timer tx turn warren wr
    )],
);

# What a handler or the program around it sees: contracts, for every layer.
my %contract = map { $_ => 1 } qw(
    key.h lane.h request.h service.h settings.h stats.h tx.h
);


sub layer {
    my ($file) = @_;

    my ($name) = $file =~ m{([^/.]+)\.\w+\z};
    $name =~ s/_private\z//;

    for my $try ($name, $name =~ /\A([a-z]+)_/) {
        for (my $i = 0; $i < @layers; $i += 2) {
            return $i / 2 if grep { $_ eq $try } @{ $layers[$i + 1] };
        }
    }

    return undef;
}


# Files of shared/ that include what is above them.
sub layers {
    my ($path, $text) = @_;

    my $mine = layer($path);
    return "$path:1: has no layer in t/lib/Warren/Lint.pm" if !defined $mine;

    my @found;
    my $number = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;

        my ($header) = $line =~ /\A\s*#\s*include\s+"([^"]+)"/ or next;
        next if $contract{$header};

        my $layer = layer($header);

        push @found, "$path:$number: $layers[$mine * 2] includes $header of "
                     . (defined $layer ? $layers[$layer * 2] : 'no layer')
            if !defined $layer || $layer > $mine;
    }

    return @found;
}


# A worker includes its own headers and those that are installed.
sub foreign_headers {
    my ($path, $text, $known) = @_;

    my @found;
    my $number = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;
        push @found, "$path:$number: includes $1, neither its own nor"
                     . ' installed'
            if $line =~ /\A\s*#\s*include\s+"([^"]+)"/ && !$known->{$1};
    }

    return @found;
}


# Symbols that a built file must not refer to.  text is what nm -A printed:
# "file:  U symbol".  Each rule: [symbols, files that may, why].
sub symbols {
    my ($text, @rules) = @_;

    my @found;

    for my $line (split /\n/, $text) {
        my ($file, $symbol) = $line =~ /\A(.*):\s+[Uw] ([^\s@]+)/ or next;

        for my $rule (@rules) {
            my ($symbols, $files, $why) = @$rule;

            push @found, "$file:1: refers to $symbol: $why"
                if $symbol =~ $symbols && $file !~ $files;
        }
    }

    return @found;
}


# A service's name in code that must not know one: as a string, or as the
# prefix of an identifier.  The exchange "notifications" is the wire's.
sub domain_words {
    my ($path, $text) = @_;

    my $names = join '|', @services;
    my @found;
    my $number = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;

        next if $path =~ m{/wire\.h\z}
                && $line =~ /\A#define WIRE_\w+ +"notifications"\z/;

        push @found, "$path:$number: names the service $1"
            if $line =~ /"(?:rpc\.|commands\.|events\.)?($names)["._]/
               || $line =~ /\b($names)_(?!r\b)\w+\s*\(/;
    }

    return @found;
}


# Prototypes in a header whose paragraph has no comment above them.
sub undocumented_functions {
    my ($path, $text) = @_;

    my @found;
    my $number = 0;
    my ($in_comment, $has_comment, $depth, $is_macro, $in_body) = (0) x 5;

    for my $line (split /\n/, $text) {
        $number++;

        if ($in_comment) {
            $in_comment = 0 if $line =~ m{\*/};
            next;
        }

        if ($line =~ m{\A\s*/\*}) {
            $has_comment = 1;
            $in_comment = 1 if $line !~ m{\*/};
            next;
        }

        if ($line eq '') {
            $has_comment = 0;
            next;
        }

        # a macro and the lines it goes on
        my $was_macro = $is_macro;
        $is_macro = $line =~ /\\\z/ && ($was_macro || $line =~ /\A\s*#/);
        next if $was_macro || $line =~ /\A\s*#/;

        next if $line =~ /\A(?:typedef|extern "C"|\s|\}|\{)/;

        # type and name of a prototype begin at the left
        if ($line =~ /\A[a-z_][\w \*]*?[ \*](\w+)\(/ && !$has_comment) {
            push @found, "$path:$number: $1() has no comment";
        }
    }

    return @found;
}


# Directives in nginx's command tables: (path:line, name) pairs.
sub directives {
    my ($path, $text) = @_;

    my @found;
    my $number = 0;
    my $in_table = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;

        $in_table = 1 if $line =~ /ngx_command_t\s+\w+\[\]\s*=/;
        push @found, ["$path:$number", $1]
            if $in_table && $line =~ /ngx_string\("([^"]+)"\)/;
        $in_table = 0 if $line =~ /\A\};/;
    }

    return @found;
}


# What of a directive's page in a README is missing: its heading, the table
# with syntax, default and context, or an example.
sub untold {
    my ($name, $readme) = @_;

    my ($page) = $readme =~ /^### \Q$name\E\n(.*?)(?=^##|\z)/ms
        or return ("$name has no heading");

    return (
        (map { "$name has no $_" }
         grep { $page !~ /^\| \Q$_\E \| \S.* \|$/m }
              qw(Syntax Default Context)),
        $page =~ /^\| Syntax \| `\Q$name\E\b/m ? ()
            : "$name is not in its syntax",
        $page =~ /^    (?:\S.*[ {])?\Q$name\E(?=[ ;])/m
        || $page =~ /^ {5,}\Q$name\E(?=[ ;])/m ? ()
            : "$name has no example",
    );
}


# Which directives a configuration does not use; comments do not count.
sub unshown {
    my ($conf, @names) = @_;

    $conf =~ s/(?:^|(?<=\s))#.*$//mg;

    return grep { $conf !~ /(?:\A|[\s{;])\Q$_\E(?=[\s;])/ } @names;
}


# Keys in tables of settings: (path:line, key) pairs.
sub settings {
    my ($path, $text) = @_;

    my @found;
    my $number = 0;

    for my $line (split /\n/, without_comments($text)) {
        $number++;
        push @found, ["$path:$number", $1]
            if $line =~ /\{ "([a-z_.]+)", WR_SETTING_/;
    }

    return @found;
}


# Words of what is not done.
sub unfinished {
    my ($path, $text) = @_;

    my $words = join '|', map { join '', @$_ }
                ['TO', 'DO'], ['FIX', 'ME'], ['X', 'XX'], ['HA', 'CK'];
    my @found;
    my $number = 0;

    for my $line (split /\n/, $text) {
        $number++;
        push @found, "$path:$number: $1"
            if $line =~ /(?<![\w-])($words)(?![\w-])/;
    }

    return @found;
}


# Paths that leave the project or belong to one machine.
sub outside {
    my ($path, $text) = @_;

    my @found;
    my $number = 0;
    my $depth = () = $path =~ m{/}g;

    for my $line (split /\n/, $text) {
        $number++;

        push @found, "$path:$number: a path of somebody's machine: $1"
            if $line =~ m{(?<![\w.\$\}])(/(?:home|work|root|Users)/[\w.]+)};

        # as many steps up as the file is deep stay within the tree
        while ($line =~ m{(?<![\w/.])((?:\.\./)+)(\w[\w.-]*)?}g) {
            my $up = length($1) / 3;
            push @found, "$path:$number: leaves the tree: $1" . ($2 // '')
                if $up > $depth;
        }
    }

    return @found;
}


# Folders with files in them and no README.md; files are paths.
sub folders_without_readme {
    my (@files) = @_;

    my (%folder, %readme);

    for my $file (@files) {
        my ($folder) = $file =~ m{\A(.*)/[^/]+\z};
        $folder //= '.';
        $folder{$folder} = 1;
        $folder{$1} = 1 while $folder =~ s{\A(.+)/[^/]+\z}{$1} && $folder;
        $readme{ $file =~ m{\A(.*)/} ? $1 : '.' } = 1
            if $file =~ m{(?:\A|/)README\.md\z};
    }

    # what sqitch, perl and the integration machine want where it is
    my $told_above = qr{
        \A (?: \.ci | sql/\w+/(?:deploy|revert|verify)
               | t/lib/Warren(?:/\w+)? ) \z
    }x;

    return map { "$_:1: a folder without README.md" }
           grep { !$readme{$_} && $_ !~ $told_above } sort keys %folder;
}


1;
