//! A driver's side of the contract: what is connected, owed and told. Every
//! entry panics where the machine asks for something that cannot be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use samara_core::blob::MAX_BLOB_LEN;
use samara_core::{BlobId, FileEntry, Message};
use samara_swarm::{ConnectionId, Limits, TransferId};

use super::fixture;
use super::words::{YOU, context};

/// Things one happening may lead to, at most: every peer hears of every blob
/// of a file, or a file's every chunk is told to the user.
const MOST_OUTPUTS: usize = 1024;
/// Sessions that strangers may later speak in.
const SESSIONS: usize = 8;

/// Who made something happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Stranger,
    /// The user, the driver, or time.
    Here,
}

/// A connection as the driver sees it.
pub(super) struct Line {
    /// Where it was dialed; `None` for a member of a room or a stranger.
    pub(super) address: Option<String>,
    pub(super) channel: bool,
    /// The longest message it carries once it is connected.
    pub(super) open: Option<usize>,
    /// Bytes sent and not yet drained, and whether a stranger made it so.
    queue: VecDeque<(usize, Cause)>,
}

/// All that is under way.
pub(super) struct Ledger {
    limits: Limits,
    pub(super) lines: BTreeMap<ConnectionId, Line>,
    newest: ConnectionId,
    pub(super) loads: Vec<BlobId>,
    pub(super) stores: Vec<(ConnectionId, BlobId, Bytes)>,
    /// Blobs the driver ever had, verified.
    pub(super) had: BTreeSet<BlobId>,
    /// Open transfers and the files they are of.
    pub(super) transfers: BTreeMap<TransferId, u8>,
    pub(super) opened: usize,
    pub(super) kept: BTreeSet<String>,
    /// Sessions the machine began, as whoever holds the link learns them.
    pub(super) sessions: VecDeque<u32>,
    cause: Cause,
    outputs: usize,
}

impl Line {
    pub(super) fn dialing(address: Option<String>, channel: bool) -> Self {
        Self {
            address,
            channel,
            open: None,
            queue: VecDeque::new(),
        }
    }

    fn queued_by_strangers(&self) -> usize {
        let queue = self.queue.iter();
        let theirs = queue.filter(|(_, cause)| *cause == Cause::Stranger);
        theirs.map(|(len, _)| len).sum()
    }

    /// Takes up to `most` bytes off the queue and tells how many.
    pub(super) fn drain(&mut self, most: usize) -> usize {
        let mut left = most;
        while let Some((len, _)) = self.queue.front_mut() {
            let gone = left.min(*len);
            (*len, left) = (*len - gone, left - gone);
            if *len > 0 {
                break;
            }
            self.queue.pop_front();
        }
        most - left
    }
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: BTreeMap::new(),
            newest: ConnectionId(0),
            loads: Vec::new(),
            stores: Vec::new(),
            had: BTreeSet::new(),
            transfers: BTreeMap::new(),
            opened: 0,
            kept: BTreeSet::new(),
            sessions: VecDeque::new(),
            cause: Cause::Here,
            outputs: 0,
        }
    }

    /// Something happens now; what follows is its doing.
    pub(super) fn begin(&mut self, cause: Cause) {
        self.cause = cause;
        self.outputs = 0;
    }

    pub(super) fn count_output(&mut self) {
        self.outputs += 1;
        assert!(
            self.outputs <= MOST_OUTPUTS,
            "one happening, endless outputs"
        );
    }

    /// Everything that followed is done.
    pub(super) fn settle(&self) {
        let lines = self.lines.len();
        assert!(lines <= self.limits.connections, "{lines} connections");
        let found = self.lines.values().filter(|line| {
            let address = line.address.as_ref();
            line.open.is_none() && address.is_some_and(|to| !self.kept.contains(to))
        });
        let most = self.limits.dials_per_transfer * self.opened;
        let found = found.count();
        assert!(found <= most, "{found} dials of addresses strangers named");
        let storing: usize = self.stores.iter().map(|(_, _, bytes)| bytes.len()).sum();
        let asked = self.limits.connections * self.limits.requests_in_flight;
        // What was asked for before the limit was reached may still come.
        let most = self.limits.storing + asked * self.limits.message;
        assert!(storing <= most, "{storing} bytes being stored");
    }

    pub(super) fn add(&mut self, id: ConnectionId, line: Line) {
        assert!(id > self.newest, "{id:?} was used before");
        self.newest = id;
        self.lines.insert(id, line);
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        let line = self.lines.remove(&id);
        assert!(line.is_some(), "{id:?} is closed and not there");
    }

    pub(super) fn send(&mut self, id: ConnectionId, message: &Bytes) {
        let line = self.lines.get_mut(&id);
        let line = line.unwrap_or_else(|| panic!("a message for {id:?}, which is not there"));
        let longest = line
            .open
            .unwrap_or_else(|| panic!("{id:?} is not connected"));
        let len = message.len();
        assert!(
            len <= longest,
            "a message of {len} bytes where {longest} go"
        );
        line.queue.push_back((len, self.cause));
        // A relay's line carries its circuits', each with a queue of its own.
        let one = self.limits.send_queue_most + 2 * self.limits.message;
        let most = one * self.limits.connections;
        let queued = line.queued_by_strangers();
        assert!(queued <= most, "{queued} bytes queued by strangers");
        self.learn_session(message);
    }

    fn learn_session(&mut self, message: &Bytes) {
        let message = Message::decode(message).expect("what is sent can be read");
        let Message::Signal {
            topic,
            member,
            sealed,
        } = message
        else {
            return;
        };
        let file = fixture::files().iter().find(|file| file.topic == topic);
        let key = &file.expect("only own rooms are spoken in").signal_key;
        let plain = key.open(&context(topic, YOU, member), &sealed);
        let plain = plain.expect("what is sent is sealed for its receiver");
        let header = plain.first_chunk::<5>();
        let [_, session @ ..] = *header.expect("a signal has a kind and a session");
        let session = u32::from_be_bytes(session);
        if !self.sessions.contains(&session) {
            self.sessions.truncate(SESSIONS - 1);
            self.sessions.push_front(session);
        }
    }

    pub(super) fn signal(&self, id: ConnectionId) {
        let line = self.lines.get(&id);
        assert!(
            line.is_some_and(|line| line.channel),
            "a signal for {id:?}, no data channel"
        );
    }

    pub(super) fn load(&mut self, blob: BlobId) {
        assert!(
            !self.loads.contains(&blob),
            "{blob} is being loaded already"
        );
        assert!(self.had.contains(&blob), "{blob} was never held");
        self.loads.push(blob);
    }

    pub(super) fn store(&mut self, from: ConnectionId, blob: BlobId, bytes: Bytes) {
        assert!(
            bytes.len() <= MAX_BLOB_LEN,
            "a blob of {} bytes",
            bytes.len()
        );
        let twice = self.stores.iter().any(|(_, other, _)| *other == blob);
        assert!(!twice, "{blob} is being stored already");
        self.stores.push((from, blob, bytes));
    }

    pub(super) fn entry(&self, transfer: TransferId, entry: &FileEntry) {
        let file = self.file(transfer);
        assert_eq!(file.entry.as_deref(), Some(entry), "another file's entry");
    }

    pub(super) fn chunk(&self, transfer: TransferId, index: u32) {
        let entry = self.file(transfer).entry.as_ref();
        let chunk = entry.and_then(|entry| entry.chunks().get(index as usize));
        let chunk = chunk.expect("a file has the chunks its entry has");
        assert!(self.had.contains(&chunk.id), "a chunk that never came");
    }

    pub(super) fn done(&self, transfer: TransferId) {
        let entry = self.file(transfer).entry.as_ref();
        for chunk in entry.expect("a file that is done has an entry").chunks() {
            assert!(self.had.contains(&chunk.id), "done without a chunk");
        }
    }

    pub(super) fn about(&self, transfer: TransferId) {
        self.file(transfer);
    }

    fn file(&self, transfer: TransferId) -> &'static fixture::File {
        let file = self.transfers.get(&transfer);
        let file = file.unwrap_or_else(|| panic!("{transfer:?} is not open"));
        &fixture::files()[usize::from(*file)]
    }
}

#[cfg(test)]
mod tests {
    use samara_core::RequestId;

    use super::*;

    fn ledger() -> Ledger {
        Ledger::new(fixture::limits())
    }

    fn leave() -> Bytes {
        let topic = fixture::files()[0].topic;
        Message::Leave { topic }.encode()
    }

    #[test]
    #[should_panic(expected = "not there")]
    fn a_message_for_nobody_is_noticed() {
        ledger().send(ConnectionId(1), &leave());
    }

    #[test]
    #[should_panic(expected = "not connected")]
    fn a_message_before_the_connection_is_noticed() {
        let mut ledger = ledger();
        ledger.add(ConnectionId(1), Line::dialing(None, true));
        ledger.send(ConnectionId(1), &leave());
    }

    #[test]
    #[should_panic(expected = "queued by strangers")]
    fn a_queue_that_strangers_fill_is_noticed() {
        let mut ledger = ledger();
        let mut line = Line::dialing(None, true);
        line.open = Some(1 << 20);
        ledger.add(ConnectionId(1), line);
        ledger.begin(Cause::Stranger);
        let (request, blob) = (RequestId(1), BlobId::of(b""));
        let data = Bytes::from(vec![0; 64 << 10]);
        let long = Message::Response {
            request,
            blob,
            data,
        }
        .encode();
        for _ in 0..100 {
            ledger.send(ConnectionId(1), &long);
        }
    }

    #[test]
    #[should_panic(expected = "dials of addresses strangers named")]
    fn too_many_dials_are_noticed() {
        let mut ledger = ledger();
        ledger.opened = 1;
        for id in 1..=4 {
            let address = Some("ws://10.0.0.1/ws".into());
            ledger.add(ConnectionId(id), Line::dialing(address, false));
        }
        ledger.settle();
    }

    #[test]
    #[should_panic(expected = "a chunk that never came")]
    fn a_chunk_out_of_nowhere_is_noticed() {
        let mut ledger = ledger();
        ledger.transfers.insert(TransferId(1), 0);
        ledger.chunk(TransferId(1), 0);
    }

    #[test]
    fn a_line_drains_what_it_has() {
        let mut line = Line::dialing(None, false);
        line.queue = [(10, Cause::Here), (5, Cause::Stranger)].into();
        assert_eq!(line.drain(12), 12);
        assert_eq!(line.queued_by_strangers(), 3);
        assert_eq!(line.drain(100), 3);
    }
}
