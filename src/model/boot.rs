//! What a machine runs below its programs, and what it would run after a reboot: as seen, before anyone judges it.

use serde::{Deserialize, Serialize};

use super::{Bytes, FileStat, Timestamp, WhyNot};

/// What was seen of a machine's boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// What kind of system this is: kernel and microcode are not a container's business.
    pub setting: Setting,
    /// When the system started, by the clock as it goes now: a machine's kernel, a container's first process.
    pub started: Timestamp,
    /// The same by the clock as it went then, if it was set back or forth since and that shows: the earlier of the two.
    /// What packages say lies between the two may be from before the start, or from after.
    pub earliest: Timestamp,
    /// Whether processes of this system are out of sight: `/proc` is that of a pid namespace of its own, and this is no
    /// container.
    pub out_of_sight: bool,
    /// The kernel; `None` in containers and below other roots.
    pub kernel: Option<Kernel>,
    /// Patches that a running kernel has taken in.
    pub live_patches: Vec<LivePatch>,
    /// Microcode; `None` where the processor has none that anybody could renew from here.
    pub microcode: Option<Microcode>,
    /// Systems that are installed side by side as images, snapshots or generations.
    pub deployments: Vec<Deployment>,
    /// Files by which somebody asks for a reboot.
    pub flags: Vec<Flag>,
    /// Packages after whose upgrade somebody wants a reboot, as files of the administrator and of packages say.
    pub listed: Vec<Listed>,
}

/// What kind of system it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setting {
    /// A machine, real or virtual, with a kernel of its own.
    Machine,
    /// A container: somebody else's kernel. By whose word, or by what.
    Container(String),
    /// Another root than that of the running system.
    OtherRoot,
}

/// The running kernel, and what is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    /// What runs, as `/proc/version` says: that follows neither personality(2) nor a UTS namespace.
    pub running: Banner,
    /// Whether it has loaded any module (`/proc/modules`): a kernel without modules misses none.
    pub modular: bool,
    /// Images that could be booted, by path.
    pub images: Vec<Image>,
    /// Releases that have a directory of modules, by name.
    pub modules: Vec<Modules>,
    /// When anything was last put into the directories of modules, or taken out: into the running kernel's own, too.
    pub modules_changed: Option<Timestamp>,
    /// The boot loader, and what it would boot.
    pub loader: Loader,
}

/// What a kernel says of itself: `Linux version RELEASE (BUILDER) (COMPILER) #BUILD … DATE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Banner {
    /// `uname -r`: `6.1.0-56-amd64`.
    pub release: Bytes,
    /// `uname -v`, from its `#` to the end: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)`. Empty where only the
    /// release is known.
    pub version: Bytes,
}

impl Banner {
    /// Where packages put an image of this release: their stores know at least one of these, even where a tool of the
    /// distribution copied it elsewhere.
    #[must_use]
    pub fn package_paths(&self) -> Vec<Bytes> {
        let release = self.release.as_slice();
        let path = |before: &[u8], after: &[u8]| Bytes([before, release, after].concat());
        vec![
            path(b"/boot/vmlinuz-", b""),
            path(b"/boot/vmlinux-", b""),
            path(b"/usr/lib/modules/", b"/vmlinuz"),
            path(b"/lib/modules/", b"/vmlinuz"),
        ]
    }
}

/// A file that could be booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its path, symbolic links resolved.
    pub path: Bytes,
    /// What it is.
    pub stat: FileStat,
    /// What kind of image, as far as that is known.
    pub form: ImageForm,
    /// What it says of itself.
    pub banner: Result<Banner, WhyNot>,
}

/// Forms of kernel images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ImageForm {
    /// x86 boot protocol (`HdrS`), s390x, or another with a readable header.
    Header,
    /// A raw or compressed image that was searched for its banner.
    Searched,
    /// EFI zboot: a decompressor around a compressed image.
    Zboot,
    /// A unified kernel image: a PE file with `.linux` and `.uname`.
    Unified,
    /// One of the others that has not changed since the machine was booted: its name says the release, and it was not
    /// read.
    Named,
    /// Not told.
    Unknown,
}

/// A directory of modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// Its name, which is the release of the kernel that they are for.
    pub release: Bytes,
    /// Whether there are modules in it (a `kernel` directory, or `modules.builtin`): what a removed package leaves behind
    /// is a directory with generated files at most.
    pub filled: bool,
}

/// The boot loader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loader {
    /// Which.
    pub kind: LoaderKind,
    /// The entry that it boots if nobody chooses another; `None` where that cannot be told from files alone.
    pub default: Option<Entry>,
    /// What of its files could not be read or understood, for people; the default may rest on less.
    pub notes: Vec<String>,
}

/// Boot loaders whose files can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LoaderKind {
    /// GRUB, with or without entries of the Boot Loader Specification.
    Grub,
    /// systemd-boot.
    SystemdBoot,
    /// extlinux, syslinux, U-Boot's `extlinux.conf`.
    Extlinux,
    /// The firmware of a Raspberry Pi.
    RaspberryPi,
    /// s390x zipl.
    Zipl,
    /// None that is known.
    Unknown,
}

/// A boot entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name to the loader: an id, or a number.
    pub id: Bytes,
    /// Its title for people; may be empty.
    pub title: Bytes,
    /// The image, as a path inside the root, symbolic links resolved where that was possible.
    pub image: Bytes,
    /// The release that the entry itself names, if it does.
    pub release: Option<Bytes>,
    /// The file that says so.
    pub source: Bytes,
}

/// A patch of the running kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePatch {
    /// Its name to the kernel or to its vendor's tool.
    pub name: Bytes,
    /// By whose word: `kernel`, `kpatch`, `ksplice`, `kernelcare`.
    pub source: String,
    /// Whether it is in force; not while it is in transition.
    pub enabled: bool,
    /// The release that the vendor's tool says the kernel is now as good as, if it does.
    pub effective_release: Option<Bytes>,
}

/// Processors and the microcode there is for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Microcode {
    /// Distinct processors: one entry for all that are alike in everything below.
    pub processors: Vec<Processor>,
    /// Patches on disk that fit any of them.
    pub patches: Vec<Patch>,
    /// Files that may hold more, and could not be read or are damaged: what is best is not known for sure. The problems
    /// say why.
    pub unread: Vec<Bytes>,
    /// Whether something keeps the kernel from loading any, and what: `dis_ucode_ldr`.
    pub disabled: Option<String>,
}

/// Processors that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Processor {
    /// `GenuineIntel`, `AuthenticAMD`.
    pub vendor: Bytes,
    /// CPUID leaf 1, EAX: family, model, stepping.
    pub signature: u32,
    /// Intel's platform flag as a bit of the mask in microcode headers, where sysfs tells.
    pub platform: Option<u32>,
    /// The revision that runs.
    pub revision: u32,
    /// Physical packages, ascending.
    pub packages: Vec<u32>,
}

/// A microcode patch on disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Patch {
    /// The file that holds it.
    pub file: Bytes,
    /// Whether the file is an initrd: what is there is loaded first thing at boot.
    pub early: bool,
    /// The signature that it is for.
    pub signature: u32,
    /// Intel: the mask of platforms that it is for.
    pub platforms: Option<u32>,
    /// Its revision.
    pub revision: u32,
}

/// A system among several that are installed side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// By which tool: `ostree`, `nixos` and others.
    pub kind: String,
    /// What runs.
    pub booted: Bytes,
    /// What would run after a reboot.
    pub next: Bytes,
    /// When that came to be, if that is known.
    pub since: Option<Timestamp>,
    /// Whether kernel, initrd or firmware differ: where they do not, the rest can be activated without a reboot, if the
    /// tool has a way. `None` if not known.
    pub other_kernel: Option<bool>,
}

/// A file by which somebody asks for a reboot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flag {
    /// Its path.
    pub path: Bytes,
    /// What it asks for.
    pub level: Level,
    /// The packages that it gives as reasons, each once, in their order.
    pub packages: Vec<Bytes>,
    /// When it was made.
    pub since: Timestamp,
    /// Whether all of it is our own doing: then it says nothing new.
    pub own: bool,
}

/// A package after whose upgrade somebody wants a reboot.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Listed {
    /// Its name, or what it provides.
    pub name: String,
    /// What the name means.
    pub by: ListedBy,
    /// What is wanted.
    pub level: Level,
    /// The file that says so, and the line, if it is a line.
    pub source: Bytes,
    /// See [`Self::source`]; from 1.
    pub line: Option<u32>,
    /// Whether a first installation counts as well: who lists a package by its name in `needs-restarting.d` is taken at
    /// that word, as dnf does.
    pub installs_count: bool,
    /// The only store whose packages are meant: `dpkg`, `rpm`.
    #[serde(default)]
    pub store: Option<String>,
    /// A package without which this one does not count: EL 8 asks for a reboot after zlib where dbus is.
    #[serde(default)]
    pub only_with: Option<String>,
    /// What the name must be like, where [`Self::name`] says only roughly: a [`NamePattern`](super::NamePattern).
    #[serde(default)]
    pub pattern: Option<String>,
}

/// How a listed name is meant.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ListedBy {
    /// The name of a package, or something that it provides (dnf4 since 4.8.0).
    #[default]
    NameOrProvides,
    /// The name alone, with `*` for any characters.
    Name,
    /// Something that it provides.
    Provides,
}

/// How much has to be started anew, from nothing to everything.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Services.
    Service,
    /// Sessions: somebody has to log out and in.
    Session,
    /// All programs, but not the kernel (systemd-soft-reboot.service(8)).
    SoftReboot,
    /// Programs and kernel, but not the firmware.
    Kexec,
    /// The machine.
    Reboot,
}

impl Level {
    /// Its word in every outside form.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Service => "service",
            Self::Session => "session",
            Self::SoftReboot => "soft-reboot",
            Self::Kexec => "kexec",
            Self::Reboot => "reboot",
        }
    }

    /// The level of a word that flag files and settings use.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [
            Self::None,
            Self::Service,
            Self::Session,
            Self::SoftReboot,
            Self::Kexec,
            Self::Reboot,
        ];
        all.into_iter().find(|level| level.word() == word)
    }
}
