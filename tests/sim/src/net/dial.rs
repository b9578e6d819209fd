//! How wires come to be: dialed addresses, data channels, and the directory
//! that stands for the DHT.

use samara_core::Topic;

use crate::net::wire::{Side, WireId};
use crate::net::{End, Event, Life, Net};
use crate::peer::{Channel, ConnectionId};
use crate::plan::Host;
use crate::time::Span;

/// Longest message of a WebSocket, in bytes.
const SOCKET_MESSAGE: usize = 2 << 20;
/// How long the DHT remembers an announce.
const REMEMBERED: Span = Span::seconds(30 * 60);

impl Net {
    fn life_of(&self, host: Host) -> Option<Life> {
        self.hosts[host.0].life()
    }

    pub(super) fn on_dial(&mut self, host: Host, connection: ConnectionId, url: String) {
        let Some(life) = self.life_of(host) else {
            return;
        };
        self.host(host).dialing.insert(connection, url.clone());
        let span = match self.listening.get(&url).copied() {
            // Nobody answers: the machine gives up by itself.
            Some(to) if self.are_apart(host, to) => return,
            // The transport's own greetings come and go once.
            Some(to) => {
                let there = self.delay(host, to);
                there + self.delay(host, to) + self.delay(host, to)
            }
            None => Span::millis(50),
        };
        self.after(span, Event::Dialed(life, connection, url));
    }

    pub(super) fn on_dialed(&mut self, life: Life, connection: ConnectionId, url: &str) {
        let host = life.host;
        if !self.lives(life) || !self.host(host).dialing.contains_key(&connection) {
            return;
        }
        let listener = self.listening.get(url).copied();
        let Some(to) = listener.filter(|to| self.life_of(*to).is_some() && *to != host) else {
            return self.after(Span::millis(50), Event::Refused(life, connection));
        };
        if self.are_apart(host, to) {
            return;
        }
        let now = self.now;
        let Some(peer) = self.host(to).peer.as_mut() else {
            return;
        };
        // The accepting machine names its end itself.
        let accepted = peer.at(now).name();
        let ends = [
            End { host, connection },
            End {
                host: to,
                connection: accepted,
            },
        ];
        let wire = self.add_wire(ends, Channel::Socket, SOCKET_MESSAGE);
        self.host(to).ends.insert(accepted, (wire, Side::ACCEPTED));
        self.tell(to, |peer| peer.accepted(accepted, SOCKET_MESSAGE));
        let span = self.delay(to, host);
        self.after(span, Event::Opened(wire, life));
    }

    pub(super) fn on_opened(&mut self, id: WireId, life: Life) {
        let Some(wire) = self.wires.get(&id).filter(|w| w.is_up(Side::DIALED)) else {
            return;
        };
        let (End { host, connection }, max) = (wire.end(Side::DIALED), wire.max_message);
        let (channel, other) = (wire.channel, wire.end(Side::ACCEPTED).host);
        // The dialing machine may have thought better of it, or be another
        // one now.
        if !self.lives(life) || self.host(host).dialing.remove(&connection).is_none() {
            return self.close(id, Side::DIALED);
        }
        self.trace.note(self.now, host.0, &other.0.to_be_bytes());
        self.host(host).ends.insert(connection, (id, Side::DIALED));
        self.tell(host, |peer| peer.connected(connection, channel, max));
    }

    pub(super) fn on_refused(&mut self, life: Life, connection: ConnectionId) {
        let host = life.host;
        if self.lives(life) && self.host(host).dialing.remove(&connection).is_some() {
            self.tell(host, |peer| peer.closed(connection, "connection refused"));
        }
    }

    /// A machine wants a data channel: its offer says who it is.
    pub(super) fn on_offer(&mut self, host: Host, connection: ConnectionId) {
        let Some(life) = self.life_of(host) else {
            return;
        };
        let offer = format!("{} {} {}", host.0, life.number, connection.0);
        self.host(host).dialing.insert(connection, String::new());
        self.tell(host, |peer| peer.offered(connection, offer));
    }

    pub(super) fn on_answer(&mut self, host: Host, connection: ConnectionId, offer: &str) {
        let mut numbers = offer.split(' ').map(str::parse::<u64>);
        let (Some(Ok(from)), Some(Ok(number)), Some(Ok(offering))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            // Nothing comes of an offer that makes no sense.
            return;
        };
        let (Ok(from), Ok(number)) = (usize::try_from(from), u32::try_from(number)) else {
            return;
        };
        let Some(life) = self.life_of(host).filter(|_| from < self.hosts.len()) else {
            return;
        };
        self.host(host).dialing.insert(connection, String::new());
        self.tell(host, |peer| peer.answered(connection, offer.into()));
        let other = Life {
            host: Host(from),
            number,
        };
        let span = self.delay(host, other.host).times(3);
        let offering = ConnectionId(offering);
        self.after(span, Event::Joined(other, offering, life, connection));
    }

    /// A data channel opens at both ends, if nothing is in between.
    pub(super) fn on_joined(
        &mut self,
        a: Life,
        offering: ConnectionId,
        b: Life,
        answering: ConnectionId,
    ) {
        let plan = self.plan.clone();
        let (from, to) = (plan.host(a.host), plan.host(b.host));
        let direct = from.direct && to.direct && !self.are_apart(a.host, b.host);
        let wanted = self.host(a.host).dialing.contains_key(&offering)
            && self.host(b.host).dialing.contains_key(&answering);
        if !(direct && wanted && self.lives(a) && self.lives(b)) {
            return;
        }
        let max = from.channel_message.min(to.channel_message);
        let ends = [(a, offering), (b, answering)].map(|(life, connection)| End {
            host: life.host,
            connection,
        });
        let wire = self.add_wire(ends, Channel::Data, max);
        self.host(b.host).dialing.remove(&answering);
        let end = (wire, Side::ACCEPTED);
        self.host(b.host).ends.insert(answering, end);
        self.tell(b.host, |peer| {
            peer.connected(answering, Channel::Data, max);
        });
        let span = self.delay(b.host, a.host);
        self.after(span, Event::Opened(wire, a));
    }

    pub(super) fn on_lookup(&mut self, host: Host, topic: Topic) {
        if let Some(life) = self.life_of(host) {
            let span = Span::millis(self.dice.between(200, 3000));
            self.after(span, Event::Looked(life, topic));
        }
    }

    pub(super) fn on_looked(&mut self, life: Life, topic: Topic) {
        if !self.lives(life) {
            return;
        }
        let addresses = self.announced(topic);
        self.tell(life.host, |peer| peer.found(topic, addresses));
    }

    /// Addresses the DHT remembers for a topic.
    pub(super) fn announced(&mut self, topic: Topic) -> Vec<String> {
        let now = self.now;
        let known = self.directory.entry(topic).or_default();
        known.retain(|_, until| *until > now);
        let mut known: Vec<_> = known.keys().cloned().collect();
        // Each walk through the DHT meets its nodes in another order.
        for at in (1..known.len()).rev() {
            known.swap(at, self.dice.index(at + 1));
        }
        known
    }

    pub(super) fn on_announce(&mut self, host: Host, topic: Topic) {
        let until = self.now + REMEMBERED;
        if let Some(url) = self.host(host).url.clone() {
            let known = self.directory.entry(topic).or_default();
            known.insert(url, until);
        }
    }
}
