use proptest::prelude::*;

use super::*;
use crate::model::{Bytes, Class, Deed, Owner, OwnerKind, Runtime, Scope, Stage, Step, Timestamp};

const EVENING: Timestamp = Timestamp {
    secs: 1_795_295_521,
    nanos: 42,
};

fn because(rule: &str, why: &str) -> Because {
    Because {
        rule: rule.to_owned(),
        why: why.to_owned(),
    }
}

fn failure() -> Failure {
    Failure {
        why: "it exited with status 1".to_owned(),
        log: vec!["nginx: \u{1b}[31mno".to_owned(), "\u{202e}".to_owned()],
        look: "systemctl status nginx.service".to_owned(),
    }
}

fn unit(name: &str) -> Owner {
    Owner::new(OwnerKind::Unit, name, Scope::System)
}

/// What is written, and that it is read back as it was.
#[track_caller]
fn check(record: &Record, written: &str) {
    let line = line(record);
    assert_eq!(line, written);
    assert_eq!(parse(line.as_bytes()).as_ref(), Ok(record));
    assert_eq!(parse(format!("{line}\n").as_bytes()).as_ref(), Ok(record));
}

fn run() -> Record {
    let step = Step {
        number: 1,
        deed: Deed::TryRestart {
            scope: Scope::User(1000),
            unit: "a.service".to_owned(),
        },
        class: Class::UserService,
        stage: Stage::Services,
        owners: vec![Owner::new(OwnerKind::Unit, "a.service", Scope::User(1000))],
        pulled: vec!["b.service".to_owned()],
        because: vec![because("unit", "it can")],
        invocation: "0af".to_owned(),
        wait_us: 1,
        settle_us: 2,
        limit_us: u64::MAX,
    };
    Record::Run(Box::new(Run {
        id: "20261121-7".to_owned(),
        time: EVENING,
        version: "0.1.0".to_owned(),
        boot_id: "8c".to_owned(),
        mode: Mode::Auto,
        transaction: Transaction {
            steps: vec![step],
            held: vec![Held {
                owner: unit("dbus.service"),
                because: vec![because("policy.message-bus", "all talk")],
            }],
        },
    }))
}

#[test]
fn the_first_line_says_all_that_will_be_done() {
    check(
        &run(),
        concat!(
            r#"{"record":"run","schema":1,"id":"20261121-7","time":"2026-11-21T21:12:01.000000042Z","#,
            r#""version":"0.1.0","boot_id":"8c","mode":"auto","steps":[{"number":1,"#,
            r#""deed":{"do":"try-restart","scope":"user","uid":1000,"unit":"a.service"},"class":"user-service","#,
            r#""stage":"services","owners":[{"kind":"user-unit","name":"a.service","scope":"user","uid":1000}],"#,
            r#""pulled":["b.service"],"because":[{"rule":"unit","why":"it can"}],"invocation":"0af","wait_us":1,"#,
            r#""settle_us":2,"limit_us":18446744073709551615}],"held":[{"owner":{"kind":"unit","#,
            r#""name":"dbus.service","scope":"system"},"because":[{"rule":"policy.message-bus","why":"all talk"}]}]}"#,
        ),
    );
}

#[test]
fn what_happens_is_a_line_each() {
    check(
        &Record::Begin {
            step: 3,
            time: EVENING,
        },
        r#"{"record":"begin","step":3,"time":"2026-11-21T21:12:01.000000042Z"}"#,
    );
    let end = |result| Record::End {
        step: 3,
        time: EVENING,
        result,
    };
    check(
        &end(StepResult::Done),
        r#"{"record":"end","step":3,"time":"2026-11-21T21:12:01.000000042Z","result":"done"}"#,
    );
    check(
        &end(StepResult::Skipped("a job".to_owned())),
        r#"{"record":"end","step":3,"time":"2026-11-21T21:12:01.000000042Z","result":"skipped","why":"a job"}"#,
    );
    check(
        &Record::Rescan { time: EVENING },
        r#"{"record":"rescan","time":"2026-11-21T21:12:01.000000042Z"}"#,
    );
    check(
        &Record::Told {
            owner: Owner::new(OwnerKind::Session, "3", Scope::User(0)),
            ways: vec!["terminal".to_owned()],
            failed: vec!["mail: no".to_owned()],
        },
        r#"{"record":"told","owner":{"kind":"session","name":"3","scope":"user","uid":0},"ways":["terminal"],"failed":["mail: no"]}"#,
    );
    check(
        &Record::Note("so".to_owned()),
        r#"{"record":"note","note":"so"}"#,
    );
    check(
        &Record::Finish {
            time: EVENING,
            exit: 1,
        },
        r#"{"record":"finish","time":"2026-11-21T21:12:01.000000042Z","exit":1}"#,
    );
}

#[test]
fn outcomes() {
    let nginx = |outcome| Record::Item {
        owner: unit("nginx.service"),
        outcome,
    };
    let written = |rest: &str| {
        format!(
            r#"{{"record":"item","owner":{{"kind":"unit","name":"nginx.service","scope":"system"}},{rest}}}"#
        )
    };
    check(&nginx(Outcome::Clean), &written(r#""outcome":"clean""#));
    check(
        &nginx(Outcome::StillStale(vec![because("unit", "so")])),
        &written(r#""outcome":"still-stale","because":[{"rule":"unit","why":"so"}]"#),
    );
    // What a terminal would obey is escaped: people look at these lines.
    check(
        &nginx(Outcome::Failed(failure())),
        &written(
            r#""outcome":"failed","why":"it exited with status 1","log":["nginx: \u001b[31mno","\u202e"],"look":"systemctl status nginx.service""#,
        ),
    );
    check(
        &nginx(Outcome::Deferred(because("policy.x", "later"))),
        &written(r#""outcome":"deferred","because":[{"rule":"policy.x","why":"later"}]"#),
    );
    check(
        &nginx(Outcome::Unproven("no look".to_owned())),
        &written(r#""outcome":"unproven","why":"no look""#),
    );
}

#[test]
fn t11_01_names_that_are_no_text_are_not_lost() {
    let mut owner = Owner::new(
        OwnerKind::Container(Runtime::Podman),
        &b"a\xff\x1b"[..],
        Scope::User(7),
    );
    owner.host_unit = Some(Bytes::from("x.service"));
    owner.pod = Some(Bytes(b"\xfe".to_vec()));
    check(
        &Record::Item {
            owner,
            outcome: Outcome::Clean,
        },
        r#"{"record":"item","owner":{"kind":"container","name":"a�\u001b","name_base64":"Yf8b","scope":"user","uid":7,"runtime":"podman","host_unit":"x.service","pod":"�","pod_base64":"/g=="},"outcome":"clean"}"#,
    );
}

#[test]
fn times() {
    #[track_caller]
    fn check(secs: i64, nanos: u32, written: &str) {
        let time = Timestamp { secs, nanos };
        assert_eq!(moment::text(time), written);
        assert_eq!(moment::of_text(written), Ok(time));
    }
    check(0, 0, "1970-01-01T00:00:00.000000000Z");
    check(-1, 999_999_999, "1969-12-31T23:59:59.999999999Z");
    check(1_795_295_521, 1, "2026-11-21T21:12:01.000000001Z");
    let far = Timestamp {
        secs: i64::MAX,
        nanos: 0,
    };
    assert!(moment::text(far).starts_with("9999-"));
    assert!(moment::of_text("2026-11-21").is_err());
}

#[test]
fn what_is_wrong_is_said() {
    #[track_caller]
    fn check(line: &str, why: &str) {
        let wrong = parse(line.as_bytes()).unwrap_err();
        assert!(wrong.contains(why), "{wrong}");
        assert!(wrong.chars().all(crate::model::is_tame), "{wrong}");
        assert!(wrong.chars().count() <= WRONG_CAP, "{wrong}");
    }
    check("", "EOF");
    check(r#"{"record":"begin","step":3,"ti"#, "EOF");
    check(
        r#"{"record":"begin","step":3,"time":"now"}"#,
        "a time is not RFC 3339",
    );
    check(r#"{"record":"\u001b[2J\n"}"#, "unknown variant");
    check(
        &format!(r#"{{"record":"{}"}}"#, "x".repeat(4096)),
        "unknown variant",
    );
    let line = line(&run());
    check(&line.replace(r#""schema":1"#, r#""schema":2"#), "schema");
    check(&line.replace(r#""mode":"auto""#, r#""mode":"x""#), "mode");
    check(&line.replace(r#","uid":1000"#, ""), "scope");
    check(
        &line.replace(r#""class":"user-service""#, r#""class":"x""#),
        "class",
    );
    check(&line.replace(r#""kind":"unit""#, r#""kind":"x""#), "kind");
    check(
        &line.replace(r#""kind":"unit""#, r#""kind":"vm""#),
        "runtime",
    );
    // What a later version may add is passed over.
    assert_eq!(
        parse(line.replace('{', r#"{"new":[],"#).as_bytes()),
        Ok(run())
    );
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        any::<String>().prop_map(|text| Bytes(text.into_bytes())),
        any::<Vec<u8>>().prop_map(Bytes),
    ]
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![Just(Scope::System), any::<u32>().prop_map(Scope::User)]
}

fn any_owner() -> impl Strategy<Value = Owner> {
    let kinds: Vec<OwnerKind> = [
        OwnerKind::ServiceManager,
        OwnerKind::Unit,
        OwnerKind::UserManager,
        OwnerKind::Session,
        OwnerKind::App,
        OwnerKind::OtherService,
        OwnerKind::Process,
    ]
    .into_iter()
    .chain(Runtime::ALL.map(OwnerKind::Container))
    .chain(Runtime::ALL.map(OwnerKind::VirtualMachine))
    .collect();
    let name = || proptest::option::of(any_bytes());
    let parts = (
        proptest::sample::select(kinds),
        any_bytes(),
        any_scope(),
        name(),
        name(),
        name(),
    );
    parts.prop_map(|(kind, name, scope, host_unit, inner, pod)| Owner {
        kind,
        name,
        scope,
        host_unit,
        inner,
        pod,
    })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (-60_000_000_000_i64..200_000_000_000, 0..1_000_000_000_u32)
        .prop_map(|(secs, nanos)| Timestamp { secs, nanos })
}

fn any_because() -> impl Strategy<Value = Because> {
    ("\\PC+", any::<String>()).prop_map(|(rule, why)| Because { rule, why })
}

fn few<T: Strategy>(one: T) -> impl Strategy<Value = Vec<T::Value>>
where
    T::Value: std::fmt::Debug,
{
    proptest::collection::vec(one, 0..3)
}

fn any_failure() -> impl Strategy<Value = Failure> {
    (any::<String>(), few(any::<String>()), any::<String>()).prop_map(|(why, log, look)| Failure {
        why,
        log,
        look,
    })
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        any_scope().prop_map(Deed::Reload),
        any_scope().prop_map(Deed::Reexec),
        (any_scope(), any::<String>()).prop_map(|(scope, unit)| Deed::TryRestart { scope, unit }),
        any::<String>().prop_map(|name| Deed::RestartService { name }),
        any::<String>().prop_map(|name| Deed::Override { name }),
        few(any::<String>()).prop_map(|argv| Deed::Command { argv }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let stages = [
        Stage::Manager,
        Stage::Services,
        Stage::Access,
        Stage::Network,
        Stage::Guests,
    ];
    let what = (
        any::<u32>(),
        any_deed(),
        proptest::sample::select(&Class::ALL),
        proptest::sample::select(stages.to_vec()),
        few(any_owner()),
    );
    let how = (
        few(any::<String>()),
        few(any_because()),
        any::<String>(),
        any::<[u64; 3]>(),
    );
    (what, how).prop_map(
        |((number, deed, class, stage, owners), (pulled, because, invocation, times))| Step {
            number,
            deed,
            class,
            stage,
            owners,
            pulled,
            because,
            invocation,
            wait_us: times[0],
            settle_us: times[1],
            limit_us: times[2],
        },
    )
}

fn any_run() -> impl Strategy<Value = Run> {
    let held = (any_owner(), few(any_because()));
    let held = held.prop_map(|(owner, because)| Held { owner, because });
    (
        any::<[String; 3]>(),
        any_time(),
        proptest::sample::select(&Mode::ALL),
        few(any_step()),
        few(held),
    )
        .prop_map(|([id, version, boot_id], time, mode, steps, held)| Run {
            id,
            time,
            version,
            boot_id,
            mode,
            transaction: Transaction { steps, held },
        })
}

fn any_record() -> impl Strategy<Value = Record> {
    let result = prop_oneof![
        Just(StepResult::Done),
        any::<String>().prop_map(StepResult::Skipped),
        any_failure().prop_map(StepResult::Failed),
    ];
    let outcome = prop_oneof![
        Just(Outcome::Clean),
        few(any_because()).prop_map(Outcome::StillStale),
        any_failure().prop_map(Outcome::Failed),
        any_because().prop_map(Outcome::Deferred),
        any::<String>().prop_map(Outcome::Unproven),
    ];
    prop_oneof![
        any_run().prop_map(|run| Record::Run(Box::new(run))),
        (any::<u32>(), any_time()).prop_map(|(step, time)| Record::Begin { step, time }),
        (any::<u32>(), any_time(), result).prop_map(|(step, time, result)| Record::End {
            step,
            time,
            result
        }),
        any_time().prop_map(|time| Record::Rescan { time }),
        (any_owner(), outcome).prop_map(|(owner, outcome)| Record::Item { owner, outcome }),
        (any_owner(), few(any::<String>()), few(any::<String>())).prop_map(
            |(owner, ways, failed)| Record::Told {
                owner,
                ways,
                failed
            }
        ),
        any::<String>().prop_map(Record::Note),
        (any_time(), any::<u8>()).prop_map(|(time, exit)| Record::Finish { time, exit }),
    ]
}

proptest! {
    #[test]
    fn every_record_is_read_back_as_it_was(record in any_record()) {
        let line = line(&record);
        prop_assert!(!line.contains('\n'));
        prop_assert!(line.chars().all(crate::model::is_tame));
        prop_assert_eq!(parse(line.as_bytes()), Ok(record));
    }

    #[test]
    fn any_line_is_read_or_refused(line in any::<Vec<u8>>()) {
        let _ = parse(&line);
    }

    #[test]
    fn any_damage_is_read_or_refused(record in any_record(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut line = line(&record).into_bytes();
        let at = at.index(line.len());
        line[at] = byte;
        let _ = parse(&line);
        let _ = parse(&line[..at]);
    }
}

/// The schema that we ship. What it takes from that of `check` is put in its place.
fn schema() -> jsonschema::Validator {
    let read = |name: &str| {
        let path = format!(
            "{}/dist/usr/share/unstale/{name}",
            env!("CARGO_MANIFEST_DIR")
        );
        std::fs::read_to_string(path).unwrap()
    };
    let check: serde_json::Value = serde_json::from_str(&read("schema-1.json")).unwrap();
    let own = read("restart-schema-1.json").replace("schema-1.json#/", "#/");
    let mut own: serde_json::Value = serde_json::from_str(&own).unwrap();
    let parts = own["$defs"].as_object_mut().unwrap();
    for (name, part) in check["$defs"].as_object().unwrap() {
        parts.entry(name).or_insert_with(|| part.clone());
    }
    jsonschema::draft202012::new(&own).unwrap()
}

/// A line of each kind, and of each way in which it may end.
fn lines() -> Vec<serde_json::Value> {
    let item = |outcome| Record::Item {
        owner: unit("x.service"),
        outcome,
    };
    let end = |result| Record::End {
        step: 1,
        time: EVENING,
        result,
    };
    let begin = Record::Begin {
        step: 1,
        time: EVENING,
    };
    let told = Record::Told {
        owner: Owner::new(OwnerKind::Session, "3", Scope::User(0)),
        ways: vec!["terminal".to_owned()],
        failed: vec!["mail: no".to_owned()],
    };
    let records = [
        run(),
        begin,
        end(StepResult::Done),
        end(StepResult::Skipped("so".to_owned())),
        end(StepResult::Failed(failure())),
        Record::Rescan { time: EVENING },
        item(Outcome::Clean),
        item(Outcome::StillStale(vec![because("unit", "so")])),
        item(Outcome::Failed(failure())),
        item(Outcome::Deferred(because("unit", "so"))),
        item(Outcome::Unproven("so".to_owned())),
        told,
        Record::Note("so".to_owned()),
        Record::Finish {
            time: EVENING,
            exit: 4,
        },
    ];
    let value = |record| serde_json::from_str(&line(record)).unwrap();
    records.iter().map(value).collect()
}

/// Each field of each record is asked for, but for those that only some owners have.
#[test]
fn the_schema_asks_for_every_field() {
    let schema = schema();
    for line in lines() {
        let wrong: Vec<String> = schema.iter_errors(&line).map(|e| e.to_string()).collect();
        assert_eq!(wrong, [""; 0], "{line}");
        for field in line.as_object().unwrap().keys() {
            let mut cut = line.clone();
            cut.as_object_mut().unwrap().remove(field);
            assert!(!schema.is_valid(&cut), "{line} without {field}");
            let mut wrong = line.clone();
            wrong[field] = serde_json::json!({"x": 1});
            assert!(!schema.is_valid(&wrong), "{wrong}");
        }
        let mut later = line.clone();
        later["a field of later"] = serde_json::json!([1]);
        assert!(schema.is_valid(&later));
    }
    let run = &lines()[0];
    for field in run["steps"][0].as_object().unwrap().keys() {
        let mut cut = run.clone();
        cut["steps"][0].as_object_mut().unwrap().remove(field);
        assert!(!schema.is_valid(&cut), "a step without {field}");
    }
    for field in run["steps"][0]["deed"].as_object().unwrap().keys() {
        let mut cut = run.clone();
        cut["steps"][0]["deed"]
            .as_object_mut()
            .unwrap()
            .remove(field);
        assert!(!schema.is_valid(&cut), "a deed without {field}");
    }
}

#[test]
fn whatever_is_written_is_of_the_schema() {
    use proptest::test_runner::{Config, TestRunner};
    let schema = schema();
    let mut runner = TestRunner::new(Config::default());
    let of_schema = |record| {
        let value = serde_json::from_str(&line(&record)).unwrap();
        let wrong: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        prop_assert!(wrong.is_empty(), "{wrong:?} in {value}");
        Ok(())
    };
    runner.run(&any_record(), of_schema).unwrap();
}
