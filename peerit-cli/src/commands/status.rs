//! `peerit status`: prints what the daemon is doing.

use std::time::Duration;

use futures_lite::StreamExt;
use peerit_core::daemon::DaemonStatus;
use peerit_core::id::ContentId;
use peerit_core::node::{PeerStatus, RateLimits, ShareState, ShareStatus};
use peerit_core::swarm::Path;

use super::limit;
use crate::amount::{counted, percent, rate, size};
use crate::args::Status;
use crate::env::Env;
use crate::error::CliError;
use crate::find::{find, short_id};
use crate::progress::{Display, shorten};
use crate::{daemon, json, waiting};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most columns of a name.
const NAME_COLUMNS: usize = 32;

pub(crate) async fn run(args: &Status, env: &mut Env) -> Result<(), CliError> {
    let mut client = daemon::connect(env).await?;
    let mut wanted: Option<ContentId> = None;
    if let Some(id) = &args.id {
        wanted = Some(find(&client.status(None).await?.shares, id)?.content_id);
    }
    if !args.watch {
        let status = client.status(wanted).await?;
        return print(env, &status, wanted.is_some(), args.json, false);
    }
    let interrupts = env.interrupts.listen()?;
    let mut watch = client.watch(wanted, INTERVAL);
    let mut display = Display::new(env.columns.filter(|_| !args.json));
    loop {
        match interrupts.or(watch.next()).await {
            None => return Err(CliError::Interrupted("")),
            Some(None) => return Ok(()),
            Some(Some(status)) if env.columns.is_some() && !args.json => {
                display.draw(&mut env.err, &lines(&status?, wanted.is_some()));
            }
            Some(Some(status)) => print(env, &status?, wanted.is_some(), args.json, true)?,
        }
    }
}

fn print(
    env: &mut Env,
    status: &DaemonStatus,
    detailed: bool,
    json: bool,
    more_follow: bool,
) -> Result<(), CliError> {
    if json {
        return json::print(env, &json::Status::of(status), more_follow);
    }
    env.print(&lines(status, detailed).join("\n"))
}

/// One line for each share, and for a single one its peers and trackers.
fn lines(status: &DaemonStatus, detailed: bool) -> Vec<String> {
    if status.shares.is_empty() {
        return vec![
            "no shares: begin with `peerit share PATH` or `peerit download FILE.p2p`".to_owned(),
        ];
    }
    let mut lines = vec![format!(
        "{:<12}  {:<17}  {:>4}  {:>8}  {:>10}  {:>10}  {:>5}  NAME",
        "ID", "STATE", "DONE", "SIZE", "DOWN", "UP", "PEERS"
    )];
    for share in &status.shares {
        lines.push(share_line(share));
        // Peers and trackers say the rest where they are listed.
        let reason = if detailed { share.reason.clone() } else { waiting::reason(share) };
        if !reason.is_empty() {
            lines.push(format!("{:<12}  {}", "", shorten(&reason, usize::MAX)));
        }
        if share.state == ShareState::Failed {
            let id = short_id(share.content_id);
            lines.push(format!("{:<12}  `peerit resume {id}` tries again", ""));
        }
        if share.limits != RateLimits::default() {
            lines.push(format!("{:<12}  at most: {}", "", limit::line(share.limits)));
        }
        if detailed {
            lines.push(format!("{:<12}  {}", "", share.path.display()));
            lines.extend(
                share
                    .peers
                    .iter()
                    .flat_map(|peer| [Some(peer_line(peer)), tried_line(peer)])
                    .flatten(),
            );
            lines.extend(tracker_lines(share));
        }
    }
    if status.limits != RateLimits::default() {
        lines.push(format!("all together at most: {}", limit::line(status.limits)));
    }
    lines
}

fn share_line(share: &ShareStatus) -> String {
    let peers = share.peers.iter().filter(|peer| peer.banned.is_none()).count();
    let done = match share.total {
        0 if share.name.is_empty() => 0,
        total => percent(share.verified, total),
    };
    format!(
        "{:<12}  {:<17}  {:>3}%  {:>8}  {:>10}  {:>10}  {:>5}  {}",
        short_id(share.content_id),
        json::state(share.state).replace('_', " "),
        done,
        size(share.total),
        rate(share.download_rate),
        rate(share.upload_rate),
        peers,
        shorten(&share.name, NAME_COLUMNS),
    )
}

fn peer_line(peer: &PeerStatus) -> String {
    let id: String = peer.peer_id.to_string().chars().take(12).collect();
    let path = json::path(peer.path);
    let address = match peer.path {
        Path::Relayed => format!("via {}", peer.address),
        _ => peer.address.to_string(),
    };
    let carrier = peer.carrier.map_or("", json::carrier);
    if let Some(banned) = &peer.banned {
        return format!("  peer {id}  {address}  banned: {banned}");
    }
    let flags = [
        (peer.interesting, "we want"),
        (peer.choking_us, "chokes us"),
        (peer.interested_in_us, "wants"),
        (peer.choked, "choked"),
    ];
    let flags: Vec<_> = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    format!(
        "  peer {id}  {address}  {path} {carrier}  down {} ({})  up {} ({})  {}",
        size(peer.downloaded),
        rate(peer.download_rate),
        size(peer.uploaded),
        rate(peer.upload_rate),
        flags.join(", "),
    )
}

/// Why a peer is reached as it is; nothing where there is no better path.
fn tried_line(peer: &PeerStatus) -> Option<String> {
    let may_be_better = matches!(peer.path, Path::Relayed | Path::Punched);
    let tried = peer.tried.as_ref().filter(|_| may_be_better)?;
    Some(format!("    tried: {tried}"))
}

fn tracker_lines(share: &ShareStatus) -> impl Iterator<Item = String> + '_ {
    share.trackers.iter().map(|tracker| {
        let name = &tracker.tracker;
        match (tracker.problem.as_str(), tracker.reachable) {
            ("", true) => {
                let seeds = counted(tracker.seeds, "seed", "seeds");
                let leeches = counted(tracker.leeches, "leech", "leeches");
                format!("  tracker {name}  {seeds}, {leeches}")
            }
            ("", false) => format!("  tracker {name}  no answer yet"),
            (problem, _) => format!("  tracker {name}  {}", shorten(problem, usize::MAX)),
        }
    })
}

#[cfg(test)]
mod tests {
    use peerit_core::id::PeerId;
    use peerit_core::nat::{Fault, Mapping, Method, Outcome, Report, Trial};
    use peerit_core::tracker::TrackerStatus;

    use super::*;
    use crate::tests::status;

    #[test]
    fn what_failed_says_why_and_what_to_do() {
        let mut share = status();
        share.state = ShareState::Failed;
        share.reason = "big.iso: is not there".to_owned();
        let (shares, limits) = (vec![share], RateLimits::default());
        let status = DaemonStatus { shares, listen_port: 1, peer_id: PeerId([1; 32]), limits };
        let text = lines(&status, false).join("\n");
        let expected = "  big.iso: is not there\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.ends_with("  `peerit resume abababababab` tries again"), "{text}");
    }

    #[test]
    fn status_counts_and_names_relays() {
        let mut share = status();
        share.limits =
            RateLimits { down: std::num::NonZeroU64::new(1 << 10), ..RateLimits::default() };
        share.peers[0].path = Path::Relayed;
        let mut tried = Report { remote_mapping: Mapping::EndpointDependent, ..Report::default() };
        let outcome = Outcome::Failed(Fault::TimedOut);
        tried.trials.push(Trial { method: Method::Punch, target: None, outcome });
        share.peers[0].tried = Some(tried);
        share.trackers = vec![TrackerStatus {
            tracker: "host:1".to_owned(),
            reachable: true,
            problem: String::new(),
            seeds: 1,
            leeches: 2,
        }];
        let status = DaemonStatus {
            shares: vec![share],
            listen_port: 1,
            peer_id: PeerId([1; 32]),
            limits: RateLimits {
                up: std::num::NonZeroU64::new(2 << 20),
                background: true,
                down: None,
            },
        };
        let text = lines(&status, true).join("\n");
        assert!(text.contains("  via 192.0.2.1:7  relayed"), "{text}");
        let why = "\n    tried: hole punch: no answer in time (the peer's NAT is symmetric)\n";
        assert!(text.contains(why), "{text}");
        assert!(text.contains("  at most: up unlimited, down 1.0 KiB/s"), "{text}");
        assert!(text.contains("1 seed, 2 leeches"), "{text}");
        assert!(
            text.ends_with("all together at most: up 2.0 MiB/s, down unlimited, in the background"),
            "{text}"
        );
    }
}
