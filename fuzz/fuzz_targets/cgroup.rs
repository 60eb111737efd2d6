//! The text of `/proc/PID/cgroup`; the first bytes choose what is known beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::attribute::{Hints, Parent, owner_of};
use unstale::model::{Bytes, unescape_unit};

fuzz_target!(|input: &[u8]| {
    let [flags, pid, text @ ..] = input else {
        return;
    };
    let words: Vec<Bytes> = text
        .split(|&byte| byte == 0)
        .skip(1)
        .take(4)
        .map(Bytes::from)
        .collect();
    let parent = words.first().map(|comm| Parent {
        exe: words.get(1),
        comm,
        argv: &words,
        uid: 0,
    });
    let hints = Hints {
        pid: u32::from(*pid),
        uid: 1000,
        unified: flags & 1 != 0,
        other_pid_ns: flags & 2 != 0,
        other_mnt_ns: flags & 4 != 0,
        exe: words.get(2),
        argv: &words,
        parent: parent.filter(|_| flags & 8 != 0),
    };
    let cgroup = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let owner = owner_of(cgroup, &hints);
    let _ = unescape_unit(owner.name.as_slice());
});
