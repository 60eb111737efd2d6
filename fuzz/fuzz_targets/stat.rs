//! The text of `/proc/PID/stat`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::view::stat::parse_stat;

fuzz_target!(|text: &[u8]| {
    if let Some(stat) = parse_stat(text) {
        assert!(stat.comm.as_slice().len() < text.len());
    }
});
