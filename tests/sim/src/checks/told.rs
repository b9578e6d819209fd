//! What machines say, to each other and to their users, is true.

use std::collections::BTreeMap;

use bytes::Bytes;
use samara_core::{Blob, BlobId, Message, Topic};

use super::{Checks, Invariant};
use crate::peer::{Failure, News};
use crate::plan::Host;
use crate::time::Moment;

impl Checks {
    /// An honest machine claims and serves nothing but what is in its store.
    pub(super) fn check_true(
        &mut self,
        host: Host,
        now: Moment,
        message: &Message,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        let lie = match message {
            Message::Have(haves) => haves.iter().find_map(|(blob, len)| {
                let held = store.get(blob).map(Bytes::len);
                (held != Some(*len as usize)).then(|| format!("claims {blob:?}"))
            }),
            Message::Response { blob, data, .. } => {
                let held = store.get(blob);
                // What left the store while it was waiting to be sent is true.
                let is_true = held == Some(data) || Blob::verify(*blob, data.clone()).is_ok();
                (!is_true).then(|| format!("serves other bytes for {blob:?}"))
            }
            Message::HaveBits { topic, first, bits } => self.false_bit(*topic, *first, bits, store),
            _ => None,
        };
        if let Some(lie) = lie {
            let what = format!("{host:?} {lie}");
            self.breached(Invariant::OnlyVerified, now, what);
        }
    }

    /// A chunk that is claimed by a bit, and not in the store.
    fn false_bit(
        &self,
        topic: Topic,
        first: u32,
        bits: &[u8],
        store: &BTreeMap<BlobId, Bytes>,
    ) -> Option<String> {
        let mut files = self.files.iter();
        let file = files.find(|file| file.link.topic() == topic)?;
        let chunks = file.entry.chunks().iter().skip(first as usize);
        let mut claimed = chunks.enumerate().filter(|(at, _)| {
            let byte = bits.get(at / 8).copied().unwrap_or_default();
            byte & (0x80 >> (at % 8)) != 0
        });
        let lie = claimed.find(|(_, chunk)| !store.contains_key(&chunk.id));
        lie.map(|(_, chunk)| format!("claims {:?} by a bit", chunk.id))
    }

    /// What users are told is so.
    pub(super) fn check_news(
        &mut self,
        host: Host,
        now: Moment,
        news: &News,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        match news {
            News::Entry(task, entry) => {
                let file = self.file(host, *task);
                if *entry != self.files[file].entry {
                    let what = format!("{host:?} task {task} was told a wrong entry");
                    self.breached(Invariant::OnlyVerified, now, what);
                }
            }
            News::Chunk(task, index) => {
                let file = self.file(host, *task);
                let (blob, bytes) = &self.files[file].blobs[*index as usize];
                if store.get(blob) != Some(bytes) {
                    let what = format!("{host:?} task {task} was told of chunk {index}");
                    self.breached(Invariant::OnlyVerified, now, what);
                }
            }
            News::Done(task) => self.check_done(host, now, *task, store),
            News::Failed(task, failure) => self.check_failed(host, now, *task, *failure),
            News::Misbehaved(peer, what) => self.on_misbehaved(host, now, *peer, what),
            News::Pushed(task, kept) => {
                if let Some(seen) = self.hosts[host.0].tasks.get_mut(task) {
                    seen.copies = seen.copies.max(kept.copies);
                }
            }
            News::Other => {}
        }
    }

    fn file(&self, host: Host, task: usize) -> usize {
        self.plan.host(host).tasks[task].file
    }

    fn check_done(
        &mut self,
        host: Host,
        now: Moment,
        task: usize,
        store: &BTreeMap<BlobId, Bytes>,
    ) {
        let file = self.file(host, task);
        let chunks = self.files[file].entry.chunks();
        if let Some(missing) = chunks.iter().find(|chunk| !store.contains_key(&chunk.id)) {
            let what = format!("{host:?} task {task} is done without {:?}", missing.id);
            self.breached(Invariant::OnlyVerified, now, what);
        }
        if let Some(seen) = self.hosts[host.0].tasks.get_mut(&task) {
            seen.done.get_or_insert(now);
        }
    }

    fn check_failed(&mut self, host: Host, now: Moment, task: usize, failure: Failure) {
        if let Some(seen) = self.hosts[host.0].tasks.get_mut(&task) {
            seen.failed = true;
            seen.progress = (0, 0);
        }
        if failure == Failure::Other {
            let what = format!("{host:?} task {task} failed without a reason");
            self.breached(Invariant::Progress, now, what);
        }
    }
}
