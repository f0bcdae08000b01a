//! The signals that the program handles.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// A second signal within this time of the first counts as the same one: supervisors signal both
/// a process and its group, and people press keys twice.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that ask the program to stop, SIGTERM and SIGINT, and those that would end it if they
/// were not handled.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
    first_at: Option<Instant>,
}

impl Signals {
    /// Installs the handlers; from then on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            first_at: None,
        })
    }

    /// Waits until the program is asked to stop. A further call waits for another request, at least
    /// a second after the first.
    pub async fn asked_to_stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = self.hang_up.recv() => {
                    log::info!("SIGHUP: there is nothing to reload");
                    continue;
                }
                _ = self.user_1.recv() => {
                    log::debug!("SIGUSR1 is ignored");
                    continue;
                }
                _ = self.user_2.recv() => {
                    log::debug!("SIGUSR2 is ignored");
                    continue;
                }
            }
            match self.first_at {
                None => {
                    self.first_at = Some(Instant::now());
                    return;
                }
                Some(first) if first.elapsed() >= SAME_SIGNAL => return,
                Some(_) => {}
            }
        }
    }
}
