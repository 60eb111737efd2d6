//! The bridge, crossed inside one process: a host of the test's own on the one side, a detector on the other.

mod fake;

use std::cell::{Cell, RefCell};
use std::mem::{offset_of, zeroed};
use std::ptr;

use fake::{Fake, NOTHING, a_whole_instance, host, lent, some, uses_of_each_kind};

use super::{Note, Slot, inspect, padded};
use crate::testing::Said;
use crate::{
    Container, Detector, Entry, FileView, Handle, Held, Instance, Kind, Mapped, Process, Refused,
    Report, Root, Stat, abi,
};

type Look = fn(&Process, &dyn FileView, &mut dyn Report);
type Change = fn(&mut abi::Host);

thread_local! {
    static LOOK: Cell<Look> = const { Cell::new(|_, _, _| {}) };
    static SEEN: RefCell<Process> = RefCell::default();
    static PROBE: Slot<Probe> = const { Cell::new(None) };
}

/// Does what the test says.
#[derive(Default)]
struct Probe {
    looks: u32,
}

impl Detector for Probe {
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report) {
        self.looks += 1;
        report.note(&format!("look {}", self.looks));
        SEEN.set(process.clone());
        LOOK.get()(process, files, report);
    }
}

fn process() -> abi::Process {
    // SAFETY: integers, pointers and structs of such.
    let empty: abi::Process = unsafe { zeroed() };
    abi::Process {
        size: u32::try_from(size_of::<abi::Process>()).unwrap(),
        pid: 7,
        ..empty
    }
}

/// Lets the probe look at a process through a host that is changed by the test.
fn cross_with(process: &abi::Process, change: Change, look: Look) -> (i32, Fake) {
    LOOK.set(look);
    PROBE.take();
    let mut fake = Fake::default();
    let mut host = host(&mut fake);
    change(&mut host);
    // SAFETY: both are what they say, unless the test is about what is refused.
    let answer = unsafe { inspect(&PROBE, process, &raw const host) };
    (answer, fake)
}

fn cross(look: Look) -> Fake {
    let (answer, mut fake) = cross_with(&process(), |_| {}, look);
    assert_eq!(answer, 0);
    assert_eq!(fake.said.notes.remove(0), "look 1");
    fake
}

fn array<T>(items: &[T]) -> abi::Array {
    abi::Array {
        items: items.as_ptr().cast(),
        count: items.len(),
        stride: size_of::<T>(),
    }
}

#[test]
fn each_field_of_a_process_comes_over() {
    let argv = [lent(b"/usr/bin/awk"), NOTHING, lent(b"\xff")];
    let environ = [abi::Pair {
        key: lent(b"AWKPATH"),
        value: lent(b"/lib"),
    }];
    let code = [abi::Mapped {
        path: lent(b"/lib/x.so"),
        start: u64::MAX,
    }];
    let held = [
        abi::Held {
            path: lent(b"/a"),
            by: 0,
            reserved: 0,
            handle: 4,
        },
        abi::Held {
            path: lent(b"/b"),
            by: 1,
            reserved: 0,
            handle: 0x7f00_0000_0000,
        },
    ];
    let options = [abi::Pair {
        key: lent(b"depth"),
        value: lent(b"3"),
    }];
    let raw = abi::Process {
        uid: 33,
        environ_known: 1,
        view: 9,
        exe: lent(b"/usr/bin/gawk"),
        execfn: some(b"./x"),
        cwd: some(b"/srv"),
        cgroup: lent(b"0::/a\n"),
        argv: array(&argv),
        environ: array(&environ),
        code: array(&code),
        held: array(&held),
        options: array(&options),
        runtime: some(b"podman"),
        container: lent(b"0123"),
        container_has_user: 1,
        container_user: 1000,
        ..process()
    };
    let (answer, _) = cross_with(&raw, |_| {}, |_, _, _| {});
    assert_eq!(answer, 0);
    let expected = Process {
        pid: 7,
        uid: 33,
        view: 9,
        exe: b"/usr/bin/gawk".to_vec(),
        execfn: Some(b"./x".to_vec()),
        argv: vec![b"/usr/bin/awk".to_vec(), Vec::new(), b"\xff".to_vec()],
        environ: Some(vec![(b"AWKPATH".to_vec(), b"/lib".to_vec())]),
        cwd: Some(b"/srv".to_vec()),
        cgroup: b"0::/a\n".to_vec(),
        code: vec![Mapped {
            path: b"/lib/x.so".to_vec(),
            start: u64::MAX,
        }],
        held: vec![
            Held {
                path: b"/a".to_vec(),
                by: Handle::Descriptor(4),
            },
            Held {
                path: b"/b".to_vec(),
                by: Handle::Mapping(0x7f00_0000_0000),
            },
        ],
        container: Some(Container {
            runtime: "podman".to_owned(),
            id: b"0123".to_vec(),
            user: Some(1000),
        }),
        options: vec![("depth".to_owned(), "3".to_owned())],
    };
    assert_eq!(SEEN.take(), expected);
}

#[test]
fn what_is_missing_is_missing() {
    cross(|process, _, _| {
        let expected = Process {
            pid: 7,
            ..Process::default()
        };
        assert_eq!(*process, expected);
        assert_eq!(process.environ, None);
    });
}

#[test]
fn longer_items_and_structs_are_read_as_far_as_they_are_known() {
    #[repr(C)]
    struct Longer {
        path: abi::Bytes,
        start: u64,
        new: u64,
    }
    #[repr(C)]
    struct LongerProcess {
        known: abi::Process,
        new: u64,
    }
    let code = [1, 2].map(|start| Longer {
        path: lent(b"/l"),
        start,
        new: u64::MAX,
    });
    let mut raw = LongerProcess {
        known: abi::Process {
            code: array(&code),
            ..process()
        },
        new: u64::MAX,
    };
    raw.known.size += 8;
    // The pointer is to the whole of it, as a newer host would hand it over.
    // SAFETY: the first part is the struct.
    let known = unsafe { &*(&raw const raw).cast::<abi::Process>() };
    let longer = |host: &mut abi::Host| host.abi_minor += 1;
    assert_eq!(cross_with(known, longer, |_, _, _| {}).0, 0);
    assert_eq!(raw.new, u64::MAX);
    let starts: Vec<u64> = SEEN.take().code.iter().map(|item| item.start).collect();
    assert_eq!(starts, [1, 2]);
}

#[test]
fn each_question_comes_back_with_its_answer() {
    let fake = cross(|_, files, _| {
        let host = Root::Host;
        let process = Root::Process;
        assert_eq!(files.read(process, b"/f"), Ok(b"content".to_vec()));
        assert_eq!(files.read(host, b"/empty"), Ok(Vec::new()));
        let part = files.read_at(process, b"/f", 1 << 40, 4);
        assert_eq!(part, Ok(b"part".to_vec()));
        let stat = Stat {
            kind: Kind::Directory,
            size: 12,
            real_path: b"/g".to_vec(),
        };
        assert_eq!(files.stat(host, b"/f"), Ok(stat));
        let odd = files.stat(process, b"/odd").unwrap();
        assert_eq!(odd.kind, Kind::Other, "a kind of a newer host");
        let names = [
            (&b"a"[..], Kind::File),
            (b"b\xff", Kind::Link),
            (b"c", Kind::Other),
        ];
        let entries = names.map(|(name, kind)| Entry {
            name: name.to_vec(),
            kind,
        });
        assert_eq!(files.list(process, b"/f"), Ok(entries.to_vec()));
        assert_eq!(files.read_link(process, b"/f"), Ok(b"../to".to_vec()));
        assert_eq!(files.memory(0xffff, 2), Ok(vec![1, 2]));
    });
    let asked = [
        "read 0 /f",
        "read 1 /empty",
        "read_at 0 /f 1099511627776 4",
        "stat 1 /f",
        "stat 0 /odd",
        "list 0 /f",
        "read_link 0 /f",
        "memory ffff 2",
    ];
    assert_eq!(fake.questions, asked);
}

const REFUSALS: [(&[u8], Refused); 9] = [
    (b"/-1", Refused::Missing),
    (b"/-2", Refused::WrongKind),
    (b"/-3", Refused::Denied),
    (b"/-4", Refused::TooLarge),
    (b"/-5", Refused::Budget),
    (b"/-6", Refused::NoAnswer),
    (b"/-7", Refused::Failed),
    (b"/-99", Refused::Failed),
    (b"/1", Refused::Failed),
];

#[test]
fn each_refusal_comes_back() {
    cross(|_, files, _| {
        for (path, refused) in REFUSALS {
            let root = Root::Process;
            assert_eq!(files.read(root, path), Err(refused));
            assert_eq!(files.read_at(root, path, 0, 1), Err(refused));
            assert_eq!(files.stat(root, path), Err(refused));
            assert_eq!(files.list(root, path), Err(refused));
            assert_eq!(files.read_link(root, path), Err(refused));
        }
        assert_eq!(files.memory(0, 1), Err(Refused::Missing));
    });
    for (_, refused) in &REFUSALS[..7] {
        assert_eq!(abi::refused_from(abi::refused_code(*refused)), *refused);
    }
}

#[test]
fn answers_that_cannot_be_are_refused() {
    cross(|_, files, _| {
        assert_eq!(files.read(Root::Process, b"/null"), Err(Refused::Failed));
        assert_eq!(files.read(Root::Process, b"/lie"), Err(Refused::Failed));
    });
}

#[test]
fn each_report_comes_over() {
    let fake = cross(|_, _, report| {
        for used in uses_of_each_kind() {
            report.uses(used);
        }
        report.instance(a_whole_instance());
        report.note("a → b");
        report.unknown("");
    });
    let expected = Said {
        uses: uses_of_each_kind(),
        instance: Some(a_whole_instance()),
        notes: vec!["a → b".to_owned()],
        unknown: vec![String::new()],
    };
    assert_eq!(fake.said, expected);
    let bare = cross(|_, _, report| report.instance(Instance::default()));
    assert_eq!(bare.said.instance, Some(Instance::default()));
}

#[test]
fn a_host_that_knows_less_lacks_its_later_functions() {
    fn shorter(host: &mut abi::Host) {
        // In the middle of a pointer: half of one is none.
        host.size = u32::try_from(offset_of!(abi::Host, stat)).unwrap() + 4;
    }
    let look: Look = |_, files, _| {
        assert_eq!(files.read(Root::Process, b"/f"), Ok(b"content".to_vec()));
        let part = files.read_at(Root::Process, b"/f", 0, 1);
        assert_eq!(part, Ok(b"part".to_vec()));
        let refused = Refused::Failed;
        assert_eq!(files.stat(Root::Process, b"/f"), Err(refused));
        assert_eq!(files.list(Root::Process, b"/f"), Err(refused));
        assert_eq!(files.read_link(Root::Process, b"/f"), Err(refused));
        assert_eq!(files.memory(1, 1), Err(refused));
    };
    let (answer, fake) = cross_with(&process(), shorter, look);
    // The probe's note had nobody to hear it, which must not pass for silence.
    assert_eq!(answer, abi::INSPECT_UNUSABLE);
    assert_eq!(fake.questions.len(), 2);
    assert_eq!(fake.said, Said::default());
}

#[test]
fn a_report_without_an_ear_is_not_lost_in_silence() {
    let looks: [(Change, Look); 4] = [
        (
            |host| host.uses = None,
            |_, _, report| report.uses(uses_of_each_kind().remove(0)),
        ),
        (
            |host| host.instance = None,
            |_, _, report| report.instance(Instance::default()),
        ),
        (|host| host.note = None, |_, _, _| {}),
        (
            |host| host.unknown = None,
            |_, _, report| report.unknown("x"),
        ),
    ];
    for (change, look) in looks {
        let (answer, _) = cross_with(&process(), change, look);
        assert_eq!(answer, abi::INSPECT_UNUSABLE);
    }
}

#[track_caller]
fn refuses_process(change: fn(&mut abi::Process)) {
    let mut raw = process();
    change(&mut raw);
    let (answer, fake) = cross_with(&raw, |_| {}, |_, _, _| {});
    assert_eq!(answer, abi::INSPECT_UNUSABLE);
    assert_eq!(fake.said, Said::default(), "the detector was not called");
}

#[test]
fn processes_that_cannot_be_are_refused() {
    const EMPTY: &[abi::Bytes] = &[NOTHING];
    const NULL: &[abi::Bytes] = &[abi::Bytes {
        ptr: ptr::null(),
        len: 1,
    }];
    const HELD: &[abi::Held] = &[abi::Held {
        path: NOTHING,
        by: 2,
        reserved: 0,
        handle: 0,
    }];
    refuses_process(|process| process.size = 0);
    refuses_process(|process| process.size -= 8);
    refuses_process(|process| process.exe.len = 3);
    refuses_process(|process| process.argv.count = 1);
    refuses_process(|process| {
        process.argv.count = 1;
        process.argv.stride = size_of::<abi::Bytes>();
    });
    refuses_process(|process| {
        process.argv = array(EMPTY);
        process.argv.stride -= 1;
    });
    refuses_process(|process| {
        process.argv = array(EMPTY);
        process.argv.count = usize::MAX;
    });
    refuses_process(|process| process.argv = array(NULL));
    refuses_process(|process| process.held = array(HELD));
}

#[track_caller]
fn refuses_host(change: Change) {
    let (answer, fake) = cross_with(&process(), change, |_, _, _| {});
    assert_eq!(answer, abi::INSPECT_UNUSABLE);
    assert_eq!(fake.said, Said::default(), "the detector was not called");
}

#[test]
fn hosts_that_cannot_be_are_refused() {
    refuses_host(|host| host.size = 0);
    refuses_host(|host| host.size = 15);
    refuses_host(|host| host.abi_major = 0);
    refuses_host(|host| host.abi_major = 2);
}

#[test]
fn null_and_crooked_pointers_are_refused() {
    let mut fake = Fake::default();
    let host = host(&mut fake);
    let process = process();
    let crooked = (&raw const process).wrapping_byte_add(1);
    for (process, host) in [
        (ptr::null(), &raw const host),
        (&raw const process, ptr::null()),
        (ptr::null(), ptr::null()),
        (crooked, &raw const host),
    ] {
        // SAFETY: null is allowed; what is not aligned is not read.
        let answer = unsafe { inspect(&PROBE, process, host) };
        assert_eq!(answer, abi::INSPECT_UNUSABLE);
    }
    assert_eq!(fake.said, Said::default());
}

#[test]
fn a_panic_costs_one_process() {
    let (raw, mut fake) = (process(), Fake::default());
    let host = host(&mut fake);
    // SAFETY: both are what they say.
    let look = || unsafe { inspect(&PROBE, &raw const raw, &raw const host) };
    LOOK.set(|_, _, _| {});
    assert_eq!((look(), look()), (0, 0));
    LOOK.set(|_, _, _| panic!("on purpose"));
    assert_eq!(look(), abi::INSPECT_PANICKED);
    LOOK.set(|_, _, _| std::panic::panic_any(Bomb));
    assert_eq!(look(), abi::INSPECT_PANICKED);
    LOOK.set(|_, _, _| {});
    assert_eq!(look(), 0);
    // It keeps what it learnt from one process to the next, but not beyond a panic.
    let notes = ["look 1", "look 2", "look 3", "look 1", "look 1"];
    assert_eq!(fake.said.notes, notes);
}

/// What is thrown may throw again.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn the_note_is_laid_out_as_elf_says() {
    const TEXT: &str = "name";
    const LONGER: &str = "names";
    assert_eq!((padded(TEXT), padded(LONGER)), (4, 8));
    let note = Note::<{ padded(LONGER) }>::new(LONGER);
    assert_eq!((size_of_val(&note), align_of_val(&note)), (28, 4));
    assert_eq!(offset_of!(Note<8>, text), 20);
    assert_eq!((note.name_size, note.text_size, note.kind), (8, 5, 1));
    assert_eq!(note.name[..7], *abi::NOTE_NAME.as_bytes());
    assert_eq!(&note.text, b"names\0\0\0");
}
