//! Accounts of the machine, as passwd(5) has them. Pure.

/// Longer lines are no accounts.
const LINE_CAP: usize = 4096;

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
}

/// The accounts in the text of `/etc/passwd`, in its order. Lines that are not of its form are no accounts; those of NIS
/// (`+…`, `-…`) neither. Other sources of nsswitch.conf(5) are not asked.
pub fn parse_passwd(text: &[u8]) -> impl Iterator<Item = Account> + '_ {
    text.split(|&byte| byte == b'\n').filter_map(parse_line)
}

fn parse_line(line: &[u8]) -> Option<Account> {
    if line.len() > LINE_CAP {
        return None;
    }
    let mut fields = std::str::from_utf8(line).ok()?.split(':');
    let name = fields.next()?;
    let _password = fields.next()?;
    let number = |field: Option<&str>| -> Option<u32> {
        let field = field?;
        // `parse` takes a sign, which no number of an account has.
        let digits = field.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| field.parse().ok())?
    };
    let uid = number(fields.next())?;
    let gid = number(fields.next())?;
    let is_name = !name.is_empty() && !name.starts_with(['+', '-', '#']);
    is_name.then(|| Account {
        name: name.to_owned(),
        uid,
        gid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        #[track_caller]
        fn check(line: &str, wanted: Option<(&str, u32, u32)>) {
            let found: Vec<Account> = parse_passwd(line.as_bytes()).collect();
            let found = found
                .first()
                .map(|one| (one.name.as_str(), one.uid, one.gid));
            assert_eq!(found, wanted, "{line}");
        }
        check("root:x:0:0:root:/root:/bin/bash", Some(("root", 0, 0)));
        check("x\ny:x:1000:100::/home/y:/bin/sh\n", Some(("y", 1000, 100)));
        check("y::7:8", Some(("y", 7, 8)));
        check("y:x:+7:8:::", None);
        check("y:x:-1:8:::", None);
        check("y:x:4294967296:8:::", None);
        check("+::::::", None);
        check(":x:1:1:::", None);
        check("y:x:1", None);
    }
}
