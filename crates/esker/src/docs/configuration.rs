//! Every setting, by the headings of `--help`.

use std::fmt::Write as _;

use super::markdown::{anchored, code, head, row, sentence};
use super::more;
use crate::settings::{Fallback, SETTINGS};

const INTRODUCTION: &str = "\
# Settings: every one

Of `esker dev` and `esker agent`, by what they are about. How they are given, and how they go together: [Settings](../configuration.md).

A setting `flush_interval_ms` is the flag `--flush-interval-ms`, the variable `ESKER_FLUSH_INTERVAL_MS` and the key `flush_interval_ms` of the
TOML file. After its name stands what it takes: SIZE is bytes or a number with a unit (`8MiB`, `1GiB`), a list has commas (in the file it may
be a list).
";

pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut heading = "";
    for setting in SETTINGS {
        if setting.heading != heading {
            heading = setting.heading;
            let titles = ["setting", "takes", "`esker dev`", "`esker agent`", "meaning"];
            let _ = write!(page, "\n## {heading}\n\n{}", head(&titles));
        }
        let more = more::of(setting.name).unwrap_or_default();
        let meaning = format!("{} {more}", sentence(setting.help));
        page += &row(&[
            &anchored(setting.name),
            &code(setting.value),
            &fallback(setting.dev),
            &fallback(setting.agent),
            meaning.trim(),
        ]);
    }
    page
}

fn fallback(fallback: Fallback) -> String {
    match fallback {
        Fallback::Value(text) => code(text),
        Fallback::Computed(text) => text.to_owned(),
        Fallback::Nothing => "none".to_owned(),
        Fallback::Required => "**required**".to_owned(),
    }
}
