//! What may happen to a machine, in terms a fuzzer's bytes can say. Numbers
//! pick from what there is at that moment, so that most acts mean something.

use arbitrary::Arbitrary;

/// What kind of machine, and what happens to it.
#[derive(Arbitrary, Debug)]
pub(super) struct Script {
    pub(super) setting: Setting,
    pub(super) acts: Vec<Act>,
}

/// What the machine can do.
#[derive(Arbitrary, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "they are the machine's own independent settings"
)]
pub(super) struct Setting {
    pub(super) keeps: bool,
    pub(super) webrtc: bool,
    pub(super) lookup: bool,
    pub(super) announce: bool,
}

/// How a connection is made.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Way {
    WebSocket,
    Channel,
}

/// One thing that happens.
#[derive(Arbitrary, Debug)]
pub(super) enum Act {
    /// A stranger connects.
    Accept { way: Way, longest: u16 },
    /// A stranger connects and greets as it should.
    Stranger { way: Way, peer: u8, features: u8 },
    /// The user names a relay, which answers and greets as it should.
    Relay { address: u8 },
    /// A dial of the machine leads to a connection.
    Connect { dial: u8, way: Way, longest: u16 },
    /// A dial of the machine fails, or a connection ends.
    Close { line: u8 },
    /// A stranger says something, and so many times more in variations.
    Say {
        line: u8,
        saying: Saying,
        times: u16,
    },
    /// A stranger sends anything.
    Raw { line: u8, bytes: Vec<u8> },
    /// A holder of the link says something through a relay.
    Whisper {
        line: u8,
        file: u8,
        member: u8,
        whisper: Whisper,
    },
    /// A connection's transport takes bytes.
    Drain { line: u8, bytes: u16 },
    /// Every transport takes everything.
    DrainAll,
    /// The driver answers.
    Answer(Answer),
    /// The driver knows something new.
    News(News),
    /// The user names an address.
    Keep { address: u8 },
    /// The user opens a link or an entry.
    Open { file: u8, entry: bool },
    /// The user does something with a transfer.
    Command { transfer: u8, command: Command },
    /// Time passes.
    Wait { millis: u32 },
    /// What the machine waits for comes.
    Wake,
}

/// What a driver answers.
#[derive(Arbitrary, Debug)]
pub(super) enum Answer {
    /// Its end of a data channel has something for the other.
    Local { line: u8, kind: u8, text: String },
    /// A load is done.
    Loaded { load: u8, lost: bool },
    /// A store is done.
    Stored { store: u8, full: bool },
    /// What it was never asked for.
    Stray { blob: u8, connection: u8, kind: u8 },
}

/// What a driver knows and the machine does not.
#[derive(Arbitrary, Debug)]
pub(super) enum News {
    /// The store holds more.
    Hold { first: u8, count: u8 },
    /// The store holds less.
    Evict { first: u8, count: u8 },
    /// The DHT knows somebody.
    Found { file: u8, addresses: Vec<u8> },
}

/// What a user does with a transfer.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(super) enum Command {
    Push,
    Pause,
    Resume,
    Drop,
}

/// A message, in short.
#[derive(Arbitrary, Debug)]
pub(super) enum Saying {
    Greeting {
        ack: bool,
        version: u8,
        features: u8,
        peer: u8,
        longest: u16,
    },
    Request {
        request: u8,
        blob: u8,
    },
    Response {
        request: u8,
        blob: u8,
        damaged: bool,
    },
    Have {
        blobs: Vec<u8>,
        len: u16,
    },
    Want {
        blobs: Vec<u8>,
        hops: i8,
    },
    NotFound {
        request: u8,
        blob: u8,
    },
    Error {
        request: u8,
        code: u8,
    },
    Part {
        request: u8,
        blob: u8,
        offset: u16,
        len: u16,
        total: Option<u32>,
    },
    Cancel {
        request: u8,
    },
    Room {
        file: u8,
        about: Room,
    },
}

/// A message about a room.
#[derive(Arbitrary, Debug)]
pub(super) enum Room {
    Join,
    Leave,
    Members(Vec<(u8, u8)>),
    Joined { member: u8, reach: u8 },
    Left { member: u8 },
    Signal { member: u8, sealed: Vec<u8> },
    Sources(Vec<u8>),
}

/// What is inside a seal that opens.
#[derive(Arbitrary, Debug)]
pub(super) enum Whisper {
    /// Through a circuit, in a session the machine began or in one of this
    /// number.
    Circuit { session: u8, saying: Box<Saying> },
    /// About a data channel.
    Channel {
        session: u8,
        kind: u8,
        text: Vec<u8>,
    },
    /// Anything.
    Plain(Vec<u8>),
}
