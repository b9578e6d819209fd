//! Measures what it costs to announce blobs in a DHT of a thousand nodes on
//! loopback, which run in a process of their own (`docs/dht.md`).

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use samara_dht_test::measure::{Sweeping, announced_singly, dht, found, key_of};
use samara_dht_test::{Key, Stored, Testnet, Tokens};
use samara_node::{Dht, SweepConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Announces and looks up on a testnet.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Nodes of the testnet
    #[arg(long, default_value_t = 1000)]
    nodes: usize,
    /// Blobs to announce
    #[arg(long, default_value_t = 100_000)]
    blobs: usize,
    /// Packets a second at most, both ways
    #[arg(long, default_value_t = SweepConfig::default().packets)]
    packets: u32,
    /// Seconds from one announcement to the next
    #[arg(long, default_value_t = 900)]
    interval: u64,
    /// Keys announced and looked up one by one, to compare
    #[arg(long, default_value_t = 100)]
    single: usize,
    /// Tokens are good for one key only, as libtorrent's
    #[arg(long)]
    tokens_per_key: bool,
}

#[derive(Subcommand)]
enum Part {
    /// The nodes: prints where to enter, then answers each line with figures
    #[command(hide = true)]
    Testnet {
        nodes: usize,
        #[arg(action = clap::ArgAction::Set)]
        tokens_per_key: bool,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Testnet {
            nodes,
            tokens_per_key,
        }) => testnet(nodes, tokens_per_key).await,
        None => measure(&arguments).await,
    }
}

async fn testnet(nodes: usize, tokens_per_key: bool) -> anyhow::Result<()> {
    let tokens = if tokens_per_key {
        Tokens::PerKey
    } else {
        Tokens::PerAddress
    };
    let testnet = Testnet::start(nodes, tokens)?;
    println!("{}", serde_json::to_string(&testnet.bootstrap())?);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let stored = match line.as_str() {
            "packets" => Stored {
                packets: testnet.packets(),
                ..Stored::default()
            },
            _ => testnet.stored(),
        };
        println!("{}", serde_json::to_string(&stored)?);
    }
    Ok(())
}

/// The testnet's process.
struct Nodes {
    _child: Child,
    ask: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    bootstrap: Vec<String>,
}

impl Nodes {
    async fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("testnet")
            .arg(arguments.nodes.to_string())
            .arg(arguments.tokens_per_key.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let ask = child.stdin.take().context("no way to ask the nodes")?;
        let answers = child.stdout.take().context("the nodes say nothing")?;
        let mut answers = BufReader::new(answers).lines();
        let first = answers.next_line().await?.context("the nodes ended")?;
        Ok(Self {
            _child: child,
            ask,
            answers,
            bootstrap: serde_json::from_str(&first)?,
        })
    }

    async fn ask(&mut self, what: &str) -> anyhow::Result<Stored> {
        self.ask.write_all(format!("{what}\n").as_bytes()).await?;
        let answer = self.answers.next_line().await?.context("the nodes ended")?;
        Ok(serde_json::from_str(&answer)?)
    }

    async fn packets(&mut self) -> anyhow::Result<f64> {
        Ok(f64_of(self.ask("packets").await?.packets))
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let mut nodes = Nodes::start(arguments).await?;
    println!(
        "{} nodes, tokens per {}",
        arguments.nodes,
        if arguments.tokens_per_key {
            "key"
        } else {
            "address"
        }
    );
    let single = u32::try_from(arguments.single)?;
    let keys = singly(arguments, &mut nodes, single).await?;

    let config = SweepConfig {
        interval: Duration::from_secs(arguments.interval),
        packets: arguments.packets,
    };
    let before = (cpu()?, nodes.packets().await?);
    let sweeping = Sweeping::begin(arguments.blobs, &nodes.bootstrap, config)?;
    let swept = sweeping.finish(config.interval * 2).await?;
    let cpu = cpu()? - before.0;
    let packets = nodes.packets().await? - before.1;
    let blobs = f64::from(u32::try_from(arguments.blobs)?);
    let seconds = swept.time.as_secs_f64();
    println!(
        "sweep of {} blobs, at most {} packets a second:",
        arguments.blobs, arguments.packets
    );
    println!("  {seconds:.0} s, {:.0} keys a second", blobs / seconds);
    println!(
        "  {:.2} packets a key by the sweep's count, {:.2} by the nodes'",
        swept.packets_per_blob,
        packets / blobs
    );
    println!(
        "  {:.0} packets a second, {} announcements failed",
        packets / seconds,
        swept.failures
    );
    println!(
        "  {cpu:.1} s of processor time, {:.1} % of one",
        100.0 * cpu / seconds
    );
    println!(
        "  {} MiB of memory at most, the keys' own among it",
        peak_memory()? >> 10
    );
    let stored = nodes.ask("stored").await?;
    println!(
        "  stored: {} keys; {} at all of the 8 nearest nodes, {} at half or more",
        stored.keys, stored.complete, stored.half
    );
    ensure!(
        stored.keys == arguments.blobs + keys.len(),
        "a key is missing"
    );

    let looker = Dht::start(dht(&nodes.bootstrap)).await?;
    let step = (arguments.blobs / arguments.single.max(1)).max(1);
    let sample: Vec<_> = sweeping.ids.iter().step_by(step).map(key_of).collect();
    let found = found(&looker, &sample).await;
    println!("  looked up by mainline: {found} of {} found", sample.len());
    ensure!(found == sample.len(), "a key is not found");
    Ok(())
}

/// One key after the other, by whole lookups.
async fn singly(arguments: &Arguments, nodes: &mut Nodes, single: u32) -> anyhow::Result<Vec<Key>> {
    let looker = Dht::start(dht(&nodes.bootstrap)).await?;
    // The first query is about entering.
    let mut keys = announced_singly(&looker, 1).await?;
    let (before, start) = (nodes.packets().await?, Instant::now());
    keys.extend(announced_singly(&looker, arguments.single).await?);
    let per_key = (nodes.packets().await? - before) / f64::from(single);
    println!(
        "one announcement: {per_key:.0} packets, {:.0?}",
        start.elapsed() / single
    );
    let (before, start) = (nodes.packets().await?, Instant::now());
    for _ in 0..single {
        found(&looker, &[samara_dht_test::random()?]).await;
    }
    let per_key = (nodes.packets().await? - before) / f64::from(single);
    println!(
        "one lookup: {per_key:.0} packets, {:.0?}",
        start.elapsed() / single
    );
    Ok(keys)
}

/// Seconds of processor time of this process so far.
fn cpu() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').context("no figures")?;
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: Vec<u32> = ticks.map(str::parse).collect::<Result<_, _>>()?;
    // A tick is a hundredth of a second on every Linux there is.
    Ok(f64::from(ticks.iter().sum::<u32>()) / 100.0)
}

/// The most memory this process ever had, in KiB.
fn peak_memory() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no figure of memory")?.parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of packets are small")]
fn f64_of(number: u64) -> f64 {
    number as f64
}
