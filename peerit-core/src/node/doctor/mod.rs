//! What this machine's way to the internet is like, found out with the help of named servers only.

mod ports;
mod probe;
mod report;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};

use self::probe::Probe;
use super::announcer::ask;
use super::interfaces::own_ips;
use crate::runtime::{Runtime, blocking, timeout};
use crate::tracker::stun::{AnswerFrom, Binding};
use crate::tracker::{empty_request, other_port};

pub use ports::try_port_mapping;
pub use report::{
    AddressReport, Advice, Filtering, Ipv6, Mapping, PortMapping, Report, ServerReport,
};

/// Most servers that are asked; further ones are left out.
pub const SERVERS_MAX: usize = 16;

/// Most addresses of one server: two of each family. All of them are as many as a STUN client asks.
const ADDRESSES_MAX: usize = 4;

/// Names the only request of a connection to a tracker.
const TRANSACTION: u64 = 1;

/// How long a tracker may take to answer over TCP: a client on a bad line needs a second or two.
const TCP_DEADLINE: Duration = Duration::from_secs(5);

/// A server that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// "host:port".
    pub name: String,
    /// Whether it is a tracker, which answers over TCP too; else it knows STUN only.
    pub is_tracker: bool,
}

/// Why nothing can be found out.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no socket to be had.
    #[error("no UDP socket: {0}")]
    Socket(io::Error),
    /// There is nothing to name queries with.
    #[error("no random numbers from the system: {0}")]
    Random(#[from] getrandom::Error),
}

/// Asks `servers` and nobody else, the first 16 of them. Takes up to 12 s, or as long as the system's resolver.
///
/// The mapping comes from what servers at different addresses, or trackers at their two ports, see of one socket; the
/// filtering from a server that answers from elsewhere on request, as those of RFC 5780 and our trackers do. What the
/// router maps on request is another question, see [`try_port_mapping`].
///
/// # Errors
/// When the system has no socket or no random numbers.
pub async fn examine(
    runtime: &Arc<dyn Runtime>,
    servers: &[Server],
) -> Result<Report, DoctorError> {
    let servers = &servers[..servers.len().min(SERVERS_MAX)];
    let resolved = join_all(servers.iter().map(|server| resolve(runtime, server))).await;
    let mut reports: Vec<ServerReport> = resolved;
    let addresses: Vec<(SocketAddr, bool)> = reports
        .iter()
        .zip(servers)
        .flat_map(|(report, server)| {
            report.addresses.iter().map(|address| (address.address, server.is_tracker))
        })
        .collect();

    let mut v4 = bind(runtime, Ipv4Addr::UNSPECIFIED.into())?;
    let own_port = v4.port().map_err(DoctorError::Socket)?;
    // There may be no IPv6 at all.
    let v6 = bind(runtime, Ipv6Addr::UNSPECIFIED.into()).ok();
    let tcp = join_all(addresses.iter().map(|&(address, is_tracker)| async move {
        if is_tracker { Some(over_tcp(runtime, address).await) } else { None }
    }));
    let (udp, tcp) = join(ask_all(&mut v4, v6, &addresses), tcp).await;
    let others = others(&addresses, &udp, &tcp);
    let mut found = udp.iter().zip(tcp);
    for address in reports.iter_mut().flat_map(|report| &mut report.addresses) {
        if let Some((binding, tcp)) = found.next() {
            address.mapped = binding.map(|binding| binding.mapped);
            address.tcp = tcp.map(|tcp| tcp.map(|_| ()));
        }
    }
    let seen_by_others = ask_others(&mut v4, &others).await;
    let filtering = match others.first() {
        Some((server, other)) => filtering(runtime, *server, *other).await?,
        None => Filtering::Unknown,
    };
    Ok(conclude(reports, &seen_by_others, own_port, filtering))
}

async fn resolve(runtime: &Arc<dyn Runtime>, server: &Server) -> ServerReport {
    let name = server.name.clone();
    let resolved =
        blocking(&**runtime, move || name.to_socket_addrs().map(Iterator::collect::<Vec<_>>)).await;
    let (addresses, problem) = match resolved {
        Ok(addresses) if addresses.is_empty() => (addresses, "it has no address".to_owned()),
        Ok(addresses) => (addresses, String::new()),
        Err(error) => (Vec::new(), error.to_string()),
    };
    let unknown = |address| AddressReport { address, mapped: None, tcp: None };
    let family = |wanted: bool| {
        let matching = addresses.iter().filter(move |address| address.is_ipv4() == wanted);
        matching.take(ADDRESSES_MAX / 2).copied().map(unknown)
    };
    let addresses = family(true).chain(family(false)).collect();
    ServerReport { server: server.name.clone(), problem, addresses }
}

/// Servers that answer over IPv4 from elsewhere too, and from where: as they say over UDP (RFC 5780), or, trackers,
/// over TCP.
fn others(
    addresses: &[(SocketAddr, bool)],
    udp: &[Option<Binding>],
    tcp: &[Option<Result<u16, String>>],
) -> Vec<(SocketAddr, SocketAddr)> {
    let answered = addresses.iter().zip(udp).zip(tcp);
    let ipv4 = answered.filter(|((server, _), _)| server.0.is_ipv4());
    ipv4.filter_map(|((&(server, _), binding), tcp)| {
        let told = tcp.as_ref().and_then(|tcp| tcp.as_ref().ok()).filter(|port| **port != 0);
        let told = told.map(|port| SocketAddr::new(server.ip(), *port));
        Some((server, binding.as_ref()?.other_address.or(told)?))
    })
    .collect()
}

/// Where the other places of servers see the socket, and who does.
async fn ask_others(
    probe: &mut Probe,
    others: &[(SocketAddr, SocketAddr)],
) -> Vec<(SocketAddr, SocketAddr)> {
    let questions: Vec<_> = others.iter().map(|(_, other)| (*other, AnswerFrom::Here)).collect();
    let answers = probe.ask(&questions).await;
    let seen = others.iter().zip(answers);
    seen.filter_map(|((_, other), binding)| Some((*other, binding?.mapped))).collect()
}

fn bind(runtime: &Arc<dyn Runtime>, unspecified: IpAddr) -> Result<Probe, DoctorError> {
    Probe::bind(runtime, unspecified, getrandom::u64()?).map_err(DoctorError::Socket)
}

/// What servers say over UDP, in the order of `addresses`: those of IPv4 on one socket, those of IPv6 on
/// another.
async fn ask_all(
    v4: &mut Probe,
    v6: Option<Probe>,
    addresses: &[(SocketAddr, bool)],
) -> Vec<Option<Binding>> {
    let questions = |is_ipv4: bool| -> Vec<_> {
        let matching = addresses.iter().filter(|(address, _)| address.is_ipv4() == is_ipv4);
        matching.map(|(address, _)| (*address, AnswerFrom::Here)).collect()
    };
    let (for_v4, for_v6) = (questions(true), questions(false));
    let over_v6 = async {
        match v6 {
            Some(mut probe) => probe.ask(&for_v6).await,
            None => vec![None; for_v6.len()],
        }
    };
    let (answers, more) = join(v4.ask(&for_v4), over_v6).await;
    let (mut answers, mut more) = (answers.into_iter(), more.into_iter());
    addresses
        .iter()
        .map(|(address, _)| if address.is_ipv4() { answers.next() } else { more.next() }.flatten())
        .collect()
}

/// The other port of the tracker there, 0 if it has none; what is wrong if there is no tracker.
async fn over_tcp(runtime: &Arc<dyn Runtime>, address: SocketAddr) -> Result<u16, String> {
    let request = empty_request(TRANSACTION);
    match timeout(&**runtime, TCP_DEADLINE, ask(&**runtime, address, &request)).await {
        Ok(Ok(response)) => response
            .and_then(|response| other_port(response, TRANSACTION))
            .ok_or_else(|| "it is no tracker".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(elapsed) => Err(elapsed.to_string()),
    }
}

/// On a socket of its own, which sends to `server` alone: what comes from elsewhere then has been let in.
async fn filtering(
    runtime: &Arc<dyn Runtime>,
    server: SocketAddr,
    other: SocketAddr,
) -> Result<Filtering, DoctorError> {
    let mut questions = vec![(server, AnswerFrom::Here), (server, AnswerFrom::OtherPort)];
    if other.ip() != server.ip() {
        questions.push((server, AnswerFrom::OtherAddress));
    }
    let mut probe = bind(runtime, Ipv4Addr::UNSPECIFIED.into())?;
    let answers = probe.ask(&questions).await;
    let came: Vec<bool> = answers.iter().map(Option::is_some).collect();
    Ok(match came[..] {
        [here, other_port] => Filtering::of(here, other_port, None),
        [here, other_port, other_address] => Filtering::of(here, other_port, Some(other_address)),
        _ => Filtering::Unknown,
    })
}

fn conclude(
    servers: Vec<ServerReport>,
    seen_by_others: &[(SocketAddr, SocketAddr)],
    own_port: u16,
    filtering: Filtering,
) -> Report {
    let ips = own_ips();
    let own: Vec<_> = ips.iter().map(|ip| SocketAddr::new(*ip, own_port)).collect();
    let asked: Vec<_> = servers.iter().flat_map(|server| &server.addresses).collect();
    let seen: Vec<_> = asked
        .iter()
        .filter(|address| address.address.is_ipv4())
        .filter_map(|address| Some((address.address, address.mapped?)))
        .chain(seen_by_others.iter().copied())
        .collect();
    let mapping = Mapping::of(&seen, &own);
    let passes = asked.iter().any(|address| address.mapped.is_some());
    let is_reached = asked.iter().any(|address| address.is_reached());
    let udp = is_reached.then_some(passes);
    let over_ipv6: Vec<_> = asked.iter().filter(|address| address.address.is_ipv6()).collect();
    let ipv6 = match ips.into_iter().find(|ip| is_public_ipv6(*ip)) {
        None => Ipv6::Absent,
        Some(ip) if over_ipv6.iter().any(|address| address.is_reached()) => Ipv6::Works(ip),
        Some(ip) if over_ipv6.is_empty() => Ipv6::Untried(ip),
        Some(ip) => Ipv6::Broken(ip),
    };
    Report { servers, udp, mapping, filtering, ports: PortMapping::Untried, ipv6 }
}

/// Global unicast addresses are all in 2000::/3 (RFC 4291, section 2.4, as assigned by IANA).
fn is_public_ipv6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.segments()[0] >> 13 == 1)
}
