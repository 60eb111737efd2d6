//! Work that may never come back: done on threads that can be given up.
//!
//! A read of /proc waits while the process holds its address-space lock, a path walk waits for a dead server. Such a
//! thread cannot be ended, only left behind; it ends with the process that scans.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the workers are looked after; a job that takes longer is slow.
const TICK: Duration = Duration::from_millis(50);

/// Workers beyond the usual number while others are slow, so that many stuck jobs cost the time of one.
const SPARE_THREADS: usize = 64;

/// How a run ended.
#[derive(Debug)]
pub(super) struct Done<R> {
    /// Results by index of the job; `None` for jobs that were given up (or whose work panicked).
    pub(super) results: Vec<Option<R>>,
}

struct Shared<J, R, F> {
    jobs: Vec<J>,
    work: F,
    next: AtomicUsize,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    results: Vec<Option<R>>,
    /// What each worker is at: index of the job and when it began.
    current: Vec<Option<(usize, Instant)>>,
    /// Jobs that are over, with a result or without.
    over: usize,
    given_up: Vec<bool>,
    /// Workers that were not given up.
    alive: usize,
}

/// Runs `work` for each job on `threads` threads. A job that takes longer than `limit` is given up; when `all` have
/// together taken longer than `total`, the rest is.
pub(super) fn run<J, R, F>(
    jobs: Vec<J>,
    threads: usize,
    limit: Duration,
    total: Duration,
    work: F,
) -> Done<R>
where
    J: Send + Sync + 'static,
    R: Send + 'static,
    F: Fn(&J) -> R + Send + Sync + 'static,
{
    let count = jobs.len();
    let begun = Instant::now();
    let shared = Arc::new(Shared {
        jobs,
        work,
        next: AtomicUsize::new(0),
        state: Mutex::new(State {
            results: std::iter::repeat_with(|| None).take(count).collect(),
            current: Vec::new(),
            over: 0,
            given_up: vec![false; count],
            alive: 0,
        }),
        changed: Condvar::new(),
    });
    let threads = threads.clamp(1, count.max(1));
    for _ in 0..threads {
        spawn_worker(&shared);
    }
    let mut state = lock(&shared.state);
    while state.over < count && begun.elapsed() < total {
        let waited = shared.changed.wait_timeout(state, TICK);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        give_up_late(&mut state, limit);
        // Whoever is slow may be stuck, and whoever was given up takes no other job: somebody else has to.
        let slow = state
            .current
            .iter()
            .flatten()
            .filter(|(_, since)| since.elapsed() > TICK)
            .count();
        let missing = (threads + slow.min(SPARE_THREADS)).saturating_sub(state.alive);
        drop(state);
        for _ in 0..missing {
            spawn_worker(&shared);
        }
        state = lock(&shared.state);
    }
    shared.next.store(count, Ordering::Relaxed);
    for index in 0..count {
        state.given_up[index] = true; // late results are not taken any more
    }
    Done {
        results: std::mem::take(&mut state.results),
    }
}

fn give_up_late<R>(state: &mut State<R>, limit: Duration) {
    for slot in 0..state.current.len() {
        if let Some((job, since)) = state.current[slot]
            && since.elapsed() > limit
        {
            state.current[slot] = None;
            state.given_up[job] = true;
            state.over += 1;
            state.alive -= 1;
        }
    }
}

fn spawn_worker<J, R, F>(shared: &Arc<Shared<J, R, F>>)
where
    J: Send + Sync + 'static,
    R: Send + 'static,
    F: Fn(&J) -> R + Send + Sync + 'static,
{
    let slot = {
        let mut state = lock(&shared.state);
        state.current.push(None);
        state.alive += 1;
        state.current.len() - 1
    };
    let theirs = Arc::clone(shared);
    let started = std::thread::Builder::new()
        .stack_size(512 * 1024)
        .spawn(move || work_on(&theirs, slot));
    if started.is_err() {
        // No thread to be had: do the work here, without a deadline, rather than not at all.
        work_on(shared, slot);
    }
}

fn work_on<J, R, F: Fn(&J) -> R>(shared: &Shared<J, R, F>, slot: usize) {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = shared.jobs.get(index) else {
            return;
        };
        lock(&shared.state).current[slot] = Some((index, Instant::now()));
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (shared.work)(job))).ok();
        let mut state = lock(&shared.state);
        if state.given_up[index] {
            return;
        }
        state.current[slot] = None;
        state.results[index] = result;
        state.over += 1;
        if state.over == shared.jobs.len() {
            shared.changed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_job_is_done_in_its_place() {
        let done = run(
            (0..500).collect(),
            4,
            Duration::from_secs(60),
            Duration::from_secs(60),
            |n: &u64| n * 2,
        );
        assert!(
            done.results
                .iter()
                .enumerate()
                .all(|(n, result)| *result == Some(n as u64 * 2))
        );
        assert!(
            run(
                vec![],
                4,
                Duration::from_secs(1),
                Duration::from_secs(1),
                |n: &u64| *n
            )
            .results
            .is_empty()
        );
    }

    #[test]
    fn who_does_not_come_back_costs_only_itself() {
        let begun = Instant::now();
        let work = |n: &u64| {
            if *n < 3 {
                std::thread::sleep(Duration::from_secs(600));
            }
            *n
        };
        let done = run(
            (0..50).collect(),
            2,
            Duration::from_millis(100),
            Duration::from_secs(60),
            work,
        );
        let missing = done
            .results
            .iter()
            .filter(|result| result.is_none())
            .count();
        assert_eq!(missing, 3);
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the sleeping threads were waited for"
        );
    }

    #[test]
    fn a_panic_costs_only_its_job() {
        let work = |n: &u64| {
            assert!(*n != 7, "on purpose");
            *n
        };
        let done = run(
            (0..20).collect(),
            2,
            Duration::from_secs(60),
            Duration::from_secs(60),
            work,
        );
        assert_eq!(
            done.results
                .iter()
                .filter(|result| result.is_none())
                .count(),
            1
        );
    }

    #[test]
    fn the_whole_has_an_end_too() {
        let work = |_: &u64| std::thread::sleep(Duration::from_millis(200));
        let done = run(
            (0..1000).collect(),
            1,
            Duration::from_secs(60),
            Duration::from_millis(300),
            work,
        );
        assert!(done.results.iter().any(Option::is_none));
    }
}
