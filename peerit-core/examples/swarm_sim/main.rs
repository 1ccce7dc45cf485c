//! Simulates a swarm and says how near it comes to the least time any schedule could need:
//!
//! ```sh
//! cargo run --release -p peerit-core --features sim --example swarm_sim -- --peers 1000 --seed-up 20 --up 20 --down 100 --mib 256
//! ```
//!
//! The other options: `-- --help`.

mod memory;
mod options;
mod plot;
mod print;
mod scenario;
mod summary;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use peerit_core::sim::{Report, SimError, Simulation};

use memory::Meter;
use options::Options;
use scenario::scenario;
use summary::{Run, Summary};

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{error}\nrepeat it with: {command}")]
    Broken { error: SimError, command: String },
    #[error("cannot write {what}: {error}")]
    Output { what: String, error: Box<dyn Error> },
}

fn main() -> ExitCode {
    let options = Options::of_process();
    match simulate(&options).and_then(|summary| say(&summary, &options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("swarm_sim: {failure}");
            ExitCode::from(if let Failure::Broken { .. } = failure { 1 } else { 2 })
        }
    }
}

fn simulate(options: &Options) -> Result<Summary, Failure> {
    let meter = Meter::new();
    let mut runs = Vec::new();
    for number in 0..options.runs {
        let random_seed = options.random_seed.wrapping_add(number);
        let start = Instant::now();
        let report = simulate_once(options, random_seed)?;
        let wall = start.elapsed();
        runs.push(Run::new(&report, wall, meter.most()));
        if let Some(file) = options.plot.as_ref().filter(|_| number == 0) {
            let drawn = plot::svg(&report).and_then(|svg| Ok(std::fs::write(file, svg)?));
            drawn.map_err(|error| Failure::Output { what: file.display().to_string(), error })?;
        }
    }
    Ok(Summary::new(runs))
}

fn simulate_once(options: &Options, random_seed: u64) -> Result<Report, Failure> {
    let simulation = Simulation::new(scenario(options, random_seed));
    simulation.and_then(Simulation::run).map_err(|error| {
        let arguments = std::env::args_os().skip(1);
        let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
        Failure::Broken { error, command: options::command(arguments, random_seed) }
    })
}

fn say(summary: &Summary, options: &Options) -> Result<(), Failure> {
    let text = match options.json {
        true => serde_json::to_string_pretty(summary).map_err(Into::into),
        false => Ok(print::text(summary)),
    };
    let said = text.and_then(|text| Ok(writeln!(std::io::stdout(), "{text}")?));
    said.map_err(|error| Failure::Output { what: "the figures".to_owned(), error })
}
