//! The figures, for people.

use std::fmt::Write;

use crate::summary::{Run, Summary};

/// One run at length; of many a line each and what they have in common.
pub(crate) fn text(summary: &Summary) -> String {
    match &summary.runs[..] {
        [run] => at_length(run),
        runs => {
            let lines: String = runs.iter().map(in_short).collect();
            let spread = &summary.ratio;
            format!(
                "{}\n{lines}ratio: min {:.3}, median {:.3}, max {:.3}",
                runs.first().map(swarm).unwrap_or_default(),
                spread.min,
                spread.median,
                spread.max,
            )
        }
    }
}

fn swarm(run: &Run) -> String {
    format!(
        "{} and {}, {} in {} of {}",
        counted(run.seeds, "seed"),
        counted(run.leeches, "leech"),
        size(run.content_bytes as f64),
        counted(run.chunk_count as usize, "chunk"),
        size(f64::from(run.chunk_length_bytes)),
    )
}

fn in_short(run: &Run) -> String {
    let Run { random_seed, finished_s, ratio, wall_s, .. } = run;
    format!(
        "  random seed {random_seed}: {finished_s:.1} s, ratio {ratio:.3}; took {wall_s:.1} s\n"
    )
}

fn at_length(run: &Run) -> String {
    let mut text = format!("{}; random seed {}, trace {}", swarm(run), run.random_seed, run.trace);
    for (name, value) in rows(run) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {name:<22} {value}");
    }
    text
}

fn rows(run: &Run) -> Vec<(&'static str, String)> {
    let of_payload = |bytes: u64| {
        let percent = 100.0 * bytes as f64 / run.payload_bytes.max(1) as f64;
        format!("{}, {percent:.2} % of the payload", size(bytes as f64))
    };
    let forwarded = run.first_forward_s.map(|time| format!("after {time:.2} s"));
    let (seeds, leeches) = (run.seed_uplink_use * 100.0, run.leech_uplink_use * 100.0);
    let (peer, chunk) = (grouped(run.messages_per_peer), run.messages_per_peer_and_chunk);
    let messages = grouped(run.messages as f64);
    let (events, speed) = (grouped(run.events as f64), grouped(run.events_per_s));
    let mut rows = vec![
        ("finished", format!("after {:.1} s", run.finished_s)),
        ("ratio", format!("{:.3} to the bound of {:.1} s", run.ratio, run.bound_s)),
        ("first chunk forwarded", forwarded.unwrap_or("never".to_owned())),
        ("seed copies", format!("{:.2}", run.seed_copies)),
        ("uplinks in use", format!("seeds {seeds:.0} %, leeches {leeches:.0} %")),
        ("duplicates", of_payload(run.duplicate_bytes)),
        ("control", of_payload(run.control_bytes)),
        ("messages", format!("{messages}: {peer} per peer, {chunk:.2} per peer and chunk")),
        ("", kinds(run)),
    ];
    if run.liars > 0 {
        rows.push(("liars", format!("{}, of whom {} were banned", run.liars, run.liars_banned)));
    }
    if let Some(memory) = memory(run) {
        rows.push(("memory at most", memory));
    }
    rows.push(("simulated", format!("{events} events in {:.1} s, {speed} a second", run.wall_s)));
    rows
}

/// The commonest first.
fn kinds(run: &Run) -> String {
    let mut kinds: Vec<_> = run.messages_by_kind.iter().filter(|kind| *kind.1 > 0).collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.1));
    let kinds = kinds.iter().map(|kind| format!("{} {}", kind.0, grouped(*kind.1 as f64)));
    kinds.collect::<Vec<_>>().join(", ")
}

fn memory(run: &Run) -> Option<String> {
    let (all, peer) = (size(run.memory_bytes? as f64), size(run.memory_bytes_per_peer?));
    let chunk = run.memory_bytes_per_peer_and_chunk?;
    Some(format!("{all}: {peer} per peer, {chunk:.0} B per peer and chunk"))
}

fn counted(count: usize, thing: &str) -> String {
    let end = match thing {
        _ if count == 1 => "",
        "leech" => "es",
        _ => "s",
    };
    format!("{} {thing}{end}", grouped(count as f64))
}

/// `1.5 MiB`, `256 MiB`: three digits at most say enough.
fn size(bytes: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut amount = bytes;
    let mut unit = 0;
    // What would be printed as 1024 belongs to the next unit.
    while amount >= 1023.5 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(amount < 9.95 && unit > 0);
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// Rounded, in groups of three digits: `12,345,678`.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_easy_to_read() {
        let sizes = [0.0, 1023.0, 1536.0, 1_048_575.0, 268_435_456.0, 2e13].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1.5 KiB", "1.0 MiB", "256 MiB", "18626 GiB"]);
        let numbers = [0.0, 999.4, 1_000.0, 12_345_678.0].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "12,345,678"]);
        let counts = [counted(1, "leech"), counted(1_000, "leech"), counted(2, "seed")];
        assert_eq!(counts, ["1 leech", "1,000 leeches", "2 seeds"]);
    }
}
