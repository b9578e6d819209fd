//! One measured run, and many.

use std::time::Duration;

const MEBIBYTE: f64 = 1_048_576.0;

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Bytes of the file.
    pub bytes: u64,
    pub wall: Duration,
    /// Processor time of all processes together.
    pub cpu: Duration,
}

impl Figure {
    /// MiB a second.
    pub fn speed(&self) -> f64 {
        self.mebibytes() / self.wall.as_secs_f64()
    }

    /// Processor seconds a GiB.
    pub fn cpu_per_gibibyte(&self) -> f64 {
        self.cpu.as_secs_f64() * 1024.0 / self.mebibytes()
    }

    #[expect(clippy::cast_precision_loss, reason = "files are far below 2^52 bytes")]
    fn mebibytes(&self) -> f64 {
        self.bytes as f64 / MEBIBYTE
    }
}

/// One line of the table.
pub struct Row {
    pub what: &'static str,
    pub baseline: &'static str,
    /// What the ratio should reach, if anything was promised.
    pub goal: Option<f64>,
    /// Rounds of samara and of the baseline, taken in turn.
    pub rounds: Vec<(Figure, Figure)>,
}

impl Row {
    /// Median of the rounds' ratios of speed.
    pub fn ratio(&self) -> f64 {
        self.median(|(ours, bare)| ours.speed() / bare.speed())
    }

    /// Median over the rounds of whatever `of` says.
    pub fn median(&self, of: impl Fn(&(Figure, Figure)) -> f64) -> f64 {
        let mut values: Vec<_> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }
}
