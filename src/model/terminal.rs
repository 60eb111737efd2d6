//! Names of terminals, by the numbers of their devices. Pure.

use super::Device;

/// Major numbers of terminals (Linux, Documentation/admin-guide/devices.txt).
const CONSOLES: u32 = 4;
const PSEUDO: std::ops::RangeInclusive<u32> = 136..=143;
/// From this minor number on, terminals of major 4 are serial lines.
const SERIAL: u32 = 64;

impl Device {
    /// Where a terminal is: `/dev/pts/0`; `None` for a device that is none, or whose name its number does not tell.
    #[must_use]
    pub fn terminal(self) -> Option<String> {
        let Self { major, minor } = self;
        if PSEUDO.contains(&major) {
            // The first major number of those has all minor ones up to 2^20 today; the others go on at 256 each.
            let number = (major - PSEUDO.start()) * 256 + minor;
            return Some(format!("/dev/pts/{number}"));
        }
        match (major, minor) {
            (CONSOLES, SERIAL..) => Some(format!("/dev/ttyS{}", minor - SERIAL)),
            (CONSOLES, 1..) => Some(format!("/dev/tty{minor}")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_terminals() {
        #[track_caller]
        fn check(major: u32, minor: u32, path: Option<&str>) {
            assert_eq!(Device { major, minor }.terminal().as_deref(), path);
        }
        check(136, 0, Some("/dev/pts/0"));
        check(136, 300, Some("/dev/pts/300"));
        check(137, 1, Some("/dev/pts/257"));
        check(4, 1, Some("/dev/tty1"));
        check(4, 64, Some("/dev/ttyS0"));
        check(4, 0, None);
        check(5, 0, None);
        check(1, 3, None);
    }
}
