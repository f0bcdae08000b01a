//! The signals that the program handles.

use std::fs;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// A second signal within this time of the first counts as the same one: supervisors signal both
/// a process and its group, and people press keys twice.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// The signals that ask the program to stop, SIGTERM and SIGINT, and those that would end it if they
/// were not handled. SIGHUP and SIGQUIT ask a program to stop that ends with its terminal.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    is_hang_up_to_stop: bool,
    /// Tells those who wait that there was a SIGHUP.
    reload: watch::Sender<()>,
    quit: Option<Signal>,
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
            is_hang_up_to_stop: false,
            reload: watch::Sender::new(()),
            quit: None,
            user_1: signal(SignalKind::user_defined1())?,
            user_2: signal(SignalKind::user_defined2())?,
            first_at: None,
        })
    }

    /// The same for a program that ends with its terminal, unless `nohup` started it.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn listen_in_terminal() -> io::Result<Self> {
        let is_hang_up_to_stop = !is_hang_up_ignored();
        let quit = Some(signal(SignalKind::quit())?);
        Ok(Self { is_hang_up_to_stop, quit, ..Self::listen()? })
    }

    /// Returns a receiver that hears of each SIGHUP, unless that asks the program to stop.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<()> {
        self.reload.subscribe()
    }

    /// Waits until the program is asked to stop. A further call waits for another request, at least
    /// a second after the first.
    pub async fn asked_to_stop(&mut self) {
        loop {
            let quit = async {
                match &mut self.quit {
                    Some(quit) => quit.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
                _ = quit => {}
                _ = self.hang_up.recv() => {
                    if !self.is_hang_up_to_stop {
                        if self.reload.receiver_count() == 0 {
                            log::info!("SIGHUP: there is nothing to reload");
                        } else {
                            log::info!("SIGHUP: reloading");
                        }
                        self.reload.send_replace(());
                        continue;
                    }
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

/// Whether SIGHUP is ignored while there is no handler of it, as `nohup` arranges.
/// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>
fn is_hang_up_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // Its number is 1, and the bits begin with that of signal 1.
    mask.is_some_and(|mask| mask & 1 != 0)
}
