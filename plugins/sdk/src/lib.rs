//! Write detectors for `unstale`.
//!
//! A detector looks at one process at a time and says *what it runs* beyond the code that the kernel has mapped for it:
//! scripts, modules, archives. It does not say what is stale. The host compares each named file with the time at which
//! the process started, with the package stores, and with the objects themselves; so a detector that is wrong, or was
//! deceived by a hostile process, can name files and nothing else.
//!
//! It has no access of its own. What it sees of files it asks through [`FileView`], which shows them as the inspected
//! process would see them. Nothing that is found there may be executed, loaded, or used as environment.
//!
//! All paths, names and arguments are bytes.

pub mod abi;
#[doc(hidden)]
pub mod export;
pub mod instance;
mod listing;
pub mod script;
pub mod testing;

pub use listing::Listings;

/// A process to look at, as far as the manifest of the plugin asked to see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// Its pid, in the host's numbering.
    pub pid: u32,
    /// Its effective uid, in the host's numbering.
    pub uid: u32,
    /// Processes with the same number see the same files with the same rights: what was learnt of files through one
    /// holds for the others. Numbers mean nothing beyond one run of the plugin.
    pub view: u64,
    /// The path of its program, as the kernel names it, in its own view, without ` (deleted)`. Empty if not known.
    pub exe: Vec<u8>,
    /// The name by which it was executed (`AT_EXECFN`, getauxval(3)): for `#!` scripts that of the script. The process's
    /// own word.
    pub execfn: Option<Vec<u8>>,
    /// Its arguments as it holds them now. A process that writes a title over them (setproctitle) has one free text.
    pub argv: Vec<Vec<u8>>,
    /// Those variables of its initial environment that the manifest names; `None` if it cannot be read.
    pub environ: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Its working directory now, in its own view; `None` if not known or removed.
    pub cwd: Option<Vec<u8>>,
    /// `/proc/PID/cgroup` as it is.
    pub cgroup: Vec<u8>,
    /// Files of which it has mapped code, by their paths in its view, without ` (deleted)`.
    pub code: Vec<Mapped>,
    /// Files that it holds open or has mapped without code, if the manifest asks (`wants.files`).
    pub held: Vec<Held>,
    /// The container or virtual machine to which the host has assigned it by its control group and program.
    pub container: Option<Container>,
    /// Options of this plugin from the configuration.
    pub options: Vec<(String, String)>,
}

impl Process {
    /// A variable of its initial environment.
    #[must_use]
    pub fn env(&self, name: &[u8]) -> Option<&[u8]> {
        let pairs = self.environ.as_ref()?;
        let found = pairs.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }

    /// The last component of its program's path.
    #[must_use]
    pub fn exe_name(&self) -> &[u8] {
        base_name(&self.exe)
    }
}

/// A file of which code is mapped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Its path.
    pub path: Vec<u8>,
    /// The lowest address at which its code is mapped.
    pub start: u64,
}

/// A file that a process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its path in the view of the process, without ` (deleted)`.
    pub path: Vec<u8>,
    /// How it is held.
    pub by: Handle,
}

/// By what a process holds a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Handle {
    /// An open descriptor, by its number.
    Descriptor(u32),
    /// A mapping, by the address at which it begins.
    Mapping(u64),
}

/// A container or virtual machine, as the control group tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// The runtime in one word: `docker`, `podman`, `containerd`, `cri-o`, `kubernetes`, `lxc`, `lxd`, `incus`, `nspawn`,
    /// `libvirt`, `qemu`, `snap`, `flatpak`, `unknown`.
    pub runtime: String,
    /// Its id or name there.
    pub id: Vec<u8>,
    /// The uid whose manager it runs under, for those that are not the system's.
    pub user: Option<u32>,
}

/// Whose files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// Of the inspected process: its root directory in its mount namespace, with the rights that it has itself.
    #[default]
    Process,
    /// Of the host: only paths that match a pattern in the manifest (`wants.host_files`).
    Host,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; only [`FileView::list`] says so, for names that it has not followed.
    Link,
    /// A device, FIFO or socket: nothing to read.
    Other,
}

/// What [`FileView::stat`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// What it is, links followed.
    pub kind: Kind,
    /// Size in bytes.
    pub size: u64,
    /// The path without symbolic links: what is compared to tell whether two names mean the same file.
    pub real_path: Vec<u8>,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: Vec<u8>,
    /// What it is, links not followed.
    pub kind: Kind,
}

/// Why a file was not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// Nothing is there.
    Missing,
    /// It is not what was asked for: reading a directory or a FIFO, listing a file.
    WrongKind,
    /// The process may not read it either, or the manifest does not name it.
    Denied,
    /// It is larger than the host shows (1 MiB for a file, 10,000 names for a directory).
    TooLarge,
    /// This process has cost its share already (32 MiB, 4,000 files).
    Budget,
    /// It lies on a file system that may never answer, or did not answer.
    NoAnswer,
    /// Anything else: a loop of links, an error of the system.
    Failed,
}

/// The files of an inspected process. The only door.
///
/// Paths are absolute. Links are followed inside the root that was asked for and never out of it, links of `/proc` not
/// at all.
pub trait FileView {
    /// The content of a regular file.
    ///
    /// # Errors
    /// [`Refused`].
    fn read(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused>;
    /// A part of a regular file: `size` bytes (at most 1 MiB) from `offset`, fewer at its end. For archives, whose
    /// directory lies at their end.
    ///
    /// # Errors
    /// [`Refused`].
    fn read_at(&self, root: Root, path: &[u8], offset: u64, size: u32) -> Result<Vec<u8>, Refused>;
    /// What is at a path, links followed.
    ///
    /// # Errors
    /// [`Refused`].
    fn stat(&self, root: Root, path: &[u8]) -> Result<Stat, Refused>;
    /// The names in a directory, in no order.
    ///
    /// # Errors
    /// [`Refused`].
    fn list(&self, root: Root, path: &[u8]) -> Result<Vec<Entry>, Refused>;
    /// Where a symbolic link points, as its text says.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::WrongKind`] if it is no link.
    fn read_link(&self, root: Root, path: &[u8]) -> Result<Vec<u8>, Refused>;
    /// Memory of the process, if the manifest asks (`wants.memory`): at most 64 KiB at a time, 4 MiB altogether.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::Missing`] if nothing is mapped there.
    fn memory(&self, address: u64, size: u32) -> Result<Vec<u8>, Refused>;
}

/// Something that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// The file.
    pub what: What,
    /// What it is to the process.
    pub role: Role,
    /// How that is known.
    pub how: How,
    /// The file that asks for it, if another one does: the one with the `import`.
    pub via: Option<Vec<u8>>,
}

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The file at a path in the view of the process. The host asks whether it changed since the process started. It may
    /// be missing by now: then it was removed, and only [`How::Loaded`] or the main script may say that it was there.
    File(Vec<u8>),
    /// A file that the process holds ([`Process::held`]). The host compares the very object with what is at its path now.
    Held(Handle),
    /// A link that led to `was` when the process started, as the process's own path tells: `/snap/NAME/current`. The host
    /// looks where it leads now.
    Link {
        /// In whose files the link lies.
        root: Root,
        /// The link.
        link: Vec<u8>,
        /// Where it led, as an absolute path.
        was: Vec<u8>,
    },
}

/// What a file is to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Its main program: the script.
    Script,
    /// A module, library or included file.
    Module,
    /// An archive of such: jar, zip, phar.
    Archive,
    /// A whole tree of which it runs one revision: a snap, a flatpak.
    Revision,
}

/// How it is known that a process uses a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The process itself shows it: its list of modules, an open descriptor, a mapping, the argument that names the script.
    Loaded,
    /// Its sources say so: imports that are executed whenever the program is.
    Imported,
    /// Its sources may do so: imports inside functions and conditions, names found as text only. Never a reason to restart.
    Possible,
}

/// The instance that a process belongs to: a container, a machine, an app.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its name, as its own tools print it and take it.
    pub name: Vec<u8>,
    /// Its id, where the tools have one beside the name.
    pub id: Option<Vec<u8>>,
    /// Image, revision or commit it was made from.
    pub image: Option<Vec<u8>>,
    /// The pod, for runtimes that have pods (`NAMESPACE/NAME` in Kubernetes).
    pub pod: Option<Vec<u8>>,
    /// The project (LXD, Incus) or namespace (containerd) that the name belongs to.
    pub project: Option<Vec<u8>>,
    /// Whether this process is part of what runs inside, or helps from outside with the host's own code (conmon,
    /// containerd-shim, qemu).
    pub part: Part,
    /// Which of the manifest's `[restart.NAME]` says how it is restarted; `None` if there is no such way.
    pub restart: Option<String>,
}

/// Which side of an instance's wall a process is on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Inside: it runs the instance's own files.
    #[default]
    Payload,
    /// Outside: it runs the host's files on behalf of the instance.
    Helper,
}

/// Where a detector says what it found.
pub trait Report {
    /// The process uses this.
    fn uses(&mut self, used: Used);
    /// The process belongs to this instance. At most once for a process.
    fn instance(&mut self, instance: Instance);
    /// Something that a person who asks for an explanation should know: one line.
    fn note(&mut self, text: &str);
    /// Something that could not be looked at although it should have been: the result for this process is incomplete. One
    /// line, saying what.
    fn unknown(&mut self, what: &str);
}

/// A detector. One value serves all processes of one run, so it may keep what it learnt (by [`Process::view`]).
pub trait Detector: Default + 'static {
    /// Looks at one process.
    fn inspect(&mut self, process: &Process, files: &dyn FileView, report: &mut dyn Report);
}

/// The last component of a path.
#[must_use]
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The directory that a path lies in: `/a/b` → `/a`, `/a` → `/`, `a` → empty.
#[must_use]
pub fn directory_of(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(0) => b"/",
        Some(at) => &path[..at],
        None => b"",
    }
}

/// A path below a directory, its `.` and `..` components resolved as text. An absolute `path` stands for itself; below an
/// empty directory a relative one stays relative.
#[must_use]
pub fn join(directory: &[u8], path: &[u8]) -> Vec<u8> {
    let whole = if path.starts_with(b"/") || directory.is_empty() {
        path.to_vec()
    } else {
        [directory, b"/", path].concat()
    };
    let absolute = whole.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if absolute || parts.last().is_some_and(|&last| last != b"..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let text = parts.join(&b'/');
    if absolute {
        [b"/", text.as_slice()].concat()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(directory: &str, path: &str, joined: &str) {
        let result = join(directory.as_bytes(), path.as_bytes());
        assert_eq!(String::from_utf8(result).unwrap(), joined);
    }

    #[test]
    fn joining() {
        check("/a/b", "c", "/a/b/c");
        check("/a/b", "../c/./d", "/a/c/d");
        check("/a", "/x//y/", "/x/y");
        check("/", "../..", "/");
        check("a", "../../b", "../b");
        check("/a", "", "/a");
        check("", "a/./b", "a/b");
        check("", "/a", "/a");
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!(base_name(b"/usr/bin/python3.11"), b"python3.11");
        assert_eq!(directory_of(b"/usr/bin/x"), b"/usr/bin");
        assert_eq!(directory_of(b"/x"), b"/");
        assert_eq!(directory_of(b"x"), b"");
    }
}
