//! A line for others than Rust tests: two network namespaces until the standard
//! input ends.

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    use std::io::Read as _;
    use std::time::Duration;

    use clap::Parser;
    use samara_line::{FAR, Line, NEAR, Places};

    /// Makes two network namespaces with a line between them, says what they are
    /// called in one line of JSON, and keeps them until its input ends.
    #[derive(Parser)]
    struct Arguments {
        /// What their names begin with
        #[arg(long, default_value_t = format!("sl{}", std::process::id()))]
        name: String,
        /// From one end to the other and back, in milliseconds
        #[arg(long, default_value_t = 0.0)]
        round_trip: f64,
        /// So many of a hundred packets are lost, in each direction
        #[arg(long, default_value_t = 0.0)]
        loss: f64,
        /// Bytes a second in each direction
        #[arg(long)]
        rate: Option<u64>,
        /// What is lost follows from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
    }

    let arguments = Arguments::parse();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a million"
    )]
    let lost_per_million = (arguments.loss * 10_000.0) as u32;
    let line = Line {
        delay: Duration::from_secs_f64(arguments.round_trip / 2_000.0),
        lost_per_million,
        rate: arguments.rate,
        seed: arguments.seed,
    };
    let made = Places::new(&arguments.name, line)?;
    let (near, far) = (made.near().name(), made.far().name());
    println!(
        r#"{{"near":{{"space":"{near}","address":"{NEAR}"}},"far":{{"space":"{far}","address":"{FAR}"}}}}"#
    );
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("error: lines are made of Linux's network namespaces");
}
