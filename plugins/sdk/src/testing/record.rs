//! The text that records a process: see the parent. Pure.

use crate::{Container, Handle, Held, Mapped, Process, Refused, join};

/// What is not to be shown, and why.
type Refusals = Vec<(Vec<u8>, Refused)>;

/// The process, and what of its files is refused.
pub(super) fn parse(text: &[u8]) -> Result<(Process, Refusals), String> {
    let mut refusals = Vec::new();
    let mut process = Process {
        view: 1,
        environ: Some(Vec::new()),
        ..Process::default()
    };
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        parse_line(line, &mut process, &mut refusals)
            .map_err(|what| format!("{}: {what}", number + 1))?;
    }
    Ok((process, refusals))
}

fn parse_line(line: &[u8], process: &mut Process, refusals: &mut Refusals) -> Result<(), String> {
    let (key, value) = split(line, b' ').unwrap_or((line, b""));
    let value = unescape(value)?;
    let number = |text: &[u8], base: u32| {
        let text = std::str::from_utf8(text).unwrap_or_default();
        u64::from_str_radix(text, base).map_err(|_| format!("`{text}` is no number"))
    };
    let small = |text: &[u8]| {
        u32::try_from(number(text, 10)?).map_err(|_| "a number that is too large".to_owned())
    };
    let two = |what: &str| split(&value, b' ').ok_or_else(|| format!("`{what}` takes two words"));
    match key {
        b"exe" => process.exe = value,
        b"execfn" => process.execfn = Some(value),
        b"argv" => process.argv.push(value),
        b"cwd" => process.cwd = Some(join(b"/", &value)),
        b"cgroup" => {
            process.cgroup.extend_from_slice(&value);
            process.cgroup.push(b'\n');
        }
        b"pid" => process.pid = small(&value)?,
        b"uid" => process.uid = small(&value)?,
        b"view" => process.view = number(&value, 10)?,
        b"environ" if value == b"unreadable" => process.environ = None,
        b"environ" => return Err("`environ` takes unreadable".to_owned()),
        b"env" => {
            let (name, text) = split(&value, b'=').ok_or("`env` takes NAME=VALUE")?;
            let pair = (name.to_vec(), text.to_vec());
            process.environ.get_or_insert_default().push(pair);
        }
        b"option" => {
            let (name, setting) = two("option")?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            process.options.push((text(name), text(setting)));
        }
        b"code" => {
            let (start, path) = two("code")?;
            process.code.push(Mapped {
                start: number(start, 16)?,
                path: path.to_vec(),
            });
        }
        b"held" => {
            let (kind, rest) = two("held")?;
            let (handle, path) = split(rest, b' ').ok_or("`held` takes three words")?;
            let by = match kind {
                b"fd" => Handle::Descriptor(small(handle)?),
                b"map" => Handle::Mapping(number(handle, 16)?),
                _ => return Err("`held` takes fd or map".to_owned()),
            };
            process.held.push(Held {
                path: path.to_vec(),
                by,
            });
        }
        b"container" => {
            let (runtime, id) = two("container")?;
            process.container = Some(Container {
                runtime: String::from_utf8_lossy(runtime).into_owned(),
                id: id.to_vec(),
                user: None,
            });
        }
        b"container-user" => {
            let user = small(&value)?;
            let container = process.container.as_mut();
            container
                .ok_or("`container-user` goes after `container`")?
                .user = Some(user);
        }
        b"refuse" => {
            let (why, path) = two("refuse")?;
            refusals.push((join(b"/", path), refused(why)?));
        }
        key => return Err(format!("`{}` is no key", String::from_utf8_lossy(key))),
    }
    Ok(())
}

fn refused(word: &[u8]) -> Result<Refused, String> {
    Ok(match word {
        b"missing" => Refused::Missing,
        b"wrong-kind" => Refused::WrongKind,
        b"denied" => Refused::Denied,
        b"too-large" => Refused::TooLarge,
        b"budget" => Refused::Budget,
        b"no-answer" => Refused::NoAnswer,
        b"failed" => Refused::Failed,
        _ => return Err("`refuse` takes a reason and a path".to_owned()),
    })
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = text.iter().position(|&byte| byte == at)?;
    Some((&text[..position], &text[position + 1..]))
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        match tail {
            [b'\\', tail @ ..] => {
                bytes.push(b'\\');
                rest = tail;
            }
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let digits = String::from_utf8_lossy(&digits);
                // `from_str_radix` takes a sign.
                let byte = match digits.starts_with('+') {
                    true => None,
                    false => u8::from_str_radix(&digits, 16).ok(),
                };
                bytes.push(byte.ok_or_else(|| format!("`\\x{digits}` is no byte"))?);
                rest = tail;
            }
            _ => return Err("a backslash stands before `\\` or `xHH`".to_owned()),
        }
    }
    Ok(bytes)
}
