use super::*;

#[track_caller]
fn check(text: &str, expected: &[(usize, Option<Operation>)]) {
    let found: Vec<_> = parse(text)
        .into_iter()
        .map(|statement| (statement.line, statement.what.ok()))
        .collect();
    assert_eq!(found, expected, "{text}");
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

fn regex(body: &str, flags: &str) -> Scalar {
    let (body, flags) = (body.to_owned(), flags.to_owned());
    Scalar::Regex { body, flags }
}

fn set(key: &str, scalar: Scalar) -> Option<Operation> {
    Some(Operation::Set(key.to_owned(), Value::Scalar(scalar)))
}

#[test]
fn values() {
    check("$nrconf{a}='b';", &[(1, set("a", text("b")))]);
    check(
        "\n$nrconf { 'a-b' } = -1",
        &[(2, set("a-b", Scalar::Integer(-1)))],
    );
    check("$nrconf{a} = undef;;", &[(1, set("a", Scalar::Undefined))]);
    check(r"$nrconf{a} = 'x\'\\\n';", &[(1, set("a", text(r"x'\\n")))]);
    check(
        r#"$nrconf{a} = "x\.\"\n";"#,
        &[(1, set("a", text("x.\"\n")))],
    );
    check("$nrconf{a} = q{a{b}c};", &[(1, set("a", text("a{b}c")))]);
    check("$nrconf{a} = q#a#; # b", &[(1, set("a", text("a")))]);
    check("$nrconf{a} = q #a\n(b);", &[(1, set("a", text("b")))]);
    check(
        "$nrconf{a} = qr(a(b)c)xi;",
        &[(1, set("a", regex("a(b)c", "ix")))],
    );
    check(
        "$nrconf{a} = qr!a\\!b!u;",
        &[(1, set("a", regex("a\\!b", "")))],
    );
    check(
        "$nrconf{a} = qr'^x$y';",
        &[(1, set("a", regex("^x$y", "")))],
    );
    check(
        "$nrconf{a} = qr(@.b|c$|d);",
        &[(1, set("a", regex("@.b|c$|d", "")))],
    );
    for wrong in [
        "$nrconf{a} = 010;",
        "$nrconf{a} = 1.5;",
        "$nrconf{a} = b;",
        "$nrconf{a} == 1;",
        "$nrconf{a} = 'b' . 'c';",
        "$nrconf{a}{b} = [];",
        "$nrconf{a} = qr(x)z;",
        "$nrconf{a} = qr($x);",
        "$nrconf{a-b} = 1;",
        "$nrconf{a} = 'b",
        "$nrconf = 1;",
        "$nrconf{a} = [ 'a' 'b' ];",
        "$nrconf{a} = { 'a' };",
        "$nrconf{a} = [ @{$nrconf{b}} ];",
        "$nrconf{a} = { b => 1, %{$nrconf{a}} };",
        "delete $x{a};",
        "push @x, 1;",
        "$nrconf{a} = \"$x\";",
        "a()",
    ] {
        check(wrong, &[(1, None)]);
    }
}

#[test]
fn where_statements_end() {
    let after = set("a", Scalar::Integer(1));
    for before in [
        "foo(';');",
        "if (1) { x; } elsif (2) { y } else { z; }",
        "$x =~ s/;/}/;",
        "$x =~ tr{;}{;};",
        "my @x = ('a;', \"b;\");",
        "print $';",
        "print \"}\" unless $#x;",
        "sub f { return { a => 1 }; }",
        "$x = { s => 1, y => 2 };",
        "use strict;",
        "foreach my $x (@y) { push @{$nrconf{z}}, $x; }",
    ] {
        check(
            &format!("{before}\n$nrconf{{a}} = 1;"),
            &[(1, None), (2, after.clone())],
        );
    }
    // An assignment in a block that is not always reached is none.
    check("if ($x) { $nrconf{a} = 1; }", &[(1, None)]);
    check("print <<E;\n$nrconf{a} = 1;\nE\n", &[(1, None)]);
    let block = "if(-d q(/x/conf.d)) { foreach my $f (</x/conf.d/*.conf>) { eval 1; } }";
    check(block, &[(1, Some(Operation::ReadDropIns))]);
    let sets = block.replace("eval 1", "eval 1; $nrconf{a} = 1");
    check(&sets, &[(1, None)]);
    check("1;\n__END__\n$nrconf{a} = 1;", &[]);
    check(
        "=head1\n$nrconf{a} = 2;\n\n=cut\n$nrconf{a} = 1;",
        &[(5, after)],
    );
}

#[test]
fn strings_of_perl() {
    assert_eq!(regex("^dbus", "").stringified(), "(?^:^dbus)");
    assert_eq!(regex("^x", "i").stringified(), "(?^i:^x)");
    assert_eq!(text("(x").stringified(), "(x");
    for (scalar, is_true) in [
        (text("0"), false),
        (text(""), false),
        (text("no"), true),
        (Scalar::Integer(0), false),
    ] {
        assert_eq!(scalar.is_true(), is_true, "{scalar:?}");
    }
}
