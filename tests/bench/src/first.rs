//! From opening a link to the first verified bytes, and the parts of that time.
//! The browsers are driven by `tests/e2e/bench/first-byte.mjs`.

use std::fmt::Write as _;
use std::io::BufRead as _;

use anyhow::Context as _;
use serde_json::Value;

use crate::browser;
use crate::process::Samara;

/// Single rounds differ a lot, and take seconds only.
const LEAST_ROUNDS: usize = 9;

/// What is told of each way to open a link, in the order it happens.
const PARTS: [&str; 4] = ["offer", "channel", "entry", "chunk"];

/// Goal for the first verified bytes, the entry's, from the click.
const GOAL: u64 = 300;

/// The table.
pub fn measure(samara: &Samara, rounds: usize) -> anyhow::Result<String> {
    let store = tempfile::tempdir()?;
    let (_relay, page) = browser::relay(samara, store.path())?;
    let rounds = rounds.max(LEAST_ROUNDS);
    let lines = browser::drive("bench/first-byte.mjs", &[page, rounds.to_string()])?;
    let rounds: Vec<Value> = lines
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<anyhow::Result<_>>()?;
    table(&rounds)
}

fn table(rounds: &[Value]) -> anyhow::Result<String> {
    let mut text = String::from(
        "| | offer begun | channel open | entry verified | goal | first chunk verified |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let ways = [
        ("open", "page open, from the click", GOAL.to_string()),
        ("cold", "new tab, from the navigation", "–".into()),
    ];
    for (way, words, goal) in ways {
        let mut parts = Vec::new();
        for part in PARTS {
            parts.push(median(rounds, way, part)?);
        }
        let [offer, channel, entry, chunk] = parts[..] else {
            anyhow::bail!("four parts");
        };
        let _ = writeln!(
            text,
            "| {words} | {offer} | {channel} | **{entry}** | {goal} | {chunk} |"
        );
    }
    let bare = median(rounds, "bare", "chunk")?;
    let _ = writeln!(
        text,
        "\nMedians of {}, in ms, in two browsers on this machine. A chunk is 1 MiB, which a bare \
         data channel between the two takes {bare} ms for once it is open.",
        rounds.len()
    );
    Ok(text)
}

fn median(rounds: &[Value], way: &str, part: &str) -> anyhow::Result<u64> {
    let values = rounds.iter().map(|round| round[way][part].as_u64());
    let values: Option<Vec<_>> = values.collect();
    let mut values = values.with_context(|| format!("a round without {part}"))?;
    values.sort_unstable();
    let middle = values.get(values.len() / 2).copied();
    middle.context("no round was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_round_counts() {
        let rounds = [30, 10, 20].map(|entry| serde_json::json!({ "open": { "entry": entry } }));
        assert_eq!(median(&rounds, "open", "entry").unwrap_or_default(), 20);
        assert!(median(&rounds, "open", "chunk").is_err());
    }
}
