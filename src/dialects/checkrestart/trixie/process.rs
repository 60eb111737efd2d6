//! One process, in the words for people and in those for programs.

use std::fmt::Write as _;

use crate::dialects::checkrestart::program::{Program, base_name};
use crate::dialects::{Stale, joined, tame};
use crate::model::{Bytes, Owner, Pid, is_tame};

/// Interpreters whose scripts count as programs.
const INTERPRETERS: [&str; 12] = [
    "/usr/bin/perl",
    "/usr/bin/python",
    "/usr/bin/ruby",
    "/usr/bin/tclsh",
    "/usr/bin/bash",
    "/usr/bin/dash",
    "/bin/perl",
    "/bin/python",
    "/bin/ruby",
    "/bin/tclsh",
    "/bin/bash",
    "/bin/dash",
];

/// A process that uses old files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    /// Its number.
    pub(super) pid: Pid,
    /// What runs.
    pub(super) program: Program,
    /// What the kernel calls the file that runs.
    exe: Bytes,
    argv: Vec<Bytes>,
    /// The line of its control group in the unified hierarchy: `0::/system.slice/x.service`.
    pub(super) cgroup: Option<Bytes>,
    /// Whom it belongs to.
    pub(super) owner: Owner,
    /// Its old files that count, by path.
    pub(super) files: Vec<Bytes>,
    /// Whether the administrator chose the name of its program: it is of a package, or root runs it, outside of containers.
    pub(super) is_of_administrator: bool,
}

/// How much of the arguments stands in lines of which a process has many.
const BRIEF: usize = 1024;

/// What stands for the rest.
const REST: &str = "…";

impl Process {
    /// A process with all of its old files; with `packaged` only those of packages.
    pub(super) fn of(stale: &Stale, packaged: bool) -> Self {
        let program = Program::of(stale, &INTERPRETERS);
        let files = stale.files.iter();
        let files = files.filter(|file| !packaged || !file.packages.is_empty());
        let mut files: Vec<Bytes> = files.map(|file| file.path.clone()).collect();
        files.sort();
        files.dedup();
        let lines = stale.cgroup.as_slice().split(|&byte| byte == b'\n');
        let cgroup = lines.into_iter().find(|line| line.starts_with(b"0::/"));
        let is_of_root = stale.uid == 0 && !stale.other_pid_ns;
        Self {
            pid: stale.pid,
            is_of_administrator: is_of_root || !program.packages.is_empty(),
            exe: stale.exe.clone().unwrap_or_else(|| program.path.clone()),
            program,
            argv: stale.argv.clone(),
            cgroup: cgroup.map(Bytes::from),
            owner: stale.owner.clone(),
            files,
        }
    }

    /// Its packages in one word; `Unpackaged: NAME` if it has none.
    pub(super) fn package(&self) -> String {
        match self.program.packages.as_slice() {
            [] => format!("Unpackaged: {}", tame(base_name(&self.program.path))),
            packages => tame(packages.join(", ").as_bytes()),
        }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        self.text_of(&self.argv)
    }

    /// For people, with the beginning of its arguments.
    pub(super) fn brief_text(&self) -> String {
        self.text_of(&self.brief())
    }

    fn text_of(&self, argv: &[Bytes]) -> String {
        if self.argv.is_empty() {
            return format!("Unknown (PID {})", self.pid);
        }
        let deleted = if self.program.deleted { "Deleted " } else { "" };
        let path = tame(self.program.path.as_slice());
        let mut text = format!("{deleted}{} {path} (PID: {}", self.kind(), self.pid);
        // Writing to a string does not fail.
        if self.exe != self.program.path {
            write!(text, ", EXE: '{}'", tame(self.exe.as_slice())).ok();
        }
        if argv != [self.program.path.clone()] {
            write!(text, ", CMDLINE: '{}'", joined(argv)).ok();
        }
        text.push(')');
        text
    }

    /// For programs: the fields from the pid on.
    pub(super) fn fields(&self) -> String {
        self.fields_of(&self.argv)
    }

    /// Those fields, with the beginning of its arguments.
    pub(super) fn brief_fields(&self) -> String {
        self.fields_of(&self.brief())
    }

    /// The beginning of its arguments: it chose them itself, and there may be megabytes.
    fn brief(&self) -> Vec<Bytes> {
        let mut left = BRIEF;
        let mut brief = Vec::new();
        for word in &self.argv {
            let size = word.as_slice().len() + 1;
            if size > left {
                brief.push(Bytes::from(REST));
                break;
            }
            left -= size;
            brief.push(word.clone());
        }
        brief
    }

    fn fields_of(&self, argv: &[Bytes]) -> String {
        let argv: Vec<String> = argv.iter().map(|word| repr(word.as_slice())).collect();
        format!(
            "{}\t{}\t{}\t[{}]\t{}\t{}",
            self.pid,
            tame(self.program.path.as_slice()),
            tame(self.exe.as_slice()),
            argv.join(", "),
            if self.program.deleted { "Deleted" } else { "" },
            self.kind()
        )
    }

    fn kind(&self) -> &'static str {
        if self.program.script {
            "Script"
        } else {
            "Program"
        }
    }
}

/// A string as Python's `repr` writes it; bytes that are no text as `\xNN`.
pub(super) fn repr(bytes: &[u8]) -> String {
    let quote = match bytes.contains(&b'\'') && !bytes.contains(&b'"') {
        true => '"',
        false => '\'',
    };
    let mut text = String::from(quote);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Writing to a string does not fail.
            match c {
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                c if c == '\\' || c == quote => text.extend(['\\', c]),
                c if is_tame(c) => text.push(c),
                c => write!(text, "{}", escaped(c)).unwrap_or_default(),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").ok();
        }
    }
    text.push(quote);
    text
}

fn escaped(c: char) -> String {
    match u32::from(c) {
        code @ ..=0xff => format!("\\x{code:02x}"),
        code @ ..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    }
}
