//! Relays beside the test.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::common::Desk;

/// A relay without a DHT; killed at the end.
pub struct Relay {
    pub child: Child,
    pub url: String,
}

impl Relay {
    /// Starts one on a free port, with a store of this name.
    pub fn start(desk: &Desk, store: &str) -> Self {
        Self::start_at(desk, store, "127.0.0.1:0")
    }

    /// Starts one in the place of another that has ended.
    pub fn start_at(desk: &Desk, store: &str, address: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_samara"))
            .arg("--store")
            .arg(desk.path(store))
            .args(["--json", "relay", "--listen", address, "--no-dht"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { child, url }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
