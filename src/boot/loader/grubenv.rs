//! GRUB's environment block: what it remembers from one boot to the next.

/// Names and values, in their order; `None` if it is no environment block.
///
/// `# GRUB Environment Block`, lines of `name=value` in which a backslash keeps the byte after it from ending the line
/// (grub-core/lib/envblk.c), and `#` up to the end.
#[must_use]
pub(super) fn parse_grubenv(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";
    let mut rest = text.strip_prefix(SIGNATURE)?;
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        if rest[0] == b'#' {
            let end = rest.iter().position(|&byte| byte == b'\n');
            rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
            continue;
        }
        let (line, after) = line(rest);
        rest = after;
        if let Some(at) = line.iter().position(|&byte| byte == b'=') {
            pairs.push((line[..at].to_vec(), line[at + 1..].to_vec()));
        } else if !line.is_empty() {
            return None;
        }
    }
    Some(pairs)
}

/// A line without its escapes, and what follows it.
fn line(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut line = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((at, &byte)) = bytes.next() {
        match byte {
            b'\n' => return (line, &text[at + 1..]),
            b'\\' => line.extend(bytes.next().map(|(_, &byte)| byte)),
            _ => line.push(byte),
        }
    }
    (line, b"")
}
