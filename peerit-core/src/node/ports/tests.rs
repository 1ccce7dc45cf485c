//! UPnP with routers that are honest, and with such as are not. PCP has a port number of its own, so it is tested in
//! the lab of NATs, with a real router.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::thread;

use super::gateway::Gateway;
use super::lease::{LEASE, Lease, Refused, is_public};
use super::upnp;
use crate::nat::Transport;

const ROUTER: Gateway = Gateway { address: Ipv4Addr::LOCALHOST, own: Ipv4Addr::LOCALHOST };
/// Somebody else in the network.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PORT: u16 = 40_000;

/// What a page says to a request: all of the answer.
type Page = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The requests that came.
type Heard = Arc<Mutex<Vec<String>>>;

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// Serves pages until the test's process ends.
fn serve(ip: Ipv4Addr, page: Page) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let requests = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = read_request(&mut stream);
            let answer = page(&request);
            requests.lock().unwrap().push(request);
            // Who has heard enough hangs up.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, heard)
}

fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    let length = |head: &str| {
        let line = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned)
        });
        line.map_or(0, |length| length.trim().parse::<usize>().unwrap())
    };
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    let mut text = String::from_utf8(request).unwrap();
    let mut body = vec![0; length(&text)];
    stream.read_exact(&mut body).unwrap();
    text.push_str(&String::from_utf8(body).unwrap());
    text
}

/// Answers one search, from `ip`, that the router's page is there.
fn answer_search(ip: Ipv4Addr, location: String) -> SocketAddr {
    let asked = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = asked.local_addr().unwrap();
    thread::spawn(move || {
        let (_, searcher) = asked.recv_from(&mut [0; 1_500]).unwrap();
        let answer =
            format!("HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: {location}\r\n\r\n");
        let from = UdpSocket::bind((ip, 0)).unwrap();
        from.send_to(answer.as_bytes(), searcher).unwrap();
        // Nobody gets a message that says the port is closed.
        asked.recv_from(&mut [0; 1_500]).unwrap();
        asked.recv_from(&mut [0; 1_500]).unwrap();
    });
    address
}

fn map(asked: SocketAddr) -> Result<Vec<Lease>, Refused> {
    upnp::map_by(ROUTER, NonZeroU16::new(PORT).unwrap(), [asked; 2])
}

/// Maps with a router that has these pages.
fn map_with(page: Page) -> (Result<Vec<Lease>, Refused>, Heard) {
    let (address, heard) = serve(Ipv4Addr::LOCALHOST, page);
    (map(answer_search(Ipv4Addr::LOCALHOST, format!("http://{address}/root.xml"))), heard)
}

fn description(control_url: &str) -> String {
    ok(&format!(
        "<root><device><serviceList><service>
            <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>
            <SCPDURL>/actions.xml</SCPDURL><controlURL>{control_url}</controlURL>
        </service></serviceList></device></root>"
    ))
}

/// The arguments that are sent are those that this page names.
fn actions() -> String {
    let argument =
        |name: &&str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
    let action = |name: &str, arguments: &[&str]| {
        let arguments: String = arguments.iter().map(argument).collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let place = ["NewRemoteHost", "NewExternalPort", "NewProtocol"];
    let rest = [
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let add = action("AddPortMapping", &[&place[..], &rest[..]].concat());
    let delete = action("DeletePortMapping", &place);
    ok(&format!("<scpd><actionList>{add}{delete}</actionList></scpd>"))
}

fn done(action: &str, body: &str) -> String {
    ok(&format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>
            <u:{action}Response xmlns:u=\"x\">{body}</u:{action}Response>
        </s:Body></s:Envelope>"
    ))
}

fn fault(code: u16, text: &str) -> String {
    ok(&format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>
            <detail><UPnPError><errorCode>{code}</errorCode><errorDescription>{text}</errorDescription></UPnPError></detail>
        </s:Fault></s:Body></s:Envelope>"
    ))
}

/// An honest router, but for what `add` says to a request for a port.
fn router(add: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Page {
    Arc::new(move |request| {
        let is = |word: &str| request.contains(word);
        if is("GET /root.xml") {
            description("/control")
        } else if is("GET /actions.xml") {
            actions()
        } else if is("#GetExternalIPAddress") {
            let ip = "<NewExternalIPAddress>198.51.100.7</NewExternalIPAddress>";
            done("GetExternalIPAddress", ip)
        } else if is("#AddPortMapping") {
            add(request).unwrap_or_else(|| done("AddPortMapping", ""))
        } else {
            done("DeletePortMapping", "")
        }
    })
}

fn count(heard: &Heard, word: &str) -> usize {
    heard.lock().unwrap().iter().filter(|request| request.contains(word)).count()
}

#[test]
fn both_ports_are_mapped_renewed_and_released() {
    let (mapped, heard) = map_with(router(|_| None));
    let leases = mapped.unwrap();
    let got: Vec<_> = leases.iter().map(|lease| (lease.transport, lease.external)).collect();
    let external = format!("198.51.100.7:{PORT}").parse().unwrap();
    assert_eq!(got, [(Transport::Tcp, external), (Transport::Udp, external)]);
    assert_eq!(count(&heard, "<NewLeaseDuration>3600</NewLeaseDuration>"), 2);
    for lease in leases {
        let renewed = lease.renew().unwrap();
        assert_eq!((renewed.external, renewed.lasts), (external, LEASE));
        renewed.release().unwrap();
    }
    assert_eq!((count(&heard, "#AddPortMapping"), count(&heard, "#DeletePortMapping")), (4, 2));
}

#[test]
fn another_port_is_taken_where_ours_is_somebody_else_s() {
    let ours = format!("<NewExternalPort>{PORT}</NewExternalPort>");
    let (mapped, _) = map_with(router(move |request| {
        request.contains(&ours).then(|| fault(718, "ConflictInMappingEntry"))
    }));
    let leases = mapped.unwrap();
    assert!(leases.iter().all(|lease| lease.external.port() != PORT));
}

#[test]
fn a_router_without_leases_is_asked_for_good() {
    let (mapped, heard) = map_with(router(|request| {
        let has_lease = !request.contains("<NewLeaseDuration>0</NewLeaseDuration>");
        has_lease.then(|| fault(725, "OnlyPermanentLeasesSupported"))
    }));
    assert_eq!(mapped.unwrap().len(), 2);
    assert_eq!(count(&heard, "#AddPortMapping"), 4);
}

#[test]
fn what_a_router_says_is_cut_and_cleaned() {
    let (mapped, _) =
        map_with(router(|_| Some(fault(501, &format!("\n\u{85}{}", "x".repeat(9_000))))));
    let said = mapped.err().unwrap().to_string();
    assert!(said.len() <= 200 && !said.chars().any(char::is_control), "{said}");
}

#[test]
fn answers_from_elsewhere_are_not_heard() {
    let (address, heard) = serve(Ipv4Addr::LOCALHOST, router(|_| None));
    let said = map(answer_search(OTHER, format!("http://{address}/root.xml"))).err().unwrap();
    assert_eq!(said.to_string(), "no answer");
    assert_eq!(count(&heard, ""), 0);
}

#[test]
fn the_router_cannot_send_us_elsewhere() {
    let (other, heard) = serve(OTHER, router(|_| None));
    let named = map(answer_search(Ipv4Addr::LOCALHOST, format!("http://{other}/root.xml")));
    assert!(named.is_err(), "its page is there");
    let moved = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{other}/root.xml\r\nContent-Length: 0\r\n\r\n"
    );
    let (moved, _) = map_with(Arc::new(move |_| moved.clone()));
    assert!(moved.is_err(), "its page has moved there");
    let control = format!("http://{other}/control");
    let (controlled, _) =
        map_with(Arc::new(move |request| match request.contains("GET /root.xml") {
            true => description(&control),
            false => actions(),
        }));
    assert!(controlled.is_err(), "it is controlled there");
    assert_eq!(count(&heard, ""), 0, "nobody is asked there");
}

#[test]
fn pages_that_are_too_long_too_deep_or_none_are_refused() {
    let long = ok(&format!("<root>{}</root>", " ".repeat(2 << 20)));
    let deep = ok(&"<a>".repeat(100_000));
    let laughs =
        "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><a>&c;</a>";
    let pages = [long, deep, ok(laughs), "not HTTP".to_owned(), String::new()];
    // Each is given some seconds for a better one.
    thread::scope(|scope| {
        for page in pages {
            scope.spawn(|| {
                let (mapped, heard) = map_with(Arc::new(move |_| page.clone()));
                assert!(mapped.is_err());
                assert_eq!(count(&heard, ""), 1, "it is asked once");
            });
        }
    });
}

#[test]
fn addresses_behind_another_nat_are_of_no_use() {
    let is_public = |text: &str| is_public(text.parse().unwrap());
    assert!(["198.51.100.7", "128.66.0.2", "100.128.0.1"].into_iter().all(is_public));
    let others = [
        "0.0.0.0",
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.127.0.1",
        "127.0.0.1",
        "169.254.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ];
    assert!(!others.into_iter().any(is_public));
}

#[test]
fn a_node_that_the_router_does_not_lead_to_asks_for_nothing() {
    let gateway =
        Gateway { address: Ipv4Addr::new(192, 168, 1, 1), own: Ipv4Addr::new(192, 168, 1, 2) };
    let is_reached = |bound: &str| super::is_reached_at(bound.parse().unwrap(), gateway);
    assert!(["0.0.0.0", "::", "192.168.1.2", "::ffff:192.168.1.2"].into_iter().all(is_reached));
    assert!(!["127.0.0.1", "::1", "192.168.9.2", "2001:db8::1"].into_iter().any(is_reached));
}
