//! What can be tuned about a swarm.

use crate::wire::AGENT_LENGTH_MAX;

/// Most peers a swarm can be allowed, see [`Config::peers_max`].
pub const PEERS_MAX: usize = 500;

/// What can be tuned about a swarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Program and version, told to peers; cut to [`AGENT_LENGTH_MAX`] bytes. Default: this crate and its version.
    pub agent: String,
    /// TCP port on which this node takes connections, told to peers; 0: none. Default: 0.
    pub listen_port: u16,
    /// Most connections, 1 to [`PEERS_MAX`]. Default: 80. A well mixed swarm needs about the
    /// logarithm of its size; the rest is room for peers that are slow or have nothing new. In swarms of
    /// 1,000, 50 are 0.5 % slower, and 150 no faster.
    pub peers_max: usize,
    /// Most dials that wait for an answer at once, at least 1. Default: 16. Most addresses are dead;
    /// more at once look like a scan to home routers and fill their connection tables.
    pub dials_max: usize,
    /// Most peers that want something and may ask for it while the uplink is busy, at least 1. Default: 10.
    /// What they ask for goes out one block after the other. With fewer the uplink idles when
    /// some of them have nothing to ask for; with more a request waits for long, and its chunk can
    /// meanwhile come from nobody else. A slow uplink uses fewer, an idle one more, and a seed four
    /// times as many.
    pub upload_slots: usize,
    /// How many of the slots a leech gives in turns, whoever gives it nothing. Default: 3 of 10, as
    /// generous as BEP 3's 1 of 4: fewer, and newcomers and better partners are found slowly.
    pub optimistic_slots: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            agent: concat!("peerit/", env!("CARGO_PKG_VERSION")).to_owned(),
            listen_port: 0,
            peers_max: 80,
            dials_max: 16,
            upload_slots: 10,
            optimistic_slots: 3,
        }
    }
}

impl Config {
    /// The same within the documented ranges.
    pub(super) fn within_ranges(mut self) -> Self {
        let cut =
            (0..=AGENT_LENGTH_MAX).rev().find(|&end| self.agent.is_char_boundary(end)).unwrap_or(0);
        self.agent.truncate(cut);
        self.peers_max = self.peers_max.clamp(1, PEERS_MAX);
        self.dials_max = self.dials_max.max(1);
        self.upload_slots = self.upload_slots.max(1);
        self.optimistic_slots = self.optimistic_slots.min(self.upload_slots);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_are_brought_into_range() {
        let agent = "é".repeat(40);
        let odd = Config { agent, peers_max: 0, upload_slots: 0, ..Config::default() };
        let config = odd.within_ranges();
        assert_eq!((config.agent.len(), config.peers_max, config.upload_slots), (64, 1, 1));
        assert_eq!(config.optimistic_slots, 1);
        assert_eq!(Config::default().within_ranges(), Config::default());
    }
}
