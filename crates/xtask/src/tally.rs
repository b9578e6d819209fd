//! Counting the tests that test runners report.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u32,
    pub failed: u32,
}

impl Tally {
    /// Adds what one line of a runner's output says, if it is a summary.
    pub fn read(&mut self, line: &str) {
        let summary = cargo_test(line)
            .or_else(|| node_test(line))
            .or_else(|| playwright(line));
        if let Some(summary) = summary {
            *self += summary;
        }
    }
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; …`
fn cargo_test(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let mut tally = Tally::default();
    for part in counts.split("; ") {
        tally += counted(part).unwrap_or_default();
    }
    Some(tally)
}

/// `ℹ pass 3` and `ℹ fail 0`
fn node_test(line: &str) -> Option<Tally> {
    let (word, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
    outcome(word, count)
}

/// `  3 passed (5.2s)` and `  1 failed`
fn playwright(line: &str) -> Option<Tally> {
    let text = line.strip_prefix("  ")?;
    if text.starts_with(' ') || text.split(' ').count() > 3 {
        return None;
    }
    counted(text)
}

/// `3 passed` or `3 failed`, whatever follows.
fn counted(text: &str) -> Option<Tally> {
    let mut words = text.split(' ');
    let (count, word) = (words.next()?, words.next()?);
    outcome(word.strip_suffix("ed")?, count)
}

fn outcome(word: &str, count: &str) -> Option<Tally> {
    let count = count.parse().ok()?;
    match word {
        "pass" => Some(Tally {
            passed: count,
            failed: 0,
        }),
        "fail" => Some(Tally {
            passed: 0,
            failed: count,
        }),
        _ => None,
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn cargo_test_is_summed_over_its_binaries() {
        let tally = read(
            "test wire::tests::it_works ... ok\n\
             test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        );
        assert_eq!(
            tally,
            Tally {
                passed: 5,
                failed: 1
            }
        );
    }

    #[test]
    fn node_test_is_read_from_its_summary() {
        let tally =
            read("✔ a link is parsed (1.2ms)\nℹ tests 3\nℹ pass 2\nℹ fail 1\nℹ cancelled 0");
        assert_eq!(
            tally,
            Tally {
                passed: 2,
                failed: 1
            }
        );
    }

    #[test]
    fn playwright_is_read_from_its_summary() {
        let tally = read(
            "  ✓  1 spine.spec.ts:3:1 › 2 passed around (1.0s)\n  1 failed\n    [chromium] › spine.spec.ts\n  2 passed (5.2s)",
        );
        assert_eq!(
            tally,
            Tally {
                passed: 2,
                failed: 1
            }
        );
    }
}
