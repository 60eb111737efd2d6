//! What content has to tell of an object: build-ids, whether two files are the same code, and by which name a fresh start
//! would find it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::look::{Job, Looked, first_arguments, is_same, led, through_handles};
use super::{content, procmap};
use crate::model::{BuildId, Bytes, Compared, FileStat, Fresh, Look, StartName};
use crate::view::ProcRoot;
use crate::view::{self, Lost, file_stat, why_lost};

/// How long reading the content of one pair of files may take before it counts as unreadable.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads what content has to tell, where the first look left a question open.
pub(super) fn look_inside(proc: &ProcRoot, job: &Job, looked: &Looked) -> Look {
    let mut look = looked.look.clone();
    let Some(path) = &looked.path else {
        return look;
    };
    let inside = Inside {
        proc,
        job,
        path,
        begun: Instant::now(),
    };
    if is_same(&look, job) {
        if let Fresh::Found(own) = &look.fresh {
            look.start_name = inside.start_name(own, || inside.fresh_file());
        }
        return look;
    }
    let mapped = mapped_file(proc, job);
    look.mapped_build_id = match &mapped {
        Ok(file) => content::read_elf(file).and_then(|elf| elf.build_id(file)),
        Err(_) => mapped_build_id(proc, job),
    };
    match (&look.fresh, &look.mapped, &mapped) {
        (Fresh::Found(stat), ..) => {
            let stat = stat.clone();
            inside.compare(&mut look, mapped.ok(), &stat);
        }
        (Fresh::Missing, Ok(own), Ok(file)) if look.mounted != Some(false) => {
            look.start_name = inside.start_name(own, || file.try_clone().ok());
        }
        _ => {}
    }
    look
}

struct Inside<'a> {
    proc: &'a ProcRoot,
    job: &'a Job,
    path: &'a Bytes,
    begun: Instant,
}

impl Inside<'_> {
    /// Compares what is mapped with what is at the path.
    fn compare(&self, look: &mut Look, mapped: Option<File>, stat: &FileStat) {
        let Some(fresh) = self.fresh_file() else {
            look.content = Compared::Unreadable;
            return;
        };
        look.fresh_build_id = content::read_elf(&fresh).and_then(|elf| elf.build_id(&fresh));
        look.content = match (&mapped, &look.mapped) {
            (Some(file), Ok(own)) => self.same(file, own.size, &fresh, stat.size),
            _ => match (&look.mapped_build_id, &look.fresh_build_id) {
                (Some(one), Some(other)) if one == other => Compared::SameBuildId,
                (Some(_), Some(_)) => Compared::Different,
                _ => Compared::Unreadable,
            },
        };
    }

    fn same(&self, a: &File, a_size: u64, b: &File, b_size: u64) -> Compared {
        content::compare(a, a_size, b, b_size, &|| self.begun.elapsed() > PATIENCE)
    }

    /// The file at the path now, open for reading.
    fn fresh_file(&self) -> Option<File> {
        let root = self.job.place.base.open(self.proc).ok()?;
        let found = view::open(
            &root,
            self.path.as_slice(),
            self.job.place.mounts(self.proc),
        )
        .ok()?;
        view::reopen(self.proc, &found).ok()
    }

    /// Where a fresh start would find the object now: a program by its first argument, a library that was renamed or
    /// removed by its SONAME in its directory. The process's own words are good enough for a verdict on this very process.
    fn start_name(&self, own: &FileStat, own_file: impl Fn() -> Option<File>) -> Option<StartName> {
        let root = self.job.place.base.open(self.proc).ok()?;
        let mounts = self.job.place.mounts(self.proc);
        let program = self.job.handles.iter().any(|handle| handle.program);
        let renamed = own.ctime.nanos_since_epoch() > self.job.oldest_start_ns;
        let names = match (program, renamed) {
            (true, _) => first_arguments(self.proc, self.job),
            (false, true) => self.soname_beside(&own_file()?).into_iter().collect(),
            (false, false) => Vec::new(),
        };
        for name in names.into_iter().filter(|name| name != self.path) {
            let (found, trail) = match view::follow(&root, name.as_slice(), mounts) {
                Ok(found) => found,
                // It leads nowhere, or to no place of its own (/proc/self/exe): no name to start from.
                Err(Lost::Missing | Lost::Failed(Errno::LOOP)) => continue,
                Err(lost) => {
                    return Some(StartName {
                        path: name,
                        found: Err(why_lost(lost)),
                        content: Compared::NotAsked,
                    });
                }
            };
            // The first argument of a setuid program is its caller's word: only what root or the program's own owner put
            // there may speak for it.
            if trail.owners.iter().any(|&owner| owner != own.uid) {
                continue;
            }
            let stat = file_stat(&found.stat);
            let same_base = base_of(&trail.path) == base_of(self.path.as_slice());
            if stat.is_same_object(own) || !(same_base || renamed || trail.alternatives) {
                continue;
            }
            let opened = view::reopen(self.proc, &found).and_then(|other| {
                let file = own_file().ok_or(Errno::ACCESS)?;
                Ok((other, file))
            });
            let (other, file) = match opened {
                Ok(both) => both,
                // No regular file: nothing to start.
                Err(Errno::INVAL) => continue,
                Err(error) => {
                    return Some(StartName {
                        path: name,
                        found: Err(why_lost(Lost::Failed(error))),
                        content: Compared::NotAsked,
                    });
                }
            };
            // A script in place of a program starts something else, and says nothing about this one.
            if content::read_elf(&other).is_none() {
                continue;
            }
            let content = self.same(&file, own.size, &other, stat.size);
            return Some(StartName {
                path: name,
                found: Ok(led(trail, stat)),
                content,
            });
        }
        None
    }

    fn soname_beside(&self, file: &File) -> Option<Bytes> {
        let soname = content::read_elf(file)?.soname(file)?;
        let is_name = !soname.contains(&b'/');
        is_name.then(|| view::sibling(self.path.as_slice(), &soname))
    }
}

fn base_of(path: &[u8]) -> &[u8] {
    &path[view::directory_of(path).len()..]
}

fn mapped_file(proc: &ProcRoot, job: &Job) -> Result<File, Errno> {
    through_handles(proc, job, |dir, link, stat| {
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        Ok(File::from(dir.open_through(link, OFlags::RDONLY)?))
    })
}

fn mapped_build_id(proc: &ProcRoot, job: &Job) -> Option<BuildId> {
    job.handles
        .iter()
        .filter(|handle| handle.start != 0)
        .find_map(|handle| {
            let maps = proc.process(handle.task).ok()?.open(c"maps").ok()?;
            procmap::build_id(maps.as_fd(), handle.start).ok()?
        })
}
