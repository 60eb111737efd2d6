//! Names of units, sessions, users and containers as they stand in control groups.

#![forbid(unsafe_code)]

/// Kinds of units that have processes.
const SUFFIXES: [&[u8]; 5] = [b".service", b".scope", b".socket", b".mount", b".swap"];

/// The longest name of a unit, `UNIT_NAME_MAX` in systemd's unit-name.h.
const UNIT_NAME_MAX: usize = 255;

/// systemd's `cg_unescape`: it puts one `_` before names that would clash with files of the kernel.
pub(super) fn unescape_group(part: &[u8]) -> &[u8] {
    part.strip_prefix(b"_").unwrap_or(part)
}

/// The suffix of a unit that may hold processes, with its dot; `None` where this is no such name.
pub(super) fn unit_suffix(name: &[u8]) -> Option<&'static [u8]> {
    let suffix = SUFFIXES.into_iter().find(|suffix| name.ends_with(suffix))?;
    let stem = name.strip_suffix(suffix)?;
    // A template without an instance never runs.
    let runs = is_stem(stem, name.len()) && !stem.ends_with(b"@");
    runs.then_some(suffix)
}

/// The name of a slice without its suffix.
pub(super) fn slice_stem(part: &[u8]) -> Option<&[u8]> {
    let stem = part.strip_suffix(b".slice")?;
    (is_stem(stem, part.len()) && !stem.contains(&b'@')).then_some(stem)
}

/// `unit_name_is_valid` of systemd.
fn is_stem(stem: &[u8], length: usize) -> bool {
    let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(byte);
    !stem.is_empty() && length <= UNIT_NAME_MAX && stem[0] != b'@' && stem.iter().all(valid)
}

/// What stands between a prefix and a suffix.
pub(super) fn between<'a>(name: &'a [u8], prefix: &[u8], suffix: &[u8]) -> Option<&'a [u8]> {
    name.strip_prefix(prefix)?.strip_suffix(suffix)
}

/// A uid as systemd writes it: no sign, no leading zero.
pub(super) fn uid(text: &[u8]) -> Option<u32> {
    let canonical = text == b"0" || (is_number(text) && text[0] != b'0');
    let uid = std::str::from_utf8(text).ok()?.parse().ok()?;
    (canonical && uid != u32::MAX).then_some(uid)
}

/// Decimal digits.
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// `session_id_valid` of logind.
pub(super) fn is_session_id(id: &[u8]) -> bool {
    !id.is_empty() && id.len() <= UNIT_NAME_MAX && id.iter().all(u8::is_ascii_alphanumeric)
}

/// An id that a container engine made: 64 digits, or what some shorten it to, but never fewer than 12.
pub(super) fn is_container_id(text: &[u8]) -> bool {
    (12..=64).contains(&text.len())
        && text
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
