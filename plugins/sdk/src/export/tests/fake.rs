//! The host's side of the ABI, for tests.

use std::ffi::c_void;
use std::ptr;

use crate::export::borrowed;
use crate::testing::Said;
use crate::{Handle, How, Instance, Part, Report as _, Role, Root, Used, What, abi};

/// A host that knows one file, `/f`, and refuses paths that name a number.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) questions: Vec<String>,
    pub(super) said: Said,
}

/// # Safety
/// `ctx` is a [`Fake`] that nobody else uses.
unsafe fn fake<'a>(ctx: *mut c_void) -> &'a mut Fake {
    // SAFETY: as said.
    unsafe { &mut *ctx.cast::<Fake>() }
}

/// # Safety
/// As [`borrowed`].
unsafe fn text(bytes: abi::Bytes) -> String {
    // SAFETY: the bridge lends what it hands over.
    String::from_utf8(unsafe { borrowed(bytes) }.unwrap().to_vec()).unwrap()
}

pub(super) fn lent(bytes: &'static [u8]) -> abi::Bytes {
    abi::Bytes {
        ptr: bytes.as_ptr(),
        len: bytes.len(),
    }
}

pub(super) fn some(bytes: &'static [u8]) -> abi::OptionalBytes {
    abi::OptionalBytes {
        present: 1,
        reserved: 0,
        value: lent(bytes),
    }
}

pub(super) const NOTHING: abi::Bytes = abi::Bytes {
    ptr: ptr::null(),
    len: 0,
};

/// 0 for `/f`, the number for `/-3`, missing for anything else.
fn answer(path: &str) -> abi::Answer {
    match path {
        "/f" => 0,
        path => path[1..].parse().unwrap_or(-1),
    }
}

unsafe extern "C" fn read(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Bytes,
) -> abi::Answer {
    // SAFETY: the bridge hands over what the ABI says.
    unsafe {
        let path = text(path);
        fake(ctx).questions.push(format!("read {root} {path}"));
        *out = match path.as_str() {
            "/empty" => NOTHING,
            "/null" => abi::Bytes {
                ptr: ptr::null(),
                len: 5,
            },
            "/lie" => abi::Bytes {
                ptr: b"x".as_ptr(),
                len: usize::MAX,
            },
            _ => lent(b"content"),
        };
        match path.as_str() {
            "/empty" | "/null" | "/lie" => 0,
            path => answer(path),
        }
    }
}

unsafe extern "C" fn read_at(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    offset: u64,
    size: u32,
    out: *mut abi::Bytes,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        let path = text(path);
        let question = format!("read_at {root} {path} {offset} {size}");
        fake(ctx).questions.push(question);
        *out = lent(b"part");
        answer(&path)
    }
}

unsafe extern "C" fn stat(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Stat,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        let path = text(path);
        fake(ctx).questions.push(format!("stat {root} {path}"));
        assert_eq!((*out).struct_size as usize, size_of::<abi::Stat>());
        (*out).kind = if path == "/odd" { 77 } else { 1 };
        (*out).size = 12;
        (*out).real_path = lent(b"/g");
        if path == "/odd" { 0 } else { answer(&path) }
    }
}

unsafe extern "C" fn list(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    on_entry: Option<abi::OnEntry>,
    back: *mut c_void,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        let path = text(path);
        fake(ctx).questions.push(format!("list {root} {path}"));
        let on_entry = on_entry.unwrap();
        for (name, kind) in [(&b"a"[..], 0), (b"b\xff", 2), (b"c", 9)] {
            let name = abi::Bytes {
                ptr: name.as_ptr(),
                len: name.len(),
            };
            on_entry(back, name, kind);
        }
        let null = abi::Bytes {
            ptr: ptr::null(),
            len: 3,
        };
        on_entry(back, null, 0);
        answer(&path)
    }
}

unsafe extern "C" fn read_link(
    ctx: *mut c_void,
    root: u32,
    path: abi::Bytes,
    out: *mut abi::Bytes,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        let path = text(path);
        fake(ctx).questions.push(format!("read_link {root} {path}"));
        *out = lent(b"../to");
        answer(&path)
    }
}

unsafe extern "C" fn memory(
    ctx: *mut c_void,
    address: u64,
    size: u32,
    out: *mut abi::Bytes,
) -> abi::Answer {
    // SAFETY: as above.
    unsafe {
        fake(ctx)
            .questions
            .push(format!("memory {address:x} {size}"));
        *out = lent(b"\x01\x02");
        if address == 0 { -1 } else { 0 }
    }
}

unsafe extern "C" fn uses(ctx: *mut c_void, used: *const abi::Used) {
    // SAFETY: as above.
    unsafe {
        let used = *used;
        assert_eq!(used.size as usize, size_of::<abi::Used>());
        assert_eq!(used.reserved, 0);
        let bytes = |raw| borrowed(raw).unwrap().to_vec();
        let number = || u32::try_from(used.handle).unwrap();
        let what = match used.what {
            0 => What::File(bytes(used.path)),
            1 => What::Held(Handle::Descriptor(number())),
            2 => What::Held(Handle::Mapping(used.handle)),
            3 => What::Link {
                root: abi::root_from(used.root).unwrap(),
                link: bytes(used.path),
                was: bytes(used.was),
            },
            other => panic!("{other} is no kind of use"),
        };
        fake(ctx).said.uses(Used {
            what,
            role: abi::role_from(used.role).unwrap(),
            how: abi::how_from(used.how).unwrap(),
            via: (used.via.present == 1).then(|| bytes(used.via.value)),
        });
    }
}

unsafe extern "C" fn instance(ctx: *mut c_void, instance: *const abi::Instance) {
    // SAFETY: as above.
    unsafe {
        let instance = *instance;
        assert_eq!(instance.size as usize, size_of::<abi::Instance>());
        let bytes = |raw| borrowed(raw).unwrap().to_vec();
        let optional = |raw: abi::OptionalBytes| (raw.present == 1).then(|| bytes(raw.value));
        fake(ctx).said.instance(Instance {
            name: bytes(instance.name),
            id: optional(instance.id),
            image: optional(instance.image),
            pod: optional(instance.pod),
            project: optional(instance.project),
            part: abi::part_from(instance.part).unwrap(),
            restart: (instance.restart.present == 1).then(|| text(instance.restart.value)),
        });
    }
}

unsafe extern "C" fn note(ctx: *mut c_void, line: abi::Bytes) {
    // SAFETY: as above.
    unsafe { fake(ctx).said.note(&text(line)) };
}

unsafe extern "C" fn unknown(ctx: *mut c_void, line: abi::Bytes) {
    // SAFETY: as above.
    unsafe { fake(ctx).said.unknown(&text(line)) };
}

pub(super) fn host(fake: &mut Fake) -> abi::Host {
    abi::Host {
        size: u32::try_from(size_of::<abi::Host>()).unwrap(),
        abi_major: abi::ABI_MAJOR,
        abi_minor: abi::ABI_MINOR,
        ctx: ptr::from_mut(fake).cast(),
        read: Some(read),
        read_at: Some(read_at),
        stat: Some(stat),
        list: Some(list),
        read_link: Some(read_link),
        memory: Some(memory),
        uses: Some(uses),
        instance: Some(instance),
        note: Some(note),
        unknown: Some(unknown),
    }
}

/// Something to report.
pub(super) fn uses_of_each_kind() -> Vec<Used> {
    let used = |what, role, how, via: Option<&[u8]>| Used {
        what,
        role,
        how,
        via: via.map(<[u8]>::to_vec),
    };
    let link = What::Link {
        root: Root::Host,
        link: b"/snap/x/current".to_vec(),
        was: b"/snap/x/12".to_vec(),
    };
    let file = |path: &[u8]| What::File(path.to_vec());
    vec![
        used(file(b"/s"), Role::Script, How::Loaded, None),
        used(file(b"/m\xff"), Role::Module, How::Imported, Some(b"/s")),
        used(file(b""), Role::Module, How::Possible, Some(b"")),
        used(
            What::Held(Handle::Descriptor(4)),
            Role::Archive,
            How::Loaded,
            None,
        ),
        used(
            What::Held(Handle::Mapping(u64::MAX)),
            Role::Archive,
            How::Loaded,
            None,
        ),
        used(link, Role::Revision, How::Loaded, None),
    ]
}

/// Another thing to report.
pub(super) fn a_whole_instance() -> Instance {
    Instance {
        name: b"web".to_vec(),
        id: Some(b"01".to_vec()),
        image: Some(b"img".to_vec()),
        pod: Some(b"ns/pod".to_vec()),
        project: Some(b"default".to_vec()),
        part: Part::Helper,
        restart: Some("system".to_owned()),
    }
}
