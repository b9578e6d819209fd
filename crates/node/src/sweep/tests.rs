//! A sweep among nodes that are functions, in virtual time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::explore::STORING;
use super::key::Key;
use super::krpc::Transaction;
use super::machine::{Machine, Setup};
use crate::address::Allowed;

/// Half a round trip.
const LATENCY: Duration = Duration::from_millis(20);
const PACKETS: u32 = 4000;

/// How a node behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Its tokens are good for any key.
    Plain,
    /// Its tokens are good for one key, as libtorrent's.
    PerKey,
    /// Like that, and silent about bad ones.
    PerKeySilent,
    /// Never answers.
    Dead,
    /// Refuses every announcement.
    Refusing,
    /// Answers under an id that nobody said it had.
    Changed,
    /// Names nodes that do not exist, ever nearer ones.
    Flooding,
}

#[derive(Deserialize)]
struct Query {
    t: ByteBuf,
    q: String,
    ro: u8,
    a: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    info_hash: ByteBuf,
    #[serde(default)]
    token: Option<ByteBuf>,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Serialize)]
struct Reply {
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<(u16, &'static str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Values>,
    t: ByteBuf,
    y: &'static str,
}

#[derive(Serialize)]
struct Values {
    id: ByteBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<ByteBuf>,
}

struct Net {
    nodes: BTreeMap<Key, (SocketAddrV4, Manner)>,
    by_address: HashMap<SocketAddrV4, Key>,
    stored: HashMap<Key, HashSet<Key>>,
    packets: usize,
    invented: u32,
    per_node: HashMap<SocketAddrV4, usize>,
}

fn key(number: u32) -> Key {
    let mut state = u64::from(number) + 1;
    Key(std::array::from_fn(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    }))
}

fn address(number: u32) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(0x0a00_0001 + number), 6881)
}

impl Net {
    fn new(manners: &[Manner]) -> Self {
        let numbered = (0..).zip(manners);
        let nodes: BTreeMap<_, _> = numbered
            .map(|(number, manner)| (key(number), (address(number), *manner)))
            .collect();
        Self {
            by_address: nodes
                .iter()
                .map(|(key, (address, _))| (*address, *key))
                .collect(),
            nodes,
            stored: HashMap::new(),
            packets: 0,
            invented: 0,
            per_node: HashMap::new(),
        }
    }

    /// The nodes nearest to a place that may store something.
    fn nearest(&self, target: &Key, fit: impl Fn(Manner) -> bool) -> Vec<Key> {
        let fit = self.nodes.iter().filter(|(_, (_, manner))| fit(*manner));
        let mut nearest: Vec<_> = fit.map(|(key, _)| *key).collect();
        if nearest.len() > STORING {
            nearest.select_nth_unstable_by_key(STORING, |key| key.distance(target));
            nearest.truncate(STORING);
        }
        nearest.sort_by_key(|key| key.distance(target));
        nearest
    }

    fn answer(&mut self, to: SocketAddrV4, packet: &[u8]) -> Option<Vec<u8>> {
        self.packets += 1;
        *self.per_node.entry(to).or_default() += 1;
        let own = *self.by_address.get(&to)?;
        let (_, manner) = self.nodes[&own];
        let query: Query = serde_bencode::from_bytes(packet).unwrap();
        assert_eq!(query.ro, 1);
        let target = Key::from_slice(&query.a.info_hash).unwrap();
        let mut token = vec![own.0[0], 7];
        if matches!(manner, Manner::PerKey | Manner::PerKeySilent) {
            token.extend(target.0);
        }
        let mut values = Values {
            id: ByteBuf::from(own.0),
            nodes: None,
            token: None,
        };
        match (query.q.as_str(), manner) {
            (_, Manner::Dead) => return None,
            ("get_peers", _) => {
                values.nodes = Some(self.named(&target, manner).into());
                values.token = Some(token.into());
                if manner == Manner::Changed {
                    values.id = ByteBuf::from(key(1_000_000).0);
                }
            }
            ("announce_peer", _) => {
                assert_eq!(query.a.port, Some(4001));
                let good = query.a.token.unwrap() == token && manner != Manner::Refusing;
                if !good && manner == Manner::PerKeySilent {
                    return None;
                }
                if !good {
                    return Some(reply(Err((203, "bad token")), query.t));
                }
                self.stored.entry(target).or_default().insert(own);
            }
            (other, _) => panic!("{other}"),
        }
        Some(reply(Ok(values), query.t))
    }

    fn named(&mut self, target: &Key, manner: Manner) -> Vec<u8> {
        let mut compact = Vec::new();
        for near in self.nearest(target, |_| true) {
            let (mut near, mut address) = (near, self.nodes[&near].0);
            if manner == Manner::Flooding {
                self.invented += 1;
                near = *target;
                near.0[16..].copy_from_slice(&self.invented.to_be_bytes());
                address = SocketAddrV4::new(Ipv4Addr::from(0x0b00_0000 + self.invented), 6881);
            }
            compact.extend(near.0);
            compact.extend(address.ip().octets());
            compact.extend(address.port().to_be_bytes());
        }
        compact
    }
}

fn reply(said: Result<Values, (u16, &'static str)>, t: ByteBuf) -> Vec<u8> {
    let y = if said.is_ok() { "r" } else { "e" };
    let (r, e) = match said {
        Ok(values) => (Some(values), None),
        Err(error) => (None, Some(error)),
    };
    serde_bencode::to_bytes(&Reply { e, r, t, y }).unwrap()
}

/// Announces the keys; how many were said to be, and how long it took.
fn sweep(net: &mut Net, machine: &mut Machine, keys: &[Key], now: &mut Instant) -> usize {
    let mut way: VecDeque<(Instant, SocketAddrV4, Vec<u8>)> = VecDeque::new();
    let mut number = 0_u32;
    let (start, mut sent) = (*now, 0_u32);
    machine.begin(start, keys.iter().copied());
    let mut announced = 0;
    while machine.is_busy() {
        while let Some((at, ..)) = way.front()
            && *at <= *now
        {
            let (_, from, bytes) = way.pop_front().unwrap();
            machine.handle(*now, from, &bytes);
        }
        while let Some(packet) = machine.poll(*now, || {
            number += 1;
            Transaction(number.to_be_bytes())
        }) {
            sent += 1;
            if let Some(bytes) = net.answer(packet.to, &packet.bytes) {
                net.packets += 1;
                way.push_back((*now + 2 * LATENCY, packet.to, bytes));
            }
        }
        announced += machine.outcomes().iter().filter(|o| o.announced).count();
        let wake = machine.wake_at(*now);
        let arrives = way.front().map(|(at, ..)| *at);
        let later = wake.into_iter().chain(arrives).min();
        *now = later.unwrap_or(*now).max(*now);
        assert!(
            later.is_some() || !machine.is_busy(),
            "the machine is stuck"
        );
        assert!(
            *now - start < Duration::from_hours(1),
            "the sweep does not end"
        );
    }
    let seconds = (*now - start).as_secs_f64();
    assert!(
        f64::from(sent) <= seconds * f64::from(PACKETS) / 2.0 + 50.0,
        "too fast"
    );
    announced
}

fn machine() -> Machine {
    let setup = Setup {
        port: 4001,
        packets: PACKETS,
        entry: vec![address(0), address(1)],
        allowed: Allowed::Any,
    };
    Machine::new([9; 20], setup)
}

/// Packets a key, in hundredths.
fn hundredths(packets: usize, keys: &[Key]) -> usize {
    packets * 100 / keys.len()
}

fn keys(count: u32) -> Vec<Key> {
    (5_000_000..5_000_000 + count).map(key).collect()
}

#[test]
fn every_key_is_stored_at_the_eight_nearest_nodes_for_little_more_than_that_costs() {
    let mut net = Net::new(&[Manner::Plain; 200]);
    let (mut machine, mut now) = (machine(), Instant::now());
    let keys = keys(3000);
    assert_eq!(sweep(&mut net, &mut machine, &keys, &mut now), keys.len());
    for key in &keys {
        let expected: HashSet<_> = net.nearest(key, |_| true).into_iter().collect();
        assert_eq!(net.stored[key], expected);
    }
    let per_key = hundredths(net.packets, &keys);
    assert!(per_key < 1650, "{per_key} hundredths of a packet a key");

    // Known regions and tokens serve again.
    let before = net.packets;
    assert_eq!(sweep(&mut net, &mut machine, &keys, &mut now), keys.len());
    let per_key = hundredths(net.packets - before, &keys);
    assert!(per_key < 1620, "{per_key} hundredths of a packet a key");
}

#[test]
fn nodes_whose_tokens_are_good_for_one_key_cost_twice_as_much() {
    for manner in [Manner::PerKey, Manner::PerKeySilent] {
        let mut net = Net::new(&[manner; 50]);
        let (mut machine, mut now) = (machine(), Instant::now());
        let keys = keys(1000);
        assert_eq!(
            sweep(&mut net, &mut machine, &keys, &mut now),
            keys.len(),
            "{manner:?}"
        );
        let per_key = hundredths(net.packets, &keys);
        assert!(
            per_key < 3450,
            "{per_key} hundredths of a packet a key, {manner:?}"
        );
    }
}

#[test]
fn a_third_of_bad_nodes_keep_no_key_from_the_others() {
    for bad in [
        Manner::Dead,
        Manner::Refusing,
        Manner::Changed,
        Manner::Flooding,
    ] {
        let manners: Vec<_> = (0..150)
            .map(|number| if number % 3 == 2 { bad } else { Manner::Plain })
            .collect();
        let mut net = Net::new(&manners);
        let (mut machine, mut now) = (machine(), Instant::now());
        let keys = keys(1500);
        let announced = sweep(&mut net, &mut machine, &keys, &mut now);
        assert_eq!(announced, keys.len(), "{bad:?}");
        let stored = |key: &Key| net.stored.get(key).map_or(0, HashSet::len);
        let fewest = keys.iter().map(stored).min().unwrap();
        assert!(fewest >= STORING / 2, "a key has {fewest} nodes, {bad:?}");
        let per_key = hundredths(net.packets, &keys);
        assert!(
            per_key < 2500,
            "{per_key} hundredths of a packet a key, {bad:?}"
        );
    }
}

#[test]
fn few_keys_in_a_large_network_cost_walks_from_known_nodes() {
    let mut net = Net::new(&[Manner::Plain; 1000]);
    let (mut machine, mut now) = (machine(), Instant::now());
    let keys = keys(60);
    assert_eq!(sweep(&mut net, &mut machine, &keys, &mut now), keys.len());
    for key in &keys {
        let expected: HashSet<_> = net.nearest(key, |_| true).into_iter().collect();
        assert_eq!(net.stored[key], expected);
    }
    let per_key = hundredths(net.packets, &keys);
    assert!(per_key < 5000, "{per_key} hundredths of a packet a key");
}

#[test]
fn a_network_of_few_nodes_takes_every_key() {
    let mut net = Net::new(&[Manner::Plain; 3]);
    let (mut machine, mut now) = (machine(), Instant::now());
    let keys = keys(50);
    assert_eq!(sweep(&mut net, &mut machine, &keys, &mut now), keys.len());
    assert!(keys.iter().all(|key| net.stored[key].len() == 3));
}

#[test]
fn where_nobody_answers_a_sweep_ends_soon() {
    let mut net = Net::new(&[Manner::Dead; 3]);
    let (mut machine, mut now) = (machine(), Instant::now());
    let start = now;
    assert_eq!(sweep(&mut net, &mut machine, &keys(5000), &mut now), 0);
    assert!(now - start < Duration::from_secs(10));
    assert!(net.packets < 20);
}

#[test]
fn what_a_round_has_begun_the_next_one_ends() {
    let mut net = Net::new(&[Manner::Plain; 100]);
    let (mut machine, mut now) = (machine(), Instant::now());
    let keys = keys(300);
    machine.begin(now, keys.iter().copied());
    for number in 0..200_u32 {
        let transaction = || Transaction((number + (1 << 31)).to_be_bytes());
        while let Some(packet) = machine.poll(now, transaction) {
            let answer = net.answer(packet.to, &packet.bytes).unwrap();
            machine.handle(now, packet.to, &answer);
        }
        now += Duration::from_millis(1);
        machine.postpone();
        machine.begin(now, keys.iter().copied());
    }
    assert!(
        !net.stored.is_empty(),
        "rounds of a millisecond lead to something"
    );
    sweep(&mut net, &mut machine, &keys, &mut now);
    for key in &keys {
        let expected: HashSet<_> = net.nearest(key, |_| true).into_iter().collect();
        assert_eq!(net.stored[key], expected);
    }
}

#[test]
fn an_answer_from_elsewhere_is_nobodys() {
    let mut net = Net::new(&[Manner::Plain; 20]);
    let (mut machine, now) = (machine(), Instant::now());
    machine.begin(now, keys(1));
    let packet = machine.poll(now, || Transaction([1; 4])).unwrap();
    let answer = net.answer(packet.to, &packet.bytes).unwrap();
    machine.handle(now, address(77), &answer);
    assert_eq!(machine.nodes(), 0);
    machine.handle(now, packet.to, &answer);
    assert_eq!(machine.nodes(), 1);
}
