//! Pure: a file of `/run/systemd/machines` → what we use of it. machined calls it private; what it says is taken for names
//! and notes only, and its absence changes nothing.

#![forbid(unsafe_code)]

use unstale_plugin::instance::TEXT_LIMIT;

/// A machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Its directory or image.
    pub(crate) root: Option<Vec<u8>>,
    /// Whether it is a virtual one: all its processes run the host's code.
    pub(crate) virtual_machine: bool,
}

/// Total: lines that it does not know are passed over.
pub(crate) fn parse_machine(text: &[u8]) -> Machine {
    let value = |key: &[u8]| {
        let mut lines = text.split(|&byte| byte == b'\n').take(100);
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(b"="))
    };
    let root = value(b"ROOT").filter(|root| root.starts_with(b"/") && root.len() <= TEXT_LIMIT);
    Machine {
        root: root.map(<[u8]>::to_vec),
        virtual_machine: value(b"CLASS") == Some(b"vm"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, root: Option<&str>, virtual_machine: bool) {
        let root = root.map(|root| root.as_bytes().to_vec());
        let expected = Machine {
            root,
            virtual_machine,
        };
        assert_eq!(parse_machine(text.as_bytes()), expected);
    }

    #[test]
    fn notes_of_machined() {
        let head = "# This is private data. Do not parse.\nNAME=m1\nSCOPE=machine-m1.scope\n";
        check(
            &format!("{head}ROOT=/var/lib/machines/m1\nCLASS=container\n"),
            Some("/var/lib/machines/m1"),
            false,
        );
        check(&format!("{head}CLASS=vm\n"), None, true);
        check("ROOT=\nCLASS\n", None, false);
        check("ROOT=x\n#CLASS=vm\n", None, false);
        check(&format!("ROOT=/{}\n", "x".repeat(300)), None, false);
        check("", None, false);
    }
}
