//! Progress on a terminal: lines that are drawn over and over.

use std::io::{self, Write};
use std::time::Duration;

use peerit_core::node::{ShareState, ShareStatus};

use crate::amount::{clock, percent, rate};

/// Columns of a bar, without its frame.
const BAR_COLUMNS: usize = 24;
/// Most columns of a name.
const NAME_COLUMNS: usize = 28;

/// What one line tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) name: &'a str,
    pub(crate) done: u64,
    pub(crate) total: u64,
    /// Bytes a second; `None` when nothing moves.
    pub(crate) rate: Option<u64>,
    /// What stands at the end.
    pub(crate) note: String,
    /// What stands below, each on a line of its own.
    pub(crate) below: Vec<String>,
}

impl<'a> Line<'a> {
    /// What the line of a share tells.
    pub(crate) fn of(status: &'a ShareStatus) -> Self {
        let peers = status.peers.iter().filter(|peer| peer.banned.is_none()).count();
        let note = match (status.state, peers) {
            (ShareState::FetchingManifest, _) => "asking peers for the manifest".to_owned(),
            (ShareState::Checking, _) => "checking what is there".to_owned(),
            (ShareState::Paused, _) => "paused: `peerit resume` goes on".to_owned(),
            (ShareState::Failed, _) => status.reason.clone(),
            (_, 1) => "1 peer".to_owned(),
            (_, peers) => format!("{peers} peers"),
        };
        let moves = matches!(status.state, ShareState::Downloading);
        Self {
            name: if status.name.is_empty() { "?" } else { &status.name },
            done: status.verified,
            total: status.total,
            rate: moves.then_some(status.download_rate),
            note,
            below: Vec::new(),
        }
    }

    /// The line and what is below it, each at most `columns` wide.
    fn render_all(&self, columns: usize) -> impl Iterator<Item = String> {
        let below = self.below.iter().map(move |text| shorten(&format!("  {text}"), columns));
        std::iter::once(self.render(columns)).chain(below)
    }

    /// The line, at most `columns` wide.
    fn render(&self, columns: usize) -> String {
        let filled = percent_of(BAR_COLUMNS, self.done, self.total);
        let bar = format!("{:-<BAR_COLUMNS$}", "#".repeat(filled));
        let name = shorten(self.name, NAME_COLUMNS);
        let percent = if self.total == 0 { 0 } else { percent(self.done, self.total) };
        let mut line = format!("{name} [{bar}] {percent:>3}%");
        if let Some(bytes) = self.rate {
            line.push_str(&format!("  {}", rate(bytes)));
            if let Some(left) = self.time_left() {
                line.push_str(&format!("  ETA {}", clock(left)));
            }
        }
        if !self.note.is_empty() {
            line.push_str("  ");
            line.push_str(&self.note);
        }
        shorten(&line, columns)
    }

    fn time_left(&self) -> Option<Duration> {
        let left = self.total.saturating_sub(self.done);
        self.rate.filter(|&rate| rate > 0).map(|rate| Duration::from_secs(left.div_ceil(rate)))
    }
}

fn percent_of(whole: usize, done: u64, total: u64) -> usize {
    if total == 0 {
        return 0;
    }
    let part = whole as u128 * u128::from(done.min(total)) / u128::from(total);
    usize::try_from(part).unwrap_or(whole)
}

/// `text` in at most `columns` characters, without control characters: names come from strangers.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    let clean = |c: char| if c.is_control() { '?' } else { c };
    if text.chars().count() <= columns {
        return text.chars().map(clean).collect();
    }
    let kept = text.chars().take(columns.saturating_sub(2)).map(clean);
    kept.chain("..".chars()).take(columns).collect()
}

/// The lines that are on the terminal now. Silent when there is none.
pub(crate) struct Display {
    columns: Option<usize>,
    drawn: usize,
}

impl Display {
    pub(crate) fn new(columns: Option<usize>) -> Self {
        Self { columns, drawn: 0 }
    }

    /// Draws `lines` in place of those drawn before.
    pub(crate) fn draw(&mut self, terminal: &mut dyn Write, lines: &[String]) {
        let Some(columns) = self.columns else { return };
        let mut text = self.back();
        for line in lines {
            // The last column stays free: some terminals wrap there.
            let line = shorten(line, columns.saturating_sub(1));
            text.push_str(&format!("{line}\x1b[K\n"));
        }
        text.push_str("\x1b[J");
        self.drawn = lines.len();
        put(terminal, &text);
    }

    /// Draws one progress line for each share or job.
    pub(crate) fn draw_progress(&mut self, terminal: &mut dyn Write, lines: &[Line<'_>]) {
        let Some(columns) = self.columns else { return };
        let lines: Vec<_> = lines.iter().flat_map(|line| line.render_all(columns)).collect();
        self.draw(terminal, &lines);
    }

    /// Takes the lines away.
    pub(crate) fn clear(&mut self, terminal: &mut dyn Write) {
        if self.drawn > 0 {
            let text = self.back() + "\x1b[J";
            self.drawn = 0;
            put(terminal, &text);
        }
    }

    fn back(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r"),
        }
    }
}

/// Progress that cannot be shown is no reason to stop.
fn put(terminal: &mut dyn Write, text: &str) {
    let _: io::Result<()> = terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        let note = "4 peers".to_owned();
        let (done, total, rate) = (45 << 20, 100 << 20, Some(5 << 20));
        Line { name: "big.iso", done, total, rate, note, below: Vec::new() }
    }

    #[test]
    fn a_line_tells_how_far_it_is() {
        let expected = "big.iso [##########--------------]  45%  5.0 MiB/s  ETA 0:11  4 peers";
        assert_eq!(line().render(80), expected);
    }

    #[test]
    fn a_standing_line_has_no_time_left() {
        let standing = Line { rate: Some(0), ..line() };
        assert!(!standing.render(80).contains("ETA"));
        let waiting = Line { rate: None, total: 0, done: 0, ..line() };
        assert_eq!(waiting.render(80), "big.iso [------------------------]   0%  4 peers");
    }

    #[test]
    fn why_it_waits_stands_below_where_there_is_room() {
        let waiting = Line { below: vec!["tracker host:1: no\nanswer".to_owned()], ..line() };
        let lines: Vec<_> = waiting.render_all(60).collect();
        assert_eq!(lines[1..], ["  tracker host:1: no?answer"]);
    }

    #[test]
    fn only_all_fills_the_bar() {
        let almost = Line { done: (100 << 20) - 1, ..line() };
        assert!(almost.render(80).contains("#-]  99%"));
        let all = Line { done: 100 << 20, ..line() };
        assert!(all.render(80).contains("##] 100%"));
    }

    #[test]
    fn lines_fit_the_terminal_and_hold_no_control_characters() {
        let long = Line { name: "\x1b[31m, and a name that does not end anywhere soon", ..line() };
        for columns in [0, 1, 2, 10, 40, 80] {
            let text = long.render(columns);
            assert!(text.chars().count() <= columns, "{text}");
            assert!(!text.contains('\x1b'));
        }
    }

    #[test]
    fn a_second_drawing_replaces_the_first() {
        let mut display = Display::new(Some(20));
        let mut terminal = Vec::new();
        display.draw(&mut terminal, &["one".to_owned(), "two".to_owned()]);
        display.draw(&mut terminal, &["three".to_owned()]);
        display.clear(&mut terminal);
        let expected = "one\x1b[K\ntwo\x1b[K\n\x1b[J\x1b[2A\rthree\x1b[K\n\x1b[J\x1b[1A\r\x1b[J";
        assert_eq!(String::from_utf8(terminal).unwrap(), expected);
    }

    #[test]
    fn nothing_is_drawn_into_a_pipe() {
        let mut pipe = Vec::new();
        let mut display = Display::new(None);
        display.draw_progress(&mut pipe, &[line()]);
        display.clear(&mut pipe);
        assert!(pipe.is_empty());
    }
}
