//! Who is behind what.

use std::time::Duration;

/// Whether a NAT gives a socket one address on the outside (RFC 4787, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// One for all it talks to.
    EndpointIndependent,
    /// Another for each address and port it talks to ("symmetric").
    EndpointDependent,
}

/// Whom a NAT lets in (RFC 4787, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Filtering {
    /// Whoever sends to a mapped address.
    EndpointIndependent,
    /// Whose address was sent to.
    AddressDependent,
    /// Whose address and port was sent to.
    PortDependent,
}

/// A NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatSpec {
    /// Where its sockets appear.
    pub mapping: Mapping,
    /// Whom it lets in.
    pub filtering: Filtering,
    /// Whether those inside reach each other by their addresses on the outside.
    pub hairpin: bool,
    /// After how long a silence from inside it forgets a UDP mapping.
    pub mapping_timeout: Duration,
    /// Whether UDP passes.
    pub udp: bool,
}

impl NatSpec {
    /// Endpoint-independent in both.
    pub const FULL_CONE: Self = Self {
        mapping: Mapping::EndpointIndependent,
        filtering: Filtering::EndpointIndependent,
        hairpin: false,
        mapping_timeout: Duration::from_secs(30),
        udp: true,
    };
    /// Lets in whose address was sent to.
    pub const ADDRESS_RESTRICTED: Self =
        Self { filtering: Filtering::AddressDependent, ..Self::FULL_CONE };
    /// What Linux does, and with it most homes.
    pub const PORT_RESTRICTED: Self =
        Self { filtering: Filtering::PortDependent, ..Self::FULL_CONE };
    /// Another address for each place that is talked to.
    pub const SYMMETRIC: Self =
        Self { mapping: Mapping::EndpointDependent, ..Self::PORT_RESTRICTED };
    /// A network that lets only TCP out.
    pub const UDP_BLOCKED: Self = Self { udp: false, ..Self::PORT_RESTRICTED };

    /// The same with hairpinning.
    #[must_use]
    pub const fn with_hairpin(self) -> Self {
        Self { hairpin: true, ..self }
    }
}

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The NATs between it and the internet, its own first; at most two. None: it is on the internet.
    pub nats: Vec<NatSpec>,
    /// Whether it has IPv6 as well, behind a firewall that lets in whose address and port was sent to.
    pub ipv6: bool,
}

impl Site {
    /// Whether nobody can be told where it appears.
    #[must_use]
    pub fn is_symmetric(&self) -> bool {
        self.nats.iter().any(|nat| nat.mapping == Mapping::EndpointDependent)
    }

    /// On the internet.
    #[must_use]
    pub fn open() -> Self {
        Self::behind(&[])
    }

    /// Behind NATs, its own first.
    #[must_use]
    pub fn behind(nats: &[NatSpec]) -> Self {
        Self { nats: nats.to_vec(), ipv6: false }
    }

    /// The same with IPv6.
    #[must_use]
    pub fn with_ipv6(mut self) -> Self {
        self.ipv6 = true;
        self
    }
}

/// Which NATs the two hosts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// None.
    Nothing,
    /// The second one's NATs are those of the first one: they are in one network.
    Home,
    /// The outermost: two homes of one carrier.
    Carrier,
}

/// Two hosts that look for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatScenario {
    /// Decides all that chance decides.
    pub seed: u64,
    /// Where they are.
    pub sites: [Site; 2],
    /// What they share.
    pub shared: Shared,
    /// Whether the tracker is a relay.
    pub relay: bool,
    /// Datagrams lost, in percent.
    pub loss_percent: usize,
    /// Whether the first one looks for the second one too, as it does in any case where UDP does not pass: then
    /// nobody can ask it to.
    pub mutual: bool,
    /// How much later than the first one the second one joins.
    pub second_joins_after: Duration,
}

impl NatScenario {
    /// Two sites that share nothing, on a good network with a relay.
    #[must_use]
    pub fn new(seed: u64, sites: [Site; 2]) -> Self {
        Self {
            seed,
            sites,
            shared: Shared::Nothing,
            relay: true,
            loss_percent: 0,
            mutual: true,
            second_joins_after: Duration::from_secs(1),
        }
    }

    /// Whether theory promises a direct path without many tries; a lenient symmetric NAT may do more.
    ///
    /// A host on the internet or in the same network is dialled; IPv6 firewalls are opened from both sides. Else
    /// both need UDP. What both NATs show to everybody can be told (Ford et al. 2005); a symmetric one shows
    /// itself to the peer alone, so the peer's NAT must not mind which port that is; two of them do not meet.
    #[must_use]
    pub fn is_direct_possible(&self) -> bool {
        let [a, b] = &self.sites;
        let has_udp = |site: &Site| site.nats.iter().all(|nat| nat.udp);
        if self.shared == Shared::Home || a.ipv6 && b.ipv6 {
            return true;
        }
        if self.shared == Shared::Carrier && !a.nats.last().is_some_and(|nat| nat.hairpin) {
            return false;
        }
        if a.nats.is_empty() || b.nats.is_empty() {
            return true;
        }
        let minds_ports =
            |site: &Site| site.nats.iter().any(|nat| nat.filtering == Filtering::PortDependent);
        let meet = match (a.is_symmetric(), b.is_symmetric()) {
            (false, false) => true,
            (true, false) => !minds_ports(b),
            (false, true) => !minds_ports(a),
            (true, true) => false,
        };
        has_udp(a) && has_udp(b) && meet
    }

    /// Whether many ports that are opened by one side and tried by the other make one: where all that is missing for a
    /// direct path is that one of the two NATs, which alone is symmetric, says where it maps.
    #[must_use]
    pub fn is_birthday_possible(&self) -> bool {
        let [a, b] = &self.sites;
        let is_apart = self.shared == Shared::Nothing && self.relay;
        is_apart
            && !self.is_direct_possible()
            && a.is_symmetric() != b.is_symmetric()
            && [a, b].into_iter().all(|site| site.nats.iter().all(|nat| nat.udp))
    }
}
