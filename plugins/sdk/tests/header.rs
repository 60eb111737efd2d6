//! The C header, against the Rust side: both are kept by hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stderr, reason = "what is skipped must be said loudly")]
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use unstale_plugin::{How, Kind, Part, Refused, Role, Root, abi};

const WARNINGS: [&str; 7] = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Wcast-qual",
    "-Werror",
];

/// Whether a compiler is there. Where none may be missing, it says so by failing.
fn has(compiler: &str) -> bool {
    let found = Command::new(compiler).arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIPPED: no {compiler} here, the C header was not tested");
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "in CI nothing may be skipped: no {compiler} here"
        );
    }
    found
}

fn include() -> String {
    format!("-I{}/include", env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Compiles a C program with the header, and runs it.
fn printed(body: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let (source, program) = (directory.path().join("p.c"), directory.path().join("p"));
    let text = format!(
        "#include <stdio.h>\n#include \"unstale_plugin.h\"\nint main(void)\n{{\n{body}return 0;\n}}\n"
    );
    fs::write(&source, text).unwrap();
    run(Command::new("cc")
        .args(["-std=c11", &include(), "-o"])
        .args([&program, &source]));
    run(&mut Command::new(&program))
}

/// Size and offsets of a struct: lines of C that print them, and what they are here.
macro_rules! layout {
    ($body:ident, $here:ident, $name:ident = $c:literal { $($field:ident),* }) => {{
        writeln!($body, "printf(\"{0} %zu\\n\", sizeof({0}));", $c).unwrap();
        writeln!($here, "{} {}", $c, size_of::<abi::$name>()).unwrap();
        $(
            let field = stringify!($field);
            writeln!($body, "printf(\"{0}.{field} %zu\\n\", offsetof({0}, {field}));", $c).unwrap();
            writeln!($here, "{}.{field} {}", $c, offset_of!(abi::$name, $field)).unwrap();
        )*
        // Does not compile if a field is missing in the table.
        let _ = |whole: abi::$name| {
            let abi::$name { $($field: _),* } = whole;
        };
    }};
}

#[test]
fn structs_have_the_same_layout() {
    if !has("cc") {
        return;
    }
    let (mut body, mut here) = (String::new(), String::new());
    layout!(body, here, Bytes = "unstale_bytes" { ptr, len });
    layout!(body, here, OptionalBytes = "unstale_optional_bytes" { present, reserved, value });
    layout!(body, here, Pair = "unstale_pair" { key, value });
    layout!(body, here, Mapped = "unstale_mapped" { path, start });
    layout!(body, here, Held = "unstale_held" { path, by, reserved, handle });
    layout!(body, here, Array = "unstale_array" { items, count, stride });
    layout!(body, here, Process = "unstale_process" {
        size, pid, uid, environ_known, view, exe, execfn, cwd, cgroup, argv, environ, code, held, options,
        runtime, container, container_has_user, container_user
    });
    layout!(body, here, Stat = "unstale_stat" { struct_size, kind, size, real_path });
    layout!(body, here, Host = "unstale_host" {
        size, abi_major, abi_minor, ctx, read, read_at, stat, list, read_link, memory, uses, instance, note, unknown
    });
    layout!(body, here, Used = "unstale_used" {
        size, what, role, how, root, reserved, handle, path, was, via
    });
    layout!(body, here, Instance = "unstale_instance" {
        size, part, name, id, image, pod, project, restart
    });
    layout!(body, here, Detector = "unstale_detector" { size, abi_major, abi_minor, inspect });
    assert_eq!(printed(&body), here);
}

#[test]
fn words_have_the_same_numbers() {
    if !has("cc") {
        return;
    }
    let unsigned = [
        ("UNSTALE_ABI_MAJOR", u32::from(abi::ABI_MAJOR)),
        ("UNSTALE_ABI_MINOR", u32::from(abi::ABI_MINOR)),
        ("UNSTALE_ROOT_PROCESS", abi::root_code(Root::Process)),
        ("UNSTALE_ROOT_HOST", abi::root_code(Root::Host)),
        ("UNSTALE_FILE", abi::kind_code(Kind::File)),
        ("UNSTALE_DIRECTORY", abi::kind_code(Kind::Directory)),
        ("UNSTALE_LINK", abi::kind_code(Kind::Link)),
        ("UNSTALE_OTHER", abi::kind_code(Kind::Other)),
        ("UNSTALE_SCRIPT", abi::role_code(Role::Script)),
        ("UNSTALE_MODULE", abi::role_code(Role::Module)),
        ("UNSTALE_ARCHIVE", abi::role_code(Role::Archive)),
        ("UNSTALE_REVISION", abi::role_code(Role::Revision)),
        ("UNSTALE_LOADED", abi::how_code(How::Loaded)),
        ("UNSTALE_IMPORTED", abi::how_code(How::Imported)),
        ("UNSTALE_POSSIBLE", abi::how_code(How::Possible)),
        ("UNSTALE_PAYLOAD", abi::part_code(Part::Payload)),
        ("UNSTALE_HELPER", abi::part_code(Part::Helper)),
        // As the comments in `abi` say; the tests of the bridge hold it to them.
        ("UNSTALE_BY_DESCRIPTOR", 0),
        ("UNSTALE_BY_MAPPING", 1),
        ("UNSTALE_USED_FILE", 0),
        ("UNSTALE_USED_DESCRIPTOR", 1),
        ("UNSTALE_USED_MAPPING", 2),
        ("UNSTALE_USED_LINK", 3),
    ];
    let refused = [
        ("UNSTALE_MISSING", Refused::Missing),
        ("UNSTALE_WRONG_KIND", Refused::WrongKind),
        ("UNSTALE_DENIED", Refused::Denied),
        ("UNSTALE_TOO_LARGE", Refused::TooLarge),
        ("UNSTALE_BUDGET", Refused::Budget),
        ("UNSTALE_NO_ANSWER", Refused::NoAnswer),
        ("UNSTALE_FAILED", Refused::Failed),
    ];
    let codes = refused.map(|(name, refused)| (name, abi::refused_code(refused)));
    let mut here = String::new();
    for (name, code) in unsigned {
        writeln!(here, "{name} {code}").unwrap();
    }
    for (name, code) in codes {
        writeln!(here, "{name} {code}").unwrap();
    }
    let lines = here.lines().map(|line| {
        let name = line.split(' ').next().unwrap();
        format!("printf(\"{name} %d\\n\", (int){name});\n")
    });
    assert_eq!(printed(&lines.collect::<String>()), here);
}

/// A plugin that uses the whole header, with a manifest of `length` bytes.
fn plugin(length: usize) -> String {
    let manifest = "m".repeat(length);
    let entry = abi::ENTRY;
    format!(
        r#"#include "unstale_plugin.h"
UNSTALE_MANIFEST("{manifest}")
static int32_t inspect(const unstale_process *process, const unstale_host *host)
{{
    (void)process;
    unstale_note_text(host, "looked");
    return UNSTALE_HAS(host, unstale_host, unknown) ? 0 : 1;
}}
UNSTALE_DETECTOR(inspect)
const void *never_exported(void);
const void *never_exported(void) {{ return (const void *){entry}(); }}
"#
    )
}

fn build(compiler: &str, standard: &str, source: &Path, object: &Path) {
    let flags = [
        "-O2",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        "-Wl,-z,now",
    ];
    run(Command::new(compiler)
        .args([standard, &include(), "-o"])
        .args([object, source])
        .args(flags)
        .args(WARNINGS));
}

/// The manifest that an object carries, by the sections of the object itself.
fn note_of(object: &Path) -> Vec<u8> {
    let bytes = fs::read(object).unwrap();
    let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&bytes).unwrap();
    let header = file.section_header_by_name(abi::NOTE_SECTION).unwrap();
    let header = header.expect("a section for the note");
    assert_eq!(header.sh_type, elf::abi::SHT_NOTE);
    let segments = file.segments().unwrap();
    let lies_in = |segment: elf::segment::ProgramHeader| {
        let end = segment.p_offset + segment.p_filesz;
        let whole = (segment.p_offset..end).contains(&header.sh_offset)
            && header.sh_offset + header.sh_size <= end;
        segment.p_type == elf::abi::PT_NOTE && whole
    };
    assert!(segments.iter().any(lies_in), "the note is in no PT_NOTE");
    let notes: Vec<_> = file.section_data_as_notes(&header).unwrap().collect();
    let [elf::note::Note::Unknown(note)] = notes.as_slice() else {
        panic!("{notes:?}");
    };
    assert_eq!(note.name_str().unwrap(), abi::NOTE_NAME);
    assert_eq!(note.n_type, u64::from(abi::NOTE_TYPE));
    note.desc.to_vec()
}

#[track_caller]
fn exports_one_symbol(object: &Path) {
    let bytes = fs::read(object).unwrap();
    let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&bytes).unwrap();
    let (symbols, names) = file.dynamic_symbol_table().unwrap().unwrap();
    let defined = symbols
        .iter()
        .filter(|symbol| !symbol.is_undefined())
        .map(|symbol| names.get(symbol.st_name as usize).unwrap())
        .collect::<Vec<_>>();
    assert_eq!(defined, [abi::ENTRY]);
}

#[track_caller]
fn builds_with(compiler: &str, standard: &str, extension: &str) {
    if !has(compiler) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // Each rest of a division by the alignment of notes.
    for length in 1..=5 {
        let source = directory.path().join(format!("p{length}.{extension}"));
        let object = directory.path().join(format!("p{length}.so"));
        fs::write(&source, plugin(length)).unwrap();
        build(compiler, standard, &source, &object);
        assert_eq!(note_of(&object), "m".repeat(length).as_bytes());
        exports_one_symbol(&object);
    }
}

#[test]
fn plugins_build_in_c() {
    builds_with("cc", "-std=c11", "c");
}

#[test]
fn plugins_build_in_cpp() {
    builds_with("c++", "-std=c++17", "cc");
}

/// `unstale_join` is [`unstale_plugin::join`] in C.
#[test]
fn paths_are_joined_alike() {
    if !has("cc") {
        return;
    }
    let rows = [
        ("/a/b", "c"),
        ("/a/b", "../c/./d"),
        ("/a/b", "../../../c"),
        ("/a", "/x//y/"),
        ("/", "../.."),
        ("/a", ""),
        ("/a/../b", "..."),
        ("", "/"),
    ];
    let (mut body, mut here) = ("char b[64];\nunstale_bytes j;\n".to_owned(), String::new());
    for (directory, path) in rows {
        writeln!(
            body,
            "j = unstale_join(b, sizeof b, unstale_str(\"{directory}\"), unstale_str(\"{path}\"));\n\
             printf(\"%.*s\\n\", (int)j.len, (const char *)j.ptr);"
        )
        .unwrap();
        let joined = unstale_plugin::join(directory.as_bytes(), path.as_bytes());
        writeln!(here, "{}", String::from_utf8(joined).unwrap()).unwrap();
    }
    // What does not fit, by one byte, and what is relative to nothing.
    body += "j = unstale_join(b, 3, unstale_str(\"/a\"), unstale_str(\"b\")); printf(\"%zu\\n\", j.len);\n\
             j = unstale_join(b, 4, unstale_str(\"/a\"), unstale_str(\"b\")); printf(\"%zu\\n\", j.len);\n\
             j = unstale_join(b, 0, unstale_str(\"/\"), unstale_str(\"\")); printf(\"%zu\\n\", j.len);\n\
             j = unstale_join(b, 64, unstale_str(\"a\"), unstale_str(\"b\")); printf(\"%zu\\n\", j.len);\n";
    here += "0\n4\n0\n0\n";
    assert_eq!(printed(&body), here);
}
