//! The history of a run from the files of all who took part, and what the rules say of it.

use std::fs;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

use esker_history::{History, Terms, TopicInfo, Violation, check, lines, report};
use uuid::Uuid;

/// What was done to the system, in a run's directory.
const SYSTEM_FILE: &str = "system.jsonl";
/// How long after the last fault all clients must be through.
const PROGRESS_US: u64 = 240_000_000;
/// Most violations that are told with their events.
const TOLD_MAX: usize = 20;

/// Writes the part of a history that no client knows: who takes part, topics, lives, faults.
pub(crate) fn write_system(history: &History, dir: &Path) -> Result<(), String> {
    let path = dir.join(SYSTEM_FILE);
    let written = fs::File::create(&path)
        .map(std::io::BufWriter::new)
        .and_then(|file| lines::write(history, file));
    written.map_err(|err| format!("{}: {err}", path.display()))
}

/// A topic of the run. Its id does not matter: none is ever deleted.
pub(crate) fn topic(name: &str, number: u128) -> TopicInfo {
    TopicInfo {
        name: name.to_owned(),
        id: Uuid::from_u128(number),
        created_from_us: None,
        deleted_from_us: None,
    }
}

/// Puts a run's files together.
pub(crate) fn read(dir: &Path) -> Result<History, String> {
    let mut history = History::default();
    let entries = fs::read_dir(dir).map_err(|err| format!("{}: {err}", dir.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "jsonl"));
    files.sort();
    if !files.iter().any(|file| file.ends_with(SYSTEM_FILE)) {
        return Err(format!("{} holds no histories of a run", dir.display()));
    }
    for file in files {
        let wrong = |err: std::io::Error| format!("{}: {err}", file.display());
        let mut reader = BufReader::new(fs::File::open(&file).map_err(wrong)?);
        let mut line = Vec::new();
        // Line by line: what a client was writing when it was killed has no end, and is left out.
        while reader.read_until(b'\n', &mut line).map_err(wrong)? > 0 {
            if line.last() == Some(&b'\n') {
                lines::read(&mut history, Cursor::new(&line)).map_err(wrong)?;
            }
            line.clear();
        }
    }
    lines::sort(&mut history);
    Ok(history)
}

/// Under which terms a run is judged: clients repeat by themselves, and say nothing of it.
fn terms(settled_from_us: Option<u64>) -> Terms {
    Terms {
        read_through: true,
        settled_from_us,
        progress_us: Some(PROGRESS_US),
        requests_shown: false,
        ..Terms::default()
    }
}

/// Judges a history and tells what is wrong.
pub(crate) fn judge(history: &History, settled_from_us: Option<u64>) -> Vec<Violation> {
    let violations = check(history, &terms(settled_from_us));
    for violation in violations.iter().take(TOLD_MAX) {
        println!("{}", report::tell(violation, history));
    }
    if violations.len() > TOLD_MAX {
        println!("... and {} more violations", violations.len() - TOLD_MAX);
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn files_are_put_together_and_a_line_cut_short_is_left_out() {
        let dir = std::env::temp_dir().join(format!("esker-chaos-judge-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut system = History::default();
        system.client("a producer");
        system.topics.push(topic("t", 1));
        write_system(&system, &dir).unwrap();
        let mut client = fs::File::create(dir.join("client-0.jsonl")).unwrap();
        let sent = r#"{"at_us":5,"client":0,"what":{"Sent":{"batch":{"by":0,"number":0},"partition":{"topic":0,"index":0},"by_name":true,"identity":{"id":0,"epoch":0,"first_sequence":-1},"records":{"by":0,"first":0,"count":3},"to":null}}}"#;
        let acked = r#"{"at_us":9,"client":0,"what":{"Acked":{"batch":{"by":0,"number":0},"base_offset":0,"log_start":-1,"by":null}}}"#;
        write!(client, "{acked}\n{sent}\n{{\"at_us\":7,").unwrap();
        let history = read(&dir).unwrap();
        assert_eq!(history.events.len(), 2);
        assert_eq!(history.events[0].at_us, 5);
        let violations = check(&history, &terms(None));
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].rule, "unread");
        fs::remove_dir_all(&dir).unwrap();
    }
}
