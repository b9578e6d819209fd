//! Which requests are out: nothing may be fetched twice.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use samara_core::{BlobId, Message, RequestId};

use super::{Checks, Invariant};
use crate::net::Talk;
use crate::plan::Host;
use crate::time::Moment;

/// Requests for one blob that may be out at once: near the end a faster source
/// may be asked for what a slower one has begun to send.
const AT_ONCE: u64 = 2;

/// Requests of one machine that are neither answered nor given up.
#[derive(Default)]
pub(super) struct Asked {
    out: BTreeMap<(Talk, RequestId), BlobId>,
    times: BTreeMap<BlobId, u64>,
    ever: BTreeSet<BlobId>,
}

impl Asked {
    fn add(&mut self, talk: Talk, request: RequestId, blob: BlobId) -> u64 {
        self.out.insert((talk, request), blob);
        self.ever.insert(blob);
        let times = self.times.entry(blob).or_default();
        *times += 1;
        *times
    }

    /// Whether the machine ever asked for it.
    pub(super) fn was_asked(&self, blob: &BlobId) -> bool {
        self.ever.contains(blob)
    }

    fn remove(&mut self, talk: Talk, request: RequestId) {
        if let Some(blob) = self.out.remove(&(talk, request)) {
            self.release(blob);
        }
    }

    fn release(&mut self, blob: BlobId) {
        if let Some(times) = self.times.get_mut(&blob) {
            *times -= 1;
            if *times == 0 {
                self.times.remove(&blob);
            }
        }
    }

    /// Connections that are over owe nothing.
    pub(super) fn forget(&mut self, is_over: impl Fn(&Talk) -> bool) {
        let over = self.out.extract_if(.., |(talk, _), _| is_over(talk));
        for (_, blob) in over.collect::<Vec<_>>() {
            self.release(blob);
        }
    }

    /// Takes note of an answer; how many bytes of a blob were in it.
    pub(super) fn on_heard(&mut self, talk: Talk, message: &Message) -> u64 {
        if let Message::Response { request, data, .. } = message {
            self.remove(talk, *request);
            return data.len() as u64;
        }
        if let Message::Part {
            request,
            offset,
            total,
            data,
        } = message
        {
            if *offset as usize + data.len() >= *total as usize {
                self.remove(talk, *request);
            }
            return data.len() as u64;
        }
        if let Message::NotFound { request, .. } | Message::Error { request, .. } = message {
            self.remove(talk, *request);
        }
        0
    }
}

impl Checks {
    pub(super) fn check_asking(
        &mut self,
        host: Host,
        far: Host,
        talk: Talk,
        now: Moment,
        message: &Message,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        if let Message::Cancel { request } = message {
            self.hosts[host.0].asked.remove(talk, *request);
        }
        let Message::Request { request, blob } = message else {
            return;
        };
        self.check_ban(host, far, now);
        if store.contains_key(blob) {
            let what = format!("{host:?} asked {far:?} for {blob:?}, which it holds");
            self.breached(Invariant::FetchedOnce, now, what);
        }
        let times = self.hosts[host.0].asked.add(talk, *request, *blob);
        self.figures.twice.raise(times);
        if times > AT_ONCE {
            let what = format!("{host:?} has {times} requests out for {blob:?}");
            self.breached(Invariant::FetchedOnce, now, what);
        }
    }
}
