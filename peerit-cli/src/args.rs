//! The command line. Nothing else knows which library reads it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use peerit_core::hash::HashAlgorithm;
use peerit_core::node::IceLibrary;
use structopt::StructOpt;
use structopt::clap::{AppSettings, ErrorKind};

use crate::amount::{RateLimit, parse_chunk_length, parse_duration, parse_rate};

/// Share and download files and folders between peers.
///
/// So that peers behind other routers reach it, the daemon asks the router of its own network for a port (PCP,
/// NAT-PMP, UPnP), and gives it back when it ends. `peerit daemon --port-mapping off` forbids that for good.
///
/// Exit codes: 0 done, 1 content incomplete or not verified, 2 usage or environment, 130 interrupted.
#[derive(Debug, StructOpt)]
#[structopt(name = "peerit", global_setting = AppSettings::ColorNever, setting = AppSettings::SubcommandRequiredElseHelp, global_setting = AppSettings::VersionlessSubcommands)]
pub(crate) enum Command {
    /// Writes the .p2p file of a file or folder
    Create(Create),
    /// Writes the .p2p file of a file or folder, and seeds it in the background
    Share(Create),
    /// Downloads what a .p2p file or a link describes, and seeds it in the background
    Download(Download),
    /// Prints what a .p2p file describes
    Show(Show),
    /// Checks a file or folder against a .p2p file
    Verify(Verify),
    /// Prints what the daemon is doing
    Status(Status),
    /// Stops the traffic of a share
    Pause(Id),
    /// Starts a paused or failed share again
    Resume(Id),
    /// Forgets a share; its files stay
    Remove(Id),
    /// Prints or changes how fast the daemon sends and receives
    Limit(Limit),
    /// Starts the daemon, in the background unless told otherwise
    Daemon(Daemon),
    /// Says what NAT this machine is behind, and what to do about it
    Doctor(Doctor),
    /// Shows a tracker, a seed and two downloads at work, in a temporary folder
    Demo(Demo),
}

#[derive(Debug, StructOpt)]
pub(crate) struct Create {
    /// The file or folder
    #[structopt(value_name = "PATH", parse(from_os_str))]
    pub(crate) path: PathBuf,
    /// What to write [default: NAME.p2p, here, or beside the folder when here is inside of it]
    #[structopt(short, long, value_name = "FILE.p2p", parse(from_os_str))]
    pub(crate) output: Option<PathBuf>,
    /// A tracker; can be given many times [default for share: the daemon's own]. Those of a .p2p file of the same
    /// content that is replaced are kept after it
    #[structopt(long = "tracker", value_name = "HOST:PORT", number_of_values = 1, parse(try_from_str = host_port))]
    pub(crate) trackers: Vec<String>,
    /// Chunk length, a power of two from 64K to 16M [default: by the content's size]
    #[structopt(long, value_name = "SIZE", parse(try_from_str = parse_chunk_length))]
    pub(crate) chunk_size: Option<u32>,
    /// What chunks are verified with: blake3 or sha1 [default: blake3]
    #[structopt(long, value_name = "HASH")]
    pub(crate) hash: Option<HashAlgorithm>,
    /// Replaces a .p2p file that describes other content, or drops its trackers
    #[structopt(long)]
    pub(crate) force: bool,
    /// Prints JSON
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Download {
    /// A .p2p file (- for standard input), or a link, "peerit:..."
    #[structopt(value_name = "FILE.p2p|LINK", parse(from_os_str))]
    pub(crate) source: PathBuf,
    /// The folder in which to make the file or folder [default: here]
    #[structopt(short, long, value_name = "DIR", parse(from_os_str))]
    pub(crate) dir: Option<PathBuf>,
    /// A peer to ask besides those of the trackers; can be given many times
    #[structopt(long = "peer", value_name = "HOST:PORT", number_of_values = 1, parse(try_from_str = host_port))]
    pub(crate) peers: Vec<String>,
    /// Replaces files that are there but are not part of the content
    #[structopt(long)]
    pub(crate) overwrite: bool,
    /// Downloads in this process and ends with it
    #[structopt(long)]
    pub(crate) no_daemon: bool,
    /// With --no-daemon: how long to seed after the download, as in 30s or 10m
    #[structopt(long, value_name = "DURATION", parse(try_from_str = parse_duration))]
    pub(crate) seed_for: Option<Duration>,
    /// Bytes a second of this share sent at most, as in 2M; `peerit limit` changes it
    #[structopt(long, value_name = "RATE", parse(try_from_str = parse_rate))]
    pub(crate) up: Option<RateLimit>,
    /// Bytes a second of this share received at most
    #[structopt(long, value_name = "RATE", parse(try_from_str = parse_rate))]
    pub(crate) down: Option<RateLimit>,
    /// Prints JSON: a line a second, and one at the end
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Show {
    /// The .p2p file; - for standard input
    #[structopt(value_name = "FILE.p2p", parse(from_os_str))]
    pub(crate) file: PathBuf,
    /// Prints all files, however many
    #[structopt(long)]
    pub(crate) files: bool,
    /// Prints JSON, always with all files
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Verify {
    /// The .p2p file; - for standard input
    #[structopt(value_name = "FILE.p2p", parse(from_os_str))]
    pub(crate) file: PathBuf,
    /// The file or folder, or the folder that it is in
    #[structopt(value_name = "PATH", parse(from_os_str))]
    pub(crate) path: PathBuf,
    /// Prints JSON
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Status {
    /// One share, with its peers and trackers: the start of its id, or its name
    #[structopt(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Goes on until it is interrupted
    #[structopt(long)]
    pub(crate) watch: bool,
    /// Prints JSON; with --watch a line a second
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Id {
    /// The start of its id, or its name
    #[structopt(value_name = "ID")]
    pub(crate) id: String,
}

/// A rate is bytes a second of content, alone or with K, M or G, as in 500K or 2M. It can be changed at any time and is
/// kept for later runs. What a share sends and receives keeps to its own limits and to those of all together.
#[derive(Debug, StructOpt)]
pub(crate) struct Limit {
    /// One share: the start of its id, or its name [default: all shares together]
    #[structopt(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// What is sent at most; or none
    #[structopt(long, value_name = "RATE", parse(try_from_str = parse_rate))]
    pub(crate) up: Option<RateLimit>,
    /// What is received at most; or none
    #[structopt(long, value_name = "RATE", parse(try_from_str = parse_rate))]
    pub(crate) down: Option<RateLimit>,
    /// Whether sending gives way to other traffic: on or off
    #[structopt(long, value_name = "WHETHER", parse(try_from_str = on_or_off))]
    pub(crate) background: Option<bool>,
    /// Prints JSON
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Daemon {
    /// Runs here, and logs here, until it is interrupted
    #[structopt(long)]
    pub(crate) foreground: bool,
    /// Where peers dial [default: as last time; at first any free port]
    #[structopt(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Whether to ask the router of this network for a port: on or off [default: as last time; at first on]
    #[structopt(long, value_name = "WHETHER", parse(try_from_str = on_or_off))]
    pub(crate) port_mapping: Option<bool>,
    /// What checks which paths to a peer work: is or, if it was built in, webrtc-ice [default: is]
    #[structopt(long, hidden = true, value_name = "LIBRARY", parse(try_from_str = ice_library))]
    pub(crate) ice: Option<IceLibrary>,
    /// Leaves the session of the terminal; what `peerit daemon` starts itself with
    #[structopt(long, hidden = true, requires = "foreground")]
    pub(crate) detached: bool,
    #[structopt(subcommand)]
    pub(crate) order: Option<DaemonOrder>,
}

#[derive(Debug, StructOpt)]
pub(crate) enum DaemonOrder {
    /// Ends the daemon once everything is saved
    Stop,
}

/// Asks the trackers and servers named here, the router of this network for a port, and nobody else.
#[derive(Debug, StructOpt)]
pub(crate) struct Doctor {
    /// .p2p files whose trackers are asked
    #[structopt(value_name = "FILE.p2p", parse(from_os_str))]
    pub(crate) files: Vec<PathBuf>,
    /// A tracker; can be given many times
    #[structopt(long = "tracker", value_name = "HOST:PORT", number_of_values = 1, parse(try_from_str = host_port))]
    pub(crate) trackers: Vec<String>,
    /// A STUN server; can be given many times. One as in RFC 5780 tells the filtering too
    #[structopt(long = "stun", value_name = "HOST:PORT", number_of_values = 1, parse(try_from_str = host_port))]
    pub(crate) stun: Vec<String>,
    /// Whether to ask the router of this network for a port, which is given back at once: on or off
    #[structopt(long, value_name = "WHETHER", default_value = "on", parse(try_from_str = on_or_off))]
    pub(crate) port_mapping: bool,
    /// Prints JSON
    #[structopt(long)]
    pub(crate) json: bool,
}

#[derive(Debug, StructOpt)]
pub(crate) struct Demo {
    /// What to move [default: a file of 256 MiB, made for it]
    #[structopt(value_name = "PATH", parse(from_os_str))]
    pub(crate) path: Option<PathBuf>,
}

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) struct Stop {
    /// Help, or what is wrong. Empty for the version: the library prints that itself.
    pub(crate) text: String,
    /// Whether the user asked for it.
    pub(crate) is_asked_for: bool,
}

/// Reads the arguments, without the program's name.
pub(crate) fn parse(args: &[OsString]) -> Result<Command, Stop> {
    let program = OsString::from("peerit");
    Command::from_iter_safe(std::iter::once(&program).chain(args)).map_err(|error| Stop {
        is_asked_for: matches!(error.kind, ErrorKind::HelpDisplayed | ErrorKind::VersionDisplayed),
        text: match args.first().and_then(|first| first.to_str()) {
            // The library takes it for an argument too many.
            Some(first)
                if error.kind == ErrorKind::UnknownArgument
                    && !first.starts_with('-')
                    && error.info.as_deref().is_some_and(|info| info == [first]) =>
            {
                format!("error: there is no command {first}: `peerit --help` lists them")
            }
            _ => error.message,
        },
    })
}

fn on_or_off(text: &str) -> Result<bool, &'static str> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("must be on or off"),
    }
}

fn ice_library(name: &str) -> Result<IceLibrary, &'static str> {
    IceLibrary::from_name(name).ok_or("this program has no such library")
}

/// Keeps "host:port" as it is: names are looked up where they are used.
fn host_port(text: &str) -> Result<String, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("must be HOST:PORT")?;
    let port: u16 = port.parse().map_err(|_| "must end with a port, 1 to 65535")?;
    if host.is_empty() || port == 0 {
        return Err("must be HOST:PORT");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(line: &str) -> Result<Command, Stop> {
        parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    fn complaint(line: &str) -> String {
        let stop = parse_words(line).unwrap_err();
        assert!(!stop.is_asked_for, "{line}");
        stop.text
    }

    #[test]
    fn commands_are_read() {
        let line =
            "create big.iso -o x.p2p --tracker a:1 --tracker b:2 --chunk-size 1MiB --hash sha1";
        let Ok(Command::Create(create)) = parse_words(line) else { panic!("no create") };
        assert_eq!(create.trackers, ["a:1", "b:2"]);
        assert_eq!(create.chunk_size, Some(1 << 20));
        assert_eq!(create.hash, Some(HashAlgorithm::Sha1));
        let line = "download x.p2p -d there --peer [::1]:5 --no-daemon --seed-for 10m";
        let Ok(Command::Download(download)) = parse_words(line) else { panic!("no download") };
        assert_eq!(download.peers, ["[::1]:5"]);
        assert_eq!(download.seed_for, Some(Duration::from_secs(600)));
        let Ok(Command::Daemon(daemon)) = parse_words("daemon stop") else { panic!("no daemon") };
        assert!(matches!(daemon.order, Some(DaemonOrder::Stop)));
        let Ok(Command::Daemon(daemon)) = parse_words("daemon --port-mapping off") else {
            panic!("no daemon")
        };
        assert_eq!(daemon.port_mapping, Some(false));
    }

    #[test]
    fn a_tracker_does_not_swallow_the_path() {
        assert!(matches!(parse_words("share --tracker a:1 big.iso"), Ok(Command::Share(_))));
    }

    #[test]
    fn wrong_usage_is_named() {
        for unknown in ["fetch", "creat"] {
            let text = complaint(unknown);
            let expected = format!("no command {unknown}: `peerit --help`");
            assert!(text.contains(&expected), "{text}");
        }
        assert!(complaint("share x y").contains("'y'"));
        let text = complaint("share");
        assert!(text.contains("PATH") && !text.contains("--hash"), "{text}");
        assert!(complaint("create x --tracker host").contains("HOST:PORT"));
        assert!(complaint("create x --tracker host:0").contains("HOST:PORT"));
        assert!(complaint("create x --chunk-size big").contains("a size is"));
        assert!(complaint("create x --chunk-size 100").contains("64K to 16M"));
        assert!(complaint("create x --hash md5").contains("blake3"));
        assert!(complaint("daemon --listen here").contains("--listen"));
        assert!(complaint("daemon --port-mapping no").contains("on or off"));
        assert!(complaint("").contains("USAGE"));
    }

    #[test]
    fn help_says_how_to_keep_the_router_as_it_is() {
        assert!(parse_words("--help").unwrap_err().text.contains("--port-mapping off"));
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in ["--help", "help", "share --help", "--version"] {
            assert!(parse_words(line).unwrap_err().is_asked_for, "{line}");
        }
    }
}
