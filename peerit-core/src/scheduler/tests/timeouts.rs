//! Peers that are late, and who helps with the last blocks.

use super::*;

/// A peer that has proved to deliver a block in 10 ms.
fn fast(driver: &mut Driver, peer: PeerKey, has: &str) {
    driver.join(peer, has);
    let block = driver.asked_of(peer)[0];
    driver.wait(10);
    driver.arrive(peer, block);
}

#[test]
fn a_silent_peer_is_snubbed_and_its_blocks_return() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    let due = driver.scheduler.poll_timeout().unwrap();
    assert!(due > Timestamp::from_origin(Duration::from_secs(5)));
    assert!(due < Timestamp::from_origin(Duration::from_secs(60)));
    assert_eq!(driver.wait(1_000), []);
    let actions = driver.wait(60_000);
    assert_eq!(actions[0], Action::Snubbed { peer: A });
    assert_eq!(driver.picture(), "a...", "one block, until it delivers");
    driver.join(B, "#");
    assert_eq!(driver.picture(), "abb.");
}

#[test]
fn a_returned_block_goes_to_snubbed_peers_last() {
    let mut driver = Driver::new(layout(1, 1));
    driver.join(A, "#");
    driver.wait(60_000);
    driver.join(B, "#");
    driver.join(C, "#");
    driver.choke(A);
    driver.tell(Event::Unchoked { peer: A });
    assert_eq!(driver.picture(), "b");
    driver.tell(Event::PeerLeft { peer: B });
    driver.asked.retain(|&(peer, _)| peer != B);
    assert_eq!(driver.picture(), "c");
}

#[test]
fn a_late_block_is_kept_when_it_is_still_needed() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    let late = driver.asked_of(A)[1];
    driver.wait(60_000);
    driver.join(B, "#");
    assert_eq!(driver.picture(), "abb.");
    let actions = driver.arrive(A, late);
    assert_eq!(actions[0], Action::Cancel { peer: B, block: late });
    assert!(driver.picture().starts_with("a#"), "{}", driver.picture());
    assert!(!driver.scheduler.peers[&A].pipeline.is_snubbed(), "it has delivered");
}

#[test]
fn a_late_block_that_is_not_needed_is_no_fault() {
    let mut driver = Driver::new(layout(1, 1));
    driver.join(A, "#");
    let block = driver.asked[0].1;
    driver.join(B, "#");
    driver.wait(60_000);
    driver.arrive(B, block);
    assert_eq!(driver.arrive(A, block), []);
    assert_eq!(driver.arrive(A, block), [Action::Unrequested { peer: A }], "excused once");
}

#[test]
fn the_last_blocks_go_to_who_sends_them_sooner() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    fast(&mut driver, B, "#");
    assert_eq!(driver.picture(), "bb#b");
}

/// Two blocks were asked of a and are recalled for b; a does not answer.
fn recalling() -> Driver {
    let mut driver = Driver::new(layout(1, 4));
    driver.obliging = false;
    driver.join(A, "#");
    fast(&mut driver, B, "#");
    driver
}

#[test]
fn a_block_that_was_sent_before_it_was_taken_back_comes_once() {
    let mut driver = recalling();
    assert_eq!(driver.picture(), "aa#b");
    let [sent, waits] = driver.asked_of(A)[..] else { panic!("{}", driver.picture()) };
    driver.arrive(A, sent);
    assert_eq!(driver.picture(), "#a#b");
    driver.asked.retain(|&it| it != (A, waits));
    driver.tell(Event::Rejected { peer: A, block: waits });
    assert_eq!(driver.picture(), "#b#b");
}

#[test]
fn who_does_not_answer_is_raced_and_the_loser_is_cancelled_no_more() {
    let mut driver = recalling();
    driver.wait(400);
    assert_eq!(driver.picture(), "aa#b");
    driver.wait(350);
    assert_eq!(driver.picture(), "**#b");
    let block = driver.asked_of(A)[0];
    assert_eq!(driver.arrive(B, block), [], "it has its Cancel");
    driver.arrive(A, block);
    assert_eq!(driver.arrive(A, block), [Action::Unrequested { peer: A }], "excused once");
}

#[test]
fn a_block_is_not_raced_by_a_slower_peer() {
    let mut driver = Driver::new(layout(1, 4));
    fast(&mut driver, A, "#");
    driver.join(B, "#");
    assert_eq!(driver.picture(), "#aaa");
}

#[test]
fn a_block_has_at_most_two_holders() {
    let mut driver = Driver::new(layout(1, 4));
    driver.join(A, "#");
    fast(&mut driver, B, "#");
    driver.join(C, "#");
    driver.wait(2_000);
    for block in driver.asked_of(A) {
        let holders = driver.asked.iter().filter(|&&(_, asked)| asked == block).count();
        assert_eq!(holders, 2);
    }
}

#[test]
fn an_overdue_block_goes_to_another_peer_after_a_while() {
    let mut driver = Driver::new(layout(1, 8));
    fast(&mut driver, A, "#");
    fast(&mut driver, B, "#");
    assert!(!driver.picture().contains(['.', '*']), "{}", driver.picture());
    for block in driver.asked_of(B) {
        driver.wait(10);
        driver.arrive(B, block);
    }
    assert_eq!(driver.picture(), "#aaa####");
    driver.wait(1_000);
    // As many as fit into its pipeline.
    assert_eq!(driver.picture(), "#abb####");
}

#[test]
fn vanished_peers_do_not_hold_the_memory_of_others() {
    let config = Config { partial_bytes_max: 0, ..config() };
    let mut driver = Driver::with(config, layout(4, 4), 1);
    driver.join(A, "#...");
    driver.join(B, ".#..");
    driver.join(C, "..##");
    assert_eq!(driver.picture(), "aa.. bb.. .... ....");
    for peer in [A, B] {
        driver.tell(Event::PeerLeft { peer });
        driver.asked.retain(|&(of, _)| of != peer);
    }
    driver.wait(29_000);
    assert_eq!(driver.picture(), ".... .... .... ....");
    while driver.now < Timestamp::from_origin(Duration::from_secs(120)) {
        driver.now = driver.scheduler.poll_timeout().unwrap();
        driver.wait(0);
    }
    assert!(driver.picture().contains('c'), "{}", driver.picture());
}

#[test]
fn slow_peers_are_raced_when_they_hold_all_memory() {
    let config = Config { partial_bytes_max: 0, ..config() };
    let mut driver = Driver::with(config, layout(8, 2), 1);
    driver.join(A, "########");
    driver.join(B, "########");
    assert!(!driver.scheduler.partials.has_room());
    driver.tell(Event::PeerJoined { peer: C });
    driver.tell(Event::HasChunks { peer: C, chunks: bits("########") });
    let block = driver.asked_of(A)[0];
    driver.choke(A);
    driver.tell(Event::Unchoked { peer: C });
    driver.wait(10);
    driver.arrive(C, block);
    assert!(driver.picture().contains('*'), "{}", driver.picture());
}
