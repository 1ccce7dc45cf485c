//! Where a test works: a name for its namespaces, a folder, and the promise that both are gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use tempfile::TempDir;

use crate::namespace::{self, Namespace, run};

/// What the names of all namespaces and folders of labs start with; the id of the process follows.
const PREFIX: &str = "peerit-lab-";

/// One test at a time: they would share the processors, and their names.
static EXCLUSIVE: Mutex<()> = Mutex::new(());
/// Ctrl-C, or a signal that means the same.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Holds a folder; when dropped, removes it.
pub(crate) struct Bench {
    name: String,
    folder: TempDir,
    _exclusive: MutexGuard<'static, ()>,
}

impl Bench {
    /// Removes what dead runs left; says what is missing where there can be no lab.
    pub(crate) fn open() -> Result<Self, String> {
        // A test that failed has cleaned up.
        let exclusive = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
        if !rustix::process::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        remove_leftovers();
        take_interrupts();
        let name = format!("{PREFIX}{}", process::id());
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir();
        let folder = folder.map_err(|error| error.to_string())?;
        let bench = Self { name, folder, _exclusive: exclusive };
        bench.try_tools()?;
        Ok(bench)
    }

    /// Does once all that a lab needs of the system.
    fn try_tools(&self) -> Result<(), String> {
        let namespace = Namespace::try_new(&self.namespace_name("try"))?;
        namespace.try_ip("link add br0 type bridge")?;
        namespace.try_ip("link add port type veth peer name eth0")?;
        namespace.try_exec("tc qdisc add dev eth0 root tbf rate 1mbit burst 32kb latency 50ms")?;
        namespace.try_exec("ethtool -K eth0 gso off")
    }

    /// Does once all that NATs need besides.
    pub(crate) fn try_nat(&self) -> Result<(), String> {
        let namespace = Namespace::try_new(&self.namespace_name("try"))?;
        namespace.try_nft(
            "table ip try {
                chain try { type nat hook postrouting priority srcnat; masquerade random,fully-random; }
            }",
        )
    }

    /// The system's name of a namespace of this lab.
    pub(crate) fn namespace_name(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    /// For all files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Fails the test after Ctrl-C, so that everything is dropped. Whoever waits asks again and again.
pub(crate) fn stop_if_interrupted() {
    assert!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
}

fn take_interrupts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        ctrlc::set_handler(|| {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                process::exit(130);
            }
        })
        .unwrap();
    });
}

/// Removes namespaces, their processes, and folders of labs whose process is gone: it was killed.
fn remove_leftovers() {
    for name in namespace::names().into_iter().filter(|name| is_of_dead_process(name)) {
        drop(Namespace::of_name(name));
    }
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if is_of_dead_process(&entry.file_name().to_string_lossy()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_of_dead_process(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    pid.and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

/// The tracker's program, which tests of the whole workspace have built beside ours.
pub(crate) fn tracker_program() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_peerit")).parent().unwrap();
    let program = folder.join("peerit-tracker");
    if !program.exists() {
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let args = ["build", "--package", "peerit-tracker", "--profile", profile];
        run(Command::new(env!("CARGO")).args(args)).unwrap();
    }
    program
}
