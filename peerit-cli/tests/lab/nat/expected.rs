//! What each pairing is expected to come to: data, to be raised when more becomes possible.

use super::kind::Kind;

/// Rows: what the sharer is behind. Columns: what the downloader is behind, in the same order.
///
/// D direct, M mapped, P punched, E either of both (IPv6 and IPv4 race), R relayed; `-`: no connection, so that nothing
/// is downloaded.
const MATRIX: [(Kind, &str); 9] = [
    (Kind::Open, "D D D D D D D D D"),
    (Kind::FullCone, "D D D D D D D D D"),
    (Kind::Restricted, "D D P R P R R P P"),
    (Kind::Symmetric, "D D R R R R R R R"),
    (Kind::Carrier, "D D P R P R R P P"),
    (Kind::CarrierSymmetric, "D D R R R R R R R"),
    (Kind::UdpBlocked, "D D R R R R R R R"),
    (Kind::Ipv6, "D D P R P R R D D"),
    (Kind::Ipv6Filtered, "D D P R P R R D E"),
];

/// Both behind the same router.
const SAME_NAT: [(Kind, char); 3] =
    [(Kind::FullCone, 'D'), (Kind::Restricted, 'D'), (Kind::Symmetric, 'D')];

/// With a router that maps ports on request on one side or both, else symmetric ones. Who dials what the tracker named
/// does not know that it is mapped: D. Who is dialled there does.
const IGD: [(Kind, Kind, char); 5] = [
    (Kind::Restricted, Kind::Igd, 'M'),
    (Kind::Symmetric, Kind::Igd, 'M'),
    (Kind::Igd, Kind::Restricted, 'D'),
    (Kind::Igd, Kind::Symmetric, 'D'),
    (Kind::Igd, Kind::Igd, 'D'),
];

/// Two machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// At two places.
    Apart { sharer: Kind, downloader: Kind },
    /// Behind the same router.
    Together(Kind),
}

impl Pairing {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let apart = Kind::ALL.into_iter().flat_map(|sharer| {
            Kind::ALL.into_iter().map(move |downloader| Self::Apart { sharer, downloader })
        });
        apart.chain(SAME_NAT.map(|(kind, _)| Self::Together(kind))).collect()
    }

    /// Those with a router that maps ports on request.
    pub(crate) fn with_igd() -> Vec<Self> {
        IGD.map(|(sharer, downloader, _)| Self::Apart { sharer, downloader }).to_vec()
    }

    /// As in "restricted/open" and "same/restricted".
    pub(crate) fn of_name(name: &str) -> Self {
        match name.split_once('/') {
            Some(("same", kind)) => Self::Together(Kind::of_name(kind)),
            Some((sharer, downloader)) => {
                Self::Apart { sharer: Kind::of_name(sharer), downloader: Kind::of_name(downloader) }
            }
            None => panic!("{name} is not like restricted/open or same/restricted"),
        }
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::Apart { sharer, downloader } => {
                format!("{}/{}", sharer.name(), downloader.name())
            }
            Self::Together(kind) => format!("same/{}", kind.name()),
        }
    }

    /// The path, as `peerit status` names it, " or " between two that are as good; none: no connection.
    pub(crate) fn expected(self) -> Option<&'static str> {
        let letter = match self {
            Self::Apart { sharer, downloader } if [sharer, downloader].contains(&Kind::Igd) => {
                let is_it =
                    |(one, other, _): &&(Kind, Kind, char)| (*one, *other) == (sharer, downloader);
                IGD.iter().find(is_it).expect("in the table").2
            }
            Self::Apart { sharer, downloader } => {
                let (_, row) = MATRIX.iter().find(|(kind, _)| *kind == sharer).unwrap();
                let column = Kind::ALL.iter().position(|kind| *kind == downloader).unwrap();
                row.split(' ').nth(column).unwrap().chars().next().unwrap()
            }
            Self::Together(kind) => {
                SAME_NAT.iter().find(|(same, _)| *same == kind).expect("in the table").1
            }
        };
        match letter {
            'D' => Some("direct"),
            'M' => Some("mapped"),
            'P' => Some("punched"),
            'E' => Some("direct or punched"),
            'R' => Some("relayed"),
            '-' => None,
            other => panic!("{other} is no path"),
        }
    }
}
