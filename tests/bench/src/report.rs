//! The table, for the terminal and for `docs/benchmarks.md`.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

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
            row.goal,
            row.median(|(ours, _)| ours.speed()),
            row.median(|(_, bare)| bare.speed()),
            row.median(|(ours, _)| ours.cpu_per_gibibyte()),
            row.median(|(_, bare)| bare.cpu_per_gibibyte()),
        );
    }
    text
}

pub fn write(table: &str) -> anyhow::Result<()> {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]);
    let machine = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = machine
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench` at commit `{commit}`, on {cores} cores of {}.\n\n\
         Each figure is the median of rounds that alternate samara and its baseline; the\n\
         ratio is what to look at. CPU counts both ends.\n\n{table}",
        model.unwrap_or("an unnamed processor"),
    );
    fs::write(FILE, text).with_context(|| format!("{FILE} cannot be written"))
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().into()
}
