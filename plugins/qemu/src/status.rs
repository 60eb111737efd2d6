//! Pure: `/run/libvirt/qemu/NAME.xml`, which libvirtd writes for itself. One attribute of its root element is looked for;
//! that takes no parser of XML.

#![forbid(unsafe_code)]

/// The pid of the domain's QEMU: `<domstatus state='running' reason='booted' pid='3991'>`.
pub(crate) fn parse_pid(text: &[u8]) -> Option<u32> {
    let start = find(text, b"<domstatus ")?;
    let tag = &text[start..];
    let tag = &tag[..tag.iter().position(|&byte| byte == b'>')?];
    let value = &tag[find(tag, b" pid='")? + 6..];
    let digits = &value[..value.iter().position(|&byte| byte == b'\'')?];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids() {
        let of = |text: &str| parse_pid(text.as_bytes());
        assert_eq!(
            of("<!-- x -->\n<domstatus state='running' pid='3991'>\n<vcpu pid='1'/>"),
            Some(3991)
        );
        for text in [
            "",
            "<domstatus ",
            "<domstatus state='x'><vcpu pid='1'>",
            "<domstatus pid='x'>",
            "<domstatus pid='1>",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
