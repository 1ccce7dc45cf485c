//! `peerit pause`, `resume` and `remove`.

use crate::args::Id;
use crate::daemon;
use crate::env::Env;
use crate::error::CliError;
use crate::find::{find, short_id};
use crate::progress::shorten;

/// What to do to a share.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Pause,
    Resume,
    Remove,
}

pub(crate) async fn run(args: &Id, order: Order, env: &mut Env) -> Result<(), CliError> {
    let mut client = daemon::connect(env).await?;
    let shares = client.status(None).await?.shares;
    let share = find(&shares, &args.id)?;
    let id = share.content_id;
    let done = match order {
        Order::Pause => {
            client.pause(id).await?;
            "paused"
        }
        Order::Resume => {
            client.resume(id).await?;
            "resumed"
        }
        Order::Remove => {
            client.remove(id).await?;
            "removed (its files stay)"
        }
    };
    env.print(&format!("{} {}: {done}", short_id(id), shorten(&share.name, usize::MAX)))
}
