//! A download, watched to its end.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_lite::{Stream, StreamExt};
use peerit_core::node::{ShareState, ShareStatus};

use crate::env::Env;
use crate::error::CliError;
use crate::interrupts::Listener;
use crate::json;
use crate::progress::{Display, Line, shorten};
use crate::waiting::Patience;

/// Time between two lines of JSON.
const JSON_INTERVAL: Duration = Duration::from_secs(1);

/// The state of one share, again and again.
pub(crate) type Statuses<'a> =
    Pin<Box<dyn Stream<Item = Result<ShareStatus, CliError>> + Send + 'a>>;

/// Draws or prints until every chunk is verified; `after_interrupt` tells what happens after Ctrl-C.
pub(crate) async fn to_the_end(
    env: &mut Env,
    mut statuses: Statuses<'_>,
    interrupts: &Listener,
    json: bool,
    after_interrupt: &'static str,
) -> Result<ShareStatus, CliError> {
    let mut display = Display::new(env.columns.filter(|_| !json));
    let mut printed: Option<Instant> = None;
    let mut patience = Patience::default();
    let result = loop {
        match interrupts.or(statuses.next()).await {
            None => break Err(CliError::Interrupted(after_interrupt)),
            Some(None) => break Err(removed()),
            Some(Some(Err(error))) => break Err(error),
            Some(Some(Ok(status))) if status.complete => break Ok(status),
            Some(Some(Ok(status))) if status.state == ShareState::Failed => {
                break Err(failed(&status));
            }
            Some(Some(Ok(status))) => {
                let now = Instant::now();
                let below = patience.reasons(now, &status);
                if env.columns.is_none()
                    && !json
                    && let Some(news) = patience.news(now, &below)
                {
                    env.note(&format!("waiting: {}", shorten(&news, usize::MAX)));
                }
                display.draw_progress(&mut env.err, &[Line { below, ..Line::of(&status) }]);
                if json && printed.is_none_or(|at| at.elapsed() >= JSON_INTERVAL) {
                    json::print(env, &json::Share::of(&status), true)?;
                    printed = Some(Instant::now());
                }
            }
        }
    };
    display.clear(&mut env.err);
    result
}

fn removed() -> CliError {
    CliError::Incomplete("the share was removed before it was complete".to_owned())
}

fn failed(status: &ShareStatus) -> CliError {
    let (done, total) = (status.verified, status.total);
    CliError::Incomplete(format!(
        "{} ({done} of {total} bytes are verified and stay: the same command goes on from there)",
        status.reason
    ))
}
