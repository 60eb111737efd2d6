//! Kernel images of every form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::boot::images::parse_image;

fuzz_target!(|image: &[u8]| {
    let _ = parse_image(image);
});
