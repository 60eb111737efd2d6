//! Rows.

use crate::lexer::{Lexer, Token};
use crate::source::{Source, Target, library, parse_source};

fn shown(source: &Source) -> String {
    let mut words = Vec::new();
    for reference in source.compiled.iter().chain(&source.run) {
        let mark = if reference.sure { "" } else { "?" };
        let text = match &reference.target {
            Target::Library(path) => String::from_utf8_lossy(path).into_owned(),
            Target::File(path) => {
                format!("{path:?}")
                    .replace("Text([", "[")
                    .chars()
                    .take(0)
                    .collect::<String>()
                    + &parts(path)
            }
            Target::Include(paths, place) => {
                let paths: Vec<String> = paths.iter().map(parts).collect();
                format!("{place:?}({})", paths.join(","))
            }
        };
        words.push(format!("{text}{mark}"));
    }
    words.join(" ")
}

fn parts(path: &crate::words::PathText) -> String {
    use crate::words::Part;
    let parts = path.iter().map(|part| match part {
        Part::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Part::Bin => "BIN".to_owned(),
        Part::RealBin => "REAL".to_owned(),
        Part::ThisFile => "FILE".to_owned(),
        Part::ThisDirectory => "DIR".to_owned(),
    });
    format!("<{}>", parts.collect::<String>())
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(
        shown(&parse_source(text.as_bytes(), false)),
        expected,
        "{text}"
    );
}

#[test]
fn t6_17_plain() {
    check(
        "use strict; use warnings;\nuse A::B;",
        "strict.pm warnings.pm A/B.pm",
    );
    check("use A'B;no A::C;", "A/B.pm A/C.pm");
    check(
        "use 5.010; use v5.36; use 5.010_001; require 5.006; use v5.10.1;",
        "",
    );
    check("use A 1.5 qw(b c);use B v1.2;", "A.pm B.pm");
    check("use A\n  ::B;", "A.pm");
    check("use A;use B ();use C{a=>1};use D;", "A.pm B.pm C.pm D.pm");
    check(
        "require A::B; require 'f.pl'; require \"g.pl\"; do 'h'; do('./i');",
        "A/B.pm <f.pl> <g.pl> <h> <./i>",
    );
    check("require(A::B);", "A/B.pm");
    check("require A::B or die 'x';", "A/B.pm");
    check("package X { use A; require B; }", "A.pm B.pm");
    check("{ require B; }", "B.pm");
    check("my $x = require B;", "B.pm");
}

#[test]
fn t6_17_what_may_be() {
    check("sub f { require B; use C; }", "C.pm B.pm?");
    check("if ($x) { require B } require C;", "B.pm? C.pm");
    check(
        "require B if $x; require C unless $y; require D;",
        "B.pm? C.pm? D.pm",
    );
    check(
        "$x and require B; $x || require C; $x ? require D : require E;",
        "B.pm? C.pm? D.pm? E.pm?",
    );
    check(
        "eval { require B; 1 } or require C; require D;",
        "B.pm? C.pm? D.pm",
    );
    check(
        "eval 'use B; 1'; eval \"require C\"; eval q{ use D }; eval(\"use E;\")",
        "B.pm? D.pm? E.pm? C.pm?",
    );
    check(
        "BEGIN { require B; if ($x) { require C } eval { require D } }",
        "B.pm C.pm? D.pm?",
    );
    check("sub f { BEGIN { require B } }", "B.pm");
    check("END { require B } INIT { require C }", "C.pm B.pm?");
    check(
        "for (my $i = 0; $i < 3; $i++) { require B } require C;",
        "B.pm? C.pm",
    );
    check("my $s = sub { require B; }; require C;", "B.pm? C.pm");
    check("exit main(); require B; use C;", "C.pm B.pm?");
    check("exit 1 if $x; require B;", "B.pm");
    check(
        "use if $x, 'B' => 'c'; use if $] < 5, qw(C d);",
        "if.pm B.pm? if.pm C.pm?",
    );
    check("extends 'A', 'B'; with qw(C);", "A.pm? B.pm? C.pm?");
    check("while (my ($a) = each %{$x{a}}) { } require B;", "B.pm");
    check(
        "if (grep { $_ eq 'x' } @y) { f() } use B; require C;",
        "B.pm C.pm",
    );
}

#[test]
fn t6_17_not_asked_for() {
    check(
        "$x->require; X->use; __PACKAGE__->require('B'); %h = (use => 1, require => 'B'); $h{require}; $h{do}",
        "",
    );
    check(
        "# use A;\n'use B;'; \"use C;\"; q(use D;); qq{use E; {use F}}; qw/use G/;",
        "",
    );
    check(
        "$x =~ /use A;/; $x =~ s/use B;/use C;/; $x =~ m{use D;}x; tr/use/E;/; y{a}{use F;};",
        "",
    );
    check(
        "$x = <<A . <<'B'; use C;\nuse D;\nA\nuse E;\nB\nuse F;",
        "C.pm F.pm",
    );
    check("print <<~X;\n  use A;\n  X\nuse B;", "B.pm");
    check("print {$fh} <<\"X Y\";\nuse A;\nX Y\nuse B;", "B.pm");
    check("f(<<X, 'a\nuse A;\nX\nb');\nuse B;", "B.pm");
    check(
        "=head1 use A;\n\nuse B;\n\n=cut\nuse C;\n=pod\n\nuse D;\n",
        "C.pm",
    );
    check("use A;\n__END__\nuse B;", "A.pm");
    check("use A;\n__DATA__\nuse B;", "A.pm");
    check("use A;\x04use B;", "A.pm");
    check("format STDOUT =\nuse A;\n@<< it's\n.\nuse B;", "B.pm");
    check(
        "require $x; require \"$x/y.pl\"; do $f; do \"@x\"; do { 1 } while $x; require A->x;",
        "",
    );
    check("sub require { } sub do; &require(1);", "");
}

#[test]
fn t6_17_lexing() {
    check("$x = $y / 2; use A; $z / 3;", "A.pm");
    check("$x = f() / 2; use A; '/';", "A.pm");
    check("$x{a} / 2; use A; $z[1] / 3; use B;", "A.pm B.pm");
    check("split /'/, $x; use A; split /'/;", "A.pm");
    check("return /\"/ ? 1 : 2; use A; '\"'", "A.pm");
    check("$x = $#a; use A; $#{$x}; $#$y; use B;", "A.pm B.pm");
    check("$' . $\" . $`; use A;", "A.pm");
    check(
        "$h{s}; $h{y} = 1; $h{q}; ${m}; use A; (s => 1, y=>2)",
        "A.pm",
    );
    check("-s $f; -e '/x'; -d _; use A; -s '/'", "A.pm");
    check("$x->s(1); $x->y; $x->q; use A;", "A.pm");
    check("sub y { 1 } sub s; use A;", "A.pm");
    check("&s(1); %s = (); @y = (); $q = 1; use A;", "A.pm");
    check("q#use X;#; q #c\n(use Y;); use A;", "A.pm");
    check("s{a} {b}gex; s(a)/b/; s{a}\n#c\n{b}; use A;", "A.pm");
    check("s/a'/b/; s|/|'|g; use A;", "A.pm");
    check(
        "$a <=> $b; $a < $b; use A; $c > $d; <STDIN>; </tmp/*'>; use B;",
        "A.pm B.pm",
    );
    check("1 << 3; $x << 2; $x <<= 1; use A;", "A.pm");
    check("$x % 3; %$y; %{$z}; $x %$q; use A;", "A.pm");
    check(
        "$x // 'a'; shift // 'b'; use A; $y //= 1; use B;",
        "A.pm B.pm",
    );
    check(
        "sub f($$;$) { } sub g(\\@\\%) { } sub h($x, $y = 'a') { } use A;",
        "A.pm",
    );
    check("@{[ map { $_ / 2 } @x ]} / 3; use A; '/'", "A.pm");
    check("print 'a' if $x eq'b'; use A;", "A.pm");
    check(
        "$x = { a => { b => 1 } }; use A; map { { a => $_ } } @x; use B; require C;",
        "A.pm B.pm C.pm",
    );
    check("use A; \"unfinished", "A.pm");
    check("use utf8; my $é = 'ü'; use A;", "utf8.pm A.pm");
    check(
        "use A;\r\nuse B;\r\n=pod\r\n\r\nuse C;\r\n\r\n=cut\r\nuse D;\r\n",
        "A.pm B.pm D.pm",
    );
}

#[test]
fn t6_17_where_to_search() {
    check(
        "use lib '/a', \"/b\"; use lib qw(/c /d); no lib '/a';",
        "lib.pm Front(</a>,</b>) lib.pm Front(</c>,</d>) lib.pm Removed(</a>)",
    );
    check(
        "use FindBin qw($Bin); use lib \"$FindBin::Bin/../lib\", \"$Bin/x\", \"${FindBin::RealBin}/y\";",
        "FindBin.pm lib.pm Front(<BIN/../lib>,<BIN/x>,<REAL/y>)",
    );
    check(
        "use lib $FindBin::Bin . '/lib'; use lib dirname(__FILE__) . '/l';",
        "lib.pm Front(<BIN/lib>) lib.pm Front(<DIR/l>)",
    );
    check(
        "BEGIN { push @INC, '/a'; unshift(@INC, '/b', '/c') }",
        "Back(</a>) Front(</b>,</c>)",
    );
    check("BEGIN { unshift @INC, '/a' if -d '/a' }", "Front(</a>)?");
    check("use lib \"$x/y\", f('/z'), '/a';", "lib.pm Front(</a>)");
    assert_eq!(
        parse_source(b"use lib \"$x/y\", f('/z'), '/a';", false).computed,
        2
    );
    check(
        "use parent qw(A B::C); use base 'D'; use parent -norequire, 'E';",
        "parent.pm A.pm B/C.pm base.pm D.pm parent.pm",
    );
    check(
        "do \"$FindBin::Bin/x.pl\"; require dirname(__FILE__) . '/y.pl';",
        "<BIN/x.pl> <DIR/y.pl>",
    );
}

#[test]
fn t6_15_program_within_a_file() {
    let text = b"From: x\nuse No;\n#!/usr/bin/perl -w\nuse A;\n__END__\n";
    assert_eq!(shown(&parse_source(text, true)), "A.pm");
}

#[test]
fn names_of_packages() {
    assert_eq!(library(b"A::B'C").unwrap(), b"A/B/C.pm");
    assert_eq!(library(b"::A").unwrap(), b"A.pm");
    for bad in [&b""[..], b"1A", b"A/B", b"../A", b"A-B", b"A\0"] {
        assert_eq!(library(bad), None);
    }
}

#[test]
fn quote_like_operators_are_texts() {
    let mut lexer = Lexer::new(b"q(a(b)c) qq{d} qw[e f] 'g\\'h' A'B");
    let tokens: Vec<Token<'_>> = std::iter::from_fn(|| lexer.next()).collect();
    assert_eq!(tokens[0], Token::Text(b"a(b)c", false));
    assert_eq!(
        tokens[1],
        Token::Word(b"qq"),
        "no operand follows an operand"
    );
}

/// What a hostile file can do at worst: each of these once took, or might take, time in the square of its size.
#[test]
fn t11_02_hostile_texts_are_read_in_time() {
    let pieces: [&[u8]; 22] = [
        b"<<A",
        b"<<A\n",
        b"<<A;\nA\n",
        b"/a ",
        b"a /a ",
        b"q(",
        b"q{",
        b"s/",
        b"s{}",
        b"y ",
        b"format ",
        b";format x\n",
        b"{",
        b"}",
        b"do ",
        b"do 'a'.",
        b"require ",
        b"eval'",
        b"eval q(",
        b"=a\n",
        b"${",
        b"\"\\",
    ];
    for piece in pieces {
        let text = piece.repeat(1024 * 1024 / piece.len());
        let start = std::time::Instant::now();
        let _ = parse_source(&text, false);
        let taken = start.elapsed();

        assert!(
            taken.as_secs() < 5,
            "{:?}: {taken:?}",
            String::from_utf8_lossy(piece)
        );
    }
}
