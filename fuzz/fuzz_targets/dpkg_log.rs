//! dpkg's log and apt's history.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale_dpkg::history::Reader;
use unstale_dpkg::log::parse_log_line;
use unstale_dpkg::rotated::parse_part_name;
use unstale_dpkg::zone::{parse_local, parse_zone};

fuzz_target!(|text: &[u8]| {
    let mut history = Reader::default();
    for line in text.split(|&byte| byte == b'\n') {
        let _ = (parse_log_line(line), history.take(line), history.complete());
        if let (Some(zone), Some((local, _))) = (parse_zone(text), parse_local(line)) {
            let _ = zone.instant(local);
        }
    }
    history.finish();
    let _ = (history.complete(), parse_part_name(text, "dpkg.log"));
});
