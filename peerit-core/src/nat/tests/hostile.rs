//! Trackers and peers that mean no good.

use super::super::secrets::Secrets;
use super::super::signal::{AttemptId, Credentials};
use super::net::{Net, id, udp};
use super::*;
use crate::path::Path;

/// A signal that anybody of the swarm could make.
fn forged(from: usize, to: usize, number: u8, candidates: Vec<Candidate>) -> Event {
    let fragment = Secrets::new([number; 32]).next_text::<8>();
    let credentials = Credentials { fragment, password: "p".repeat(24) };
    let attempt = AttemptId([number; 16]);
    let signal = Signal {
        attempt,
        answer: false,
        credentials,
        candidates,
        mapping: Mapping::Unknown,
        ports_open: false,
    };
    let key = CONTENT.swarm_key();
    let sealed = seal::seal(&key, id(from), id(to), [number; 24], &signal.encode()).unwrap();
    pushed(CONTENT.topic(), from, sealed)
}

fn pushed(topic: Topic, from: usize, sealed: Bytes) -> Event {
    Event::Signal { topic, sender: id(from), sender_address: None, sealed }
}

#[test]
fn signals_said_again_do_nothing() {
    let mut net = Net::new(2);
    net.want(0, 1);
    net.run(Duration::from_secs(60));
    assert_eq!(net.paths(1), [Some(Path::Direct)]);
    net.drawn();
    for (to, event) in net.signals.clone() {
        (0..3).for_each(|_| net.tell(to, event.clone()));
    }
    net.run(Duration::from_secs(60));
    assert_eq!(net.drawn(), "");
}

#[test]
fn a_signal_said_again_in_its_attempt_is_answered_once_a_second() {
    let mut net = Net::new(2);
    (net.machines[0].udp, net.machines[1].udp) = (false, false);
    net.want(0, 1);
    net.run(Duration::from_secs(1));
    net.drawn();
    let (to, offer) = net.signals[0].clone();
    for _ in 0..100 {
        net.tell(to, offer.clone());
        net.run(Duration::from_millis(50));
    }
    let drawn = net.drawn();
    assert!((4..=6).contains(&drawn.matches("b signals a").count()), "{drawn}");
}

#[test]
fn what_is_not_sealed_for_us_is_dropped() {
    let mut net = Net::new(3);
    net.want(0, 1);
    net.run(Duration::from_millis(260));
    let (_, offer) = net.signals[0].clone();
    let Event::Signal { topic, sealed, .. } = offer else { panic!() };
    net.machines[1].hears_signals = false;
    net.drawn();
    // To somebody else, from somebody else, of another swarm, changed.
    net.tell(2, pushed(topic, 0, sealed.clone()));
    net.tell(1, pushed(topic, 2, sealed.clone()));
    let other = ContentId([8; 32]);
    net.tell(1, pushed(other.topic(), 0, sealed.clone()));
    let mut changed = sealed.to_vec();
    changed[30] ^= 1;
    net.tell(1, pushed(topic, 0, changed.into()));
    assert_eq!(net.drawn(), "");
    assert_eq!(net.machines[1].traversal.poll_timeout(), None);
}

#[test]
fn an_offer_from_ourselves_is_dropped() {
    let mut net = Net::new(1);
    net.tell(0, forged(0, 0, 1, Vec::new()));
    assert_eq!(net.drawn(), "");
    assert_eq!(net.machines[0].traversal.poll_timeout(), None);
}

#[test]
fn one_signal_makes_little_traffic() {
    let mut net = Net::new(1);
    let victim = |number: u16| {
        let transport = if number < 1_008 { Transport::Udp } else { Transport::Tcp };
        Candidate::new(
            CandidateKind::Host,
            transport,
            SocketAddr::new(at("203.0.113.7:1").ip(), number),
        )
    };
    net.tell(0, forged(1, 0, 1, (1_000..1_016).map(victim).collect()));
    net.run(Duration::from_secs(60));
    let drawn = net.drawn();
    assert_eq!(drawn.matches("dials").count(), 8, "{drawn}");
    // Eight addresses, up to twelve checks each.
    assert!((8..=96).contains(&net.checks), "{}", net.checks);
    assert_eq!(net.paths(0), [None]);
}

#[test]
fn many_offers_make_few_attempts() {
    let mut net = Net::new(1);
    for number in 0..=255 {
        // All from one peer, then each from another.
        net.tell(0, forged(1, 0, number, Vec::new()));
    }
    net.run(Duration::from_secs(29));
    assert!(net.paths(0).len() <= 3, "{:?}", net.paths(0));
    let mut net = Net::new(1);
    for number in 0..200_u8 {
        net.tell(0, forged(usize::from(number), 0, number, Vec::new()));
    }
    // What others want leaves room for what we want.
    net.want(0, 201);
    net.run(Duration::from_secs(60));
    assert!(net.paths(0).len() <= OFFERED_ATTEMPTS_MAX + 1, "{}", net.paths(0).len());
}

#[test]
fn a_candidate_that_is_ourselves_or_this_machine_is_passed_over() {
    let mut net = Net::new(1);
    let odd = [udp(0), at("127.0.0.1:7"), at("[::1]:7")];
    let candidates =
        odd.map(|address| Candidate::new(CandidateKind::Host, Transport::Udp, address)).to_vec();
    net.tell(0, forged(1, 0, 1, candidates));
    net.run(Duration::from_secs(60));
    assert_eq!(net.checks, 0);
    assert!(net.drawn().contains("hole punch: not tried: the peer names no address for it"));
}

#[test]
fn somebody_elses_private_addresses_are_not_dialled() {
    let mut net = Net::new(1);
    let of = |address| Candidate::new(CandidateKind::Host, Transport::Tcp, at(address));
    let seen = |kind, address| Candidate::new(kind, Transport::Udp, at(address));
    net.tell(
        0,
        Event::Observed {
            observer: at("203.0.113.1:1"),
            address: at("198.51.100.50:9"),
            other_port: 0,
        },
    );
    let away = seen(CandidateKind::Reflexive, "198.51.100.77:9");
    net.tell(0, forged(1, 0, 1, vec![of("192.168.0.7:80"), of("[2001:db8::7]:80"), away]));
    let home = seen(CandidateKind::Reflexive, "198.51.100.50:10");
    net.tell(0, forged(2, 0, 2, vec![of("192.168.0.8:80"), home]));
    net.run(Duration::from_secs(5));
    let drawn = net.drawn();
    assert!(!drawn.contains("dials 192.168.0.7"), "{drawn}");
    assert!(
        drawn.contains("dials [2001:db8::7]:80") && drawn.contains("dials 192.168.0.8"),
        "{drawn}"
    );
}

#[test]
fn checks_that_prove_nothing_are_not_answered() {
    let mut net = Net::new(2);
    net.want(0, 1);
    net.run(Duration::from_millis(330));
    let before = net.checks;
    for number in 0..200_u8 {
        let from = at(&format!("203.0.113.{number}:9"));
        // The right form, another password: as from somebody who saw the name of the attempt go by.
        let setup = ice::IceSetup {
            controlling: true,
            local: Credentials { fragment: "abcd".into(), password: "x".repeat(24) },
            remote: Credentials { fragment: "efgh".into(), password: "y".repeat(24) },
            seed: 1,
        };
        let mut agent = ice::start(net.now, setup);
        let place = Candidate::new(CandidateKind::Host, Transport::Udp, udp(0));
        agent.add_remote(net.now, &place);
        agent.handle_timeout(net.now + Duration::from_millis(20));
        let (_, datagram) = agent.poll_transmit().unwrap();
        net.tell(0, Event::Stun { from, datagram });
    }
    assert_eq!(net.checks, before);
    net.run(Duration::from_secs(2));
    assert_eq!(net.paths(0), [Some(Path::Direct)]);
}
