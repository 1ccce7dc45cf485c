//! What `peerit doctor` says behind each kind of NAT.

use serde_json::Value;

use super::bench;
use super::kind::Kind;
use super::network::{Internet, Place, Site};

const INDEPENDENT: &str = "endpoint-independent";
const DEPENDENT: &str = "address and port-dependent";
/// Trackers answer from another port, not from another address.
const LENIENT: &str = "endpoint-independent or address-dependent";

/// What a machine is behind, the mapping, the filtering, whether UDP passes, and what IPv6 is good for.
const EXPECTED: [(Kind, &str, &str, bool, &str); 9] = [
    (Kind::Open, "none", LENIENT, true, "absent"),
    (Kind::FullCone, INDEPENDENT, LENIENT, true, "absent"),
    (Kind::Restricted, INDEPENDENT, DEPENDENT, true, "absent"),
    (Kind::Symmetric, DEPENDENT, DEPENDENT, true, "absent"),
    (Kind::Carrier, INDEPENDENT, DEPENDENT, true, "absent"),
    (Kind::CarrierSymmetric, DEPENDENT, DEPENDENT, true, "absent"),
    (Kind::UdpBlocked, "unknown", "unknown", false, "absent"),
    (Kind::Ipv6, INDEPENDENT, DEPENDENT, true, "works"),
    (Kind::Ipv6Filtered, INDEPENDENT, DEPENDENT, true, "works"),
];

#[test]
fn doctor_knows_every_nat() {
    let Some(bench) = bench() else { return };
    for (kind, mapping, filtering, udp_passes, ipv6) in EXPECTED {
        let internet = Internet::new(&bench);
        let site = Site::new(&bench, &internet, Place::Near, kind, 1);
        let mut doctor = site.hosts[0].peerit(&["doctor", "--json"]);
        let [_, over_ipv6] = internet.trackers();
        let over_ipv6 = Some(over_ipv6).filter(|_| kind.has_ipv6());
        let trackers = internet.both_trackers().into_iter().chain(over_ipv6);
        doctor.args(trackers.flat_map(|tracker| ["--tracker".to_owned(), tracker]));
        let said: Value =
            serde_json::from_str(&crate::namespace::run(&mut doctor).unwrap()).unwrap();
        let kind_name = kind.name();
        assert_eq!(said["nat_mapping"], mapping, "{kind_name}: {said:#}");
        assert_eq!(said["nat_filtering"], filtering, "{kind_name}: {said:#}");
        assert_eq!(said["udp_passes"], udp_passes, "{kind_name}: {said:#}");
        assert_eq!(said["ipv6"], ipv6, "{kind_name}: {said:#}");
        let mut servers = said["servers"].as_array().unwrap().iter();
        let over_tcp = servers.all(|server| server["addresses"][0]["tcp"] == true);
        assert!(over_tcp, "{kind_name}: {said:#}");
    }
}
