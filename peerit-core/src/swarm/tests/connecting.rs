//! Dials, rooms, one connection per peer, silence.

use super::super::*;
use super::alone::*;
use Direction::{Answered, Dialled};

fn dials(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Dial { .. })).count()
}

fn found(numbers: std::ops::Range<u8>) -> Event {
    Event::AddressesFound { addresses: numbers.map(address).collect() }
}

#[test]
fn dials_are_few_at_a_time_and_leave_room() {
    let config = Config { peers_max: 20, dials_max: 4, ..Config::default() };
    let mut alone = Alone::with(Bitfield::empty(CHUNKS), config);
    let mut dialled = alone.on(found(1..60));
    assert_eq!(dials(&dialled), 4);
    let mut connected = 0;
    while let Some(action) = dialled.pop() {
        if let Action::Dial { address: at } = action {
            let number = (1..60).find(|&number| address(number) == at).unwrap();
            dialled.extend(alone.connect(number, Dialled));
            connected += 1;
        }
    }
    assert_eq!(connected, 15);
}

#[test]
fn a_failed_dial_is_repeated_later() {
    let mut alone = Alone::leech();
    assert_eq!(dials(&alone.on(found(1..2))), 1);
    assert_eq!(dials(&alone.on(Event::DialFailed { address: address(1) })), 0);
    assert_eq!(dials(&alone.wait(7)), 0);
    assert_eq!(dials(&alone.wait(7)), 1);
}

#[test]
fn connected_peers_are_not_dialled_again() {
    let mut alone = Alone::leech();
    alone.on(found(1..2));
    alone.connect(1, Dialled);
    assert_eq!(dials(&alone.on(found(1..2))), 0);
    // The peer that came to us from another port listens where its Hello says.
    alone.join(2, &Bitfield::empty(CHUNKS));
    let mut listens = address(2);
    listens.set_port(6_000);
    assert_eq!(dials(&alone.on(Event::AddressesFound { addresses: vec![listens] })), 0);
    alone.on(Event::Disconnected { peer: key(2) });
    assert_eq!(dials(&alone.wait(20)), 1);
}

#[test]
fn a_dial_to_ourselves_is_closed_and_not_repeated() {
    let mut alone = Alone::leech();
    alone.on(found(1..2));
    let actions = alone.connect_as(1, 100, Dialled);
    assert_eq!(actions, [disconnect(1, DisconnectReason::Duplicate)]);
    alone.on(found(1..2));
    assert_eq!(dials(&alone.wait(3_600)), 0);
}

#[test]
fn of_two_crossing_connections_the_one_dialled_by_the_smaller_id_stays() {
    for (id, ours_stays) in [(99, false), (101, true)] {
        for ours_first in [true, false] {
            let mut alone = Alone::leech();
            let (ours, theirs) = (1, 2);
            let order = if ours_first { [ours, theirs] } else { [theirs, ours] };
            let mut closed = Vec::new();
            for number in order {
                let direction = if number == ours { Dialled } else { Answered };
                closed.extend(alone.connect_as(number, id, direction));
            }
            let loser = if ours_stays { theirs } else { ours };
            closed.retain(|action| matches!(action, Action::Disconnect { .. }));
            assert_eq!(closed, [disconnect(loser, DisconnectReason::Duplicate)]);
            assert_eq!(alone.swarm.peers(alone.now).len(), 1);
        }
    }
}

#[test]
fn of_two_connections_dialled_by_one_side_the_older_stays_unless_it_is_dead() {
    let mut alone = Alone::seed();
    alone.join_interested(1);
    let twin = |alone: &mut Alone, number| alone.connect_as(number, 1, Answered);
    assert_eq!(twin(&mut alone, 2), [disconnect(2, DisconnectReason::Duplicate)]);
    alone.wait(80);
    let actions = twin(&mut alone, 3);
    assert_eq!(actions[0], disconnect(1, DisconnectReason::Duplicate));
    assert!(matches!(frames(3, &actions)[..], [Frame::Hello(_)]));
}

#[test]
fn a_connection_through_a_relay_gives_way_to_one_without() {
    for direction in [Dialled, Answered] {
        let mut alone = Alone::leech();
        let connect = |alone: &mut Alone, number, path| {
            let (peer, id, address) = (key(number), PeerId([99; 32]), address(number));
            let mut actions = alone.on(Event::Connected { peer, id, address, direction, path });
            actions.retain(|action| matches!(action, Action::Disconnect { .. }));
            actions
        };
        assert_eq!(connect(&mut alone, 1, Path::Relayed), []);
        let replaced = connect(&mut alone, 2, Path::Punched);
        assert_eq!(replaced, [disconnect(1, DisconnectReason::Duplicate)]);
        let refused = connect(&mut alone, 3, Path::Relayed);
        assert_eq!(refused, [disconnect(3, DisconnectReason::Duplicate)]);
        // Unless the other one is dead.
        alone.wait(80);
        let replaced = connect(&mut alone, 4, Path::Relayed);
        assert!(!replaced.contains(&disconnect(4, DisconnectReason::Duplicate)), "{replaced:?}");
    }
}

#[test]
fn a_full_swarm_sends_newcomers_away_but_not_for_an_unused_place() {
    let config = Config { peers_max: 2, ..Config::default() };
    let mut alone = Alone::with(Bitfield::full(CHUNKS), config);
    alone.join(1, &Bitfield::empty(CHUNKS));
    alone.join_interested(2);
    assert_eq!(alone.connect(3, Answered), [disconnect(3, DisconnectReason::Full)]);
    alone.wait(61);
    let actions = alone.connect(4, Answered);
    assert_eq!(actions[0], disconnect(1, DisconnectReason::Useless));
    assert_eq!(alone.connect(5, Answered), [disconnect(5, DisconnectReason::Full)]);
}

#[test]
fn a_silent_peer_is_dropped_and_a_quiet_one_is_not() {
    let mut alone = Alone::seed();
    alone.join_interested(1);
    alone.join_interested(2);
    let mut actions = Vec::new();
    for _ in 0..10 {
        actions.extend(alone.wait(60));
        actions.extend(alone.frame(2, Frame::Interest(true)));
    }
    let closed: Vec<_> =
        actions.iter().filter(|action| matches!(action, Action::Disconnect { .. })).collect();
    assert_eq!(closed, [&disconnect(1, DisconnectReason::Idle)]);
    let kept_alive = frames(2, &actions).iter().filter(|&f| *f == Frame::Interest(false)).count();
    assert!((9..=11).contains(&kept_alive), "{kept_alive}");
}

#[test]
fn a_peer_that_never_greets_is_dropped_soon() {
    let mut alone = Alone::seed();
    alone.connect(1, Answered);
    assert_eq!(alone.wait(31), [disconnect(1, DisconnectReason::Idle)]);
}

#[test]
fn seeds_part_after_they_have_told_each_other_of_peers() {
    let mut alone = Alone::seed();
    alone.join_interested(1);
    alone.join(2, &Bitfield::full(CHUNKS));
    let actions = alone.wait(30);
    // Its Hello did not say that it has everything, so it is also told of all chunks.
    assert!(matches!(frames(2, &actions)[..], [Frame::PeerExchange(_), Frame::Bitfield(_)]));
    assert!(actions.contains(&disconnect(2, DisconnectReason::Useless)));
    assert_eq!(alone.swarm.peers(alone.now).len(), 1);
}

#[test]
fn a_pause_closes_everything_and_refuses_what_comes() {
    let mut alone = Alone::leech();
    alone.on(found(1..2));
    alone.connect(1, Dialled);
    assert_eq!(alone.on(Event::Pause), [disconnect(1, DisconnectReason::Paused)]);
    assert_eq!(alone.on(Event::Pause), []);
    assert_eq!(alone.connect(2, Answered), [disconnect(2, DisconnectReason::Paused)]);
    assert_eq!(dials(&alone.on(Event::Resume)), 1);
    alone.on(Event::Pause);
    assert_eq!(alone.wait(3_600), []);
}

#[test]
fn swarms_without_peers_want_no_timer() {
    let mut alone = Alone::leech();
    assert_eq!(alone.wait(10), []);
    assert_eq!(alone.swarm.poll_timeout(), None);
}
