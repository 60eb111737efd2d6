//! The order of two versions, as `dpkg --compare-versions` tells it. Pure.
//!
//! Works on digits as text: a run of digits may be longer than any integer type.

use std::cmp::Ordering;

/// Compares two versions (`[EPOCH:]UPSTREAM[-REVISION]`). Any text has a place in the order; none is refused.
pub fn compare(a: &str, b: &str) -> Ordering {
    // dpkg(1): an empty version is earlier than any version, even than `~`.
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    let (a, b) = (Parts::of(a), Parts::of(b));
    compare_digits(a.epoch, b.epoch)
        .then_with(|| compare_part(a.upstream, b.upstream))
        .then_with(|| compare_part(a.revision, b.revision))
}

struct Parts<'a> {
    epoch: &'a [u8],
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(version: &'a str) -> Self {
        let bytes = version.trim().as_bytes();
        let (epoch, rest) = match bytes.iter().position(|&b| b == b':') {
            Some(colon) if bytes[..colon].iter().all(u8::is_ascii_digit) => {
                (&bytes[..colon], &bytes[colon + 1..])
            }
            _ => (&bytes[..0], bytes),
        };
        // A missing revision equals the revision "0": both compare as an empty run of digits.
        let (upstream, revision) = match rest.iter().rposition(|&b| b == b'-') {
            Some(dash) => (&rest[..dash], &rest[dash + 1..]),
            None => (rest, &rest[..0]),
        };
        Self {
            epoch,
            upstream,
            revision,
        }
    }
}

/// Alternates between a run of other characters and a run of digits, as `verrevcmp` of libdpkg does.
fn compare_part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|c| !c.is_ascii_digit())
            || b.first().is_some_and(|c| !c.is_ascii_digit())
        {
            let order = rank(a.first()).cmp(&rank(b.first()));
            if order != Ordering::Equal {
                return order;
            }
            a = a.get(1..).unwrap_or_default();
            b = b.get(1..).unwrap_or_default();
        }
        let (digits_a, rest_a) = split_digits(a);
        let (digits_b, rest_b) = split_digits(b);
        let order = compare_digits(digits_a, digits_b);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
    Ordering::Equal
}

/// `~` before the end of the part, the end (and digits) before letters, letters before everything else.
fn rank(c: Option<&u8>) -> i32 {
    match c {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    }
}

fn split_digits(part: &[u8]) -> (&[u8], &[u8]) {
    let end = part
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(part.len());
    part.split_at(end)
}

fn compare_digits(a: &[u8], b: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| {
        digits
            .iter()
            .position(|&d| d != b'0')
            .unwrap_or(digits.len())
    };
    let (a, b) = (&a[significant(a)..], &b[significant(b)..]);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, order: Ordering, b: &str) {
        assert_eq!(compare(a, b), order, "{a} against {b}");
        assert_eq!(compare(b, a), order.reverse(), "{b} against {a}");
    }

    #[test]
    fn rows_from_policy_and_from_bugs_of_others() {
        use Ordering::{Equal, Less};
        check("1.0-1~bpo1", Less, "1.0-1+b1");
        check("1.0~rc1", Less, "1.0+dfsg");
        check("1.0~~", Less, "1.0~rc1");
        check("1.0~~", Less, "1.0~~a");
        check("1.0~", Less, "1.0");
        check("1.0", Less, "1.0a");
        check("1.0a", Less, "1.0+");
        check("1.0", Equal, "1.0-0");
        check("1.0-", Equal, "1.0");
        check("1.0-00", Equal, "1.0-0");
        check("0:1.0", Equal, "1.0");
        check("9.9", Less, "1:0.1");
        check("1.0-1-2", Less, "1.0-2-1");
        check("1.02", Equal, "1.2");
        check("1.99999999999999999999", Less, "1.100000000000000000000");
        check("1.00000000000000000000001", Equal, "1.1");
        check("2.36-9+deb12u9", Less, "2.36-9+deb12u10");
        check("", Less, "~");
        check("", Equal, "");
    }
}
