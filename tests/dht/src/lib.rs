//! A DHT on loopback: as many nodes as asked for in one process, each with a
//! port, a routing table and a secret of its own, answering as BEP 5 has it.
//!
//! A thousand nodes of a whole implementation are a thousand threads; these are
//! tasks. They know each other from the start, as nodes that have been there
//! for long do: in every bucket of its table a node has eight others at most.

pub mod measure;
mod message;
mod node;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use node::Node;

/// Nodes that should store a key.
const STORING: usize = 8;

/// 160 bits: an id of a node, or what is announced.
pub type Key = [u8; 20];

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Every key of whoever asked, as most implementations have it.
    PerAddress,
    /// The key it was asked for with, as libtorrent has it.
    PerKey,
}

/// A running DHT; it ends when dropped.
pub struct Testnet {
    nodes: Arc<[Node]>,
    packets: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// What is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Keys that at least one node has.
    pub keys: usize,
    /// Keys that all of the eight nearest nodes have.
    pub complete: usize,
    /// Keys that at least half of the eight nearest nodes have.
    pub half: usize,
    /// Packets that nodes received and sent.
    pub packets: u64,
}

impl Testnet {
    /// Starts so many nodes on free ports.
    pub fn start(nodes: usize, tokens: Tokens) -> io::Result<Self> {
        let sockets: Vec<_> = (0..nodes).map(|_| open()).collect::<io::Result<_>>()?;
        let known = sockets.iter().map(|socket| {
            let SocketAddr::V4(address) = socket.local_addr()? else {
                return Err(io::ErrorKind::AddrNotAvailable.into());
            };
            Ok((random()?, address))
        });
        let known: Vec<(Key, SocketAddrV4)> = known.collect::<io::Result<_>>()?;
        let nodes = known
            .iter()
            .map(|(key, _)| Ok(Node::new(*key, &known, random()?, tokens)));
        let nodes: Arc<[Node]> = nodes.collect::<io::Result<Vec<_>>>()?.into();
        let packets = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let (nodes, packets) = (Arc::clone(&nodes), Arc::clone(&packets));
            tasks.spawn(async move { serve(&nodes[index], &socket, &packets).await });
        }
        Ok(Self {
            nodes,
            packets,
            _tasks: tasks,
        })
    }

    /// Nodes to enter by, as `host:port`.
    pub fn bootstrap(&self) -> Vec<String> {
        let first = self.nodes.iter().take(3);
        first.map(|node| node.address().to_string()).collect()
    }

    /// Packets that nodes received and sent so far.
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// What is stored now, and where.
    pub fn stored(&self) -> Stored {
        let mut holders: HashMap<Key, Vec<Key>> = HashMap::new();
        for node in self.nodes.iter() {
            for key in node.stored() {
                holders.entry(key).or_default().push(*node.key());
            }
        }
        let right = holders.iter().map(|(key, holders)| {
            let nearest = self.nearest(key);
            holders.iter().filter(|node| nearest.contains(node)).count()
        });
        let right: Vec<_> = right.collect();
        let all = STORING.min(self.nodes.len());
        Stored {
            keys: holders.len(),
            complete: right.iter().filter(|right| **right == all).count(),
            half: right.iter().filter(|right| **right * 2 >= all).count(),
            packets: self.packets(),
        }
    }

    fn nearest(&self, target: &Key) -> Vec<Key> {
        let mut nearest: Vec<_> = self.nodes.iter().map(|node| *node.key()).collect();
        if nearest.len() > STORING {
            nearest.select_nth_unstable_by_key(STORING, |key| distance(key, target));
            nearest.truncate(STORING);
        }
        nearest
    }
}

fn distance(a: &Key, b: &Key) -> Key {
    std::array::from_fn(|i| a[i] ^ b[i])
}

async fn serve(node: &Node, socket: &UdpSocket, packets: &AtomicU64) {
    let mut buffer = [0; 2048];
    loop {
        // An error is about a packet sent before, to somebody who is gone.
        let Ok((len, SocketAddr::V4(from))) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        packets.fetch_add(1, Ordering::Relaxed);
        let Some(answer) = node.answer(from, &buffer[..len]) else {
            continue;
        };
        if socket.send_to(&answer, SocketAddr::V4(from)).await.is_ok() {
            packets.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn open() -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // The system may give less.
    let _ = socket.set_recv_buffer_size(1 << 20);
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    UdpSocket::from_std(socket.into())
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
