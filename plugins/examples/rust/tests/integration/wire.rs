//! The host's side of the pipe to an executable: starts a plugin and lets it look at a scene.
#![forbid(unsafe_code)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use unstale_plugin::testing::{Said, Scene};
use unstale_plugin::{
    FileView as _, How, Kind, Process, Refused, Report as _, Role, Root, Used, What,
};

/// Whether the example in Python can be started. Where nothing may be skipped, it says so by failing.
pub(crate) fn has_python() -> bool {
    let found = Path::new("/usr/bin/python3").exists();
    if !found {
        eprintln!("SKIPPED: no /usr/bin/python3 here");
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "in CI nothing may be skipped: no /usr/bin/python3 here"
        );
    }
    found
}

/// What an executable says of a scene, which it is shown twice, and of which it must say the same twice.
pub(crate) fn inspect(program: &Path, scene: &Scene) -> Said {
    let mut child = Command::new(program)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = BufReader::new(child.stdout.take().unwrap());
    let mut tell = |line: &Value, raw: &[u8]| {
        let bytes = [line.to_string().as_bytes(), b"\n", raw].concat();
        to.write_all(&bytes).unwrap();
    };
    let mut hear = || {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|_| panic!("{line:?}"))
    };
    tell(
        &json!({"hello": {"abi": "1.0", "options": [], "new": 1}}),
        b"",
    );
    assert!(hear()["ready"]["name"].is_string());
    let mut looks = Vec::new();
    for _ in 0..2 {
        tell(&json!({"inspect": process(&scene.process)}), b"");
        let mut said = Said::default();
        loop {
            let line = hear();
            let (word, value) = line.as_object().unwrap().iter().next().unwrap();
            let path = || bytes(&value["path"]);
            match word.as_str() {
                "read" => match scene.read(Root::Process, &path()) {
                    Ok(content) => tell(&json!({"bytes": content.len()}), &content),
                    Err(refused) => tell(&json!({"refused": refused_word(refused)}), b""),
                },
                "stat" => match scene.stat(Root::Process, &path()) {
                    Ok(stat) => {
                        let kind = kind_word(stat.kind);
                        let real_path = text(&stat.real_path);
                        let stat = json!({"kind": kind, "size": stat.size, "real_path": real_path});
                        tell(&json!({ "stat": stat }), b"");
                    }
                    Err(refused) => tell(&json!({"refused": refused_word(refused)}), b""),
                },
                "uses" => said.uses(used(value)),
                "note" => said.note(value.as_str().unwrap()),
                "unknown" => said.unknown(value.as_str().unwrap()),
                "done" => break assert_eq!(value["pid"], scene.process.pid),
                word => panic!("{word} is not expected here"),
            }
        }
        looks.push(said);
    }
    drop(to);
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert!(child.wait().unwrap().success());
    assert_eq!(looks[0], looks[1]);
    looks.remove(0)
}

/// Bytes are strings where they are UTF-8, otherwise base64.
fn text(raw: &[u8]) -> Value {
    match std::str::from_utf8(raw) {
        Ok(text) => json!(text),
        // The one that the tests have.
        Err(_) if raw == b"/srv/\xff.awk" => json!({"base64": "L3Nydi//LmF3aw=="}),
        Err(_) => panic!("{raw:?}"),
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None if value["base64"] == "L3Nydi//LmF3aw==" => b"/srv/\xff.awk".to_vec(),
        None => panic!("{value}"),
    }
}

fn process(process: &Process) -> Value {
    let pairs = |pairs: &Vec<(Vec<u8>, Vec<u8>)>| {
        let pair = |(key, value): &(Vec<u8>, Vec<u8>)| json!([text(key), text(value)]);
        pairs.iter().map(pair).collect::<Vec<_>>()
    };
    json!({
        "pid": process.pid,
        "uid": process.uid,
        "view": process.view,
        "exe": text(&process.exe),
        "execfn": null,
        "argv": process.argv.iter().map(|word| text(word)).collect::<Vec<_>>(),
        "environ": process.environ.as_ref().map(pairs),
        "cwd": process.cwd.as_deref().map(text),
        "cgroup": "",
        "code": [],
        "held": [],
        "container": null,
        "new": "from a later version",
    })
}

fn used(value: &Value) -> Used {
    Used {
        what: What::File(bytes(&value["file"])),
        role: match value["role"].as_str().unwrap() {
            "script" => Role::Script,
            "module" => Role::Module,
            role => panic!("{role}"),
        },
        how: match value["how"].as_str().unwrap() {
            "loaded" => How::Loaded,
            "imported" => How::Imported,
            how => panic!("{how}"),
        },
        via: value.get("via").map(bytes),
    }
}

fn refused_word(refused: Refused) -> &'static str {
    match refused {
        Refused::Missing => "missing",
        Refused::WrongKind => "wrong_kind",
        Refused::Denied => "denied",
        Refused::TooLarge => "too_large",
        Refused::Budget => "budget",
        Refused::NoAnswer => "no_answer",
        Refused::Failed => "failed",
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Link => "link",
        Kind::Other => "other",
    }
}
