//! Whose turn it is, and who has cost too much.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::{Limits, Payer, Visit};

/// What processes have cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) time: Duration,
    /// Bytes that are kept.
    pub(super) kept: usize,
}

/// Processes that wait, and what their users have cost.
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Visit>,
    /// The process that is being looked at.
    current: Option<(u32, Option<Payer>)>,
    /// The worker that looks. Whoever was given up may come back, and has no say any more.
    pub(super) talker: Option<u32>,
    spent: HashMap<Payer, Cost>,
    /// Processes that are passed over, and not said to be yet.
    pub(super) aside: Vec<u32>,
    pub(super) limits: Limits,
}

impl Queue {
    pub(super) fn new(visits: Vec<Visit>, limits: Limits) -> Self {
        Self {
            waiting: visits.into(),
            current: None,
            talker: None,
            spent: HashMap::new(),
            aside: Vec::new(),
            limits,
        }
    }

    pub(super) fn take(&mut self, talker: u32) -> Option<Visit> {
        let visit = (self.talker == Some(talker)).then(|| self.waiting.pop_front())??;
        self.current = Some((visit.process.pid, visit.payer));
        Some(visit)
    }

    /// A process is over, whatever came of it.
    pub(super) fn finish(&mut self, talker: u32, cost: Cost) {
        if self.talker == Some(talker)
            && let Some((_, payer)) = self.current.take()
        {
            self.spend(payer, cost);
        }
    }

    /// Takes the word from who has it, and says at which process that was.
    pub(super) fn give_up(&mut self) -> Option<(u32, Option<Payer>)> {
        self.talker = None;
        self.current.take()
    }

    pub(super) fn spend(&mut self, payer: Option<Payer>, cost: Cost) {
        if let Some(payer) = payer {
            let spent = self.spent.entry(payer).or_default();
            spent.time += cost.time;
            spent.kept += cost.kept;
            self.set_aside();
        }
    }

    /// Takes away what waits of users that have cost too much, before anybody can take it.
    fn set_aside(&mut self) {
        let (spent, limits) = (&self.spent, self.limits);
        let kept: usize = spent.values().map(|cost| cost.kept).sum();
        let is_over = |payer: Payer| {
            let cost = spent.get(&payer).copied().unwrap_or_default();
            cost.time > limits.user || cost.kept > limits.kept / 2 || kept > limits.kept
        };
        let (away, stay): (VecDeque<Visit>, _) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|visit| visit.payer.is_some_and(is_over));
        self.waiting = stay;
        let pids = away.iter().map(|visit| visit.process.pid);
        self.aside.extend(pids);
    }
}
