//! One link, from its handshake to its end.

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use samara_core::identity::Role;
use samara_core::{Message, PeerId};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::frame::{Broken, Frame, frame};
use super::greet::greet;
use super::{Bridge, longest};
use crate::ending::Ending;
use crate::heard::Heard;
use crate::limits::Limits;
use crate::rates::LinkRates;
use crate::rooms::{Delivered, Letters, Link, Mailbox, Overdrawn};

/// How a link went.
pub(super) struct Went {
    /// Who is at the other end.
    pub relay: Option<PeerId>,
    /// Whether it was the link to that relay.
    pub linked: bool,
    pub ending: Ending,
}

/// Carries a link until either side ends it. `on_link` is told when there is one.
pub(super) async fn run<K, S>(
    bridge: &Bridge,
    mut sink: K,
    mut stream: S,
    role: Role,
    on_link: impl FnOnce(PeerId, &Link),
) -> Went
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let inner = &bridge.0;
    let limits = &inner.limits;
    let greeting = greet(&inner.secret, role, longest(limits), &mut sink, &mut stream);
    let greeted = tokio::select! {
        greeted = timeout(limits.handshake, greeting) => {
            greeted.unwrap_or(Err(Ending::LateHandshake))
        }
        () = inner.stop.cancelled() => Err(Ending::Stopping),
    };
    let (relay, linked, ending) = match greeted {
        Err(ending) => (None, false, ending),
        Ok(relay) => {
            let (mailbox, letters) = Mailbox::new(limits);
            let link = Link::new(relay, mailbox, limits);
            match inner.links.add(inner.secret.peer(), relay, role, &link) {
                Err(ending) => (Some(relay), false, ending),
                Ok(replaced) => {
                    inner.rooms.linked(&link);
                    inner.metrics.links.increment(1);
                    inner.metrics.links_total.increment(1);
                    tracing::info!(link = link.number(), %relay, "linked with another relay");
                    on_link(relay, &link);
                    let ending = tokio::select! {
                        ending = exchange(bridge, &link, letters, &mut sink, &mut stream) => ending,
                        () = replaced.cancelled() => Ending::Linked,
                        () = inner.stop.cancelled() => Ending::Stopping,
                    };
                    inner.links.remove(&relay, &link);
                    inner.rooms.unlinked(&link);
                    inner.metrics.links.decrement(1);
                    (Some(relay), true, ending)
                }
            }
        }
    };
    if ending.is_a_cut() {
        inner.metrics.links_cut.increment(1);
        tracing::warn!(reason = %ending, "a link to another relay was cut");
    } else if linked {
        tracing::info!(reason = %ending, "a link to another relay ended");
    }
    farewell(&mut sink, &mut stream, ending).await;
    Went {
        relay,
        linked,
        ending,
    }
}

/// Both directions, and what ends them.
async fn exchange<K, S>(
    bridge: &Bridge,
    link: &Link,
    letters: Letters,
    sink: &mut K,
    stream: &mut S,
) -> Ending
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let limits = &bridge.0.limits;
    let heard = Heard::now();
    let overrun = letters.overrun();
    tokio::select! {
        ending = receive(bridge, link, stream, &heard) => ending,
        ending = send(sink, letters, limits) => ending,
        () = heard.until_silent_for(limits.cut_after) => Ending::Silent,
        () = overrun.cancelled() => Ending::Slow,
        () = unused(bridge, link) => Ending::Idle,
    }
}

async fn receive<S>(bridge: &Bridge, link: &Link, stream: &mut S, heard: &Heard) -> Ending
where
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let rates = LinkRates::new(&bridge.0.limits);
    loop {
        let message = match frame(stream).await {
            Ok(Frame::Message(bytes)) => bytes,
            Ok(Frame::Ping | Frame::Other | Frame::Close(_)) => {
                heard.touch();
                continue;
            }
            Err(ending) => return ending,
        };
        heard.touch();
        if !rates.message() {
            return Ending::Flood;
        }
        let Ok(message) = Message::decode(&message) else {
            return Ending::Malformed;
        };
        if let Err(ending) = one(bridge, link, &rates, message).await {
            return ending;
        }
    }
}

async fn one(
    bridge: &Bridge,
    link: &Link,
    rates: &LinkRates,
    message: Message,
) -> Result<(), Ending> {
    let (rooms, limits) = (&bridge.0.rooms, &bridge.0.limits);
    match message {
        Message::Members { topic, members, .. } => {
            if members.len() > limits.members_told {
                return Err(Ending::Crowd);
            }
            rates.tell(members.len()).await;
            rooms.has_members(topic, &members, link);
        }
        Message::Joined {
            topic,
            member,
            reach,
        } => {
            rates.tell(1).await;
            rooms.has_joined(topic, member, reach, link);
        }
        Message::Left { topic, member } => {
            rates.tell(1).await;
            rooms.has_left(topic, member, link);
        }
        Message::Leave { topic } => rooms.has_members(topic, &[], link),
        Message::Forward {
            topic,
            from,
            to,
            sealed,
        } => {
            if sealed.len() > limits.signal {
                return Err(Ending::LongSignal);
            }
            let bytes = sealed.len();
            rates.forward(bytes).await;
            let delivered = rooms.deliver(topic, from, to, sealed, link);
            let metrics = &bridge.0.metrics;
            match delivered.map_err(|Overdrawn| Ending::Overdrawn)? {
                Delivered::Yes => {
                    metrics.signal_messages.increment(1);
                    metrics.signal_bytes.increment(bytes as u64);
                }
                Delivered::Congested => metrics.signals_dropped.increment(1),
                Delivered::Nobody => {}
            }
        }
        Message::Taken { topic, from, bytes } => link.taken(topic, from, bytes),
        // It closes the connection itself.
        Message::Error { .. } => {}
        _ => return Err(Ending::Unexpected),
    }
    Ok(())
}

async fn send<K>(sink: &mut K, mut letters: Letters, limits: &Limits) -> Ending
where
    K: Sink<Frame, Error = Broken> + Unpin,
{
    let mut ping = interval(limits.ping_after);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let written = tokio::select! {
            Some(letter) = letters.recv() => timeout(limits.write, async {
                // Their places in the queue are free when they are gone.
                let mut gone = vec![letter];
                while let Some(letter) = letters.try_recv() {
                    gone.push(letter);
                }
                for letter in &gone {
                    sink.feed(Frame::Message(letter.message.clone())).await?;
                }
                sink.flush().await
            }).await,
            _ = ping.tick() => timeout(limits.write, sink.send(Frame::Ping)).await,
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(Broken)) => return Ending::Broken,
            Err(_) => return Ending::Slow,
        }
    }
}

/// Returns when nobody's room has had to do with the link for a while.
async fn unused(bridge: &Bridge, link: &Link) {
    let mut looks = interval(bridge.0.limits.link_idle / 2);
    looks.reset();
    let mut before = true;
    loop {
        looks.tick().await;
        let used = bridge.0.rooms.is_used(link);
        if !used && !before {
            return;
        }
        before = used;
    }
}

/// Says why, if the other end still listens, and lets it answer: closing a
/// socket with unread bytes in it resets the connection.
async fn farewell<K, S>(sink: &mut K, stream: &mut S, ending: Ending)
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    if ending.close().is_none() {
        return;
    }
    let say = async {
        if let Some(error) = ending.error() {
            sink.feed(Frame::Message(error)).await?;
        }
        sink.send(Frame::Close(ending)).await?;
        while let Some(Ok(_)) = stream.next().await {}
        Ok::<_, Broken>(())
    };
    // Who does not listen learns nothing.
    let _ = timeout(crate::socket::FAREWELL, say).await;
}
