//! Running several steps to the end and summing them up.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::tally::Tally;

/// The steps taken so far.
#[derive(Default)]
pub struct Report {
    steps: Vec<Taken>,
}

struct Taken {
    name: &'static str,
    time: Duration,
    tally: Tally,
    error: Option<anyhow::Error>,
    /// Why it was not taken.
    skipped: Option<&'static str>,
}

impl Report {
    /// Takes a step that passes or fails as a whole.
    pub fn step(&mut self, name: &'static str, step: impl FnOnce() -> anyhow::Result<()>) {
        self.tests(name, |_| step());
    }

    /// Takes a step that counts its own tests.
    ///
    /// A step that fails before any test does, or has no tests, counts as one.
    pub fn tests(
        &mut self,
        name: &'static str,
        step: impl FnOnce(&mut Tally) -> anyhow::Result<()>,
    ) {
        println!("\n== {name}");
        let started = Instant::now();
        let mut tally = Tally::default();
        let error = step(&mut tally).err();
        if let Some(error) = &error {
            eprintln!("error: {error:#}");
            tally.failed = tally.failed.max(1);
        } else if tally == Tally::default() {
            tally.passed = 1;
        }
        self.steps.push(Taken {
            name,
            time: started.elapsed(),
            tally,
            error,
            skipped: None,
        });
    }

    /// Says that a step cannot be taken here.
    pub fn skip(&mut self, name: &'static str, why: &'static str) {
        println!("\n== {name}\nskipped: {why}");
        self.steps.push(Taken {
            name,
            time: Duration::ZERO,
            tally: Tally::default(),
            error: None,
            skipped: Some(why),
        });
    }

    /// Whether no step has failed yet.
    pub fn is_clean(&self) -> bool {
        self.steps.iter().all(|step| step.error.is_none())
    }

    /// Prints a line a step and the sum; fails if a step did.
    pub fn finish(self) -> anyhow::Result<()> {
        println!("\n== summary");
        let mut sum = Tally::default();
        for step in &self.steps {
            let outcome = match (&step.error, step.skipped) {
                (Some(_), _) => "FAILED",
                (None, Some(_)) => "skipped",
                (None, None) => "ok",
            };
            let seconds = step.time.as_secs_f64();
            let result = step.skipped.map_or(step.tally.to_string(), String::from);
            println!("{:<24} {outcome:<7} {seconds:>7.1} s  {result}", step.name);
            sum += step.tally;
        }
        println!("{sum}");
        let failed: Vec<_> = self
            .steps
            .iter()
            .filter(|step| step.error.is_some())
            .map(|step| step.name)
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            bail!("failed: {}", failed.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_tests_counts_as_one() {
        let mut report = Report::default();
        report.step("fine", || Ok(()));
        report.step("broken", || bail!("no"));
        report.tests("counted", |tally| {
            tally.passed = 5;
            Ok(())
        });
        report.tests("counted and broken", |tally| {
            tally.passed = 5;
            bail!("does not compile")
        });
        let tallies: Vec<_> = report
            .steps
            .iter()
            .map(|step| (step.tally.passed, step.tally.failed))
            .collect();
        assert_eq!(tallies, [(1, 0), (0, 1), (5, 0), (5, 1)]);
        let failure = report.finish().unwrap_err().to_string();
        assert_eq!(failure, "failed: broken, counted and broken");
    }
}
