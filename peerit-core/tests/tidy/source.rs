//! A source file as the paths it names.

/// A name such as `std::net::TcpStream`, or a single word, with the line of its last part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) parts: Vec<&'a str>,
    pub(crate) line: usize,
}

/// A word or mark, and its line from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

impl Token<'_> {
    fn is_word(self) -> bool {
        self.text.starts_with(is_word_part)
    }
}

fn is_word_part(found: char) -> bool {
    found == '_' || found.is_alphanumeric()
}

/// The words and marks of Rust source, without comments, strings, characters and lifetimes.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, is_token) = next_length(rest, first);
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token { text: text.trim_start_matches("r#"), line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// How long the next piece is, and whether it is a word or mark.
fn next_length(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (block_comment_length(rest), false);
    }
    if let Some(length) = string_length(rest) {
        return (length, false);
    }
    if first == '\'' {
        return (character_length(rest), false);
    }
    if is_word_part(first) {
        let start = if rest.starts_with("r#") { 2 } else { 0 };
        let end = rest[start..].find(|found| !is_word_part(found));
        return (end.map_or(rest.len(), |end| start + end), true);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    (first.len_utf8(), !first.is_whitespace())
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of a string literal of any kind, if one starts here.
fn string_length(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['"', '#']))
    })?;
    let body = &rest[prefix.len()..];
    let marks = body.bytes().take_while(|&byte| byte == b'#').count();
    if !body[marks..].starts_with('"') || (marks > 0 && !prefix.ends_with('r')) {
        return None;
    }
    let start = prefix.len() + marks + 1;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(marks));
        return Some(rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    Some(start + quoted_length(&rest[start..], b'"'))
}

/// The length up to and with the closing quote.
fn quoted_length(body: &str, quote: u8) -> usize {
    let mut bytes = body.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            byte if byte == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// The length of a character literal or a lifetime.
fn character_length(rest: &str) -> usize {
    let body = &rest[1..];
    let mut chars = body.chars();
    let is_character = body.starts_with('\\') || chars.nth(1) == Some('\'');
    if is_character {
        return 1 + quoted_length(body, b'\'');
    }
    1 + body.find(|found| !is_word_part(found)).unwrap_or(body.len())
}

/// Every path and word, with groups of `use` taken apart.
pub(crate) fn names<'a>(tokens: &[Token<'a>]) -> Vec<Named<'a>> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = if tokens[at].is_word() { read_path(tokens, at, &[], &mut names) } else { at + 1 };
    }
    names
}

/// Reads the path that goes on with the word or group at `at`; returns where it ends.
fn read_path<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    names: &mut Vec<Named<'a>>,
) -> usize {
    let mut parts = before.to_vec();
    let mut line = tokens[at].line;
    while let Some(token) = tokens.get(at) {
        if token.text == "{" {
            return read_group(tokens, at + 1, &parts, names);
        }
        if !token.is_word() && token.text != "*" {
            break;
        }
        parts.push(token.text);
        line = token.line;
        at += 1;
        match tokens.get(at) {
            Some(mark) if mark.text == "::" => at += 1,
            _ => break,
        }
    }
    names.push(Named { parts, line });
    at
}

/// Reads `a, b::{c, d} as e}`, the paths of which all start with `before`.
fn read_group<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    before: &[&'a str],
    names: &mut Vec<Named<'a>>,
) -> usize {
    while let Some(token) = tokens.get(at) {
        at = match token.text {
            "}" => return at + 1,
            // A new name: nothing that is there already.
            "as" => at + 2,
            _ if token.is_word() || token.text == "*" => read_path(tokens, at, before, names),
            _ => at + 1,
        };
    }
    at
}
