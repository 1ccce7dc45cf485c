//! Looking for the router's UPnP services (SSDP, UPnP Device Architecture 1.1, section 1.3), and for nobody else's.
//!
//! Anybody in the network can answer a search, or send what looks like an answer, and so have the searcher fetch a
//! page from anywhere. `igd_next` fetches from who answered; here only the router counts. So the search is ours: it
//! takes what comes from the router's own address. The library then searches on loopback, where it finds these
//! answers and nothing else, and is told that the router's address is the only one to fetch from; that also holds
//! for the pages that the router's page names.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use igd_next::{GatewayIpVersion, SearchOptions, search_gateway};
use socket2::SockRef;

use super::gateway::Gateway;
use super::lease::Refused;

/// Of SSDP.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const PORT: u16 = 1900;

/// The root device of either version, and the services that routers of version 1 have.
const TARGETS: [&str; 3] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// How long answers are waited for: a device may take as long as `MX` says, one second, which is the shortest.
const ANSWERS_LAST: Duration = Duration::from_millis(1_500);

/// How long after the first answer others are waited for: the router has one for each target, all with the same page.
const MORE_LAST: Duration = Duration::from_millis(100);

/// Most answers that are looked at: a router has three.
const ANSWERS_MAX: usize = 8;

/// Longest answer; it must fit into a datagram of Ethernet.
const ANSWER_MAX: usize = 1_500;

/// How long the router may take to give its pages.
const PAGES_LAST: Duration = Duration::from_secs(3);

/// Where the router's services are asked for: at its own address, and, as some listen there only, in the group.
pub(super) fn asked(gateway: Gateway) -> [SocketAddr; 2] {
    [gateway.address, GROUP].map(|ip| SocketAddr::new(ip.into(), PORT))
}

/// Finds what the router's UPnP speaks. Blocks for up to 5 s.
pub(super) fn search(
    gateway: Gateway,
    asked: [SocketAddr; 2],
) -> Result<igd_next::Gateway, Refused> {
    let answers = ask(gateway, asked).map_err(Refused::new)?;
    if answers.is_empty() {
        return Err(Refused::new("no answer"));
    }
    let stage = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Refused::new)?;
    stage.set_read_timeout(Some(PAGES_LAST)).map_err(Refused::new)?;
    let mut options = SearchOptions::default();
    options.bind_addr = (Ipv4Addr::LOCALHOST, 0).into();
    options.broadcast_address = stage.local_addr().map_err(Refused::new)?;
    options.timeout = Some(PAGES_LAST);
    options.single_search_timeout = Some(MORE_LAST);
    options.gateway_ip_version = GatewayIpVersion::V4;
    options.allowed_gateway_ips = vec![gateway.address.into()];
    thread::scope(|scope| {
        scope.spawn(|| hand_on(&stage, &answers));
        search_gateway(options).map_err(Refused::new)
    })
}

/// What the router answers.
fn ask(gateway: Gateway, asked: [SocketAddr; 2]) -> std::io::Result<Vec<Vec<u8>>> {
    let socket = UdpSocket::bind((gateway.own, 0))?;
    SockRef::from(&socket).set_multicast_if_v4(&gateway.own)?;
    for to in asked {
        for target in TARGETS {
            let request = format!(
                "M-SEARCH * HTTP/1.1\r\nHOST: {to}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n"
            );
            socket.send_to(request.as_bytes(), to)?;
        }
    }
    let mut until = Instant::now() + ANSWERS_LAST;
    let mut answers = Vec::new();
    let mut buffer = [0; ANSWER_MAX];
    while answers.len() < ANSWERS_MAX {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        // An error is the end of the time, or a router's word that nobody listens.
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        if from.ip() == IpAddr::V4(gateway.address) {
            if answers.is_empty() {
                until = until.min(Instant::now() + MORE_LAST);
            }
            answers.push(buffer[..length].to_vec());
        }
    }
    Ok(answers)
}

/// Answers the library's search. It tries one after the other.
fn hand_on(stage: &UdpSocket, answers: &[Vec<u8>]) {
    let searched = stage.recv_from(&mut [0; ANSWER_MAX]);
    let sent = searched.and_then(|(_, searcher)| {
        answers.iter().try_for_each(|answer| stage.send_to(answer, searcher).map(drop))
    });
    if let Err(error) = sent {
        log::debug!("the router's answers do not arrive: {error}");
    }
}
