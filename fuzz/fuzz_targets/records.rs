//! What `unstale restart` writes down, and what `unstale status` reads: a record that is read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::report::json::{record, state};

fuzz_target!(|text: &[u8]| {
    if let Ok(read) = record::parse(text) {
        let line = record::line(&read);
        assert_eq!(record::parse(line.as_bytes()), Ok(read));
    }
    let _ = state::parse(text);
});
