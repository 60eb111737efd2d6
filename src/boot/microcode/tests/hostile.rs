//! Damage, and what only looks like microcode.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::trees::Tree;
use super::{archived, record, sample, update};
use crate::boot::microcode::amd::read_containers;
use crate::boot::microcode::early::{find_early, microcode_in};
use crate::boot::microcode::intel::read_records;
use crate::boot::microcode::parse_disabled;
use crate::boot::microcode::processors::parse_cpuinfo;

const INITRD: &str = "boot/initrd.img-6.1.0-56-amd64";

#[test]
fn g_truncated_microcode_is_a_problem() {
    let tree = Tree::of_intel();
    let whole = sample("0f-04-08");
    tree.put("lib/firmware/intel-ucode/0f-04-08", &whole[..9000]);
    let early = archived(
        "070701",
        "kernel/x86/microcode/GenuineIntel.bin",
        0o100_644,
        &whole[..9000],
    );
    tree.put(INITRD, &early);
    let (microcode, problems) = tree.read();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let at = 148 + 6144;
    let expected = [
        format!("cannot read /{INITRD}: at byte {at}: a microcode record is cut off"),
        "cannot read /lib/firmware/intel-ucode/0f-04-08: at byte 6144: a microcode record is cut off".to_owned(),
    ];
    for (told, expected) in told.iter().zip(&expected) {
        assert!(told.contains(expected), "{told}");
    }
    let microcode = microcode.unwrap();
    assert_eq!((told.len(), microcode.unread.len()), (2, 2));
    assert_eq!(microcode.patches, []);
}

#[test]
fn g_no_prefix_of_a_file_is_good() {
    let intel = sample("0f-04-0a");
    let amd = sample("microcode_amd_fam16h.bin");
    // A whole record is a whole file.
    for cut in (1..intel.len()).filter(|cut| *cut != 2048) {
        assert!(read_records(&&intel[..cut], &|_| true).is_err(), "{cut}");
    }
    // So is a table without patches.
    for cut in (1..amd.len()).filter(|cut| *cut != 44) {
        assert!(
            read_containers(&&amd[..cut], &|_| true).1.is_some(),
            "{cut}"
        );
    }
}

#[test]
fn g_what_is_no_file_is_told() {
    let tree = Tree::of_intel();
    let fifo = tree.path(INITRD);
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // A directory has no business here, but nobody would boot it.
    fs::create_dir_all(tree.path("boot/initrd.d/x")).unwrap();
    symlink("initrd.img-gone", tree.path("boot/initrd.img")).unwrap();
    let (microcode, problems) = tree.read();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        told.len() == 1 && told[0].contains("no regular file"),
        "{told:?}"
    );
    assert_eq!(microcode.unwrap().unread.len(), 1);
}

#[test]
fn g_a_large_file_of_nothing_is_cheap() {
    let tree = Tree::of_intel();
    for path in [INITRD, "lib/firmware/intel-ucode/0f-04-08"] {
        let file = File::create(tree.path(path)).unwrap();
        file.set_len(4 << 30).unwrap();
    }
    // Archives without an end, and an image that claims to have sections.
    let sparse = |path: &str, begin: &[u8]| {
        tree.put(path, begin);
        let file = File::options().write(true).open(tree.path(path)).unwrap();
        file.set_len(4 << 30).unwrap();
    };
    sparse("boot/initrd.img-1", b"MZ");
    let name = "kernel/x86/microcode/GenuineIntel.bin";
    let mut huge = archived("070701", name, 0o100_644, b"");
    huge[54..62].copy_from_slice(b"F0000000");
    sparse("boot/initrd.img-2", &huge);
    let begin = Instant::now();
    let (microcode, problems) = tree.read();
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(microcode.unwrap().unread.len(), 4);
}

#[test]
fn g_more_directories_than_are_looked_into_are_said() {
    let tree = Tree::of_intel();
    for number in 0..257 {
        fs::create_dir_all(tree.path(&format!("boot/ostree/{number:03}/x"))).unwrap();
    }
    let (_, problems) = tree.read();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["cannot list /boot/ostree: it holds more than 256 names"]
    );
}

#[test]
fn g_records_of_a_few_bytes_are_not_endless() {
    let mut small = record(update(0xf48, 2, 9), &[])[..49].to_vec();
    small[28..36].copy_from_slice(&[1, 0, 0, 0, 49, 0, 0, 0]);
    let many = small.repeat(10_001);
    let damage = read_records(&many.as_slice(), &|_| false).unwrap_err();
    assert_eq!(
        damage.to_string(),
        "at byte 490000: more than 10000 records"
    );
}

/// A container of AMD's: entries of a table, and patches for processor 1 by their revisions.
fn container(table: &[u32], revisions: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut words = vec![
        0x0041_4d44,
        0,
        u32::try_from(table.len() * 16 + 16).unwrap(),
    ];
    for signature in table {
        words.extend([*signature, 0, 0, 1]);
    }
    words.extend([0; 4]);
    for revision in revisions {
        words.extend([1, 64, 0, revision, 0, 0, 0, 0, 1]);
        words.extend([0; 9]);
    }
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

#[test]
fn g_equal_entries_and_patches_are_one() {
    let file = container(&[0xa2_0f10; 4095], std::iter::repeat_n(7, 2000));
    let (updates, damage) = read_containers(&file.as_slice(), &|_| true);
    assert_eq!((updates, damage), (vec![update(0xa2_0f10, None, 7)], None));
}

#[test]
fn g_more_updates_than_there_are_processors() {
    let table: Vec<u32> = (1..=300).collect();
    let file = container(&table, 0..50);
    let (updates, damage) = read_containers(&file.as_slice(), &|_| true);
    assert!(updates.len() <= 10_001);
    assert!(damage.unwrap().what.contains("more than 10000 updates"));
    let platforms: Vec<_> = (0..10_001).map(|mask| (0xf48, mask)).collect();
    let file = record(update(0xf48, 1, 9), &platforms);
    let damage = read_records(&file.as_slice(), &|_| true).unwrap_err();
    assert_eq!(damage.to_string(), "at byte 0: more than 10000 updates");
}

/// The table of one record, looked through once.
#[test]
fn g_a_long_table_is_cheap() {
    let platforms: Vec<_> = (0..80_000).map(|mask| (0xf48, mask % 9_000)).collect();
    let file = record(update(0xf48, 1, 9), &platforms);
    let begin = Instant::now();
    let updates = read_records(&file.as_slice(), &|_| true).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(updates.len(), 9_000);
}

#[test]
fn g_more_updates_than_all_files_hold() {
    let tree = Tree::of_intel();
    for number in 0..6 {
        let platforms: Vec<_> = (0..9_000).map(|mask| (0xf48, mask)).collect();
        let file = record(update(0xf48, 1, number), &platforms);
        let name = "kernel/x86/microcode/GenuineIntel.bin";
        let initrd = archived("070701", name, 0o100_644, &file);
        tree.put(&format!("boot/initrd.img-{number}"), &initrd);
    }
    let (microcode, problems) = tree.read();
    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["cannot read /boot/initrd.img-5: more than 50000 updates are in all files"]
    );
    let microcode = microcode.unwrap();
    assert_eq!(
        (microcode.patches.len(), microcode.unread.len()),
        (50_000, 1)
    );
}

/// By whatever name.
#[test]
fn g_each_file_is_read_once() {
    let tree = Tree::of_intel();
    let name = "kernel/x86/microcode/GenuineIntel.bin";
    tree.put(INITRD, &archived("070701", name, 0o100_644, b"damaged"));
    for number in 0..9 {
        fs::hard_link(
            tree.path(INITRD),
            tree.path(&format!("boot/initrd.{number}")),
        )
        .unwrap();
    }
    let (microcode, problems) = tree.read();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(microcode.unwrap().unread.len(), 1);
}

#[test]
fn g_what_is_not_read_in_time_is_said() {
    let tree = Tree::of_intel();
    let good = sample("0f-04-08");
    tree.put("lib/firmware/intel-ucode/0f-04-08", &good);
    tree.put(
        "lib/firmware/updates/intel-ucode/0f-04-08.xz",
        b"\xfd7zXZ\0",
    );
    let name = "kernel/x86/microcode/GenuineIntel.bin";
    tree.put(INITRD, &archived("070701", name, 0o100_644, &good));
    let (microcode, problems) = tree.read_within(Duration::ZERO);
    assert_eq!(problems.len(), 3);
    for problem in problems.iter().map(ToString::to_string) {
        assert!(problem.contains("in time"), "{problem}");
    }
    let microcode = microcode.unwrap();
    assert_eq!((microcode.patches.len(), microcode.unread.len()), (0, 3));
}

#[test]
fn g_a_command_line_that_cannot_be_read_is_told() {
    let tree = Tree::of_intel();
    fs::remove_file(tree.path("proc/cmdline")).unwrap();
    assert_eq!(tree.good().disabled, None);
    tree.put("proc/cmdline", &[b'x'; 70_000]);
    let (_, problems) = tree.read();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

proptest! {
    #[test]
    fn g_nothing_panics(bytes in any::<Vec<u8>>()) {
        let _ = read_records(&bytes.as_slice(), &|_| true);
        let _ = read_containers(&bytes.as_slice(), &|_| true);
        let _ = find_early(&bytes.as_slice(), b"x");
        let _ = microcode_in(&bytes.as_slice(), b"x").is_ok();
        let _ = parse_cpuinfo(&bytes);
        let _ = parse_disabled(&bytes);
    }

    #[test]
    fn g_nothing_that_begins_well_panics(
        from in 0..4usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let names = ["0f-04-0a", "microcode_amd.bin", "early-intel.cpio", "early-amd.cpio"];
        let mut bytes = sample(names[from]);
        for (at, value) in changes {
            // Heads are where it matters.
            let range = bytes.len().min(600);
            bytes[at.index(range)] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = read_records(&bytes.as_slice(), &|_| true);
        let _ = read_containers(&bytes.as_slice(), &|_| true);
        let _ = find_early(&bytes.as_slice(), b"kernel/x86/microcode/AuthenticAMD.bin");
    }
}
