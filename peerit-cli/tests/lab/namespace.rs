//! Network namespaces, and commands in them.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Time between two looks whether killed processes are gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A network namespace. When dropped, all processes in it are killed, and it is removed with its devices.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with a loopback device.
    pub(crate) fn new(name: &str) -> Self {
        Self::try_new(name).unwrap()
    }

    pub(crate) fn try_new(name: &str) -> Result<Self, String> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        let namespace = Self::of_name(name.to_owned());
        // Nobody else has its IPv6 addresses: looking for such takes a second, in which they are of no use. Where
        // there is no IPv6, there is nothing to switch off.
        let switch = "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad";
        let _no_ipv6 = run(namespace.command("sh").args(["-c", switch]));
        namespace.try_ip("link set lo up")?;
        Ok(namespace)
    }

    /// One that is there already.
    pub(crate) fn of_name(name: String) -> Self {
        Self { name }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs an `ip` command in it, given without the `ip`.
    pub(crate) fn ip(&self, line: &str) {
        self.try_ip(line).unwrap();
    }

    pub(crate) fn try_ip(&self, line: &str) -> Result<(), String> {
        run(Command::new("ip").args(["-n", &self.name]).args(line.split(' '))).map(drop)
    }

    /// Runs another program in it.
    pub(crate) fn exec(&self, line: &str) {
        self.try_exec(line).unwrap();
    }

    pub(crate) fn try_exec(&self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        run(self.command(words.next().unwrap_or_default()).args(words)).map(drop)
    }

    /// Adds nftables rules in it, in the words of `nft`.
    pub(crate) fn nft(&self, rules: &str) {
        self.try_nft(rules).unwrap();
    }

    pub(crate) fn try_nft(&self, rules: &str) -> Result<(), String> {
        run(self.command("nft").arg(rules)).map(drop)
    }

    /// Makes a router of it.
    pub(crate) fn forward(&self) {
        for family in ["ipv4", "ipv6"] {
            let name = if family == "ipv4" { "ip_forward" } else { "conf/all/forwarding" };
            self.set(&format!("net/{family}/{name}"), 1);
        }
    }

    /// Sets what is below `/proc/sys`.
    pub(crate) fn set(&self, name: &str, value: u32) {
        let script = format!("echo {value} > /proc/sys/{name}");
        run(self.command("sh").args(["-c", &script])).unwrap();
    }

    /// A command in it, to which arguments can be added.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        // `ip` turns into the program, so that there is one process to wait for.
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        // Ctrl-C is for us alone: we end the others.
        command.process_group(0);
        command
    }

    /// The processes in it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let pids = run(Command::new("ip").args(["netns", "pids", &self.name])).unwrap_or_default();
        pids.lines().filter_map(|pid| Pid::from_raw(pid.trim().parse().ok()?)).collect()
    }
}

/// Moves this thread into the namespace of this name, and no other thread.
pub(crate) fn enter(name: &str) {
    let file = File::open(format!("/run/netns/{name}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Again and again: one that starts another may have been faster.
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            for process in processes {
                let _ = kill_process(process, Signal::KILL);
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let _ = run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// All named namespaces of the machine.
pub(crate) fn names() -> Vec<String> {
    let listed = run(Command::new("ip").args(["netns", "list"])).unwrap_or_default();
    listed.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

/// What a command prints; else what it complains about.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    said(command.stdin(Stdio::null()).process_group(0).output())
        .map_err(|error| format!("{}: {error}", line(command)))
}

/// What a command that has ended printed.
pub(crate) fn said(output: io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!(
            "{}, {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")
        )),
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
