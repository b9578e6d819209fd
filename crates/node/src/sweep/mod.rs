//! Announces every blob of a store in the DHT, again and again.
//!
//! A lookup for each blob would cost a hundred packets. A sweep goes through
//! the blobs in the order of their keys, looks each neighbourhood up once, uses
//! what it found for every key there, and the tokens it was given for as long
//! as they are good. A budget of packets a second is never exceeded; what it
//! cannot cover is what was used longest ago.
//!
//! The machine (`machine.rs`) does no IO; here are its socket and its clock.
//! It asks and never answers, and says so (BEP 43).

mod book;
mod explore;
mod key;
mod krpc;
mod lines;
mod machine;
mod pace;
mod table;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use samara_core::BlobId;
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

use crate::address::Allowed;
use crate::config::{DhtConfig, SweepConfig};
use crate::dht::{DhtError, resolve};
use book::Book;
use key::Key;
use krpc::{MAX_PACKET, Transaction};
use machine::{Machine, Packet, Setup};

/// Bytes of answers that wait in the system, where it allows so many: with its
/// default some are lost as soon as this process has no processor for a while.
const BUFFER: usize = 8 << 20;

/// A sweep looks for blobs that are due so many times in an interval.
const ROUNDS: u32 = 30;

/// Packets for one key, both ways, until it was measured: eight nodes, one
/// query and one answer each.
const COST: f64 = 16.0;

/// Packets taken in before others are sent.
const BATCH: usize = 256;

/// What a sweep did and does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepStats {
    /// Blobs held at the last look.
    pub held: usize,
    /// Of these, how many were announced within the last interval.
    pub announced: usize,
    /// Announcements that enough nodes took, since the start.
    pub announcements: u64,
    /// Announcements that too few nodes took, since the start.
    pub failures: u64,
    /// Packets sent since the start.
    pub sent: u64,
    /// Packets received since the start.
    pub received: u64,
    /// Nodes of the DHT that are known.
    pub nodes: usize,
}

impl SweepStats {
    /// Blobs that were not announced within the last interval: there was no
    /// budget for them, or no node took them.
    pub fn left_out(&self) -> usize {
        self.held.saturating_sub(self.announced)
    }
}

/// What is held, most recently used first.
type Held = Arc<dyn Fn() -> Vec<BlobId> + Send + Sync>;

/// A sweep that is about to begin.
pub struct Sweep {
    socket: UdpSocket,
    machine: Machine,
    book: Book,
    held: Held,
    round: Duration,
    packets: u32,
    bootstrap: Option<Vec<String>>,
    /// Packets for one key, as measured.
    cost: f64,
    stats: SweepView,
}

/// Where a sweep's figures are read. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct SweepView(Arc<Mutex<SweepStats>>);

impl SweepView {
    /// The figures now.
    pub fn stats(&self) -> SweepStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut SweepStats)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Sweep {
    /// Opens the socket. `port` is the TCP port to announce; `held` is called
    /// on a thread that may block, and names blobs most recently used first.
    pub fn open(
        config: &SweepConfig,
        dht: &DhtConfig,
        port: u16,
        held: impl Fn() -> Vec<BlobId> + Send + Sync + 'static,
    ) -> Result<Self, DhtError> {
        let bind = dht.bind.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let socket = open(bind).map_err(DhtError::Socket)?;
        let mut own = [0; key::LEN];
        getrandom::fill(&mut own).map_err(|_| DhtError::Random)?;
        let round = config.interval / ROUNDS;
        let setup = Setup {
            port,
            packets: config.packets,
            entry: Vec::new(),
            allowed: Allowed::of(dht),
        };
        Ok(Self {
            socket,
            machine: Machine::new(own, setup),
            // Found due at the next round's start, and done by its end.
            book: Book::new(config.interval, round * 2),
            held: Arc::new(held),
            round,
            packets: config.packets,
            bootstrap: dht.bootstrap.clone(),
            cost: COST,
            stats: SweepView::default(),
        })
    }

    /// Where to read what it does.
    pub fn view(&self) -> SweepView {
        self.stats.clone()
    }

    /// Announces for as long as it is polled.
    pub async fn run(mut self) {
        loop {
            let ends = Instant::now() + self.round;
            self.look().await;
            self.round(ends).await;
            tokio::time::sleep_until(ends.into()).await;
        }
    }

    /// Finds out what is held, and whom to ask first.
    async fn look(&mut self) {
        let held = Arc::clone(&self.held);
        let listed = tokio::task::spawn_blocking(move || held().iter().map(Key::of_blob).collect());
        self.book
            .hold(listed.await.expect("listing blobs does not panic"));
        if self.machine.is_stranger() {
            let names = self.bootstrap.clone();
            let found = tokio::task::spawn_blocking(move || entry(names)).await;
            self.machine
                .enter_by(found.expect("looking names up does not panic"));
        }
    }

    /// Announces what is due, until that is done or time is up.
    async fn round(&mut self, ends: Instant) {
        let before = self.stats.stats();
        let due = self.book.due(Instant::now(), self.affordable());
        let any = !due.is_empty();
        self.machine.begin(Instant::now(), due);
        self.drive(ends).await;
        self.machine.postpone();
        self.count();
        let after = self.stats.stats();
        let keys = after.announcements - before.announcements;
        let packets = (after.sent + after.received) - (before.sent + before.received);
        tracing::debug!(keys, packets, nodes = after.nodes, "a sweep's round ended");
        if any && keys == 0 {
            tracing::warn!(
                "no blob could be announced in the DHT; check that UDP traffic is allowed"
            );
        } else if keys > 0 {
            // A round of few keys says little of what many cost.
            let share = (f64_of(keys) / 1000.0).min(0.5);
            self.cost += share * (f64_of(packets) / f64_of(keys) - self.cost);
        }
    }

    /// Keys that a round's packets suffice for.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of packets is neither negative nor that large"
    )]
    fn affordable(&self) -> usize {
        let packets = f64::from(self.packets) * self.round.as_secs_f64();
        (packets / self.cost.max(1.0)).ceil() as usize
    }

    async fn drive(&mut self, ends: Instant) {
        let mut buffer = [0; MAX_PACKET];
        loop {
            self.receive(&mut buffer);
            self.send().await;
            self.settle();
            let now = Instant::now();
            if !self.machine.is_busy() || now >= ends {
                return;
            }
            let wake = self.machine.wake_at(now).unwrap_or(ends).min(ends);
            tokio::select! {
                // What is wrong with the socket shows when it is used.
                _ = self.socket.readable() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        let mut received = 0;
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((len, SocketAddr::V4(from))) => {
                    received += 1;
                    self.machine.handle(Instant::now(), from, &buffer[..len]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // One of the packets sent reached nobody: its query times out.
                Err(_) | Ok((_, SocketAddr::V6(_))) => {}
            }
        }
        self.stats.set(|stats| stats.received += received);
    }

    async fn send(&mut self) {
        let mut sent = 0;
        while let Some(Packet { to, bytes }) = self.machine.poll(Instant::now(), transaction) {
            // A packet that cannot be sent is as one that is lost.
            let _ = self.socket.send_to(&bytes, to).await;
            sent += 1;
        }
        self.stats.set(|stats| stats.sent += sent);
    }

    fn settle(&mut self) {
        let (mut announcements, mut failures) = (0, 0);
        let now = Instant::now();
        for outcome in self.machine.outcomes() {
            if outcome.announced {
                announcements += 1;
                self.book.announced(outcome.key, now);
            } else {
                failures += 1;
            }
        }
        self.stats.set(|stats| {
            stats.announcements += announcements;
            stats.failures += failures;
        });
    }

    fn count(&mut self) {
        let (held, announced) = self.book.counts(Instant::now());
        let nodes = self.machine.nodes();
        self.stats.set(|stats| {
            (stats.held, stats.announced, stats.nodes) = (held, announced, nodes);
        });
    }
}

/// What a blob is announced under (`docs/protocol.md`, "DHT").
pub(crate) fn key_of(blob: &BlobId) -> [u8; key::LEN] {
    Key::of_blob(blob).0
}

fn transaction() -> Transaction {
    // Nobody who does not see the query should guess it; where the system has
    // no random bytes, nothing else here would have begun.
    Transaction(getrandom::u32().unwrap_or_default().to_be_bytes())
}

fn open(bind: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // The system may give less.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((bind, 0)).into())?;
    UdpSocket::from_std(socket.into())
}

fn entry(names: Option<Vec<String>>) -> Vec<SocketAddrV4> {
    let public = || {
        mainline::DEFAULT_BOOTSTRAP_NODES
            .map(str::to_owned)
            .to_vec()
    };
    let names = names.unwrap_or_else(public);
    let addresses = names.into_iter().filter_map(|name| resolve(&[name]).ok());
    let v4 = addresses.flatten().filter_map(|address| match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    });
    v4.collect()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of packets are small")]
fn f64_of(number: u64) -> f64 {
    number as f64
}
