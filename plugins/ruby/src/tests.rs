//! Rows.

use crate::bundle::{parse_lock, split_version};
use crate::source::{Source, Target, parse_source};

fn shown(source: &Source) -> String {
    let value = |path: &crate::expression::Path| {
        let value = path.value(Some(b"/d/f.rb"), Some(b"/cwd"));
        value.map_or("-".to_owned(), |value| String::from_utf8(value).unwrap())
    };
    let words = source.references.iter().map(|reference| {
        let mark = if reference.sure { "" } else { "?" };
        let text = match &reference.target {
            Target::Feature(path) => value(path),
            Target::Relative(path) => format!("relative({})", value(path)),
            Target::Load(path) => format!("load({})", value(path)),
            Target::Found(_) => "found".to_owned(),
            Target::Include(path, true) => format!("front({})", value(path)),
            Target::Include(path, false) => format!("back({})", value(path)),
            Target::Program(gem, program) => {
                format!(
                    "program({} {})",
                    String::from_utf8_lossy(gem),
                    String::from_utf8_lossy(program)
                )
            }
            Target::Bundle(all) => format!("bundle({all})"),
        };
        format!("{text}{mark}")
    });
    words.collect::<Vec<_>>().join(" ")
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
fn t6_19_plain() {
    check(
        "require 'a'\nrequire \"b/c\"; require('d')\nrequire %q(e)",
        "a b/c d e",
    );
    check(
        "require_relative 'a'\nload 'b.rb'\nKernel.require 'c'\n",
        "relative(a) load(b.rb) c",
    );
    check(
        "class A\n  require 'a'\n  module B; require 'b'; end\nend\nrequire 'c'",
        "a b c",
    );
    check("x = require 'a'\nrequire 'b' or raise 'x'\n", "a b");
    check("autoload :A, 'a'\nautoload(:B, \"b\")", "a? b?");
    check(
        "load Gem.activate_bin_path('rake', 'rake', version)",
        "program(rake rake)",
    );
    check(
        "require 'bundler/setup'\nBundler.require(:default)\n",
        "bundler/setup bundle(true)",
    );
}

#[test]
fn t6_19_what_may_be() {
    check("def f\n  require 'a'\nend\nrequire 'b'", "a? b");
    check(
        "if x\n require 'a'\nelse\n require 'b'\nend\nrequire 'c'",
        "a? b? c",
    );
    check(
        "begin\n require 'a'\nrescue LoadError\n require 'b'\nend\nrequire 'c'",
        "a? b? c",
    );
    check(
        "require 'a' if x\nrequire 'b' unless y\nrequire 'c' rescue nil\nrequire 'd'",
        "a? b? c? d",
    );
    check(
        "x && require('a')\nx and require 'b'\nx ? require('c') : 1\nrequire 'd'",
        "a? b? c? d",
    );
    check(
        "f do\n require 'a'\nend\nf { require 'b' }\nf do |x|\n require 'c'\nend\nrequire 'd'",
        "a? b? c? d",
    );
    check(
        "while x do\n require 'a'\nend\nuntil y\n f do\n end\nend\nrequire 'b'",
        "a? b",
    );
    check("case x\nwhen 1 then require 'a'\nend\nrequire 'b'", "a? b");
    check("def f(x) = require('a')\nrequire 'b'", "a? b");
    check(
        "def f(x = 1, y: 2)\nend\ndef g a, b = 1\nend\ndef h=(v)\nend\ndef ==(o)\nend\ndef self.i? = 1\nrequire 'b'",
        "b",
    );
    check("x = if y then 1 else 2 end\nrequire 'b'", "b");
    check("exit 1\nrequire 'b'", "b?");
    check("exit 1 if x\nrequire 'b'", "b");
    check("class << self\n def f; end\nend\nrequire 'b'", "b");
    check("-> { require 'a' }\nlambda do\nend\nrequire 'b'", "a? b");
    check("x = { a: 1,\n b: 2 }\nrequire 'b'", "b");
    check("foo(1,\n  2) do |a|\nend\nrequire 'b'", "b");
}

#[test]
fn t6_19_not_asked_for() {
    check(
        "# require 'a'\n'require \"b\"'\n\"require 'c'\"\n%w[require d]\n%q(require 'e')\n/require 'f'/",
        "",
    );
    check("=begin\nrequire 'a'\n=end\nrequire 'b'", "b");
    check("require 'a'\n__END__\nrequire 'b'", "a");
    check(
        "x = <<A + <<~'B'; require 'c'\nrequire 'd'\nA\n require 'e'\n  B\nrequire 'f'",
        "c f",
    );
    check("puts <<-EOS\nrequire 'a'\n   EOS\nrequire 'b'", "b");
    check(
        "foo.require 'a'\nx = {require: 'b'}\n:require\nrequire x\nrequire \"#{x}/y\"\nrequire 'a' + x",
        "",
    );
    check(
        "def require(x)\nend\nalias_method :require, :x\nparams.require(:x)",
        "",
    );
}

#[test]
fn t6_19_lexing() {
    check("x = y / 2; require 'a'; z / 3", "a");
    check("x = foo /'/\nrequire 'a'\nbar /'/", "a");
    check("x =~ /\"/ ? 1 : 2\nrequire 'a'\n'\"'", "a");
    check(
        "x.split(/'/)\nrequire 'a'\ny.gsub(%r{'}, \"'\")\nrequire 'b'",
        "a b",
    );
    check("\"#{x[\"y\"]} #{ {a: '}'} }\"\nrequire 'a'", "a");
    check("\"a#{\"b#{'c'}\"}\"; require 'a'", "a");
    check("x % 3; y %z; require 'a'", "a");
    check("puts %w(it's)\nrequire 'a'", "a");
    check("$' ; $\"; $`; require 'a'", "a");
    check("x = ?'\nrequire 'a'\ny ? 'b' : \"c\"\nrequire 'b'", "a b");
    check(":\"it's\"; :'x'; :[]=; :<<; :/; require 'a'", "a");
    check("x << y; arr <<'z'\nrequire 'a'", "a");
    check("1 << 3; x<<2; require 'a'", "a");
    check(
        "foo.class; foo.end; x.if; {if: 1, end: 2, class: 3}\nrequire 'a'",
        "a",
    );
    check("foo :end, :class, :if\nrequire 'a'", "a");
    check("foo\n  .bar do\n  end\n  .baz\nrequire 'a'", "a");
    check("x = y ||\n  z\nrequire 'a'", "a");
    check("require 'a' \\\n  if x\nrequire 'b'", "a? b");
    check("`it's`\nrequire 'a'", "a");
    check(
        "require 'a'\r\nrequire 'b'\r\n=begin\r\nrequire 'c'\r\n=end\r\nrequire 'd'",
        "a b d",
    );
    check("return unless x\nrequire 'a'", "a");
    check("p(*x, **y, &z)\nrequire 'a'", "a");
    check("def é; 'ü'; end; require 'a'", "a");
    check(
        "loop { |x| break if x }\nbegin; end while x\nrequire 'a'",
        "a",
    );
    check("require 'a'; \"unfinished", "a");
}

#[test]
fn t6_19_where_to_search() {
    check(
        "$LOAD_PATH.unshift File.expand_path('../lib', __dir__)",
        "front(/lib)",
    );
    check(
        "$:.unshift(File.dirname(__FILE__) + '/lib')",
        "front(/d/lib)",
    );
    check(
        "$: << '/a'\n$LOAD_PATH.push('/b', '/c')",
        "back(/a) back(/b) back(/c)",
    );
    check(
        "$LOAD_PATH.unshift File.join(File.dirname(__FILE__), '..', 'lib')",
        "front(/d/../lib)",
    );
    check(
        "require File.expand_path('../x', __FILE__)\nrequire \"#{__dir__}/y\"\nrequire __dir__ + '/z'",
        "/d/x /d/y /d/z",
    );
    check("$LOAD_PATH.unshift('/a') if x", "front(/a)?");
    check("require File.join(File.dirname(__FILE__), 'w')", "/d/w");
}

#[test]
fn t6_18_program_within_a_file() {
    let text = b"From: x\nrequire 'no'\n#!/usr/bin/ruby -w\nrequire 'a'\n__END__\n";
    assert_eq!(shown(&parse_source(text, true)), "a");
}

#[test]
fn t6_19_locks() {
    let lock = parse_lock(
        b"GIT\n  remote: https://x/y/rails.git\n  revision: 0123456789abcdef\n  specs:\n    rails (7.0)\n\n\
          PATH\n  remote: .\n  specs:\n    own (1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    \
          nokogiri (1.15.0-x86_64-linux)\n      racc (~> 1.4)\n    rack (2.2.6)\n    ../evil (1.0)\n\n\
          PLATFORMS\n  ruby\n\nDEPENDENCIES\n  own!\n  rack (~> 2.0)\n\nBUNDLED WITH\n   2.3.7\n",
    );
    let gems: Vec<String> = lock
        .gems
        .iter()
        .map(|(name, version)| {
            format!(
                "{} {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(version)
            )
        })
        .collect();
    assert_eq!(gems, ["nokogiri 1.15.0-x86_64-linux", "rack 2.2.6"]);
    assert_eq!(lock.wanted, [&b"own"[..], b"rack"]);
    assert_eq!(lock.checkouts, [b"rails-0123456789ab"]);
    assert_eq!(lock.directories, [b"."]);
    assert_eq!(
        split_version(b"rack-test-2.1.0-java"),
        Some((&b"rack-test"[..], &b"2.1.0-java"[..]))
    );
    assert_eq!(split_version(b"rack"), None);
}

/// What a hostile file can do at worst: none may take time in the square of its size.
#[test]
fn t11_02_hostile_texts_are_read_in_time() {
    let pieces: [&[u8]; 22] = [
        b"<<A",
        b"x <<A\n",
        b"x <<A\nA\n",
        b"/a ",
        b"a /a ",
        b"%q(",
        b"%(",
        b"\"#{",
        b"\"#{'",
        b"def ",
        b"do ",
        b"{",
        b"end ",
        b"if ",
        b"require ",
        b"require('a'+",
        b"File.join(",
        b"=begin\n",
        b":\"",
        b"?",
        b"while ",
        b"$: << ",
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
