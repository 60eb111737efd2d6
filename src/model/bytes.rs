//! Names as they are: bytes. Text only where a person or a machine format asks for it.

use std::fmt;

use base64::Engine as _;
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name, path or argument as the kernel gave it: any bytes.
///
/// In formats for people (JSON bundles) it is a string where it is UTF-8, otherwise `{"base64": "…"}`; in binary
/// formats it is plain bytes. Neither loses anything.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as a path.
    #[must_use]
    pub fn as_path(&self) -> &std::path::Path {
        use std::os::unix::ffi::OsStrExt as _;
        std::path::Path::new(std::ffi::OsStr::from_bytes(&self.0))
    }

    /// For people: control characters, direction marks and bytes that are not UTF-8 are escaped, so that no name can
    /// move the cursor, forge a line or pass for another name.
    #[must_use]
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped(&self.0)
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&std::path::Path> for Bytes {
    fn from(path: &std::path::Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

/// Prints bytes as text that is safe on a terminal and in a log. See [`Bytes::escaped`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    '\r' => f.write_str("\\r")?,
                    c if !is_tame(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Whether a character neither steers a terminal nor hides: see [`Bytes::escaped`].
#[must_use]
pub fn is_tame(c: char) -> bool {
    !c.is_control() && !is_invisible(c)
}

/// Format characters that reorder or hide text (Unicode TR 36, "bidirectional text spoofing"), and line separators
/// that some programs take for the end of a line.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0);
        }
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(
                    "base64",
                    &base64::engine::general_purpose::STANDARD.encode(&self.0),
                )?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(BytesVisitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or {\"base64\": \"…\"}")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        Ok(Bytes::from(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes::from(bytes))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
        let Some((key, value)) = map.next_entry::<String, String>()? else {
            return Err(de::Error::missing_field("base64"));
        };
        if key != "base64" || map.next_key::<String>()?.is_some() {
            return Err(de::Error::unknown_field(&key, &["base64"]));
        }
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(&value)
            .map_err(de::Error::custom)?;
        Ok(Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_escape(bytes: &[u8], text: &str) {
        assert_eq!(Escaped(bytes).to_string(), text);
    }

    #[test]
    fn names_cannot_reach_the_terminal() {
        check_escape(b"/usr/sbin/sshd", "/usr/sbin/sshd");
        check_escape(b"a\nb\x1b[31m", "a\\nb\\u{1b}[31m");
        check_escape(b"\xff\xfe", "\\xff\\xfe");
        check_escape("x\u{202e}gpj".as_bytes(), "x\\u{202e}gpj");
        check_escape("\u{9b}31m".as_bytes(), "\\u{9b}31m");
        check_escape("größe".as_bytes(), "größe");
        check_escape(b"getty@tty1\\x2d.service", "getty@tty1\\x2d.service");
    }

    #[test]
    fn no_byte_is_lost_in_json() {
        for bytes in [&b"plain"[..], b"\xff\x00a", b"", b"\"\\"] {
            let text = serde_json::to_string(&Bytes::from(bytes)).unwrap();
            assert_eq!(
                serde_json::from_str::<Bytes>(&text).unwrap(),
                Bytes::from(bytes),
                "{text}"
            );
        }
        assert!(serde_json::from_str::<Bytes>(r#"{"base64":"!"}"#).is_err());
        assert!(serde_json::from_str::<Bytes>(r#"{"hex":"00"}"#).is_err());
    }
}
