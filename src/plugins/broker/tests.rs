//! Workers that are threads of the test: what a broker makes of good ones, and of bad ones.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use unstale_plugin::{Entry, Kind, Refused, Root, Stat};

use super::*;

/// Files of which there is one, `/a`.
struct OneFile;

impl FileView for OneFile {
    fn read(&self, _: Root, path: &[u8]) -> Result<Vec<u8>, Refused> {
        match path {
            b"/a" => Ok(b"import b\n".to_vec()),
            b"/slow" => {
                std::thread::sleep(Duration::from_secs(600));
                Err(Refused::NoAnswer)
            }
            _ => Err(Refused::Missing),
        }
    }
    fn read_at(&self, _: Root, _: &[u8], _: u64, _: u32) -> Result<Vec<u8>, Refused> {
        Err(Refused::Missing)
    }
    fn stat(&self, _: Root, _: &[u8]) -> Result<Stat, Refused> {
        Ok(Stat {
            kind: Kind::File,
            size: 9,
            real_path: b"/a".to_vec(),
        })
    }
    fn list(&self, _: Root, _: &[u8]) -> Result<Vec<Entry>, Refused> {
        Ok(vec![Entry {
            name: b"\xff".to_vec(),
            kind: Kind::Link,
        }])
    }
    fn read_link(&self, _: Root, _: &[u8]) -> Result<Vec<u8>, Refused> {
        Ok(b"b".to_vec())
    }
    fn memory(&self, _: u64, _: u32) -> Result<Vec<u8>, Refused> {
        Ok(vec![1, 2])
    }
}

fn visit(pid: u32, uid: u32) -> Visit {
    Visit {
        process: wire::Process {
            pid,
            uid,
            ..wire::Process::default()
        },
        files: Box::new(OneFile),
        payer: (uid != 0).then_some((uid, 0)),
    }
}

const LIMITS: Limits = Limits {
    start: Duration::from_secs(5),
    process: Duration::from_millis(300),
    user: Duration::from_secs(60),
    total: Duration::from_secs(60),
    kept: 16 * 1024 * 1024,
};

/// What a worker does when it is told to look at a process; it ends where that says `false`.
type Act = fn(u32, &mut UnixStream, &mut BufReader<UnixStream>) -> bool;

/// Lets workers of this kind look, `workers` of them at most.
fn run(workers: u32, act: Act, visits: Vec<Visit>) -> Vec<(u32, Result<Said, String>)> {
    let mut lines = Vec::new();
    for worker in 0..workers {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        lines.push(Line {
            socket: ours.into(),
            worker,
        });
        std::thread::spawn(move || serve(theirs, act));
    }
    let terms = Terms {
        options: Vec::new(),
        wants: toml::from_str("host_files = ['/etc/x/*']").unwrap(),
    };
    let (visited, _) = visit_all(visits, lines, &terms, LIMITS, |_| {});
    let mut visited: Vec<_> = visited
        .into_iter()
        .map(|one| (one.pid, one.said.map_err(|failure| failure.why)))
        .collect();
    visited.sort_by_key(|(pid, _)| *pid);
    visited
}

fn serve(mut socket: UnixStream, act: Act) {
    let mut lines = BufReader::new(socket.try_clone().unwrap());
    let mut hello = String::new();
    if lines.read_line(&mut hello).is_err() || hello.is_empty() {
        return;
    }
    assert!(hello.starts_with("{\"hello\":{\"abi\":\"1."), "{hello}");
    let _ = socket.write_all(b"{\"ready\":{\"name\":\"test\"}}\n");
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let ToWorker::Inspect(process) = serde_json::from_str(&line).unwrap() else {
            panic!("{line}")
        };
        if !act(process.pid, &mut socket, &mut lines) {
            return;
        }
    }
}

fn say(socket: &mut UnixStream, line: &str) -> bool {
    socket.write_all(format!("{line}\n").as_bytes()).is_ok()
}

fn done(pid: u32, socket: &mut UnixStream) -> bool {
    say(socket, &format!("{{\"done\":{{\"pid\":{pid}}}}}"))
}

#[test]
fn a_good_worker_looks_at_all() {
    let act: Act = |pid, socket, lines| {
        let mut answer = |question: &str| {
            say(socket, question);
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            line
        };
        assert_eq!(answer(r#"{"read":{"path":"/a"}}"#), "{\"bytes\":9}\n");
        let mut content = [0; 9];
        std::io::Read::read_exact(lines, &mut content).unwrap();
        assert_eq!(&content, b"import b\n");
        let mut answer = |question: &str, expected: &str| {
            say(socket, question);
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            assert_eq!(line.trim_end(), expected, "{question}");
        };
        answer(r#"{"read":{"path":"/b"}}"#, r#"{"refused":"missing"}"#);
        answer(r#"{"read":{"path":"a"}}"#, r#"{"refused":"denied"}"#);
        answer(
            r#"{"list":{"path":"/"}}"#,
            r#"{"entries":[[{"base64":"/w=="},"link"]]}"#,
        );
        // Of the host's files only those that the manifest names; no memory, for it asks for none.
        answer(
            r#"{"stat":{"root":"host","path":"/etc/shadow"}}"#,
            r#"{"refused":"denied"}"#,
        );
        answer(
            r#"{"read_link":{"root":"host","path":"/etc/x/y"}}"#,
            r#"{"link":"b"}"#,
        );
        answer(
            r#"{"memory":{"address":0,"size":2}}"#,
            r#"{"refused":"denied"}"#,
        );
        say(
            socket,
            r#"{"uses":{"file":"/a","role":"script","how":"loaded"}}"#,
        );
        say(socket, r#"{"note":"a line\u001b[31m"}"#);
        done(pid, socket)
    };
    let visited = run(1, act, vec![visit(1, 0), visit(2, 1000)]);
    assert_eq!(visited.len(), 2);
    for (_, said) in visited {
        let said = said.unwrap();
        assert_eq!(said.uses.len(), 1);
        assert_eq!(said.notes, ["a line [31m"]);
    }
}

#[test]
fn what_was_said_before_is_said_by_its_number() {
    let act: Act = |pid, socket, _| {
        if pid == 1 {
            for name in ["a", "b"] {
                let uses =
                    format!(r#"{{"uses":{{"file":"/{name}","role":"module","how":"loaded"}}}}"#);
                say(socket, &uses);
            }
        } else {
            say(socket, r#"{"again":[1,0,1]}"#);
        }
        done(pid, socket)
    };
    let visited = run(1, act, vec![visit(1, 0), visit(2, 0)]);
    let uses = |at: usize| visited[at].1.as_ref().unwrap().uses.clone();
    assert_eq!(uses(0).len(), 2);
    assert_eq!(uses(1), [uses(0)[1].clone(), uses(0)[0].clone()]);
    let bad: Act = |_, socket, _| say(socket, r#"{"again":[0]}"#);
    let visited = run(1, bad, vec![visit(1, 0)]);
    assert!(visited[0].1.as_ref().unwrap_err().contains("number"));
}

/// Process 2 goes wrong in some way; it costs itself, and what else its user has, and nobody else.
#[track_caller]
fn check_costs_only_itself(act: Act, why: &str) {
    let visits = vec![
        visit(1, 0),
        visit(2, 1000),
        visit(3, 1000),
        visit(4, 1001),
        visit(5, 0),
    ];
    let visited = run(3, act, visits);
    let whys: Vec<(u32, Option<String>)> = visited
        .into_iter()
        .map(|(pid, said)| (pid, said.err()))
        .collect();
    assert_eq!(whys[0], (1, None));
    assert!(
        whys[1].1.as_ref().is_some_and(|text| text.contains(why)),
        "{:?}",
        whys[1]
    );
    assert!(
        whys[2]
            .1
            .as_ref()
            .is_some_and(|text| text.contains("passed over")),
        "{:?}",
        whys[2]
    );
    assert_eq!(whys[3..], [(4, None), (5, None)]);
}

#[test]
fn a_worker_that_ends() {
    check_costs_only_itself(|pid, socket, _| pid != 2 && done(pid, socket), "ended");
}

#[test]
fn a_worker_that_is_silent() {
    let act: Act = |pid, socket, _| {
        if pid == 2 {
            std::thread::sleep(Duration::from_secs(600));
        }
        done(pid, socket)
    };
    check_costs_only_itself(act, "in time");
}

#[test]
fn a_worker_that_talks_nonsense() {
    let act: Act = |pid, socket, _| {
        if pid == 2 {
            say(socket, r#"{"exec":["/bin/sh"]}"#);
        }
        done(pid, socket)
    };
    check_costs_only_itself(act, "no worker says");
}

#[test]
fn a_worker_that_is_done_with_another_process() {
    let act: Act = |pid, socket, _| {
        if pid == 2 {
            done(1, socket);
        }
        done(pid, socket)
    };
    check_costs_only_itself(act, "not asked");
}

#[test]
fn a_worker_that_never_stops() {
    let act: Act = |pid, socket, _| {
        if pid == 2 {
            let mut n = 0;
            while say(
                socket,
                &format!(r#"{{"uses":{{"file":"/{n}","role":"module","how":"loaded"}}}}"#),
            ) {
                n += 1;
            }
            return false;
        }
        done(pid, socket)
    };
    check_costs_only_itself(act, "more than it may");
}

#[test]
fn a_file_that_does_not_answer() {
    let act: Act = |pid, socket, lines| {
        if pid == 2 {
            say(socket, r#"{"read":{"path":"/slow"}}"#);
            let mut line = String::new();
            lines.read_line(&mut line).ok();
        }
        done(pid, socket)
    };
    check_costs_only_itself(act, "in time");
}

#[test]
fn a_plugin_that_fails_and_goes_on() {
    let act: Act = |pid, socket, _| {
        if pid == 2 {
            return say(socket, r#"{"failed":"it panicked"}"#);
        }
        done(pid, socket)
    };
    let visited = run(1, act, vec![visit(1, 0), visit(2, 1000), visit(3, 1000)]);
    let whys: Vec<_> = visited.into_iter().map(|(_, said)| said.err()).collect();
    assert_eq!(whys, [None, Some("it panicked".to_owned()), None]);
}

#[test]
fn when_all_workers_are_used_up_the_rest_is_said() {
    let act: Act = |_, _, _| false;
    let visited = run(2, act, (1..=5).map(|pid| visit(pid, pid)).collect());
    assert_eq!(visited.len(), 5);
    assert!(visited.iter().all(|(_, said)| said.is_err()));
}

#[test]
fn a_worker_that_cannot_be_started() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    drop(theirs);
    let line = Line {
        socket: ours.into(),
        worker: 7,
    };
    let visits = vec![visit(1, 0), visit(2, 0)];
    let (visited, _) = visit_all(visits, vec![line], &Terms::default(), LIMITS, |_| {});
    let failures: Vec<Failure> = visited
        .into_iter()
        .filter_map(|one| one.said.err())
        .collect();
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|failure| failure.worker == Some(7)));
}

#[test]
fn who_was_given_up_has_no_say_any_more() {
    let mut queue = Queue::new(vec![visit(1, 1000), visit(2, 1001)], LIMITS);
    queue.talker = Some(7);
    assert!(queue.take(7).is_some());
    assert_eq!(queue.give_up(), Some((1, Some((1000, 0)))));
    // It comes back from a file that did not answer, before there is a successor and after.
    assert!(queue.take(7).is_none());
    queue.talker = Some(8);
    assert!(queue.take(8).is_some());
    queue.finish(7, Cost::default());
    assert!(queue.take(7).is_none());
    assert_eq!(queue.give_up(), Some((2, Some((1001, 0)))));
}

#[test]
fn root_of_a_container_pays_like_any_user() {
    let mut inside = visit(2, 0);
    inside.payer = Some((0, 4_026_532_000));
    let mut again = visit(3, 0);
    again.payer = inside.payer;
    let act: Act = |pid, socket, _| pid != 2 && done(pid, socket);
    let visited = run(2, act, vec![visit(1, 0), inside, again, visit(4, 0)]);
    let failed: Vec<bool> = visited.iter().map(|(_, said)| said.is_err()).collect();
    assert_eq!(failed, [false, true, true, false]);
}

/// Long paths that are said once, and by their numbers for one process after the other.
#[test]
fn what_is_said_again_is_paid_for_again() {
    let act: Act = |pid, socket, _| {
        let long = "x".repeat(3000);
        if pid == 1 {
            for n in 0..400 {
                let uses = format!(
                    r#"{{"uses":{{"file":"/{n}/{long}","role":"module","how":"loaded","via":"/{long}"}}}}"#
                );
                say(socket, &uses);
            }
        } else {
            let numbers: Vec<String> = (0..400).map(|n| n.to_string()).collect();
            say(socket, &format!(r#"{{"again":[{}]}}"#, numbers.join(",")));
        }
        done(pid, socket)
    };
    let mut visits: Vec<Visit> = (1..=20).map(|pid| visit(pid, 1000)).collect();
    visits.push(visit(21, 1001));
    visits.push(visit(22, 0));
    let visited = run(1, act, visits);
    let kept = visited.iter().filter_map(|(_, said)| said.as_ref().ok());
    assert!(kept.map(Said::size).sum::<usize>() < LIMITS.kept);
    let passed = |(_, said): &&(u32, Result<Said, String>)| said.is_err();
    assert!(visited[..20].iter().filter(passed).count() >= 10);
    assert!(visited[21].1.is_ok());
}
