//! The orders in which the original lists names.

use std::cmp::Ordering;

/// Case-insensitive, for services and containers; names that differ in nothing else stand by their bytes.
pub(super) fn folded(a: &str, b: &str) -> Ordering {
    a.to_lowercase().cmp(&b.to_lowercase()).then(a.cmp(b))
}

/// As people sort: numbers in names by their value, letters whatever their case.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (left, right) = (a.to_lowercase(), b.to_lowercase());
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() && !right.is_empty() {
        let (one, after_one) = piece(left);
        let (two, after_two) = piece(right);
        let order = match (number(one), number(two)) {
            (Some(one), Some(two)) => one.len().cmp(&two.len()).then(one.cmp(two)),
            _ => one.cmp(two),
        };
        if order.is_ne() {
            return order;
        }
        (left, right) = (after_one, after_two);
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

/// The digits or other bytes that a name begins with, and what follows.
fn piece(name: &[u8]) -> (&[u8], &[u8]) {
    let digits = name.first().is_some_and(u8::is_ascii_digit);
    let end = name.iter().position(|byte| byte.is_ascii_digit() != digits);
    name.split_at(end.unwrap_or(name.len()))
}

/// Digits without zeros before them: of two such numbers the longer is the greater.
fn number(piece: &[u8]) -> Option<&[u8]> {
    let zeros = piece.iter().take_while(|&&byte| byte == b'0').count();
    piece.first()?.is_ascii_digit().then_some(&piece[zeros..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sorted(by: fn(&str, &str) -> Ordering, names: &[&str]) {
        let mut shuffled = names.to_vec();
        shuffled.sort_unstable();
        shuffled.reverse();
        shuffled.sort_by(|a, b| by(a, b));
        assert_eq!(shuffled, names);
    }

    #[test]
    fn without_case() {
        sorted(
            folded,
            &["a.service", "B.service", "b.service", "Z.service"],
        );
    }

    #[test]
    fn as_people_sort() {
        sorted(natural, &["a2", "a10", "a10b", "A11", "b", "w2x3", "w2x20"]);
        sorted(natural, &["alice", "Bob", "u9", "u10", "u100"]);
        assert_eq!(natural("a01", "a1"), "a01".cmp("a1"));
        assert_eq!(natural("7", "x"), Ordering::Less);
    }
}
