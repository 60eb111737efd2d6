//! The reader against SQLite itself, and against bytes that no SQLite wrote.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use unstale_packages::OpenFile;

use super::{Database, Error, Flaw, Flaws, Snapshot, Value, WalIndex};
use crate::root::Root;

/// A directory as root, with one database in it.
struct Lab {
    dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("a.db")
    }

    fn connect(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    fn root(&self) -> Root {
        Root::open(self.dir.path()).unwrap()
    }

    fn take(&self) -> Result<Snapshot, Error> {
        Snapshot::take(&self.root(), Path::new("/a.db")).map(|s| s.expect("the file is there"))
    }

    fn is_still_true(&self, snapshot: &Snapshot) -> bool {
        snapshot
            .is_still_true(&self.root(), Path::new("/a.db"))
            .unwrap()
    }
}

/// All rows of all tables, as text: by us.
fn ours(database: &Database) -> (Vec<String>, Vec<Flaw>) {
    let mut lines = Vec::new();
    let mut flaws = Flaws::default();
    for name in database.table_names() {
        let table = database.table(&name).unwrap();
        lines.push(format!("{name}: {}", table.columns.join(" ")));
        let result = database.scan(&table, &mut flaws, &mut |row, _| {
            let values: Vec<_> = row.values.iter().map(|v| shown(*v)).collect();
            lines.push(format!("{} {}", row.id, values.join(" ")));
            ControlFlow::Continue(())
        });
        if let Err(Error::Flaw(flaw)) = result {
            flaws.note(flaw);
        }
    }
    (lines, flaws.into_vec())
}

/// All rows of all tables, as text: by SQLite.
fn theirs(connection: &Connection) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid")
        .unwrap();
    let names: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for name in names {
        let mut all = connection
            .prepare(&format!("SELECT rowid, * FROM \"{name}\" ORDER BY rowid"))
            .unwrap();
        let columns: Vec<_> = all
            .column_names()
            .into_iter()
            .skip(1)
            .map(str::to_owned)
            .collect();
        lines.push(format!("{name}: {}", columns.join(" ")));
        let mut rows = all.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = columns
                .iter()
                .enumerate()
                .map(|(i, column)| match row.get_ref(i + 1).unwrap() {
                    // In the record a column that stands for the row's number is null.
                    _ if column == "id" => "null".to_owned(),
                    ValueRef::Null => "null".to_owned(),
                    ValueRef::Integer(n) => shown(Value::Int(n)),
                    ValueRef::Real(x) => shown(Value::Real(x)),
                    ValueRef::Text(text) => shown(Value::Text(text)),
                    ValueRef::Blob(blob) => shown(Value::Blob(blob)),
                })
                .collect();
            let id: i64 = row.get(0).unwrap();
            lines.push(format!("{id} {}", values.join(" ")));
        }
    }
    lines
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        // SQLite stores a whole fraction as a whole number.
        Value::Int(n) => format!("{n}"),
        Value::Real(x) => format!("{x}"),
        Value::Text(text) => format!("'{}'", text.escape_ascii()),
        Value::Blob(blob) => format!("x'{}'", blob.escape_ascii()),
    }
}

#[track_caller]
fn check_same(lab: &Lab, connection: &Connection) {
    let snapshot = lab.take().unwrap();
    let (found, flaws) = ours(&snapshot.database);
    assert_eq!(flaws, []);
    assert_eq!(found, theirs(connection));
    assert!(lab.is_still_true(&snapshot));
}

/// Tables with rows of all sizes and kinds, deletions between, and an index.
fn fill(connection: &Connection, page_size: u32, seed: i64) {
    connection
        .pragma_update(None, "page_size", page_size)
        .unwrap();
    let script = format!(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB, t TEXT, n, r);
         CREATE TABLE 'other one'(key 'TEXT' NOT NULL, hnum INTEGER, CONSTRAINT x UNIQUE(hnum));
         CREATE INDEX other_key_idx ON 'other one'(key ASC);
         CREATE VIEW v AS SELECT 1;
         WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 400)
         INSERT INTO t SELECT i * 7 - 900, zeroblob((i * 7919 * {seed}) % (1 + i * 20)),
           substr(hex(randomblob(600)), 1, (i * 31 * {seed}) % 1200),
           CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN -1 WHEN 4 THEN -129 WHEN 5 THEN 40000
             WHEN 6 THEN -8388609 WHEN 7 THEN 1 << 46 ELSE -9223372036854775807 - 1 END, i / 8.0 + 0.01 FROM c;
         INSERT INTO t SELECT id * 100000000000, b, t, n, r FROM t WHERE id > 1200;
         INSERT INTO t VALUES (99999, zeroblob(300000), NULL, 1, 0.5);
         DELETE FROM t WHERE id % 5 = 0;
         INSERT INTO 'other one' SELECT 'k' || (id % 13) || substr(hex(zeroblob(2000)), 1, abs(id) % 3000), id FROM t;
         ALTER TABLE t ADD COLUMN late TEXT;"
    );
    connection.execute_batch(&script).unwrap();
}

#[test]
fn all_page_sizes_read_as_sqlite_does() {
    for (i, page_size) in [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536]
        .into_iter()
        .enumerate()
    {
        let lab = Lab::new();
        let connection = lab.connect();
        fill(&connection, page_size, i64::try_from(i).unwrap() + 1);
        // A column added later is missing from old records: give it a value in all.
        connection.execute_batch("UPDATE t SET late = 'x'").unwrap();
        check_same(&lab, &connection);
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .unwrap();
        assert_eq!(mode, "wal");
        connection
            .pragma_update(None, "wal_autocheckpoint", 0)
            .unwrap();
        check_same(&lab, &connection);
        for change in [
            "DELETE FROM t WHERE id % 3 = 0",
            "INSERT INTO t SELECT id + 1, b, t, n, r, 'late' FROM t WHERE id % 4 = 1",
            "CREATE TABLE third(id INTEGER PRIMARY KEY, b); INSERT INTO third VALUES (1, zeroblob(100000))",
        ] {
            connection.execute_batch(change).unwrap();
            check_same(&lab, &connection);
        }
        connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
            .unwrap();
        check_same(&lab, &connection);
        connection
            .execute_batch("UPDATE t SET b = zeroblob(5) WHERE id % 2")
            .unwrap();
        check_same(&lab, &connection);
        connection.execute_batch("VACUUM").unwrap();
        check_same(&lab, &connection);
    }
}

#[test]
fn rows_and_keys_are_found_as_sqlite_does() {
    for page_size in [512, 4096] {
        let lab = Lab::new();
        let connection = lab.connect();
        fill(&connection, page_size, 3);
        let snapshot = lab.take().unwrap();
        let database = &snapshot.database;
        let table = database.table("T").unwrap();
        for id in -1000..2200 {
            let found = database.row(&table, id, |row| row.id).unwrap();
            let count: i64 = connection
                .query_row("SELECT count(*) FROM t WHERE id = ?", [id], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(found, (count == 1).then_some(id));
        }
        let index = database.index("other_key_idx").unwrap();
        let mut all = connection
            .prepare("SELECT rowid FROM 'other one' WHERE key = ? ORDER BY rowid")
            .unwrap();
        let mut keys = connection
            .prepare("SELECT DISTINCT key FROM 'other one'")
            .unwrap();
        let keys = keys
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap()
            .map(Result::unwrap);
        for key in keys.chain(["k1".to_owned(), String::new(), "zzz".to_owned()]) {
            let mut found = database.row_ids(index, key.as_bytes()).unwrap();
            found.sort_unstable();
            let expected = all.query_map([&key], |row| row.get(0)).unwrap();
            assert_eq!(
                found,
                expected.map(Result::unwrap).collect::<Vec<i64>>(),
                "{key}"
            );
        }
    }
}

/// The same text many times: equal keys on many pages, inner ones included.
#[test]
fn equal_keys_span_pages() {
    let lab = Lab::new();
    let connection = lab.connect();
    connection
        .execute_batch(
            "PRAGMA page_size = 512; CREATE TABLE t(key TEXT, hnum INT); CREATE INDEX i ON t(key);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 9000)
             INSERT INTO t SELECT CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' ELSE 'c' END, i FROM c;",
        )
        .unwrap();
    let snapshot = lab.take().unwrap();
    let index = snapshot.database.index("i").unwrap();
    for (key, count) in [
        ("a", 3000),
        ("b", 3000),
        ("c", 3000),
        ("", 0),
        ("bb", 0),
        ("d", 0),
    ] {
        let found = snapshot.database.row_ids(index, key.as_bytes()).unwrap();
        assert_eq!(found.len(), count, "{key}");
    }
}

#[test]
fn what_is_not_committed_is_not_seen() {
    let lab = Lab::new();
    let connection = lab.connect();
    fill(&connection, 1024, 1);
    connection
        .execute_batch("UPDATE t SET late = 'x'; PRAGMA journal_mode = WAL; PRAGMA cache_size = 2; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    connection
        .execute_batch("DELETE FROM t WHERE id % 3 = 0")
        .unwrap();
    let before = theirs(&connection);
    // A small cache makes SQLite write pages of an open transaction to the log.
    connection
        .execute_batch("BEGIN; UPDATE t SET b = zeroblob(2000)")
        .unwrap();
    assert!(fs::metadata(lab.dir.path().join("a.db-wal")).unwrap().len() > 10_000);
    let snapshot = lab.take().unwrap();
    assert_eq!(ours(&snapshot.database), (before, vec![]));
    connection
        .execute_batch("ROLLBACK; DELETE FROM t WHERE id > 0")
        .unwrap();
    check_same(&lab, &connection);
}

/// A writer that is killed leaves its log behind; the index of the log is lost with the machine.
#[test]
fn the_log_of_a_crashed_writer_counts_as_far_as_it_is_whole() {
    let lab = Lab::new();
    let connection = lab.connect();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t(n);
             INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); INSERT INTO t VALUES (3);",
        )
        .unwrap();
    let crashed = Lab::new();
    fs::copy(lab.file(), crashed.file()).unwrap();
    let log = fs::read(lab.dir.path().join("a.db-wal")).unwrap();
    let rows = |length: usize| rows_of(&crashed, &log[..length]);
    assert_eq!(rows(log.len()), 4);
    // The last commit is one frame: cut it, and it never was.
    assert_eq!(rows(log.len() - 1), 3);
    assert_eq!(rows(log.len() - 4096 - 24), 3);
    assert_eq!(rows(log.len() - 4096 - 25), 2);
    assert_eq!(rows(31), 0);
    assert_eq!(rows(0), 0);
    // A transaction of many frames: without the last of them it never was, though the others are whole.
    connection
        .execute_batch("INSERT INTO t VALUES (zeroblob(50000))")
        .unwrap();
    let longer = fs::read(lab.dir.path().join("a.db-wal")).unwrap();
    assert!(longer.len() > log.len() + 50_000);
    assert_eq!(rows_of(&crashed, &longer), 5);
    assert_eq!(rows_of(&crashed, &longer[..longer.len() - 1]), 4);
    assert_eq!(rows_of(&crashed, &longer[..log.len() + 20_000]), 4);
}

/// Lines that are read with such a log.
fn rows_of(lab: &Lab, log: &[u8]) -> usize {
    fs::write(lab.dir.path().join("a.db-wal"), log).unwrap();
    let snapshot = lab.take().unwrap();
    let (lines, flaws) = ours(&snapshot.database);
    assert_eq!(flaws, []);
    lines.len()
}

#[test]
fn changes_are_noticed() {
    let lab = Lab::new();
    let connection = lab.connect();
    fill(&connection, 4096, 1);
    let snapshot = lab.take().unwrap();
    assert!(lab.is_still_true(&snapshot));
    connection
        .execute_batch("UPDATE t SET n = 5 WHERE id = 99999")
        .unwrap();
    assert!(!lab.is_still_true(&snapshot), "rollback mode, same size");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    let snapshot = lab.take().unwrap();
    assert!(lab.is_still_true(&snapshot));
    connection
        .execute_batch("UPDATE t SET n = 6 WHERE id = 99999")
        .unwrap();
    assert!(!lab.is_still_true(&snapshot), "first commit to the log");
    let snapshot = lab.take().unwrap();
    assert!(lab.is_still_true(&snapshot));
    connection
        .execute_batch("UPDATE t SET n = 7 WHERE id = 99999")
        .unwrap();
    assert!(!lab.is_still_true(&snapshot), "second commit to the log");
    let snapshot = lab.take().unwrap();
    connection
        .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
        .unwrap();
    connection
        .execute_batch("UPDATE t SET n = 8 WHERE id = 99999")
        .unwrap();
    assert!(!lab.is_still_true(&snapshot), "log begun anew");
    let snapshot = lab.take().unwrap();
    drop(connection);
    assert!(!lab.is_still_true(&snapshot), "log copied and removed");
    let connection = lab.connect();
    connection
        .execute_batch("PRAGMA journal_mode = DELETE")
        .unwrap();
    let snapshot = lab.take().unwrap();
    fs::write(lab.dir.path().join("a.db-journal"), b"\xd9\xd5\x05\xf9").unwrap();
    assert!(
        !lab.is_still_true(&snapshot),
        "a journal that a writer keeps or left"
    );
    fs::write(lab.dir.path().join("a.db-journal"), [0; 28]).unwrap();
    assert!(
        lab.is_still_true(&snapshot),
        "a journal that was zeroed at commit"
    );
}

fn read_all(bytes: &[u8], log: Option<&[u8]>) -> (Vec<String>, Vec<Flaw>) {
    let lab = Lab::new();
    fs::write(lab.file(), bytes).unwrap();
    if let Some(log) = log {
        fs::write(lab.dir.path().join("a.db-wal"), log).unwrap();
    }
    // Not by a snapshot: that would wait until the file is some milliseconds old.
    let open = |path: PathBuf| OpenFile::from(fs::File::open(path).unwrap());
    let database = || {
        let log = match log {
            Some(_) => {
                let file = open(lab.dir.path().join("a.db-wal"));
                let index = WalIndex::read(&file)?;
                Some((file, Rc::new(index)))
            }
            None => None,
        };
        Database::open(open(lab.file()), log)
    };
    match database() {
        Ok(database) => {
            if let Some(index) = database.index("other_key_idx") {
                let _ = database.row_ids(index, b"k1");
            }
            if let Some(table) = database.table("t") {
                let _ = database.row(&table, 99_999, |_| ());
            }
            ours(&database)
        }
        Err(Error::Flaw(flaw)) => (Vec::new(), vec![flaw]),
        Err(Error::Io(e)) => panic!("{e}"),
    }
}

fn sample(page_size: u32) -> Vec<u8> {
    let lab = Lab::new();
    let connection = lab.connect();
    fill(&connection, page_size, 2);
    drop(connection);
    fs::read(lab.file()).unwrap()
}

/// Where the root page of table `t` is, and its children: made to lead in circles.
#[test]
fn circles_are_told_and_the_rest_is_read() {
    let bytes = sample(512);
    let whole = read_all(&bytes, None);
    assert_eq!(whole.1, []);
    // The page of `t` is the second: inner, its last child at byte 8.
    let root = 512;
    assert_eq!(bytes[root], 0x05);
    let mut circle = bytes.clone();
    circle[root + 8..root + 12].copy_from_slice(&2_u32.to_be_bytes());
    let (lines, flaws) = read_all(&circle, None);
    assert!(
        flaws
            .iter()
            .any(|f| f.what == "a tree leads in a circle" && f.offset == 512),
        "{flaws:?}"
    );
    assert!(lines.len() > whole.0.len() / 2 && lines.len() < whole.0.len());
    let mut outside = bytes.clone();
    outside[root + 8..root + 12].copy_from_slice(&u32::MAX.to_be_bytes());
    let (lines, flaws) = read_all(&outside, None);
    assert!(
        flaws.iter().any(|f| f.what.contains("is asked for")),
        "{flaws:?}"
    );
    assert!(lines.len() > whole.0.len() / 2 && lines.len() < whole.0.len());
}

#[test]
fn not_a_database_is_told() {
    #[track_caller]
    fn check(bytes: &[u8], what: &str) {
        let (lines, flaws) = read_all(bytes, None);
        assert_eq!(lines, [] as [&str; 0]);
        assert!(flaws[0].what.contains(what), "{flaws:?}");
    }
    let sample = sample(1024);
    let with = |at: usize, byte: u8| {
        let mut bytes = sample.clone();
        bytes[at] = byte;
        bytes
    };
    check(b"", "the file is empty");
    check(b"SQLite format 3\0", "not an SQLite database");
    check(&[0; 4096], "not an SQLite database");
    check(&with(17, 3), "page size");
    check(&with(16, 0), "page size");
    check(&with(19, 3), "newer");
    check(&with(59, 2), "UTF-16");
    check(&with(100, 9), "not a page of a tree");
    check(&with(100, 10), "another sort of tree");
    check(&sample[..1000], "is asked for");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes in any place: no panic, and an end.
    #[test]
    fn mutated_files_never_panic(
        small in any::<bool>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        heads in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..24, any::<u8>()), 0..20),
        cut in proptest::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static SAMPLES: [Vec<u8>; 2] = [sample(512), sample(4096)];
        }
        let mut bytes = SAMPLES.with(|samples| samples[usize::from(small)].clone());
        let page = if small { 4096 } else { 512 };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        // Heads of pages matter most.
        for (number, at, byte) in heads {
            let start = number.index(bytes.len() / page) * page;
            bytes[start + at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        read_all(&bytes, None);
    }

    #[test]
    fn mutated_logs_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in proptest::option::weighted(0.5, any::<prop::sample::Index>()),
    ) {
        thread_local! {
            static SAMPLE: (Vec<u8>, Vec<u8>) = {
                let lab = Lab::new();
                let connection = lab.connect();
                connection.execute_batch("PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t(a);
                    INSERT INTO t VALUES (1); INSERT INTO t VALUES (zeroblob(9000)); DELETE FROM t WHERE a = 1").unwrap();
                let read = |suffix| fs::read(lab.dir.path().join(format!("a.db{suffix}"))).unwrap();
                (read(""), read("-wal"))
            };
        }
        let (bytes, mut log) = SAMPLE.with(Clone::clone);
        for (at, byte) in changes {
            let at = at.index(log.len().min(2_000));
            log[at] = byte;
        }
        if let Some(cut) = cut {
            log.truncate(cut.index(log.len()));
        }
        read_all(&bytes, Some(&log));
    }

    #[test]
    fn records_of_any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = super::record::parse(&bytes);
        let _ = super::record::first(&bytes);
    }
}
