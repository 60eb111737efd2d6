//! How `systemctl show` writes lists and spans of time. Pure.

/// Microseconds of the units in which systemd writes spans of time: systemd.time(7).
const SPANS: [(&[u8], u64); 9] = [
    (b"us", 1),
    (b"ms", 1_000),
    (b"s", SECOND),
    (b"min", 60 * SECOND),
    (b"h", 3_600 * SECOND),
    (b"d", 86_400 * SECOND),
    (b"w", 604_800 * SECOND),
    // systemd.time(7): a month is 30.44 days, a year 365.25.
    (b"month", 2_629_800 * SECOND),
    (b"y", 31_557_600 * SECOND),
];
const SECOND: u64 = 1_000_000;
/// No name of a unit is longer: `UNIT_NAME_MAX`.
const NAME_CAP: usize = 255;

/// Types of units, systemd.unit(5).
const TYPES: [&str; 11] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "slice",
    "scope",
];

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    Micros(u64),
    Infinite,
}

/// `1min 30s`, `1.500000s`, `infinity`, `0`; `None` for anything else.
pub(super) fn parse_span(text: &[u8]) -> Option<Span> {
    match text {
        b"infinity" => return Some(Span::Infinite),
        b"0" => return Some(Span::Micros(0)),
        _ => {}
    }
    let mut sum: u64 = 0;
    for part in text.split(|&byte| byte == b' ') {
        sum = sum.saturating_add(parse_part(part)?);
    }
    Some(Span::Micros(sum))
}

/// `30s`, `1.500000s`.
fn parse_part(part: &[u8]) -> Option<u64> {
    let letters = part.iter().position(u8::is_ascii_alphabetic)?;
    let (number, unit) = part.split_at(letters);
    let (_, factor) = SPANS.iter().find(|(name, _)| *name == unit)?;
    let mut halves = number.splitn(2, |&byte| byte == b'.');
    let whole = parse_number(halves.next()?)?.saturating_mul(*factor);
    let Some(digits) = halves.next() else {
        return Some(whole);
    };
    // At most microseconds of a second: six digits are enough for any of the larger units too.
    let digits = &digits[..digits.len().min(6)];
    let scale = 10_u64.pow(u32::try_from(digits.len()).ok()?);
    let fraction = parse_number(digits)?.saturating_mul(*factor) / scale;
    Some(whole.saturating_add(fraction))
}

/// Decimal, without a sign.
pub(super) fn parse_number(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = is_number.then(|| std::str::from_utf8(digits).ok())??;
    text.parse().ok()
}

/// Names of units in a list. systemctl puts those with backslashes between double quotes and escapes what a shell would
/// not take as it is; what is no name of a unit is left out.
pub(super) fn parse_names(list: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = list.trim_ascii_start();
    while let Some((&first, after)) = rest.split_first() {
        let (word, tail) = match first {
            b'"' => quoted(after),
            _ => {
                let end = rest.iter().position(|&byte| byte == b' ');
                let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
                (word.to_vec(), tail)
            }
        };
        names.extend(unit_name(&word).map(str::to_owned));
        rest = tail.trim_ascii_start();
    }
    names
}

/// What is between two quotes, and what is after the second.
fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut word = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [] => return (word, rest),
            [b'"', tail @ ..] => return (word, tail),
            [b'\\', byte, tail @ ..] | [byte, tail @ ..] => {
                word.push(*byte);
                rest = tail;
            }
        }
    }
}

/// A name that systemd takes for one of a unit (`unit_name_is_valid`), and for no pattern and no option.
pub(super) fn unit_name(name: &[u8]) -> Option<&str> {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(byte);
    let is_name = name.len() <= NAME_CAP
        && name.iter().all(is_valid)
        && name.contains(&b'.')
        && !name.starts_with(b".")
        && !name.starts_with(b"@");
    is_name.then(|| std::str::from_utf8(name).ok())?
}

/// Whether a unit of this name may be in memory: of a type that there is, and no template (`unit_name_is_valid` with
/// `UNIT_NAME_PLAIN | UNIT_NAME_INSTANCE`).
pub(super) fn is_loadable(name: &str) -> bool {
    let parts = unit_name(name.as_bytes()).and_then(|name| name.rsplit_once('.'));
    parts.is_some_and(|(prefix, suffix)| {
        TYPES.contains(&suffix) && !prefix.is_empty() && !prefix.ends_with('@')
    })
}

#[cfg(test)]
mod tests;
