//! What announcing costs: one by one, and by a sweep.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use samara_core::{BlobId, Topic};
use samara_node::{Dht, DhtConfig, Sweep, SweepConfig, SweepView};
use tokio::task::JoinHandle;

use crate::{Key, random};

/// The TCP port that is announced.
pub const PORT: u16 = 4001;

/// A sweep that is under way; it ends with its scope.
pub struct Sweeping {
    /// What is announced.
    pub ids: Vec<BlobId>,
    view: SweepView,
    task: JoinHandle<()>,
    start: Instant,
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a sweep went.
#[derive(Debug, Clone, Copy)]
pub struct Swept {
    /// Until the last blob was announced.
    pub time: Duration,
    /// Packets sent and received for one blob.
    pub packets_per_blob: f64,
    /// Announcements that too few nodes took.
    pub failures: u64,
}

impl Sweeping {
    /// Begins to announce so many blobs with random ids.
    pub fn begin(blobs: usize, bootstrap: &[String], config: SweepConfig) -> anyhow::Result<Self> {
        let ids = (0..blobs).map(|_| Ok(BlobId::from_bytes(random()?)));
        let ids: Vec<_> = ids.collect::<anyhow::Result<_>>()?;
        let held = ids.clone();
        let sweep = Sweep::open(&config, &dht(bootstrap), PORT, move || held.clone())?;
        Ok(Self {
            ids,
            view: sweep.view(),
            task: tokio::spawn(sweep.run()),
            start: Instant::now(),
        })
    }

    /// Waits until every blob is announced.
    pub async fn finish(&self, within: Duration) -> anyhow::Result<Swept> {
        loop {
            let stats = self.view.stats();
            let time = self.start.elapsed();
            // Announcements count again those that were due again meanwhile.
            if stats.announced >= self.ids.len() {
                #[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
                let packets_per_blob =
                    (stats.sent + stats.received) as f64 / stats.announcements as f64;
                return Ok(Swept {
                    time,
                    packets_per_blob,
                    failures: stats.failures,
                });
            }
            ensure!(time < within, "the sweep is not done in time: {stats:?}");
            ensure!(!self.task.is_finished(), "the sweep ended");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// How to take part in a DHT on loopback.
pub fn dht(bootstrap: &[String]) -> DhtConfig {
    DhtConfig {
        bootstrap: Some(bootstrap.to_vec()),
        bind: Some(Ipv4Addr::LOCALHOST),
        port: Some(0),
    }
}

/// What a blob is announced under.
pub fn key_of(id: &BlobId) -> Key {
    std::array::from_fn(|i| id.as_bytes()[i])
}

/// Looks keys up one after the other; how often somebody at [`PORT`] is named.
pub async fn found(dht: &Dht, keys: &[Key]) -> usize {
    let mut found = 0;
    for key in keys {
        let mut lookup = dht.lookup(Topic::from_bytes(*key)).await;
        let mut named = false;
        // To its end: a lookup that nobody waits for goes on beside the next.
        while let Some(addresses) = lookup.next().await {
            named |= addresses.iter().any(|address| address.port() == PORT);
        }
        found += usize::from(named);
    }
    found
}

/// Announces random keys one by one; returns them.
pub async fn announced_singly(dht: &Dht, keys: usize) -> anyhow::Result<Vec<Key>> {
    let mut announced = Vec::new();
    for _ in 0..keys {
        let key = random()?;
        let done = dht.announce(Topic::from_bytes(key), PORT).await;
        done.context("a single announcement failed")?;
        announced.push(key);
    }
    Ok(announced)
}
