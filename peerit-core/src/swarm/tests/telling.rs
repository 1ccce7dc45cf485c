//! Who hears of new chunks, and when.

use super::super::*;
use super::alone::*;

/// Has the first five chunks and one slot; peer 1 has it and asks for five blocks, peer 2 has none.
fn busy() -> Alone {
    let mut have = Bitfield::empty(CHUNKS);
    for chunk in 0..5 {
        have.insert(ChunkIndex(chunk));
    }
    let config = Config { upload_slots: 1, ..Config::default() };
    let mut alone = Alone::with(have, config);
    alone.join_interested(1);
    (0..5).for_each(|chunk| drop(alone.frame(1, Frame::Request(block(chunk)))));
    alone.join_interested(2);
    alone
}

/// A peer with these chunks joins and serves us until so many are stored; what we wanted done besides.
fn fetch(alone: &mut Alone, number: u8, chunks: &Bitfield, count: usize) -> Vec<Action> {
    let mut todo = alone.join(number, chunks);
    todo.extend(alone.frame(number, Frame::Choke(false)));
    let (mut others, mut stored) = (Vec::new(), 0);
    while !todo.is_empty() && stored < count {
        match todo.remove(0) {
            Action::Send { peer, frame: Frame::Request(block) } => {
                let payload = bytes::Bytes::from(vec![0; block.length as usize]);
                todo.extend(alone.on(Event::BlockReceived { peer, block, payload }));
            }
            Action::VerifyChunk { chunk, blocks } => {
                stored += 1;
                todo.extend(alone.on(Event::ChunkStored { chunk, blocks }));
            }
            other => others.push(other),
        }
    }
    assert_eq!(stored, count);
    others.extend(todo);
    others
}

/// How many chunks a peer was told of, frame by frame.
fn told(number: u8, actions: &[Action]) -> Vec<usize> {
    let count = |frame| if let Frame::Have(chunks) = frame { Some(chunks.len()) } else { None };
    frames(number, actions).into_iter().filter_map(count).collect()
}

#[test]
fn a_refused_chunk_that_is_offered_again_is_asked_for_again() {
    let mut alone = Alone::leech();
    let mut only = Bitfield::empty(CHUNKS);
    only.insert(ChunkIndex(3));
    alone.join(1, &only);
    let asked = alone.frame(1, Frame::Choke(false));
    let Some(Frame::Request(block)) = frames(1, &asked).pop() else { panic!("{asked:?}") };
    assert_eq!(alone.frame(1, Frame::Reject(block)), []);
    assert_eq!(alone.frame(1, Frame::Have(vec![block.chunk])), asked);
}

#[test]
fn the_source_hears_at_once_and_who_is_served_when_the_uplink_needs_requests() {
    let mut alone = busy();
    let actions = fetch(&mut alone, 9, &Bitfield::full(CHUNKS), 3);
    assert_eq!(told(9, &actions), [1, 1, 1]);
    assert_eq!(told(1, &actions), []);
    let sent = |chunk| Event::BlockSent { peer: key(1), block: block(chunk) };
    assert_eq!(told(1, &alone.on(sent(0))), [], "four requests are enough");
    assert_eq!(told(1, &alone.on(sent(1))), [3]);
}

#[test]
fn everybody_hears_within_a_second_in_one_frame() {
    let mut alone = busy();
    let actions = fetch(&mut alone, 9, &Bitfield::full(CHUNKS), 3);
    assert_eq!(told(2, &actions), []);
    assert_eq!(told(2, &alone.wait_ms(999)), []);
    assert_eq!(told(2, &alone.wait_ms(1)), [3]);
    assert_eq!(told(2, &alone.wait(10)), []);
}

#[test]
fn a_peer_hears_at_once_that_it_is_wanted_and_a_second_later_that_it_is_not() {
    let mut alone = busy();
    let mut one = Bitfield::empty(CHUNKS);
    one.insert(ChunkIndex(7));
    let interest = |actions: &[Action]| {
        let said = |frame| if let Frame::Interest(wanted) = frame { Some(wanted) } else { None };
        frames(3, actions).into_iter().filter_map(said).collect::<Vec<_>>()
    };
    assert_eq!(interest(&fetch(&mut alone, 3, &one, 1)), [true]);
    assert_eq!(interest(&alone.wait_ms(999)), []);
    assert_eq!(interest(&alone.wait_ms(1)), [false]);
}
