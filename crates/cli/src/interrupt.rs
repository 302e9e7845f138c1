//! Signals: Ctrl-C ends what is being written where it stands, and it is kept; SIGUSR1 asks for a checkpoint.

use crate::error::CliError;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The signals that ask a command to stop.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Whether a checkpoint was asked for, by SIGUSR1, where there is such a signal.
pub(crate) struct SaveRequest(Arc<AtomicBool>);

impl SaveRequest {
    /// From here on the signal is noted.
    pub(crate) fn catch() -> Result<Self, CliError> {
        let asked = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&asked))
            .map_err(CliError::Signals)?;
        Ok(Self(asked))
    }

    /// Whether it was asked for since this was last called.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Whether the command was asked to stop.
pub(crate) struct Interrupt {
    /// The number of the signal, or 0.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// From here on the first signal is noted, and a second one ends the program at once.
    pub(crate) fn catch() -> Result<Self, CliError> {
        let signal = Arc::new(AtomicUsize::new(0));
        let is_second = Arc::new(AtomicBool::new(false));
        for number in SIGNALS {
            // In this order: the first signal finds the switch still off.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&is_second))
                .and_then(|_| flag::register(number, Arc::clone(&is_second)))
                .and_then(|_| {
                    flag::register_usize(
                        number,
                        Arc::clone(&signal),
                        number.unsigned_abs() as usize,
                    )
                })
                .map_err(CliError::Signals)?;
        }
        Ok(Self { signal })
    }

    fn signal(&self) -> usize {
        self.signal.load(Ordering::Relaxed)
    }

    /// Whether to go on.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        match self.signal() {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// The error that ends a command that was asked to stop, once what there is has been written.
    pub(crate) fn check(&self) -> Result<(), CliError> {
        match self.signal() {
            0 => Ok(()),
            signal => Err(CliError::Stopped {
                code: 128 + signal as u8,
            }),
        }
    }
}
