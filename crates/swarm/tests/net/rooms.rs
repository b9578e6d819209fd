//! A relay's rooms, as simply as can be.

use std::collections::VecDeque;

use bytes::Bytes;
use samara_core::message::Reach;
use samara_core::{MemberId, Message, Topic};
use samara_swarm::{ConnectionId, Input};

use super::{DELAY, End, Happening, Host, Net};

impl Net {
    pub(super) fn on_room_message(&mut self, relay: Host, from: ConnectionId, bytes: &Bytes) {
        let Some(member_end) = self.links.get(&(relay, from)).copied() else {
            return;
        };
        match Message::decode(bytes).unwrap() {
            Message::Join { topic, reach } => self.on_join(member_end, topic, reach),
            Message::Leave { .. } => self.leave_rooms(member_end),
            Message::Signal {
                topic,
                member,
                sealed,
            } => {
                let members = self.rooms.get(&topic).cloned().unwrap_or_default();
                let sender = members.iter().find(|(_, _, end)| *end == member_end);
                let target = members.iter().find(|(id, _, _)| *id == member);
                if let (Some((sender, ..)), Some((.., end))) = (sender, target) {
                    let member = *sender;
                    // No offer here is as long as a blob.
                    let slow = if sealed.len() > 1000 {
                        self.slow_circuits
                    } else {
                        0
                    };
                    let signal = Message::Signal {
                        topic,
                        member,
                        sealed,
                    };
                    self.tell_after(DELAY + slow, *end, &signal);
                }
            }
            other => panic!("a relay was sent {other:?}"),
        }
    }

    fn on_join(&mut self, end: End, topic: Topic, reach: Reach) {
        self.members += 1;
        let member = MemberId(self.members);
        let others = self.rooms.get(&topic).cloned().unwrap_or_default();
        for (_, _, other) in &others {
            self.tell(
                *other,
                &Message::Joined {
                    topic,
                    member,
                    reach,
                },
            );
        }
        let members = others.iter().map(|(id, reach, _)| (*id, *reach)).collect();
        self.tell(
            end,
            &Message::Members {
                topic,
                you: member,
                members,
            },
        );
        self.rooms
            .entry(topic)
            .or_default()
            .push((member, reach, end));
    }

    pub(super) fn leave_rooms(&mut self, gone: End) {
        let mut told = VecDeque::new();
        for (topic, members) in &mut self.rooms {
            let left = members
                .iter()
                .find(|(.., end)| *end == gone)
                .map(|(id, ..)| *id);
            members.retain(|(.., end)| *end != gone);
            if let Some(member) = left {
                let topic = *topic;
                told.extend(
                    members
                        .iter()
                        .map(|(.., end)| (*end, Message::Left { topic, member })),
                );
            }
        }
        for (end, message) in told {
            self.tell(end, &message);
        }
    }

    pub(super) fn tell(&mut self, end: End, message: &Message) {
        self.tell_after(DELAY, end, message);
    }

    fn tell_after(&mut self, delay: u64, (host, connection): End, message: &Message) {
        let message = message.encode();
        self.after(
            delay,
            Happening::Input(
                host,
                Input::Received {
                    connection,
                    message,
                },
            ),
        );
    }
}
