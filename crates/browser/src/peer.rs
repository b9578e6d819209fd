//! The peer as JavaScript sees it.

use std::num::NonZeroU64;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Function, Uint8Array};
use rand_core::{Rng as _, UnwrapErr};
use samara_core::{BlobId, Link, PeerSecret};
use samara_swarm::{
    Config, ConnectionId, Generosity, Input, Pair, Path, Rate, Rates, State, Target, TransferId,
};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::Blob;

use crate::driver::{Driver, short};
use crate::error::{coded, to_js};
use crate::host::{Host, HostSignal, to_object};
use crate::number::{number, whole};
use crate::store::{Account, Store};
use crate::transport::Channel;
use crate::{read, seed};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface PeerOptions {
  /** Names the database. */
  store: string;
  /** Most bytes to keep. */
  maxBytes: number;
  /** The page can make WebRTC connections. */
  webrtc: boolean;
  /** This is the profile's only peer: take the identity in the database. */
  named: boolean;
  /** Hops away that somebody may be whose wants this peer shares; 0 helps nobody. */
  sympathy: number;
  /** Serve only what is open here. */
  stingy: boolean;
  /** Bytes of blobs a second at most; 0 for no limit. */
  uploadLimit: number;
  downloadLimit: number;
  /** Data channels with one peer at most; 0 for the default. */
  channels: number;
}

export interface PeerTransfer {
  transfer: number;
  /** What stands after the `#` of a link. */
  link: string;
}

export interface PeerSource {
  peer: string;
  path: 'webrtc' | 'websocket' | 'circuit';
  /** What its data channel goes through, once known. */
  pair?: 'direct' | 'turn';
  /** Why by a circuit or a TURN server, for a person. */
  detour?: string;
  bytes: number;
  roundTrip?: number;
  /** Connections of this kind with it. */
  channels: number;
}

export interface PeerAccount {
  peer: string;
  sentBytes: number;
  receivedBytes: number;
  /** In milliseconds since 1970. */
  lastSeen: number;
}

export interface PeerProgress {
  state: 'waiting' | 'active' | 'paused' | 'done' | 'failed';
  bytes: number;
  totalBytes: number;
  chunks: number;
  totalChunks: number;
  sources: PeerSource[];
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `PeerOptions` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerOptions")]
    pub type PeerOptions;
    /// `PeerTransfer` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerTransfer")]
    pub type PeerTransfer;
    /// `PeerProgress` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerProgress | undefined")]
    pub type PeerProgress;
    /// A list of `PeerSource` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerSource[]")]
    pub type PeerSources;
    /// A list of `PeerAccount` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerAccount[]")]
    pub type PeerAccounts;
    /// `PeerSignal` in the generated types.
    #[wasm_bindgen(typescript_type = "PeerSignal")]
    pub type PeerSignal;
    /// Gets the bytes done; says whether to go on.
    #[wasm_bindgen(typescript_type = "(bytes: number) => boolean")]
    pub type SeedProgress;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    store: String,
    max_bytes: f64,
    webrtc: bool,
    named: bool,
    sympathy: u8,
    stingy: bool,
    upload_limit: f64,
    download_limit: f64,
    channels: usize,
}

#[derive(Serialize)]
struct Opened {
    transfer: u32,
    link: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    peer: String,
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detour: Option<String>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    round_trip: Option<u64>,
    channels: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    state: &'static str,
    bytes: u64,
    total_bytes: u64,
    chunks: u32,
    total_chunks: u32,
    sources: Vec<Source>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    peer: String,
    sent_bytes: u64,
    received_bytes: u64,
    last_seen: u64,
}

/// A peer with its store and connections. Lives in a worker; every error it
/// throws has a `code`.
#[wasm_bindgen]
pub struct Peer {
    driver: Rc<Driver>,
    /// Whether it bears the identity in the database.
    named: bool,
}

#[wasm_bindgen]
impl Peer {
    /// Opens the store and starts a peer that knows nobody.
    pub async fn open(host: Host, options: PeerOptions) -> Result<Peer, JsValue> {
        console_error_panic_hook::set_once();
        let options: Options = serde_wasm_bindgen::from_value(options.into())
            .map_err(|error| coded("internal", &error.to_string()))?;
        let store = Store::open(&options.store, whole(options.max_bytes)).await;
        let store = store.map_err(|error| to_js(&error))?;
        let identity = identity(&store, options.named).await?;
        let mut config = Config::new(identity);
        config.webrtc = options.webrtc;
        config.generosity = Generosity {
            sympathy: options.sympathy,
            stingy: options.stingy,
        };
        config.rates = Rates {
            upload: rate(options.upload_limit),
            download: rate(options.download_limit),
        };
        if options.channels > 0 {
            config.limits.channels = options.channels;
        }
        let driver = Driver::new(host, store.clone(), config, random());
        let to_driver = Rc::downgrade(&driver);
        store.on_change(move |change| {
            if let Some(driver) = to_driver.upgrade() {
                driver.give(Input::Evicted(change.gone));
                driver.give(Input::Holding(change.held));
            }
        });
        driver.give(Input::Holding(store.blobs()));
        let named = options.named;
        if named {
            driver.remember().await;
        }
        Ok(Peer { driver, named })
    }

    /// Who this peer is to others: 64 hexadecimal digits.
    pub fn identity(&self) -> String {
        self.driver.swarm.borrow().peer().to_string()
    }

    /// Throws the profile's identity away and becomes another peer.
    #[wasm_bindgen(js_name = forgetIdentity)]
    pub async fn forget_identity(&self) -> Result<(), JsValue> {
        let fresh = fresh();
        let replaced = self.driver.store.replace_identity(&fresh).await;
        replaced.map_err(|error| to_js(&error))?;
        self.renew_identity().await
    }

    /// Becomes another peer, since the profile's identity was thrown away.
    #[wasm_bindgen(js_name = renewIdentity)]
    pub async fn renew_identity(&self) -> Result<(), JsValue> {
        let identity = identity(&self.driver.store, self.named).await?;
        self.driver.give(Input::Identity(identity));
        // What the old one wanted for others is not the new one's.
        let kept = self.driver.keep_wants().await;
        kept.map_err(|error| to_js(&error))
    }

    /// Bytes exchanged with each identity, most first.
    pub async fn ledger(&self) -> Result<PeerAccounts, JsValue> {
        let settled = self.driver.settle().await;
        settled.map_err(|error| to_js(&error))?;
        let accounts = self.driver.store.accounts().await;
        let accounts = accounts.map_err(|error| to_js(&error))?;
        let known: Vec<_> = accounts.into_iter().map(Known::from).collect();
        Ok(to_object(&known).into())
    }

    /// Stays connected to a relay or peer.
    pub fn keep(&self, address: String) {
        self.driver.give(Input::Keep { address });
    }

    /// Seals a file into the store and serves it.
    pub async fn seed(
        &self,
        file: Blob,
        name: String,
        mime_type: String,
        progress: SeedProgress,
    ) -> Result<PeerTransfer, JsValue> {
        let progress: Function = JsValue::from(progress).into();
        let go_on = |bytes: u64| {
            let bytes = number(bytes).into();
            let answer = progress.call1(&JsValue::UNDEFINED, &bytes);
            answer.is_ok_and(|answer| answer.is_truthy())
        };
        let store = &self.driver.store;
        let seeded = seed::seed(store, &file, &name, &mime_type, go_on).await;
        let seeded = seeded.map_err(|error| to_js(&error))?;
        let pinned = seeded.blobs.iter().map(|(id, _)| *id).collect();
        self.driver.give(Input::Holding(seeded.blobs));
        let target = Target::Entry(seeded.entry.into(), seeded.link.clone());
        Ok(self.begin(&seeded.link, target, pinned))
    }

    /// Fetches what a link opens, and serves it. A link that is open already
    /// is the same transfer.
    pub fn fetch(&self, link: &str) -> Result<PeerTransfer, JsValue> {
        let link: Link = link.parse().map_err(|error| to_js(&error))?;
        let known = self.driver.transfers.borrow().find(link.id);
        if let Some(known) = known {
            return Ok(opened(known, &link));
        }
        self.driver.store.pin(&[link.id]);
        let target = Target::Link(link.clone());
        Ok(self.begin(&link, target, vec![link.id]))
    }

    /// Opens chunk `index` as soon as it is there.
    pub async fn chunk(&self, transfer: u32, index: u32) -> Result<Uint8Array, JsValue> {
        let chunk = read::chunk(&self.driver, TransferId(transfer.into()), index).await;
        let chunk = chunk.map_err(|error| to_js(&error))?;
        Ok(Uint8Array::from(&chunk[..]))
    }

    /// Offers a complete transfer to whoever keeps blobs, until so many proved
    /// that they hold all of it.
    pub fn push(&self, transfer: u32, copies: u8) {
        let transfer = TransferId(transfer.into());
        self.driver.give(Input::Push { transfer, copies });
    }

    /// The page's machine has a network again, or another one.
    pub fn moved(&self) {
        // The browser itself ends what hung on an address that is gone.
        self.driver.give(Input::Moved { lost: false });
    }

    /// Fetches nothing until resumed.
    pub fn pause(&self, transfer: u32) {
        let transfer = TransferId(transfer.into());
        self.driver.give(Input::Pause { transfer });
    }

    /// Fetches again.
    pub fn resume(&self, transfer: u32) {
        let transfer = TransferId(transfer.into());
        self.driver.give(Input::Resume { transfer });
    }

    /// Forgets a transfer.
    #[wasm_bindgen(js_name = closeTransfer)]
    pub fn close_transfer(&self, transfer: u32) {
        let transfer = TransferId(transfer.into());
        let closed = self.driver.transfers.borrow_mut().close(transfer);
        if let Some(closed) = closed {
            self.driver.store.unpin(&closed.pinned);
            self.driver.give(Input::Drop { transfer });
        }
    }

    /// How a transfer stands.
    pub fn progress(&self, transfer: u32) -> PeerProgress {
        let swarm = self.driver.swarm.borrow();
        let progress = swarm.progress(TransferId(transfer.into()));
        let progress = progress.map(|progress| to_object(&Progress::from(progress)));
        JsValue::from(progress).into()
    }

    /// Everybody connected.
    pub fn peers(&self) -> PeerSources {
        let peers = self.driver.swarm.borrow().peers();
        let peers: Vec<_> = peers.into_iter().map(Source::from).collect();
        to_object(&peers).into()
    }

    /// Bytes of blobs in the store.
    #[wasm_bindgen(js_name = storedBytes)]
    pub fn stored_bytes(&self) -> f64 {
        number(self.driver.store.total())
    }

    /// The page made the channel of a connection it was told to make.
    pub fn adopt(&self, connection: u64, channel: Channel) {
        let connection = ConnectionId(connection);
        let mut connections = self.driver.connections.borrow_mut();
        let inputs = connections.adopt(connection, channel);
        drop(connections);
        self.driver.give_all(inputs);
    }

    /// The ends of a connection agreed on the longest message; `binding` is
    /// the fingerprints of their certificates, the offering side's first.
    pub fn agreed(&self, connection: u64, max_message: u32, binding: Vec<u8>) {
        let limit = usize::try_from(max_message).unwrap_or(usize::MAX);
        let mut connections = self.driver.connections.borrow_mut();
        let inputs = connections.agreed(ConnectionId(connection), limit, Bytes::from(binding));
        drop(connections);
        self.driver.give_all(inputs);
    }

    /// A connection of the page goes through a TURN server, or directly.
    pub fn selected(&self, connection: u64, turn: bool) {
        let connection = ConnectionId(connection);
        let pair = if turn { Pair::Turn } else { Pair::Direct };
        self.driver.give(Input::Selected { connection, pair });
    }

    /// A connection of the page has something for its other end.
    pub fn signal(&self, connection: u64, signal: PeerSignal) -> Result<(), JsValue> {
        let signal: HostSignal = serde_wasm_bindgen::from_value(signal.into())
            .map_err(|error| coded("internal", &error.to_string()))?;
        self.driver.give(Input::Signal {
            connection: ConnectionId(connection),
            signal: signal.into(),
        });
        Ok(())
    }

    /// A connection of the page ended, or never came to be.
    #[wasm_bindgen(js_name = hungUp)]
    pub fn hung_up(&self, connection: u64, reason: String) {
        let connection = ConnectionId(connection);
        let known = self.driver.connections.borrow_mut().close(connection);
        if known.is_some() {
            self.driver.give(Input::Closed { connection, reason });
        }
    }

    /// Ends every connection and closes the store.
    pub async fn close(&self) {
        let ids = self.driver.connections.borrow().ids();
        for id in ids {
            self.driver.close(id);
        }
        // Nothing to do about what cannot be written any more.
        let _ = self.driver.settle().await;
        let _ = self.driver.keep_wants().await;
        self.driver.store.close();
    }
}

impl Peer {
    fn begin(&self, link: &Link, target: Target, pinned: Vec<BlobId>) -> PeerTransfer {
        let transfer = self.driver.transfers.borrow_mut().open(link.id, pinned);
        self.driver.give(Input::Open { transfer, target });
        opened(transfer, link)
    }
}

fn opened(transfer: TransferId, link: &Link) -> PeerTransfer {
    let opened = Opened {
        transfer: short(transfer),
        link: link.to_url("").split_off(1),
    };
    to_object(&opened).into()
}

impl From<Account> for Known {
    fn from(account: Account) -> Self {
        Self {
            peer: account.peer.to_string(),
            sent_bytes: account.traffic.sent,
            received_bytes: account.traffic.received,
            last_seen: account.last_seen.0,
        }
    }
}

impl From<samara_swarm::Source> for Source {
    fn from(source: samara_swarm::Source) -> Self {
        Self {
            peer: source.peer.to_string(),
            path: match source.path {
                Path::WebRtc => "webrtc",
                Path::WebSocket => "websocket",
                Path::Circuit => "circuit",
            },
            pair: source.pair.map(|pair| match pair {
                Pair::Direct => "direct",
                Pair::Turn => "turn",
            }),
            detour: source.detour.map(|detour| detour.to_string()),
            bytes: source.bytes,
            round_trip: source.round_trip.map(|round_trip| round_trip.0),
            channels: source.channels,
        }
    }
}

impl From<samara_swarm::Progress> for Progress {
    fn from(progress: samara_swarm::Progress) -> Self {
        Self {
            state: match progress.state {
                State::Waiting => "waiting",
                State::Active => "active",
                State::Paused => "paused",
                State::Done => "done",
                State::Failed => "failed",
            },
            bytes: progress.bytes_held,
            total_bytes: progress.bytes,
            chunks: progress.chunks_held,
            total_chunks: progress.chunks,
            sources: progress.sources.into_iter().map(Source::from).collect(),
        }
    }
}

/// The profile's identity for the one peer that bears it, a fresh one for any
/// other.
async fn identity(store: &Store, named: bool) -> Result<PeerSecret, JsValue> {
    if named {
        let identity = store.identity(fresh()).await;
        identity.map_err(|error| to_js(&error))
    } else {
        Ok(fresh())
    }
}

fn fresh() -> PeerSecret {
    PeerSecret::generate(&mut UnwrapErr(getrandom::SysRng))
}

/// A limit in bytes a second; none for 0. A second's worth may pass at once,
/// and always a blob.
fn rate(bytes_per_second: f64) -> Option<Rate> {
    let bytes_per_second = NonZeroU64::new(whole(bytes_per_second))?;
    let burst = bytes_per_second.get().max(1 << 20);
    Some(Rate {
        bytes_per_second,
        burst,
    })
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut bytes);
    bytes
}
