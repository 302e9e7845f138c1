//! Progress of long work: a bar where a person watches, a plain line every few seconds where not.

use crate::console::Console;
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Seconds between plain lines.
const EVERY: Duration = Duration::from_secs(5);

/// The bar on the screen, which a line from elsewhere must not tear.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// A line that stays, above the bar if one is shown.
pub(crate) fn say_above(console: Console, line: &str) {
    let bar = SHOWN.lock().ok().and_then(|bar| bar.clone());
    match bar {
        Some(bar) => bar.suspend(|| console.say(line)),
        None => console.say(line),
    }
}

fn show(bar: Option<ProgressBar>) {
    if let Ok(mut shown) = SHOWN.lock() {
        *shown = bar;
    }
}

/// How far some work is.
pub(crate) struct Progress {
    console: Console,
    bar: Option<ProgressBar>,
    spoke: Instant,
}

impl Progress {
    /// Work of `total` parts.
    pub(crate) fn new(console: Console, total: u64) -> Self {
        let bar = console.watched().then(|| {
            let style = ProgressStyle::with_template("{bar:30.cyan/white.dim} {pos}/{len}  {msg}");
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        show(bar.clone());
        Self {
            console,
            bar,
            spoke: Instant::now(),
        }
    }

    /// `done` of `total` parts are done.
    pub(crate) fn update(&mut self, done: u64, total: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message());
        } else if self.spoke.elapsed() >= EVERY {
            self.spoke = Instant::now();
            self.console.say(format!("{done}/{total}  {}", message()));
        }
    }

    /// A line that stays, above the bar.
    pub(crate) fn say(&self, line: String) {
        say_above(self.console, &line);
    }

    /// The work is over.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            show(None);
            bar.finish_and_clear();
        }
    }
}

/// A duration as people read it: `42 s`, `3 min 05 s`, `2 h 07 min`.
pub(crate) fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units_at_most() {
        let cases = [(7, "7 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")];
        for (seconds, expected) in cases {
            assert_eq!(readable(Duration::from_secs(seconds)), expected);
        }
    }
}
