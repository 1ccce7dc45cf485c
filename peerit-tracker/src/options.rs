//! The flags.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use peerit_core::node::TrackerServiceConfig;
use peerit_core::tracker::relay::RelayConfig;
use peerit_core::tracker::{INTERVAL_MAX, INTERVAL_MIN, ServerConfig};
use structopt::StructOpt;

use crate::Error;

/// What a [`RelayConfig`] can count in a day.
const DAILY_GIB_MAX: u32 = 4_095;

/// Tells the peers of a swarm about each other.
#[derive(Clone, Debug, PartialEq, Eq, StructOpt)]
#[structopt(name = "peerit-tracker")]
pub struct Options {
    /// Where to listen, UDP and TCP on the same number, and STUN on the next UDP one; port 0: any that is free
    #[structopt(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:59000")]
    pub listen: SocketAddr,

    /// How often peers announce, in seconds, 10 to 3600; they are forgotten after 2.5 times that
    #[structopt(long, value_name = "SECONDS", default_value = "120", parse(try_from_str = interval))]
    pub interval: Duration,

    /// Most peers of all swarms, at up to 1 KiB of memory each
    #[structopt(long, value_name = "COUNT", default_value = "262144")]
    pub max_peers: usize,

    #[structopt(flatten)]
    relay: RelayOptions,
}

// What it gives as a relay. No doc comment: it would replace the program's own in its help.
#[derive(Clone, Debug, PartialEq, Eq, StructOpt)]
struct RelayOptions {
    /// Relays for peers that cannot reach each other: this costs traffic, as the limits below allow
    #[structopt(long = "relay")]
    is_on: bool,

    /// Most relayed sessions at once, at two descriptors and 64 KiB each [default: 256]
    #[structopt(long = "relay-sessions", value_name = "COUNT", requires = "is-on")]
    sessions: Option<u32>,

    /// Most of these with one host [default: 16]
    #[structopt(long = "relay-sessions-per-host", value_name = "COUNT", requires = "is-on")]
    sessions_per_host: Option<u32>,

    /// Most bytes of a session, both ways together, in GiB [default: 4]
    #[structopt(long = "relay-session-gib", value_name = "GIB", requires = "is-on")]
    session_gib: Option<u32>,

    /// Bytes of one host's sessions in a day, in GiB, at most 4095 [default: 8]
    #[structopt(long = "relay-host-gib", value_name = "GIB", requires = "is-on", parse(try_from_str = daily_gib))]
    host_gib: Option<u32>,

    /// Bytes of all sessions in a day, in GiB, at most 4095 [default: 64, which is 2 TiB a month]
    #[structopt(long = "relay-total-gib", value_name = "GIB", requires = "is-on", parse(try_from_str = daily_gib))]
    total_gib: Option<u32>,
}

impl Options {
    /// The options in these arguments, the first of which is the program's name; none if help or
    /// the version was asked for, and printed.
    ///
    /// # Errors
    /// When the arguments are wrong.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, Error> {
        match Self::from_iter_safe(arguments) {
            Ok(options) => Ok(Some(options)),
            Err(error) if error.use_stderr() => {
                let message = error.message.trim_start_matches("error:").trim();
                Err(Error::Usage(message.to_owned()))
            }
            Err(help) => {
                println!("{}", help.message);
                Ok(None)
            }
        }
    }
}

impl From<Options> for TrackerServiceConfig {
    fn from(options: Options) -> Self {
        let server = ServerConfig {
            interval: options.interval,
            peers_max: options.max_peers,
            ..ServerConfig::default()
        };
        let relay = options.relay.is_on.then(|| RelayConfig::from(&options.relay));
        Self { listen: options.listen, server, relay, ..Self::default() }
    }
}

impl From<&RelayOptions> for RelayConfig {
    fn from(options: &RelayOptions) -> Self {
        let default = Self::default();
        let bytes = |gib: Option<u32>, default| gib.map_or(default, |gib| u64::from(gib) << 30);
        Self {
            sessions_max: options.sessions.unwrap_or(default.sessions_max),
            sessions_per_host_max: options
                .sessions_per_host
                .unwrap_or(default.sessions_per_host_max),
            session_bytes_max: bytes(options.session_gib, default.session_bytes_max),
            host_bytes_per_day: bytes(options.host_gib, default.host_bytes_per_day),
            total_bytes_per_day: bytes(options.total_gib, default.total_bytes_per_day),
            ..default
        }
    }
}

fn daily_gib(text: &str) -> Result<u32, String> {
    let gib = text.parse().map_err(|_| "not a whole number of GiB".to_owned())?;
    if (1..=DAILY_GIB_MAX).contains(&gib) {
        Ok(gib)
    } else {
        Err(format!("{gib} is not within 1 and {DAILY_GIB_MAX} GiB"))
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "not a whole number of seconds".to_owned())?;
    let interval = Duration::from_secs(seconds);
    if (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        Ok(interval)
    } else {
        Err(format!("{seconds} is not within 10 and 3600 seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Option<Options>, Error> {
        let arguments = ["peerit-tracker"].iter().chain(arguments);
        Options::parse(arguments.map(OsString::from))
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let options = parse(&[]).unwrap().unwrap();
        assert_eq!(TrackerServiceConfig::from(options), TrackerServiceConfig::default());
    }

    #[test]
    fn flags_reach_the_tracker() {
        let arguments = ["--listen", "[::1]:7", "--interval", "30", "--max-peers", "9"];
        let config = TrackerServiceConfig::from(parse(&arguments).unwrap().unwrap());
        assert_eq!(config.listen, "[::1]:7".parse().unwrap());
        assert_eq!(config.server.interval, Duration::from_secs(30));
        assert_eq!(config.server.peers_max, 9);
    }

    #[test]
    fn it_relays_when_told_to_within_the_limits_given() {
        let config = |arguments: &[&str]| {
            TrackerServiceConfig::from(parse(arguments).unwrap().unwrap()).relay
        };
        assert_eq!(config(&["--interval", "30"]), None);
        assert_eq!(config(&["--relay"]), Some(RelayConfig::default()));
        let line = "--relay --relay-sessions 9 --relay-sessions-per-host 3 --relay-session-gib 1 \
                    --relay-host-gib 2 --relay-total-gib 5";
        let given = RelayConfig {
            sessions_max: 9,
            sessions_per_host_max: 3,
            session_bytes_max: 1 << 30,
            host_bytes_per_day: 2 << 30,
            total_bytes_per_day: 5 << 30,
            ..RelayConfig::default()
        };
        assert_eq!(config(&line.split_whitespace().collect::<Vec<_>>()), Some(given));
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (arguments, named) in [
            (&["--listen", "here"][..], "--listen"),
            (&["--interval", "9"], "10 and 3600"),
            (&["--interval", "3601"], "10 and 3600"),
            (&["--interval", "soon"], "not a whole number"),
            (&["--color"], "--color"),
            (&["--relay-sessions", "9"], "--relay"),
            (&["--relay", "--relay-total-gib", "5000"], "4095"),
            (&["--relay", "--relay-host-gib", "some"], "whole number of GiB"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
            assert!(!error.starts_with("error"), "{error}");
        }
    }
}
