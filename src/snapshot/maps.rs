//! Pure: lines of `/proc/PID/maps` → executable, file-backed mappings (proc_pid_maps(5)).

use crate::model::Device;

/// One executable mapping of a file-like object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Device of the super block.
    pub device: Device,
    /// Inode number.
    pub inode: u64,
    /// The kernel's name. From the text of maps a newline in it reads `\012`, and nothing tells that from a file truly
    /// named so.
    pub name: &'a [u8],
}

/// Parses one line. `Ok(None)` for a mapping that is not executable or has no file behind it.
///
/// # Errors
/// If the line is not of the form of proc_pid_maps(5).
pub fn parse_line(line: &[u8]) -> Result<Option<Mapping<'_>>, NotAMapping> {
    parse(line, true)
}

/// As [`parse_line`], for mappings that are not executable.
///
/// # Errors
/// If the line is not of the form of proc_pid_maps(5).
pub fn parse_data_line(line: &[u8]) -> Result<Option<Mapping<'_>>, NotAMapping> {
    parse(line, false)
}

fn parse(line: &[u8], executable: bool) -> Result<Option<Mapping<'_>>, NotAMapping> {
    let mut rest = line;
    let mut next = || {
        let end = rest
            .iter()
            .position(|&byte| byte == b' ')
            .unwrap_or(rest.len());
        let (field, tail) = rest.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        field
    };
    let (range, flags) = (next(), next());
    if (*flags.get(2).ok_or(NotAMapping)? == b'x') != executable {
        return Ok(None);
    }
    let (_offset, device, inode) = (next(), next(), next());
    let (start, end) = split_hex(range, b'-').ok_or(NotAMapping)?;
    let (major, minor) = split_hex(device, b':').ok_or(NotAMapping)?;
    let inode = std::str::from_utf8(inode)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(NotAMapping)?;
    let device = Device {
        major: u32::try_from(major).map_err(|_| NotAMapping)?,
        minor: u32::try_from(minor).map_err(|_| NotAMapping)?,
    };
    // The name is the rest of the line after the padding; it may itself begin with anything but a blank.
    let name = rest.trim_ascii_start();
    if inode == 0 || name.is_empty() {
        return Ok(None);
    }
    Ok(Some(Mapping {
        start,
        end,
        device,
        inode,
        name,
    }))
}

/// A line that proc_pid_maps(5) does not describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAMapping;

fn split_hex(field: &[u8], by: u8) -> Option<(u64, u64)> {
    let at = field.iter().position(|&byte| byte == by)?;
    Some((hex(&field[..at])?, hex(&field[at + 1..])?))
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, &digit| {
        Some(value << 4 | u64::from(char::from(digit).to_digit(16)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, name: &str, inode: u64, device: (u32, u32)) {
        let mapping = parse_line(line.as_bytes())
            .unwrap()
            .expect("executable and file-backed");
        assert_eq!(mapping.name, name.as_bytes());
        assert_eq!(mapping.inode, inode);
        assert_eq!((mapping.device.major, mapping.device.minor), device);
    }

    #[test]
    fn t2_01_the_name_is_the_rest_of_the_line() {
        check(
            "7f00-7f10 r-xp 00001000 fe:00 1234                       /usr/lib/libc.so.6",
            "/usr/lib/libc.so.6",
            1234,
            (254, 0),
        );
        check(
            "00401000-0047a000 r-xp 00000000 00:2a 9                  /opt/a b: c\td (deleted)",
            "/opt/a b: c\td (deleted)",
            9,
            (0, 42),
        );
        check(
            "7f00-7f10 rwxs 00000000 00:01 77                         /memfd:jit (deleted)",
            "/memfd:jit (deleted)",
            77,
            (0, 1),
        );
        check(
            "7f00-7f10 r-xp 00000000 00:05 1 /x\\012y",
            "/x\\012y",
            1,
            (0, 5),
        );
    }

    #[track_caller]
    fn check_skipped(line: &str) {
        assert_eq!(parse_line(line.as_bytes()), Ok(None), "{line}");
    }

    #[test]
    fn what_is_no_code_of_a_file() {
        check_skipped("7ffd-7ffe r-xp 00000000 00:00 0                          [vdso]");
        check_skipped("7ffd-7ffe r-xp 00000000 00:00 0 ");
        check_skipped(
            "7f00-7f10 r--p 00001000 fe:00 1234                       /usr/lib/locale/locale-archive",
        );
        check_skipped(
            "7f00-7f10 rw-s 00000000 00:01 3                          /SYSV00000000 (deleted)",
        );
    }

    #[test]
    fn what_is_no_line_of_maps() {
        for line in [
            "",
            "x",
            "7f00-7f10",
            "7f00 r-xp 0 fe:00 1 /x",
            "7f00-7f10 r-xp 0 fe00 1 /x",
            "7f00-7f10 r-xp 0 fe:00 -1 /x",
            "zz-7f10 r-xp 0 fe:00 1 /x",
        ] {
            assert_eq!(parse_line(line.as_bytes()), Err(NotAMapping), "{line}");
        }
    }
}
