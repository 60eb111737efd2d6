//! From a request to a file, as the `require` and `import` of Node.js look for it (modules.md and esm.md of its documentation).

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{
    FileView, Kind as FileKind, Process, Refused, Root, base_name, directory_of, join,
};

use crate::builtin::is_builtin;
use crate::package::Package;
use crate::source::Kind;
use crate::tree::{Found, Tree};

/// What was learnt of packages: by view, the directory that the `package.json` lies in.
pub(crate) type Packages = HashMap<(u64, Vec<u8>), Option<Rc<Package>>>;

/// What `require` tries to add to a name.
const ENDINGS: [&[u8]; 4] = [b"", b".js", b".json", b".node"];
/// How often `imports` of a package may lead to another name.
const ALIASES: usize = 4;

/// Looks for the files of one process.
pub(crate) struct Resolver<'a> {
    pub(crate) process: &'a Process,
    pub(crate) files: &'a dyn FileView,
    pub(crate) tree: &'a mut Tree,
    pub(crate) packages: &'a mut Packages,
    /// Of `--conditions`.
    pub(crate) conditions: Vec<Vec<u8>>,
    /// Directories that are searched after all `node_modules`.
    pub(crate) shared: Vec<Vec<u8>>,
}

type Answer<T> = Result<Option<T>, Refused>;

impl Resolver<'_> {
    /// The real path of the file that a request from a directory means; `None` for parts of the program itself and for what is
    /// not there.
    pub(crate) fn resolve(
        &mut self,
        directory: &[u8],
        request: &[u8],
        kind: Kind,
    ) -> Answer<Vec<u8>> {
        let mut request = request.to_vec();
        let mut directory = directory.to_vec();
        for _ in 0..ALIASES {
            if request.is_empty() || request.contains(&0) || is_builtin(&request) {
                return Ok(None);
            }
            if let Some(path) = request.strip_prefix(b"file://") {
                return self.path(&join(b"/", path));
            }
            if is_path(&request) {
                return self.path(&join(&directory, &request));
            }
            if !request.starts_with(b"#") {
                return self.bare(&directory, &request, kind);
            }
            let Some((scope, package)) = self.scope(&directory)? else {
                return Ok(None);
            };
            let Some(target) = package.imported(&request, kind, &self.conditions) else {
                return Ok(None);
            };
            directory = scope;
            request = target;
        }
        Ok(None)
    }

    /// A file or directory by its absolute path.
    pub(crate) fn path(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        if let Some(file) = self.file(path)? {
            return Ok(Some(file));
        }
        self.directory(path)
    }

    fn file(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        for ending in ENDINGS {
            let path = [path, ending].concat();
            if let Some(file) = self.exact(&path)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn exact(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        let found = self
            .find(path)?
            .filter(|found| found.kind == FileKind::File);
        Ok(found.map(|found| found.real_path))
    }

    /// Whether a path is not that of a file.
    pub(crate) fn is_no_file(&mut self, path: &[u8]) -> bool {
        !matches!(self.exact(path), Ok(Some(_)))
    }

    fn find(&mut self, path: &[u8]) -> Answer<Found> {
        self.tree.find(self.process, self.files, path)
    }

    fn is_directory(&mut self, path: &[u8]) -> Result<bool, Refused> {
        let found = self.find(path)?;
        Ok(found.is_some_and(|found| found.kind == FileKind::Directory))
    }

    fn directory(&mut self, path: &[u8]) -> Answer<Vec<u8>> {
        if !self.is_directory(path)? {
            return Ok(None);
        }
        let package = self.package(path)?;
        if let Some(main) = package.as_ref().and_then(|package| package.main()) {
            let main = join(path, main);
            if let Some(file) = self.file(&main)? {
                return Ok(Some(file));
            }
            if let Some(file) = self.file(&join(&main, b"index"))? {
                return Ok(Some(file));
            }
        }
        self.file(&join(path, b"index"))
    }

    /// A name without a path: in the package itself, in each `node_modules` upwards, in the shared directories.
    fn bare(&mut self, directory: &[u8], request: &[u8], kind: Kind) -> Answer<Vec<u8>> {
        let Some((name, inside)) = split_name(request) else {
            return Ok(None);
        };
        if let Some((scope, package)) = self.scope(directory)?
            && package.name() == Some(name)
            && package.has_exports()
        {
            return self.exported(&scope, &package, &inside, kind);
        }
        let mut above = Some(directory);
        while let Some(place) = above {
            if base_name(place) != b"node_modules" {
                let modules = join(place, b"node_modules");
                if self.is_directory(&modules)?
                    && let Some(file) = self.installed(&modules, name, &inside, kind)?
                {
                    return Ok(Some(file));
                }
            }
            above = (place != b"/")
                .then(|| directory_of(place))
                .filter(|place| !place.is_empty());
        }
        for at in 0..self.shared.len() {
            let place = self.shared[at].clone();
            if let Some(file) = self.installed(&place, name, &inside, kind)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    fn installed(
        &mut self,
        modules: &[u8],
        name: &[u8],
        inside: &[u8],
        kind: Kind,
    ) -> Answer<Vec<u8>> {
        let place = join(modules, name);
        if self.is_directory(&place)?
            && let Some(package) = self.package(&place)?
            && package.has_exports()
        {
            return self.exported(&place, &package, inside, kind);
        }
        self.path(&join(&place, inside))
    }

    fn exported(
        &mut self,
        place: &[u8],
        package: &Package,
        inside: &[u8],
        kind: Kind,
    ) -> Answer<Vec<u8>> {
        match package.exported(inside, kind, &self.conditions) {
            Some(target) if target.starts_with(b"./") => self.exact(&join(place, &target)),
            _ => Ok(None),
        }
    }

    /// The nearest `package.json` above, and the directory that it lies in.
    fn scope(&mut self, directory: &[u8]) -> Answer<(Vec<u8>, Rc<Package>)> {
        let mut above = directory;
        while !above.is_empty() && base_name(above) != b"node_modules" {
            if let Some(package) = self.package(above)? {
                return Ok(Some((above.to_vec(), package)));
            }
            if above == b"/" {
                break;
            }
            above = directory_of(above);
        }
        Ok(None)
    }

    fn package(&mut self, directory: &[u8]) -> Answer<Rc<Package>> {
        let key = (self.process.view, directory.to_vec());
        if let Some(package) = self.packages.get(&key) {
            return Ok(package.clone());
        }
        let path = join(directory, b"package.json");
        let package = match self.exact(&path)? {
            None => None,
            Some(path) => match self.files.read(Root::Process, &path) {
                Ok(text) => Some(Rc::new(Package::parse(&text))),
                Err(refused @ (Refused::Budget | Refused::NoAnswer)) => return Err(refused),
                Err(_) => None,
            },
        };
        self.packages.insert(key, package.clone());
        Ok(package)
    }
}

fn is_path(request: &[u8]) -> bool {
    request.starts_with(b"/")
        || request.starts_with(b"./")
        || request.starts_with(b"../")
        || request == b"."
        || request == b".."
}

/// Splits `@scope/name/inside` and `name/inside`; what is inside is `.` or begins with `./`.
fn split_name(request: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let slash = |from: usize| {
        let rest = request.get(from..)?;
        Some(from + rest.iter().position(|&byte| byte == b'/')?)
    };
    let end = match request.first()? {
        b'@' => slash(slash(0)? + 1),
        b'.' => return None,
        _ => slash(0),
    };
    Some(match end {
        None => (request, b".".to_vec()),
        Some(end) => (&request[..end], [b".".as_slice(), &request[end..]].concat()),
    })
}

/// The directories that are searched last: `NODE_PATH`, below the home directory, beside the program, and those of Debian.
pub(crate) fn shared_directories(process: &Process) -> Vec<Vec<u8>> {
    let mut shared = Vec::new();
    let path = process.env(b"NODE_PATH").unwrap_or_default();
    for entry in path.split(|&byte| byte == b':').take(100) {
        if !entry.is_empty() {
            shared.extend(absolute(process, entry));
        }
    }
    if let Some(home) = process.env(b"HOME") {
        for name in [b".node_modules".as_slice(), b".node_libraries"] {
            shared.extend(absolute(process, home).map(|home| join(&home, name)));
        }
    }
    // PREFIX/bin/node → PREFIX/lib/node.
    shared.push(join(directory_of(directory_of(&process.exe)), b"lib/node"));
    shared.push(b"/usr/share/nodejs".to_vec());
    shared.push(b"/usr/lib/nodejs".to_vec());
    shared.extend(triplet(process).map(|triplet| [b"/usr/lib/", triplet, b"/nodejs"].concat()));
    shared
}

fn absolute(process: &Process, path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return Some(join(b"/", path));
    }
    process.cwd.as_ref().map(|cwd| join(cwd, path))
}

/// The name of Debian's directory for this architecture, from where its libraries lie.
fn triplet(process: &Process) -> Option<&[u8]> {
    process.code.iter().find_map(|mapped| {
        let path = mapped.path.strip_prefix(b"/usr").unwrap_or(&mapped.path);
        let name = path
            .strip_prefix(b"/lib/")?
            .split(|&byte| byte == b'/')
            .next()?;
        name.windows(7)
            .any(|part| part == b"-linux-")
            .then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn name(request: &str, expected: Option<(&str, &str)>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found =
            split_name(request.as_bytes()).map(|(name, inside)| (text(name), text(&inside)));
        let expected = expected.map(|(name, inside)| (name.to_owned(), inside.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn t6_22_names_of_packages() {
        name("a", Some(("a", ".")));
        name("a/b/c", Some(("a", "./b/c")));
        name("@a/b", Some(("@a/b", ".")));
        name("@a/b/c", Some(("@a/b", "./c")));
        name("@a", None);
        name("a/", Some(("a", "./")));
        name("", None);
        name(".a", None);
    }
}
