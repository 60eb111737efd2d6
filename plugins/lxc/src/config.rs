//! Pure: lxc.container.conf(5) → what we use of it.

#![forbid(unsafe_code)]

/// What a container's configuration tells.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    /// Whether it starts something else than an init, which would not come back from a reboot.
    pub(crate) other_init: bool,
    /// Whether Proxmox wrote it.
    pub(crate) of_proxmox: bool,
}

/// Total: what is no setting is passed over. Included files are not read.
pub(crate) fn parse_config(text: &[u8]) -> Config {
    let mut config = Config::default();
    for line in text.split(|&byte| byte == b'\n') {
        let Some(at) = line.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let (key, value) = (line[..at].trim_ascii(), line[at + 1..].trim_ascii());
        match key {
            b"lxc.init.cmd" => config.other_init = !is_init(value),
            b"lxc.hook.post-stop" | b"lxc.hook.pre-start" => {
                config.of_proxmox |= value.ends_with(b"/lxc-pve-poststop-hook")
                    || value.ends_with(b"/lxc-pve-prestart-hook");
            }
            _ => {}
        }
    }
    config
}

/// An empty value takes the setting back.
fn is_init(command: &[u8]) -> bool {
    let mut words = command.split(u8::is_ascii_whitespace);
    let program = words.next().unwrap_or_default();
    matches!(
        unstale_plugin::base_name(program),
        b"" | b"init" | b"systemd"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, other_init: bool, of_proxmox: bool) {
        let expected = Config {
            other_init,
            of_proxmox,
        };
        assert_eq!(parse_config(text.as_bytes()), expected);
    }

    #[test]
    fn settings() {
        check("", false, false);
        check("lxc.uts.name = l1\n# lxc.init.cmd = /bin/x\n", false, false);
        check("lxc.init.cmd = /bin/sleep 100000\n", true, false);
        check("lxc.init.cmd=/sbin/init\n", false, false);
        check("  lxc.init.cmd = /bin/x\nlxc.init.cmd =\n", false, false);
        check(
            "lxc.init.cmd = /lib/systemd/systemd --log-level=debug",
            false,
            false,
        );
        check(
            "lxc.hook.post-stop = /usr/share/lxc/hooks/lxc-pve-poststop-hook\n",
            false,
            true,
        );
        check(
            "lxc.hook.post-stop = /opt/hook\n\u{0}=\u{0}\n=\n",
            false,
            false,
        );
    }
}
