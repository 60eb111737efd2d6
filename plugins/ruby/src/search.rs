//! `$LOAD_PATH` and the directories of gems of a ruby of some version and some distribution.

#![forbid(unsafe_code)]

use unstale_plugin::{FileView, Listings, Process, directory_of, join};

use crate::options::Options;

/// Where a process looks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// `$LOAD_PATH`.
    pub(crate) load_path: Vec<Vec<u8>>,
    /// Directories that hold `gems/NAME-VERSION`.
    pub(crate) gems: Vec<Vec<u8>>,
    /// Where the libraries lie of which gems may bring newer versions.
    pub(crate) standard: Vec<Vec<u8>>,
    /// The version in the names of directories: `3.1.0`. Empty if not known.
    pub(crate) version: Vec<u8>,
}

/// `3.1.0`: as directories are named.
fn directory_version(text: &[u8]) -> Option<&[u8]> {
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.len() < 4 && part.iter().all(u8::is_ascii_digit));
    (parts.len() == 3 && parts[2] == b"0" && numbers).then_some(text)
}

/// What the mapped code tells: `…/ruby/3.1.0/…/enc/encdb.so`, which every process has, or `libruby-3.1.so.3.1`.
fn mapped_version(process: &Process) -> Option<Vec<u8>> {
    for mapped in &process.code {
        let mut parts = mapped
            .path
            .split(|&byte| byte == b'/')
            .skip_while(|part| *part != b"ruby");
        if let Some(version) = parts.find_map(directory_version) {
            return Some(version.to_vec());
        }
    }
    let names = process
        .code
        .iter()
        .map(|mapped| unstale_plugin::base_name(&mapped.path));
    names.chain([process.exe_name()]).find_map(|name| {
        let rest = name
            .strip_prefix(b"libruby-")
            .or_else(|| name.strip_prefix(b"libruby.so."))
            .or_else(|| name.strip_prefix(b"ruby"))?;
        let numbers = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let length = rest
            .iter()
            .position(|byte| !numbers(byte))
            .unwrap_or(rest.len());
        let mut parts = rest[..length]
            .split(|&byte| byte == b'.')
            .filter(|part| !part.is_empty());
        let (major, minor) = (parts.next()?, parts.next()?);
        Some([major, b".", minor, b".0"].concat())
    })
}

/// The directories of the architecture: `x86_64-linux-gnu`, `x86_64-linux`.
fn architectures(process: &Process) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for mapped in &process.code {
        for part in mapped.path.split(|&byte| byte == b'/') {
            if part.windows(6).any(|six| six == b"-linux")
                && !part.contains(&b'.')
                && !found.iter().any(|known| known == part)
            {
                found.push(part.to_vec());
            }
        }
    }
    found.truncate(4);
    found
}

/// Where rubies look, first first: `{p}` prefix, `{v}` version, `{a}` architecture. Debian (`ruby -e 'puts $:'` there), Fedora,
/// and what the sources install by themselves, as SUSE and Arch do.
const PLACES: [&str; 26] = [
    "/usr/local/lib/site_ruby/{v}",
    "/usr/local/lib/{a}/site_ruby",
    "/usr/local/lib/site_ruby",
    "/usr/local/share/ruby/site_ruby",
    "/usr/local/lib64/ruby/site_ruby",
    "{p}/lib64/ruby/site_ruby/{v}",
    "{p}/lib64/ruby/site_ruby",
    "{p}/lib/ruby/site_ruby/{v}",
    "{p}/lib/ruby/site_ruby/{v}/{a}",
    "{p}/lib/ruby/site_ruby",
    "{p}/share/ruby/vendor_ruby",
    "{p}/lib64/ruby/vendor_ruby/{v}",
    "{p}/lib64/ruby/vendor_ruby/{v}/{a}",
    "{p}/lib64/ruby/vendor_ruby",
    "{p}/lib/ruby/vendor_ruby/{v}",
    "{p}/lib/{a}/ruby/vendor_ruby/{v}",
    "{p}/lib/ruby/vendor_ruby/{v}/{a}",
    "{p}/lib/ruby/vendor_ruby",
    "{p}/share/rubygems",
    "{p}/share/ruby",
    "{p}/lib64/ruby/{v}",
    "{p}/lib64/ruby/{v}/{a}",
    "{p}/lib64/ruby",
    "{p}/lib/ruby/{v}",
    "{p}/lib/{a}/ruby/{v}",
    "{p}/lib/ruby/{v}/{a}",
];

/// Where gems lie. The same letters; `{h}` the home directory as the environment says.
const GEMS: [&str; 13] = [
    "{h}/.local/share/gem/ruby/{v}",
    "{h}/.gem/ruby/{v}",
    "/var/lib/gems/{v}",
    "/usr/local/lib/ruby/gems/{v}",
    "/usr/local/share/gems",
    "{p}/lib/ruby/gems/{v}",
    "{p}/lib64/ruby/gems/{v}",
    "{p}/lib/{a}/ruby/gems/{v}",
    "{p}/share/gems",
    "{p}/share/ruby/gems",
    "/usr/share/rubygems-integration/{v}",
    "/usr/share/rubygems-integration/all",
    "{p}/lib/{a}/rubygems-integration/{v}",
];

impl Places {
    /// Where the process looked when it began.
    pub(crate) fn begin(
        process: &Process,
        files: &dyn FileView,
        listings: &mut Listings,
        options: &Options,
    ) -> Self {
        let mut load_path = Vec::new();
        let variable = process.env(b"RUBYLIB").unwrap_or_default();
        let variable = variable
            .split(|&byte| byte == b':')
            .filter(|path| !path.is_empty());
        for path in options.includes.iter().map(Vec::as_slice).chain(variable) {
            match (path.starts_with(b"/"), &process.cwd) {
                (true, _) => load_path.push(join(b"/", path)),
                (false, Some(cwd)) => load_path.push(join(cwd, path)),
                (false, None) => {}
            }
        }
        let prefix = match directory_of(directory_of(&process.exe)) {
            b"/" => b"/usr",
            prefix => prefix,
        };
        let version = mapped_version(process)
            .or_else(|| only_version(files, prefix))
            .unwrap_or_default();
        let architectures = architectures(process);
        let home = process.env(b"HOME").unwrap_or_default();
        let fill = |template: &&str| filled(template, prefix, &version, &architectures, home);
        let mut known = |paths: Vec<Vec<u8>>| {
            let mut found: Vec<Vec<u8>> = Vec::new();
            for path in paths {
                if !found.contains(&path) && listings.is_directory(process, files, &path) {
                    found.push(path);
                }
            }
            found
        };
        let system = prefix == b"/usr";
        let ours = |template: &&&str| {
            system || !template.starts_with("/usr") && !template.starts_with("/var")
        };
        let of_ruby = known(PLACES.iter().filter(ours).flat_map(fill).collect());
        load_path.extend(of_ruby.iter().cloned());
        let mut standard = of_ruby;
        standard.retain(|path| {
            !["site_ruby", "vendor_ruby", "rubygems"].iter().any(|part| {
                path.split(|&byte| byte == b'/')
                    .any(|name| name == part.as_bytes())
            })
        });
        let mut paths = Vec::new();
        for variable in [&b"GEM_HOME"[..], b"GEM_PATH"] {
            let value = process.env(variable).unwrap_or_default();
            let value = value
                .split(|&byte| byte == b':')
                .filter(|path| path.starts_with(b"/"));
            paths.extend(value.map(|path| join(b"/", path)));
        }
        paths.extend(GEMS.iter().filter(ours).flat_map(fill));
        let gems = known(paths);
        Self {
            load_path,
            gems,
            standard,
            version,
        }
    }
}

/// The version whose directory is there, if it is the only one.
fn only_version(files: &dyn FileView, prefix: &[u8]) -> Option<Vec<u8>> {
    let entries = files
        .list(unstale_plugin::Root::Process, &join(prefix, b"lib/ruby"))
        .ok()?;
    let mut names = entries.into_iter().map(|entry| entry.name);
    let mut names: Vec<Vec<u8>> = names
        .by_ref()
        .filter(|name| directory_version(name).is_some())
        .collect();
    (names.len() == 1).then(|| names.pop()).flatten()
}

/// A template with its values, one for each architecture; nothing if a value is not known.
fn filled(
    template: &str,
    prefix: &[u8],
    version: &[u8],
    architectures: &[Vec<u8>],
    home: &[u8],
) -> Vec<Vec<u8>> {
    let none = [Vec::new()];
    let architectures = if template.contains("{a}") {
        architectures
    } else {
        &none
    };
    let fill = |architecture: &Vec<u8>| {
        let mut path = template.as_bytes().to_vec();
        let values: [(&[u8], &[u8]); 4] = [
            (b"{p}", prefix),
            (b"{v}", version),
            (b"{a}", architecture),
            (b"{h}", home),
        ];
        for (key, value) in values {
            let Some(at) = path.windows(3).position(|three| three == key) else {
                continue;
            };
            if value.is_empty() {
                return None;
            }
            path.splice(at..at + 3, value.iter().copied());
        }
        path.starts_with(b"/").then(|| join(b"/", &path))
    };
    architectures.iter().filter_map(fill).collect()
}
