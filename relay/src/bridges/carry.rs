//! One bridge, from its handshake to its end.

use std::net::IpAddr;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use samara_core::identity::Role;
use samara_core::{Message, PeerId};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::frame::{Broken, Frame, frame};
use super::greet::{Greeted, greet};
use super::open::Rank;
use super::{Bridges, longest};
use crate::ending::Ending;
use crate::limits::Limits;
use crate::rates::{BridgeRates, Flood, Pace};
use crate::rooms::{Bridge, Delivered, Letter, Letters, Mailbox, Overdrawn};
use crate::socket::{FAREWELL, FLUSH};

/// How a bridge went.
pub(super) struct Went {
    /// Who is at the other end.
    pub relay: Option<PeerId>,
    /// Whether it was the bridge to that relay.
    pub opened: bool,
    pub ending: Ending,
}

/// Carries a bridge until either side ends it. `host` is the other's; `on_bridge`
/// is told when there is one.
pub(super) async fn run<K, S>(
    bridges: &Bridges,
    mut sink: K,
    mut stream: S,
    role: Role,
    host: IpAddr,
    on_bridge: impl FnOnce(PeerId),
) -> Went
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let inner = &bridges.0;
    let limits = &inner.limits;
    let greeting = greet(&inner.secret, role, longest(limits), &mut sink, &mut stream);
    let greeted = tokio::select! {
        greeted = timeout(limits.handshake, greeting) => {
            greeted.unwrap_or(Err(Ending::LateHandshake))
        }
        () = inner.stop.cancelled() => Err(Ending::Stopping),
    };
    let (relay, opened, ending) = match greeted {
        Err(ending) => (None, false, ending),
        Ok(Greeted { relay, .. }) if bridges.shunned().has_relay(relay) => {
            (Some(relay), false, Ending::Shunned)
        }
        Ok(Greeted { relay, nonce }) => {
            let (mailbox, letters) = Mailbox::new(limits);
            let bridge = Bridge::new(relay, host, mailbox, limits);
            let rank = Rank::new(inner.secret.peer(), relay, role, nonce);
            // What an older bridge to the same relay still says is old from here on.
            let opened = || inner.rooms.opened(&bridge);
            match inner.open.add(relay, rank, &bridge, opened) {
                Err(ending) => (Some(relay), false, ending),
                Ok(replaced) => {
                    inner.metrics.bridges.increment(1);
                    inner.metrics.bridges_total.increment(1);
                    tracing::info!(bridge = bridge.number(), %relay, "a bridge to another relay is there");
                    on_bridge(relay);
                    let ending = tokio::select! {
                        biased;
                        () = replaced.cancelled() => Ending::Bridged,
                        ending = exchange(bridges, &bridge, letters, &mut sink, &mut stream) => ending,
                        () = inner.stop.cancelled() => Ending::Stopping,
                    };
                    inner.open.remove(&relay, &bridge);
                    inner.rooms.closed(&bridge);
                    inner.metrics.bridges.decrement(1);
                    if ending.is_an_offence() {
                        bridges.shunned().add(relay, host);
                    }
                    (Some(relay), true, ending)
                }
            }
        }
    };
    // What the DHT names may be anything.
    if ending.is_a_cut() && (opened || role == Role::Dialed) {
        inner.metrics.bridges_cut.increment(1);
        tracing::warn!(reason = %ending, "a bridge to another relay was cut");
    } else if opened {
        tracing::info!(reason = %ending, "a bridge to another relay ended");
    }
    farewell(&mut sink, &mut stream, ending).await;
    Went {
        relay,
        opened,
        ending,
    }
}

/// Both directions, and what ends them.
async fn exchange<K, S>(
    bridges: &Bridges,
    bridge: &Bridge,
    letters: Letters,
    sink: &mut K,
    stream: &mut S,
) -> Ending
where
    K: Sink<Frame, Error = Broken> + Unpin,
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let limits = &bridges.0.limits;
    let overrun = letters.overrun();
    tokio::select! {
        ending = receive(bridges, bridge, stream) => ending,
        ending = send(sink, letters, limits) => ending,
        () = overrun.cancelled() => Ending::Slow,
        () = unused(bridges, bridge) => Ending::Idle,
    }
}

async fn receive<S>(bridges: &Bridges, bridge: &Bridge, stream: &mut S) -> Ending
where
    S: Stream<Item = Result<Frame, Ending>> + Unpin,
{
    let limits = &bridges.0.limits;
    let rates = BridgeRates::new(limits);
    let mut lies: u32 = 0;
    loop {
        // While it has to wait for being read it is not silent.
        let message = match timeout(limits.bridge_cut_after, frame(stream)).await {
            Ok(Ok(Frame::Message(bytes))) => bytes,
            Ok(Ok(Frame::Ping | Frame::Other | Frame::Close(_))) => continue,
            Ok(Err(ending)) => return ending,
            Err(_) => return Ending::Silent,
        };
        if let Err(Flood) = rates.message().await {
            return Ending::Overload;
        }
        let Ok(message) = Message::decode(&message) else {
            return Ending::Malformed;
        };
        match one(bridges, bridge, &rates, message).await {
            Ok(more) => lies = lies.saturating_add(more),
            Err(ending) => return ending,
        }
        if lies > limits.bridge_lies {
            return Ending::Lies;
        }
    }
}

/// Does what a message says; returns how much in it cannot be true.
async fn one(
    bridges: &Bridges,
    bridge: &Bridge,
    rates: &BridgeRates,
    message: Message,
) -> Result<u32, Ending> {
    let (rooms, limits) = (&bridges.0.rooms, &bridges.0.limits);
    let tell = async |members| {
        let told = rates.tell(members, &bridges.0.told).await;
        told.map_err(|Flood| Ending::Overload)
    };
    let mut lies = 0;
    match message {
        Message::Members { topic, members, .. } => {
            if members.len() > limits.members_told {
                return Err(Ending::Crowd);
            }
            tell(members.len()).await?;
            let told = rooms.members_are(topic, &members, bridge);
            lies = told.lies;
            tell(told.changed.saturating_sub(members.len())).await?;
        }
        Message::Joined {
            topic,
            member,
            reach,
        } => {
            tell(1).await?;
            lies = u32::from(!rooms.member_came(topic, member, reach, bridge));
        }
        Message::Left { topic, member } => {
            tell(1).await?;
            rooms.member_went(topic, member, bridge);
        }
        Message::Leave { topic } => {
            let gone = rooms.members_are(topic, &[], bridge).changed;
            tell(gone).await?;
        }
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
            rates.forward(bytes, bridges.0.forwarded.as_deref()).await;
            let delivered = rooms.deliver(topic, from, to, sealed, bridge);
            let metrics = &bridges.0.metrics;
            match delivered.map_err(|Overdrawn| Ending::Overdrawn)? {
                Delivered::Yes => {
                    metrics.signal_messages.increment(1);
                    metrics.signal_bytes.increment(bytes as u64);
                }
                Delivered::Congested => metrics.signals_dropped.increment(1),
                Delivered::Nobody => {}
            }
        }
        Message::Taken { topic, from, bytes } => {
            lies = u32::from(!bridge.taken(topic, from, bytes));
        }
        // It closes the connection itself.
        Message::Error { .. } => {}
        _ => return Err(Ending::Unexpected),
    }
    Ok(lies)
}

/// What is to be sent, at this relay's pace.
struct Queue {
    letters: Letters,
    pace: Pace,
    /// It waits for its time.
    next: Option<Letter>,
}

impl Queue {
    /// The next, when it may go. What it waited for is not lost if nobody waits
    /// any more.
    async fn next(&mut self) -> Letter {
        loop {
            if let Some(letter) = &self.next {
                self.pace.keep(letter.tells).await;
            }
            if let Some(letter) = self.next.take() {
                return letter;
            }
            self.next = self.letters.recv().await;
        }
    }

    /// The next if it is there and may go now.
    fn try_next(&mut self) -> Option<Letter> {
        let letter = self.letters.try_recv()?;
        if self.pace.allows(letter.tells) {
            return Some(letter);
        }
        self.next = Some(letter);
        None
    }
}

async fn send<K>(sink: &mut K, letters: Letters, limits: &Limits) -> Ending
where
    K: Sink<Frame, Error = Broken> + Unpin,
{
    let mut ping = interval(limits.bridge_ping_after);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    let mut queue = Queue {
        letters,
        pace: Pace::new(limits),
        next: None,
    };
    loop {
        let written = tokio::select! {
            letter = queue.next() => {
                timeout(limits.write, batch(sink, letter, &mut queue)).await
            }
            _ = ping.tick() => timeout(limits.write, sink.send(Frame::Ping)).await,
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(Broken)) => return Ending::Broken,
            Err(_) => return Ending::Slow,
        }
    }
}

/// Sends what is there, so much at most that a slow line takes it in time.
async fn batch<K>(sink: &mut K, first: Letter, queue: &mut Queue) -> Result<(), Broken>
where
    K: Sink<Frame, Error = Broken> + Unpin,
{
    let mut next = Some(first);
    let mut fed = 0;
    // Their places in the queue are free when they are gone.
    let mut gone = Vec::new();
    while let Some(letter) = next {
        fed += letter.message.len();
        sink.feed(Frame::Message(letter.message.clone())).await?;
        gone.push(letter);
        next = if fed < FLUSH { queue.try_next() } else { None };
    }
    sink.flush().await
}

/// Returns when nobody's room has had to do with the bridge for a while.
async fn unused(bridges: &Bridges, bridge: &Bridge) {
    let mut looks = interval(bridges.0.limits.bridge_idle / 2);
    looks.reset();
    let mut before = true;
    loop {
        looks.tick().await;
        let used = bridges.0.rooms.is_used(bridge);
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
    let _ = timeout(FAREWELL, say).await;
}
