//! Bytes and calls as chance has them: never a panic, never an end too many.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::signal::Signal;
use super::net::{Net, id, places, tcp, udp};
use super::*;
use crate::rng::Rng;

proptest! {
    #[test]
    fn no_bytes_break_a_signal(bytes in proptest::collection::vec(any::<u8>(), 0..900)) {
        if let Ok(signal) = Signal::decode(&bytes) {
            prop_assert!(signal.candidates.len() <= CANDIDATES_MAX);
            prop_assert_eq!(Signal::decode(&signal.encode()), Ok(signal));
        }
    }

    #[test]
    fn a_signal_with_changed_bytes_does_no_harm(
        index in 0..600_usize, value in any::<u8>(), cut in 0..600_usize,
    ) {
        let key = CONTENT.swarm_key();
        let mut net = Net::new(2);
        net.want(0, 1);
        net.run(Duration::from_millis(250));
        let Some((to, Event::Signal { topic, sender, sender_address, sealed })) = net.signals.pop()
        else {
            panic!()
        };
        // As somebody of the swarm could: opened, changed, sealed again.
        let mut bytes = seal::open(&key, sender, id(to), &sealed).unwrap();
        let length = bytes.len();
        bytes[index % length] = value;
        bytes.truncate(length - cut % (length / 4));
        let sealed = seal::seal(&key, sender, id(to), [3; 24], &bytes).unwrap();
        net.tell(to, Event::Signal { topic, sender, sender_address, sealed });
        net.run(Duration::from_secs(60));
        prop_assert_eq!(net.machines[0].ends.len(), 1);
    }

    #[test]
    fn no_datagram_breaks_the_checks(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200), is_stun in any::<bool>(),
    ) {
        let mut net = Net::new(2);
        net.want(0, 1);
        net.run(Duration::from_millis(350));
        if is_stun && bytes.len() >= 20 {
            let length = u16::try_from(bytes.len() - 20).unwrap().to_be_bytes();
            bytes[0] &= 1;
            bytes[1..4].copy_from_slice(&[1, length[0], length[1]]);
            bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        net.tell(0, Event::Stun { from: udp(1), datagram: Bytes::from(bytes) });
        net.run(Duration::from_secs(60));
        prop_assert_eq!(net.paths(0), vec![Some(crate::path::Path::Direct)]);
    }
}

/// What a driver could say, right or wrong.
fn any_event(rng: &mut Rng) -> Event {
    let (topic, peer) = (CONTENT.topic(), id(rng.below(4)));
    let way = WayKey(rng.below(40) as u64);
    match rng.below(11) {
        0 => Event::Want { topic, peer, addresses: vec![tcp(rng.below(4)), udp(rng.below(9))] },
        1 => Event::Unwant { topic, peer },
        2 => Event::Opened { way },
        3 => Event::OpenFailed { way, fault: Fault::Refused },
        4 => {
            let (address, by_quic) = (udp(rng.below(4)), rng.below(2) == 0);
            Event::Accepted { topic, peer, address, by_quic }
        }
        5 => Event::Disconnected { topic, peer },
        6 => Event::Leave { topic },
        7 => Event::LocalCandidates { candidates: places(rng.below(9)) },
        8 => Event::Observed {
            observer: tcp(rng.below(3)),
            address: udp(rng.below(4)),
            other_port: u16::try_from(rng.below(2)).unwrap(),
        },
        _ => Event::Join { topic, key: CONTENT.swarm_key(), relays: vec![at(super::net::RELAY)] },
    }
}

#[test]
fn whatever_drivers_say_attempts_come_to_one_end() {
    for seed in 0..300 {
        println!("seed {seed}");
        let (mut rng, mut net) = (Rng::from_seed(seed), Net::new(4).with_relay());
        for machine in &mut net.machines {
            machine.dialable = rng.below(3) == 0;
            machine.udp = rng.below(3) > 0;
        }
        for _ in 0..rng.below(80) {
            let machine = rng.below(4);
            let event = any_event(&mut rng);
            net.tell(machine, event);
            net.run(Duration::from_millis(rng.below(900) as u64));
        }
        (0..4).for_each(|machine| net.tell(machine, Event::Leave { topic: CONTENT.topic() }));
        // Until trackers that were asked about NATs have not answered.
        net.run(Duration::from_secs(4));
        for machine in &net.machines {
            assert_eq!(machine.traversal.poll_timeout(), None);
            let key = |end: &Action| match end {
                Action::Established { attempt, .. } | Action::Failed { attempt, .. } => *attempt,
                other => panic!("{other:?}"),
            };
            let mut keys: Vec<_> = machine.ends.iter().map(key).collect();
            keys.sort_unstable();
            // Every attempt that was begun has ended, once.
            assert!(
                keys.iter().zip(1..).all(|(key, number)| *key == AttemptKey(number)),
                "{keys:?}"
            );
        }
    }
}
