//! The task that looks after one topic while somebody is in its room.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use samara_core::Topic;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::Lookout;
use super::plan::{Plan, announce_again};
use crate::spread::spread;

pub(super) async fn run(lookout: Lookout, topic: Topic, changed: Arc<Notify>, delay: Duration) {
    sleep(delay).await;
    let Some(begun) = look_up(&lookout, topic, &changed).await else {
        return;
    };
    let plan = Plan::new(&lookout.0.limits, begun);
    // A line of announcements holds up no lookups, and the other way around.
    tokio::select! {
        () = look_up_again(&lookout, topic, plan, &changed) => {}
        () = announce(&lookout, topic) => {}
    }
}

/// Until nobody is in the room any more.
async fn look_up_again(lookout: &Lookout, topic: Topic, mut plan: Plan, changed: &Notify) {
    loop {
        tokio::select! {
            () = sleep_until(plan.again_at) => {}
            () = changed.notified() => {
                plan.changed();
                continue;
            }
        }
        let Some(begun) = look_up(lookout, topic, changed).await else {
            return;
        };
        plan.looked_up(&lookout.0.limits, begun);
    }
}

/// Looks the topic up, telling the room's members what is new as it comes; says
/// when its turn came. `None` if nobody is in the room then: it is forgotten.
async fn look_up(lookout: &Lookout, topic: Topic, changed: &Notify) -> Option<Instant> {
    let inner = &lookout.0;
    let mut queued = inner.dht.queue(topic);
    let due = loop {
        // Whoever entered and left meanwhile asks for nothing any more.
        if lookout.forget(&topic) {
            return None;
        }
        for asker in lookout.askers(&topic) {
            queued.behind(asker);
        }
        tokio::select! {
            due = queued.due() => break due,
            // Whoever came may have a shorter line.
            () = changed.notified() => {}
        }
    };
    if lookout.forget(&topic) {
        return None;
    }
    let mut answers = due.begin();
    let begun = Instant::now();
    inner.metrics.dht_lookups.increment(1);
    let known = lookout.lock().get(&topic).map(|w| w.found.clone());
    let known = known.unwrap_or_default();
    // Not before the turn: it waits for the DHT as well.
    let own = inner.dht.public_ip().await;
    let mut found: Vec<SocketAddrV4> = Vec::new();
    while let Some(addresses) = answers.next().await {
        let before = found.len();
        for address in addresses {
            let room = found.len() < inner.limits.sources_per_topic;
            if room && !inner.own.is_at(address, own) && !found.contains(&address) {
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
    Some(begun)
}

/// Announces the relay under the topic, until nobody is in the room when that is
/// due.
async fn announce(lookout: &Lookout, topic: Topic) {
    let inner = &lookout.0;
    let Some(port) = inner.own.0 else {
        return std::future::pending().await;
    };
    while !lookout.forget(&topic) {
        let askers = lookout.askers(&topic);
        let announced = inner.dht.announce_for(&askers, topic, port).await;
        let wait = match announced {
            Ok(()) => {
                inner.metrics.dht_announces.increment(1);
                let wait = announce_again(&inner.limits);
                lookout.announced(&topic, Instant::now() + wait);
                wait
            }
            Err(error) => {
                tracing::warn!(%error, "a room could not be announced in the DHT");
                spread(inner.limits.lookup_again_first)
            }
        };
        sleep(wait).await;
    }
}
