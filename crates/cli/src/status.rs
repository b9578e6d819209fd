//! `samara status`: what the store holds, what is wanted for others, what was
//! exchanged with whom, and with whom the process is connected that runs on it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use samara_node::{
    ConnectedPeer, Ledger, Live, Pair, Path as Connected, Said, Status, StatusFile, Wants,
};
use samara_store::{OpenError, Options, Store};
use serde::Serialize;

use crate::exit::{Code, Failure};
use crate::store;

/// In the words of `--json`.
#[derive(Serialize)]
struct Report<'a> {
    store: &'a Path,
    #[serde(flatten)]
    status: &'a Status,
    /// `None` when no process has the store open.
    running: Option<Running<'a>>,
}

/// A process that has the store open.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Running<'a> {
    process: u32,
    /// Since it said all of this.
    age_ms: u128,
    #[serde(flatten)]
    live: &'a Live,
}

/// Who told the figures.
enum Seen {
    /// The store itself.
    Store(Status),
    /// The process that has it open.
    Process(Said),
}

/// Prints figures on standard output.
pub fn run(json: bool, asked: Option<PathBuf>) -> Result<(), Failure> {
    let dir = store::folder(asked)?;
    let seen = look(&dir)?;
    let (status, running) = match &seen {
        Seen::Store(status) => (status, None),
        Seen::Process(said) => (&said.status, Some(Running::of(said))),
    };
    let report = Report {
        store: &dir,
        status,
        running,
    };
    let text = if json {
        report.to_json()
    } else {
        report.to_lines()
    };
    crate::output::print(&text).map_err(|error| {
        Failure::new(
            Code::Other,
            format!("the output cannot be written: {error}"),
        )
    })
}

fn look(dir: &Path) -> Result<Seen, Failure> {
    // Looking must not make anything.
    if !dir.exists() {
        return Ok(Seen::Store(Status::default()));
    }
    match Store::open(dir, Options::default()) {
        Ok(store) => Ok(Seen::Store(at_rest(&store, dir)?)),
        Err(OpenError::InUse { .. }) => said(dir).map(Seen::Process),
        Err(error) => Err(error.into()),
    }
}

/// What a store says that nobody else has open.
fn at_rest(store: &Store, dir: &Path) -> Result<Status, Failure> {
    let wants = Wants::beside(dir).read().map_err(|error| {
        let text = format!("the wants in {} cannot be read: {error}", dir.display());
        Failure::new(Code::Other, text)
    })?;
    let accounts = Ledger::beside(dir).accounts()?;
    Ok(Status::new(store.stats(), wants.len(), &accounts))
}

/// What the process says that has the store open.
fn said(dir: &Path) -> Result<Said, Failure> {
    StatusFile::beside(dir).read()?.ok_or_else(|| {
        let message = format!(
            "another process has the store {} open and does not say how it is doing: it is \
             starting, stopping or ingesting; try again in a moment",
            dir.display()
        );
        Failure::new(Code::InUse, message)
    })
}

impl<'a> Running<'a> {
    fn of(said: &'a Said) -> Self {
        Self {
            process: said.process,
            age_ms: said.age().as_millis(),
            live: &said.live,
        }
    }
}

impl Report<'_> {
    fn to_json(&self) -> String {
        let json = serde_json::to_string(self);
        json.expect("figures are texts and numbers") + "\n"
    }

    fn to_lines(&self) -> String {
        let mut text = String::new();
        self.write_to(&mut text)
            .expect("a text takes what is written to it");
        text
    }

    fn write_to(&self, text: &mut String) -> std::fmt::Result {
        let Self {
            store,
            status,
            running,
        } = self;
        writeln!(text, "store   {}", store.display())?;
        if let Some(Running {
            process, age_ms, ..
        }) = running
        {
            let age = *age_ms / 1000;
            writeln!(text, "open    by process {process}; as it said {age} s ago")?;
        }
        let bytes = HumanBytes(status.bytes);
        writeln!(text, "blobs   {}, {bytes}", status.blobs)?;
        let bytes = HumanBytes(status.pinned_bytes);
        writeln!(text, "pinned  {}, {bytes}", status.pinned_blobs)?;
        writeln!(text, "wanted  {} for others", status.wanted_blobs)?;
        writeln!(text, "peers   {} known", status.known_peers)?;
        for known in &status.top_peers {
            let peer = known.peer;
            let sent = HumanBytes(known.sent_bytes);
            let received = HumanBytes(known.received_bytes);
            writeln!(text, "        {peer}  sent {sent}, received {received}")?;
        }
        if let Some(Running { live, .. }) = running {
            writeln!(text, "now     {} connected", live.connected_peers)?;
            for peer in live.peers.iter().take(SHOWN) {
                write_peer(text, peer)?;
            }
        }
        Ok(())
    }
}

/// Connected peers that are shown to people, the busiest.
const SHOWN: usize = 10;

fn write_peer(text: &mut String, connected: &ConnectedPeer) -> std::fmt::Result {
    let (peer, path) = (connected.peer, way(connected));
    let sent = HumanBytes(connected.sent_bytes);
    let received = HumanBytes(connected.bytes);
    write!(
        text,
        "        {peer}  {path}, sent {sent}, received {received}"
    )?;
    if connected.bytes_per_second > 0 {
        write!(text, ", {}/s", HumanBytes(connected.bytes_per_second))?;
    }
    if let Some(round_trip) = connected.round_trip_ms {
        write!(text, ", {round_trip} ms")?;
    }
    writeln!(text)
}

/// How a peer is connected, and why in no better way.
fn way(connected: &ConnectedPeer) -> String {
    let way = match connected.path {
        Connected::WebRtc => match connected.pair {
            Some(Pair::Direct) => "by a data channel, directly",
            Some(Pair::Turn) => "by a data channel, through a TURN server",
            None => "by a data channel",
        },
        Connected::WebSocket => "by websocket",
        Connected::Circuit => "through the relay, sealed",
    };
    match &connected.detour {
        Some(why) => format!("{way}, since {why}"),
        None => way.to_owned(),
    }
}
