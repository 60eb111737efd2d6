//! A header of rpm's database. The module is not public: it is included here as it is.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../backends/rpm/src/bytes.rs"]
#[allow(dead_code, reason = "the header needs some of it")]
mod bytes;
#[path = "../../backends/rpm/src/header.rs"]
#[allow(dead_code, reason = "only what parses is called")]
mod header;

use header::Header;

fuzz_target!(|blob: &[u8]| {
    if let Ok(header) = Header::parse(blob) {
        for tag in (1000..1200).chain([63, 100, 5000, 5011]) {
            let _ = (header.string(tag), header.strings(tag).count());
            let numbers = header.numbers(tag);
            let _ = (
                numbers.get(0),
                numbers.get(usize::MAX),
                header.number(tag, 1),
            );
        }
        let _ = header.has_whole_paths();
    }
});
