//! The program as a process, asked over real UDP and TCP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may panic"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use peerit_core::tracker::stun;
use peerit_proto::Message;
use peerit_proto::tracker::v1 as proto;
use proto::request::Body as RequestBody;
use proto::response::Body as ResponseBody;

/// A tracker that is killed when dropped.
struct Tracker {
    process: Child,
    address: SocketAddr,
}

impl Tracker {
    fn start(flags: &[&str]) -> Self {
        let arguments = [&["--listen", "127.0.0.1:0"], flags].concat();
        let mut process = program(&arguments).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("peerit-tracker listens on ").unwrap();
        let address = address.strip_suffix(" (UDP and TCP)\n").unwrap().parse().unwrap();
        Self { process, address }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerit-tracker"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A socket that fails the test rather than hang it.
fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

fn over_udp(socket: &UdpSocket, to: SocketAddr, request: &proto::Request) -> ResponseBody {
    socket.send_to(&request.encode_to_vec(), to).unwrap();
    let mut buffer = [0; 1_500];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    let response = proto::Response::decode(&buffer[..length]).unwrap();
    assert_eq!((from, response.transaction), (to, request.transaction));
    response.body.unwrap()
}

fn over_tcp(to: SocketAddr, request: &proto::Request) -> ResponseBody {
    answer(&mut asked_over_tcp(to, request), request)
}

fn asked_over_tcp(to: SocketAddr, request: &proto::Request) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&request.encode_length_delimited_to_vec()).unwrap();
    stream
}

fn answer(stream: &mut TcpStream, request: &proto::Request) -> ResponseBody {
    let mut bytes = Vec::new();
    // Until a whole message is there: the connection stays open for more.
    loop {
        let mut part = [0; 1];
        let length = stream.read(&mut part).unwrap();
        assert_ne!(length, 0, "closed after {} bytes", bytes.len());
        bytes.extend(&part[..length]);
        if let Ok(response) = proto::Response::decode_length_delimited(bytes.as_slice()) {
            assert_eq!(response.transaction, request.transaction);
            return response.body.unwrap();
        }
    }
}

fn announce(peer: u8) -> proto::Request {
    let body = RequestBody::Announce(proto::Announce {
        topic: vec![7; 32].into(),
        peer_id: vec![peer; 32].into(),
        listen_port: 7_000 + u32::from(peer),
        event: proto::AnnounceEvent::Started.into(),
        seed: false,
        peers_wanted: 50,
        attend: false,
    });
    proto::Request { transaction: u64::from(peer) + 1, body: Some(body), ..Default::default() }
}

#[test]
fn it_answers_over_udp_tcp_and_stun() {
    let tracker = Tracker::start(&[]);
    let socket = socket();

    // Garbage first: what comes back is the answer to the next request.
    socket.send_to(&[9; 1_400], tracker.address).unwrap();
    let mut request = announce(1);
    let ResponseBody::Token(token) = over_udp(&socket, tracker.address, &request) else {
        panic!("no token");
    };
    request.token = token.token;
    let ResponseBody::AnnounceReply(reply) = over_udp(&socket, tracker.address, &request) else {
        panic!("no reply over UDP");
    };
    let local = socket.local_addr().unwrap();
    assert_eq!(reply.observed.unwrap().port, u32::from(local.port()));
    assert_eq!((reply.leeches, reply.peers.len()), (1, 0));

    let ResponseBody::AnnounceReply(reply) = over_tcp(tracker.address, &announce(2)) else {
        panic!("no reply over TCP");
    };
    assert_eq!((reply.leeches, reply.peers.len()), (2, 1));
    let address = reply.peers[0].address.clone().unwrap();
    assert_eq!((address.ip.as_ref(), address.port), (&[127, 0, 0, 1][..], 7_001));

    // As a plain client asks, and as ours does.
    let ours = stun::request(&[3; 12]);
    let plain = [&ours[..2], &[0, 0], &ours[4..20]].concat();
    for request in [plain, ours.to_vec()] {
        socket.send_to(&request, tracker.address).unwrap();
        let mut buffer = [0; 100];
        let (length, _) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(length, 32);
        assert_eq!(stun::mapped_address(&buffer[..length], &[3; 12]), Some(local));
    }
}

#[test]
fn it_relays_when_told_to() {
    let open = |side: proto::RelaySide| {
        let token = vec![7; 16].into();
        let body = RequestBody::RelayOpen(proto::RelayOpen { token, side: side.into() });
        proto::Request { transaction: 9, body: Some(body), ..Default::default() }
    };
    let (offer, accept) = (open(proto::RelaySide::Offer), open(proto::RelaySide::Answer));
    let off = Tracker::start(&[]);
    let refusal = proto::Refusal { reason: proto::RefusalReason::RelayOff.into() };
    assert_eq!(over_tcp(off.address, &offer), ResponseBody::Refusal(refusal));

    let tracker = Tracker::start(&["--relay"]);
    let sides = [&offer, &accept].map(|request| asked_over_tcp(tracker.address, request));
    let [mut here, mut there] = sides;
    for stream in [&mut here, &mut there] {
        assert_eq!(answer(stream, &offer), ResponseBody::RelayReady(proto::RelayReady {}));
    }
    here.write_all(b"hello").unwrap();
    let mut frame = [0; 7];
    there.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\x00\x05hello");
}

#[test]
fn a_taken_port_is_an_error_with_a_remedy() {
    let tracker = Tracker::start(&[]);
    let address = tracker.address.to_string();
    let output = program(&["--listen", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error: cannot listen on "), "{message}");
    assert!(message.contains(&address) && message.contains("--listen"), "{message}");
}

#[test]
fn exit_codes_tell_help_from_mistakes() {
    for (arguments, code) in [(["--help"], 0), (["--version"], 0), (["--nonsense"], 2)] {
        let output = program(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(output.stdout.is_empty(), code != 0);
    }
}
