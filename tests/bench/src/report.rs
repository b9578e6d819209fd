//! The table, for the terminal and for `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;

use crate::figure::Row;

const FILE: &str = "docs/benchmarks.md";

pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | against | ratio | goal | MiB/s | baseline MiB/s | CPU s/GiB | baseline CPU s/GiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | **{:.2}** | {} | {:.0} | {:.0} | {:.2} | {:.2} |",
            row.what,
            row.baseline,
            row.ratio(),
            row.goal.map_or("–".to_owned(), |goal| goal.to_string()),
            row.median(|(ours, _)| ours.speed()),
            row.median(|(_, bare)| bare.speed()),
            row.median(|(ours, _)| ours.cpu_per_gibibyte()),
            row.median(|(_, bare)| bare.cpu_per_gibibyte()),
        );
    }
    text
}

/// What each row is, so that nobody takes one for another.
const ROWS: &str = "\
Rows *in memory* keep input, stores and output on a file system in memory, so that they \
show the work and not the disk: ingest reads, seals, hashes and writes every byte, a \
fetch also carries it over a WebSocket, verifies and opens it, and writes it twice, to \
its store and to the file. Their baselines do nothing else than they say.

Rows *on the disk* end when the result is durable, as their baselines do: an ingest when \
every blob is, a fetch when the file is. A fetch does not wait for its store, which holds \
what can be fetched again; the system writes that out behind it.";

/// The heading of the part that can be measured alone; it stands last.
const FIRST: &str = "\n## The first bytes\n";

/// What its table says.
const FIRST_ROWS: &str = "\
From opening a link to the first verified bytes, which are the entry's, page to page with \
a relay that runs. Each column counts from the beginning, up to when the page shows it: \
until the offer, the room is entered and a connection made; until the channel, offer, \
answer and candidates go through the relay, and the two shake hands; until the entry, \
they prove who they are, and it is wanted, held, requested, verified, stored and read.";

pub fn write(table: &str, commit: &str) -> anyhow::Result<()> {
    let text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` of {commit}, on {}.\n\n\
         Each figure is the median of rounds that alternate samara and its baseline; the\n\
         ratio is what to look at. CPU counts both ends.\n\n{ROWS}\n\n{table}",
        machine(),
    );
    let (_, first) = written()?;
    fs::write(FILE, text + &first).with_context(|| format!("{FILE} cannot be written"))
}

pub fn write_first(table: &str, commit: &str) -> anyhow::Result<()> {
    let text = format!(
        "{FIRST}\n\
         Written by `cargo xtask bench -- --only first-byte` of {commit}, on {}.\n\n\
         {FIRST_ROWS}\n\n{table}",
        machine(),
    );
    let (others, _) = written()?;
    fs::write(FILE, others + &text).with_context(|| format!("{FILE} cannot be written"))
}

/// What the file says: the rows, and the part about the first bytes.
fn written() -> anyhow::Result<(String, String)> {
    let text = fs::read_to_string(FILE).with_context(|| format!("{FILE} cannot be read"))?;
    let at = text.find(FIRST).unwrap_or(text.len());
    let (others, first) = text.split_at(at);
    Ok((others.into(), first.into()))
}

fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let model = model.unwrap_or("an unnamed processor");
    format!("{cores} cores of {model}")
}
