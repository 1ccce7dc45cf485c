//! Servers of this machine.

use super::super::{TrackerService, TrackerServiceConfig};
use super::*;
use crate::runtime::UdpSocket;
use crate::runtime::testing::on_each_runtime;
use crate::tracker::stun;

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
        assert_eq!(report.filtering, Filtering::PortIndependent, "by its other port");
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

/// Which answers get through, by the flags of their CHANGE-REQUEST.
type Passes = fn(u8) -> bool;

/// A server of RFC 5780 at two addresses, which answers from those that `passes` lets through.
async fn stun_server(
    runtime: Arc<dyn Runtime>,
    main: Arc<dyn UdpSocket>,
    other: Arc<dyn UdpSocket>,
    passes: Passes,
) {
    let other_port = runtime.udp_socket(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    let SocketAddr::V4(address) = other.local_address().unwrap() else { panic!("IPv4") };
    let mut buffer = [0; 1_500];
    loop {
        let (length, from) = main.recv_from(&mut buffer).await.unwrap();
        let mut request = buffer[..length].to_vec();
        // CHANGE-REQUEST, of which our own server knows one kind.
        let flags =
            if request[20..22] == [0, 3] { request.drain(20..28).nth(7).unwrap() } else { 0 };
        request[3] = u8::try_from(request.len() - 20).unwrap();
        let mut answer = stun::answer(&request, from, false).unwrap().1.to_vec();
        answer.extend([0x80, 0x2c, 0, 8, 0, 1]);
        answer.extend(address.port().to_be_bytes());
        answer.extend(address.ip().octets());
        answer[3] += 12;
        let socket = match flags {
            0 => &main,
            2 => &other_port,
            _ => &other,
        };
        if passes(flags) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

#[test]
fn a_server_that_answers_from_elsewhere_tells_the_filtering() {
    let filters: [(Passes, Filtering); 3] = [
        (|_| true, Filtering::EndpointIndependent),
        (|flags| flags != 6, Filtering::AddressDependent),
        (|flags| flags == 0, Filtering::AddressAndPortDependent),
    ];
    on_each_runtime(|runtime| async move {
        let examined = filters.map(|(passes, filtering)| {
            let runtime = runtime.clone();
            async move {
                let [main, other] = ["127.0.0.1:0", "127.0.0.2:0"].map(|address| {
                    runtime.udp_socket(std::net::UdpSocket::bind(address).unwrap()).unwrap()
                });
                let name = main.local_address().unwrap().to_string();
                runtime.spawn(Box::pin(stun_server(runtime.clone(), main, other, passes)));
                let server = Server { name, is_tracker: false };
                let report = examine(&runtime, &[server]).await.unwrap();
                assert_eq!(report.filtering, filtering);
            }
        });
        join_all(examined).await;
    });
}

#[test]
fn public_ipv6_addresses_are_told_from_others() {
    let is_public = |text: &str| is_public_ipv6(text.parse().unwrap());
    assert!(is_public("2001:db8::1") && is_public("3fff::1"));
    assert!(!["::1", "fe80::1", "fd00::1", "192.0.2.1"].into_iter().any(is_public));
}
