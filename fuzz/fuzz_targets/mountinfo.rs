//! The text of `/proc/PID/mountinfo`; its first line is asked for as a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::model::Device;
use unstale::view::mounts::Mounts;

fuzz_target!(|text: &[u8]| {
    let (mounts, damaged) = Mounts::parse(text);
    let lines = text
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    assert_eq!(mounts.is_empty(), damaged == lines.count());
    let path = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let _ = (
        mounts.under(path),
        mounts.by_id(1),
        mounts.has_device(Device { major: 0, minor: 1 }),
    );
});
