//! Variables of the Boot Loader Interface, by which systemd-boot and others tell and are told.

use super::{Disk, unreadable};

/// The vendor of the variables (systemd.io, *The Boot Loader Interface*).
const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";
const CAP: u64 = 64 * 1024;

/// The text of a variable; `None` if there is none.
pub(super) fn variable(
    disk: &Disk<'_, '_>,
    name: &str,
    notes: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let path = format!("/sys/firmware/efi/efivars/{name}-{VENDOR}");
    match disk.files.read(&path, CAP) {
        Ok(bytes) => {
            let bytes = bytes?;
            let text = parse_variable(&bytes);
            if text.is_none() {
                notes.push(format!("{path} holds no text"));
            }
            text
        }
        Err(why) => {
            notes.push(unreadable(path.as_bytes(), &why));
            None
        }
    }
}

/// Four bytes of attributes, and UTF-16 with or without its end (efivarfs of the kernel's documentation).
fn parse_variable(bytes: &[u8]) -> Option<Vec<u8>> {
    let (units, []) = bytes.get(4..)?.as_chunks::<2>() else {
        return None;
    };
    let units = units.iter().map(|&unit| u16::from_le_bytes(unit));
    let text: Result<String, _> = char::decode_utf16(units.take_while(|&unit| unit != 0)).collect();
    text.ok().map(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t9_08_variables() {
        let text = |bytes: &[u8]| parse_variable(bytes);
        assert_eq!(text(b"\x06\0\0\0G\0R\0\0\0"), Some(b"GR".to_vec()));
        assert_eq!(text(b"\x06\0\0\0G\0R\0"), Some(b"GR".to_vec()));
        assert_eq!(text(b"\x06\0\0\0"), Some(Vec::new()));
        assert_eq!(text(b"\x06\0\0\0G"), None);
        assert_eq!(text(b"\x06\0"), None);
        assert_eq!(text(b"\x06\0\0\0\0\xd8A\0"), None);
    }
}
