//! What libFuzzer says of a run.

use std::fmt;

/// The figures of libFuzzer's latest line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Inputs tried.
    pub runs: u64,
    /// Inputs tried each second.
    per_second: u64,
    /// Branches reached, by libFuzzer's count.
    coverage: u64,
    /// Inputs that each reach something of their own.
    corpus: u64,
}

impl Figures {
    /// Takes in one line of the output, if it has figures.
    ///
    /// `#1048576 pulse  cov: 309 ft: 842 corp: 97/3456b lim: 80 exec/s: 349525 rss: 44Mb`
    pub fn read(&mut self, line: &str) {
        let Some(runs) = line.strip_prefix('#').and_then(first_number) else {
            return;
        };
        let value = |name| {
            let rest = line.split_once(name)?.1;
            first_number(rest.trim_start())
        };
        let Some(coverage) = value(" cov: ") else {
            return;
        };
        *self = Self {
            runs,
            per_second: value(" exec/s: ").unwrap_or_default(),
            coverage,
            corpus: value(" corp: ").unwrap_or_default(),
        };
    }
}

fn first_number(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            runs,
            per_second,
            coverage,
            corpus,
        } = self;
        write!(
            f,
            "{runs:>9} runs  {per_second:>7}/s  coverage {coverage:>5}  corpus {corpus:>4}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_with_figures_counts() {
        let mut figures = Figures::default();
        for line in [
            "INFO: seed corpus: files: 5 min: 1b max: 94b total: 300b rss: 40Mb",
            "#2\tINITED cov: 5 ft: 5 corp: 1/1b exec/s: 0 rss: 40Mb",
            "#1048576\tDONE   cov: 309 ft: 842 corp: 97/3456b lim: 80 exec/s: 349525 rss: 44Mb",
            "Done 1048576 runs in 3 second(s)",
        ] {
            figures.read(line);
        }
        let (runs, per_second, coverage, corpus) = (1_048_576, 349_525, 309, 97);
        let expected = Figures {
            runs,
            per_second,
            coverage,
            corpus,
        };
        assert_eq!(figures, expected);
    }
}
