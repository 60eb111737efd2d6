//! Intel's and AMD's files, archives and unified kernel images.

use super::{archived, record, sample, update};
use crate::boot::microcode::amd::read_containers;
use crate::boot::microcode::early::{find_early, microcode_in};
use crate::boot::microcode::intel::read_records;
use crate::boot::microcode::ranges::Ranges as _;
use crate::boot::microcode::{Update, parse_disabled};

const INTEL_NAME: &str = "kernel/x86/microcode/GenuineIntel.bin";
const AMD_NAME: &str = "kernel/x86/microcode/AuthenticAMD.bin";

#[track_caller]
fn intel(bytes: &[u8], expected: &[Update]) {
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(read_records(&bytes, &|_| true).unwrap(), expected);
}

#[track_caller]
fn no_intel(bytes: &[u8], expected: &str) {
    let damage = read_records(&bytes, &|_| true).unwrap_err();
    assert_eq!(damage.to_string(), expected);
}

#[test]
fn t9_20_records_are_as_iucode_tool_lists_them() {
    intel(&sample("0f-04-03"), &[update(0xf43, 0x9d, 5)]);
    let three = [
        update(0xf48, 0x5f, 0x7),
        update(0xf48, 0x02, 0xe),
        update(0xf48, 0x01, 0xc),
    ];
    intel(&sample("0f-04-08"), &three);
    // The masks of these overlap.
    let two = [update(0xf4a, 0x5d, 2), update(0xf4a, 0x5c, 4)];
    intel(&sample("0f-04-0a"), &two);
    intel(b"", &[]);
}

#[test]
fn t9_20_sizes_of_zero_are_those_of_old() {
    // A real one of 2005.
    let old = sample("0f-04-03");
    assert_eq!(old[28..36], [0; 8]);
    intel(&old, &[update(0xf43, 0x9d, 5)]);
    no_intel(&old[..2047], "at byte 0: a microcode record is cut off");
    // The same with its sizes, and with a sum that is right again.
    let mut told = old;
    told[28..32].copy_from_slice(&2000u32.to_le_bytes());
    told[32..36].copy_from_slice(&2048u32.to_le_bytes());
    let sum = u32::from_le_bytes(*told[16..].first_chunk().unwrap());
    told[16..20].copy_from_slice(&sum.wrapping_sub(4048).to_le_bytes());
    intel(&told, &[update(0xf43, 0x9d, 5)]);
}

#[test]
fn t9_20_a_table_adds_processors() {
    // As in 06-b7-01 of intel-microcode 3.20251111.
    let own = update(0xb_0671, 0x32, 0x132);
    let more = [(0xb_0671, 0x32), (0xb_0674, 0x32)];
    let expected = [own, update(0xb_0674, 0x32, 0x132)];
    intel(&record(own, &more), &expected);
    let both = [record(own, &more), record(update(0xf43, 1, 9), &[])].concat();
    intel(&both, &[&expected[..], &[update(0xf43, 1, 9)]].concat());
    // Only the wanted ones, whichever way they are named.
    let found = read_records(&both.as_slice(), &|signature| signature == 0xb_0674);
    assert_eq!(found.unwrap(), expected[1..]);
}

#[test]
fn t9_20_sums_are_checked() {
    let own = update(0xb_0671, 0x32, 0x132);
    let more = [(0xb_0671, 0x32), (0xb_0674, 0x32)];
    let flipped = |at: usize, bytes: Vec<u8>| {
        let mut bytes = bytes;
        bytes[at] ^= 4;
        bytes
    };
    let wrong = "at byte 0: the sum of a microcode record is wrong";
    no_intel(&flipped(700, sample("0f-04-03")), wrong);
    // The revision is part of the sum.
    no_intel(&flipped(4, sample("0f-04-03")), wrong);
    no_intel(&flipped(1000, record(own, &more)), wrong);
    let wrong = "at byte 1024: the sum of a table of processors is wrong";
    no_intel(&flipped(1024 + 20, record(own, &more)), wrong);
    // The table's sum is right, an entry's is not.
    let mut bytes = flipped(1024 + 20, record(own, &more));
    bytes[1024 + 4] = bytes[1024 + 4].wrapping_sub(bytes[1024 + 20] ^ 4);
    let (new, old) = (bytes[1024 + 20], bytes[1024 + 20] ^ 4);
    let sum = u32::from_le_bytes(*record(own, &more)[1028..].first_chunk().unwrap());
    let sum = sum.wrapping_sub(u32::from(new).wrapping_sub(u32::from(old)));
    bytes[1028..1032].copy_from_slice(&sum.to_le_bytes());
    no_intel(&bytes, "at byte 0: the sum of a processor's entry is wrong");
    // The second of three: the kernel would take none of them.
    let wrong = "at byte 3072: the sum of a microcode record is wrong";
    no_intel(&flipped(3072 + 99, sample("0f-04-08")), wrong);
    // Nobody reads the data of what is not wanted.
    let two = [record(own, &more), flipped(700, sample("0f-04-03"))].concat();
    let found = read_records(&two.as_slice(), &|signature| signature == 0xb_0671);
    assert_eq!(found.unwrap(), [own]);
}

#[test]
fn t9_20_what_is_no_record_is_damage() {
    let own = update(0xb_0671, 0x32, 0x132);
    let with = |at: usize, value: u32, bytes: Vec<u8>| {
        let mut bytes = bytes;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    no_intel(&[0; 2048], "at byte 0: no header of a microcode record");
    let cut = "at byte 0: the header of a microcode record is cut off";
    no_intel(&[1; 47], cut);
    for (at, value) in [(0, 2), (20, 0)] {
        let other = with(at, value, sample("0f-04-03"));
        no_intel(&other, "at byte 0: no header of a microcode record");
    }
    let size = |data, total| with(28, data, with(32, total, record(own, &[])));
    no_intel(
        &size(977, 1024),
        "at byte 0: a microcode record of 977 in 1024 bytes",
    );
    let most = "at byte 0: a microcode record of 4294967295 in 4294967295 bytes";
    no_intel(&size(u32::MAX, u32::MAX), most);
    let table = [record(own, &[(1, 1)]), Vec::new()].concat();
    let wrong = "at byte 1024: a table of 9 processors in 32 bytes";
    no_intel(&with(1024, 9, table.clone()), wrong);
    let wrong = "at byte 1024: a table of 1 processors in 31 bytes";
    no_intel(&with(32, 1055, table), wrong);
    let behind = [sample("0f-04-03"), vec![0; 512]].concat();
    no_intel(&behind, "at byte 2048: no header of a microcode record");
}

#[track_caller]
fn amd(bytes: &[u8], signature: u32, revision: Option<u32>) {
    let (updates, damage) = read_containers(&bytes, &|wanted| wanted == signature);
    assert_eq!(damage, None);
    let expected = revision.map(|revision| update(signature, None, revision));
    assert_eq!(updates, Vec::from_iter(expected));
}

#[test]
fn t9_21_patches_are_found_by_the_table() {
    let old = sample("microcode_amd.bin");
    amd(&old, 0x10_0f22, Some(0x0100_0083));
    amd(&old, 0x10_0f23, Some(0x0100_0083));
    amd(&old, 0x10_0f2a, Some(0x0100_0084));
    amd(&old, 0x10_0f91, Some(0x0100_00d9));
    amd(&old, 0x50_0f20, Some(0x0500_0119));
    amd(&old, 0x70_0f01, None);
    let jaguar = sample("microcode_amd_fam16h.bin");
    amd(&jaguar, 0x70_0f01, Some(0x0700_010f));
    // One behind the other, in either order.
    for both in [[&*old, &*jaguar].concat(), [&*jaguar, &*old].concat()] {
        amd(&both, 0x70_0f01, Some(0x0700_010f));
        amd(&both, 0x10_0f22, Some(0x0100_0083));
    }
    amd(b"", 1, None);
}

#[test]
fn t9_21_all_revisions_of_a_processor_are_kept() {
    let jaguar = sample("microcode_amd_fam16h.bin");
    let mut older = jaguar.clone();
    let patch = 12 + 32 + 8;
    assert_eq!(older[patch + 4..][..4], 0x0700_010f_u32.to_le_bytes());
    older[patch + 4] = 1;
    for both in [[&*older, &*jaguar].concat(), [&*jaguar, &*older].concat()] {
        let (updates, damage) = read_containers(&both.as_slice(), &|_| true);
        let best = updates.iter().map(|update| update.revision).max();
        assert_eq!((updates.len(), best, damage), (2, Some(0x0700_010f), None));
    }
    // For a certain chipset: never loaded.
    let mut special = jaguar;
    special[patch + 16] = 1;
    amd(&special, 0x70_0f01, None);
}

#[track_caller]
fn damaged_amd(bytes: &[u8], kept: usize, expected: &str) {
    let (updates, damage) = read_containers(&bytes, &|_| true);
    assert_eq!(
        (updates.len(), damage.unwrap().to_string()),
        (kept, expected.to_owned())
    );
}

#[test]
fn t9_21_what_stands_before_a_damage_counts() {
    let jaguar = sample("microcode_amd_fam16h.bin");
    damaged_amd(&jaguar[..3509], 0, "at byte 44: a patch is cut off");
    damaged_amd(
        &jaguar[..50],
        0,
        "at byte 44: the head of a patch is cut off",
    );
    damaged_amd(
        &jaguar[..40],
        0,
        "at byte 12: a table of processors is cut off",
    );
    damaged_amd(
        &jaguar[..11],
        0,
        "at byte 0: the head of a container is cut off",
    );
    damaged_amd(&[0; 64], 0, "at byte 0: no container of microcode");
    let behind = [&*jaguar, &[7; 64]].concat();
    damaged_amd(&behind, 1, "at byte 3510: no patch where one should begin");
    let mut none = jaguar;
    none[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    damaged_amd(
        &none,
        0,
        "at byte 12: a table of processors of 4294967295 bytes",
    );
}

#[track_caller]
fn early(bytes: &[u8], name: &str, expected: Option<(u64, u64)>) {
    assert_eq!(find_early(&bytes, name.as_bytes()).unwrap(), expected);
}

#[track_caller]
fn no_early(bytes: &[u8], expected: &str) {
    let damage = find_early(&bytes, INTEL_NAME.as_bytes()).unwrap_err();
    assert_eq!(damage.to_string(), expected);
}

#[test]
fn t9_22_the_first_archives_of_an_initrd_are_searched() {
    let (intel, amd) = (sample("early-intel.cpio"), sample("early-amd.cpio"));
    let zstd = b"\x28\xb5\x2f\xfd and whatever else";
    let initrd = [&*intel, zstd].concat();
    early(&initrd, INTEL_NAME, Some((INTEL_AT, 13312)));
    early(&initrd, AMD_NAME, None);
    // Two archives, as with both packages.
    let initrd = [&*amd, &*intel, zstd].concat();
    let at = amd.len() as u64 + INTEL_AT;
    early(&initrd, INTEL_NAME, Some((at, 13312)));
    early(&initrd, AMD_NAME, Some((AMD_AT, 11386)));
    // Nothing before what is compressed, or behind it.
    early(&[zstd, &*intel].concat(), INTEL_NAME, None);
    early(b"", INTEL_NAME, None);
    early(&[0; 5000], INTEL_NAME, None);
}

/// Where the real archives hold the files.
const INTEL_AT: u64 = 688;
const AMD_AT: u64 = 636;

#[test]
fn t9_22_only_the_right_file_of_an_archive_counts() {
    let file = |name: &str| archived("070701", name, 0o100_644, b"content");
    let before = [file("kernel/x86/microcode/README"), file("x")].concat();
    let initrd = [&*before, &file(INTEL_NAME)].concat();
    let at = before.len() as u64 + 148;
    early(&initrd, INTEL_NAME, Some((at, 7)));
    early(
        &archived("070702", INTEL_NAME, 0o100_600, b"1"),
        INTEL_NAME,
        Some((148, 1)),
    );
    early(
        &archived("070707", INTEL_NAME, 0o100_600, b"1"),
        INTEL_NAME,
        None,
    );
    early(
        &archived("070701", INTEL_NAME, 0o120_777, b"1"),
        INTEL_NAME,
        None,
    );
    early(&file(&format!("./{INTEL_NAME}")), INTEL_NAME, None);
    let padded = file(&format!("{INTEL_NAME}\0\0\0\0"));
    early(&padded, INTEL_NAME, Some((152, 7)));
}

#[test]
fn t9_22_a_damaged_archive_is_said() {
    let whole = archived("070701", INTEL_NAME, 0o100_644, b"content");
    no_early(&whole[..150], "at byte 0: a file of an archive is cut off");
    no_early(
        &whole[..109],
        "at byte 0: the header of a file in an archive is cut off",
    );
    let mut other = whole;
    other[54] = b'x';
    no_early(&other, "at byte 0: no header of a file in an archive");
    let zeros = vec![0; 3 * 1024 * 1024];
    no_early(&zeros, "at byte 0: more than 1048576 zeros");
}

/// A PE file with sections, as far as anybody looks.
fn unified(sections: &[(&[u8; 8], &[u8])]) -> Vec<u8> {
    let table = 0x80 + 24 + 16;
    let mut bytes = vec![0; table];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[60] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    bytes[0x80 + 6] = u8::try_from(sections.len()).unwrap();
    bytes[0x80 + 20] = 16;
    let mut at = table + 40 * sections.len();
    for (name, content) in sections {
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let offset = u32::try_from(at).unwrap().to_le_bytes();
        bytes.extend([&name[..], &size, &[0; 4], &size, &offset, &[0; 16]].concat());
        at += content.len();
    }
    bytes.extend(sections.iter().flat_map(|(_, content)| *content));
    bytes
}

#[track_caller]
fn in_image(bytes: &[u8], expected: Option<&[u8]>) {
    let found = microcode_in(&bytes, INTEL_NAME.as_bytes()).unwrap();
    let found = found.map(|part| part.range(0, 1000).unwrap().into_owned());
    assert_eq!(found.as_deref(), expected);
}

#[test]
fn t9_22_unified_images_hold_initrds() {
    let file = |content: &[u8]| archived("070701", INTEL_NAME, 0o100_644, content);
    in_image(&file(b"plain"), Some(b"plain"));
    let (new, old) = (file(b"new"), file(b"old!"));
    in_image(
        &unified(&[(b".linux\0\0", b"kernel"), (b".initrd\0", &old)]),
        Some(b"old!"),
    );
    let both = [(b".initrd\0", &*old), (b".ucode\0\0", &*new)];
    in_image(&unified(&both), Some(b"new"));
    in_image(&unified(&[(b".linux\0\0", &old)]), None);
    let image = unified(&both);
    for cut in [63, 0x90, 200] {
        let bytes = &image[..cut];
        assert!(
            microcode_in(&bytes, INTEL_NAME.as_bytes()).is_err(),
            "{cut}"
        );
    }
}

#[track_caller]
fn disabled(command_line: &str, expected: Option<&str>) {
    assert_eq!(parse_disabled(command_line.as_bytes()).as_deref(), expected);
}

#[test]
fn t9_22_the_loader_can_be_off() {
    disabled("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n", None);
    disabled("ro dis_ucode_ldr quiet\n", Some("dis_ucode_ldr"));
    disabled("ro dis_ucode_ldr\n", Some("dis_ucode_ldr"));
    disabled("ro dis_ucode_ldr=1 xdis_ucode_ldr\n", None);
    let new = Some("microcode=dis_ucode_ldr");
    disabled("microcode=force_minrev,dis_ucode_ldr quiet\n", new);
    disabled("microcode=dis_ucode_ldr\n", new);
    disabled("microcode=dis_ucode_ldr microcode=force_minrev\n", None);
    disabled("microcode=off\n", None);
    disabled("", None);
}
