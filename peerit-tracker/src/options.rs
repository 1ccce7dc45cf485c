//! The flags.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use peerit_core::node::TrackerServiceConfig;
use peerit_core::tracker::{INTERVAL_MAX, INTERVAL_MIN, ServerConfig};
use structopt::StructOpt;

use crate::Error;

/// Tells the peers of a swarm about each other.
#[derive(Clone, Debug, PartialEq, Eq, StructOpt)]
#[structopt(name = "peerit-tracker")]
pub struct Options {
    /// Where to listen, UDP and TCP on the same number; port 0: any that is free
    #[structopt(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:59000")]
    pub listen: SocketAddr,

    /// How often peers announce, in seconds, 10 to 3600; they are forgotten after 2.5 times that
    #[structopt(long, value_name = "SECONDS", default_value = "120", parse(try_from_str = interval))]
    pub interval: Duration,

    /// Most peers of all swarms, at up to 1 KiB of memory each
    #[structopt(long, value_name = "COUNT", default_value = "262144")]
    pub max_peers: usize,
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
        Self { listen: options.listen, server, ..Self::default() }
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
    fn wrong_arguments_are_named() {
        for (arguments, named) in [
            (&["--listen", "here"][..], "--listen"),
            (&["--interval", "9"], "10 and 3600"),
            (&["--interval", "3601"], "10 and 3600"),
            (&["--interval", "soon"], "not a whole number"),
            (&["--color"], "--color"),
        ] {
            let error = parse(arguments).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
            assert!(!error.starts_with("error"), "{error}");
        }
    }
}
