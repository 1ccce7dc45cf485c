//! The table alone, on fake time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::time::Timestamp;

const TOKEN: RelayToken = RelayToken([7; 16]);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_origin(Duration::from_secs(seconds))
}

fn ip(number: u8) -> IpAddr {
    Ipv4Addr::new(198, 51, 100, number).into()
}

fn token(number: u8) -> RelayToken {
    RelayToken([number; 16])
}

fn table(config: RelayConfig) -> RelayTable<u8> {
    RelayTable::new(config, [9; 32])
}

/// A host comes to one side; its seat is its number.
fn come(
    table: &mut RelayTable<u8>,
    number: u8,
    token: RelayToken,
    side: RelaySide,
) -> Result<Option<u8>, RelayRefusal> {
    table.open(at(0), ip(number), RelayOpen { token, side }, number)
}

/// Hosts 1 and 2 in a session.
fn joined(table: &mut RelayTable<u8>, token: RelayToken) {
    assert_eq!(come(table, 1, token, RelaySide::Offer), Ok(None));
    assert_eq!(come(table, 2, token, RelaySide::Answer), Ok(Some(1)));
}

#[test]
fn two_sides_of_a_token_meet_in_either_order() {
    let mut table = table(RelayConfig::default());
    joined(&mut table, TOKEN);
    assert_eq!(come(&mut table, 2, token(8), RelaySide::Answer), Ok(None));
    assert_eq!(come(&mut table, 1, token(8), RelaySide::Offer), Ok(Some(2)));
    let counters = table.counters();
    assert_eq!((counters.waiting, counters.open, counters.opened), (0, 2, 2));
}

#[test]
fn other_tokens_same_sides_and_third_parties_do_not_meet() {
    let mut table = table(RelayConfig::default());
    assert_eq!(come(&mut table, 1, TOKEN, RelaySide::Offer), Ok(None));
    assert_eq!(come(&mut table, 2, token(8), RelaySide::Answer), Ok(None), "another token");
    assert_eq!(come(&mut table, 3, TOKEN, RelaySide::Offer), Err(RelayRefusal::Taken));
    assert_eq!(come(&mut table, 2, TOKEN, RelaySide::Answer), Ok(Some(1)));
    for side in [RelaySide::Offer, RelaySide::Answer] {
        assert_eq!(come(&mut table, 3, TOKEN, side), Err(RelayRefusal::Taken), "a third party");
    }
    assert_eq!(table.counters().refused, 3);
}

#[test]
fn a_token_that_is_shown_again_leads_nowhere() {
    let mut table = table(RelayConfig::default());
    joined(&mut table, TOKEN);
    table.close(TOKEN, None);
    assert_eq!(come(&mut table, 3, TOKEN, RelaySide::Offer), Ok(None), "alone");
    assert!(table.leave(TOKEN));
    assert!(!table.leave(TOKEN));
    assert_eq!(table.counters(), RelayCounters { opened: 1, refused: 1, ..Default::default() });
}

#[test]
fn a_side_that_is_joined_does_not_leave() {
    let mut table = table(RelayConfig::default());
    joined(&mut table, TOKEN);
    assert!(!table.leave(TOKEN));
    assert_eq!(table.carry(at(0), TOKEN, 1), Ok(()));
}

#[test]
fn a_flood_of_half_sessions_takes_what_one_host_may_have() {
    let config = RelayConfig { sessions_max: 6, sessions_per_host_max: 4, ..Default::default() };
    let mut table = table(config);
    let flood = |table: &mut RelayTable<u8>, host: u8| {
        (0..=255)
            .filter(|&n| {
                let token = RelayToken([host, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                come(table, host, token, RelaySide::Offer).is_ok()
            })
            .count()
    };
    assert_eq!(flood(&mut table, 1), 4);
    assert_eq!(flood(&mut table, 2), 2, "all places are taken");
    assert_eq!(come(&mut table, 3, TOKEN, RelaySide::Offer), Err(RelayRefusal::Full));
    let waiting = RelayToken([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(come(&mut table, 3, waiting, RelaySide::Answer), Ok(Some(1)), "needs no new place");
    table.close(waiting, None);
    assert_eq!(come(&mut table, 3, TOKEN, RelaySide::Offer), Ok(None));
}

#[test]
fn a_session_counts_once_for_two_sides_of_one_host() {
    let config = RelayConfig { sessions_per_host_max: 1, ..Default::default() };
    let mut table = table(config);
    assert_eq!(come(&mut table, 1, TOKEN, RelaySide::Offer), Ok(None));
    assert_eq!(come(&mut table, 1, TOKEN, RelaySide::Answer), Ok(Some(1)));
    assert_eq!(come(&mut table, 2, token(8), RelaySide::Offer), Ok(None));
    assert_eq!(come(&mut table, 1, token(8), RelaySide::Answer), Err(RelayRefusal::Full));
    table.close(TOKEN, None);
    assert_eq!(come(&mut table, 1, token(8), RelaySide::Answer), Ok(Some(2)));
}

#[test]
fn a_session_has_its_bytes_and_no_more() {
    let mut table = table(RelayConfig { session_bytes_max: 1_000, ..Default::default() });
    joined(&mut table, TOKEN);
    assert_eq!(table.carry(at(1), TOKEN, 600), Ok(()));
    assert_eq!(table.carry(at(1), TOKEN, 401), Err(RelayEnd::SessionBytes));
    assert_eq!(table.carry(at(1), TOKEN, 400), Ok(()));
    assert_eq!(table.close(TOKEN, Some(RelayEnd::SessionBytes)), 1_000);
    let counters = table.counters();
    assert_eq!((counters.cut, counters.carried_bytes, counters.open), (1, 1_000, 0));
}

#[test]
fn a_host_has_its_bytes_in_all_sessions_together_and_gets_them_back() {
    let mut table = table(RelayConfig { host_bytes_per_day: 24 << 20, ..Default::default() });
    joined(&mut table, TOKEN);
    assert_eq!(come(&mut table, 3, token(8), RelaySide::Offer), Ok(None));
    assert_eq!(come(&mut table, 1, token(8), RelaySide::Answer), Ok(Some(3)));
    let mib = 1 << 20;
    let mut moved = 0;
    while table.carry(at(1), [TOKEN, token(8)][moved % 2], mib).is_ok() {
        moved += 1;
    }
    assert_eq!(moved, 24);
    assert_eq!(table.carry(at(1), TOKEN, mib), Err(RelayEnd::HostBytes));
    assert_eq!(come(&mut table, 1, token(9), RelaySide::Offer), Err(RelayRefusal::Quota));
    assert_eq!(come(&mut table, 4, token(9), RelaySide::Offer), Ok(None), "another host");
    // 1 MiB an hour.
    assert_eq!(table.carry(at(3_590), TOKEN, mib), Err(RelayEnd::HostBytes));
    assert_eq!(table.carry(at(3_610), TOKEN, mib), Ok(()));
}

#[test]
fn many_short_parts_cost_what_few_long_ones_do() {
    let mut table = table(RelayConfig { host_bytes_per_day: 2 << 20, ..Default::default() });
    joined(&mut table, TOKEN);
    for _ in 0..20_000 {
        assert_eq!(table.carry(at(1), TOKEN, 100), Ok(()));
    }
}

#[test]
fn the_relay_has_its_bytes_whoever_wants_them() {
    let mut table = table(RelayConfig { total_bytes_per_day: 2 << 20, ..Default::default() });
    joined(&mut table, TOKEN);
    assert_eq!(table.carry(at(1), TOKEN, 3 << 19), Ok(()));
    assert_eq!(table.carry(at(1), TOKEN, 1 << 20), Err(RelayEnd::TotalBytes));
    assert_eq!(come(&mut table, 3, token(8), RelaySide::Offer), Err(RelayRefusal::Quota));
}

#[test]
fn a_session_ends_when_nothing_moves_or_its_time_is_over() {
    let config = RelayConfig::default();
    let (idle, time) = (config.idle_max, config.session_time_max);
    let mut table = table(config);
    joined(&mut table, TOKEN);
    assert_eq!(table.deadline(at(0), TOKEN), Ok(at(0) + idle));
    assert_eq!(table.carry(at(100), TOKEN, 1), Ok(()));
    assert_eq!(table.deadline(at(150), TOKEN), Ok(at(100) + idle));
    assert_eq!(table.deadline(at(100) + idle, TOKEN), Err(RelayEnd::Idle));
    let near = at(time.as_secs() - 1);
    assert_eq!(table.carry(near, TOKEN, 1), Ok(()));
    assert_eq!(table.deadline(near, TOKEN), Ok(at(0) + time));
    assert_eq!(table.deadline(at(0) + time, TOKEN), Err(RelayEnd::Time));
}

#[test]
fn messages_come_back_as_they_went() {
    for side in [RelaySide::Offer, RelaySide::Answer] {
        let open = RelayOpen { token: TOKEN, side };
        let request = super::super::codec::decode_request(encode_open(5, open)).unwrap();
        let ask = super::super::codec::checked(request.body.unwrap());
        assert_eq!(ask, Some(super::super::codec::Ask::Relay(open)));
    }
    use RelayRefusal::{Full, Off, Other, Quota, Taken, Unknown};
    for answer in [Ok(()), Err(Off), Err(Full), Err(Quota), Err(Taken), Err(Unknown), Err(Other)] {
        assert_eq!(parse_answer(encode_answer(5, answer), 5), Some(answer));
        assert_eq!(parse_answer(encode_answer(5, answer), 6), None);
    }
    for byte in 0..=255 {
        let end = RelayEnd::from_byte(byte);
        assert_eq!(end.to_byte(), if byte <= 6 { byte } else { 0 });
    }
}

#[test]
fn requests_out_of_bounds_are_refused() {
    let checked = |token: &[u8], side: i32| {
        checked_open(&proto::RelayOpen { token: bytes::Bytes::copy_from_slice(token), side })
    };
    assert!(checked(&[1; 16], 1).is_some());
    for (token, side) in [(&[1; 15][..], 1), (&[1; 17], 1), (&[], 1), (&[1; 16], 0), (&[1; 16], 3)]
    {
        assert_eq!(checked(token, side), None);
    }
}
