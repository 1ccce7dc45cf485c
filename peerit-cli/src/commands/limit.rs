//! `peerit limit`: how fast the daemon, or one share, sends and receives.

use peerit_core::node::RateLimits;

use crate::args::Limit;
use crate::env::Env;
use crate::error::CliError;
use crate::find::find;
use crate::{amount, daemon, json};

pub(crate) async fn run(args: &Limit, env: &mut Env) -> Result<(), CliError> {
    let mut client = daemon::connect(env).await?;
    let status = client.status(None).await?;
    let share = args.id.as_deref().map(|id| find(&status.shares, id)).transpose()?;
    let now = share.map_or(status.limits, |share| share.limits);
    let limits = RateLimits {
        up: args.up.unwrap_or(now.up),
        down: args.down.unwrap_or(now.down),
        background: args.background.unwrap_or(now.background),
    };
    if limits != now {
        client.limit(share.map(|share| share.content_id), limits).await?;
    }
    if args.json {
        return json::print(env, &json::Limits::of(limits), false);
    }
    env.print(&line(limits))
}

/// For people.
pub(crate) fn line(limits: RateLimits) -> String {
    let background = if limits.background { ", in the background" } else { "" };
    format!("up {}, down {}{background}", amount::limit(limits.up), amount::limit(limits.down))
}
