//! extlinux, syslinux, and U-Boot, which reads the same file: labels and a default.

use super::grub::places;
use super::{Choice, Disk, Said, not_understood, unreadable};
use crate::view::directory_of;

const CAP: u64 = 1024 * 1024;
/// Where the file is, and whether it is U-Boot's as well: that one takes the first label where no default is named.
const FILES: [(&str, bool); 6] = [
    ("/boot/extlinux/extlinux.conf", true),
    ("/extlinux/extlinux.conf", true),
    ("/boot/extlinux.conf", false),
    ("/extlinux.conf", false),
    ("/boot/syslinux/syslinux.cfg", false),
    ("/boot/firmware/extlinux/extlinux.conf", true),
];

/// A label and what it boots.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Label<'t> {
    name: &'t [u8],
    title: &'t [u8],
    image: Option<&'t [u8]>,
}

/// The first of the files that is there; `None` if none is.
pub(super) fn read(disk: &Disk<'_, '_>) -> Option<Said> {
    let mut said = Said::default();
    for (path, takes_first) in FILES {
        let text = match disk.files.read(path, CAP) {
            Ok(None) => continue,
            Ok(Some(text)) => text,
            // A directory that cannot be reached is no sign of it.
            Err(_) if disk.files.find(directory_of(path.as_bytes())).is_err() => continue,
            Err(why) => {
                said.notes.push(unreadable(path.as_bytes(), &why));
                return Some(said);
            }
        };
        match parse_extlinux(&text, takes_first) {
            Ok(label) => said.choice = Some(choice(label, path)),
            Err(what) => said.notes.push(not_understood(path.as_bytes(), &what)),
        }
        return Some(said);
    }
    None
}

fn choice(label: Label<'_>, path: &str) -> Choice {
    let image = label.image.unwrap_or_default();
    let places = match image.starts_with(b"/") {
        true => places(image),
        false => {
            let directory = directory_of(path.as_bytes());
            vec![[directory, image].concat()]
        }
    };
    Choice {
        id: label.name.to_vec(),
        title: label.title.to_vec(),
        places,
        release: None,
        source: path.as_bytes().to_vec(),
    }
}

/// The label that is booted. Key words are in any case (syslinux wiki, *Config*; U-Boot's boot/pxe_utils.c).
fn parse_extlinux(text: &[u8], takes_first: bool) -> Result<Label<'_>, String> {
    let mut labels: Vec<Label<'_>> = Vec::new();
    let mut default = None;
    for line in text.split(|&byte| byte == b'\n') {
        let (key, value) = split_word(line);
        match (key.to_ascii_lowercase().as_slice(), labels.last_mut()) {
            (b"default", _) => default = Some(value),
            (b"ontimeout", _) => default = Some(value),
            (b"label", _) => labels.push(Label {
                name: value,
                ..Label::default()
            }),
            (b"include", _) => return Err("it includes another file".to_owned()),
            (b"linux" | b"kernel", Some(label)) => label.image = Some(split_word(value).0),
            // The one word of a FIT image leads to a part of it.
            (b"fit", Some(label)) => label.image = None,
            (b"menu", Some(label)) => {
                let (key, value) = split_word(value);
                match key.to_ascii_lowercase().as_slice() {
                    b"label" => label.title = value,
                    b"default" => default = Some(label.name),
                    b"include" => return Err("it includes another file".to_owned()),
                    _ => {}
                }
            }
            (b"menu", None) if split_word(value).0.eq_ignore_ascii_case(b"include") => {
                return Err("it includes another file".to_owned());
            }
            _ => {}
        }
    }
    let label = match &default {
        Some(name) => labels.iter().find(|label| label.name == *name),
        None if takes_first => labels.first(),
        None => return Err("it names no default".to_owned()),
    };
    let label = label.ok_or("its default is none of its labels")?;
    match &label.image {
        None => Err("its default boots no kernel of its own".to_owned()),
        // A program of syslinux, such as its menu.
        Some(image) if image.to_ascii_lowercase().ends_with(b".c32") => {
            Err("its default is a program of the loader".to_owned())
        }
        Some(_) => Ok(*label),
    }
}

fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (word, rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, takes_first: bool, expected: Result<(&str, &str), &str>) {
        let found = parse_extlinux(text.as_bytes(), takes_first);
        let found = found.as_ref().map_err(String::as_str).map(|label| {
            let image = label.image.unwrap_or_default();
            let text = |bytes| std::str::from_utf8(bytes).unwrap();
            (text(label.name), text(image))
        });
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn t9_08_labels() {
        let two = "label a\n\tlinux ../a\nLABEL b\n  KERNEL /b\n";
        check(two, true, Ok(("a", "../a")));
        check(two, false, Err("it names no default"));
        check(&format!("DEFAULT b\n{two}"), true, Ok(("b", "/b")));
        check(&format!("{two}menu default\n"), true, Ok(("b", "/b")));
        check(
            &format!("default c\n{two}"),
            true,
            Err("its default is none of its labels"),
        );
        check(
            &format!("default b\n{two}include x\n"),
            true,
            Err("it includes another file"),
        );
        check(
            &format!("menu include x\n{two}"),
            true,
            Err("it includes another file"),
        );
        check(
            &format!("default b\nontimeout a\n{two}"),
            true,
            Ok(("a", "../a")),
        );
        check(
            "default m\nlabel m\nkernel menu.c32\n",
            true,
            Err("its default is a program of the loader"),
        );
        check(
            "label m\nlocalboot 0\n",
            true,
            Err("its default boots no kernel of its own"),
        );
        check("", true, Err("its default is none of its labels"));
    }
}
