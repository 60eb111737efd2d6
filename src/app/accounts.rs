//! Accounts of the machine, or of another root.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::model::{Account, parse_passwd};

const PASSWD: &str = "etc/passwd";
/// Large sites have some hundred thousand accounts.
const PASSWD_CAP: u64 = 16 * 1024 * 1024;

/// The accounts below a root, none where they cannot be read: users are named by number then, and told by fewer ways.
pub(super) fn read(root: &Path) -> Vec<Account> {
    read_text(&root.join(PASSWD)).map_or_else(|_| Vec::new(), |text| parse_passwd(&text).collect())
}

/// In another root anything may lie there.
fn read_text(path: &Path) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = Vec::new();
    file.take(PASSWD_CAP).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_has_no_accounts() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        assert!(read(root.path()).is_empty());
        let passwd = etc.join("passwd");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &passwd,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(read(root.path()).is_empty());
        std::fs::remove_file(&passwd).unwrap();
        std::fs::write(&passwd, "ada:x:1000:1000::/home/ada:/bin/sh\n").unwrap();
        assert_eq!(read(root.path())[0].name, "ada");
    }
}
