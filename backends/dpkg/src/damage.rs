//! Collects [`Damage`], bounded: a hostile file must not turn every one of its lines into memory.

use std::path::{Path, PathBuf};

use unstale_packages::{Damage, Place};

/// So many are kept as they are; the rest is counted.
const KEPT: usize = 200;

/// Damage found while reading, in the order of finding.
#[derive(Debug, Default)]
pub struct Damages {
    kept: Vec<Damage>,
    more: u64,
    last: PathBuf,
}

impl Damages {
    /// Notes one damage of a file as a whole.
    pub fn whole(&mut self, file: &Path, what: impl Into<String>) {
        self.note(file, Place::Whole, what);
    }

    /// Notes one damaged line, counted from 1.
    pub fn line(&mut self, file: &Path, line: u64, what: impl Into<String>) {
        self.note(file, Place::Line(line), what);
    }

    /// Whether nothing was noted.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Notes damage that was found elsewhere.
    pub fn push(&mut self, damage: Damage) {
        if self.kept.len() < KEPT {
            self.kept.push(damage);
        } else {
            self.more += 1;
            self.last = damage.file;
        }
    }

    fn note(&mut self, file: &Path, place: Place, what: impl Into<String>) {
        self.push(Damage {
            file: file.to_path_buf(),
            place,
            what: what.into(),
        });
    }

    /// What was noted; the surplus is one last entry that counts it.
    pub fn into_vec(mut self) -> Vec<Damage> {
        if self.more > 0 {
            self.kept.push(Damage {
                file: self.last,
                place: Place::Whole,
                what: format!("{} more damaged records, not listed", self.more),
            });
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surplus_is_counted_and_not_kept() {
        let mut damages = Damages::default();
        for line in 1..=1000 {
            damages.line(Path::new("/x"), line, "bad");
        }
        let list = damages.into_vec();
        assert_eq!(list.len(), KEPT + 1);
        assert_eq!(list[KEPT].what, "800 more damaged records, not listed");
    }
}
