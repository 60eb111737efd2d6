//! Rows: what runs and what is on disk, and what is said of it.

use super::*;

const INTEL: u32 = 0xf48;

fn processor(vendor: &str, platform: Option<u32>, revision: u32) -> Processor {
    Processor {
        vendor: Bytes::from(vendor),
        signature: INTEL,
        platform,
        revision,
        packages: vec![0],
    }
}

fn intel(platform: impl Into<Option<u32>>, revision: u32) -> Processor {
    processor("GenuineIntel", platform.into(), revision)
}

fn amd(revision: u32) -> Processor {
    processor("AuthenticAMD", None, revision)
}

fn patch(file: &str, platforms: impl Into<Option<u32>>, revision: u32) -> Patch {
    Patch {
        file: Bytes::from(file),
        early: file.starts_with("/boot"),
        signature: INTEL,
        platforms: platforms.into(),
        revision,
    }
}

const INITRD: &str = "/boot/initrd.img-6.1.0-56-amd64";
const FIRMWARE: &str = "/lib/firmware/intel-ucode/0f-04-08";
const AT_BOOT: Verdict = Verdict::Obsolete {
    loaded_at_boot: true,
};
const LATER: Verdict = Verdict::Obsolete {
    loaded_at_boot: false,
};

/// What there is beside one processor.
struct Row {
    microcode: Microcode,
    next: Option<&'static str>,
}

fn row(processor: Processor, patches: impl IntoIterator<Item = Patch>) -> Row {
    Row {
        microcode: Microcode {
            processors: vec![processor],
            patches: patches.into_iter().collect(),
            unread: Vec::new(),
            disabled: None,
        },
        next: None,
    }
}

impl Row {
    fn next(self, release: &'static str) -> Self {
        Self {
            next: Some(release),
            ..self
        }
    }

    fn unread(mut self, file: &str) -> Self {
        self.microcode.unread.push(Bytes::from(file));
        self
    }

    fn disabled(mut self, word: &str) -> Self {
        self.microcode.disabled = Some(word.to_owned());
        self
    }
}

#[track_caller]
fn check(row: Row, verdict: Verdict, why: Why, best: Option<(&str, u32)>) {
    let judged = judge(&row.microcode, row.next.map(str::as_bytes));
    let [judged] = judged.as_slice() else {
        panic!("{judged:?}");
    };
    let found = judged
        .best
        .map(|patch| (patch.file.clone(), patch.revision));
    let best = best.map(|(file, revision)| (Bytes::from(file), revision));
    assert_eq!((judged.verdict, &judged.why, found), (verdict, &why, best));
}

#[test]
fn t9_20_the_newest_of_the_processors_platform_counts() {
    // Of a real file: three platforms, each with a revision of its own.
    let file = |early| {
        [(0x5f, 0x7), (0x02, 0xe), (0x01, 0xc)].map(|(mask, revision)| patch(early, mask, revision))
    };
    let best = Some((INITRD, 0xe));
    check(
        row(intel(0x02, 0x7), file(INITRD)),
        AT_BOOT,
        Why::InInitrd,
        best,
    );
    check(
        row(intel(0x02, 0xd), file(INITRD)),
        AT_BOOT,
        Why::InInitrd,
        best,
    );
    check(
        row(intel(0x02, 0xe), file(INITRD)),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
    // Not the last line, and not the highest of all.
    let best = Some((INITRD, 0x7));
    check(
        row(intel(0x10, 0x7), file(INITRD)),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
    check(
        row(intel(0x10, 0x6), file(INITRD)),
        AT_BOOT,
        Why::InInitrd,
        best,
    );
    // A bit that no mask has.
    check(
        row(intel(0x80, 0x1), file(INITRD)),
        Verdict::Current,
        Why::NothingOnDisk,
        None,
    );
}

#[test]
fn t9_20_platforms_of_neither_match() {
    let zero = [patch(INITRD, 0, 9)];
    check(
        row(intel(0, 3), zero.clone()),
        AT_BOOT,
        Why::InInitrd,
        Some((INITRD, 9)),
    );
    check(
        row(intel(1, 3), zero),
        Verdict::Current,
        Why::NothingOnDisk,
        None,
    );
}

#[test]
fn t9_20_an_unknown_platform_matters_only_where_files_differ() {
    let alike = [patch(INITRD, 2, 7), patch(FIRMWARE, 2, 7)];
    check(
        row(intel(None, 3), alike),
        AT_BOOT,
        Why::InInitrd,
        Some((INITRD, 7)),
    );
    let differ = [patch(INITRD, 1, 5), patch(INITRD, 2, 7)];
    check(
        row(intel(None, 6), differ.clone()),
        Verdict::Unknown,
        Why::NoPlatform,
        None,
    );
    // Newer than any.
    let best = Some((INITRD, 7));
    check(
        row(intel(None, 7), differ),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
}

#[test]
fn t9_20_revisions_are_compared_as_the_kernel_does() {
    let debug = 0x8000_0001;
    let file = [patch(INITRD, 1, 0x2a)];
    let best = Some((INITRD, 0x2a));
    check(
        row(intel(1, debug), file),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
    let file = [patch(INITRD, 1, debug)];
    check(
        row(intel(1, 0x2a), file),
        AT_BOOT,
        Why::InInitrd,
        Some((INITRD, debug)),
    );
}

#[test]
fn t9_21_amd_levels_know_no_platform() {
    let file = [
        patch(INITRD, None, 0x0a00_11d5),
        patch(INITRD, None, 0x0a00_1079),
    ];
    let best = Some((INITRD, 0x0a00_11d5));
    check(
        row(amd(0x0a00_11a8), file.clone()),
        AT_BOOT,
        Why::InInitrd,
        best,
    );
    check(
        row(amd(0x0a00_11d5), file),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
    // One that the loader leaves alone.
    let file = [patch(INITRD, None, 0x0100_00c8)];
    let best = Some((INITRD, 0x0100_00c8));
    check(
        row(amd(0x0100_009f), file),
        Verdict::Current,
        Why::Final,
        best,
    );
}

#[test]
fn t9_22_newer_firmware_than_any_file_is_current() {
    let file = [patch(INITRD, 1, 0x28)];
    let best = Some((INITRD, 0x28));
    check(
        row(intel(1, 0x2a), file),
        Verdict::Current,
        Why::NothingNewer,
        best,
    );
    check(
        row(intel(1, 0x2a), []),
        Verdict::Current,
        Why::NothingOnDisk,
        None,
    );
}

#[test]
fn t9_22_what_no_initrd_carries_is_not_loaded() {
    let both = [patch(INITRD, 1, 0x28), patch(FIRMWARE, 1, 0x2a)];
    let best = Some((FIRMWARE, 0x2a));
    check(
        row(intel(1, 0x28), both.clone()),
        LATER,
        Why::NotInInitrd,
        best,
    );
    // The initrd has something newer than what runs, though not the newest: that is what would be loaded.
    let loaded = Some((INITRD, 0x28));
    check(row(intel(1, 0x27), both), AT_BOOT, Why::InInitrd, loaded);
    let only = [patch(FIRMWARE, 1, 0x2a)];
    check(row(intel(1, 0x28), only), LATER, Why::NotInInitrd, best);
}

#[test]
fn t9_22_an_initrd_of_another_release_is_not_loaded() {
    let cases = [
        ("/boot/initrd.img-6.1.0-56-amd64", "6.1.0-56-amd64"),
        (
            "/boot/initramfs-5.14.0-503.el9.x86_64.img",
            "5.14.0-503.el9.x86_64",
        ),
        (
            "/boot/initrd-6.4.0-150600.21-default",
            "6.4.0-150600.21-default",
        ),
        (
            "/boot/0123456789abcdef0123456789abcdef/6.12.1-arch1-1/initrd",
            "6.12.1-arch1-1",
        ),
    ];
    for (file, release) in cases {
        let new = || row(intel(1, 0x28), [patch(file, 1, 0x2a)]);
        let best = Some((file, 0x2a));
        check(new(), AT_BOOT, Why::InInitrd, best);
        check(new().next(release), AT_BOOT, Why::InInitrd, best);
        check(new().next("6.1.0-55-amd64"), LATER, Why::NotInInitrd, best);
        // Nor does it matter that such a one cannot be read.
        let damaged = || row(intel(1, 0x28), []).unread(file);
        let why = Why::Unread(Bytes::from(file));
        check(damaged().next(release), Verdict::Unknown, why, None);
        let why = Why::NothingOnDisk;
        check(
            damaged().next("6.1.0-55-amd64"),
            Verdict::Current,
            why,
            None,
        );
    }
    for file in [
        "/boot/intel-ucode.img",
        "/boot/initramfs-linux.img",
        "/boot/EFI/Linux/a-6.1.efi",
    ] {
        let new = row(intel(1, 0x28), [patch(file, 1, 0x2a)]);
        check(
            new.next("6.1.0-55-amd64"),
            AT_BOOT,
            Why::InInitrd,
            Some((file, 0x2a)),
        );
    }
}

#[test]
fn t9_22_a_loader_that_is_off_loads_nothing() {
    let newer = row(intel(1, 0x28), [patch(INITRD, 1, 0x2a)]).disabled("dis_ucode_ldr");
    let why = Why::Disabled("dis_ucode_ldr".to_owned());
    check(newer, Verdict::NotApplicable, why, Some((INITRD, 0x2a)));
}

#[test]
fn t9_23_a_revision_that_says_nothing_is_unknown() {
    for revision in [0, u32::MAX] {
        let file = [patch(INITRD, 1, 0x2a)];
        let best = Some((INITRD, 0x2a));
        check(
            row(intel(1, revision), file),
            Verdict::Unknown,
            Why::NoRevision,
            best,
        );
    }
    assert_eq!(worst(&[]), Verdict::NotApplicable);
}

#[test]
fn g_damage_is_never_current() {
    let damaged = |running| row(intel(1, running), [patch(INITRD, 1, 0x28)]).unread(FIRMWARE);
    let best = Some((INITRD, 0x28));
    let why = Why::Unread(Bytes::from(FIRMWARE));
    check(damaged(0x28), Verdict::Unknown, why, best);
    // What was read is enough.
    check(damaged(0x27), AT_BOOT, Why::InInitrd, best);
}

#[test]
fn t9_24_each_processor_is_judged_and_the_worst_wins() {
    let mut all = row(intel(1, 0x2a), [patch(INITRD, 1, 0x2a)]).microcode;
    let verdicts = |all: &Microcode| {
        let judged = judge(all, None);
        let each: Vec<_> = judged.iter().map(|judged| judged.verdict).collect();
        (each, worst(&judged))
    };
    assert_eq!(verdicts(&all), (vec![Verdict::Current], Verdict::Current));
    // Another socket, another revision: late loading that failed on one of them.
    all.processors.push(intel(1, 0x29));
    assert_eq!(verdicts(&all), (vec![Verdict::Current, AT_BOOT], AT_BOOT));
    // Another stepping, for which there is nothing.
    all.processors[1].signature += 1;
    let both = vec![Verdict::Current, Verdict::Current];
    assert_eq!(verdicts(&all), (both, Verdict::Current));
    all.processors[1].revision = 0;
    let both = vec![Verdict::Current, Verdict::Unknown];
    assert_eq!(verdicts(&all), (both, Verdict::Unknown));
    assert!(LATER > Verdict::Unknown && AT_BOOT > LATER);
    assert!(Verdict::Unknown > Verdict::Current);
}

#[test]
fn verdicts_have_words() {
    let all = [
        Verdict::NotApplicable,
        Verdict::Current,
        Verdict::Unknown,
        LATER,
        AT_BOOT,
    ];
    let words = all.map(Verdict::word);
    assert_eq!(
        words,
        [
            "not-applicable",
            "current",
            "unknown",
            "obsolete",
            "obsolete"
        ]
    );
}
