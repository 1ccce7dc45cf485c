//! Whatever happens, and in whatever order, no topic is forgotten.

use std::collections::VecDeque;

use peerit_proto::tracker::v1 as proto;
use proptest::prelude::*;
use proto::response::Body;

use super::super::super::token::TOKEN_LENGTH;
use super::*;
use crate::id::PeerId;
use crate::rng::Rng;

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    Complete(u8),
    Leave(u8),
    /// The answer to one of the requests on their way, or to none.
    Answer {
        flight: usize,
        body: Body,
        by_stream: bool,
    },
    StreamLost,
    NetworkChanged,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = |body: BoxedStrategy<Body>, by_stream| {
        (0..3_usize, body).prop_map(move |(flight, body)| Step::Answer { flight, body, by_stream })
    };
    let step = prop_oneof![
        1 => (0..3_u8).prop_map(Step::Join),
        1 => (0..3_u8).prop_map(Step::Complete),
        1 => (0..3_u8).prop_map(Step::Leave),
        2 => answer(body(), false),
        2 => answer(body(), true),
        1 => Just(Step::StreamLost),
        1 => Just(Step::NetworkChanged),
        3 => (1..12_u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..40)
}

fn body() -> BoxedStrategy<Body> {
    let token = |length| Body::Token(proto::Token { token: vec![7; length].into() });
    let reply = proto::AnnounceReply { interval_ms: 60_000, ..Default::default() };
    prop_oneof![
        3 => Just(Body::AnnounceReply(reply)),
        2 => Just(token(TOKEN_LENGTH)),
        1 => Just(token(1)),
        1 => Just(Body::Refusal(proto::Refusal::default())),
    ]
    .boxed()
}

fn take(endpoint: &mut Endpoint, now: Timestamp, step: Step, outbox: &mut Outbox) {
    let topic = |number| Topic([number; 32]);
    match step {
        Step::Join(number) => {
            endpoint.join(now, topic(number), Part { listen_port: 7_000, seed: false });
        }
        Step::Complete(number) => endpoint.complete(now, topic(number)),
        Step::Leave(number) => endpoint.leave(now, topic(number)),
        Step::Answer { flight, body, by_stream } => {
            let transaction = endpoint.flights.keys().nth(flight).copied().unwrap_or_default();
            let response = proto::Response { transaction, body: Some(body) };
            let source = if by_stream { Source::Stream } else { Source::Datagram };
            endpoint.answered(now, source(endpoint.address), &response, outbox);
        }
        Step::StreamLost => endpoint.stream_lost(now, outbox),
        Step::NetworkChanged => endpoint.network_changed(now, outbox),
        Step::Wait(_) => {}
    }
}

proptest! {
    #[test]
    fn each_topic_has_a_request_on_its_way_or_a_time_for_the_next(steps in steps()) {
        let mut outbox = Outbox {
            own: PeerId([1; 32]),
            rng: Rng::from_seed(7),
            actions: VecDeque::new(),
            mapped: None,
        };
        let mut endpoint = Endpoint::new(SocketAddr::from(([192, 0, 2, 1], 59_000)));
        let mut now = Timestamp::ZERO;
        for step in steps {
            if let Step::Wait(seconds) = step {
                now = now + Duration::from_secs(seconds);
            }
            take(&mut endpoint, now, step, &mut outbox);
            endpoint.advance(now, &mut outbox);
            for (topic, slot) in &endpoint.slots {
                prop_assert_ne!(endpoint.is_asking(*topic), slot.due.is_some());
            }
            let due = endpoint.slots.iter().filter_map(|(topic, slot)| Some((slot.due?, *topic)));
            prop_assert_eq!(due.collect::<BTreeSet<_>>(), endpoint.due.clone());
        }
    }
}
