//! Whether a file on disk is what its package shipped.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use sha2::digest::{Digest as _, DynDigest};
use unstale_packages::{Digest, DigestAlgorithm, Foreign};

/// Larger than any program or library that a package ships.
const SIZE_CAP: u64 = 2 * 1024 * 1024 * 1024;

/// Where a file is opened.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root<'a> {
    /// Below the reader's own root, or one that somebody named.
    Host(&'a Path),
    /// Below one that somebody else rules.
    Foreign(&'a Foreign),
}

/// Compares; `None` if the file cannot be read or the function is not known.
pub(super) fn is_digest_of(root: Root<'_>, path: &Path, digest: &Digest) -> Option<bool> {
    let mut hasher: Box<dyn DynDigest> = match digest.algorithm {
        DigestAlgorithm::Md5 => Box::new(md5::Md5::new()),
        DigestAlgorithm::Sha1 => Box::new(sha1::Sha1::new()),
        DigestAlgorithm::Sha256 => Box::new(sha2::Sha256::new()),
        DigestAlgorithm::Sha512 => Box::new(sha2::Sha512::new()),
        _ => return None,
    };
    let mut file = open_regular(root, path)?.take(SIZE_CAP);
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => break,
            size => hasher.update(&buffer[..size]),
        }
    }
    if file.limit() == 0 {
        return None;
    }
    let hex = hasher
        .finalize()
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String does not fail");
            hex
        });
    Some(hex == digest.hex)
}

fn open_regular(root: Root<'_>, path: &Path) -> Option<Box<dyn Read>> {
    let root = match root {
        Root::Host(root) => root,
        Root::Foreign(root) => return Some(Box::new(root.open(&root.find(path).ok()?).ok()?)),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(root, flags, Mode::empty()).ok()?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(root, path, flags, Mode::empty(), inside).ok()?;
    let kind = FileType::from_raw_mode(fstat(&file).ok()?.st_mode);
    match kind {
        FileType::RegularFile => Some(Box::new(File::from(file))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "abc").unwrap();
        let check = |algorithm, hex: &str, path: &str| {
            is_digest_of(
                Root::Host(folder.path()),
                Path::new(path),
                &Digest {
                    algorithm,
                    hex: hex.to_owned(),
                },
            )
        };
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        assert_eq!(check(DigestAlgorithm::Md5, md5, "/a"), Some(true));
        assert_eq!(check(DigestAlgorithm::Md5, "00", "/a"), Some(false));
        assert_eq!(
            check(
                DigestAlgorithm::Sha1,
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "/a"
            ),
            Some(true)
        );
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(check(DigestAlgorithm::Sha256, sha256, "/a"), Some(true));
        assert_eq!(check(DigestAlgorithm::Md5, md5, "/missing"), None);
        assert_eq!(check(DigestAlgorithm::Md5, md5, "/"), None);
    }
}
