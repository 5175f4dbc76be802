//! Regular expressions over topic names.
//!
//! The syntax is RE2's as far as the engine has it: `\Q…\E` is read as RE2 reads it; classes such as `\w` mean ASCII, as
//! in RE2, and so does everything, because topic names are ASCII: `\p{…}` is refused. An expression stands for the names
//! that it matches as a whole.
//!
//! An expression becomes a whole automaton: matching is one step for a byte of the name whatever the expression is, and
//! what would become too large is refused when it is built. The automaton is not kept: it is used for all topics at once,
//! and seldom.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};

use crate::groups::{GroupError, REGEX_BYTES_MAX, REGEX_COMPILED_BYTES_MAX};

/// Memory that building an automaton may take. It bounds the time as well: a tenth of a second at worst.
const BUILD_BYTES_MAX: usize = 256 << 10;

/// Groups inside of groups.
const NESTED_MAX: u32 = 100;

/// An expression, ready to be matched with names.
pub(super) struct Pattern(dense::DFA<Vec<u32>>);

impl Pattern {
    /// Reads an expression. It cannot be read, or is too large: `InvalidRegularExpression`.
    pub(super) fn new(expression: &str) -> Result<Self, GroupError> {
        if expression.len() > REGEX_BYTES_MAX {
            return Err(GroupError::InvalidRegularExpression);
        }
        dense::Builder::new()
            .syntax(
                syntax::Config::new()
                    .unicode(false)
                    .utf8(false)
                    .nest_limit(NESTED_MAX),
            )
            .thompson(
                thompson::Config::new()
                    .utf8(false)
                    .which_captures(WhichCaptures::None)
                    .nfa_size_limit(Some(BUILD_BYTES_MAX)),
            )
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    // Without it the engine drops longer matches where a shorter one is preferred.
                    .match_kind(MatchKind::All)
                    .determinize_size_limit(Some(BUILD_BYTES_MAX))
                    .dfa_size_limit(Some(REGEX_COMPILED_BYTES_MAX)),
            )
            .build(&unquoted(expression))
            .map(Self)
            .map_err(|_| GroupError::InvalidRegularExpression)
    }

    /// Whether the expression matches all of `name`.
    pub(super) fn matches(&self, name: &str) -> bool {
        let input = Input::new(name).anchored(Anchored::Yes);
        let Ok(mut state) = self.0.start_state_forward(&input) else {
            return false;
        };
        for byte in name.bytes() {
            state = self.0.next_state(state, byte);
            if self.0.is_dead_state(state) {
                return false;
            }
        }
        let end = self.0.next_eoi_state(state);
        self.0.is_match_state(end)
    }
}

/// The expression with what stands between `\Q` and `\E` (or the end) escaped.
fn unquoted(expression: &str) -> String {
    let mut read = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        read.push_str(before);
        if let Some(quoted) = escape.strip_prefix("\\Q") {
            let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            for char in literal.chars() {
                if char.is_ascii_punctuation() {
                    read.push('\\');
                }
                read.push(char);
            }
            rest = after;
        } else {
            let escaped = escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at);
            let (escape, after) = escape.split_at(escaped);
            read.push_str(escape);
            rest = after;
        }
    }
    read.push_str(rest);
    read
}

#[cfg(test)]
#[path = "tests/pattern.rs"]
mod tests;
