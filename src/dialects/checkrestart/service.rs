//! What starts the programs of a package: init scripts and units among its files.

use std::path::Path;

use crate::dialects::Machine;
use crate::model::Bytes;

/// Where init scripts are.
const SCRIPTS: &str = "/etc/init.d/";

/// Where packages put units (systemd.unit(5)), before and after the merge of `/usr`.
const UNITS: [&str; 2] = ["/lib/systemd/system/", "/usr/lib/systemd/system/"];

/// Whether a name can stand in a command that people copy into a shell: the characters of units alone (systemd.unit(5)), and
/// nothing that would be an option. Who owns a control group, or a program, calls it what they like.
pub(super) fn can_be_copied(name: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b":-_.\\@+".contains(byte);
    !matches!(name.first(), None | Some(b'-')) && name.iter().all(fits)
}

/// Names of the init scripts among files of a package, sorted.
pub(super) fn init_scripts(files: &[Bytes]) -> Vec<Bytes> {
    let names = files.iter().filter_map(|file| child_of(file, SCRIPTS));
    let names = names.filter(|name| can_be_copied(name));
    sorted(names.map(Bytes::from).collect())
}

/// A unit that a package brings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct UnitFile {
    /// Its name.
    pub(super) name: Bytes,
    /// Its file.
    path: Bytes,
}

/// The services among files of a package that can be named as they are, sorted: no templates.
pub(super) fn units(files: &[Bytes]) -> Vec<UnitFile> {
    let units = files.iter().filter_map(|file| {
        let name = UNITS
            .iter()
            .find_map(|directory| child_of(file, directory))?;
        let is_service = name.ends_with(b".service") && !name.ends_with(b"@.service");
        (is_service && can_be_copied(name)).then(|| UnitFile {
            name: Bytes::from(name),
            path: file.clone(),
        })
    });
    let mut units = sorted(units.collect());
    units.dedup_by(|a, b| a.name == b.name);
    units
}

impl UnitFile {
    /// Whether it runs once and ends: nothing of it stays that a restart would renew. The administrator's own file goes before
    /// that of the package (systemd.unit(5)); if neither can be read, it is not known to be one.
    pub(super) fn is_oneshot(&self, machine: &dyn Machine) -> bool {
        let own = Path::new("/etc/systemd/system");
        let own = own.join(Path::new(self.name.as_path()));
        let text = machine.read(&own);
        let text = text.or_else(|_| machine.read(self.path.as_path()));
        text.is_ok_and(|text| parse_type(&text) == b"oneshot")
    }
}

/// `Type=` of a service, the last one; empty if it says none.
fn parse_type(text: &[u8]) -> &[u8] {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut section: &[u8] = b"";
    let mut kind: &[u8] = b"";
    for line in lines {
        if line.starts_with(b"[") {
            section = line;
        } else if section == b"[Service]"
            && let Some(at) = line.iter().position(|&byte| byte == b'=')
            && line[..at].trim_ascii() == b"Type"
        {
            kind = line[at + 1..].trim_ascii();
        }
    }
    kind
}

/// Whether there is an init script of that name.
pub(super) fn has_script(machine: &dyn Machine, name: &[u8]) -> bool {
    let path = Bytes([SCRIPTS.as_bytes(), name].concat());
    can_be_copied(name) && machine.exists(path.as_path())
}

/// The name of a file right in a directory.
fn child_of<'a>(file: &'a Bytes, directory: &str) -> Option<&'a [u8]> {
    let name = file.as_slice().strip_prefix(directory.as_bytes())?;
    (!name.is_empty() && !name.contains(&b'/')).then_some(name)
}

fn sorted<T: Ord>(mut names: Vec<T>) -> Vec<T> {
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_services() {
        #[track_caller]
        fn check(text: &str, kind: &str) {
            assert_eq!(parse_type(text.as_bytes()), kind.as_bytes(), "{text}");
        }
        check(
            "[Unit]\nType=simple\n[Service]\nType=oneshot\nExecStart=/x\n",
            "oneshot",
        );
        check("[Service]\n Type = oneshot \n", "oneshot");
        check("[Service]\nType=oneshot\nType=notify\n", "notify");
        check("[Service]\n#Type=oneshot\n", "");
        check("[Timer]\nType=oneshot\n", "");
    }

    #[test]
    fn units_and_scripts_among_files() {
        let files = [
            "/.",
            "/etc/init.d",
            "/etc/init.d/ssh",
            "/etc/init.d/hwclock.sh",
            "/lib/systemd/system/ssh.service",
            "/lib/systemd/system/ssh@.service",
            "/usr/lib/systemd/system/rescue.target.wants/x.service",
            "/usr/lib/systemd/system/ssh.service",
            "/usr/lib/systemd/system/ssh.socket",
            "/usr/lib/systemd/system/a.service",
        ]
        .map(Bytes::from);
        let names = |names: Vec<Bytes>| names.iter().map(|n| n.escaped().to_string()).collect();
        let scripts: Vec<String> = names(init_scripts(&files));
        assert_eq!(scripts, ["hwclock.sh", "ssh"]);
        let units: Vec<String> = names(units(&files).into_iter().map(|unit| unit.name).collect());
        assert_eq!(units, ["a.service", "ssh.service"]);
    }
}
