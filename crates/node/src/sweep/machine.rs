//! A sweep as a state machine without IO: which packet goes to whom, and what
//! follows from what comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::explore::{Exploration, Next, Region, STORING, To};
use super::key::{Key, LEN};
use super::krpc::{self, Answer, Contact, Said, Token, Transaction};
use super::lines::{Errand, Lines, Use};
use super::pace::Pace;
use super::table::{Node, Table};
use crate::address::Allowed;

/// How long an answer is waited for.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a region counts as known.
const REGION_LIFE: Duration = Duration::from_mins(10);

/// Regions remembered at most, of which each has a dozen nodes.
const REGIONS: usize = 4096;

/// Explorations under way.
const EXPLORATIONS: usize = 32;

/// Keys being announced, in all and of one region.
const JOBS: usize = 4096;
const JOBS_OF_REGION: usize = 64;

/// Nodes known, from which on a walk needs no address to begin with.
const KNOWN: usize = 16;

/// Nodes tried for one key: twice those that store.
const TRIED: usize = 2 * STORING;

/// What a machine is told once.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// The TCP port to announce.
    pub port: u16,
    /// Packets a second, both ways.
    pub packets: u32,
    /// Addresses to enter the DHT by.
    pub entry: Vec<SocketAddrV4>,
    /// Where its nodes may be.
    pub allowed: Allowed,
}

/// A packet to send.
#[derive(Debug)]
pub(super) struct Packet {
    pub to: SocketAddrV4,
    pub bytes: Vec<u8>,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub key: Key,
    /// At least half of the nodes that should store it did.
    pub announced: bool,
}

pub(super) struct Machine {
    own: Key,
    setup: Setup,
    pace: Pace,
    table: Table,
    /// Regions known as a whole, by their first key.
    regions: BTreeMap<Key, Known>,
    /// Keys of this round that belong to no region yet.
    left: BTreeSet<Key>,
    /// Where the next exploration is looked for.
    cursor: Key,
    /// There may be something to explore at the cursor.
    look: bool,
    /// How deep the last region was: about what the next one will be.
    depth: Option<u32>,
    explorations: HashMap<u64, Exploration>,
    /// Explorations that may have something to ask.
    stirred: VecDeque<u64>,
    work: HashMap<u64, Work>,
    /// Work that may begin a job.
    turn: VecDeque<u64>,
    jobs: HashMap<u64, Job>,
    lines: Lines,
    queries: HashMap<Transaction, Query>,
    timeouts: VecDeque<(Instant, Transaction)>,
    outcomes: Vec<Outcome>,
    numbers: u64,
}

#[derive(Debug)]
struct Known {
    region: Region,
    since: Instant,
}

/// A region's keys that are to be announced.
#[derive(Debug)]
struct Work {
    nodes: Arc<[Key]>,
    keys: Vec<Key>,
    jobs: usize,
    waits_for_turn: bool,
}

/// A key that is being announced.
#[derive(Debug)]
struct Job {
    key: Key,
    work: u64,
    /// Nodes that have not been tried, farthest first.
    others: Vec<Key>,
    under_way: usize,
    wanted: usize,
    stored: usize,
}

#[derive(Debug)]
struct Query {
    to: SocketAddrV4,
    about: About,
    until: Instant,
}

#[derive(Debug, Clone, Copy)]
enum About {
    Nodes {
        exploration: u64,
        to: To,
        target: Key,
    },
    Token {
        job: u64,
        node: Key,
        key: Key,
    },
    Announcement {
        job: u64,
        node: Key,
        reused: bool,
    },
}

impl Machine {
    pub fn new(own: [u8; LEN], setup: Setup) -> Self {
        Self {
            own: Key(own),
            pace: Pace::new(setup.packets),
            setup,
            table: Table::default(),
            regions: BTreeMap::new(),
            left: BTreeSet::new(),
            cursor: Key([0; LEN]),
            look: false,
            depth: None,
            explorations: HashMap::new(),
            stirred: VecDeque::new(),
            work: HashMap::new(),
            turn: VecDeque::new(),
            jobs: HashMap::new(),
            lines: Lines::default(),
            queries: HashMap::new(),
            timeouts: VecDeque::new(),
            outcomes: Vec::new(),
            numbers: 0,
        }
    }

    /// Whether walks need addresses to begin with.
    pub fn is_stranger(&self) -> bool {
        self.table.len() < KNOWN
    }

    /// Addresses to enter the DHT by.
    pub fn enter_by(&mut self, addresses: Vec<SocketAddrV4>) {
        self.setup.entry = addresses;
    }

    /// Keys to announce beside those that are being announced.
    pub fn begin(&mut self, now: Instant, keys: impl IntoIterator<Item = Key>) {
        let begun: HashSet<_> = self.jobs.values().map(|job| job.key).collect();
        let new = keys.into_iter().filter(|key| !begun.contains(key));
        self.left.extend(new);
        self.cursor = Key([0; LEN]);
        self.look = true;
        self.lines.tidy(now);
    }

    /// Gives up what has not begun. Walks go on, and so do announcements that
    /// some nodes may already have taken.
    pub fn postpone(&mut self) {
        self.left.clear();
        for work in self.work.values_mut() {
            work.keys.clear();
        }
        self.work.retain(|_, work| work.jobs > 0);
    }

    /// Whether keys are being announced.
    pub fn is_busy(&self) -> bool {
        !(self.left.is_empty() && self.explorations.is_empty() && self.work.is_empty())
    }

    /// What became of keys since the last time.
    pub fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Nodes known.
    pub fn nodes(&self) -> usize {
        self.table.len()
    }

    /// The next packet to send now.
    pub fn poll(
        &mut self,
        now: Instant,
        transaction: impl FnMut() -> Transaction,
    ) -> Option<Packet> {
        self.expire(now);
        self.plan(now);
        if self.pace.ready_at(now) > now {
            return None;
        }
        let transaction = std::iter::repeat_with(transaction)
            .find(|transaction| !self.queries.contains_key(transaction))?;
        let packet = self
            .explore(now, transaction)
            .or_else(|| self.errand(now, transaction))?;
        self.pace.spend(now);
        Some(packet)
    }

    /// When to poll again if nothing comes.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let explore = (!self.stirred.is_empty()).then_some(now);
        let send = explore.or(self.lines.next_at());
        let send = send.map(|at| at.max(self.pace.ready_at(now)));
        let expire = self.timeouts.front().map(|(at, _)| *at);
        send.into_iter().chain(expire).min()
    }

    /// A packet came.
    pub fn handle(&mut self, now: Instant, from: SocketAddrV4, packet: &[u8]) {
        let Some(Answer { transaction, said }) = krpc::answer(packet) else {
            return;
        };
        if self
            .queries
            .get(&transaction)
            .is_none_or(|query| query.to != from)
        {
            return;
        }
        let Some(Query { about, .. }) = self.queries.remove(&transaction) else {
            return;
        };
        match said {
            Said::Yes {
                from: key,
                nodes,
                token,
            } => {
                let contact = Contact { key, address: from };
                if about.node().is_some_and(|node| node != key) {
                    // Somebody else lives there now.
                    self.unanswered(about, now, true);
                } else {
                    self.answered(about, contact, nodes, token, now);
                }
            }
            Said::No => self.refused(about, now),
        }
    }

    fn answered(
        &mut self,
        about: About,
        from: Contact,
        nodes: Vec<Contact>,
        token: Option<Token>,
        now: Instant,
    ) {
        match about {
            About::Nodes {
                exploration,
                to,
                target,
            } => {
                let gives = token.is_some();
                self.table.gave(from, target, token, now);
                let useless = self.table.get(&from.key).is_some_and(Node::is_useless);
                if let Some(open) = self.explorations.get_mut(&exploration) {
                    for contact in nodes {
                        let allowed = self.setup.allowed.lets_pass(contact.address);
                        if allowed && contact.key != self.own {
                            open.named(contact);
                        }
                    }
                    open.answered(to, from, gives && !useless);
                    self.stirred.push_back(exploration);
                }
            }
            About::Token { job, node, key } => {
                self.table.gave(from, key, token.clone(), now);
                match token {
                    Some(token) => {
                        let token = Use::Own(token);
                        self.lines.push(node, Errand { job, token }, now);
                    }
                    None => self.failed(job, now),
                }
            }
            About::Announcement { job, .. } => {
                self.table.answered(from, now);
                if let Some(node) = self.table.get_mut(&from.key) {
                    node.took();
                }
                self.stored(job);
            }
        }
    }

    fn refused(&mut self, about: About, now: Instant) {
        match about {
            About::Nodes {
                exploration, to, ..
            } => self.out(exploration, to),
            About::Token { job, node, .. } => {
                if let Some(node) = self.table.get_mut(&node) {
                    node.refused();
                }
                self.failed(job, now);
            }
            About::Announcement {
                job,
                node: key,
                reused,
            } => {
                let Some(node) = self.table.get_mut(&key) else {
                    return self.failed(job, now);
                };
                if reused {
                    node.refused_token();
                    let token = Use::Fresh;
                    self.lines.push(key, Errand { job, token }, now);
                } else {
                    node.refused();
                    self.failed(job, now);
                }
            }
        }
    }

    /// No answer came, or one of somebody else.
    fn unanswered(&mut self, about: About, now: Instant, replaced: bool) {
        if let About::Announcement {
            job,
            node: key,
            reused: true,
        } = about
            && !replaced
            && let Some(node) = self.table.get_mut(&key)
        {
            // Either it is gone or it ignores that token: its own will tell.
            node.ignored_token();
            let token = Use::Fresh;
            self.lines.push(key, Errand { job, token }, now);
            return;
        }
        if let Some(node) = about.node() {
            if replaced {
                self.table.remove(&node);
            } else {
                self.table.silent(&node);
            }
        }
        match about {
            About::Nodes {
                exploration, to, ..
            } => self.out(exploration, to),
            About::Token { job, .. } => self.failed(job, now),
            About::Announcement { job, node, .. } => {
                if let Some(node) = self.table.get_mut(&node) {
                    node.refused();
                }
                self.failed(job, now);
            }
        }
    }

    fn out(&mut self, exploration: u64, to: To) {
        if let Some(open) = self.explorations.get_mut(&exploration) {
            open.silent(to);
            self.stirred.push_back(exploration);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, transaction)) = self.timeouts.front().copied() {
            if at > now {
                break;
            }
            self.timeouts.pop_front();
            // An answered query's number may be another's by now.
            let over = self
                .queries
                .get(&transaction)
                .is_some_and(|query| query.until == at);
            if over && let Some(query) = self.queries.remove(&transaction) {
                self.unanswered(query.about, now, false);
            }
        }
    }

    /// Begins explorations and jobs while there is room for more.
    fn plan(&mut self, now: Instant) {
        while self.look && self.explorations.len() < EXPLORATIONS {
            let only_one = self.depth.is_none() && !self.explorations.is_empty();
            let target = if only_one {
                None
            } else {
                self.next_target(now)
            };
            let Some(target) = target else {
                self.look = false;
                break;
            };
            let near = self.table.near(&target, TRIED);
            let entry = if self.is_stranger() {
                self.setup.entry.clone()
            } else {
                Vec::new()
            };
            let number = self.number();
            self.explorations
                .insert(number, Exploration::new(target, near, entry));
            self.stirred.push_back(number);
        }
        while self.jobs.len() < JOBS
            && let Some(number) = self.turn.pop_front()
        {
            self.begin_job(number, now);
        }
    }

    /// A key that belongs to no region known or being explored. Keys of known
    /// regions are put to work on the way.
    fn next_target(&mut self, now: Instant) -> Option<Key> {
        let mut again = true;
        loop {
            let Some(key) = self.left.range(self.cursor..).next().copied() else {
                if !again || self.left.is_empty() {
                    return None;
                }
                (again, self.cursor) = (false, Key([0; LEN]));
                continue;
            };
            if let Some(region) = self.region_of(&key, now) {
                self.put_to_work(&region);
                continue;
            }
            let depth = self.depth.unwrap_or(0);
            let open = self.explorations.values();
            let mut subtrees = open.map(|open| open.target.subtree(depth));
            let exploring = subtrees.find(|subtree| subtree.contains(&key));
            let past = exploring.unwrap_or_else(|| key.subtree(depth)).last.next();
            match past {
                Some(past) => self.cursor = past,
                None if exploring.is_some() && !again => return None,
                None => (again, self.cursor) = (false, Key([0; LEN])),
            }
            if exploring.is_none() {
                return Some(key);
            }
        }
    }

    fn region_of(&mut self, key: &Key, now: Instant) -> Option<Region> {
        let (first, known) = self.regions.range(..=*key).next_back()?;
        if !known.region.subtree.contains(key) {
            return None;
        }
        let first = *first;
        if now.duration_since(known.since) < REGION_LIFE {
            return Some(known.region.clone());
        }
        self.regions.remove(&first);
        None
    }

    fn put_to_work(&mut self, region: &Region) {
        let subtree = region.subtree;
        let keys: Vec<_> = self
            .left
            .range(subtree.first..=subtree.last)
            .copied()
            .collect();
        for key in &keys {
            self.left.remove(key);
        }
        if keys.is_empty() {
            return;
        }
        let number = self.number();
        let work = Work {
            nodes: region.nodes.clone().into(),
            keys,
            jobs: 0,
            waits_for_turn: true,
        };
        self.work.insert(number, work);
        self.turn.push_back(number);
    }

    fn explore(&mut self, now: Instant, transaction: Transaction) -> Option<Packet> {
        while let Some(number) = self.stirred.pop_front() {
            let small = self.is_stranger();
            let left = &self.left;
            let Some(open) = self.explorations.get_mut(&number) else {
                continue;
            };
            let alone = |subtree: &super::key::Subtree| {
                left.range(subtree.first..=subtree.last).nth(1).is_none()
            };
            match open.next(alone, small) {
                Next::Ask {
                    to,
                    address,
                    target,
                } => {
                    self.stirred.push_back(number);
                    let about = About::Nodes {
                        exploration: number,
                        to,
                        target,
                    };
                    let bytes = krpc::get_peers(&self.own, &target, transaction);
                    return Some(self.ask(address, bytes, about, now, transaction));
                }
                Next::Wait => {}
                Next::Found(region) => {
                    let target = open.target;
                    self.explorations.remove(&number);
                    self.look = true;
                    self.found(target, region, now);
                    self.plan(now);
                }
            }
        }
        None
    }

    fn found(&mut self, target: Key, region: Region, now: Instant) {
        if region.nodes.is_empty() {
            // Where nobody answers, nothing more is tried in this round.
            let lost = if self.table.len() == 0 {
                std::mem::take(&mut self.left)
            } else {
                self.left.take(&target).into_iter().collect()
            };
            let failed = lost.into_iter().map(|key| Outcome {
                key,
                announced: false,
            });
            self.outcomes.extend(failed);
            return;
        }
        self.put_to_work(&region);
        let lone = region.subtree.first == region.subtree.last;
        if lone {
            let nodes = region.nodes.iter().take(STORING);
            let shared = nodes.map(|node| node.distance(&target).shared_bits()).min();
            self.depth = shared.or(self.depth);
            return;
        }
        self.depth = Some(region.subtree.depth);
        let within = self
            .regions
            .range(region.subtree.first..=region.subtree.last);
        let within: Vec<_> = within.map(|(first, _)| *first).collect();
        for first in within {
            self.regions.remove(&first);
        }
        if self.regions.len() >= REGIONS {
            self.regions
                .retain(|_, known| now.duration_since(known.since) < REGION_LIFE / 2);
        }
        if self.regions.len() < REGIONS {
            let first = region.subtree.first;
            self.regions.insert(first, Known { region, since: now });
        }
    }

    fn begin_job(&mut self, number: u64, now: Instant) {
        let Some(work) = self.work.get_mut(&number) else {
            return;
        };
        work.waits_for_turn = false;
        let Some(key) = work.keys.pop() else {
            return;
        };
        work.jobs += 1;
        if work.jobs < JOBS_OF_REGION && !work.keys.is_empty() {
            work.waits_for_turn = true;
            self.turn.push_back(number);
        }
        let mut others = work.nodes.to_vec();
        others.sort_by_key(|node| node.distance(&key));
        others.truncate(TRIED);
        others.reverse();
        let wanted = others.len().min(STORING);
        let job = self.number();
        let begun = Job {
            key,
            work: number,
            others,
            under_way: 0,
            wanted,
            stored: 0,
        };
        self.jobs.insert(job, begun);
        for _ in 0..wanted {
            self.try_next(job, now);
        }
        self.finish_if_over(job);
    }

    /// Has one more node store the key, if there is one.
    fn try_next(&mut self, number: u64, now: Instant) {
        let Some(job) = self.jobs.get_mut(&number) else {
            return;
        };
        while let Some(node) = job.others.pop() {
            if self.table.get(&node).is_some_and(|node| !node.is_useless()) {
                job.under_way += 1;
                let errand = Errand {
                    job: number,
                    token: Use::Known,
                };
                self.lines.push(node, errand, now);
                return;
            }
        }
    }

    fn stored(&mut self, number: u64) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.under_way -= 1;
            job.stored += 1;
        }
        self.finish_if_over(number);
    }

    fn failed(&mut self, number: u64, now: Instant) {
        if let Some(job) = self.jobs.get_mut(&number) {
            job.under_way -= 1;
        }
        self.try_next(number, now);
        self.finish_if_over(number);
    }

    fn finish_if_over(&mut self, number: u64) {
        if self.jobs.get(&number).is_none_or(|job| job.under_way > 0) {
            return;
        }
        let Some(job) = self.jobs.remove(&number) else {
            return;
        };
        let announced = job.stored > 0 && job.stored * 2 >= job.wanted;
        self.outcomes.push(Outcome {
            key: job.key,
            announced,
        });
        let Some(work) = self.work.get_mut(&job.work) else {
            return;
        };
        work.jobs -= 1;
        if work.keys.is_empty() && work.jobs == 0 {
            self.work.remove(&job.work);
        } else if !work.keys.is_empty() && !work.waits_for_turn {
            work.waits_for_turn = true;
            self.turn.push_back(job.work);
        }
    }

    fn errand(&mut self, now: Instant, transaction: Transaction) -> Option<Packet> {
        while let Some((key, errand)) = self.lines.pop(now) {
            let Errand { job: number, token } = errand;
            let Some(job) = self.jobs.get(&number) else {
                continue;
            };
            let target = job.key;
            let Some(node) = self.table.get(&key).filter(|node| !node.is_useless()) else {
                self.failed(number, now);
                continue;
            };
            let address = node.address;
            let (token, reused) = match token {
                Use::Own(token) => (Some(token), false),
                Use::Known => (node.token(&target, now).cloned(), true),
                Use::Fresh => (None, false),
            };
            let (bytes, about) = if let Some(token) = token {
                let port = self.setup.port;
                let bytes = krpc::announce_peer(&self.own, &target, port, &token, transaction);
                let about = About::Announcement {
                    job: number,
                    node: key,
                    reused,
                };
                (bytes, about)
            } else {
                let bytes = krpc::get_peers(&self.own, &target, transaction);
                let about = About::Token {
                    job: number,
                    node: key,
                    key: target,
                };
                (bytes, about)
            };
            return Some(self.ask(address, bytes, about, now, transaction));
        }
        None
    }

    fn ask(
        &mut self,
        to: SocketAddrV4,
        bytes: Vec<u8>,
        about: About,
        now: Instant,
        transaction: Transaction,
    ) -> Packet {
        let until = now + TIMEOUT;
        self.queries.insert(transaction, Query { to, about, until });
        self.timeouts.push_back((until, transaction));
        Packet { to, bytes }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

impl About {
    /// Who is expected to answer.
    fn node(&self) -> Option<Key> {
        match *self {
            Self::Nodes {
                to: To::Node(key), ..
            } => Some(key),
            Self::Nodes { to: To::Entry, .. } => None,
            Self::Token { node, .. } | Self::Announcement { node, .. } => Some(node),
        }
    }
}
