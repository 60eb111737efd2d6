//! Where an interpreter has its library and its installed packages: what `getpath` and `site` work out when it starts.
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::rc::Rc;

use unstale_plugin::{Kind, Refused, Root, base_name, directory_of, join};

use crate::command::{Command, is_interpreter};
use crate::finder::{Area, Finder, Look, PathId, Place, below};
use crate::site::{SiteFiles, add_site, is_site};
use crate::source::Import;
use crate::version::{Version, parse_version, version_of};

/// The part of `sys.path` that does not depend on the program, and what is imported before it.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The version.
    pub(crate) version: Version,
    /// The library, then sites.
    pub(crate) path: PathId,
    /// Modules that `.pth` files import, with the files.
    pub(crate) startup: Vec<(Vec<u8>, Import)>,
    /// What to say of it.
    pub(crate) notes: Vec<String>,
}

/// Everything that a layout is worked out from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Inputs {
    view: u64,
    program: Vec<u8>,
    exe: Vec<u8>,
    version: Option<Version>,
    home: Option<Vec<u8>>,
    library_name: Option<Vec<u8>>,
    user_base: Option<Vec<u8>>,
    site: bool,
    /// Directories of installed packages that mapped extension modules show.
    shown: Vec<Vec<u8>>,
}

/// Layouts that were worked out.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    known: HashMap<Inputs, Result<Rc<Layout>, String>>,
}

impl Layouts {
    /// The layout of a process.
    ///
    /// # Errors
    /// Why there is none: the version or the library is not to be found.
    pub(crate) fn of(
        &mut self,
        look: Look<'_>,
        finder: &mut Finder,
        command: &Command<'_>,
    ) -> Result<Rc<Layout>, String> {
        let inputs = inputs(look, finder, command);
        if let Some(known) = self.known.get(&inputs) {
            return known.clone();
        }
        let layout = work_out(look, finder, &inputs).map(Rc::new);
        if finder.stopped().is_none() {
            self.known.insert(inputs, layout.clone());
        }
        layout
    }
}

fn inputs(look: Look<'_>, finder: &mut Finder, command: &Command<'_>) -> Inputs {
    let process = look.process;
    let variable = |name: &[u8]| {
        let value = process.env(name).filter(|_| !command.no_environ)?;
        (!value.is_empty()).then(|| value.to_vec())
    };
    let user = !command.no_user_site && variable(b"PYTHONNOUSERSITE").is_none();
    let home = process.env(b"HOME").map(|home| below(home, b".local"));
    let user_base = variable(b"PYTHONUSERBASE").or(home);
    let mut shown: Vec<Vec<u8>> = process
        .code
        .iter()
        .filter_map(|mapped| shown_site(&mapped.path))
        .collect();
    shown.sort();
    shown.dedup();
    Inputs {
        view: process.view,
        program: program(look, finder),
        exe: process.exe.clone(),
        version: version_of(process),
        home: variable(b"PYTHONHOME"),
        library_name: variable(b"PYTHONPLATLIBDIR"),
        user_base: user_base.filter(|base| user && base.starts_with(b"/")),
        site: !command.no_site,
        shown,
    }
}

/// The site directory that an extension module lies below.
fn shown_site(path: &[u8]) -> Option<Vec<u8>> {
    if !path.ends_with(b".so") {
        return None;
    }
    let mut directory = directory_of(path);
    while directory.len() > 1 {
        if is_site(base_name(directory)) {
            return Some(directory.to_vec());
        }
        directory = directory_of(directory);
    }
    None
}

/// `sys.executable`: the name under which the interpreter was started, links not followed.
fn program(look: Look<'_>, finder: &mut Finder) -> Vec<u8> {
    let process = look.process;
    let named = process.argv.first().map_or(&b""[..], Vec::as_slice);
    let cwd = process.cwd.as_deref().unwrap_or(b"/");
    let mut candidates = Vec::new();
    if named.contains(&b'/') {
        candidates.push(join(cwd, named));
    }
    if let Some(execfn) = &process.execfn
        && execfn.contains(&b'/')
        && (base_name(execfn) == named || is_interpreter(base_name(execfn)))
    {
        candidates.push(join(cwd, execfn));
    }
    if !named.is_empty() && !named.contains(&b'/') && named.len() <= 255 {
        let path = process.env(b"PATH").unwrap_or_default();
        let directories = path.split(|&byte| byte == b':');
        let absolute = directories.filter(|directory| directory.starts_with(b"/"));
        candidates.extend(absolute.take(32).map(|directory| below(directory, named)));
    }
    let found = candidates
        .into_iter()
        .find(|candidate| finder.kind(look, candidate) == Ok(Kind::File));
    found.unwrap_or_else(|| process.exe.clone())
}

/// What a `pyvenv.cfg` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Venv {
    prefix: Vec<u8>,
    home: Option<Vec<u8>>,
    version: Option<Version>,
    system_site: bool,
}

fn parse_venv(text: &[u8], prefix: &[u8]) -> Venv {
    let mut venv = Venv {
        prefix: prefix.to_vec(),
        ..Venv::default()
    };
    for line in text.split(|&byte| byte == b'\n').take(200) {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let key = line[..at].trim_ascii().to_ascii_lowercase();
        let value = line[at + 1..].trim_ascii();
        match key.as_slice() {
            b"home" => venv.home = Some(value.to_vec()),
            b"version" | b"version_info" => venv.version = parse_version(value),
            b"include-system-site-packages" => {
                venv.system_site = value.eq_ignore_ascii_case(b"true");
            }
            _ => {}
        }
    }
    venv
}

/// `pyvenv.cfg` beside the program or one directory above.
fn find_venv(look: Look<'_>, finder: &mut Finder, program: &[u8]) -> Option<Venv> {
    let beside = directory_of(program);
    let above = directory_of(beside);
    [beside, above].into_iter().find_map(|directory| {
        let path = below(directory, b"pyvenv.cfg");
        if directory.is_empty() || finder.kind(look, &path) != Ok(Kind::File) {
            return None;
        }
        match look.files.read(Root::Process, &path) {
            Ok(text) => Some(parse_venv(&text, above)),
            Err(refused) => {
                finder.heed(refused);
                None
            }
        }
    })
}

/// A prefix with the library below it.
struct Library {
    prefix: Vec<u8>,
    /// `PREFIX/lib/python3.11`.
    directory: Vec<u8>,
    version: Version,
}

fn work_out(look: Look<'_>, finder: &mut Finder, inputs: &Inputs) -> Result<Layout, String> {
    let venv = find_venv(look, finder, &inputs.program);
    let in_venv = venv.as_ref().and_then(|venv| venv.version);
    let wanted = inputs.version.or(in_venv);
    let venv_home = venv.as_ref().and_then(|venv| venv.home.clone());
    let library = find_library(look, finder, inputs, venv_home, wanted)?;
    let look = Look {
        version: library.version,
        ..look
    };
    let mut site = SiteFiles::default();
    add_library(look, finder, &library, &mut site.places);
    let mut notes = Vec::new();
    if inputs.site {
        for directory in site_directories(look, finder, inputs, venv.as_ref(), &library) {
            add_site(look, finder, &directory, &mut site);
        }
        for directory in &inputs.shown {
            if !site.places.iter().any(|place| place.path == *directory) {
                notes.push(format!(
                    "{} is not on the path that was worked out, but extension modules of it are mapped",
                    String::from_utf8_lossy(directory)
                ));
                add_site(look, finder, directory, &mut site);
            }
        }
    }
    Ok(Layout {
        version: library.version,
        path: finder.path(look, site.places),
        startup: site.startup,
        notes,
    })
}

fn find_library(
    look: Look<'_>,
    finder: &mut Finder,
    inputs: &Inputs,
    venv_home: Option<Vec<u8>>,
    wanted: Option<Version>,
) -> Result<Library, String> {
    let mut starts = Vec::new();
    if let Some(home) = &inputs.home {
        // PREFIX or PREFIX:EXEC_PREFIX.
        let prefix = home.split(|&byte| byte == b':').next().unwrap_or_default();
        starts.push(join(b"/", prefix));
    } else {
        starts.extend(venv_home.map(|home| join(b"/", &home)));
    }
    if is_interpreter(base_name(&inputs.exe)) {
        starts.push(directory_of(&inputs.exe).to_vec());
    }
    let libpython = look.process.code.iter().find(|mapped| {
        let name = base_name(&mapped.path);
        name.starts_with(b"libpython")
    });
    starts.extend(libpython.map(|mapped| directory_of(&mapped.path).to_vec()));
    starts.extend([b"/usr/local".to_vec(), b"/usr".to_vec()]);
    for start in starts {
        let mut directory = start.as_slice();
        for _ in 0..32 {
            if let Some(library) = library_below(look, finder, inputs, directory, wanted)? {
                return Ok(library);
            }
            if directory.len() <= 1 {
                break;
            }
            directory = directory_of(directory);
        }
    }
    Err("its standard library was not found".to_owned())
}

fn library_below(
    look: Look<'_>,
    finder: &mut Finder,
    inputs: &Inputs,
    prefix: &[u8],
    wanted: Option<Version>,
) -> Result<Option<Library>, String> {
    let own = inputs.library_name.as_deref();
    for name in own.into_iter().chain([&b"lib"[..], b"lib64"]) {
        let lib = below(prefix, name);
        let candidates = match wanted {
            Some(version) => vec![version],
            None => versions_in(look, finder, &lib),
        };
        let mut found = candidates.into_iter().filter_map(|version| {
            let directory = below(&lib, &version.directory());
            let landmark = [&b"os.py"[..], b"os.pyc"]
                .into_iter()
                .any(|name| finder.kind(look, &below(&directory, name)) == Ok(Kind::File));
            landmark.then(|| Library {
                prefix: prefix.to_vec(),
                directory,
                version,
            })
        });
        let first = found.next();
        if first.is_some() && found.next().is_some() {
            return Err(format!(
                "its version is not known: there are several libraries in {}",
                String::from_utf8_lossy(&lib)
            ));
        }
        if first.is_some() {
            return Ok(first);
        }
    }
    Ok(None)
}

/// The versions of which a directory has a library, for programs whose names do not tell.
fn versions_in(look: Look<'_>, finder: &mut Finder, lib: &[u8]) -> Vec<Version> {
    if finder.kind(look, lib) != Ok(Kind::Directory) {
        return Vec::new();
    }
    let entries = match look.files.list(Root::Process, lib) {
        Ok(entries) => entries,
        Err(refused) => {
            finder.heed(refused);
            return Vec::new();
        }
    };
    let names = entries.iter().filter_map(|entry| {
        let rest = entry.name.strip_prefix(b"python")?;
        let version = parse_version(rest)?;
        (version.directory() == entry.name).then_some(version)
    });
    names.take(16).collect()
}

fn add_library(look: Look<'_>, finder: &mut Finder, library: &Library, places: &mut Vec<Place>) {
    let archive = below(directory_of(&library.directory), &library.version.archive());
    let modules = below(&library.directory, b"lib-dynload");
    for path in [archive, library.directory.clone(), modules] {
        if finder.kind(look, &path).is_ok() {
            places.push(Place {
                path,
                area: Area::Library,
            });
        }
    }
}

/// Directories of installed packages, in the order in which `site` adds them.
fn site_directories(
    look: Look<'_>,
    finder: &mut Finder,
    inputs: &Inputs,
    venv: Option<&Venv>,
    library: &Library,
) -> Vec<Vec<u8>> {
    let name = library.version.directory();
    let packages = |prefix: &[u8], lib: &[u8], leaf: &[u8]| {
        let whole = [prefix, lib, &name, leaf];
        join(b"/", &whole.join(&b'/'))
    };
    let mut directories = Vec::new();
    if let Some(venv) = venv {
        directories.push(packages(&venv.prefix, b"lib", b"site-packages"));
        directories.push(packages(&venv.prefix, b"lib64", b"site-packages"));
    }
    if venv.is_none_or(|venv| venv.system_site) {
        directories.extend(
            inputs
                .user_base
                .as_ref()
                .map(|base| packages(base, b"lib", b"site-packages")),
        );
        let debian = b"/usr/lib/python3/dist-packages";
        let prefix = library.prefix.as_slice();
        if prefix == b"/usr" && finder.kind(look, debian) == Ok(Kind::Directory) {
            directories.push(packages(prefix, b"local/lib", b"dist-packages"));
            directories.push(debian.to_vec());
            directories.push(packages(prefix, b"lib", b"dist-packages"));
        } else {
            if prefix == b"/usr" {
                // Fedora and its kin put pip's packages below /usr/local.
                directories.push(packages(b"/usr/local", b"lib64", b"site-packages"));
                directories.push(packages(b"/usr/local", b"lib", b"site-packages"));
            }
            directories.push(packages(prefix, b"lib64", b"site-packages"));
            directories.push(packages(prefix, b"lib", b"site-packages"));
        }
    }
    distinct(look, finder, directories)
}

/// Those that exist, each once: `lib64` is often a link to `lib`.
fn distinct(look: Look<'_>, finder: &mut Finder, directories: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut kept = Vec::new();
    for directory in directories {
        match look.files.stat(Root::Process, &directory) {
            Ok(stat) if stat.kind == Kind::Directory && !seen.contains(&stat.real_path) => {
                seen.push(stat.real_path);
                kept.push(directory);
            }
            Ok(_) | Err(Refused::Missing) => {}
            Err(refused) => finder.heed(refused),
        }
    }
    kept
}
