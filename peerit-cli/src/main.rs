//! `peerit`: share and download files and folders between peers.

mod amount;
mod args;
mod commands;
mod daemon;
mod env;
mod error;
mod find;
mod follow;
mod hashing;
mod interrupts;
mod json;
mod log_file;
mod p2p;
mod progress;
mod target;
#[cfg(test)]
mod tests;
mod waiting;

use std::process::ExitCode;

use env::Env;

fn main() -> ExitCode {
    let mut env = Env::of_process();
    ExitCode::from(run(&mut env))
}

/// Runs one command and says what went wrong, if anything did. The exit code: 0 done, 1 content
/// incomplete or not verified, 2 usage or environment, 130 interrupted.
fn run(env: &mut Env) -> u8 {
    let result = match args::parse(&env.args) {
        Ok(command) => commands::run(command, env),
        Err(stop) => return say_usage(&stop, env),
    };
    match result {
        Ok(()) => 0,
        Err(error) if error.is_broken_pipe() => 0,
        Err(error) => {
            // When not even this can be written, the exit code is all there is.
            let _ = writeln!(env.err, "peerit: {error}");
            error.exit_code()
        }
    }
}

/// Help was asked for, or is needed.
fn say_usage(stop: &args::Stop, env: &mut Env) -> u8 {
    let (stream, code) = match stop.is_asked_for {
        true => (&mut env.out, 0),
        false => (&mut env.err, 2),
    };
    let _ = writeln!(stream, "{}", stop.text);
    code
}
