//! The tracker as a program; see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    match peerit_tracker::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
