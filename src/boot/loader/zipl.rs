//! zipl of s390x: what it boots is in a boot map that it wrote, in a form of its own. The files here are what the map was
//! made from, the last time somebody ran it.

use super::grub::places;
use super::{Choice, Disk, Said, not_understood, unreadable};

const CONF: &str = "/etc/zipl.conf";
const CAP: u64 = 1024 * 1024;

/// `None` if there is no zipl.conf, or if GRUB is the second stage, as SUSE has it.
pub(super) fn read(disk: &Disk<'_, '_>) -> Option<Said> {
    let mut said = Said::default();
    let text = match disk.files.read(CONF, CAP) {
        Ok(text) => text?,
        Err(why) => {
            said.notes.push(unreadable(CONF.as_bytes(), &why));
            return Some(said);
        }
    };
    match chosen(disk, &text) {
        Ok(choice) => {
            let note = "zipl boots what it was last run for; its files may be newer than that";
            said.notes.push(note.to_owned());
            said.choice = Some(choice);
        }
        Err(what) => said.notes.push(not_understood(CONF.as_bytes(), &what)),
    }
    Some(said)
}

/// The entry that `default` of zipl.conf names by its title, as grubby sets it, or the only one.
fn chosen(disk: &Disk<'_, '_>, text: &[u8]) -> Result<Choice, String> {
    let mut snippets = disk.snippets(b"/boot")?;
    snippets.retain(|snippet| snippet.linux.is_some());
    let default = parse_default(text);
    let mut fitting = snippets.iter().filter(|snippet| match &default {
        Some(default) => snippet.title.as_ref() == Some(default) || snippet.id == *default,
        None => true,
    });
    let (Some(snippet), None) = (fitting.next(), fitting.next()) else {
        return Err("the boot map does not say it in a form that is read".to_owned());
    };
    Ok(Choice {
        id: snippet.id.clone(),
        title: snippet.title.clone().unwrap_or_default(),
        places: places(snippet.linux.as_deref().unwrap_or_default()),
        release: snippet.version.clone(),
        source: snippet.source.clone(),
    })
}

/// `default=` of the section `[defaultboot]` (zipl.conf(5)).
fn parse_default(text: &[u8]) -> Option<Vec<u8>> {
    let mut inside = false;
    let mut default = None;
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if line.starts_with(b"[") {
            inside = line == b"[defaultboot]";
        } else if inside
            && let Some(rest) = line.strip_prefix(b"default")
            && let Some(value) = rest.trim_ascii().strip_prefix(b"=")
        {
            let value = value.trim_ascii();
            let unquoted = value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""));
            default = Some(unquoted.unwrap_or(value).to_vec());
        }
    }
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let found = parse_default(text.as_bytes());
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
    }

    #[test]
    fn t9_08_defaults_of_zipl() {
        check("[defaultboot]\ndefaultauto\nprompt=1\n", None);
        check(
            "[defaultboot]\ndefault=linux\n[linux]\ndefault=x\n",
            Some("linux"),
        );
        check(
            "[defaultboot]\ndefault = \"Red Hat (5.14)\"\n",
            Some("Red Hat (5.14)"),
        );
        check("default=x\n", None);
    }
}
