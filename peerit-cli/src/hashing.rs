//! Long work on another thread, with its progress on the terminal.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::amount::mean_rate;
use crate::env::Env;
use crate::error::CliError;
use crate::progress::{Display, Line};

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// Bytes done and bytes in all, told from any thread.
#[derive(Default)]
pub(crate) struct Count {
    done: AtomicU64,
    total: AtomicU64,
    ended: AtomicBool,
}

impl Count {
    pub(crate) fn tell(&self, done: u64, total: u64) {
        // Workers report in any order.
        self.done.fetch_max(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }
}

/// Draws the progress of work that others report.
pub(crate) struct Meter<'a> {
    display: Display,
    started: Instant,
    name: &'a str,
    note: &'a str,
}

impl<'a> Meter<'a> {
    pub(crate) fn start(env: &Env, name: &'a str, note: &'a str) -> Self {
        Self { display: Display::new(env.columns), started: Instant::now(), name, note }
    }

    pub(crate) fn draw(&mut self, env: &mut Env, done: u64, total: u64) {
        let rate = Some(mean_rate(done, self.started.elapsed()));
        let (note, below) = (self.note.to_owned(), Vec::new());
        let line = Line { name: self.name, done, total, rate, note, below };
        self.display.draw_progress(&mut env.err, &[line]);
    }

    pub(crate) fn end(mut self, env: &mut Env) {
        self.display.clear(&mut env.err);
    }
}

/// Runs `work` and draws what it tells.
pub(crate) fn run<T: Send>(
    env: &mut Env,
    name: &str,
    note: &str,
    work: impl FnOnce(&Count) -> T + Send,
) -> Result<T, CliError> {
    let count = Count::default();
    let mut meter = Meter::start(env, name, note);
    let result = thread::scope(|scope| {
        let drawer = thread::current();
        let worker = scope.spawn(|| {
            let _wake = WakeAtEnd { count: &count, drawer };
            work(&count)
        });
        while !count.ended.load(Ordering::Acquire) {
            thread::park_timeout(INTERVAL);
            let (done, total) = (&count.done, &count.total);
            meter.draw(env, done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        }
        worker.join()
    });
    meter.end(env);
    result.map_err(|_| CliError::Usage("a worker panicked: this is a fault of peerit".to_owned()))
}

/// Ends the drawing with the work, also when that panics.
struct WakeAtEnd<'a> {
    count: &'a Count,
    drawer: thread::Thread,
}

impl Drop for WakeAtEnd<'_> {
    fn drop(&mut self) {
        self.count.ended.store(true, Ordering::Release);
        self.drawer.unpark();
    }
}
