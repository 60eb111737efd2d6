//! Which PHP this is, and where its configuration lies.

#![forbid(unsafe_code)]

use unstale_plugin::{Process, base_name, directory_of, join};

/// In what PHP runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Sapi {
    /// `php`.
    Cli,
    /// `php-fpm`.
    Fpm,
    /// A module of Apache.
    Apache,
    /// `php-cgi` and others that answer one request after the other.
    Cgi,
    /// Built into another program, which decides what it keeps.
    Embedded,
}

impl Sapi {
    /// By the program, and by the library that it has mapped.
    pub(crate) fn of(process: &Process) -> Option<Self> {
        let name = process.exe_name();
        let version = |rest: &[u8]| {
            let rest = rest.strip_suffix(b".default").unwrap_or(rest);
            rest.iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.')
        };
        if name.starts_with(b"php-fpm") {
            Some(Self::Fpm)
        } else if name.starts_with(b"php-cgi") || name.starts_with(b"lsphp") {
            Some(Self::Cgi)
        } else if name.strip_prefix(b"php").is_some_and(version) {
            Some(Self::Cli)
        } else if name == b"apache2" || name.starts_with(b"httpd") {
            Some(Self::Apache)
        } else if name == b"frankenphp" || library(process).is_some() {
            Some(Self::Embedded)
        } else {
            None
        }
    }

    /// The name of its directory in Debian.
    fn directory(self) -> &'static [u8] {
        match self {
            Self::Cli => b"cli",
            Self::Fpm => b"fpm",
            Self::Apache => b"apache2",
            Self::Cgi => b"cgi",
            Self::Embedded => b"embed",
        }
    }
}

fn library(process: &Process) -> Option<&[u8]> {
    let names = process.code.iter().map(|mapped| base_name(&mapped.path));
    names.into_iter().find(|name| name.starts_with(b"libphp"))
}

/// A file and a directory of more that are read behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// `php.ini`.
    pub(crate) file: Vec<u8>,
    /// The directory whose `*.ini` are read.
    pub(crate) scan: Vec<u8>,
}

/// Where the distributions have them. The first that exists is taken.
pub(crate) fn places(process: &Process, sapi: Sapi) -> Vec<Place> {
    let place = |file: Vec<u8>, scan: Vec<u8>| Place { file, scan };
    let mut places = Vec::new();
    if let Some((major, minor)) = version(process) {
        // Debian: /etc/php/8.2/fpm.
        let debian = [
            b"/etc/php/",
            major.as_slice(),
            b".",
            &minor,
            b"/",
            sapi.directory(),
        ]
        .concat();
        places.push(place(join(&debian, b"php.ini"), join(&debian, b"conf.d")));
        // Alpine: /etc/php82. Remi's packages: /etc/opt/remi/php82.
        let short = [b"php", major.as_slice(), &minor].concat();
        let alpine = join(b"/etc", &short);
        places.push(place(join(&alpine, b"php.ini"), join(&alpine, b"conf.d")));
        let remi = join(b"/etc/opt/remi", &short);
        places.push(place(join(&remi, b"php.ini"), join(&remi, b"php.d")));
    }
    // SUSE: /etc/php8/fpm and /etc/php8/conf.d.
    for major in [b"8".as_slice(), b"7"] {
        let suse = [b"/etc/php", major].concat();
        let own = join(&suse, sapi.directory());
        places.push(place(join(&own, b"php.ini"), join(&suse, b"conf.d")));
    }
    // Images of the PHP project and programs that were built by hand: PREFIX/etc/php, PREFIX/lib.
    let prefix = directory_of(directory_of(&process.exe));
    if prefix != b"/usr" && !prefix.is_empty() {
        let image = join(prefix, b"etc/php");
        places.push(place(join(&image, b"php.ini"), join(&image, b"conf.d")));
        places.push(place(
            join(prefix, b"lib/php.ini"),
            join(prefix, b"lib/php.d"),
        ));
    }
    // Fedora; Arch.
    places.push(place(b"/etc/php.ini".to_vec(), b"/etc/php.d".to_vec()));
    places.push(place(
        b"/etc/php/php.ini".to_vec(),
        b"/etc/php/conf.d".to_vec(),
    ));
    places
}

/// The version in the name of the program or of the library: `php8.2`, `php-fpm82`, `libphp7.4.so`.
fn version(process: &Process) -> Option<(Vec<u8>, Vec<u8>)> {
    let names = [Some(process.exe_name()), library(process)];
    names.into_iter().flatten().find_map(|name| {
        let at = name.iter().position(u8::is_ascii_digit)?;
        let major = vec![name[at]];
        let rest = &name[at + 1..];
        let rest = rest.strip_prefix(b".").unwrap_or(rest);
        let size = rest.iter().position(|byte| !byte.is_ascii_digit());
        let minor = &rest[..size.unwrap_or(rest.len())];
        (!minor.is_empty()).then(|| (major, minor.to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(exe: &str, library: &str, expected: &str) {
        let process = Process {
            exe: exe.as_bytes().to_vec(),
            code: vec![unstale_plugin::Mapped {
                path: library.as_bytes().to_vec(),
                start: 0,
            }],
            ..Process::default()
        };
        let found = Sapi::of(&process).map(|sapi| {
            let first = &places(&process, sapi)[0];
            format!("{sapi:?} {}", String::from_utf8_lossy(&first.file))
        });
        assert_eq!(found.unwrap_or_default(), expected);
    }

    #[test]
    fn t6_23_kinds_of_php() {
        check("/usr/bin/php8.2", "", "Cli /etc/php/8.2/cli/php.ini");
        check("/usr/bin/php.default", "", "Cli /etc/php8/cli/php.ini");
        check("/usr/bin/php82", "", "Cli /etc/php/8.2/cli/php.ini");
        check("/usr/sbin/php-fpm8.2", "", "Fpm /etc/php/8.2/fpm/php.ini");
        check("/usr/sbin/php-fpm", "", "Fpm /etc/php8/fpm/php.ini");
        check("/usr/bin/php-cgi7.4", "", "Cgi /etc/php/7.4/cgi/php.ini");
        check(
            "/usr/sbin/apache2",
            "/usr/lib/apache2/modules/libphp8.2.so",
            "Apache /etc/php/8.2/apache2/php.ini",
        );
        check(
            "/usr/bin/frankenphp",
            "",
            "Embedded /etc/php8/embed/php.ini",
        );
        check("/usr/bin/phpstorm", "", "");
    }
}
