//! `grub.cfg`, and behind zero bytes: grubenv, custom.cfg, an entry of the Boot Loader Specification.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::boot::loader::grub::{Beside, parse_grub_cfg};

fuzz_target!(|input: &[u8]| {
    let mut parts = input.split(|&byte| byte == 0);
    let script = parts.next().unwrap_or_default();
    let (grubenv, custom) = (parts.next(), parts.next());
    let entries: Vec<(&[u8], &[u8])> = parts
        .next()
        .map(|text| (b"a-1.conf".as_slice(), text))
        .into_iter()
        .collect();
    let beside = Beside::of(grubenv, custom, &entries);
    if let Ok(Some(found)) = parse_grub_cfg(script, &beside)
        && found.snippet.is_none()
    {
        // No value is longer than what is kept of one.
        assert!(found.image.len() <= 1024);
    }
});
