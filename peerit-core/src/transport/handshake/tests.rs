//! Knocks and welcomes, right and wrong.

use bytes::BytesMut;
use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt, FutureExt};

use super::super::pipe::{Pipe, pipe};
use super::*;
use crate::runtime::testing::block_on;
use crate::wire::{Hello, decode_frame, encode_frame};

const CONTENT: ContentId = ContentId([1; 32]);
const OTHER_CONTENT: ContentId = ContentId([2; 32]);
const DIALLER: PeerId = PeerId([3; 32]);
const ANSWERER: PeerId = PeerId([4; 32]);
const BINDING: [u8; 32] = [5; 32];

fn connection(peer_id: PeerId, end: Pipe) -> Connection {
    Connection {
        peer_id,
        address: "192.0.2.1:7".parse().unwrap(),
        path: Path::Direct,
        carrier: Carrier::Other,
        binding: BINDING,
        stream: Box::new(end),
    }
}

fn known(topic: Topic) -> Option<SwarmKey> {
    (topic == CONTENT.topic()).then(|| CONTENT.swarm_key())
}

fn encoded(frames: &[Frame]) -> BytesMut {
    let mut bytes = BytesMut::new();
    frames.iter().for_each(|frame| encode_frame(frame, &mut bytes));
    bytes
}

fn knock(content: ContentId, binding: [u8; 32], role: Role) -> Frame {
    let proof = proof(content.swarm_key(), &binding, role, DIALLER, ANSWERER);
    Frame::Knock { topic: CONTENT.topic(), proof }
}

fn welcome(content: ContentId) -> Frame {
    Frame::Welcome { proof: proof(content.swarm_key(), &BINDING, Role::Answer, DIALLER, ANSWERER) }
}

#[test]
fn peers_who_know_the_manifest_meet() {
    block_on(async {
        let (here, there) = pipe();
        let (dialled, answered) = join(
            dial_swarm(connection(ANSWERER, here), DIALLER, CONTENT),
            answer_swarm(connection(DIALLER, there), ANSWERER, known),
        )
        .await;
        let (mut here, (topic, mut there)) = (dialled.unwrap(), answered.unwrap());
        assert_eq!(topic, CONTENT.topic());
        assert_eq!((here.peer_id, there.peer_id), (ANSWERER, DIALLER));
        here.writer.send(&Frame::Interest(true)).await.unwrap();
        here.writer.flush().await.unwrap();
        assert_eq!(there.reader.next().await.unwrap().0, Frame::Interest(true));
    });
}

/// What `answer_swarm` says to somebody who sends `bytes` and listens until the end.
fn answer_to(bytes: &[u8]) -> (HandshakeError, Vec<u8>) {
    block_on(async {
        let (mut here, there) = pipe();
        here.write_all(bytes).await.unwrap();
        let refusal = answer_swarm(connection(DIALLER, there), ANSWERER, known).await.err();
        let mut heard = Vec::new();
        here.read_to_end(&mut heard).await.unwrap();
        (refusal.unwrap(), heard)
    })
}

#[test]
fn a_stranger_hears_nothing() {
    let strangers = [
        knock(OTHER_CONTENT, BINDING, Role::Dial),
        knock(CONTENT, [6; 32], Role::Dial),
        knock(CONTENT, BINDING, Role::Answer),
    ];
    for knock in strangers {
        let (refusal, heard) = answer_to(&encoded(&[knock]));
        assert!(matches!(refusal, HandshakeError::BadProof), "{refusal}");
        assert_eq!(heard, []);
    }

    let topic = OTHER_CONTENT.topic();
    let (refusal, heard) = answer_to(&encoded(&[Frame::Knock { topic, proof: [0; 32] }]));
    assert!(matches!(refusal, HandshakeError::UnknownTopic(asked) if asked == topic));
    assert_eq!(heard, []);

    // A header whose payload never comes must not be waited for.
    let block = crate::layout::Layout::new(9, 65_536).unwrap().block(crate::id::ChunkIndex(0), 0);
    let (refusal, heard) = answer_to(&encoded(&[Frame::Data(block)]));
    assert!(matches!(refusal, HandshakeError::WrongFrame("knock")));
    assert_eq!(heard, []);

    let (refusal, heard) = answer_to(b"\xff\xff\xff\xff");
    assert!(matches!(refusal, HandshakeError::Frame(FrameError::Wire(_))));
    assert_eq!(heard, []);
}

#[test]
fn the_dialler_says_nothing_more_before_a_valid_welcome() {
    block_on(async {
        let (here, mut there) = pipe();
        let mut dial = Box::pin(dial_swarm(connection(ANSWERER, here), DIALLER, CONTENT));
        assert!((&mut dial).now_or_never().is_none(), "it waits for the welcome");
        there.write_all(&encoded(&[welcome(OTHER_CONTENT)])).await.unwrap();
        assert!(matches!(dial.await.err(), Some(HandshakeError::BadProof)));

        let mut heard = Vec::new();
        there.read_to_end(&mut heard).await.unwrap();
        let mut heard = BytesMut::from(heard.as_slice());
        let first = decode_frame(&mut heard).unwrap();
        assert_eq!(first, Some(knock(CONTENT, BINDING, Role::Dial)));
        assert!(heard.is_empty());
    });
}

#[test]
fn a_dialler_tells_a_refusal_from_a_wrong_answer() {
    block_on(async {
        let (here, there) = pipe();
        let dial = dial_swarm(connection(ANSWERER, here), DIALLER, OTHER_CONTENT);
        let answer = answer_swarm(connection(DIALLER, there), ANSWERER, known).map(drop);
        assert!(matches!(join(dial, answer).await.0.err(), Some(HandshakeError::Refused)));

        let (here, mut there) = pipe();
        there.write_all(&encoded(&[Frame::Choke(true)])).await.unwrap();
        let dialled = dial_swarm(connection(ANSWERER, here), DIALLER, CONTENT).await;
        assert!(matches!(dialled.err(), Some(HandshakeError::WrongFrame("welcome"))));
    });
}

#[test]
fn frames_right_behind_the_welcome_are_not_lost() {
    let hello = Hello { agent: "test".to_owned(), listen_port: 7, chunk_count: 9, complete: false };
    let frames = [welcome(CONTENT), Frame::Hello(hello), Frame::Choke(false)];
    block_on(async {
        let (here, mut there) = pipe();
        there.write_all(&encoded(&frames)).await.unwrap();
        let dialled = dial_swarm(connection(ANSWERER, here), DIALLER, CONTENT).await;
        let mut reader = dialled.unwrap().reader;
        assert_eq!(reader.next().await.unwrap(), (frames[1].clone(), None));
        assert_eq!(reader.next().await.unwrap(), (frames[2].clone(), None));
    });
}
