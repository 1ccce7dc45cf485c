//! The command line. Nothing else knows which library reads it.

use std::path::PathBuf;
use std::str::FromStr;

use structopt::StructOpt;
use structopt::clap::AppSettings;

/// Simulates a swarm on virtual time: real state machines on modelled links.
///
/// Says how long the last leech took, beside the least time any schedule would need. The same options give the same
/// run. Exit codes: 0 done, 1 a promise was broken, 2 usage or environment.
#[derive(Clone, Debug, StructOpt)]
#[structopt(name = "swarm_sim", no_version, setting = AppSettings::ColorNever, setting = AppSettings::DisableVersion, setting = AppSettings::DeriveDisplayOrder, setting = AppSettings::UnifiedHelpMessage)]
pub(crate) struct Options {
    /// Leeches
    #[structopt(long, value_name = "COUNT", default_value = "100", parse(try_from_str = at_least_one))]
    pub(crate) peers: usize,
    /// Seeds
    #[structopt(long, value_name = "COUNT", default_value = "1", parse(try_from_str = at_least_one))]
    pub(crate) seeds: usize,
    /// Content
    #[structopt(long, value_name = "MIB", default_value = "64", parse(try_from_str = at_least_one))]
    pub(crate) mib: usize,
    /// Length of a chunk, a power of two from 64 to 16384 [default: as for a share of that length]
    #[structopt(long, value_name = "KIB", parse(try_from_str = at_least_one))]
    pub(crate) chunk_kib: Option<u32>,
    /// Uplink of each seed, Mbit/s
    #[structopt(long, value_name = "MBIT", default_value = "20", parse(try_from_str = rate))]
    pub(crate) seed_up: f64,
    /// Uplink of a leech, Mbit/s; of a list each leech draws one
    #[structopt(long, value_name = "MBIT,..", default_value = "20", require_delimiter = true, parse(try_from_str = rate))]
    pub(crate) up: Vec<f64>,
    /// Downlink of each peer, Mbit/s
    #[structopt(long, value_name = "MBIT", default_value = "100", parse(try_from_str = rate))]
    pub(crate) down: f64,
    /// Between two peers, one way
    #[structopt(long, value_name = "MS", default_value = "20")]
    pub(crate) latency_ms: u32,
    /// Added to the latency, at random up to this
    #[structopt(long, value_name = "MS", default_value = "0")]
    pub(crate) jitter_ms: u32,
    /// Packets lost between two peers, in percent
    #[structopt(long, value_name = "PERCENT", default_value = "0", parse(try_from_str = loss))]
    pub(crate) loss: f64,
    /// Leeches join at random moments of this time, and not all at once
    #[structopt(long, value_name = "SECONDS", default_value = "0")]
    pub(crate) join_over: u32,
    /// Leeches that go before their time: each gives a random part of the content's length, then it leaves or crashes
    #[structopt(long, value_name = "PERCENT", default_value = "0", parse(try_from_str = percent))]
    pub(crate) leave: f64,
    /// Leeches that send corrupt blocks
    #[structopt(long, value_name = "PERCENT", default_value = "0", parse(try_from_str = percent))]
    pub(crate) liars: f64,
    /// Which of a liar's blocks are corrupt
    #[structopt(long, value_name = "NTH", default_value = "7", parse(try_from_str = at_least_one))]
    pub(crate) lie_every: u32,
    /// Leeches that take and never give
    #[structopt(long, value_name = "COUNT", default_value = "0")]
    pub(crate) free_riders: usize,
    /// Each seed leaves when it has given this many times the content
    #[structopt(long, value_name = "COPIES", parse(try_from_str = rate))]
    pub(crate) seed_leaves: Option<f64>,
    /// Leeches that cannot be dialled
    #[structopt(long, value_name = "PERCENT", default_value = "0", parse(try_from_str = percent))]
    pub(crate) natted: f64,
    /// What all randomness comes from
    #[structopt(long, value_name = "NUMBER", default_value = "0")]
    pub(crate) random_seed: u64,
    /// How many runs, with one random seed after the other
    #[structopt(long, value_name = "COUNT", default_value = "1", parse(try_from_str = at_least_one))]
    pub(crate) runs: u64,
    /// Draws the first run, as SVG
    #[structopt(long, value_name = "FILE.svg", parse(from_os_str))]
    pub(crate) plot: Option<PathBuf>,
    /// Prints JSON
    #[structopt(long)]
    pub(crate) json: bool,
}

impl Options {
    /// Of this process; help and errors of usage end it (0 and 2).
    pub(crate) fn of_process() -> Self {
        Self::from_clap(&Self::clap().get_matches_safe().unwrap_or_else(|stop| {
            if !stop.use_stderr() {
                stop.exit();
            }
            eprintln!("{}", stop.message);
            std::process::exit(2);
        }))
    }
}

/// An option's text that is out of its range.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct OptionError(&'static str);

fn at_least_one<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, OptionError> {
    let number = text.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or(OptionError("must be a whole number of at least 1"))
}

fn rate(text: &str) -> Result<f64, OptionError> {
    let number = text.parse().ok().filter(|number| (0.001..=1e6).contains(number));
    number.ok_or(OptionError("must be a number from 0.001 to 1000000"))
}

fn percent(text: &str) -> Result<f64, OptionError> {
    let number = text.parse().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or(OptionError("must be a number from 0 to 100"))
}

fn loss(text: &str) -> Result<f64, OptionError> {
    let number = text.parse().ok().filter(|number| (0.0..=50.0).contains(number));
    number.ok_or(OptionError("must be a number from 0 to 50"))
}

/// The command that repeats the run with this random seed, whatever else `arguments` asked for.
pub(crate) fn command(arguments: impl Iterator<Item = String>, random_seed: u64) -> String {
    let mut command =
        "cargo run --release -p peerit-core --features sim --example swarm_sim --".to_owned();
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let name = argument.split('=').next().unwrap_or(&argument);
        match ["--random-seed", "--runs", "--plot"].contains(&name) {
            false => command.extend([" ", &argument]),
            // Its value goes with it.
            true if name == argument => drop(arguments.next()),
            true => {}
        }
    }
    format!("{command} --random-seed {random_seed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_repeats_one_run_of_many() {
        let given = "--peers 9 --random-seed=4 --runs 3 --up 1,5 --plot x.svg --json";
        let repeated = command(given.split(' ').map(str::to_owned), 6);
        let (_, arguments) = repeated.split_once(" -- ").unwrap();
        assert_eq!(arguments, "--peers 9 --up 1,5 --json --random-seed 6");
    }

    #[test]
    fn numbers_out_of_their_range_are_refused() {
        let read = |given: &str| Options::from_iter_safe(given.split(' '));
        let options = read("swarm_sim --up 1,5.5 --loss 0.1 --lie-every 3").unwrap();
        assert_eq!((options.up, options.loss, options.lie_every), (vec![1.0, 5.5], 0.1, 3));
        for wrong in [
            "--peers 0",
            "--mib -1",
            "--up 0",
            "--up 1,NaN",
            "--leave 101",
            "--loss 51",
            "--runs 0",
        ] {
            assert!(read(&format!("swarm_sim {wrong}")).is_err(), "{wrong}");
        }
    }
}
