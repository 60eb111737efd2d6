//! dpkg's `info/*.list` and `info/*.md5sums`.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use unstale_dpkg::aliases::Aliases;
use unstale_dpkg::damage::Damages;
use unstale_dpkg::diversions::Diversions;
use unstale_dpkg::lines::Buffer;
use unstale_dpkg::lists::{Wanted, find_in_list, parse_list, parse_stem, stem};
use unstale_dpkg::md5sums::find_md5sums;

fuzz_target!(|text: &[u8]| {
    let (mut buffer, mut damages) = (Buffer::default(), Damages::default());
    let paths = parse_list(text, Path::new("x.list"), &mut buffer, &mut damages);
    let (aliases, diversions) = (Aliases::default(), Diversions::default());
    let wanted: Vec<&[u8]> = paths.iter().take(3).map(Vec::as_slice).collect();
    let file = || PathBuf::from("x.list");
    let hits = find_in_list(
        text,
        &file,
        b"x",
        &Wanted::new(&wanted, &aliases, &diversions),
        &mut buffer,
        &mut damages,
    );
    // Both ways to read a list find the same paths.
    for at in 0..wanted.len() {
        assert!(hits.iter().any(|hit| hit.index == at));
    }
    find_md5sums(text, &file, &wanted, &mut buffer, &mut damages);
    let _ = (stem(text, ".list"), parse_stem(text));
});
