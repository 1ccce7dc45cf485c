//! One file for each command.

mod alone;
mod control;
mod create;
mod daemon;
mod demo;
mod doctor;
mod download;
mod limit;
mod share;
mod show;
mod status;
mod verify;

use futures_lite::future::block_on;

use crate::args::Command;
use crate::env::Env;
use crate::error::CliError;
use control::Order;

/// Does what the user wants.
pub(crate) fn run(command: Command, env: &mut Env) -> Result<(), CliError> {
    match command {
        Command::Create(args) => create::run(&args, env),
        Command::Share(args) => block_on(share::run(&args, env)),
        Command::Download(args) => block_on(download::run(&args, env)),
        Command::Show(args) => show::run(&args, env),
        Command::Verify(args) => verify::run(&args, env),
        Command::Status(args) => block_on(status::run(&args, env)),
        Command::Pause(args) => block_on(control::run(&args, Order::Pause, env)),
        Command::Resume(args) => block_on(control::run(&args, Order::Resume, env)),
        Command::Remove(args) => block_on(control::run(&args, Order::Remove, env)),
        Command::Limit(args) => block_on(limit::run(&args, env)),
        Command::Daemon(args) => block_on(daemon::run(&args, env)),
        Command::Doctor(args) => block_on(doctor::run(&args, env)),
        Command::Demo(args) => block_on(demo::run(&args, env)),
    }
}
