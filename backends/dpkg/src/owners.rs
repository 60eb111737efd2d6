//! Paths → the packages that own them. The one pass over the store.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use unstale_packages::{Answer, DbError, Digest, DigestAlgorithm, FileKind, Owner, Ownership};

use crate::aliases::Aliases;
use crate::damage::Damages;
use crate::diversions::{Diversions, read_diversions};
use crate::lines::Buffer;
use crate::lists::{
    BUDGET, Claim, Hit, INFO, Wanted, find_in_list, open, parse_list, parse_stem, stem,
};
use crate::md5sums::{find_md5sums, parse_md5sums};
use crate::record::{Record, State, md5_hex};
use crate::root::{Folder, Root, joined};
use crate::status::{STATUS_D, Status, io_error, read_status};

/// All that is read once for one question.
struct Pass<'a> {
    status: &'a Status,
    wanted: Wanted<'a>,
    claims: Vec<Vec<(Claim, Owner)>>,
    buffer: Buffer,
    damages: Damages,
}

/// Who owns each of `paths`.
pub(crate) fn read_owners(root: &Root, paths: &[&[u8]]) -> Result<Answer<Vec<Ownership>>, DbError> {
    let mut damages = Damages::default();
    let status = read_status(root, &mut damages)?;
    let diversions = read_diversions(root, &mut damages);
    let mut pass = Pass {
        status: &status,
        wanted: Wanted::new(paths, &Aliases::read(root), &diversions),
        claims: vec![Vec::new(); paths.len()],
        buffer: Buffer::default(),
        damages,
    };
    if let Some(folder) = open_info(root)? {
        pass.look_through_lists(&folder)?;
    }
    pass.look_through_status_d(root);
    Ok(Answer {
        value: pass.claims.into_iter().map(settle).collect(),
        damage: pass.damages.into_vec(),
    })
}

/// The directory of the lists; `None` where there is none.
pub(crate) fn open_info(root: &Root) -> Result<Option<Folder>, DbError> {
    root.open_dir(Path::new(INFO))
        .map_err(|source| io_error(INFO, source))
}

impl<'a> Pass<'a> {
    fn look_through_lists(&mut self, folder: &Folder) -> Result<(), DbError> {
        let mut names = folder.names().map_err(|source| io_error(INFO, source))?;
        names.retain(|name| stem(name, ".list").is_some());
        let mut seen = HashSet::new();
        for name in &names {
            let Some((package, arch)) = stem(name, ".list").and_then(parse_stem) else {
                self.damages
                    .whole(&joined(INFO, name), "not the name of a package");
                continue;
            };
            let record = self.status.of_info(package, arch);
            seen.extend(record.map(|record| &record.package));
            if self.buffer.spent() > BUDGET {
                self.damages.whole(
                    Path::new(INFO),
                    "more text than is read, the other lists are not looked at",
                );
                return Ok(());
            }
            let Some(list) = open(folder, name, &mut self.damages) else {
                continue;
            };
            let file = || joined(INFO, name);
            let (buffer, damages) = (&mut self.buffer, &mut self.damages);
            let hits = find_in_list(
                list,
                &file,
                package.as_bytes(),
                &self.wanted,
                buffer,
                damages,
            );
            match (record, hits.first()) {
                (_, None) => {}
                (Some(record), _) if record.state.has_files() => {
                    self.claim_listed(folder, name, record, hits)
                }
                (Some(_), _) => {}
                (None, Some(hit)) => {
                    let what = "lists this path, but the package has no readable record in status";
                    self.damages.line(&file(), hit.line, what);
                }
            }
        }
        // Images with all lists stripped are made on purpose; some lists missing is damage.
        if !names.is_empty() {
            self.note_missing_lists(&seen);
        }
        Ok(())
    }

    fn note_missing_lists(&mut self, seen: &HashSet<&unstale_packages::Package>) {
        for record in self.status.records() {
            if record.state == State::Installed
                && record.status_d.is_none()
                && !seen.contains(&record.package)
            {
                let file = PathBuf::from(format!("{INFO}/{}.list", record.package.name));
                self.damages
                    .whole(&file, "missing, although the package is installed");
            }
        }
    }

    fn claim_listed(&mut self, folder: &Folder, list: &[u8], record: &Record, hits: Vec<Hit>) {
        let stem = stem(list, ".list").unwrap_or_default();
        let name = [stem, b".md5sums"].concat();
        let paths: Vec<&[u8]> = hits.iter().map(|hit| hit.listed.as_slice()).collect();
        let digests = match open(folder, &name, &mut self.damages) {
            Some(file) => {
                let shown = || joined(INFO, &name);
                find_md5sums(file, &shown, &paths, &mut self.buffer, &mut self.damages)
            }
            None => HashMap::new(),
        };
        for hit in hits {
            let shipped = digests.get(&hit.listed).cloned();
            self.claim(record, hit.index, hit.claim, &hit.listed, shipped);
        }
    }

    /// Packages of an image without lists: the digests name their files, where the image keeps them.
    fn look_through_status_d(&mut self, root: &Root) {
        let status = self.status;
        for record in status.records() {
            let Some(name) = &record.status_d else {
                continue;
            };
            let path = joined(STATUS_D, &[name, &b".md5sums"[..]].concat());
            let regular = match root.open_regular(&path) {
                Ok(Some(regular)) => regular,
                Ok(None) => continue,
                Err(error) => {
                    self.damages
                        .whole(&path, format!("cannot be read: {error}"));
                    continue;
                }
            };
            let mut hits = HashMap::new();
            let (wanted, package) = (&self.wanted, record.package.name.as_bytes());
            let shown = || path.clone();
            let (buffer, damages) = (&mut self.buffer, &mut self.damages);
            parse_md5sums(
                regular.file,
                &shown,
                buffer,
                damages,
                |_, listed, digest| {
                    for &(index, claim) in wanted.matches(listed, package) {
                        hits.insert((index, listed.to_vec()), (claim, md5_hex(digest)));
                    }
                },
            );
            for ((index, listed), (claim, digest)) in hits {
                self.claim(record, index, claim, &listed, digest);
            }
        }
    }

    fn claim(
        &mut self,
        record: &Record,
        index: usize,
        claim: Claim,
        listed: &[u8],
        shipped: Option<String>,
    ) {
        let conffile = record
            .conffiles
            .iter()
            .find(|conffile| conffile.path == listed);
        let hex = shipped.or_else(|| conffile.and_then(|conffile| conffile.md5.clone()));
        let owner = Owner {
            package: record.package.clone(),
            kind: if conffile.is_some() {
                FileKind::Config
            } else {
                FileKind::Shipped
            },
            // The file with a suffix is an older or newer one than the one the digest is of.
            digest: hex.filter(|_| claim == Claim::Exact).map(|hex| Digest {
                algorithm: DigestAlgorithm::Md5,
                hex,
            }),
        };
        self.claims[index].push((claim, owner));
    }
}

/// Owners of the exact name if there are any, else of the name without dpkg's suffix; each package once.
fn settle(claims: Vec<(Claim, Owner)>) -> Ownership {
    let strongest = if claims.iter().any(|(claim, _)| *claim == Claim::Exact) {
        Claim::Exact
    } else {
        Claim::Suffixed
    };
    let mut owners: Vec<Owner> = claims
        .into_iter()
        .filter_map(|(claim, owner)| (claim == strongest).then_some(owner))
        .collect();
    owners.sort_by(|a, b| (&a.package, a.digest.is_none()).cmp(&(&b.package, b.digest.is_none())));
    owners.dedup_by(|a, b| a.package == b.package);
    Ownership { owners }
}

/// The paths on disk of these records' packages, in the order of the lists.
pub(crate) fn read_files(
    root: &Root,
    records: &[&Record],
    damages: &mut Damages,
) -> Result<Vec<PathBuf>, DbError> {
    let diversions = read_diversions(root, damages);
    let folder = open_info(root)?;
    let mut buffer = Buffer::default();
    let mut found = Vec::new();
    for record in records {
        let listed = match &record.status_d {
            Some(name) => listed_in_status_d(root, name, &mut buffer, damages),
            None => folder
                .as_ref()
                .map(|folder| listed_in_info(folder, record, &mut buffer, damages)),
        };
        found.extend(on_disk(listed.unwrap_or_default(), record, &diversions));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

fn listed_in_info(
    folder: &Folder,
    record: &Record,
    buffer: &mut Buffer,
    damages: &mut Damages,
) -> Vec<Vec<u8>> {
    let package = &record.package;
    let with_arch = format!("{}:{}.list", package.name, package.arch);
    let plain = format!("{}.list", package.name);
    let names = if record.multi_arch_same {
        [with_arch, plain]
    } else {
        [plain, with_arch]
    };
    for name in &names {
        if let Some(list) = open(folder, name.as_bytes(), damages) {
            return parse_list(list, &joined(INFO, name.as_bytes()), buffer, damages);
        }
    }
    damages.whole(
        &joined(INFO, names[0].as_bytes()),
        "missing, although the package is installed",
    );
    Vec::new()
}

fn listed_in_status_d(
    root: &Root,
    name: &[u8],
    buffer: &mut Buffer,
    damages: &mut Damages,
) -> Option<Vec<Vec<u8>>> {
    let path = joined(STATUS_D, &[name, &b".md5sums"[..]].concat());
    let regular = match root.open_regular(&path) {
        Ok(regular) => regular?,
        Err(error) => {
            damages.whole(&path, format!("cannot be read: {error}"));
            return None;
        }
    };
    let mut paths = Vec::new();
    let shown = || path.clone();
    parse_md5sums(regular.file, &shown, buffer, damages, |_, path, _| {
        paths.push(path.to_vec())
    });
    Some(paths)
}

fn on_disk(listed: Vec<Vec<u8>>, record: &Record, diversions: &Diversions) -> Vec<PathBuf> {
    let name = record.package.name.as_bytes();
    let real = listed.iter().map(|path| diversions.on_disk(path, name));
    real.map(|path| joined("/", path)).collect()
}
