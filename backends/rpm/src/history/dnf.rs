//! The transaction histories of dnf4 (libdnf) and dnf5 (libdnf5): two SQLite databases of nearly the same shape.
//!
//! Sources: `libdnf/transaction/sql/create_tables.sql` and `Types.hpp` of libdnf 0.7x;
//! `libdnf5/transaction/db/sql/create_tables.sql` and `transaction_item_action.hpp` of dnf5 5.x.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

use unstale_packages::{Answer, Change, Damage, DbError, Place};

use super::{Since, system_time};
use crate::packages::evr;
use crate::reading::{damage, read_settled};
use crate::root::Root;
use crate::sqlite::{Database, Error, Flaws, Row, Table, Value};

/// Where the two differ.
pub(super) struct Log {
    name: &'static str,
    path: &'static str,
    action: &'static str,
    state: &'static str,
    /// The state of an item that was carried out.
    done: i64,
    /// Column of the name in `rpm`, and the table in which a number there is looked up.
    package: (&'static str, Option<&'static str>),
    arch: (&'static str, Option<&'static str>),
    role: fn(i64) -> Option<Role>,
}

/// dnf4, and dnf5's predecessor in Fedora until 40, RHEL 8 to 10.
pub(super) const DNF4: Log = Log {
    name: "dnf",
    path: "/var/lib/dnf/history.sqlite",
    action: "action",
    state: "state",
    done: 1,
    package: ("name", None),
    arch: ("arch", None),
    role: |action| match action {
        1 => Some(Role::Added),
        // Downgrade, obsolete, upgrade, reinstall: what comes in.
        2 | 4 | 6 | 9 => Some(Role::New),
        // Downgraded, obsoleted, upgraded, reinstalled: what it replaces.
        3 | 5 | 7 | 10 => Some(Role::Old),
        8 => Some(Role::Removed),
        // A change of reason touches no file.
        _ => None,
    },
};

/// dnf5, Fedora from 41 on.
pub(super) const DNF5: Log = Log {
    name: "dnf5",
    path: "/usr/lib/sysimage/libdnf5/transaction_history.sqlite",
    action: "action_id",
    state: "state_id",
    done: 2,
    package: ("name_id", Some("pkg_name")),
    arch: ("arch_id", Some("arch")),
    role: |action| match action {
        1 => Some(Role::Added),
        // Upgrade, downgrade, reinstall.
        2..=4 => Some(Role::New),
        5 => Some(Role::Removed),
        6 => Some(Role::Old),
        _ => None,
    },
};

/// What an item of a transaction does. Only `New` and `Old` belong together: an added kernel does not replace the one
/// that is removed in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Added,
    New,
    Old,
    Removed,
}

/// One package of one transaction.
#[derive(Debug, Clone)]
struct Item {
    role: Role,
    name: String,
    arch: String,
    version: String,
}

/// The changes that a history tells.
pub(super) fn changes(root: &Root, log: &Log, since: Since) -> Answer<Vec<Change>> {
    let path = Path::new(log.path);
    let found = read_settled(root, path, |database| {
        let mut flaws = Flaws::default();
        let value = read(database, log, since, &mut flaws)?;
        Ok((value, flaws))
    });
    match found {
        Ok(None) => Answer::whole(Vec::new()),
        Ok(Some((value, flaws))) => {
            let flaws = flaws.into_vec().into_iter();
            let damage = flaws.map(|flaw| damage(path, flaw)).collect();
            Answer { value, damage }
        }
        Err(e) => Answer {
            value: Vec::new(),
            damage: vec![unreadable(path, e)],
        },
    }
}

/// The last transaction, if it has no end.
pub(super) fn broken_off(root: &Root, log: &Log) -> Option<String> {
    let found = read_settled(root, Path::new(log.path), |database| {
        let mut last = None;
        let Some(table) = database.table("trans") else {
            return Ok(None);
        };
        let ended = table.column("dt_end");
        database.scan(&table, &mut Flaws::default(), &mut |row, _| {
            let ended = ended.and_then(|c| row.values.get(c));
            last = Some((row.id, matches!(ended, None | Some(Value::Null))));
            ControlFlow::Continue(())
        })?;
        Ok(last)
    });
    // That a history cannot be read is said where it is asked for changes.
    match found {
        Ok(Some(Some((id, true)))) => Some(format!(
            "transaction {id} of {} has begun and not ended",
            log.name
        )),
        _ => None,
    }
}

/// A history that cannot be read at all.
fn unreadable(path: &Path, e: DbError) -> Damage {
    match e {
        DbError::Corrupt(damage) => damage,
        e => Damage {
            file: path.to_owned(),
            place: Place::Whole,
            what: match e {
                DbError::Io { source, .. } => source.to_string().to_lowercase(),
                _ => "kept changing while it was read".to_owned(),
            },
        },
    }
}

fn read(
    database: &Database,
    log: &Log,
    since: Since,
    flaws: &mut Flaws,
) -> Result<Vec<Change>, Error> {
    let begun = transactions(database, since, flaws)?;
    if begun.is_empty() {
        return Ok(Vec::new());
    }
    let items = items(database, log, &begun, flaws)?;
    let wanted = items.iter().map(|(_, item, _)| *item).collect();
    let packages = packages(database, log, &wanted, flaws)?;
    let mut by_transaction: BTreeMap<i64, Vec<Item>> = BTreeMap::new();
    for (transaction, item, role) in items {
        // Groups and environments are items too.
        if let Some(package) = packages.get(&item) {
            let item = Item {
                role,
                ..package.clone()
            };
            by_transaction.entry(transaction).or_default().push(item);
        }
    }
    let mut changes = Vec::new();
    for (transaction, items) in by_transaction {
        let at = begun.get(&transaction).copied().and_then(system_time);
        if let Some(at) = at {
            changes.extend(
                pair(&items)
                    .into_iter()
                    .map(|(name, arch, old, new, is_first)| Change {
                        name: name.to_owned(),
                        arch: Some(arch.to_owned()),
                        at,
                        old: old.map(str::to_owned),
                        is_first,
                        new: new.map(str::to_owned),
                    }),
            );
        }
    }
    changes.sort_by_key(|change| change.at);
    Ok(changes)
}

/// Transactions and when they began.
fn transactions(
    database: &Database,
    since: Since,
    flaws: &mut Flaws,
) -> Result<HashMap<i64, i64>, Error> {
    let mut begun = HashMap::new();
    each(database, "trans", ["dt_begin"], flaws, &mut |row, [at]| {
        if let Some(at) = at.int().filter(|at| Since(*at) >= since) {
            begun.insert(row.id, at);
        }
    })?;
    Ok(begun)
}

/// Transaction, item and role of all that was carried out.
fn items(
    database: &Database,
    log: &Log,
    begun: &HashMap<i64, i64>,
    flaws: &mut Flaws,
) -> Result<Vec<(i64, i64, Role)>, Error> {
    let mut items = Vec::new();
    let columns = ["trans_id", "item_id", log.action, log.state];
    each(database, "trans_item", columns, flaws, &mut |_, values| {
        let [Some(transaction), Some(item), Some(action), Some(state)] = values.map(Value::int)
        else {
            return;
        };
        if let Some(role) = (log.role)(action).filter(|_| state == log.done)
            && begun.contains_key(&transaction)
        {
            items.push((transaction, item, role));
        }
    })?;
    Ok(items)
}

/// The packages behind items.
fn packages(
    database: &Database,
    log: &Log,
    wanted: &HashSet<i64>,
    flaws: &mut Flaws,
) -> Result<HashMap<i64, Item>, Error> {
    let names = dictionary(database, log.package.1, flaws)?;
    let arches = dictionary(database, log.arch.1, flaws)?;
    let mut packages = HashMap::new();
    let columns = [
        "item_id",
        log.package.0,
        "epoch",
        "version",
        "release",
        log.arch.0,
    ];
    each(database, "rpm", columns, flaws, &mut |row, values| {
        let [item, name, epoch, version, release, arch] = values;
        let item = item.int().unwrap_or(row.id);
        if !wanted.contains(&item) {
            return;
        }
        if let (Some(name), Some(arch)) = (word(name, &names), word(arch, &arches)) {
            let text = |value: Value<'_>| value.bytes().map(lossy).unwrap_or_default();
            let version = evr(epoch.int().unwrap_or(0), &text(version), &text(release));
            let role = Role::Added;
            packages.insert(
                item,
                Item {
                    role,
                    name,
                    arch,
                    version,
                },
            );
        }
    })?;
    Ok(packages)
}

/// A table of numbered words.
fn dictionary(
    database: &Database,
    table: Option<&str>,
    flaws: &mut Flaws,
) -> Result<HashMap<i64, String>, Error> {
    let mut words = HashMap::new();
    if let Some(table) = table {
        each(database, table, ["name"], flaws, &mut |row, [name]| {
            words.extend(name.bytes().map(|name| (row.id, lossy(name))));
        })?;
    }
    Ok(words)
}

/// A word itself, or the number of one.
fn word(value: Value<'_>, words: &HashMap<i64, String>) -> Option<String> {
    match value.int() {
        Some(number) => words.get(&number).cloned(),
        None => value.bytes().map(lossy),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Shows the named columns of each row; nothing if the table or a column is not there.
fn each<const N: usize>(
    database: &Database,
    table: &str,
    columns: [&str; N],
    flaws: &mut Flaws,
    visit: &mut dyn FnMut(&Row<'_>, [Value<'_>; N]),
) -> Result<(), Error> {
    let Some(table) = database.table(table) else {
        return Ok(());
    };
    let places = columns.map(|column| Table::column(&table, column));
    database.scan(&table, flaws, &mut |row, _| {
        let value = |place: Option<usize>| {
            let value = place.and_then(|place| row.values.get(place));
            value.copied().unwrap_or(Value::Null)
        };
        visit(row, places.map(value));
        ControlFlow::Continue(())
    })
}

/// Name, architecture, old and new version, and whether it replaces nothing.
type Paired<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, bool);

/// The changes in one transaction.
fn pair(items: &[Item]) -> Vec<Paired<'_>> {
    let mut changes = Vec::new();
    let of = |role| items.iter().filter(move |item| item.role == role);
    let mut replaced = HashSet::new();
    for new in of(Role::New) {
        let same_name = |old: &&Item| old.name == new.name;
        let mut olds: Vec<_> = of(Role::Old)
            .filter(same_name)
            .filter(|old| old.arch == new.arch)
            .collect();
        if olds.is_empty() {
            // A package may change its architecture, to or from noarch; then it is the only one of its name.
            let others: Vec<_> = of(Role::Old).filter(same_name).collect();
            olds.extend(others.first().filter(|_| others.len() == 1).copied());
        }
        replaced.extend(olds.iter().map(|old| std::ptr::from_ref(*old)));
        let new_version = Some(new.version.as_str());
        let mut push = |old| changes.push((&new.name[..], &new.arch[..], old, new_version, false));
        if olds.is_empty() {
            push(None);
        }
        for old in olds {
            push(Some(&old.version[..]));
        }
    }
    for item in of(Role::Added) {
        changes.push((&item.name, &item.arch, None, Some(&item.version), true));
    }
    for item in of(Role::Removed).chain(of(Role::Old)) {
        // Obsoleted by a package of another name: it is gone.
        if !replaced.contains(&std::ptr::from_ref(item)) {
            changes.push((&item.name, &item.arch, Some(&item.version), None, false));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rusqlite::Connection;

    use super::{Change, DNF4, DNF5, Log, broken_off, changes};
    use crate::history::{Since, system_time};
    use crate::root::Root;

    const SCHEMA4: &str = "CREATE TABLE trans (id INTEGER PRIMARY KEY AUTOINCREMENT, dt_begin INTEGER NOT NULL,
          dt_end INTEGER, releasever TEXT NOT NULL, user_id INTEGER NOT NULL, state INTEGER NOT NULL);
        CREATE TABLE item (id INTEGER PRIMARY KEY, item_type INTEGER NOT NULL);
        CREATE TABLE trans_item (id INTEGER PRIMARY KEY AUTOINCREMENT, trans_id INTEGER REFERENCES trans(id),
          item_id INTEGER REFERENCES item(id), repo_id INTEGER, action INTEGER NOT NULL, reason INTEGER NOT NULL,
          state INTEGER NOT NULL);
        CREATE TABLE rpm (item_id INTEGER UNIQUE NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL,
          version TEXT NOT NULL, release TEXT NOT NULL, arch TEXT NOT NULL, FOREIGN KEY(item_id) REFERENCES item(id));
        ALTER TABLE trans ADD comment TEXT DEFAULT '';
        INSERT INTO trans VALUES (7, 1000, 1010, '9', 0, 1, ''), (8, 2000, 2010, '9', 0, 1, '');
        INSERT INTO rpm VALUES (1, 'bash', 0, '4.4', '1', 'x86_64'), (2, 'bash', 0, '4.4', '2', 'x86_64'),
          (3, 'kernel', 0, '5', '1', 'x86_64'), (4, 'kernel', 0, '5', '2', 'x86_64'),
          (5, 'docs', 1, '1', '1', 'x86_64'), (6, 'docs', 1, '2', '1', 'noarch'), (7, 'glibc', 0, '2', '1', 'i686'),
          (8, 'glibc', 0, '2', '2', 'i686'), (9, 'glibc', 0, '2', '1', 'x86_64'), (10, 'glibc', 0, '2', '2', 'x86_64');";

    /// The same with the names and architectures in tables of their own.
    const SCHEMA5: &str = r#"CREATE TABLE "trans" ("id" INTEGER, "dt_begin" INTEGER NOT NULL, /* (unix timestamp) */
          "dt_end" INTEGER, "state_id" INTEGER, PRIMARY KEY("id" AUTOINCREMENT));
        CREATE TABLE "pkg_name" ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id"));
        CREATE TABLE "arch" ("id" INTEGER, "name" TEXT NOT NULL UNIQUE, PRIMARY KEY("id"));
        CREATE TABLE "trans_item" ("id" INTEGER, "trans_id" INTEGER, "item_id" INTEGER, "repo_id" INTEGER,
          "action_id" INTEGER NOT NULL, /* (enum) */ "reason_id" INTEGER NOT NULL, "state_id" INTEGER NOT NULL,
          PRIMARY KEY("id" AUTOINCREMENT), FOREIGN KEY("trans_id") REFERENCES "trans"("id"));
        CREATE TABLE "rpm" ("item_id" INTEGER NOT NULL UNIQUE, "name_id" INTEGER NOT NULL, "epoch" INTEGER NOT NULL,
          "version" TEXT NOT NULL, "release" TEXT NOT NULL, "arch_id" INTEGER NOT NULL);
        INSERT INTO trans VALUES (7, 1000, 1010, 2), (8, 2000, 2010, 2);
        INSERT INTO pkg_name VALUES (1, 'bash'), (2, 'kernel'), (3, 'docs'), (4, 'glibc');
        INSERT INTO arch VALUES (1, 'x86_64'), (2, 'noarch'), (3, 'i686');
        INSERT INTO rpm VALUES (1, 1, 0, '4.4', '1', 1), (2, 1, 0, '4.4', '2', 1), (3, 2, 0, '5', '1', 1),
          (4, 2, 0, '5', '2', 1), (5, 3, 1, '1', '1', 1), (6, 3, 1, '2', '1', 2), (7, 4, 0, '2', '1', 3),
          (8, 4, 0, '2', '2', 3), (9, 4, 0, '2', '1', 1), (10, 4, 0, '2', '2', 1);"#;

    /// A root with a history in it; items are transaction, package, action, state.
    fn lab(log: &Log, items: &[(i64, i64, i64, i64)]) -> (tempfile::TempDir, Connection) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(&log.path[1..]);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let connection = Connection::open(file).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF")
            .unwrap();
        let schema = if log.name == "dnf" { SCHEMA4 } else { SCHEMA5 };
        connection.execute_batch(schema).unwrap();
        for (transaction, item, action, state) in items {
            let insert = "INSERT INTO trans_item VALUES (NULL, ?, ?, 1, ?, 1, ?)";
            connection
                .execute(insert, [transaction, item, action, state])
                .unwrap();
        }
        (dir, connection)
    }

    fn shown(change: &Change) -> String {
        let or = |v: &Option<String>, or: &str| v.clone().unwrap_or_else(|| or.to_owned());
        let none = if change.is_first { "-" } else { "?" };
        let arch = change.arch.as_deref().unwrap_or("?");
        let at = change
            .at
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        format!(
            "{at} {}.{arch} {} {}",
            change.name,
            or(&change.old, none),
            or(&change.new, "-")
        )
    }

    #[track_caller]
    fn check(log: &Log, items: &[(i64, i64, i64, i64)], since: i64, expected: &[&str]) {
        let (dir, _connection) = lab(log, items);
        let root = Root::open(dir.path()).unwrap();
        let answer = changes(&root, log, Since(since));
        assert_eq!(answer.damage, []);
        let mut found: Vec<_> = answer.value.iter().map(shown).collect();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn transactions_of_dnf4() {
        check(&DNF4, &[], 0, &[]);
        check(&DNF4, &[(7, 1, 1, 1)], 0, &["1000 bash.x86_64 - 4.4-1"]);
        check(&DNF4, &[(7, 1, 1, 1)], 1000, &["1000 bash.x86_64 - 4.4-1"]);
        check(&DNF4, &[(7, 1, 1, 1)], 1001, &[]);
        check(
            &DNF4,
            &[(7, 1, 1, 2), (7, 3, 11, 1), (7, 99, 1, 1), (9, 1, 1, 1)],
            0,
            &[],
        );
        check(
            &DNF4,
            &[(8, 2, 6, 1), (8, 1, 7, 1)],
            0,
            &["2000 bash.x86_64 4.4-1 4.4-2"],
        );
        check(
            &DNF4,
            &[(8, 2, 3, 1), (8, 1, 2, 1)],
            0,
            &["2000 bash.x86_64 4.4-2 4.4-1"],
        );
        check(
            &DNF4,
            &[(8, 1, 9, 1), (8, 1, 10, 1)],
            0,
            &["2000 bash.x86_64 4.4-1 4.4-1"],
        );
        check(&DNF4, &[(8, 1, 8, 1)], 0, &["2000 bash.x86_64 4.4-1 -"]);
        // 8.30: a second kernel replaces nothing, even if the oldest goes with it.
        check(
            &DNF4,
            &[(8, 4, 1, 1), (8, 3, 8, 1)],
            0,
            &["2000 kernel.x86_64 - 5-2", "2000 kernel.x86_64 5-1 -"],
        );
        // A package that becomes noarch; 8.06: two architectures side by side.
        check(
            &DNF4,
            &[(8, 6, 6, 1), (8, 5, 7, 1)],
            0,
            &["2000 docs.noarch 1:1-1 1:2-1"],
        );
        check(
            &DNF4,
            &[(8, 8, 6, 1), (8, 9, 7, 1), (8, 10, 6, 1), (8, 7, 7, 1)],
            0,
            &["2000 glibc.i686 2-1 2-2", "2000 glibc.x86_64 2-1 2-2"],
        );
        // bash obsoletes docs.
        check(
            &DNF4,
            &[(8, 2, 4, 1), (8, 5, 5, 1)],
            0,
            &["2000 bash.x86_64 ? 4.4-2", "2000 docs.x86_64 1:1-1 -"],
        );
    }

    #[test]
    fn transactions_of_dnf5() {
        check(
            &DNF5,
            &[(7, 1, 1, 2), (7, 5, 1, 3)],
            0,
            &["1000 bash.x86_64 - 4.4-1"],
        );
        check(
            &DNF5,
            &[(8, 2, 2, 2), (8, 1, 6, 2)],
            1500,
            &["2000 bash.x86_64 4.4-1 4.4-2"],
        );
        check(
            &DNF5,
            &[(8, 1, 3, 2), (8, 2, 6, 2)],
            0,
            &["2000 bash.x86_64 4.4-2 4.4-1"],
        );
        check(
            &DNF5,
            &[(8, 1, 4, 2), (8, 1, 6, 2)],
            0,
            &["2000 bash.x86_64 4.4-1 4.4-1"],
        );
        check(
            &DNF5,
            &[(8, 4, 1, 2), (8, 3, 5, 2)],
            0,
            &["2000 kernel.x86_64 - 5-2", "2000 kernel.x86_64 5-1 -"],
        );
    }

    #[test]
    fn a_transaction_without_end_is_broken_off() {
        for (log, row) in [
            (&DNF4, "9, 3000, NULL, '9', 0, 0, ''"),
            (&DNF5, "9, 3000, NULL, 1"),
        ] {
            let (dir, connection) = lab(log, &[]);
            let root = Root::open(dir.path()).unwrap();
            assert_eq!(broken_off(&root, log), None);
            connection
                .execute_batch(&format!("INSERT INTO trans VALUES ({row})"))
                .unwrap();
            let said = broken_off(&root, log).unwrap();
            assert!(said.contains("transaction 9 of dnf"), "{said}");
            connection
                .execute_batch("UPDATE trans SET dt_end = 3001 WHERE id = 9")
                .unwrap();
            assert_eq!(broken_off(&root, log), None);
        }
    }

    #[test]
    fn a_history_that_cannot_be_read_is_damage() {
        let (dir, connection) = lab(&DNF4, &[(7, 1, 1, 1)]);
        drop(connection);
        let root = Root::open(dir.path()).unwrap();
        fs::write(dir.path().join(&DNF4.path[1..]), b"no database, but text").unwrap();
        let answer = changes(&root, &DNF4, Since(0));
        assert_eq!(answer.value, []);
        assert_eq!(answer.damage.len(), 1);
        assert_eq!(
            answer.damage[0].to_string(),
            "/var/lib/dnf/history.sqlite: at byte 0: not an SQLite database"
        );
    }

    #[test]
    fn times_before_1970_and_after_everything() {
        assert!(system_time(-5).unwrap() < std::time::UNIX_EPOCH);
        let _ = (system_time(i64::MIN), system_time(i64::MAX));
        let almost = std::time::UNIX_EPOCH - std::time::Duration::from_millis(1);
        assert_eq!(Since::from(almost), Since(-1));
        assert_eq!(Since::from(std::time::UNIX_EPOCH), Since(0));
    }
}
