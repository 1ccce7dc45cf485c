//! Servers of this machine.

use super::super::{TrackerService, TrackerServiceConfig};
use super::*;
use crate::runtime::testing::on_each_runtime;

fn tracker(name: String) -> Server {
    Server { name, is_tracker: true }
}

#[test]
fn a_tracker_of_this_machine_shows_that_there_is_no_nat() {
    on_each_runtime(|runtime| async move {
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = TrackerServiceConfig { listen, ..TrackerServiceConfig::default() };
        let service = TrackerService::start(runtime.clone(), config).unwrap();
        let name = service.local_address().to_string();
        let stun = Server { is_tracker: false, ..tracker(name.clone()) };
        let servers = [tracker(name.clone()), stun];
        let report = examine(&runtime, &servers).await.unwrap();
        let [tracker, stun] = &report.servers[..] else { panic!("{report:?}") };
        assert_eq!((&tracker.server, tracker.problem.as_str()), (&name, ""));
        assert_eq!(tracker.addresses[0].tcp, Some(Ok(())));
        assert_eq!(stun.addresses[0].tcp, None, "it was not asked over TCP");
        assert!(tracker.addresses[0].mapped.unwrap().ip().is_loopback());
        assert_eq!(tracker.addresses[0].mapped, stun.addresses[0].mapped, "one socket");
        assert_eq!((report.udp, report.mapping), (Some(true), Mapping::NoNat));
        assert_eq!(report.filtering, Filtering::Unknown);
        assert!(report.is_reached());
    });
}

#[test]
fn what_does_not_answer_is_named() {
    on_each_runtime(|runtime| async move {
        // Bound and silent, so that nobody else has the number; nobody listens on it for TCP.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let silent = silent.local_addr().unwrap().to_string();
        let servers = [tracker(silent), tracker("no address".to_owned())];
        let report = examine(&runtime, &servers).await.unwrap();
        let [silent, wrong] = &report.servers[..] else { panic!("{report:?}") };
        assert_eq!(silent.addresses[0].mapped, None);
        assert!(silent.addresses[0].tcp.as_ref().unwrap().is_err());
        assert!(!wrong.problem.is_empty() && wrong.addresses.is_empty());
        assert_eq!((report.udp, report.mapping), (None, Mapping::Unknown));
        assert_eq!(report.advice(), [Advice::Unreached]);
    });
}

#[test]
fn public_ipv6_addresses_are_told_from_others() {
    let is_public = |text: &str| is_public_ipv6(text.parse().unwrap());
    assert!(is_public("2001:db8::1") && is_public("3fff::1"));
    assert!(!["::1", "fe80::1", "fd00::1", "192.0.2.1"].into_iter().any(is_public));
}
