//! Addresses of trackers as manifests and links hold them.

use std::net::Ipv6Addr;

/// Whether a text is "host:port" with a name, an IPv4 address or an IPv6 address in brackets, and a
/// port that is not 0. Whether the host exists is not known here.
pub(super) fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let in_names = |found: char| found.is_alphanumeric() || matches!(found, '-' | '.' | '_');
    !host.is_empty() && host.chars().all(in_names)
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|digit| digit.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_ports_are_told_from_other_texts() {
        for good in [
            "tracker.example:59000",
            "192.0.2.1:1",
            "[2001:db8::1]:65535",
            "bücher.example:80",
            "a_b-c:7",
        ] {
            assert!(is_host_port(good), "{good}");
        }
        for bad in [
            "",
            ":",
            "a:",
            ":1",
            "a",
            "a:0",
            "a:65536",
            "a:+1",
            "a: 1",
            "a b:1",
            "a/b:1",
            "::1:80",
            "[::1]",
            "[::1]:",
            "[a]:1",
            "http://a:1",
            "a:1:2",
            "a\n:1",
            "[fe80::1%eth0]:1",
        ] {
            assert!(!is_host_port(bad), "{bad}");
        }
    }
}
