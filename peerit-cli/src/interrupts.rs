//! Ctrl-C, and the signals that mean the same.

use std::future::Future;

use async_channel::{Receiver, Sender};
use futures_lite::future;

use crate::error::CliError;

/// Where interrupts come from. Until a command listens, the system ends the process.
pub(crate) enum Interrupts {
    /// SIGINT, SIGTERM and SIGHUP of this process. The second one ends it at once.
    Process,
    /// Those of a test.
    #[cfg(test)]
    Of(Receiver<()>),
}

/// Interrupts that a command takes care of itself.
#[derive(Clone)]
pub(crate) struct Listener(Receiver<()>);

impl Interrupts {
    pub(crate) fn of_process() -> Self {
        Self::Process
    }

    /// From now on the command takes care of interrupts. Once a process.
    pub(crate) fn listen(&self) -> Result<Listener, CliError> {
        match self {
            Self::Process => {
                let (sender, receiver) = async_channel::bounded(1);
                ctrlc::set_handler(move || on_signal(&sender))
                    .map_err(|error| CliError::Usage(format!("signals: {error}")))?;
                Ok(Listener(receiver))
            }
            #[cfg(test)]
            Self::Of(receiver) => Ok(Listener(receiver.clone())),
        }
    }
}

impl Listener {
    /// Resolves at the next interrupt; never, when there cannot be one any more.
    pub(crate) async fn next(&self) {
        if self.0.recv().await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// Awaits `work`; `None` when an interrupt comes first.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let interrupted = async {
            self.next().await;
            None
        };
        future::or(interrupted, async { Some(work.await) }).await
    }
}

fn on_signal(sender: &Sender<()>) {
    if sender.try_send(()).is_err() {
        std::process::exit(130);
    }
}
