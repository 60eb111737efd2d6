//! A line of `/proc/PID/maps`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::snapshot::maps::parse_line;

fuzz_target!(|line: &[u8]| {
    if let Ok(Some(mapping)) = parse_line(line) {
        assert!(line.ends_with(mapping.name));
        assert!(mapping.inode != 0 && !mapping.name.is_empty());
    }
});
