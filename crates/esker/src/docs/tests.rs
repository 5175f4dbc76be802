//! Whatever a document tells people to type can be typed: each `esker …` line of the repository's Markdown parses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;

use super::more;
use crate::cli::Cli;
use crate::settings;

/// Directories without documents of ours.
const LEFT_OUT: &[&str] = &[".git", "target", "node_modules", "esker-data"];

/// Commands that documents say are not there yet.
const NOT_YET: &[&str] = &["restore"];

/// A command as it stands in a document.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    words: Vec<String>,
    /// In a code block, so it has to be whole; else it only names a command or a flag.
    whole: bool,
}

#[test]
fn settings_that_are_explained_exist() {
    for (name, text) in more::MORE {
        assert!(settings::find(name).is_some(), "{name}");
        assert!(text.ends_with('.'), "{name}");
    }
}

#[test]
fn commands_of_all_documents_parse() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in documents(&root) {
        let text = std::fs::read_to_string(&document).unwrap();
        for (line, typed) in commands(&text) {
            count += 1;
            if let Err(reason) = parses(&typed) {
                let place = document.strip_prefix(&root).unwrap().display();
                wrong.push(format!("{place}:{line}: {}: {reason}", typed.words.join(" ")));
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn finds_commands_where_they_stand() {
    let text = "\
Say `esker topic list` or `esker topic | group`.
```sh
export A=b; esker dev --data-dir 'a b' &   # comment
seq 9 | esker produce t \\
    --quiet > out
```
```console
$ ESKER_X=1 esker cluster
esker no command
```
";
    let found: Vec<_> = commands(text)
        .into_iter()
        .map(|(line, typed)| (line, typed.words.join(" "), typed.whole))
        .collect();
    let expected = [
        (1, "esker topic list", false),
        (3, "esker dev --data-dir a b", true),
        (4, "esker produce t --quiet", true),
        (8, "esker cluster", true),
    ];
    assert_eq!(
        found,
        expected.map(|(line, words, whole)| (line, words.to_owned(), whole))
    );
}

#[test]
fn what_cannot_be_typed_is_told() {
    let parses = |text: &str| {
        commands(text)
            .iter()
            .map(|(_, typed)| parses(typed).is_ok())
            .collect::<Vec<_>>()
    };
    assert_eq!(parses("`esker topic create`"), [true]);
    assert_eq!(parses("`esker topic make`"), [false]);
    assert_eq!(parses("`esker topic create --config`"), [true]);
    assert_eq!(
        parses("```sh\nesker topic create\nesker topic list --jsn\nesker topic list\n```"),
        [false, false, true]
    );
}

#[test]
fn what_is_not_there_yet_is_not_there() {
    for command in NOT_YET {
        assert!(
            Cli::try_parse_from(["esker", command, "--help"])
                .is_err_and(|error| error.kind() == ErrorKind::InvalidSubcommand),
            "{command}"
        );
    }
}

fn parses(typed: &Typed) -> Result<(), String> {
    if !typed.whole
        && typed
            .words
            .get(1)
            .is_some_and(|word| NOT_YET.contains(&word.as_str()))
    {
        return Ok(());
    }
    let Err(error) = Cli::try_parse_from(&typed.words) else {
        return Ok(());
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(()),
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if !typed.whole =>
        {
            Ok(())
        }
        // A flag is named without its value.
        ErrorKind::InvalidValue if !typed.whole && error.to_string().contains("a value is required") => {
            Ok(())
        }
        _ => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

fn documents(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if !LEFT_OUT.contains(&name.as_str()) {
                found.extend(documents(&path));
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// The commands of a document, each with the number of its line.
fn commands(text: &str) -> Vec<(usize, Typed)> {
    let mut found = Vec::new();
    let mut fence: Option<String> = None;
    let mut pending: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if let Some(after) = trimmed.strip_prefix("```") {
            fence = match fence {
                Some(_) => None,
                None => Some(after.split([' ', ',']).next().unwrap_or_default().to_owned()),
            };
            continue;
        }
        match fence.as_deref() {
            None => {
                let inline = line.split('`').skip(1).step_by(2);
                let named = inline.filter(|code| code.starts_with("esker ") && !is_sketch(code));
                found.extend(named.map(|code| {
                    (
                        at + 1,
                        Typed {
                            words: words(code),
                            whole: false,
                        },
                    )
                }));
            }
            Some(kind @ ("sh" | "console")) => {
                let typed = match (kind, pending.is_some()) {
                    ("console", false) => trimmed.strip_prefix("$ "),
                    _ => Some(trimmed),
                };
                let Some(typed) = typed else { continue };
                let (began, before) = pending.take().unwrap_or((at + 1, String::new()));
                let joined = format!("{before} {typed}");
                match joined.strip_suffix('\\') {
                    Some(start) => pending = Some((began, start.to_owned())),
                    None => found.extend(of_line(&joined).into_iter().map(|typed| (began, typed))),
                }
            }
            Some(_) => {}
        }
    }
    found
}

/// Whether it shows the form of commands, and is none itself.
fn is_sketch(code: &str) -> bool {
    ['|', '…', '→', '<', '['].iter().any(|mark| code.contains(*mark)) || code.contains("COMMAND")
}

/// The commands of a line of a shell: what stands between `;`, `|`, `&`, without variables before and redirections after.
fn of_line(line: &str) -> Vec<Typed> {
    let mut commands = vec![Vec::new()];
    for word in words(line) {
        if matches!(word.as_str(), "|" | ";" | "&" | "&&" | "||" | "(" | ")") {
            commands.push(Vec::new());
        } else if let Some(last) = commands.last_mut() {
            last.push(word);
        }
    }
    let named = commands.into_iter().filter_map(|command| {
        let is_variable = |word: &String| {
            word.split_once('=')
                .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        let words: Vec<_> = command.into_iter().skip_while(is_variable).collect();
        let redirection =
            |word: &String| !(word.starts_with('>') || word.starts_with('<') || word.starts_with("2>"));
        let words: Vec<_> = words.into_iter().take_while(redirection).collect();
        (words.first().is_some_and(|word| word == "esker")).then_some(Typed { words, whole: true })
    });
    named.collect()
}

/// Splits like a shell: quotes, comments, and what ends a command.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut quoted = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                quoted = true;
            }
            (None, '#') if word.is_empty() && !quoted => break,
            (None, c) if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')') => {
                if quoted || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                    quoted = false;
                }
                if !c.is_whitespace() {
                    words.push(c.to_string());
                }
            }
            (None, c) => word.push(c),
        }
    }
    if quoted || !word.is_empty() {
        words.push(word);
    }
    words
}
