//! Which installed packages somebody wants to hear of, and when each was installed.
//!
//! By the indexes of names and of what is provided: of some thousand packages, a dozen headers are read. Where only
//! recent installations matter, the index of transactions says which those can be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use unstale_packages::{Match, Wanted, is_like};

use crate::header::{Header, tag};
use crate::history::{Since, system_time};
use crate::packages::{Index, Packages, package};
use crate::sqlite::{Database, Error, Flaws};

/// See [`unstale_packages::PackageDb::matching`].
pub(crate) fn matching(
    database: &Database,
    wanted: &[Wanted],
    since: Option<Since>,
    flaws: &mut Flaws,
) -> Result<Vec<Match>, Error> {
    let mut found = Vec::new();
    let Some(packages) = Packages::of(database) else {
        return Ok(found);
    };
    let recent = match since {
        Some(since) => packages.of_transactions_since(since.seconds(), flaws)?,
        None => None,
    };
    let mut see = |header: &Header<'_>, indices: &mut dyn Iterator<Item = usize>| {
        let at = header.number(tag::INSTALL_TIME, 0).map(i64::from);
        if since.is_some_and(|since| at.is_none_or(|at| at < since.seconds())) {
            return;
        }
        for index in indices {
            if let Some(capability_version) = meant(&wanted[index], header) {
                found.push(Match {
                    wanted: index,
                    package: package(header),
                    at: at.and_then(system_time),
                    capability_version,
                });
            }
        }
    };
    match candidates(database, wanted, flaws)? {
        Some(mut candidates) => {
            if let Some(recent) = recent {
                let recent: BTreeSet<i64> = recent.into_iter().collect();
                candidates.retain(|number, _| recent.contains(number));
            }
            for (number, indices) in candidates {
                packages.some([number], flaws, &mut |header| {
                    see(header, &mut indices.iter().copied());
                })?;
            }
        }
        None => packages.each(flaws, &mut |header| {
            see(header, &mut (0..wanted.len()));
            ControlFlow::Continue(())
        })?,
    }
    found.sort_by(|a, b| (a.wanted, &a.package, a.at).cmp(&(b.wanted, &b.package, b.at)));
    Ok(found)
}

/// Numbers of packages, and what they may be wanted for, as the indexes say; `None` if they cannot be relied on.
fn candidates(
    database: &Database,
    wanted: &[Wanted],
    flaws: &mut Flaws,
) -> Result<Option<BTreeMap<i64, BTreeSet<usize>>>, Error> {
    let names = Index::of(database, "Name");
    let capabilities = Index::of(database, "Providename");
    let (Some(names), Some(capabilities)) = (names, capabilities) else {
        return Ok(None);
    };
    let mut found: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
    let mut patterns = Vec::new();
    for (index, one) in wanted.iter().enumerate() {
        let mut asked = Vec::new();
        if one.by_name && one.name.contains('*') {
            patterns.push(index);
        } else if one.by_name {
            asked.push(&names);
        }
        if one.by_provides {
            asked.push(&capabilities);
        }
        for list in asked {
            let Some(numbers) = flaws.keep(list.packages(one.name.as_bytes()))? else {
                return Ok(None);
            };
            for number in numbers {
                found.entry(number).or_default().insert(index);
            }
        }
    }
    if !patterns.is_empty() {
        names.each(flaws, &mut |name, number| {
            let like = |index: &&usize| is_like(&wanted[**index].name, name);
            let like: Vec<usize> = patterns.iter().filter(like).copied().collect();
            if !like.is_empty() {
                found.entry(number).or_default().extend(like);
            }
        })?;
    }
    Ok(Some(found))
}

/// Whether a package is meant; with the version of the capability, if it is meant by one that has a version.
fn meant(wanted: &Wanted, header: &Header<'_>) -> Option<Option<String>> {
    let name = header.string(tag::NAME).unwrap_or_default();
    if wanted.by_name && is_like(&wanted.name, name) {
        return Some(None);
    }
    if !wanted.by_provides {
        return None;
    }
    let mut versions = header.strings(tag::PROVIDE_VERSION);
    let provided = header.strings(tag::PROVIDE_NAME);
    let mut of_name = provided
        .map(|name| (name, versions.next().unwrap_or_default()))
        .filter(|(name, _)| *name == wanted.name.as_bytes());
    let (_, first) = of_name.next()?;
    // What is said without a version is said of all.
    let has_version = !first.is_empty() && of_name.all(|(_, version)| !version.is_empty());
    Some(has_version.then(|| String::from_utf8_lossy(first).into_owned()))
}
