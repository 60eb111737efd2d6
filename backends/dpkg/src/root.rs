//! Bounded reading below one root directory. Nothing here blocks, follows a link out of the root, or writes.
//!
//! The root may be a container's and hostile: a FIFO where a list should be, a link to `/dev/zero`, a sparse file of
//! a terabyte. Files are looked at before they are opened, because opening some devices has effects.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use unstale_packages::{FOREIGN_FILE_CAP, Foreign, OpenFile};

/// A root directory, held open.
#[derive(Debug)]
pub struct Root {
    top: Top,
    is_own: bool,
}

#[derive(Debug)]
enum Top {
    /// The reader's own root, or one that somebody named.
    Own(OwnedFd),
    /// A container's.
    Foreign(Foreign),
}

/// One regular file, opened for reading.
#[derive(Debug)]
pub struct Regular {
    /// Positioned at the start.
    pub file: OpenFile,
    /// As it was when opened.
    pub stamp: Stamp,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Device and inode number.
    pub id: (u64, u64),
    /// Size in bytes.
    pub size: u64,
    /// Time of the last change of the content: seconds and nanoseconds of the epoch.
    pub modified: (i64, i64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        // The types of these fields differ between architectures.
        #[expect(
            clippy::unnecessary_cast,
            clippy::cast_possible_wrap,
            clippy::cast_sign_loss,
            reason = "the types of these fields differ between architectures; none of the values is lost"
        )]
        Self {
            id: (stat.st_dev as u64, stat.st_ino as u64),
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }
}

/// Ten times those of a large desktop's `info`.
const NAMES_CAP: usize = 250_000;
/// Twice those.
const FOREIGN_NAMES_CAP: usize = 50_000;

const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

impl Root {
    /// Opens the root directory itself.
    ///
    /// # Errors
    /// Whatever the system says of that directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let dir = rustix::fs::openat(
            CWD,
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let here = rustix::fs::fstat(&dir)?;
        let own = rustix::fs::stat("/")?;
        let is_own = (here.st_dev, here.st_ino) == (own.st_dev, own.st_ino);
        Ok(Self {
            top: Top::Own(dir),
            is_own,
        })
    }

    /// A root that somebody else rules.
    pub fn foreign(root: Foreign) -> Self {
        Self {
            top: Top::Foreign(root),
            is_own: false,
        }
    }

    /// Whether somebody else rules it: then less is read of it.
    pub fn is_foreign(&self) -> bool {
        matches!(self.top, Top::Foreign(_))
    }

    /// Whether this is the root directory of the calling process.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// What is at `path` (absolute in the root), links followed inside the root; `None` where nothing is.
    ///
    /// # Errors
    /// Whatever the system says, except that nothing is there.
    pub fn stat(&self, path: &Path) -> io::Result<Option<(FileType, Stamp)>> {
        let found = match &self.top {
            Top::Own(dir) => self.resolve(dir, path, OFlags::PATH | OFlags::CLOEXEC),
            Top::Foreign(root) => root.find(path),
        };
        let Some(fd) = absent(found)? else {
            return Ok(None);
        };
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Some((
            FileType::from_raw_mode(stat.st_mode),
            Stamp::of(&stat),
        )))
    }

    /// Opens a regular file; `None` where nothing is.
    ///
    /// # Errors
    /// Whatever the system says; and anything that is not a regular file is one.
    pub fn open_regular(&self, path: &Path) -> io::Result<Option<Regular>> {
        let dir = match &self.top {
            Top::Own(dir) => dir,
            Top::Foreign(root) => {
                let found = absent(root.find(path))?;
                return found.map(|found| regular(root.open(&found)?)).transpose();
            }
        };
        match self.stat(path)? {
            None => return Ok(None),
            Some((FileType::RegularFile, _)) => {}
            Some(_) => return Err(not_regular()),
        }
        let opened = absent(self.resolve(dir, path, READ))?;
        opened.map(|fd| regular(File::from(fd).into())).transpose()
    }

    /// Opens a directory; `None` where nothing is.
    ///
    /// # Errors
    /// Whatever the system says, also that it is not a directory.
    pub fn open_dir(&self, path: &Path) -> io::Result<Option<Folder>> {
        let (opened, foreign) = match &self.top {
            Top::Own(dir) => (self.resolve(dir, path, READ | OFlags::DIRECTORY), None),
            Top::Foreign(root) => {
                let found = root.find(path);
                (found.and_then(|fd| root.open_dir(&fd)), Some(root.clone()))
            }
        };
        Ok(absent(opened)?.map(|fd| Folder { fd, foreign }))
    }

    /// The whole of a regular file; `None` where nothing is.
    ///
    /// # Errors
    /// Whatever the system says; not a regular file; more than `cap` bytes.
    pub fn read(&self, path: &Path, cap: u64) -> io::Result<Option<(Vec<u8>, Stamp)>> {
        let Some(regular) = self.open_regular(path)? else {
            return Ok(None);
        };
        let stamp = regular.stamp;
        let cap = match &self.top {
            Top::Own(_) => cap,
            Top::Foreign(root) => {
                root.keep(stamp.size.min(FOREIGN_FILE_CAP))?;
                cap.min(FOREIGN_FILE_CAP)
            }
        };
        Ok(Some((read_capped(regular, cap)?, stamp)))
    }

    /// Where the link at `path` points, unresolved; `None` if there is no link.
    pub fn link(&self, path: &str) -> Option<PathBuf> {
        let target = match &self.top {
            Top::Own(dir) => {
                rustix::fs::readlinkat(dir, path.trim_start_matches('/'), Vec::new()).ok()?
            }
            Top::Foreign(root) => {
                let link = root.find_link(Path::new(path)).ok()?;
                rustix::fs::readlinkat(&link, c"", Vec::new()).ok()?
            }
        };
        Some(PathBuf::from(std::ffi::OsString::from_vec(
            target.into_bytes(),
        )))
    }

    fn resolve(&self, dir: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(
            match rustix::fs::openat2(dir, inside, flags, Mode::empty(), resolve) {
                // Linux before 5.6, or a filter that does not know the call. Our own root needs no confinement.
                Err(Errno::NOSYS | Errno::PERM) if self.is_own => {
                    rustix::fs::openat(dir, inside, flags, Mode::empty())?
                }
                result => result?,
            },
        )
    }
}

/// A directory, held open.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    foreign: Option<Foreign>,
}

impl Folder {
    /// The names in it, unsorted, without `.` and `..`.
    ///
    /// # Errors
    /// Whatever the system says; more names than any such directory has.
    pub fn names(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        let cap = match self.foreign {
            Some(_) => FOREIGN_NAMES_CAP,
            None => NAMES_CAP,
        };
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if names.len() == cap {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "too many names in it",
                ));
            }
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Looks at one name, links not followed.
    ///
    /// # Errors
    /// Whatever the system says, except that nothing is there.
    pub fn stat(&self, name: &[u8]) -> io::Result<Option<(FileType, Stamp)>> {
        let stat = match &self.foreign {
            None => rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(io::Error::from),
            Some(root) => self
                .find(root, name)
                .and_then(|found| Ok(rustix::fs::fstat(found)?)),
        };
        let stat = absent(stat)?;
        Ok(stat.map(|stat| (FileType::from_raw_mode(stat.st_mode), Stamp::of(&stat))))
    }

    /// Opens a regular file in it, links not followed; `None` where nothing is.
    ///
    /// # Errors
    /// Whatever the system says; and anything that is not a regular file is one.
    pub fn open_regular(&self, name: &[u8]) -> io::Result<Option<Regular>> {
        if let Some(root) = &self.foreign {
            let found = absent(self.find(root, name))?;
            return found.map(|found| regular(root.open(&found)?)).transpose();
        }
        match self.stat(name)? {
            None => return Ok(None),
            Some((FileType::RegularFile, _)) => {}
            Some(_) => return Err(not_regular()),
        }
        let fd = rustix::fs::openat(
            self.fd.as_fd(),
            name,
            READ | OFlags::NOFOLLOW,
            Mode::empty(),
        );
        let opened = absent(fd.map_err(io::Error::from))?;
        opened.map(|fd| regular(File::from(fd).into())).transpose()
    }

    fn find(&self, root: &Foreign, name: &[u8]) -> io::Result<OwnedFd> {
        root.find_in(
            self.fd.as_fd(),
            Path::new(std::ffi::OsStr::from_bytes(name)),
        )
    }
}

/// The rest of an open file, refused above `cap` bytes.
///
/// # Errors
/// Whatever the system says; more than `cap` bytes.
pub fn read_capped(regular: Regular, cap: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {cap} bytes"),
        )
    };
    if regular.stamp.size > cap {
        return Err(too_large());
    }
    let mut text = Vec::with_capacity(usize::try_from(regular.stamp.size).unwrap_or(0) + 1);
    regular.file.take(cap + 1).read_to_end(&mut text)?;
    if text.len() as u64 > cap {
        Err(too_large())
    } else {
        Ok(text)
    }
}

/// The path of `name` in the directory `dir`, for messages.
pub fn joined(dir: &str, name: &[u8]) -> PathBuf {
    Path::new(dir).join(std::ffi::OsStr::from_bytes(name))
}

fn regular(file: OpenFile) -> io::Result<Regular> {
    let stat = rustix::fs::fstat(file.as_fd())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(not_regular());
    }
    Ok(Regular {
        file,
        stamp: Stamp::of(&stat),
    })
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

fn absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            _ => Err(error),
        },
    }
}
