//! What a share's handles see of its trackers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;

use super::announcer::Found;
use super::context::Context;
use super::input::Input;
use super::share::Share;
use crate::runtime::timeout;

/// Time until the first look: a tracker near by has answered. It is doubled for each one more, up to
/// [`STATUS_INTERVAL`], so that whoever waits for a first answer sees it soon.
const STATUS_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Most time between two looks while something may change.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// Time between two looks while all answer as they did before: a daemon may have hundreds of shares.
const STATUS_INTERVAL_IDLE: Duration = Duration::from_secs(30);

/// Hands what trackers answer to the share, until its topic is left.
pub(super) async fn follow(context: Arc<Context>, share: Share, found: Receiver<Vec<Found>>) {
    let mut interval = STATUS_INTERVAL_MIN;
    loop {
        match timeout(&*context.runtime, interval, found.recv()).await {
            Ok(Ok(peers)) => {
                if share.inputs().send(Input::Found(peers)).await.is_err() {
                    return;
                }
            }
            Ok(Err(_)) => return,
            // Nothing new: but a tracker may have stopped to answer.
            Err(_) => {}
        }
        interval = show(&context, &share, interval).await;
    }
}

/// Shows how trackers answer, while somebody else takes the peers that they know.
pub(super) async fn watch(context: &Context, share: &Share) -> Infallible {
    let mut interval = STATUS_INTERVAL_MIN;
    loop {
        context.runtime.sleep(interval).await;
        interval = show(context, share, interval).await;
    }
}

/// Tells when to look again.
async fn show(context: &Context, share: &Share, last: Duration) -> Duration {
    let trackers = context.announcer.status(share.content_id().topic()).await;
    let is_calm = trackers.iter().all(|tracker| tracker.reachable);
    let is_same = share.status().trackers == trackers;
    if !is_same {
        share.update(|status| status.trackers = trackers);
    }
    match is_calm && is_same {
        true => STATUS_INTERVAL_IDLE,
        false => (last * 2).min(STATUS_INTERVAL),
    }
}
