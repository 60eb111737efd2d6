//! dpkg's `status`, `diversions` and conffile lines.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use unstale_dpkg::damage::Damages;
use unstale_dpkg::diversions::parse_diversions;
use unstale_dpkg::record::{Kind, parse_conffile, parse_status_words};
use unstale_dpkg::status::parse_status;

fuzz_target!(|text: &[u8]| {
    let mut damages = Damages::default();
    let records = parse_status(text, Path::new("status"), Kind::Status, &mut damages);
    // What is neither a record nor damage was lost.
    let blank = text.iter().all(|&byte| byte == b'\n');
    assert!(blank || !records.is_empty() || !damages.is_empty());
    parse_diversions(text, Path::new("diversions"), &mut Damages::default());
    let _ = (parse_conffile(text), parse_status_words(text));
});
