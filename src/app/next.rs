//! What would boot, asked beside the scan: on a thread of its own, which is given up if it takes too long.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::boot;
use crate::config;
use crate::detect::{kernel, microcode};
use crate::model::{
    Boot, Bytes, Cause, Clock, Core, Facts, KernelState, KernelVerdict, Level, Listed, ListedBy,
    WhyNot,
};
use crate::packages::{self, Questions};
use crate::problem::Problem;
use crate::snapshot;

/// Large compressed images on a slow machine; a disk that does not answer.
const LIMIT: Duration = Duration::from_secs(20);

/// What was found out.
type Found = (Option<Boot>, Core, Vec<Problem>);

/// The thread at work.
#[derive(Debug)]
pub(super) struct Looking(Receiver<Found>);

impl Looking {
    /// Begins to look.
    pub(super) fn begin(
        options: &snapshot::Options,
        clock: Clock,
        root: &Path,
        settings: &config::Reboot,
    ) -> Self {
        let options = boot::Options {
            proc: options.proc.clone(),
            root: options.root.clone(),
            clock,
            listed: settings.packages.iter().map(|name| listed(name)).collect(),
        };
        let (root, ignored) = (root.to_owned(), settings.clone());
        let (sender, receiver) = channel();
        let work = move || {
            let (boot, mut problems) = boot::read(&options);
            let mut core = Core::default();
            if let Some(boot) = &boot {
                let (found, more) = packages::core(&root, &boot.listed, boot.earliest);
                core = found;
                core.changed
                    .retain(|change| !ignored.is_ignored(&change.package.name));
                problems.extend(more);
            }
            // Nobody waits for it any more, if nobody is there.
            sender.send((boot, core, problems)).ok();
        };
        // Where there is no thread to be had, the channel is closed, and that is told.
        std::thread::Builder::new().spawn(work).ok();
        Self(receiver)
    }

    /// Takes what was found, and adds to the questions what it takes to name the packages behind it.
    pub(super) fn end(self, facts: &mut Facts, questions: &mut Questions) -> Core {
        let Ok((boot, core, problems)) = self.0.recv_timeout(LIMIT) else {
            facts.problems.push(Problem {
                operation: "look at".to_owned(),
                object: Bytes::from("what would boot"),
                pid: None,
                why: WhyNot::TimedOut,
            });
            return Core::default();
        };
        facts.problems.extend(problems);
        facts.boot = boot;
        let state = judge(facts, &core);
        // The packages of a kernel are named where it asks for a reboot: to find them takes all lists of files.
        let is_pending = |state: &KernelState| {
            matches!(
                state.verdict,
                KernelVerdict::Newer | KernelVerdict::Rebuilt | KernelVerdict::Removed
            )
        };
        if let Some(state) = state.filter(is_pending)
            && let Some(boot) = &facts.boot
        {
            let next = state.next.iter();
            let banners = next.clone().map(|next| &next.banner);
            let paths = banners
                .chain([&state.running])
                .flat_map(crate::model::Banner::package_paths);
            questions.paths.extend(paths);
            questions.paths.extend(next.map(|next| next.path.clone()));
            let since = questions.since.map(|since| since.min(boot.earliest));
            questions.since = Some(since.unwrap_or(boot.earliest));
        }
        core
    }
}

/// What there is to say of microcode: of the processor that is furthest behind.
pub(super) fn microcode(facts: &Facts, kernel: Option<&KernelState>) -> Option<Cause> {
    let judged = microcode::judge_next(facts, kernel);
    let worst = judged.iter().max_by_key(|judged| judged.verdict)?;
    let level = match worst.verdict {
        microcode::Verdict::Obsolete {
            loaded_at_boot: true,
        } => Level::Reboot,
        microcode::Verdict::Obsolete {
            loaded_at_boot: false,
        }
        | microcode::Verdict::Unknown => Level::None,
        microcode::Verdict::Current | microcode::Verdict::NotApplicable => return None,
    };
    let revision = worst.processor.revision;
    let why = match worst.best {
        Some(best) if level == Level::Reboot => format!(
            "microcode {revision:#x} runs, {:#x} would be loaded ({})",
            best.revision,
            best.file.escaped()
        ),
        _ => format!("microcode {revision:#x} runs: {}", worst.why),
    };
    Some(Cause::new("microcode", level, why))
}

/// A package that settings add to the lists.
fn listed(name: &str) -> Listed {
    Listed {
        name: name.to_owned(),
        by: ListedBy::NameOrProvides,
        level: Level::Reboot,
        source: Bytes::from("[reboot] packages"),
        line: None,
        installs_count: true,
        store: None,
        only_with: None,
        pattern: None,
    }
}

/// The running kernel, judged by the order of versions of the stores that are there.
pub(super) fn judge(facts: &Facts, core: &Core) -> Option<KernelState> {
    let boot = facts.boot.as_ref()?;
    let order = |a: &str, b: &str| -> Ordering { packages::compare_releases(&core.stores, a, b) };
    Some(kernel::judge(boot, boot.kernel.as_ref()?, &order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::model::{Microcode, Patch, Processor};

    /// A recorded machine, with processors and what is on disk for them.
    fn facts(revisions: &[u32]) -> Facts {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = root.join("testdata/scenarios/0001-upgraded-server/bundle.json");
        let mut facts = Bundle::parse(&std::fs::read(file).unwrap()).unwrap().facts;
        let processor = |(package, &revision): (u32, &u32)| Processor {
            vendor: Bytes::from("GenuineIntel"),
            signature: 1,
            platform: Some(1),
            revision,
            packages: vec![package],
        };
        let microcode = Microcode {
            processors: (0..).zip(revisions).map(processor).collect(),
            patches: vec![Patch {
                file: Bytes::from("/boot/initrd.img"),
                early: true,
                signature: 1,
                platforms: Some(1),
                revision: 0x20,
            }],
            unread: Vec::new(),
            disabled: None,
        };
        facts.boot = Some(Boot {
            setting: crate::model::Setting::Machine,
            started: crate::model::Timestamp { secs: 0, nanos: 0 },
            earliest: crate::model::Timestamp { secs: 0, nanos: 0 },
            out_of_sight: false,
            kernel: None,
            live_patches: Vec::new(),
            microcode: Some(microcode),
            deployments: Vec::new(),
            flags: Vec::new(),
            listed: Vec::new(),
        });
        facts
    }

    #[test]
    fn t9_24_the_processor_that_is_furthest_behind_counts() {
        assert_eq!(microcode(&facts(&[0x20]), None), None);
        assert_eq!(microcode(&facts(&[0x30, 0x20]), None), None);
        let cause = microcode(&facts(&[0x30, 0x10, 0x20]), None).unwrap();
        assert_eq!(cause.level, Level::Reboot);
        assert!(
            cause.why.contains("0x10 runs, 0x20 would be loaded"),
            "{cause:?}"
        );
    }
}
