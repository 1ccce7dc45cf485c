//! A router that maps ports on request: Debian's `miniupnpd`, with PCP, NAT-PMP and UPnP IGD.

use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bench_with_igd;
use super::kind::Kind;
use super::network::{Internet, Place, Site};
use crate::bench::{Bench, stop_if_interrupted};
use crate::namespace::{Namespace, run};
use crate::segment::Segment;

/// Where what it maps is to be seen.
const TABLE: &str = "table inet upnp {
    chain forward { type filter hook forward priority filter; jump allowed; }
    chain allowed { }
    chain incoming { type nat hook prerouting priority dstnat - 1; jump mapped; }
    chain mapped { }
    chain outgoing { type nat hook postrouting priority srcnat - 1; jump back; }
    chain back { }
}";

/// Who may map which ports, to themselves only.
const RULES: &str = "ext_ifname=eth0
listening_ip=br0
secure_mode=yes
uuid=00000000-0000-4000-8000-000000000000
upnp_table_name=upnp
upnp_nat_table_name=upnp
upnp_forward_chain=allowed
upnp_nat_chain=mapped
upnp_nat_postrouting_chain=back
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
";

/// How long the program or a daemon may take to do something.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a router speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocols {
    All,
    /// And NAT-PMP, which is on the same port.
    Pcp,
    Upnp,
}

/// A running one. Killed when dropped.
pub(crate) struct Igd(Child);

impl Igd {
    pub(crate) fn start(bench: &Bench, router: &Segment, protocols: Protocols) -> Self {
        let namespace = router.namespace();
        namespace.nft(TABLE);
        let yes = |is_on| if is_on { "yes" } else { "no" };
        let (pcp, upnp) = (yes(protocols != Protocols::Upnp), yes(protocols != Protocols::Pcp));
        let [config, log, pid] = ["conf", "log", "pid"]
            .map(|name| bench.folder().join(format!("{}.{name}", namespace.name())));
        fs::write(&config, format!("{RULES}enable_natpmp={pcp}\nenable_upnp={upnp}\n")).unwrap();
        let said = File::create(&log).unwrap();
        let mut command = namespace.command("miniupnpd");
        command.arg("-d").arg("-f").arg(&config).arg("-P").arg(&pid);
        command.stdout(Stdio::from(said.try_clone().unwrap())).stderr(Stdio::from(said));
        let running = Self(command.spawn().unwrap());
        let last_word = if protocols == Protocols::Upnp { "HTTP listening" } else { "PCP traffic" };
        await_that("miniupnpd listens", || fs::read_to_string(&log).unwrap().contains(last_word));
        running
    }
}

impl Drop for Igd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is missing where there can be none.
pub(crate) fn try_program(bench: &Bench) -> Result<(), String> {
    let namespace = Namespace::try_new(&bench.namespace_name("try"))?;
    namespace.try_nft(TABLE)?;
    let found = run(namespace.command("sh").args(["-c", "command -v miniupnpd"]));
    found.map(drop).map_err(|_| "there is no miniupnpd".to_owned())
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        stop_if_interrupted();
        assert!(started.elapsed() < PATIENCE, "in vain it was waited until {what}");
        thread::sleep(LOOK_INTERVAL);
    }
}

/// How many ports lead into the home.
fn mapped_count(router: &Segment) -> usize {
    let rules =
        run(router.namespace().command("nft").args(["list", "chain", "inet", "upnp", "mapped"]));
    rules.unwrap().matches("dnat ip to").count()
}

#[test]
fn doctor_tells_what_the_router_maps_and_gives_it_back() {
    let Some(bench) = bench_with_igd() else { return };
    for (protocols, name) in
        [(Protocols::All, "PCP"), (Protocols::Pcp, "PCP"), (Protocols::Upnp, "UPnP")]
    {
        let internet = Internet::new(&bench);
        let site = Site::with_protocols(&bench, &internet, Place::Far, Kind::Igd, 1, protocols);
        let [tracker, _] = internet.both_trackers();
        let mut doctor = site.hosts[0].peerit(&["doctor", "--json", "--tracker", &tracker]);
        let said: Value = serde_json::from_str(&run(&mut doctor).unwrap()).unwrap();
        let got = &said["port_mapping"];
        assert_eq!((&got["works"], &got["protocol"]), (&true.into(), &name.into()), "{said:#}");
        for transport in ["tcp", "udp"] {
            assert!(got[transport].as_str().unwrap().starts_with("128.66.1.2:"), "{said:#}");
        }
        assert_eq!(mapped_count(site.router()), 0, "{protocols:?}: it is given back");
    }
}

#[test]
fn a_daemon_maps_its_ports_until_it_ends_and_only_if_it_may() {
    let Some(bench) = bench_with_igd() else { return };
    for protocols in [Protocols::Pcp, Protocols::Upnp] {
        let internet = Internet::new(&bench);
        let site = Site::with_protocols(&bench, &internet, Place::Near, Kind::Igd, 1, protocols);
        let peerit = |args: &[&str]| run(&mut site.hosts[0].peerit(args)).unwrap();
        peerit(&["daemon"]);
        await_that("both ports are mapped", || mapped_count(site.router()) == 2);
        peerit(&["daemon", "stop"]);
        assert_eq!(mapped_count(site.router()), 0, "{protocols:?}: they are given back");
        peerit(&["daemon", "--port-mapping", "off"]);
        peerit(&["daemon", "stop"]);
        // It is remembered.
        peerit(&["daemon"]);
        peerit(&["daemon", "stop"]);
        let log = fs::read_to_string(site.hosts[0].folder().join("data/daemon.log")).unwrap();
        assert_eq!(log.matches("maps TCP").count(), 1, "{log}");
    }
}
