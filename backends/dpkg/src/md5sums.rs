//! Digests of the files as shipped: `info/NAME[:ARCH].md5sums`, paths without the leading `/`, conffiles left out.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;

use crate::damage::Damages;
use crate::lines::{Buffer, read_lines};
use crate::lists::{Filter, LIMITS};
use crate::record::md5_hex;

/// Hands the absolute path and the digest of each line to `each`; lines of another shape are noted once.
pub fn parse_md5sums(
    from: impl Read,
    file: &dyn Fn() -> PathBuf,
    buffer: &mut Buffer,
    damages: &mut Damages,
    mut each: impl FnMut(u64, &[u8], &[u8]),
) {
    let mut absolute = Vec::new();
    let mut bad = None;
    let end = read_lines(from, buffer, LIMITS, |line, text| match split(text) {
        Some((digest, path)) => {
            absolute.clear();
            absolute.push(b'/');
            absolute.extend_from_slice(path);
            each(line, &absolute, digest);
        }
        None => bad = bad.or(Some((line, "no digest and path"))),
    });
    match end {
        Ok(end) => {
            for (line, what) in bad.into_iter().chain(end.trouble()) {
                damages.line(&file(), line, what);
            }
        }
        Err((line, error)) => damages.line(&file(), line, format!("cannot be read: {error}")),
    }
}

/// The digests of some absolute paths.
pub fn find_md5sums(
    from: impl Read,
    file: &dyn Fn() -> PathBuf,
    paths: &[&[u8]],
    buffer: &mut Buffer,
    damages: &mut Damages,
) -> HashMap<Vec<u8>, String> {
    let mut found = HashMap::new();
    let mut filter = Filter::default();
    paths.iter().for_each(|path| filter.add(path));
    parse_md5sums(from, file, buffer, damages, |_, path, digest| {
        if filter.may_have(path)
            && paths.contains(&path)
            && let Some(hex) = md5_hex(digest)
        {
            found.insert(path.to_vec(), hex);
        }
    });
    found
}

/// `MD5  path` or, as md5sum marks binary files, `MD5 *path`; hand-made files say `./path`.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digest, rest) = line.split_at_checked(32)?;
    let path = rest
        .strip_prefix(b"  ")
        .or_else(|| rest.strip_prefix(b" *"))?;
    let path = path.strip_prefix(b"./").unwrap_or(path);
    let path = path.strip_prefix(b"/").unwrap_or(path);
    // The digits are looked at where the path is one that is wanted: few are.
    (!path.is_empty()).then_some((digest, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        const MD5: &str = "0123456789abcdef0123456789ABCDEF";
        #[track_caller]
        fn check(line: &str, path: &str, hex: Option<&str>) {
            let text = format!("{line}\n");
            let (mut buffer, mut damages) = (Buffer::default(), Damages::default());
            let file = || PathBuf::from("/x");
            let found = find_md5sums(
                text.as_bytes(),
                &file,
                &[path.as_bytes()],
                &mut buffer,
                &mut damages,
            );
            assert_eq!(
                found.get(path.as_bytes()).map(String::as_str),
                hex,
                "{line}"
            );
        }
        let low = MD5.to_ascii_lowercase();
        check(&format!("{MD5}  usr/bin/a"), "/usr/bin/a", Some(&low));
        check(&format!("{MD5}  usr/bin/a b"), "/usr/bin/a b", Some(&low));
        check(&format!("{MD5} *usr/bin/a"), "/usr/bin/a", Some(&low));
        check(&format!("{MD5}  ./usr/bin/a"), "/usr/bin/a", Some(&low));
        check(&format!("{MD5}  usr/bin/ab"), "/usr/bin/a", None);
        check(&MD5[1..], "/usr/bin/a", None);
        check(&format!("x{}  usr/bin/a", &MD5[1..]), "/usr/bin/a", None);
    }
}
