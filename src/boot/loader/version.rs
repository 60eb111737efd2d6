//! Orders of versions that boot loaders sort by.

use std::cmp::Ordering;

/// The order of the UAPI Version Format Specification (UAPI.10), which systemd-boot follows (`strverscmp_improved`).
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        left = skip_while(left, |byte| !is_version_byte(byte));
        right = skip_while(right, |byte| !is_version_byte(byte));
        match step(left, right, b'~') {
            Step::Differ(order) => return order,
            Step::Both => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            Step::Neither => {}
        }
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let mut skipped = false;
        for mark in *b"-^." {
            match step(left, right, mark) {
                Step::Differ(order) => return order,
                Step::Both => {
                    (left, right) = (&left[1..], &right[1..]);
                    skipped = true;
                }
                Step::Neither => {}
            }
        }
        if skipped {
            continue;
        }
        let numeric = left[0].is_ascii_digit() || right[0].is_ascii_digit();
        let class = if numeric {
            u8::is_ascii_digit
        } else {
            u8::is_ascii_alphabetic
        };
        let (one, two) = (run(left, class), run(right, class));
        let order = match numeric {
            true => compare_numbers(one, two),
            false => one.cmp(two),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (&left[one.len()..], &right[two.len()..]);
    }
}

/// The order of the names of boot entries in Red Hat's `blscfg` command of GRUB up to RHEL 9: name, version and release,
/// cut at the last two `-`, each by rpm's order with a `+` that sorts as rpm's `^` does.
pub(super) fn compare_packages(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (split_package(left), split_package(right));
    left.into_iter()
        .zip(right)
        .map(|(one, two)| compare_rpm(one, two))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Name, version, release; what there is goes to the front.
fn split_package(name: &[u8]) -> [&[u8]; 3] {
    let mut parts = name.rsplitn(3, |&byte| byte == b'-').collect::<Vec<_>>();
    parts.reverse();
    parts.resize(3, b"");
    [parts[0], parts[1], parts[2]]
}

fn compare_rpm(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    let is_mark = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'~' || byte == b'+';
    while !(left.is_empty() && right.is_empty()) {
        left = skip_while(left, |byte| !is_mark(byte));
        right = skip_while(right, |byte| !is_mark(byte));
        match step(left, right, b'~') {
            Step::Differ(order) => return order,
            Step::Both => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            Step::Neither => {}
        }
        match step(left, right, b'+') {
            // Beside the end of the other it is more, beside anything else it is less.
            Step::Differ(_) if left.is_empty() => return Ordering::Less,
            Step::Differ(_) if right.is_empty() => return Ordering::Greater,
            Step::Differ(order) => return order,
            Step::Both => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            Step::Neither => {}
        }
        let Some(first) = left.first().filter(|_| !right.is_empty()) else {
            break;
        };
        let numeric = first.is_ascii_digit();
        let class = if numeric {
            u8::is_ascii_digit
        } else {
            u8::is_ascii_alphabetic
        };
        let (one, two) = (run(left, class), run(right, class));
        let order = match (numeric, two.is_empty()) {
            // A number is newer than a word.
            (true, true) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (true, false) => compare_numbers(one, two),
            (false, false) => one.cmp(two),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (&left[one.len()..], &right[two.len()..]);
    }
    left.is_empty().cmp(&right.is_empty()).reverse()
}

/// Whether a mark stands in front.
enum Step {
    Neither,
    Both,
    /// Who has it is less.
    Differ(Ordering),
}

fn step(left: &[u8], right: &[u8], mark: u8) -> Step {
    match (left.first() == Some(&mark), right.first() == Some(&mark)) {
        (false, false) => Step::Neither,
        (true, true) => Step::Both,
        (true, false) => Step::Differ(Ordering::Less),
        (false, true) => Step::Differ(Ordering::Greater),
    }
}

fn is_version_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.~^".contains(&byte)
}

/// Of any length: the longer one is the bigger one, once zeros in front are gone.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (left, right) = (
        skip_while(left, |byte| byte == b'0'),
        skip_while(right, |byte| byte == b'0'),
    );
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

fn skip_while(bytes: &[u8], unwanted: impl Fn(u8) -> bool) -> &[u8] {
    let start = bytes.iter().position(|&byte| !unwanted(byte));
    &bytes[start.unwrap_or(bytes.len())..]
}

fn run(bytes: &[u8], class: fn(&u8) -> bool) -> &[u8] {
    let end = bytes.iter().position(|byte| !class(byte));
    &bytes[..end.unwrap_or(bytes.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row of the specification: `a OPERATOR b`.
    #[track_caller]
    fn check(row: &str) {
        let words: Vec<&str> = row.split(' ').collect();
        let (left, right) = (words[0].trim_matches('\''), words[2].trim_matches('\''));
        let expected = match words[1] {
            "<" => Ordering::Less,
            ">" => Ordering::Greater,
            _ => Ordering::Equal,
        };
        assert_eq!(
            compare(left.as_bytes(), right.as_bytes()),
            expected,
            "{row}"
        );
        let reverse = compare(right.as_bytes(), left.as_bytes());
        assert_eq!(reverse, expected.reverse(), "{row}");
    }

    #[test]
    fn t9_08_examples_of_the_specification() {
        for row in [
            "11 == 11",
            "systemd-123 == systemd-123",
            "bar-123 < foo-123",
            "123a > 123",
            "123.a > 123",
            "123.a < 123.b",
            "123a > 123.a",
            "11α == 11β",
            "B < a",
            "'' < 0",
            "0. > 0",
            "0.0 > 0",
            "0 > ~",
            "'' > ~",
            "1_ == 1",
            "_1 == 1",
            "1_ < 1.2",
            "1_2_3 > 1.3.3",
            "1+ == 1",
            "+1 == 1",
            "1+ < 1.2",
            "1+2+3 > 1.3.3",
        ] {
            check(row);
        }
    }

    #[test]
    fn t9_08_the_chain_of_the_specification() {
        let chain = [
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ];
        for (at, left) in chain.iter().enumerate() {
            for (other, right) in chain.iter().enumerate() {
                let order = compare(left.as_bytes(), right.as_bytes());
                assert_eq!(order, at.cmp(&other), "{left} {right}");
            }
        }
    }

    #[track_caller]
    fn check_packages(older: &str, newer: &str) {
        let order = compare_packages(older.as_bytes(), newer.as_bytes());
        assert_eq!(order, Ordering::Less, "{older} {newer}");
        let order = compare_packages(newer.as_bytes(), older.as_bytes());
        assert_eq!(order, Ordering::Greater, "{newer} {older}");
    }

    #[test]
    fn t9_08_names_of_entries_as_grub_sorts_them() {
        const ID: &str = "0f5a4c7d1e2b4b3c8d9e0a1b2c3d4e5f";
        let of = |version: &str| format!("{ID}-{version}");
        let old = of("5.14.0-70.13.1.el9_0.x86_64");
        check_packages(&old, &of("5.14.0-70.22.1.el9_0.x86_64"));
        check_packages(&of("5.14.0-70.el9.x86_64"), &of("5.14.0-162.el9.x86_64"));
        check_packages(&of("0-rescue"), &old);
        check_packages(&of("6.1.0~rc1-1.fc40.x86_64"), &of("6.1.0-1.fc40.x86_64"));
        check_packages(
            &of("5.14.0-70.el9.x86_64"),
            &of("5.14.0-70.el9.x86_64+debug"),
        );
        check_packages(&of("5.14.0-7.el9"), &of("5.14.0-70.el9"));
        check_packages("a", "b");
        assert_eq!(compare_packages(b"a-1.0", b"a-1_0"), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn orders_are_orders(texts in prop::collection::vec("[a-b0-1.~^+_-]{0,6}", 3)) {
            for order in [compare, compare_packages] {
                let of = |at: usize, other: usize| order(texts[at].as_bytes(), texts[other].as_bytes());
                prop_assert_eq!(of(0, 1), of(1, 0).reverse());
                prop_assert_eq!(of(0, 0), Ordering::Equal);
            }
            let of = |at: usize, other: usize| compare(texts[at].as_bytes(), texts[other].as_bytes());
            if of(0, 1).is_le() && of(1, 2).is_le() {
                prop_assert!(of(0, 2).is_le());
            }
        }
    }
}
