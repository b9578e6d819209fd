//! Whose packet it is that comes to a port shared by many connections.
//!
//! A connectivity check names its receiver, and from then on all that comes
//! from the check's sender is for that receiver. What answers a request goes
//! to whoever asked. All else is dropped.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stun::{self, Transaction};

/// Addresses that one member may send from. More come of networks that change
/// and of members that pretend.
const ADDRESSES: usize = 32;

/// An address that was quiet for so long may have another owner: both ends of
/// a connection say something every few seconds (RFC 7675).
const QUIET: Duration = Duration::from_secs(10);

/// Requests whose responses are waited for, over all members: a second's worth
/// of a hundred connections in the making.
const TRANSACTIONS: usize = 4096;

/// Names a member of a port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct MemberId(u64);

/// Who takes what on a port; `I` is where packets for an address of a member
/// go.
pub(super) struct Routes<I> {
    last: u64,
    members: HashMap<MemberId, Member<I>>,
    names: HashMap<String, MemberId>,
    addresses: HashMap<SocketAddr, Heard>,
    transactions: HashMap<Transaction, MemberId>,
    /// The same, oldest first.
    asked: VecDeque<Transaction>,
}

struct Member<I> {
    name: String,
    inboxes: Vec<(IpAddr, Arc<I>)>,
    /// Where it hears from.
    addresses: Vec<SocketAddr>,
}

/// Who hears from an address, and since when no more.
struct Heard {
    by: MemberId,
    at: Instant,
}

impl<I> Routes<I> {
    pub fn new() -> Self {
        Self {
            last: 0,
            members: HashMap::new(),
            names: HashMap::new(),
            addresses: HashMap::new(),
            transactions: HashMap::new(),
            asked: VecDeque::new(),
        }
    }

    /// Takes in a member under its user name fragment.
    pub fn join(&mut self, name: String) -> MemberId {
        self.last += 1;
        let id = MemberId(self.last);
        self.names.insert(name.clone(), id);
        let member = Member {
            name,
            inboxes: Vec::new(),
            addresses: Vec::new(),
        };
        self.members.insert(id, member);
        id
    }

    /// A member also takes what comes to this address.
    pub fn listen(&mut self, id: MemberId, at: IpAddr, inbox: Arc<I>) {
        if let Some(member) = self.members.get_mut(&id) {
            member.inboxes.push((at, inbox));
        }
    }

    pub fn leave(&mut self, id: MemberId) {
        let Some(member) = self.members.remove(&id) else {
            return;
        };
        self.names.remove(&member.name);
        for address in member.addresses {
            if self.addresses.get(&address).is_some_and(|to| to.by == id) {
                self.addresses.remove(&address);
            }
        }
    }

    /// A member asks something.
    pub fn asks(&mut self, id: MemberId, transaction: Transaction) {
        if self.transactions.insert(transaction, id).is_none() {
            self.asked.push_back(transaction);
        }
        if self.asked.len() > TRANSACTIONS
            && let Some(oldest) = self.asked.pop_front()
        {
            self.transactions.remove(&oldest);
        }
    }

    /// Where a packet that came belongs: `to` is which of this machine's
    /// addresses it was sent to.
    pub fn route(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: Option<IpAddr>,
        packet: &[u8],
    ) -> Option<&Arc<I>> {
        let id = self.receiver(now, from, packet)?;
        let inboxes = &self.members.get(&id)?.inboxes;
        let exact = inboxes.iter().find(|(at, _)| Some(*at) == to);
        exact.or(inboxes.first()).map(|(_, inbox)| inbox)
    }

    fn receiver(&mut self, now: Instant, from: SocketAddr, packet: &[u8]) -> Option<MemberId> {
        if let Some(name) = stun::addressee(packet) {
            let id = *self.names.get(name)?;
            return self.hears(now, id, from).then_some(id);
        }
        if let Some(transaction) = stun::response(packet) {
            return self.transactions.get(&transaction).copied();
        }
        let heard = self.addresses.get_mut(&from)?;
        heard.at = now;
        Some(heard.by)
    }

    /// Whether a member hears from an address, from now on if not before.
    fn hears(&mut self, now: Instant, id: MemberId, from: SocketAddr) -> bool {
        if let Some(heard) = self.addresses.get_mut(&from) {
            if heard.by != id && heard.at + QUIET > now {
                return false;
            }
            if heard.by == id {
                heard.at = now;
                return true;
            }
        }
        let Some(member) = self.members.get_mut(&id) else {
            return false;
        };
        if member.addresses.len() >= ADDRESSES {
            return false;
        }
        member.addresses.push(from);
        self.addresses.insert(from, Heard { by: id, at: now });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::stun::tests::{check, packet};
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const DATA: &[u8] = &[23, 254, 253, 0];

    struct Port {
        routes: Routes<&'static str>,
        now: Instant,
    }

    impl Port {
        fn new() -> Self {
            let (routes, now) = (Routes::new(), Instant::now());
            Self { routes, now }
        }

        fn join(&mut self, name: &'static str) -> MemberId {
            let id = self.routes.join(name.into());
            self.routes.listen(id, HERE, Arc::new(name));
            id
        }

        fn gets(&mut self, port: u16, packet: &[u8]) -> Option<&'static str> {
            let from = SocketAddr::new(HERE, port);
            let inbox = self.routes.route(self.now, from, Some(HERE), packet);
            inbox.map(|inbox| **inbox)
        }
    }

    #[test]
    fn a_check_brings_what_its_sender_says_to_its_receiver() {
        let mut port = Port::new();
        port.join("a");
        port.join("b");
        assert_eq!(port.gets(1, DATA), None);
        assert_eq!(port.gets(1, &check("a")), Some("a"));
        assert_eq!(port.gets(2, &check("b")), Some("b"));
        assert_eq!(port.gets(1, DATA), Some("a"));
        assert_eq!(port.gets(2, DATA), Some("b"));
    }

    #[test]
    fn a_check_for_nobody_is_dropped() {
        let mut port = Port::new();
        let a = port.join("a");
        assert_eq!(port.gets(1, &check("other")), None);
        port.gets(1, &check("a"));
        port.routes.leave(a);
        assert_eq!(port.gets(1, &check("a")), None);
        assert_eq!(port.gets(1, DATA), None);
    }

    #[test]
    fn an_answer_goes_to_whoever_asked() {
        let mut port = Port::new();
        let (a, b) = (port.join("a"), port.join("b"));
        port.routes.asks(a, [1; 12]);
        port.routes.asks(b, [2; 12]);
        assert_eq!(port.gets(3478, &packet(0x0101, 2, &[])), Some("b"));
        assert_eq!(port.gets(3478, &packet(0x0101, 1, &[])), Some("a"));
        assert_eq!(port.gets(3478, &packet(0x0101, 3, &[])), None);
    }

    #[test]
    fn an_address_in_use_cannot_be_taken_over() {
        let mut port = Port::new();
        port.join("a");
        port.join("b");
        port.gets(1, &check("a"));
        assert_eq!(port.gets(1, &check("b")), None);
        assert_eq!(port.gets(1, DATA), Some("a"));
    }

    #[test]
    fn an_address_that_went_quiet_can_have_another_owner() {
        let mut port = Port::new();
        let a = port.join("a");
        port.join("b");
        port.gets(1, &check("a"));
        port.now += QUIET;
        assert_eq!(port.gets(1, &check("b")), Some("b"));
        assert_eq!(port.gets(1, DATA), Some("b"));
        // The end of the first one takes nothing from the second.
        port.routes.leave(a);
        assert_eq!(port.gets(1, DATA), Some("b"));
    }

    #[test]
    fn no_member_has_the_memory_of_all() {
        let mut port = Port::new();
        let a = port.join("a");
        for from in 0..1000 {
            port.gets(from, &check("a"));
        }
        assert_eq!(port.routes.addresses.len(), ADDRESSES);
        for number in 0..2 * TRANSACTIONS {
            let mut transaction = [0; 12];
            transaction[..8].copy_from_slice(&(number as u64).to_be_bytes());
            port.routes.asks(a, transaction);
        }
        assert_eq!(port.routes.transactions.len(), TRANSACTIONS);
        assert_eq!(port.routes.asked.len(), TRANSACTIONS);
    }

    #[test]
    fn what_comes_to_one_address_of_a_machine_is_not_taken_for_another_ones() {
        let mut port = Port::new();
        let a = port.join("first");
        let other: IpAddr = "192.0.2.7".parse().unwrap();
        port.routes.listen(a, other, Arc::new("second"));
        let from = SocketAddr::new(HERE, 1);
        let check = check("first");
        for (to, inbox) in [
            (Some(other), "second"),
            (Some(HERE), "first"),
            (None, "first"),
        ] {
            let got = port.routes.route(port.now, from, to, &check);
            assert_eq!(**got.unwrap(), inbox);
        }
    }
}
