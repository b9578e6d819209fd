//! The task that looks after one topic while somebody is in its room.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use samara_core::Topic;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Lookout;

/// What is due when.
struct Plan {
    looked_up: Instant,
    wait: Duration,
    announce_at: Option<Instant>,
}

pub(super) async fn run(lookout: Lookout, topic: Topic, changed: Arc<Notify>, delay: Duration) {
    tokio::time::sleep(delay).await;
    // Whoever entered and left meanwhile asks for nothing any more.
    if !delay.is_zero() && lookout.forget(&topic) {
        return;
    }
    let limits = &lookout.0.limits;
    let first = limits.lookup_again_first;
    let mut plan = Plan {
        looked_up: Instant::now(),
        wait: first,
        announce_at: lookout.0.announce_port.map(|_| Instant::now()),
    };
    look_up(&lookout, topic).await;
    announce_if_due(&lookout, topic, &mut plan).await;
    loop {
        let again_at = plan.looked_up + plan.wait;
        let next = plan.announce_at.map_or(again_at, |at| at.min(again_at));
        tokio::select! {
            () = sleep_until(next) => {}
            () = changed.notified() => {
                plan.wait = first;
                continue;
            }
        }
        if lookout.forget(&topic) {
            return;
        }
        if Instant::now() >= again_at {
            plan.looked_up = Instant::now();
            plan.wait = (plan.wait * 2).min(limits.lookup_again_most);
            look_up(&lookout, topic).await;
        }
        announce_if_due(&lookout, topic, &mut plan).await;
    }
}

/// Looks the topic up, telling the room's members what is new as it comes.
async fn look_up(lookout: &Lookout, topic: Topic) {
    let inner = &lookout.0;
    inner.metrics.dht_lookups.increment(1);
    let known = lookout.lock().get(&topic).map(|w| w.found.clone());
    let known = known.unwrap_or_default();
    let own = inner.dht.public_ip().await;
    let mut found: Vec<SocketAddrV4> = Vec::new();
    let mut answers = inner.dht.lookup(topic).await;
    while let Some(addresses) = answers.next().await {
        let before = found.len();
        for address in addresses {
            let room = found.len() < inner.limits.sources_per_topic;
            if room && inner.filter.lets_pass(address, own) && !found.contains(&address) {
                found.push(address);
            }
        }
        if let Some(bridges) = &inner.bridges {
            bridges.found(topic, &found[before..]);
        }
        let new = found[before..]
            .iter()
            .filter(|found| !known.contains(found));
        let new: Vec<_> = new.copied().collect();
        lookout.found_more(topic, &new);
    }
    if let Some(watched) = lookout.lock().get_mut(&topic) {
        watched.found = found;
    }
}

async fn announce_if_due(lookout: &Lookout, topic: Topic, plan: &mut Plan) {
    let (Some(at), Some(port)) = (plan.announce_at, lookout.0.announce_port) else {
        return;
    };
    if Instant::now() < at {
        return;
    }
    let limits = &lookout.0.limits;
    let wait = match lookout.0.dht.announce(topic, port).await {
        Ok(()) => {
            lookout.0.metrics.dht_announces.increment(1);
            limits.announce_every
        }
        Err(error) => {
            tracing::warn!(%error, "a room could not be announced in the DHT");
            limits.lookup_again_first
        }
    };
    plan.announce_at = Some(Instant::now() + wait);
}
