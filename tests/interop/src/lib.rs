//! A DHT of npm `bittorrent-dht` (`dht.js`) in a process of its own.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The process; it ends when this is dropped.
pub struct BittorrentDht {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    entry: String,
}

impl BittorrentDht {
    /// Starts twenty nodes and a peer among them.
    ///
    /// # Panics
    ///
    /// If `cargo xtask setup` has not installed the package.
    pub async fn start() -> io::Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(
            folder.join("node_modules/bittorrent-dht").exists(),
            "no npm packages in tests/interop: run `cargo xtask setup`"
        );
        let mut child = Command::new("node")
            .arg(folder.join("dht.js"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(answers)) = (orders, answers) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let mut answers = BufReader::new(answers).lines();
        let entry = answers.next_line().await?;
        Ok(Self {
            _child: child,
            orders,
            answers,
            entry: entry.ok_or(io::ErrorKind::UnexpectedEof)?,
        })
    }

    /// A node to enter by, as `host:port`.
    pub fn bootstrap(&self) -> Vec<String> {
        vec![self.entry.clone()]
    }

    /// Its peer announces a port for a key.
    pub async fn announce(&mut self, key: &[u8; 20], port: u16) -> io::Result<()> {
        self.order(&format!("announce {} {port}", hex(key))).await?;
        Ok(())
    }

    /// The addresses its peer finds for a key.
    pub async fn lookup(&mut self, key: &[u8; 20]) -> io::Result<Vec<String>> {
        let found = self.order(&format!("lookup {}", hex(key))).await?;
        Ok(found.split_whitespace().map(str::to_owned).collect())
    }

    /// How many of its nodes took an announcement of a key.
    pub async fn holders(&mut self, key: &[u8; 20]) -> io::Result<usize> {
        let holders = self.order(&format!("holders {}", hex(key))).await?;
        holders
            .parse()
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }

    async fn order(&mut self, order: &str) -> io::Result<String> {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        let answer = self.answers.next_line().await?;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

fn hex(key: &[u8; 20]) -> String {
    use std::fmt::Write as _;
    key.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
