//! A NAT: who appears where, and who is let in.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::spec::{Filtering, Mapping, NatSpec};
use crate::rng::Rng;
use crate::time::Timestamp;

/// What a packet is carried by, for the NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Carrier {
    Tcp,
    Udp,
}

/// A NAT between two networks.
pub(super) struct NatBox {
    pub(super) spec: NatSpec,
    /// Its address on the outside.
    pub(super) outside: IpAddr,
    /// By carrier, socket inside and, where that matters, whom it talks to.
    mappings: BTreeMap<(Carrier, SocketAddr, Option<SocketAddr>), u16>,
    /// By carrier and port outside.
    ports: BTreeMap<(Carrier, u16), Port>,
}

/// A port on the outside.
struct Port {
    inside: SocketAddr,
    used: Timestamp,
    /// Whom the socket inside has talked to, and when last.
    talked_to: BTreeMap<SocketAddr, Timestamp>,
}

impl NatBox {
    pub(super) fn new(spec: NatSpec, outside: IpAddr) -> Self {
        Self { spec, outside, mappings: BTreeMap::new(), ports: BTreeMap::new() }
    }

    fn passes(&self, carrier: Carrier) -> bool {
        carrier == Carrier::Tcp || self.spec.udp
    }

    /// Whether something used then still counts. TCP is kept for long.
    fn is_fresh(&self, now: Timestamp, carrier: Carrier, used: Timestamp) -> bool {
        carrier == Carrier::Tcp || now - used < self.spec.mapping_timeout
    }

    /// Where a packet from inside appears; none if it does not pass.
    pub(super) fn outward(
        &mut self,
        now: Timestamp,
        carrier: Carrier,
        from: SocketAddr,
        to: SocketAddr,
        rng: &mut Rng,
    ) -> Option<SocketAddr> {
        if !self.passes(carrier) {
            return None;
        }
        let endpoint = Some(to).filter(|_| self.spec.mapping == Mapping::EndpointDependent);
        let key = (carrier, from, endpoint);
        let known = self.mappings.get(&key).copied();
        let known = known.filter(|port| {
            let port = self.ports.get(&(carrier, *port));
            port.is_some_and(|port| self.is_fresh(now, carrier, port.used))
        });
        let port = known.unwrap_or_else(|| self.free_port(carrier, from.port(), rng));
        self.mappings.insert(key, port);
        let entry = self.ports.entry((carrier, port)).or_insert_with(|| Port {
            inside: from,
            used: now,
            talked_to: BTreeMap::new(),
        });
        if entry.inside != from || known.is_none() {
            *entry = Port { inside: from, used: now, talked_to: BTreeMap::new() };
        }
        entry.used = now;
        entry.talked_to.insert(to, now);
        Some(SocketAddr::new(self.outside, port))
    }

    /// The port itself where it is free and the NAT is not symmetric, as real ones do; else any.
    fn free_port(&self, carrier: Carrier, wanted: u16, rng: &mut Rng) -> u16 {
        let keeps = self.spec.mapping == Mapping::EndpointIndependent;
        let mut port = if keeps { wanted } else { 0 };
        while port == 0 || self.ports.contains_key(&(carrier, port)) {
            port = u16::try_from(1_024 + rng.below(64_000)).unwrap_or(1_024);
        }
        port
    }

    /// Who inside gets a packet; none if it is not let in.
    pub(super) fn inward(
        &self,
        now: Timestamp,
        carrier: Carrier,
        from: SocketAddr,
        to_port: u16,
    ) -> Option<SocketAddr> {
        let port = self.ports.get(&(carrier, to_port)).filter(|_| self.passes(carrier))?;
        let is_fresh = |used: Timestamp| self.is_fresh(now, carrier, used);
        let mut talked_to = port.talked_to.iter().filter(|(_, used)| is_fresh(**used));
        let lets_in = match self.spec.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => talked_to.any(|(to, _)| to.ip() == from.ip()),
            Filtering::PortDependent => talked_to.any(|(to, _)| *to == from),
        };
        (lets_in && is_fresh(port.used)).then_some(port.inside)
    }
}
