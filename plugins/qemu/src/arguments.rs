//! Pure: QEMU's arguments. They are the process's own words: good for what is said about that process.

#![forbid(unsafe_code)]

use unstale_plugin::instance::{TEXT_LIMIT, option};

/// The machine's name: `-name guest=web,debug-threads=on` or `-name web`. A comma in it is doubled.
pub(crate) fn guest(argv: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    let mut rest = option(argv, b"-name").filter(|text| text.len() <= 4 * TEXT_LIMIT)?;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match (first, after.first()) {
            (b',', Some(b',')) => rest = &after[1..],
            (b',', _) => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(first);
        }
    }
    let named = parts.iter().find_map(|part| part.strip_prefix(b"guest="));
    let first = parts
        .first()
        .map(Vec::as_slice)
        .filter(|part| !part.contains(&b'='));
    let name = named.or(first)?;
    let fits = (1..=TEXT_LIMIT).contains(&name.len());
    fits.then(|| name.to_vec())
}

/// The machine's UUID.
pub(crate) fn uuid(argv: &[Vec<u8>]) -> Option<Vec<u8>> {
    let text = option(argv, b"-uuid")?;
    let shaped = text.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    (text.len() == 36 && shaped).then(|| text.to_vec())
}

/// Whether libvirt would have made this name for systemd-machined from a domain's name: it leaves out what has no place in
/// a host's name, and cuts the whole (`qemu-3-…`) where that gets too long.
pub(crate) fn is_machine_name_of(machine: &[u8], guest: &[u8]) -> bool {
    let bare = |name: &[u8]| -> Vec<u8> {
        let kept = name.iter().filter(|byte| byte.is_ascii_alphanumeric());
        kept.copied().collect()
    };
    let (short, long) = (bare(machine), bare(guest));
    let cut = machine.len() >= 40 && long.starts_with(&short);
    !short.is_empty() && (short == long || cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<&str>) {
        let argv = ["qemu", "-name", value].map(|word| word.as_bytes().to_vec());
        assert_eq!(
            guest(&argv).as_deref(),
            expected.map(str::as_bytes),
            "{value}"
        );
    }

    #[test]
    fn t7_34_names() {
        check("guest=my.vm_1,debug-threads=on", Some("my.vm_1"));
        check("debug-threads=on,guest=x", Some("x"));
        check("web,debug-threads=on", Some("web"));
        check("two words", Some("two words"));
        check("guest=a,,b,process=x", Some("a,b"));
        check("guest=a,,,b", Some("a,"));
        check("debug-threads=on", None);
        check("", None);
        check("guest=", None);
        check(&"x".repeat(300), None);
        assert_eq!(guest(&[]), None);
    }

    #[test]
    fn uuids() {
        let of = |text: &str| uuid(&["qemu", "-uuid", text].map(|word| word.as_bytes().to_vec()));
        assert!(of("8a4ada4c-d103-4ce9-88cc-36c6581c36de").is_some());
        for text in [
            "",
            "8a4ada4c",
            "8a4ada4c-d103-4ce9-88cc-36c6581c36dg",
            "8a4ada4c-d103-4ce9-88cc-36c6581c36de0",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn names_for_machined() {
        let is =
            |machine: &str, guest: &str| is_machine_name_of(machine.as_bytes(), guest.as_bytes());
        assert!(is("myvm", "myvm"));
        assert!(is("my.vm1", "my.vm_1"));
        assert!(is("twowords", "two words"));
        assert!(is(&"x".repeat(56), &"x".repeat(80)));
        assert!(!is("web", "db"));
        assert!(!is("web", "web2"));
        assert!(!is("web2", "web"));
        assert!(!is("", "___"));
    }
}
