//! Connections: from the first byte to their end. Who the other side is, is
//! found out in [`crate::prove`].

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use samara_core::identity::Role;
use samara_core::message::{ErrorCode, MIN_MESSAGE_LEN};
use samara_core::{Message, RequestId};

use crate::Swarm;
use crate::answer::blob_bytes;
use crate::connection::{Carrier, Connection, Greeting, Origin, Peer, Queued, Scope, Stage, Step};
use crate::face::{Cause, ConnectionId, Event, Output, Path, Problem};
use crate::meet::is_relay;
use crate::time::Time;

pub(crate) const UNEXPECTED: ErrorCode = ErrorCode::UNEXPECTED;

/// Connections that only this peer may begin, at most.
const KEPT_FOR_OWN: usize = 64;

/// Why a connection ends that is not needed: it came about as it should.
pub(crate) const BETTER: &str = "connected already in a better way";

impl Swarm {
    pub(crate) fn on_accepted(
        &mut self,
        id: ConnectionId,
        path: Path,
        max_message: usize,
        transport: &[u8],
    ) {
        if !self.has_room_for_others() || max_message < MIN_MESSAGE_LEN {
            self.outputs.push_back(Output::Close { connection: id });
            return;
        }
        let binding = self.binding(id, path, transport);
        let stage = self.greeting(Greeting {
            path,
            max_message,
            binding,
            step: Step::Listening,
        });
        let scope = Scope::Only([].into());
        let connection = Connection::new(Carrier::Driver, Origin::Accepted, stage, scope);
        self.connections.insert(id, connection);
    }

    /// Whether there may be a connection that somebody else begins or named the
    /// address of. Some places are kept for those this peer chooses, or strangers
    /// could cut it off from everybody.
    pub(crate) fn has_room_for_others(&self) -> bool {
        let most = self.config.limits.connections;
        let kept = (most / 4).min(KEPT_FOR_OWN);
        let held = self.connections.len();
        let free = held + kept < most;
        free || held < most && {
            let begun = self.connections.values().filter(|c| c.was_begun_here());
            held - begun.count() + kept < most
        }
    }

    pub(crate) fn on_connected(
        &mut self,
        id: ConnectionId,
        path: Path,
        max_message: usize,
        transport: &[u8],
    ) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        // The other end has a say in what a data channel carries.
        if max_message < MIN_MESSAGE_LEN {
            return self.close(id, "the transport carries messages too short for any use");
        }
        let first = connection.meeting().is_none_or(|meeting| meeting.began);
        let binding = self.binding(id, path, transport);
        let step = if first {
            let ours = self.handshake(Role::Dialer, max_message);
            Step::Called { ours }
        } else {
            Step::Listening
        };
        let stage = self.greeting(Greeting {
            path,
            max_message,
            binding,
            step,
        });
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.stage = stage;
        }
        match step {
            Step::Called { ours } => self.send(id, &Message::Handshake(ours)),
            Step::Listening | Step::Answered { .. } => {}
        }
    }

    fn greeting(&mut self, greeting: Greeting) -> Stage {
        let until = self.now + self.config.limits.handshake;
        self.arm(until);
        let greeting = Box::new(greeting);
        Stage::Greeting { until, greeting }
    }

    /// Since when a handshake is under way.
    pub(crate) fn greeting_since(&self, id: ConnectionId) -> Option<Time> {
        match self.connections.get(&id)?.stage {
            Stage::Greeting { until, .. } => {
                Some(Time(until.0.saturating_sub(self.config.limits.handshake.0)))
            }
            Stage::Dialing { .. } | Stage::Ready(_) => None,
        }
    }

    pub(crate) fn on_received(&mut self, from: ConnectionId, bytes: &Bytes) {
        let Some(connection) = self.connections.get(&from) else {
            return;
        };
        if bytes.len() > connection.accepts().min(self.config.limits.message) {
            return self.misbehaved(from, ErrorCode::MALFORMED, "a message too long");
        }
        if connection.queued > self.config.limits.send_queue_most {
            return self.misbehaved(
                from,
                ErrorCode::TOO_MANY,
                "asking without taking the answers",
            );
        }
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                let what = format!("a message that cannot be read: {error}");
                return self.misbehaved(from, ErrorCode::MALFORMED, &what);
            }
        };
        match &connection.stage {
            Stage::Dialing { .. } => {}
            Stage::Greeting { greeting, .. } => {
                let greeting = Greeting::clone(greeting);
                self.on_greeting(from, &message, greeting);
            }
            Stage::Ready(_) => self.on_message(from, message),
        }
    }

    pub(crate) fn on_ready(&mut self, id: ConnectionId, peer: Peer) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let rooms = is_relay(&peer);
        connection.stage = Stage::Ready(Box::new(peer));
        if let Origin::Dialed(address) = &connection.origin {
            let address = address.clone();
            self.on_kept_ready(&address, id);
        }
        if rooms {
            self.join_rooms(id);
        }
        self.take_over(id);
        self.join_lanes(id);
        self.tell_wants(id);
        self.tell_holdings(id);
        self.ask_found(id);
        self.push_all(id);
    }

    /// Two that are connected and meet for another file are connected for that
    /// one too, whichever connection stays.
    pub(crate) fn meet_again(&mut self, new: ConnectionId, peer: &Peer) {
        let met = self.connections.get(&new).filter(|c| c.meeting().is_some());
        let Some(Scope::Only(met)) = met.map(|connection| &connection.scope) else {
            return;
        };
        let met = met.clone();
        let mut widened = Vec::new();
        for (id, connection) in &mut self.connections {
            let same = connection.ready().is_some_and(|known| known.id == peer.id);
            if let (true, Scope::Only(scope)) = (same && *id != new, &mut connection.scope) {
                scope.extend(&met);
                widened.push(*id);
            }
        }
        for id in widened {
            self.tell_wants(id);
            self.tell_holdings(id);
        }
    }

    /// Whether the peer of a new connection is connected already, on a path at
    /// least as good and for the same purpose. One that seems dead is no
    /// better: the peer may have another address by now.
    pub(crate) fn has_better(&self, new: ConnectionId, peer: &Peer) -> bool {
        let Some(Origin::Met(_)) = self.connections.get(&new).map(|c| &c.origin) else {
            return false;
        };
        self.connections.iter().any(|(id, connection)| {
            let same = connection
                .ready()
                .is_some_and(|known| known.id == peer.id && known.path <= peer.path);
            same && *id != new && connection.meeting().is_some() && !self.seems_dead(connection)
        })
    }

    /// Hands a message to the connection's carrier.
    pub(crate) fn send(&mut self, to: ConnectionId, message: &Message) {
        let bytes = message.encode();
        let Some(connection) = self.connections.get_mut(&to) else {
            return;
        };
        let served = blob_bytes(message);
        match connection.carrier {
            Carrier::Driver => self.carry(to, to, bytes, served),
            Carrier::Circuit => self.send_in_circuit(to, bytes, served),
        }
    }

    /// Sends `bytes`, of which `served` are of a blob, on `carrier`, counted
    /// for `owner` until they are on their way.
    pub(crate) fn carry(
        &mut self,
        carrier: ConnectionId,
        owner: ConnectionId,
        bytes: Bytes,
        served: usize,
    ) {
        let (len, now) = (bytes.len(), self.now);
        let Some(connection) = self.connections.get_mut(&carrier) else {
            return;
        };
        let idle = !connection.has_queued();
        if idle {
            connection.moved_at = now;
        }
        connection.outbox.push_back(Queued {
            owner,
            left: len,
            served,
        });
        if let Some(owner) = self.connections.get_mut(&owner) {
            let idle = owner.queued == 0;
            owner.queued += len;
            owner.leaving.begin(self.now);
            if let Some(peer) = owner.ready_mut().filter(|_| idle) {
                peer.serving.taken_at = self.now;
            }
        }
        self.outputs.push_back(Output::Send {
            connection: carrier,
            message: bytes,
        });
        if idle {
            self.arm(now + self.config.limits.stall_whole);
        }
    }

    pub(crate) fn on_drained(&mut self, id: ConnectionId, mut bytes: usize) {
        while bytes > 0 {
            let Some(connection) = self.connections.get_mut(&id) else {
                return;
            };
            connection.moved_at = self.now;
            let Some(first) = connection.outbox.front_mut() else {
                return;
            };
            let (owner, gone) = (first.owner, bytes.min(first.left));
            first.left -= gone;
            bytes -= gone;
            let mut served = 0;
            if first.left == 0 {
                served = first.served;
                connection.outbox.pop_front();
            }
            let mut peer = None;
            if let Some(owner) = self.connections.get_mut(&owner) {
                owner.queued = owner.queued.saturating_sub(gone);
                owner.leaving.received(self.now, served);
                if owner.queued == 0 {
                    owner.leaving.end(self.now);
                }
                if let Some(owner) = owner.ready_mut() {
                    owner.serving.taken_at = self.now;
                    owner.serving.sent += served as u64;
                    peer = Some(owner.id);
                }
            }
            if let Some(peer) = peer.filter(|_| served > 0) {
                self.count_sent(peer, served);
            }
            self.count_left(served);
            self.serve(owner);
        }
    }

    /// Ends a connection because of what its peer did.
    pub(crate) fn misbehaved(&mut self, id: ConnectionId, code: ErrorCode, what: &str) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let peer = connection.ready().map(|peer| peer.id);
        let text = String::from(what);
        let request = RequestId(0);
        self.send(
            id,
            &Message::Error {
                request,
                code,
                text,
            },
        );
        let what = what.into();
        self.event(Event::Misbehaved { peer, what });
        self.close_for(id, cause(code), what_closed(code));
    }

    /// Ends a connection from this side.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: &str) {
        self.close_for(id, Cause::Unreachable, reason);
    }

    pub(crate) fn close_for(&mut self, id: ConnectionId, cause: Cause, reason: &str) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        match connection.carrier {
            Carrier::Driver => self.outputs.push_back(Output::Close { connection: id }),
            Carrier::Circuit => self.send_bye(id),
        }
        self.on_closed(id, cause, reason);
    }

    /// A connection is gone: whatever hung on it goes elsewhere.
    pub(crate) fn on_closed(&mut self, id: ConnectionId, cause: Cause, reason: &str) {
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        let lane = connection.lane;
        if let Some(peer) = connection.ready_mut() {
            self.on_peer_gone(id, peer, lane);
        }
        self.leave_rooms_of(id);
        match connection.origin {
            Origin::Accepted => {}
            Origin::Dialed(address) => {
                let text = reason.into();
                self.on_kept_closed(&address, id, Problem { cause, text });
            }
            Origin::Met(meeting) => {
                let ready = matches!(connection.stage, Stage::Ready(_));
                let failed = !ready && !lane && reason != BETTER;
                // What becomes of a lane says nothing of its member.
                if lane && self.has_channel(&meeting) {
                    return;
                }
                self.on_meeting_over(meeting, connection.carrier, failed);
            }
        }
    }
}

impl Swarm {
    fn on_peer_gone(&mut self, id: ConnectionId, peer: &mut Peer, lane: bool) {
        self.give_back(peer);
        self.leave_lanes(id, peer, lane);
        self.stop_serving(id, &peer.serving);
        self.end_favours_of(id, peer);
        self.stop_pushing(peer.id, core::mem::take(&mut peer.keeping));
        self.release_all(id, core::mem::take(&mut peer.asking), lane);
        self.tell_ledger_of(peer.id);
    }
}

/// What the code of an ERROR, sent or received, means for a kept address.
pub(crate) fn cause(code: ErrorCode) -> Cause {
    if code == ErrorCode::VERSION {
        Cause::OtherVersion
    } else {
        Cause::Unreachable
    }
}

fn what_closed(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::VERSION => "the peer speaks another version of the protocol",
        ErrorCode::TIMEOUT => "the peer did not answer in time",
        ErrorCode::NOT_PROVEN => "the peer did not prove who it is",
        _ => "the peer does not keep to the protocol",
    }
}
