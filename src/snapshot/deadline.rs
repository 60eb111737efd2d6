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

/// After so many results whoever takes them is woken.
const BATCH: usize = 32;

/// Workers do not get further ahead of whoever takes the results: those wait in memory.
const AHEAD: usize = 64;

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
    /// Results were taken.
    room: Condvar,
}

struct State<R> {
    /// Results that were not taken yet.
    results: Vec<Option<R>>,
    /// What each worker is at: index of the job and when it began.
    current: Vec<Option<(usize, Instant)>>,
    /// Jobs that are over, with a result or without.
    over: Vec<bool>,
    /// How many of them.
    count_over: usize,
    given_up: Vec<bool>,
    /// Workers that were not given up.
    alive: usize,
    /// How many results were taken.
    taken: usize,
    /// Whoever takes the results does the work too: nobody waits for room.
    unbounded: bool,
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
    let mut results = Vec::with_capacity(jobs.len());
    run_each(jobs, threads, limit, total, work, |result| {
        results.push(result)
    });
    Done { results }
}

/// As [`run`], but hands each result to `take`, in the order of the jobs, while others are still at work: results need
/// not all be there at once.
pub(super) fn run_each<J, R, F>(
    jobs: Vec<J>,
    threads: usize,
    limit: Duration,
    total: Duration,
    work: F,
    mut take: impl FnMut(Option<R>),
) where
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
            over: vec![false; count],
            count_over: 0,
            given_up: vec![false; count],
            alive: 0,
            taken: 0,
            unbounded: false,
        }),
        changed: Condvar::new(),
        room: Condvar::new(),
    });
    let threads = threads.clamp(1, count.max(1));
    for _ in 0..threads {
        spawn_worker(&shared);
    }
    let mut taken = 0;
    let mut state = lock(&shared.state);
    while taken < count && begun.elapsed() < total {
        let ready = state.over[taken..].iter().take_while(|&&over| over).count();
        if ready > 0 {
            let batch: Vec<Option<R>> = state.results[taken..taken + ready]
                .iter_mut()
                .map(Option::take)
                .collect();
            taken += ready;
            state.taken = taken;
            drop(state);
            shared.room.notify_all();
            batch.into_iter().for_each(&mut take);
            state = lock(&shared.state);
            continue;
        }
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
    let rest: Vec<Option<R>> = state.results[taken..]
        .iter_mut()
        .map(Option::take)
        .collect();
    drop(state);
    rest.into_iter().for_each(take);
}

impl<R> State<R> {
    fn is_over(&mut self, job: usize) {
        self.over[job] = true;
        self.count_over += 1;
    }
}

fn give_up_late<R>(state: &mut State<R>, limit: Duration) {
    for slot in 0..state.current.len() {
        if let Some((job, since)) = state.current[slot]
            && since.elapsed() > limit
        {
            state.current[slot] = None;
            state.given_up[job] = true;
            state.is_over(job);
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
        let mut state = lock(&shared.state);
        state.alive -= 1;
        let alone = state.alive == 0;
        drop(state);
        if alone {
            // No thread to be had at all: do the work here, without a deadline, rather than not at all.
            lock(&shared.state).unbounded = true;
            work_on(shared, slot);
        }
    }
}

fn work_on<J, R, F: Fn(&J) -> R>(shared: &Shared<J, R, F>, slot: usize) {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(job) = shared.jobs.get(index) else {
            return;
        };
        let mut state = lock(&shared.state);
        while index >= state.taken + AHEAD && !state.given_up[index] && !state.unbounded {
            let waited = shared.room.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.given_up[index] {
            return;
        }
        state.current[slot] = Some((index, Instant::now()));
        drop(state);
        let result =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (shared.work)(job))).ok();
        let mut state = lock(&shared.state);
        if state.given_up[index] {
            return;
        }
        state.current[slot] = None;
        state.results[index] = result;
        state.is_over(index);
        if state.count_over.is_multiple_of(BATCH) || state.count_over == shared.jobs.len() {
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
    fn results_are_taken_in_order_while_others_are_at_work() {
        let (mut taken, hour) = (Vec::new(), Duration::from_secs(3600));
        let alive = Arc::new(AtomicUsize::new(0));
        let (made, most) = (Arc::clone(&alive), Arc::new(AtomicUsize::new(0)));
        let take = |result: Option<(u64, Arc<AtomicUsize>)>| {
            let (n, alive) = result.unwrap();
            most.fetch_max(alive.fetch_sub(1, Ordering::Relaxed), Ordering::Relaxed);
            taken.push(n);
        };
        let work = move |&n: &u64| {
            std::thread::sleep(Duration::from_micros(100));
            made.fetch_add(1, Ordering::Relaxed);
            (n, Arc::clone(&made))
        };
        run_each((0..5000).collect(), 2, hour, hour, work, take);
        assert!(taken.iter().copied().eq(0..5000));
        assert!(
            most.load(Ordering::Relaxed) < 4000,
            "all results were there at once"
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
