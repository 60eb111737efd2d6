//! No unit is restarted twice in one run, whatever pulls it along.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Checked, held_by};
use crate::model::{Because, Scope};

/// What is restarted, and what would restart a unit once more.
#[derive(Debug, Default)]
pub(super) struct Once {
    pub(super) roots: Vec<Checked>,
    pub(super) twice: Vec<(Checked, Because)>,
}

/// A unit, as its manager knows it.
type Key = (Scope, String);

/// What another restart pulls along needs none of its own; of units that pull each other, the first by name is the root. Of two
/// roots that pull the same unit, that which renews more goes first, and the other one waits for the next run: then nothing
/// but its own reason is left to interrupt what both pull. A person who names it has it done at once.
pub(super) fn of(mut checked: Vec<Checked>) -> Once {
    let mut twice = Vec::new();
    loop {
        let roots = roots(&checked);
        let lost = overlapping(&checked, &roots);
        if lost.is_empty() {
            let mut is_root = roots.into_iter();
            checked.retain(|_| is_root.next().unwrap_or(false));
            return Once {
                roots: checked,
                twice,
            };
        }
        // What they would have renewed may have a restart of its own now.
        let all = std::mem::take(&mut checked).into_iter();
        for (at, one) in all.enumerate() {
            match lost.get(&at) {
                Some(because) => twice.push((one, because.clone())),
                None => checked.push(one),
            }
        }
    }
}

/// Which of them no other one renews.
fn roots(checked: &[Checked]) -> Vec<bool> {
    let units: Vec<Option<Key>> = checked.iter().map(|one| one.candidate.unit()).collect();
    let by_unit: HashMap<&Key, usize> = (0..)
        .zip(&units)
        .filter_map(|(at, unit)| Some((unit.as_ref()?, at)))
        .collect();
    let mut is_root = vec![true; checked.len()];
    for (one, own) in checked.iter().zip(&units) {
        let Some(own) = own else { continue };
        for name in &one.pulled {
            let pulled = (own.0, name.clone());
            let Some(&at) = by_unit.get(&pulled) else {
                continue;
            };
            let back = checked[at].pulled.contains(&own.1);
            if !back || *own < pulled {
                is_root[at] = false;
            }
        }
    }
    is_root
}

/// The roots that pull what a better one pulls, and why they wait.
fn overlapping(checked: &[Checked], is_root: &[bool]) -> HashMap<usize, Because> {
    let mut order: Vec<usize> = (0..checked.len()).filter(|&at| is_root[at]).collect();
    // Stable: those that renew the same number stay in the order of their names.
    order.sort_by_key(|&at| Reverse(checked[at].owners.len()));
    let mut pulled_by: HashMap<Key, String> = HashMap::new();
    let mut lost = HashMap::new();
    for at in order {
        let one = &checked[at];
        let Some((scope, unit)) = one.candidate.unit() else {
            continue;
        };
        let keys = one.pulled.iter().map(|name| (scope, name.clone()));
        let keys: Vec<Key> = keys.collect();
        if let Some((key, first)) = keys.iter().find_map(|key| Some((key, pulled_by.get(key)?))) {
            let why = format!(
                "a restart of it takes {} along, as that of {first} does: nothing is restarted twice in one run",
                key.1
            );
            lost.insert(at, held_by("pulls", &why));
        } else {
            pulled_by.extend(keys.into_iter().map(|key| (key, unit.clone())));
        }
    }
    lost
}
